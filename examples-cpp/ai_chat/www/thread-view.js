/** What is open: a conversation, a room or direct messages. It shows what it is told and reports what the reader does; it decides nothing. */

import { Announcer } from './announcer.js';
import { Autoscroll } from './autoscroll.js';
import { copyFrom } from './clipboard.js';
import { byId, part } from './dom.js';
import { setLabel, setText, translate } from './i18n.js';
import { AnswerView, OwnView, PersonView, dressAvatar } from './turn-view.js';

/** @typedef {AnswerView | OwnView | PersonView} TurnView */
/** @typedef {{ title: string, text: string, params?: Record<string, string>, prompts?: boolean, action?: { key: string, run: () => void } }} Empty  texts by their keys */

export class ThreadView {
  announcer = new Announcer(byId('announcer', HTMLDivElement));
  #log = byId('log', HTMLDivElement);
  #turns = byId('turns', HTMLOListElement);
  #title = byId('thread-title', HTMLHeadingElement);
  #members = byId('members', HTMLUListElement);
  #autoscroll;
  /** @type {Map<Element, TurnView>} */ #views = new Map();
  #emptyAction = () => {};

  /** @param {{ onPrompt: (text: string) => void, onWrite: (name: string) => void }} actions */
  constructor({ onPrompt, onWrite }) {
    this.onWrite = onWrite;
    const jump = byId('jump', HTMLButtonElement);
    this.#autoscroll = new Autoscroll(this.#log, byId('column', HTMLDivElement), (following) => {
      if (following && document.activeElement === jump) this.#log.focus({ preventScroll: true });
      jump.hidden = following;
    });
    jump.addEventListener('click', () => this.#autoscroll.follow());
    this.#turns.addEventListener('click', (event) => this.#copy(event));
    byId('empty-action', HTMLButtonElement).addEventListener('click', () => this.#emptyAction());
    byId('prompts', HTMLUListElement).addEventListener('click', ({ target }) => {
      const text = target instanceof Element ? target.closest('.prompt')?.querySelector('span')?.textContent : null;
      if (text) onPrompt(text);
    });
  }

  /** Another thread. @param {{ kind: 'chat' | 'room' | 'direct', empty: Empty }} thread */
  open({ kind, empty }) {
    for (const view of this.#views.values()) if (view instanceof AnswerView) view.leave();
    this.#views.clear();
    this.announcer.drop();
    this.#turns.replaceChildren();
    byId('app', HTMLDivElement).dataset.kind = kind;
    this.#members.hidden = true;
    byId('leave-room', HTMLButtonElement).hidden = kind !== 'room';
    setText(byId('empty-title', HTMLElement), empty.title, empty.params);
    setText(byId('empty-text', HTMLElement), empty.text, empty.params);
    byId('prompts', HTMLUListElement).hidden = !empty.prompts;
    const action = byId('empty-action', HTMLButtonElement);
    action.hidden = !empty.action;
    this.#emptyAction = empty.action?.run ?? (() => {});
    if (empty.action) setText(action, empty.action.key);
    this.#showEmpty();
    this.#autoscroll.follow();
  }

  /** @param {string} title  '' for a conversation without one */
  setTitle(title) {
    if (title === '') return setText(this.#title, 'app.new');
    delete this.#title.dataset.i18n;
    this.#title.textContent = title;
  }

  /** @param {string[]} members @param {string | null} self */
  setMembers(members, self) {
    this.#members.hidden = members.length === 0;
    setLabel(this.#members, 'room.members');
    this.#members.replaceChildren(...members.map((name) => {
      const item = document.createElement('li');
      const button = document.createElement('button');
      const avatar = document.createElement('span');
      button.type = 'button';
      avatar.className = 'avatar person';
      avatar.setAttribute('aria-hidden', 'true');
      dressAvatar(avatar, name);
      const caption = document.createElement('span');
      caption.className = 'name';
      caption.textContent = name;
      button.append(avatar, caption);
      button.disabled = name === self;
      if (name !== self) {
        setLabel(button, 'room.write', { name });
        button.addEventListener('click', () => this.onWrite(name));
      }
      item.append(button);
      return item;
    }));
  }

  // ---- turns ----

  /** @param {import('./conversations.js').AssistantTurn} turn @param {ConstructorParameters<typeof AnswerView>[2]} actions */
  addAnswer(turn, actions) { return this.#add(new AnswerView(turn, this.announcer, actions)); }

  /** @param {ConstructorParameters<typeof OwnView>[0]} turn @param {ConstructorParameters<typeof OwnView>[1]} [actions] */
  addOwn(turn, actions) { return this.#add(new OwnView(turn, actions)); }

  /** @param {ConstructorParameters<typeof PersonView>[0]} post */
  addPerson(post) { return this.#add(new PersonView(post, this.onWrite)); }

  /** @param {TurnView} view */
  remove(view) {
    if (view instanceof AnswerView) view.leave();
    this.#views.delete(view.element);
    view.element.remove();
    this.#showEmpty();
  }

  /** Shows the end of what has been added, whatever the reader looked at. */
  toEnd() { this.#autoscroll.follow(); }

  /** @param {string} text */
  say(text) { this.announcer.say(text); }

  /** @template {TurnView} T @param {T} view @returns {T} */
  #add(view) {
    // What one person says in a row belongs together.
    const before = this.#turns.lastElementChild;
    const from = before instanceof HTMLElement ? before.dataset.from : undefined;
    view.element.classList.toggle('follows', from !== undefined && from === view.element.dataset.from);
    this.#views.set(view.element, view);
    this.#turns.append(view.element);
    this.#showEmpty();
    return view;
  }

  #showEmpty() {
    byId('empty', HTMLElement).hidden = this.#turns.childElementCount > 0;
  }

  /** @param {MouseEvent} event */
  async #copy({ target }) {
    const button = target instanceof Element ? target.closest('.copy') : null;
    if (!(button instanceof HTMLButtonElement)) return;
    const code = button.closest('.code')?.querySelector('code');
    const turn = /** @type {Element} */ (button.closest('.turn'));
    const view = this.#views.get(turn);
    const text = code?.textContent ?? (view instanceof AnswerView ? view.text : part(turn, '.body').textContent) ?? '';
    if (await copyFrom(button, text)) this.announcer.say(translate('turn.copied'));
  }
}
