/** The page: header, conversation, composer. It shows what it is told and reports what the reader does; it decides nothing. */

import { Announcer } from './announcer.js';
import { Autoscroll } from './autoscroll.js';
import { setLabel, setText } from './i18n.js';
import { AnswerView, createUserTurn } from './turn-view.js';

/** @typedef {import('./chat-socket.js').ConnectionState} ConnectionState */
/** @typedef {import('./transcript.js').UserTurn} UserTurn */
/** @typedef {import('./transcript.js').AssistantTurn} AssistantTurn */

/**
 * @typedef {object} Actions
 * @property {(text: string) => boolean} send   true when the message was taken
 * @property {() => void} stop
 * @property {() => void} reconnect
 * @property {() => void} newChat
 * @property {() => void} switchLanguage
 */

/** @template {HTMLElement} T @param {string} id @param {new () => T} type @returns {T} */
function byId(id, type) {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`index.html has no ${type.name} #${id}`);
}

export class ChatPage {
  #actions;
  #message = byId('message', HTMLTextAreaElement);
  #send = byId('send', HTMLButtonElement);
  #turns = byId('turns', HTMLOListElement);
  #refusal = byId('refusal', HTMLParagraphElement);
  #announcer = new Announcer(byId('announcer', HTMLDivElement));
  #autoscroll;
  #answering = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #countdown;
  /** Answers that still offer to be asked for again. @type {Set<AnswerView>} */ #repeatable = new Set();

