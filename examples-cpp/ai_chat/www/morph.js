/** Changes a tree into another one with as few changes as possible, so that a selection, a scroll position and the focus survive. */

/**
 * Gives `parent` the children of `fresh`. Nodes that stay the same are left alone.
 * @param {Node} parent
 * @param {Node} fresh   is used up
 */
export function morph(parent, fresh) {
  const wanted = [...fresh.childNodes];
  wanted.forEach((node, index) => {
    const present = parent.childNodes[index];
    if (!present) parent.appendChild(node);
    else if (present.isEqualNode(node) || (present.nodeName === 'BUTTON' && node.nodeName === 'BUTTON')) return;
    else if (present instanceof Text && node instanceof Text) setText(present, node.data);
    else if (isSameShell(present, node)) morph(present, node);
    else parent.replaceChild(node, present);
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild?.remove();
}

/** Appends where it can: that keeps a selection. @param {Text} node @param {string} text */
function setText(node, text) {
  if (text.startsWith(node.data)) node.appendData(text.slice(node.data.length));
  else node.data = text;
}

/** @param {Node} present @param {Node} node */
function isSameShell(present, node) {
  if (present.nodeType !== Node.ELEMENT_NODE || present.nodeName !== node.nodeName) return false;
  return present.nodeName === 'DETAILS' || present.cloneNode(false).isEqualNode(node.cloneNode(false)); // which the reader may have opened
}
