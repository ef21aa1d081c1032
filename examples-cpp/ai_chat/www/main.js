/** Wires the page together: the connection, what is kept, what is open, what is shown. */

import { ChatSocket, chatUrl, newId } from './chat-socket.js';
import { Chats } from './chats.js';
import { Composer } from './composer.js';
import { ConnectionView } from './connection-view.js';
import { Conversations } from './conversations.js';
import { ask as askFor, isName } from './dialog.js';
import { byId, isComposing } from './dom.js';
import { problemText, translate } from './i18n.js';
import { People } from './people.js';
import { PeopleThread } from './people-thread.js';
import { Settings } from './settings.js';
import { Sidebar } from './sidebar.js';
import { PREFIX, Shelf, storage } from './storage.js';
import { ThreadView } from './thread-view.js';
import { Toast } from './toast.js';

/** @typedef {import('./people.js').Thread} Thread */
/** @typedef {import('./sidebar.js').Item} Item */

const shelf = new Shelf(storage('localStorage'));
/** What is open belongs to the tab, not to the browser. */
const tab = new Shelf(storage('sessionStorage'));

const settings = new Settings(storage('localStorage'), () => refresh());
const socket = new ChatSocket({ url: chatUrl(location) });
const conversations = new Conversations(shelf, newId);
const toast = new Toast();
const view = new ThreadView({ onPrompt: (text) => { if (chats.ask(text, false)) composer.focus(); }, onWrite: (name) => openDirect(name) });
const connection = new ConnectionView(() => socket.reconnectNow());
const composer = new Composer({ send, stop });
const chats = new Chats(socket, conversations, view, { onAnswering: showAnswering, onEdit: (text) => composer.edit(text), onTitle: () => refresh() });
/** @type {People} */
const people = new People(socket, shelf, newId, {
  onChange: () => refreshSoon(),
  onItem: (thread, item) => peopleThread.onItem(thread, item),
  onItemChange: (thread, item) => peopleThread.onItemChange(thread, item),
  onThread: (thread) => (isKnown(thread) ? peopleThread.onThread(thread) : thread === peopleThread.open && openChat(null)),
  onPresence: (thread, user, online) => peopleThread.onPresence(thread, user, online),
  onProblem: (code) => complain(code),
  isOpen: (thread) => thread === peopleThread.open && !document.hidden,
});
/** @type {PeopleThread} */
const peopleThread = new PeopleThread(people, view, { onAnswering: showAnswering, onLogin: () => chooseName() });
const sidebar = new Sidebar({
  open, remove, newChat, joinRoom, writeTo, search: () => refresh(), chooseName: () => void chooseName(),
  rename: (item, name) => { conversations.rename(item.id, name); refresh(); },
});

// ---- what is open ----

/** @param {{ kind: Item['kind'], id: string }} item */
function open({ kind, id }) {
  if (kind === 'chat') openChat(id);
  else if (kind === 'room') openRoom(id);
  else openDirect(id);
}

/** @param {string | null} id  null: a new one */
function openChat(id) {
  peopleThread.hide();
  chats.show(id);
  opened({ kind: 'chat', id: chats.openId ?? '' }, '');
}

function newChat() {
  sidebar.clearSearch();
  sidebar.close();
  if (!chats.isNew) openChat(null);
  composer.focus();
}

/** @param {string} name */
async function openRoom(name) {
  if (people.user === null && !(await chooseName())) return;
  showThread(people.join(name));
}

/** @param {string} name */
async function openDirect(name) {
  if (people.user === null && !(await chooseName())) return;
  showThread(people.direct(name));
}

/** @param {Thread} thread */
function showThread(thread) {
  chats.hide();
  peopleThread.show(thread);
  opened({ kind: thread.kind, id: thread.name }, thread.name);
}

/** @param {{ kind: Item['kind'], id: string }} what @param {string} name */
function opened(what, name) {
  tab.set('open', what);
  // A room can be shared by its address. A conversation cannot: its name is its key.
  const hash = what.kind === 'room' ? `#room=${encodeURIComponent(what.id)}` : '';
  if (location.hash !== hash) history.replaceState(null, '', `${location.pathname}${location.search}${hash}`);
  composer.open(`${what.kind}:${what.id}`, { kind: what.kind, name });
  showAnswering();
  refresh();
  composer.focus();
}

/** @param {Thread} thread */
const isKnown = ({ kind, name }) => (kind === 'room' ? people.rooms : people.directs).has(name);

const currentKey = () => (peopleThread.open ? `${peopleThread.open.kind}:${peopleThread.open.name}` : `chat:${chats.openId}`);

/** The room that the address names. @returns {string | null} */
function roomInAddress() {
  const room = new URLSearchParams(location.hash.slice(1)).get('room');
  return room !== null && isName(room) ? room : null;
}

// ---- what the reader does ----

/** @param {string} text @param {{ editing: boolean, askModel: boolean }} options @returns {boolean} whether it was taken */
function send(text, { editing, askModel }) {
  const thread = peopleThread.open;
  if (thread) {
    if (people.user === null) void chooseName();
    else if (askModel) people.askModel(thread, text);
    else people.say(thread, text);
    return people.user !== null;
  }
  if (chats.ask(text, editing)) return true;
  composer.refuse('refused.busy');
  return false;
}

function stop() {
  if (peopleThread.open) people.stop(peopleThread.open);
  else chats.stop();
}

