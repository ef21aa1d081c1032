/**
 * Reads an answer to screen readers sentence by sentence: token by token would be noise, and only at the end would be late.
 */

/** Short sentences are read together. */
const MIN_LENGTH = 60;
const SENTENCE_END = /[.!?](?=\s)|[。！？\n]/g;
/** Old sentences are taken out of the region again. */
const KEEP = 12;

export class Announcer {
  #region;
  #waiting = '';

  /** @param {HTMLElement} region  an aria-live="polite" element */
  constructor(region) {
    this.#region = region;
  }

  /** @param {string} text  a piece of an answer */
  add(text) {
    this.#waiting += text;
    let end = 0;
    for (const match of this.#waiting.matchAll(SENTENCE_END)) end = match.index + match[0].length;
    if (end >= MIN_LENGTH) {
      this.say(this.#waiting.slice(0, end));
      this.#waiting = this.#waiting.slice(end);
    }
  }

  /** Says what is left of the answer, and `note`. @param {string} note */
  end(note) {
    this.say(this.#waiting);
    this.#waiting = '';
    this.say(note);
  }

  /** The answer is not looked at any more. */
  drop() { this.#waiting = ''; }

  /** @param {string} text */
  say(text) {
    if (text.trim() === '') return;
    const line = document.createElement('p');
    line.textContent = text.trim();
    this.#region.append(line);
    while (this.#region.childElementCount > KEEP) this.#region.firstElementChild?.remove();
  }
}
