/** A room, or the direct messages with somebody, in the ThreadView. */

import { translate } from './i18n.js';
import { AnswerView, OwnView } from './turn-view.js';

/** @typedef {import('./people.js').Item} Item */
/** @typedef {import('./people.js').Said} Said */
/** @typedef {import('./people.js').Thread} Thread */

export class PeopleThread {
  #people;
  #view;
  #onAnswering;
  #onLogin;
  /** @type {Thread | null} */ #open = null;
  /** @type {Map<Item, import('./thread-view.js').TurnView>} */ #views = new Map();

  /**
   * @param {import('./people.js').People} people
   * @param {import('./thread-view.js').ThreadView} view
   * @param {{ onAnswering: () => void, onLogin: () => void }} owner
   */
  constructor(people, view, { onAnswering, onLogin }) {
    this.#people = people;
    this.#view = view;
    this.#onAnswering = onAnswering;
    this.#onLogin = onLogin;
  }

  get open() { return this.#open; }
  get isAnswering() { return this.#open !== null && this.#people.isAnswering(this.#open); }

  /** @param {Thread} thread */
  show(thread) {
    this.#open = thread;
    this.#views.clear();
    const texts = thread.kind === 'room' ? 'room' : 'people';
    const needsName = thread.kind === 'room' && this.#people.user === null;
    this.#view.open({
      kind: thread.kind,
      empty: {
        title: `${texts}.empty.title`, text: needsName ? 'room.login' : `${texts}.empty.text`, params: { name: thread.name },
        ...(needsName ? { action: { key: 'me.choose', run: this.#onLogin } } : {}),
      },
    });
    this.#showMembers();
    for (const item of thread.items) this.#add(item);
    this.#view.toEnd();
    this.#people.read(thread);
    this.#onAnswering();
  }

  hide() {
    this.#open = null;
    this.#views.clear();
  }

  /** @param {Thread} thread @param {Item} item */
  onItem(thread, item) {
    if (thread !== this.#open) return;
    this.#add(item);
    if (item.kind === 'said' && item.from === this.#people.user) this.#view.toEnd();
    else if (item.kind === 'said') this.#view.say(translate('room.said', { name: item.from, text: item.text }));
    this.#onAnswering();
  }

  /** @param {Thread} thread @param {Item} item */
  onItemChange(thread, item) {
    if (thread !== this.#open) return;
    const view = this.#views.get(item);
    if (item.kind === 'answered' && view instanceof AnswerView && item.answer === null) view.finish(item.turn);
    if (item.kind === 'said' && view instanceof OwnView) this.#showDelivery(view, item);
    this.#onAnswering();
  }

  /** @param {Thread} thread */
  onThread(thread) {
    if (thread === this.#open) this.show(thread);
  }

  /** @param {Thread} thread @param {string} user @param {boolean} online */
  onPresence(thread, user, online) {
    if (thread !== this.#open) return;
    this.#showMembers();
    this.#view.say(translate(online ? 'room.came' : 'room.went', { name: user }));
  }

  #showMembers() {
    if (this.#open) this.#view.setMembers(this.#open.members, this.#people.user);
  }

  /** @param {Item} item */
  #add(item) {
    if (item.kind === 'answered') {
      const view = this.#view.addAnswer(item.turn, {});
      if (item.answer) view.follow(item.answer);
      this.#views.set(item, view);
      return;
    }
    if (item.from !== this.#people.user) {
      this.#views.set(item, this.#view.addPerson(item));
      return;
    }
    const thread = /** @type {Thread} */ (this.#open);
    const view = this.#view.addOwn(item, { onResend: () => this.#people.send(thread, item) });
    this.#views.set(item, view);
    this.#showDelivery(view, item);
  }

  /** @param {OwnView} view @param {Said} item */
  #showDelivery(view, item) {
    if (item.delivery !== null) view.setDelivery(item.delivery, item.problem);
    else view.clearDelivery();
  }
}
