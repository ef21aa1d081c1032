/** The lists of conversations, rooms and people. A column at the side; on a phone a drawer over the page. */

import { byId, fromTemplate, isComposing, part, setIcon } from './dom.js';
import { setLabel, setText, translate } from './i18n.js';
import { dressAvatar } from './turn-view.js';

/**
 * @typedef {object} Item
 * @property {'chat' | 'room' | 'direct'} kind
 * @property {string} id
 * @property {string} name        '' for a conversation without one
 * @property {number} unread
 * @property {boolean} answering
 */
/**
 * @typedef {object} SidebarActions
 * @property {(item: Item) => void} open
 * @property {(item: Item, name: string) => void} rename
 * @property {(item: Item) => void} remove
 * @property {(words: string) => void} search
 * @property {() => void} newChat
 * @property {() => void} joinRoom
 * @property {() => void} writeTo
 * @property {() => void} chooseName
 */

const ICONS = { room: 'room', direct: 'person' };
const REMOVE_LABELS = { chat: 'entry.delete', room: 'entry.leave', direct: 'entry.hide' };

export class Sidebar {
  #actions;
  #app = byId('app', HTMLDivElement);
  #element = byId('sidebar', HTMLElement);
  #main = byId('main', HTMLDivElement);
  #opener = byId('open-sidebar', HTMLButtonElement);
  #search = byId('search', HTMLInputElement);
  #lists = { chat: byId('chat-list', HTMLUListElement), room: byId('room-list', HTMLUListElement), direct: byId('people-list', HTMLUListElement) };
  #narrow = matchMedia('(width < 52rem)');
  #isRenaming = false;

