/**
 * The conversations with the model, as data, in the browser's storage: a list of them in one entry, each one's turns in an entry of its own.
 * Bounded: the oldest go first, also when the browser's storage is full.
 */

/** @typedef {{ role: 'user', text: string, at: number }} UserTurn */
/** @typedef {{ code: string, message: string, retryable: boolean }} Problem */
/** @typedef {{ firstMs: number | null, tokensPerSecond: number | null, tokens: number | null }} Stats */
/**
 * @typedef {object} AssistantTurn
 * @property {'assistant'} role
 * @property {string} text
 * @property {number} at
 * @property {string} question
 * @property {'streaming' | 'done' | 'stopped' | 'failed'} status
 * @property {Problem} [problem]
 * @property {string} [finish]    the model's own word
 * @property {Stats} [stats]
 * @property {import('./chat-socket.js').AnswerState} [answer]  how to go on with it, while it is under way
 * @property {string} [stored]    its requestId, when the server has it in its history: to ask again replaces it there
 */
/** @typedef {UserTurn | AssistantTurn} Turn */
/** @typedef {{ id: string, title: string, named: boolean, at: number, answering: boolean, unread: boolean }} Entry  `id`: the session the server knows it by */
/** @typedef {Entry & { turns: Turn[] }} Conversation */

const LIST = 'conversations';
const ENTRY = 'conversation.';
export const MAX_CONVERSATIONS = 100;
export const MAX_TURNS = 400;
const TITLE_LENGTH = 60;

export class Conversations {
  #shelf;
  #newId;
  /** Newest first. @type {Entry[]} */ #list;
  /** Those that are open or under way. @type {Map<string, Conversation>} */ #loaded = new Map();
  /** Called when the list has changed. */ onChange = () => {};
  /** Called when something was not kept. */ onFull = () => {};

  /** @param {import('./storage.js').Shelf} shelf @param {() => string} newId */
  constructor(shelf, newId) {
    this.#shelf = shelf;
    this.#newId = newId;
    this.#list = this.#readList();
  }

  /** @returns {readonly Entry[]} */
  get list() { return this.#list; }

  /** One that nobody has said anything in; it is not kept before that. @returns {Conversation} */
  create() {
    return { id: this.#newId(), title: '', named: false, at: Date.now(), answering: false, unread: false, turns: [] };
  }

  /** @param {string} id @returns {Conversation | null} */
  load(id) {
    const loaded = this.#loaded.get(id);
    if (loaded) return loaded;
    const entry = this.#list.find((other) => other.id === id);
    if (!entry) return null;
    const turns = this.#shelf.get(ENTRY + id);
    const conversation = { ...entry, turns: Array.isArray(turns) ? turns.filter(isTurn).map(revive) : [] };
    this.#loaded.set(id, conversation);
    this.#list[this.#list.indexOf(entry)] = conversation;
    return conversation;
  }

  /** Not needed for now: reads it again the next time. @param {string} id */
  release(id) { this.#loaded.delete(id); }

  /** @param {Conversation} conversation @param {Turn} turn */
  add(conversation, turn) {
    conversation.turns.push(turn);
    if (conversation.turns.length > MAX_TURNS) conversation.turns.splice(0, conversation.turns.length - MAX_TURNS);
    if (!conversation.named && turn.role === 'user' && !conversation.title) conversation.title = titleOf(turn.text);
    conversation.at = turn.at;
    this.#loaded.set(conversation.id, conversation);
    this.#list = [conversation, ...this.#list.filter(({ id }) => id !== conversation.id)];
    this.#trim();
    this.save(conversation);
  }

  /** The list and this one. @param {Conversation} conversation */
  save(conversation) {
    const index = this.#list.findIndex(({ id }) => id === conversation.id);
    if (index < 0) return; // deleted meanwhile
    this.#list[index] = conversation;
    this.#keep(ENTRY + conversation.id, conversation.turns.map(pack), conversation.id);
    this.#saveList();
  }

  /** Only what it says, not the list: cheap, for an answer that is being written. @param {Conversation} conversation */
  saveTurns(conversation) {
    if (this.#list.some(({ id }) => id === conversation.id)) this.#keep(ENTRY + conversation.id, conversation.turns.map(pack), conversation.id);
  }

  /** @param {string} id @param {Partial<Entry>} change */
  update(id, change) {
    const entry = this.#list.find((other) => other.id === id);
    if (!entry) return;
    Object.assign(entry, change);
    this.#saveList();
  }

  /** @param {string} id @param {string} title */
  rename(id, title) {
    const clean = title.trim().replace(/\s+/g, ' ').slice(0, 200);
    if (clean) this.update(id, { title: clean, named: true });
  }

  /** @param {string} id @returns {(() => void) | null} brings it back */
  delete(id) {
    const index = this.#list.findIndex((entry) => entry.id === id);
    if (index < 0) return null;
    const conversation = /** @type {Conversation} */ (this.load(id));
    this.#list.splice(index, 1);
    this.#loaded.delete(id);
    this.#shelf.remove(ENTRY + id);
    this.#saveList();
    return () => {
      this.#loaded.set(id, conversation);
      this.#list.splice(Math.min(index, this.#list.length), 0, conversation);
      this.save(conversation);
    };
  }

  /** Those with the words in their title or in what was said. @param {string} words @returns {Entry[]} */
  search(words) {
    const wanted = words.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    if (wanted.length === 0) return this.#list;
    return this.#list.filter((entry) => {
      const turns = this.#loaded.get(entry.id)?.turns ?? this.#shelf.get(ENTRY + entry.id);
      const text = [entry.title, ...(Array.isArray(turns) ? turns.filter(isTurn).map((turn) => revive(turn).text) : [])].join('\n').toLocaleLowerCase();
      return wanted.every((word) => text.includes(word));
    });
  }

  /** Another page of this browser has written. */
  reread() {
    const loaded = new Map(this.#list.map((entry) => [entry.id, entry]));
    this.#list = this.#readList().map((entry) => {
      const here = loaded.get(entry.id);
      return here ? Object.assign(here, entry) : entry;
    });
    this.onChange();
  }

  #trim() {
    for (const { id } of this.#list.splice(MAX_CONVERSATIONS)) this.#forget(id);
  }

  /** @param {string} id */
  #forget(id) {
    this.#shelf.remove(ENTRY + id);
    this.#loaded.delete(id);
  }

