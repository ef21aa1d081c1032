/** Where one writes: text, "send" that becomes "stop", the question that is edited, the drafts of the threads. */

import { byId, isComposing } from './dom.js';
import { setLabel, setPlaceholder, setText } from './i18n.js';

/**
 * @typedef {object} ComposerActions
 * @property {(text: string, options: { editing: boolean, askModel: boolean }) => boolean} send  true when the text was taken
 * @property {() => void} stop
 */

export class Composer {
  #actions;
  #message = byId('message', HTMLTextAreaElement);
  #send = byId('send', HTMLButtonElement);
  #ask = byId('ask-model', HTMLButtonElement);
  #refusal = byId('refusal', HTMLParagraphElement);
  #editing = byId('editing', HTMLDivElement);
  #answering = false;
  /** Text that was not sent, by thread. @type {Map<string, string>} */ #drafts = new Map();
  #thread = '';
  #room = '';

  /** @param {ComposerActions} actions */
  constructor(actions) {
    this.#actions = actions;
    byId('composer', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#send.addEventListener('click', (event) => {
      if (this.#send.dataset.mode !== 'stop') return; // a submit
      event.preventDefault();
      if (event.detail > 1) return; // the second click of a double click on "send"
      this.#actions.stop();
      this.focus();
    });
    this.#message.addEventListener('input', () => this.#composed());
    this.#message.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || isComposing(event)) return;
      event.preventDefault();
      this.#submit();
    });
    this.#ask.addEventListener('click', () => {
      this.#setAsking(this.#ask.getAttribute('aria-pressed') !== 'true');
      this.focus();
    });
    byId('cancel-edit', HTMLButtonElement).addEventListener('click', () => {
      this.cancelEdit();
      this.focus();
    });
    fitToKeyboard();
    this.#composed();
  }

  get isEditing() { return !this.#editing.hidden; }

  /** @param {string} thread  names it @param {{ kind: 'chat' | 'room' | 'direct', name: string }} what */
  open(thread, { kind, name }) {
    if (thread !== this.#thread) {
      if (!this.isEditing) this.#drafts.set(this.#thread, this.#message.value);
      this.#thread = thread;
      this.#editing.hidden = true;
      this.#message.value = this.#drafts.get(thread) ?? '';
    }
    this.#room = name;
    this.#ask.hidden = kind !== 'room';
    this.#setAsking(false);
    if (kind === 'chat') setPlaceholder(this.#message, 'compose.placeholder');
    this.#composed();
  }

  /** @param {boolean} answering */
  setAnswering(answering) {
    this.#answering = answering;
    if (!answering) this.#refusal.hidden = true;
    this.#showMode();
  }

  /** Says why something was not sent. @param {string} key @param {Record<string, string>} [params] */
  refuse(key, params) {
    this.#refusal.hidden = false;
    setText(this.#refusal, key, params);
  }

  /** Puts text into the composer, unless something is being written there. @param {string} text */
  suggest(text) {
    if (this.#message.value.trim() === '') this.#message.value = text;
    this.#composed();
    this.#message.focus();
  }

  /** The last question, to be asked in other words. @param {string} text */
  edit(text) {
    this.#drafts.set(this.#thread, this.#message.value);
    this.#editing.hidden = false;
    this.#message.value = text;
    this.#composed();
    this.#message.focus();
  }

  /** @returns {boolean} whether there was anything to cancel */
  cancelEdit() {
    if (!this.isEditing) return false;
    this.#editing.hidden = true;
    this.#message.value = this.#drafts.get(this.#thread) ?? '';
    this.#composed();
    return true;
  }

  focus() {
    // On a touch screen the focus would open the keyboard over the conversation.
    if (matchMedia('(pointer: fine)').matches) this.#message.focus();
  }

  #submit() {
    const text = this.#message.value;
    if (text.trim() === '') return;
    const askModel = !this.#ask.hidden && this.#ask.getAttribute('aria-pressed') === 'true';
    if (!this.#actions.send(text, { editing: this.isEditing, askModel })) return;
    this.#editing.hidden = true;
    this.#message.value = '';
    this.#drafts.delete(this.#thread);
    this.#composed();
  }

  /** @param {boolean} asking */
  #setAsking(asking) {
    this.#ask.setAttribute('aria-pressed', String(asking));
    if (this.#room) setPlaceholder(this.#message, asking ? 'compose.ask' : 'compose.room', { name: this.#room });
  }

  /** The text has changed. */
  #composed() {
    this.#refusal.hidden = true;
    this.#showMode();
    // Grows with its text where CSS cannot do it (field-sizing); the style sheet sets the limit.
    if (CSS.supports('field-sizing', 'content')) return;
    this.#message.style.height = 'auto';
    this.#message.style.height = `${this.#message.scrollHeight}px`;
  }

  #showMode() {
    const ready = this.#message.value.trim() !== '';
    // In a room one can go on writing while the model does.
    const stops = this.#answering && (this.#room === '' || !ready);
    this.#send.classList.toggle('ready', ready);
    this.#send.dataset.mode = stops ? 'stop' : 'send';
    setLabel(this.#send, stops ? 'compose.stop' : 'compose.send');
  }
}

/** Safari lays its keyboard over the page instead of shrinking it: shrink the page ourselves. */
function fitToKeyboard() {
  const viewport = window.visualViewport;
  if (!viewport) return;
  viewport.addEventListener('resize', () => {
    const covered = viewport.scale === 1 && innerHeight - viewport.height > 80;
    const { style } = document.documentElement;
    if (covered) style.setProperty('--app-height', `${viewport.height}px`);
    else style.removeProperty('--app-height');
    if (covered) scrollTo(0, 0);
  });
}
