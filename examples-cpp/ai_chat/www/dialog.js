/** The one dialog: a question with one line of text as its answer. */

import { byId } from './dom.js';
import { setText } from './i18n.js';

/**
 * @typedef {object} Question  texts by their keys
 * @property {string} title
 * @property {string} text
 * @property {string} label
 * @property {string} ok
 * @property {string} [value]
 * @property {(value: string) => Promise<string | null> | string | null} check  the key of what is wrong with it, or null
 */

/** Whether it can be a name, of a person or a room. @param {string} name */
export const isName = (name) => name !== '' && name.trim() === name && new TextEncoder().encode(name).length <= 64 && !/\p{Cc}/u.test(name);

/** @param {Question} question @returns {Promise<string | null>} what was answered; null: nothing */
export function ask({ title, text, label, ok, value = '', check }) {
  const dialog = byId('dialog', HTMLDialogElement);
  const form = byId('dialog-form', HTMLFormElement);
  const input = byId('dialog-input', HTMLInputElement);
  const problem = byId('dialog-problem', HTMLParagraphElement);
  const button = byId('dialog-ok', HTMLButtonElement);
  setText(byId('dialog-title', HTMLHeadingElement), title);
  setText(byId('dialog-text', HTMLParagraphElement), text);
  setText(byId('dialog-label', HTMLLabelElement), label);
  setText(button, ok);
  input.value = value;

  return new Promise((resolve) => {
    /** @type {string | null} */ let answer = null;
    const closing = new AbortController();
    const listen = { signal: closing.signal };
    const complain = (/** @type {string | null} */ key) => {
      problem.hidden = key === null;
      input.setAttribute('aria-invalid', String(key !== null));
      if (key !== null) setText(problem, key);
    };
    complain(null);
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (button.disabled) return;
      const name = input.value.trim();
      button.disabled = true;
      const wrong = await check(name);
      button.disabled = false;
      if (closing.signal.aborted) return;
      complain(wrong);
      if (wrong !== null) return input.focus();
      answer = name;
      dialog.close();
    }, listen);
    input.addEventListener('input', () => complain(null), listen);
    byId('dialog-cancel', HTMLButtonElement).addEventListener('click', () => dialog.close(), listen);
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); }, listen); // beside it
    dialog.addEventListener('close', () => {
      closing.abort();
      button.disabled = false;
      resolve(answer);
    }, { once: true });
    dialog.showModal();
    input.select();
  });
}
