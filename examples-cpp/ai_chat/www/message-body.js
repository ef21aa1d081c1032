/**
 * Shows a growing Markdown text in an element, block by block. A block that is finished is rendered once; only what is still open is looked at
 * again, and nodes that stay the same are left alone. Rendering takes a bounded share of the time, however long the text and its last block get.
 */

import { localize } from './i18n.js';
import { lexBlocks, normalize, presentable, renderBlock } from './markdown.js';
import { morph } from './morph.js';

/** After a rendering of n ms, the next one waits for this many times n. */
const REST = 3;

export class MessageBody {
  #element;
  /** All of it, with normal line ends but for a \r at its end. */ #text = '';
  /** Where the first open block begins, and how many children are before it. */ #openAt = 0;
  #settled = 0;
  #hasDefinitions = false;
  #restUntil = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** What each open child shows. @type {WeakMap<Element, string>} */ #shown = new WeakMap();

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
  }

  get text() { return this.#text; }

  /** @param {string} text */
  append(text) {
    const cut = this.#text.endsWith('\r') ? this.#text.length - 1 : this.#text.length;
    const fresh = this.#text.slice(cut) + text;
    const held = fresh.endsWith('\r') ? 1 : 0;
    this.#text = this.#text.slice(0, cut) + normalize(fresh.slice(0, fresh.length - held)) + '\r'.repeat(held);
    const rest = this.#restUntil - performance.now();
    if (rest <= 0) this.#renderInTime();
    else this.#timer ??= setTimeout(() => this.#renderInTime(), rest);
  }

  /** No more text comes. */
  finish() {
    clearTimeout(this.#timer);
    this.#text = normalize(this.#text);
    // `[1]: https://…` at the end, links to it before; a formula that had looked like several blocks.
    if (this.#hasDefinitions || /^ {0,3}(?:\$\$|\\\[)/m.test(this.#text)) this.#openAt = this.#settled = 0;
    this.#render(false);
  }

  #renderInTime() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const begin = performance.now();
    this.#render(true);
    const end = performance.now();
    this.#restUntil = end - begin < 4 ? 0 : end + REST * (end - begin);
  }

  /** @param {boolean} growing */
  #render(growing) {
    const blocks = lexBlocks(this.#text.slice(this.#openAt));
    const last = blocks.at(-1);
    const shown = growing && last ? [...blocks.slice(0, -1), ...lexBlocks(presentable(last.token))] : blocks;
    let index = this.#settled;
    for (const { token } of shown) {
      this.#hasDefinitions ||= token.type === 'def';
      this.#show(index, token);
      index += 1;
    }
    while (this.#element.childElementCount > index) this.#element.lastElementChild?.remove();

    // The last block but one may still be drawn into the last (a list that goes on behind an empty line); those before it are what they are.
    const closed = Math.max(0, blocks.length - 2);
    this.#settled += closed;
    this.#openAt += blocks[closed]?.start ?? 0;
  }

  /** @param {number} index @param {import('./markdown.js').Token} token */
  #show(index, token) {
    let element = this.#element.children[index];
    if (!element) {
      element = document.createElement('div');
      element.className = 'block';
      this.#element.append(element);
    }
    if (this.#shown.get(element) === token.raw) return;
    this.#shown.set(element, token.raw);
    const nodes = renderBlock(token);
    dress(nodes);
    morph(element, nodes);
  }
}

/** Puts code and tables into their frames, and nothing behind the last one. @param {DocumentFragment} nodes */
function dress(nodes) {
  while (nodes.lastChild instanceof Text && nodes.lastChild.data.trim() === '') nodes.lastChild.remove(); // as marked ends its lines
  for (const table of nodes.querySelectorAll('table')) {
    const frame = document.createElement('div');
    frame.className = 'table';
    frame.tabIndex = 0;
    frame.setAttribute('role', 'group');
    frame.dataset.i18nLabel = 'turn.table';
    table.replaceWith(frame);
    frame.append(table);
  }
  for (const code of nodes.querySelectorAll('pre')) {
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById('code-block'));
    const figure = /** @type {HTMLElement} */ (/** @type {DocumentFragment} */ (template.content.cloneNode(true)).firstElementChild);
    /** @type {Element} */ (figure.querySelector('.language')).textContent = code.dataset.language ?? '';
    /** @type {Element} */ (figure.querySelector('code')).textContent = code.textContent.replace(/\n$/, '');
    code.replaceWith(figure);
  }
  localize(nodes);
}
