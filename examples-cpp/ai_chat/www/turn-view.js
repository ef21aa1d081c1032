/** How one turn looks: what somebody wrote, or an answer from its first token to its end. */

import { fromTemplate, part, prefersReducedMotion } from './dom.js';
import { localize, problemText, setLabel, setText, setTime, translate } from './i18n.js';
import { MessageBody } from './message-body.js';
import { Typewriter } from './typewriter.js';

/** @typedef {import('./announcer.js').Announcer} Announcer */
/** @typedef {import('./chat-socket.js').Answer} Answer */
/** @typedef {import('./conversations.js').AssistantTurn} AssistantTurn */
/** @typedef {'sending' | 'waiting' | 'stored' | 'delivered' | 'failed'} Delivery */

const showAtOnce = () => prefersReducedMotion() || document.hidden;

/** What one wrote oneself. */
export class OwnView {
  element;

  /** @param {{ text: string, at: number }} turn @param {{ onEdit?: () => void, onResend?: () => void }} [actions] */
  constructor({ text, at }, { onEdit, onResend } = {}) {
    this.element = createTurn('turn-user', at);
    // Never formatted: people see what they typed.
    part(this.element, '.body').textContent = text;
    part(this.element, '.edit').addEventListener('click', () => onEdit?.());
    part(this.element, '.resend').addEventListener('click', () => onResend?.());
  }

  /** Only the last question can be edited. @param {boolean} editable */
  setEditable(editable) { part(this.element, '.edit').hidden = !editable; }

  /** @param {Delivery} delivery @param {{ code: string, retryable: boolean }} [problem] */
  setDelivery(delivery, problem) {
    this.element.dataset.delivery = delivery;
    part(this.element, '.delivery').hidden = false;
    const { key, params } = problemText(problem?.code ?? '');
    setText(part(this.element, '.delivery-text'), `delivery.${delivery}`, delivery === 'failed' ? { reason: translate(key, params) } : undefined);
    part(this.element, '.resend').hidden = delivery !== 'failed' || problem?.retryable !== true;
  }

  clearDelivery() {
    delete this.element.dataset.delivery;
    part(this.element, '.delivery').hidden = true;
  }
}

/** What somebody else wrote. */
export class PersonView {
  element;

  /** @param {{ from: string, text: string, at: number }} post @param {(name: string) => void} onWrite */
  constructor({ from, text, at }, onWrite) {
    this.element = createTurn('turn-person', at);
    part(this.element, '.body').textContent = text;
    this.element.dataset.from = from;
    const name = part(this.element, '.role');
    name.textContent = from;
    setLabel(name, 'room.write', { name: from });
    name.addEventListener('click', () => onWrite(from));
    dressAvatar(part(this.element, '.avatar'), from);
  }
}

/** A colour and an initial for a name. @param {HTMLElement} avatar @param {string} name */
export function dressAvatar(avatar, name) {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 997;
  avatar.dataset.hue = String(hash % 6);
  avatar.dataset.initial = ([...name.trim()][0] ?? '').toLocaleUpperCase(); // drawn by CSS: it is no text
  avatar.replaceChildren();
}

export class AnswerView {
  element;
  #body;
  #typewriter;
  #announcer;
  /** @type {(() => void)[]} */ #unsubscribe = [];
  /** @type {ReturnType<typeof setInterval> | undefined} */ #countdown;
  #settled = false;

  /**
   * @param {AssistantTurn} turn
   * @param {Announcer} announcer
   * @param {{ onAgain?: () => void, onEdit?: () => void }} actions
   */
  constructor(turn, announcer, { onAgain, onEdit }) {
    this.element = createTurn('turn-assistant', turn.at);
    this.#body = new MessageBody(part(this.element, '.body'));
    this.#typewriter = new Typewriter((text) => this.#show(text), showAtOnce);
    this.#announcer = announcer;
    this.element.dataset.status = 'waiting';
    const again = part(this.element, '.again');
    again.addEventListener('click', () => (again.dataset.i18n === 'turn.edit' ? onEdit : onAgain)?.());
    part(this.element, '.regenerate').addEventListener('click', () => onAgain?.());
    this.#show(turn.text);
    if (turn.status !== 'streaming') this.#settle(turn);
  }