  /** @param {Actions} actions */
  constructor(actions) {
    this.#actions = actions;
    const jump = byId('jump', HTMLButtonElement);
    this.#autoscroll = new Autoscroll(byId('log', HTMLDivElement), byId('column', HTMLDivElement), (following) => {
      if (following && document.activeElement === jump) byId('log', HTMLDivElement).focus({ preventScroll: true });
      jump.hidden = following;
    });
    jump.addEventListener('click', () => this.#autoscroll.follow());
    byId('reconnect', HTMLButtonElement).addEventListener('click', () => actions.reconnect());
    byId('new-chat', HTMLButtonElement).addEventListener('click', () => actions.newChat());
    byId('language', HTMLButtonElement).addEventListener('click', () => actions.switchLanguage());
    this.#listenToComposer();
    this.#listenToPrompts();
    fitToKeyboard();
  }

  // ---- conversation ----

  /** @param {UserTurn} turn */
  addUser(turn) {
    this.#add(createUserTurn(turn));
  }

  /**
   * @param {AssistantTurn} turn
   * @param {() => void} onAgain
   * @returns {AnswerView}
   */
  addAnswer(turn, onAgain) {
    const view = new AnswerView(turn, this.#announcer, onAgain);
    this.#add(view.element);
    this.#repeatable.add(view);
    return view;
  }

  /** Only the last answer can be asked for again. */
  withdrawRepeats() {
    for (const view of this.#repeatable) view.withdrawAgain();
    this.#repeatable.clear();
  }

  clear() {
    this.#repeatable.clear();
    this.#turns.replaceChildren();
    this.#showEmpty(true);
    this.#autoscroll.follow();
  }

  /** @param {HTMLElement} element */
  #add(element) {
    this.#showEmpty(false);
    this.#turns.append(element);
    this.#autoscroll.follow();
  }

  /** @param {boolean} empty */
  #showEmpty(empty) {
    byId('empty', HTMLElement).hidden = !empty;
    byId('new-chat', HTMLButtonElement).disabled = empty;
  }

  // ---- connection ----

  /** @param {{ state: ConnectionState, attempt: number, retryInMs: number | null }} event */
  showConnection({ state, attempt, retryInMs }) {
    // While it is trying again, the page is offline, not "connecting, offline, connecting, offline".
    const shown = state === 'connecting' && attempt > 0 ? 'waiting' : state;
    byId('state', HTMLParagraphElement).dataset.state = shown;
    const caption = byId('state-text', HTMLSpanElement);
    if (caption.dataset.i18n !== `state.${shown}`) setText(caption, `state.${shown}`);

    clearInterval(this.#countdown);
    byId('banner', HTMLDivElement).hidden = shown !== 'waiting';
    byId('reconnect', HTMLButtonElement).hidden = state !== 'waiting';
    const text = byId('banner-text', HTMLSpanElement);
    if (state === 'connecting') setText(text, 'offline.connecting');
    if (state === 'online') this.#refusal.hidden = true;
    if (state !== 'waiting' || retryInMs === null) return;
    const due = Date.now() + retryInMs;
    const tick = () => setText(text, 'offline.retry', { seconds: Math.max(1, Math.ceil((due - Date.now()) / 1000)) });
    tick();
    this.#countdown = setInterval(tick, 250);
  }

  // ---- composer ----

  /** @param {boolean} answering */
  setAnswering(answering) {
    this.#answering = answering;
    this.#send.dataset.mode = answering ? 'stop' : 'send';
    setLabel(this.#send, answering ? 'compose.stop' : 'compose.send');
    if (!answering) this.#refusal.hidden = true;
  }

  /** Says why a message was not sent. @param {'empty' | 'busy' | 'offline'} reason */
  refuse(reason) {
    if (reason === 'empty') return;
    this.#refusal.hidden = false;
    setText(this.#refusal, `refused.${reason}`);
  }

  /** Puts text into the composer, unless something is being written there. @param {string} text */
  suggest(text) {
    if (this.#message.value.trim() === '') this.#message.value = text;
    this.#composed();
    this.#message.focus();
  }

  focusComposer() {
    // On a touch screen the focus would open the keyboard over the conversation.
    if (matchMedia('(pointer: fine)').matches) this.#message.focus();
  }

  #listenToComposer() {
    byId('composer', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#send.addEventListener('click', (event) => {
      if (!this.#answering) return; // a submit
      event.preventDefault();
      if (event.detail > 1) return; // the second click of a double click on "send"
      this.#actions.stop();
      this.focusComposer();
    });
    this.#message.addEventListener('input', () => this.#composed());
    this.#message.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || isComposing(event)) return;
      event.preventDefault();
      this.#submit();
    });
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#answering && !isComposing(event)) this.#actions.stop();
    });
    this.#composed();
  }

  #submit() {
    const text = this.#message.value;
    if (!this.#actions.send(text)) return;
    this.#message.value = '';
    this.#composed();
  }

  /** The text has changed. */
  #composed() {
    this.#send.classList.toggle('ready', this.#message.value.trim() !== '');
    this.#refusal.hidden = true;
    // Grows with its text where CSS cannot do it (field-sizing); the style sheet sets the limit.
    if (CSS.supports('field-sizing', 'content')) return;
    this.#message.style.height = 'auto';
    this.#message.style.height = `${this.#message.scrollHeight}px`;
  }

  #listenToPrompts() {
    byId('prompts', HTMLUListElement).addEventListener('click', (event) => {
      const prompt = event.target instanceof Element ? event.target.closest('.prompt') : null;
      const text = prompt?.querySelector('span')?.textContent;
      if (!text) return;
      if (this.#actions.send(text)) this.focusComposer();
      else this.#message.value ||= text;
      this.#send.classList.toggle('ready', this.#message.value.trim() !== '');
    });
  }
}

/** True while an input method is putting a character together; 229 is what Safari says for the Enter that ends it. @param {KeyboardEvent} event */
const isComposing = (event) => event.isComposing || event.keyCode === 229;

/** Safari lays its keyboard over the page instead of shrinking it: shrink the page ourselves. */
function fitToKeyboard() {
  const viewport = window.visualViewport;
  if (!viewport) return;
  const fit = () => {
    const covered = viewport.scale === 1 && innerHeight - viewport.height > 80;
    const { style } = document.documentElement;
    if (covered) style.setProperty('--app-height', `${viewport.height}px`);
    else style.removeProperty('--app-height');
    if (covered) scrollTo(0, 0);
  };
  viewport.addEventListener('resize', fit);
}
