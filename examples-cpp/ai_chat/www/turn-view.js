/** How one turn of the conversation looks: a user's message, or an answer from its first token to its end. */

import { Announcer } from './announcer.js';
import { copyButton } from './clipboard.js';
import { hasText, localize, setText, setTime, translate } from './i18n.js';
import { MessageBody } from './message-body.js';
import { Typewriter } from './typewriter.js';

/** @typedef {import('./transcript.js').UserTurn} UserTurn */
/** @typedef {import('./transcript.js').AssistantTurn} AssistantTurn */

const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');
const showAtOnce = () => reducedMotion.matches || document.hidden;

/** @param {UserTurn} turn @returns {HTMLElement} */
export function createUserTurn(turn) {
  const element = createTurn('turn-user', turn.at);
  // Never formatted: people see what they typed.
  /** @type {HTMLElement} */ (element.querySelector('.body')).textContent = turn.text;
  return element;
}

export class AnswerView {
  element;
  #body;
  #typewriter;
  #announcer;
  #onAgain;

  /**
   * @param {AssistantTurn} turn
   * @param {Announcer} announcer
   * @param {() => void} onAgain   the reader wants the question to be sent (or edited) once more
   */
  constructor(turn, announcer, onAgain) {
    this.element = createTurn('turn-assistant', turn.at);
    this.#body = new MessageBody(this.#part('.body'));
    this.#typewriter = new Typewriter((text) => this.#show(text), showAtOnce);
    this.#announcer = announcer;
    this.#onAgain = onAgain;
    this.element.dataset.status = 'waiting';
    copyButton(/** @type {HTMLButtonElement} */ (this.#part('.actions .copy')), () => this.#body.text);
    this.#part('.again').addEventListener('click', () => this.#onAgain());
    if (turn.status !== 'streaming') {
      this.#show(turn.text);
      this.#settle(turn);
    }
  }

  /** @param {string} text */
  append(text) {
    this.#announcer.add(text);
    this.#typewriter.push(text);
  }

  /** Shows how the answer ended. @param {AssistantTurn} turn */
  finish(turn) {
    this.#typewriter.flush();
    this.#settle(turn);
    const note = this.#part('.note').hidden ? translate('turn.answered') : this.#part('.note-text').textContent;
    this.#announcer.end(note ?? '');
  }

  /** A later message has made sending this one's question again pointless. */
  withdrawAgain() {
    this.#part('.again').hidden = true;
  }

  /** @param {string} text */
  #show(text) {
    if (!text) return;
    this.element.dataset.status = 'streaming';
    this.#body.append(text);
  }

  /** @param {AssistantTurn} turn */
  #settle({ status, problem, text }) {
    this.element.dataset.status = status;
    this.#body.finish();
    this.#part('.actions').hidden = text === '';
    if (status === 'done') return;

    this.#part('.note').hidden = false;
    const caption = this.#part('.note-text');
    if (status === 'stopped') setText(caption, 'turn.stopped');
    else if (status === 'interrupted' && text) setText(caption, 'turn.interrupted');
    else {
      const code = problem?.code ?? 'no_answer';
      setText(caption, hasText(`error.${code}`) ? `error.${code}` : 'error.unknown', { code });
      this.#part('.note-detail').textContent = problem?.message ?? '';
    }
    const again = this.#part('.again');
    again.hidden = status === 'stopped';
    setText(again, status === 'interrupted' ? 'turn.again' : problem?.code === 'message_too_long' ? 'turn.edit' : 'turn.retry');
  }

  /** @param {string} selector @returns {HTMLElement} */
  #part(selector) {
    return /** @type {HTMLElement} */ (this.element.querySelector(selector));
  }
}

/** @param {string} template @param {number} at */
function createTurn(template, at) {
  const { content } = /** @type {HTMLTemplateElement} */ (document.getElementById(template));
  const element = /** @type {HTMLElement} */ (/** @type {DocumentFragment} */ (content.cloneNode(true)).firstElementChild);
  setTime(/** @type {HTMLTimeElement} */ (element.querySelector('time')), new Date(at));
  localize(element);
  return element;
}
