/** What has just happened, with a way back: one line that goes by itself, but not while it is looked at. */

import { byId } from './dom.js';
import { setText } from './i18n.js';

const SHOWN_MS = 8_000;

export class Toast {
  #element = byId('toast', HTMLDivElement);
  #text = byId('toast-text', HTMLSpanElement);
  #button = byId('toast-action', HTMLButtonElement);
  #action = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  constructor() {
    this.#button.addEventListener('click', () => {
      const action = this.#action;
      this.hide();
      action();
    });
    for (const enter of ['pointerenter', 'focusin']) this.#element.addEventListener(enter, () => clearTimeout(this.#timer));
    for (const leave of ['pointerleave', 'focusout']) this.#element.addEventListener(leave, () => this.#goLater());
  }

  /** @param {string} key @param {Record<string, string>} params @param {{ key: string, run: () => void }} [action] */
  show(key, params, action) {
    setText(this.#text, key, params);
    this.#button.hidden = !action;
    if (action) setText(this.#button, action.key);
    this.#action = action?.run ?? (() => {});
    this.#element.hidden = false;
    this.#goLater();
  }

  hide() {
    clearTimeout(this.#timer);
    this.#element.hidden = true;
  }

  #goLater() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.hide(), SHOWN_MS);
  }
}