  /** @param {SidebarActions} actions */
  constructor(actions) {
    this.#actions = actions;
    const on = (/** @type {string} */ id, /** @type {() => void} */ action) => byId(id, HTMLButtonElement).addEventListener('click', action);
    on('new-chat', () => actions.newChat());
    on('join-room', () => actions.joinRoom());
    on('write-to', () => actions.writeTo());
    on('me', () => actions.chooseName());
    on('open-sidebar', () => this.#setOpen(true));
    on('close-sidebar', () => this.#setOpen(false));
    on('backdrop', () => this.#setOpen(false));
    this.#search.addEventListener('input', () => actions.search(this.#search.value));
    this.#search.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || this.#search.value === '' || isComposing(event)) return;
      event.stopPropagation();
      this.clearSearch();
    });
    this.#narrow.addEventListener('change', () => this.#setOpen(false));
    this.#setOpen(false);
  }

  get isOpen() { return this.#app.classList.contains('drawer'); }
  get words() { return this.#search.value; }

  /** @returns {boolean} whether it was open as a drawer */
  close() {
    const wasOpen = this.isOpen;
    this.#setOpen(false);
    return wasOpen;
  }

  clearSearch() {
    if (this.#search.value === '') return;
    this.#search.value = '';
    this.#actions.search('');
  }

  focusSearch() {
    if (this.#narrow.matches) this.#setOpen(true);
    this.#search.select();
  }

  /** @param {Item[]} items @param {string} current  kind:id of the one that is open */
  show(items, current) {
    if (this.#isRenaming) return; // shows again when that is over
    for (const [kind, list] of Object.entries(this.#lists)) {
      const focused = list.contains(document.activeElement) ? document.activeElement : null;
      const [focusedId, focusedClass] = [focused?.closest('li')?.dataset.id, focused?.classList.contains('open') ? '.open' : focused?.classList.contains('rename') ? '.rename' : '.delete'];
      const rows = items.filter((item) => item.kind === kind).map((item) => this.#row(item, current));
      list.replaceChildren(...rows);
      const again = focused && rows.find((row) => row.dataset.id === focusedId);
      if (again) part(again, focusedClass).focus();
    }
    const none = byId('chat-none', HTMLParagraphElement);
    none.hidden = this.#lists.chat.childElementCount > 0;
    setText(none, this.words.trim() ? 'sidebar.none' : 'sidebar.empty');
    byId('mail', HTMLSpanElement).hidden = !items.some(({ kind, id, unread }) => unread > 0 && `${kind}:${id}` !== current);
  }

  /** @param {string | null} user */
  showUser(user) {
    const name = byId('me-name', HTMLSpanElement);
    const avatar = part(byId('me', HTMLButtonElement), '.avatar');
    if (user === null) {
      setText(name, 'me.choose');
      delete byId('me', HTMLButtonElement).dataset.i18nLabel;
      byId('me', HTMLButtonElement).removeAttribute('aria-label');
      return;
    }
    delete name.dataset.i18n;
    name.textContent = user;
    dressAvatar(avatar, user);
    setLabel(byId('me', HTMLButtonElement), 'me.change', { name: user });
  }

  /** @param {Item} item @param {string} current */
  #row(item, current) {
    const { kind, id, unread, answering } = item;
    const name = item.name || translate('app.new');
    const row = fromTemplate('entry');
    row.dataset.id = id;
    const open = part(row, '.open');
    part(open, '.name').textContent = name;
    const icon = part(open, 'svg');
    if (kind === 'chat') icon.remove();
    else setIcon(icon, ICONS[kind]);
    if (`${kind}:${id}` === current) open.setAttribute('aria-current', 'page');
    open.addEventListener('click', () => {
      this.close();
      this.#actions.open(item);
    });

    const badge = part(open, '.badge');
    badge.hidden = !answering && unread === 0;
    badge.classList.toggle('busy', answering);
    badge.setAttribute('role', 'img');
    if (answering) setLabel(badge, 'entry.answering');
    else if (unread > 0) setLabel(badge, 'entry.unread', { count: unread });
    badge.textContent = answering || kind === 'chat' ? '' : unread > 99 ? '99+' : String(unread);

    const rename = part(row, '.rename');
    rename.hidden = kind !== 'chat';
    setLabel(rename, 'entry.rename', { name });
    rename.addEventListener('click', () => this.#rename(row, item));
    const remove = part(row, '.delete');
    setLabel(remove, REMOVE_LABELS[kind], { name });
    if (kind === 'room') setIcon(part(remove, 'svg'), 'leave');
    if (kind === 'direct') setIcon(part(remove, 'svg'), 'close');
    remove.addEventListener('click', () => {
      const next = /** @type {HTMLElement | null} */ (row.nextElementSibling ?? row.previousElementSibling);
      const nextId = next?.dataset.id;
      this.#actions.remove(item);
      const there = [...this.#lists[kind].children].find((other) => /** @type {HTMLElement} */ (other).dataset.id === nextId);
      if (there) part(there, '.open').focus();
      else byId('new-chat', HTMLButtonElement).focus();
    });
    return row;
  }

  /** The name becomes a field. @param {HTMLElement} row @param {Item} item */
  #rename(row, item) {
    this.#isRenaming = true;
    const input = document.createElement('input');
    input.value = item.name;
    input.maxLength = 200;
    setLabel(input, 'entry.name');
    row.classList.add('renaming');
    row.prepend(input);
    input.select();
    const end = (/** @type {boolean} */ keep) => {
      if (!this.#isRenaming) return;
      this.#isRenaming = false;
      const hadFocus = document.activeElement === input;
      input.remove();
      row.classList.remove('renaming');
      this.#actions.rename(item, keep ? input.value : item.name);
      const there = [...this.#lists.chat.children].find((other) => /** @type {HTMLElement} */ (other).dataset.id === item.id);
      if (hadFocus && there) part(there, '.open').focus();
    };
    input.addEventListener('keydown', (event) => {
      if (isComposing(event) || !['Enter', 'Escape'].includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      end(event.key === 'Enter');
    });
    input.addEventListener('blur', () => end(true));
  }

  /** @param {boolean} open */
  #setOpen(open) {
    const drawer = open && this.#narrow.matches;
    const wasOpen = this.isOpen;
    this.#app.classList.toggle('drawer', drawer);
    this.#element.inert = this.#narrow.matches && !drawer;
    this.#main.inert = drawer;
    this.#opener.setAttribute('aria-expanded', String(drawer));
    if (drawer) byId('close-sidebar', HTMLButtonElement).focus();
    else if (wasOpen) this.#opener.focus();
  }
}