/** @param {Item} item */
function remove({ kind, id, name }) {
  const wasOpen = `${kind}:${id}` === currentKey();
  if (kind === 'room') people.leave(id);
  else if (kind === 'direct') people.hideDirect(id);
  else {
    const undo = chats.delete(id);
    if (undo) {
      toast.show('entry.deleted', { name: name || translate('app.new') }, { key: 'entry.undo', run: () => {
        undo();
        openChat(id);
        view.say(translate('entry.restored', { name }));
      } });
    }
  }
  if (wasOpen) openChat(null);
  refresh();
}

/** @returns {Promise<boolean>} whether there is one now */
async function chooseName() {
  const name = await askFor({
    title: 'me.title', text: 'me.text', label: 'people.label', ok: 'me.ok', value: people.user ?? '',
    check: async (value) => {
      if (!isName(value)) return 'me.invalid';
      const code = await people.login(value);
      return code === null ? null : code === 'wrong_token' ? 'me.taken' : problemText(code).key;
    },
  });
  const wasRoom = peopleThread.open;
  if (name !== null && wasRoom) open({ kind: wasRoom.kind, id: wasRoom.name });
  refresh();
  return people.user !== null;
}

async function joinRoom() {
  if (people.user === null && !(await chooseName())) return;
  const name = await askFor({ title: 'room.title', text: 'room.text', label: 'room.label', ok: 'room.ok', check: (value) => (isName(value) ? null : 'me.invalid') });
  if (name === null) return;
  sidebar.close();
  openRoom(name);
}

async function writeTo() {
  if (people.user === null && !(await chooseName())) return;
  const name = await askFor({
    title: 'people.title', text: 'people.text', label: 'people.label', ok: 'people.ok',
    check: (value) => (!isName(value) ? 'me.invalid' : value === people.user ? 'people.self' : null),
  });
  if (name === null) return;
  sidebar.close();
  openDirect(name);
}

/** @param {string} code */
function complain(code) {
  const { key, params } = problemText(code);
  composer.refuse(key, params);
}

// ---- what is shown ----

function showAnswering() {
  composer.setAnswering(peopleThread.open ? peopleThread.isAnswering : chats.isAnswering);
}

function refresh() {
  const chat = conversations.search(sidebar.words).map(({ id, title, unread }) => (
    { kind: /** @type {const} */ ('chat'), id, name: title, unread: unread ? 1 : 0, answering: chats.isAnsweringIn(id) }
  ));
  const words = sidebar.words.trim().toLocaleLowerCase();
  const threads = [...people.rooms.values(), ...people.directs.values()].filter(({ name }) => name.toLocaleLowerCase().includes(words));
  const items = [...chat, ...threads.map((thread) => ({ kind: thread.kind, id: thread.name, name: thread.name, unread: thread.unread, answering: people.isAnswering(thread) }))];
  sidebar.show(items, currentKey());
  sidebar.showUser(people.user);
  view.setTitle(peopleThread.open?.name ?? chats.title);

  const title = peopleThread.open?.name ?? chats.title;
  const page = title ? `${title} – ${translate('app.title')}` : translate('app.title');
  const unread = people.unread + conversations.list.filter((entry) => entry.unread).length;
  document.title = unread > 0 ? translate('app.unread', { count: unread, title: page }) : page;
  byId('favicon', HTMLLinkElement).href = unread > 0 ? 'favicon-unread.svg' : 'favicon.svg';
}

let refreshing = false;
/** Once, however much happens at once. */
function refreshSoon() {
  if (refreshing) return;
  refreshing = true;
  queueMicrotask(() => {
    refreshing = false;
    refresh();
  });
}

// ---- the connection ----

socket.on('state', (event) => connection.show(event));
socket.on('latency', ({ ms }) => connection.showLatency(ms));
socket.on('service', (service) => connection.showService(service));
socket.on('problem', ({ code }) => complain(code));

// ---- start, and the life of the page ----

conversations.onChange = () => refreshSoon();
conversations.onFull = () => toast.show('storage.full', {});
chats.continueAll();
people.restore();
const room = roomInAddress();
const last = tab.get('open');
openChat(last?.kind === 'chat' && !room ? String(last.id) : null);
if (room) void openRoom(room);
else if (last?.kind === 'room' && people.rooms.has(last.id)) void openRoom(last.id);
else if (last?.kind === 'direct' && people.directs.has(last.id)) void openDirect(last.id);
socket.connect();

byId('leave-room', HTMLButtonElement).addEventListener('click', () => {
  const thread = peopleThread.open;
  if (thread) remove({ kind: thread.kind, id: thread.name, name: thread.name, unread: 0, answering: false });
});

document.addEventListener('keydown', (event) => {
  if (isComposing(event) || byId('dialog', HTMLDialogElement).open) return;
  const command = (event.ctrlKey || event.metaKey) && !event.altKey;
  if (event.key === 'Escape') {
    if (sidebar.close() || composer.cancelEdit()) return;
    stop();
  } else if (command && event.shiftKey && event.key.toLowerCase() === 'o') {
    event.preventDefault();
    newChat();
  } else if (command && !event.shiftKey && event.key.toLowerCase() === 'k') {
    event.preventDefault();
    sidebar.focusSearch();
  }
});
addEventListener('hashchange', () => {
  const named = roomInAddress();
  if (named !== null && named !== peopleThread.open?.name) void openRoom(named);
});
// Closing lets the browser keep the page for "back"; the server keeps the answers.
addEventListener('pagehide', () => {
  chats.save();
  socket.disconnect();
});
addEventListener('pageshow', () => socket.connect());
addEventListener('online', () => socket.reconnectNow());
addEventListener('storage', ({ key }) => {
  if (key === null || key.startsWith(`${PREFIX}conversations`)) conversations.reread();
});
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return chats.save();
  socket.reconnectNow();
  if (peopleThread.open) people.read(peopleThread.open);
});
void settings;
