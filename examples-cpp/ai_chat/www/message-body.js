/**
 * Shows a growing text in an element, block by block. Only what is still open is looked at again when text is appended, and nodes that stay
 * the same are left alone, so a selection in them survives. Everything is set as text: no markup of a model ever becomes an element.
 */

import { parseBlocks, parseSpans } from './format.js';
import { copyButton } from './clipboard.js';
import { localize } from './i18n.js';

/** @typedef {import('./format.js').Block} Block */

export class MessageBody {
  #element;
  #text = '';
  /** Where each block begins in the text; the element's children are the blocks. @type {number[]} */ #starts = [];

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
  }

  get text() { return this.#text; }

  /** @param {string} text */
  append(text) {
    this.#text += text;
    this.#update(true);
  }

  /** No more text comes. */
  finish() {
    this.#update(false);
  }

  /** @param {boolean} growing */
  #update(growing) {
    const kept = Math.max(0, this.#starts.length - 2);
    const blocks = parseBlocks(this.#text, this.#starts[kept]);
    this.#starts = [...this.#starts.slice(0, kept), ...blocks.map(({ start }) => start)];

    blocks.forEach((block, index) => {
      const present = /** @type {HTMLElement | undefined} */ (this.#element.children[kept + index]);
      const element = present?.dataset.kind === block.kind ? present : createBlock(block);
      if (!present) this.#element.append(element);
      else if (present !== element) present.replaceWith(element);
      updateBlock(element, block, growing && index === blocks.length - 1);
    });
    while (this.#element.childElementCount > this.#starts.length) this.#element.lastElementChild?.remove();
  }
}

/** @param {Block} block @returns {HTMLElement} */
function createBlock({ kind }) {
  if (kind === 'code') return createCodeBlock();
  const element = document.createElement(kind === 'heading' ? 'h3' : kind === 'item' ? 'div' : 'p');
  element.dataset.kind = kind;
  if (kind === 'item') {
    const marker = document.createElement('span');
    marker.className = 'marker';
    element.className = 'item';
    element.append(marker, document.createElement('span'));
  }
  return element;
}

function createCodeBlock() {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById('code-block'));
  const element = /** @type {HTMLElement} */ (/** @type {DocumentFragment} */ (template.content.cloneNode(true)).firstElementChild);
  element.dataset.kind = 'code';
  localize(element);
  const button = /** @type {HTMLButtonElement} */ (element.querySelector('.copy'));
  copyButton(button, () => element.querySelector('code')?.textContent ?? '');
  return element;
}

/** @param {HTMLElement} element @param {Block} block @param {boolean} growing */
function updateBlock(element, block, growing) {
  if (block.kind === 'code') {
    setNodeText(/** @type {Element} */ (element.querySelector('.language')), block.language);
    setNodeText(/** @type {Element} */ (element.querySelector('code')), block.text);
  } else if (block.kind === 'item') {
    element.dataset.depth = String(block.depth);
    setNodeText(element.children[0], block.marker);
    updateSpans(element.children[1], block.text, growing);
  } else {
    updateSpans(element, block.text, growing);
  }
}

/** @param {Element} parent @param {string} text @param {boolean} growing */
function updateSpans(parent, text, growing) {
  const spans = parseSpans(text, growing);
  spans.forEach((span, index) => {
    const name = span.kind === 'text' ? '#text' : span.kind;
    const present = parent.childNodes[index];
    if (present?.nodeName.toLowerCase() === name) return setNodeText(present, span.text);
    const created = span.kind === 'text' ? document.createTextNode(span.text) : document.createElement(span.kind);
    created.textContent = span.text;
    if (present) present.replaceWith(created);
    else parent.append(created);
  });
  while (parent.childNodes.length > spans.length) parent.lastChild?.remove();
}

/** Appends where it can: that keeps a selection. @param {Node} node @param {string} text */
function setNodeText(node, text) {
  const leaf = node.nodeType === Node.TEXT_NODE ? node : node.firstChild;
  if (!(leaf instanceof Text) || node.childNodes.length > 1) node.textContent = text;
  else if (text.startsWith(leaf.data)) leaf.appendData(text.slice(leaf.data.length));
  else leaf.data = text;
}