  #saveList() {
    const list = this.#list.map(({ id, title, named, at, answering, unread }) => ({ id, title, named, at, answering, unread }));
    this.#keep(LIST, list, this.#list[0]?.id ?? '');
    this.onChange();
  }

  /** Makes room if there is none: the oldest conversations go, but not `except`. @param {string} key @param {unknown} value @param {string} except */
  #keep(key, value, except) {
    while (!this.#shelf.set(key, value)) {
      const oldest = this.#list.findLast(({ id, answering }) => id !== except && !answering);
      if (!oldest) return this.onFull();
      this.#list = this.#list.filter((entry) => entry !== oldest);
      this.#forget(oldest.id);
      if (key === LIST) value = /** @type {any[]} */ (value).filter(({ id }) => id !== oldest.id);
    }
  }

  /** @returns {Entry[]} */
  #readList() {
    const list = this.#shelf.get(LIST);
    if (!Array.isArray(list)) return [];
    return list.filter((entry) => typeof entry?.id === 'string' && entry.id && typeof entry.title === 'string').slice(0, MAX_CONVERSATIONS)
      .map(({ id, title, named, at, answering, unread }) => ({ id, title, named: named === true, at: Number(at) || 0, answering: answering === true, unread: unread === true }));
  }
}

/** A conversation is called by how it began. @param {string} text */
export function titleOf(text) {
  const line = text.trim().split('\n')[0].replace(/\s+/g, ' ');
  const characters = [...line];
  return characters.length <= TITLE_LENGTH ? line : `${characters.slice(0, TITLE_LENGTH).join('').trimEnd()}…`;
}

/** @param {any} turn @returns {turn is Turn} */
const isTurn = (turn) => (turn?.role === 'user' || turn?.role === 'assistant') && typeof turn.text === 'string';

/** An answer under way has its text in `answer` already. @param {Turn} turn */
const pack = (turn) => (turn.role === 'assistant' && turn.answer ? { ...turn, text: '' } : turn);
/** @param {Turn} turn */
const revive = (turn) => (turn.role === 'assistant' && turn.answer ? { ...turn, text: String(turn.answer.text ?? '') } : turn);
