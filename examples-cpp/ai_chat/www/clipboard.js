/** Copy buttons, on plain http too. */

import { setLabel, setText } from './i18n.js';

const CONFIRM_MS = 1_600;

/** @type {WeakMap<HTMLButtonElement, ReturnType<typeof setTimeout>>} */ const timers = new WeakMap();

/**
 * Copies, and says so on the button for a moment. Its caption is a `span` in it, or its label if there is none.
 * @param {HTMLButtonElement} button
 * @param {string} text
 * @returns {Promise<boolean>}
 */
export async function copyFrom(button, text) {
  if (!(await copy(text))) return false;
  const caption = button.querySelector('span');
  const show = (/** @type {string} */ key) => (caption ? setText(caption, key) : setLabel(button, key));
  show('turn.copied');
  button.classList.add('copied');
  clearTimeout(timers.get(button));
  timers.set(button, setTimeout(() => {
    show('turn.copy');
    button.classList.remove('copied');
  }, CONFIRM_MS));
  return true;
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
