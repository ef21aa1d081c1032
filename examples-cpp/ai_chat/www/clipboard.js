/** Copy buttons, on plain http too. */

import { setText } from './i18n.js';

const CONFIRM_MS = 1_600;

/**
 * Makes `button` copy what `text` returns, and say so for a moment.
 * @param {HTMLButtonElement} button   its last child is the caption
 * @param {() => string} text
 */
export function copyButton(button, text) {
  const caption = /** @type {HTMLElement} */ (button.lastElementChild);
  let timer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  button.addEventListener('click', async () => {
    if (!(await copy(text()))) return;
    setText(caption, 'turn.copied');
    clearTimeout(timer);
    timer = setTimeout(() => setText(caption, 'turn.copy'), CONFIRM_MS);
  });
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyThroughSelection(text); // no clipboard API outside secure contexts
  }
}

/** @param {string} text */
function copyThroughSelection(text) {
  const focused = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'sr-only';
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}
