/** The state of the connection: a word in the header, and a banner while there is none. */

import { byId } from './dom.js';
import { setText, translate } from './i18n.js';

/** @typedef {import('./chat-socket.js').StateEvent} StateEvent */

/** A connection that is back within this time was never worth a banner. */
const PATIENCE_MS = 600;

export class ConnectionView {
  #state = byId('state', HTMLParagraphElement);
  #caption = byId('state-text', HTMLSpanElement);
  #banner = byId('banner', HTMLDivElement);
  #button = byId('reconnect', HTMLButtonElement);
  /** @type {ReturnType<typeof setInterval> | undefined} */ #countdown;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #patience;

  /** @param {() => void} onReconnect */
  constructor(onReconnect) {
    this.#button.addEventListener('click', onReconnect);
  }

  /** @param {StateEvent} event */
  show({ state, attempt, retryInMs }) {
    // While it is trying again, the page is offline, not "connecting, offline, connecting, offline".
    const shown = state === 'connecting' && attempt > 0 ? 'waiting' : state;
    this.#state.dataset.state = shown;
    this.#state.removeAttribute('title');
    if (this.#caption.dataset.i18n !== `state.${shown}`) setText(this.#caption, `state.${shown}`);

    clearInterval(this.#countdown);
    this.#button.hidden = state !== 'waiting';
    const text = byId('banner-text', HTMLSpanElement);
    if (shown !== 'waiting') {
      clearTimeout(this.#patience);
      this.#patience = undefined;
      this.#banner.hidden = true;
      return;
    }
    this.#patience ??= setTimeout(() => { this.#banner.hidden = false; }, PATIENCE_MS);
    if (state === 'connecting' || retryInMs === null) return setText(text, 'offline.connecting');
    const due = Date.now() + retryInMs;
    const tick = () => setText(text, 'offline.retry', { seconds: Math.max(1, Math.ceil((due - Date.now()) / 1000)) });
    tick();
    this.#countdown = setInterval(tick, 250);
  }

  /** @param {number} ms */
  showLatency(ms) {
    this.#state.title = translate('state.latency', { ms: Math.max(1, Math.round(ms)) });
  }

  /** @param {{ degraded: boolean }} service */
  showService({ degraded }) {
    byId('degraded', HTMLParagraphElement).hidden = !degraded;
  }
}