  get text() { return this.#body.text; }

  /** Shows what comes from now on. @param {Answer} answer */
  follow(answer) {
    this.#showStatus({ status: answer.status });
    this.#unsubscribe.push(
      answer.on('piece', ({ content }) => {
        this.#announcer.add(content);
        this.#typewriter.push(content);
      }),
      answer.on('status', (event) => this.#showStatus(event)),
    );
  }

  /** It is not shown any more. */
  leave() {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    clearInterval(this.#countdown);
    this.#typewriter.flush();
  }

  /** Shows how the answer ended. @param {AssistantTurn} turn */
  finish(turn) {
    this.leave();
    this.#settle(turn);
    const note = part(this.element, '.note').hidden ? translate('turn.answered') : part(this.element, '.note-text').textContent;
    this.#announcer.end(note ?? '');
  }

  /** Only the last answer can be asked for again. @param {boolean} repeatable */
  setRepeatable(repeatable) { this.element.classList.toggle('repeatable', repeatable); }

  /** @param {string} text */
  #show(text) {
    if (!text) return;
    if (!this.#settled) this.element.dataset.status = 'streaming';
    this.#body.append(text);
  }

  /** @param {import('./chat-socket/answer.js').StatusEvent} event */
  #showStatus({ status, position = 0, retryAfter = 0 }) {
    clearInterval(this.#countdown);
    const progress = part(this.element, '.progress');
    if (status === 'waiting') setText(progress, 'turn.waiting');
    else if (status === 'asked') setText(progress, 'turn.sent');
    else if (status === 'thinking') setText(progress, 'turn.thinking');
    else if (status === 'queued') setText(progress, position > 1 ? 'turn.queued' : 'turn.next', { position });
    else if (status === 'retrying') return this.#countDown(progress, retryAfter);
    else return;
    this.#announcer.say(progress.textContent ?? '');
  }

  /** @param {HTMLElement} progress @param {number} seconds */
  #countDown(progress, seconds) {
    const due = Date.now() + seconds * 1000;
    const tick = () => {
      const left = Math.ceil((due - Date.now()) / 1000);
      if (left > 0) setText(progress, 'turn.retrying', { seconds: left });
      else setText(progress, 'turn.asking');
    };
    tick();
    this.#countdown = setInterval(tick, 250);
    this.#announcer.say(progress.textContent ?? '');
  }

  /** @param {AssistantTurn} turn */
  #settle({ status, problem, text, finish, stats }) {
    this.#settled = true;
    this.element.dataset.status = status;
    this.#body.finish();
    part(this.element, '.actions').hidden = text === '';
    this.#showStats(stats);
    part(this.element, '.regenerate').hidden = status === 'failed';
    const note = part(this.element, '.note');
    const caption = part(this.element, '.note-text');
    const early = { length: 'turn.length', content_filter: 'turn.filtered' }[finish ?? ''];
    note.hidden = status === 'done' && !early;
    if (status === 'stopped') return setText(caption, 'turn.stopped');
    if (status === 'done') return early && setText(caption, early);

    const { key, params } = problemText(problem?.code ?? 'answer_failed');
    setText(caption, key, params);
    part(this.element, '.note-detail').textContent = problem?.message ?? '';
    const again = part(this.element, '.again');
    const editable = problem?.code === 'message_too_long';
    again.hidden = !editable && problem?.retryable === false;
    setText(again, editable ? 'turn.edit' : 'turn.retry');
  }

  /** @param {AssistantTurn['stats']} stats */
  #showStats(stats) {
    const line = part(this.element, '.stats');
    line.replaceChildren();
    const add = (/** @type {string} */ key, /** @type {Record<string, string | number>} */ params) => {
      const item = document.createElement('span');
      setText(item, key, params);
      line.append(item);
    };
    const { firstMs = null, tokensPerSecond = null, tokens = null } = stats ?? {};
    if (firstMs !== null) add('stats.first', { seconds: (firstMs / 1000).toFixed(firstMs < 10_000 ? 1 : 0) });
    if (tokensPerSecond !== null) add('stats.rate', { rate: tokensPerSecond < 10 ? tokensPerSecond.toFixed(1) : Math.round(tokensPerSecond) });
    if (tokens !== null) add('stats.tokens', { count: tokens });
  }
}

/** @param {string} template @param {number} at */
function createTurn(template, at) {
  const element = fromTemplate(template);
  setTime(/** @type {HTMLTimeElement} */ (element.querySelector('time')), new Date(at));
  localize(element);
  return element;
}
