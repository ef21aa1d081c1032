/**
 * Rooms and direct messages as data: who one is, what was said, what waits to be sent, what has not been read. A room's messages are the
 * server's; direct messages are the page's to keep, since the server forgets what has been received.
 */

/** @typedef {import('./chat-socket.js').Answer} Answer */
/** @typedef {import('./chat-socket.js').ChatSocket} ChatSocket */
/** @typedef {import('./chat-socket.js').Post} Post */
/** @typedef {import('./conversations.js').AssistantTurn} AssistantTurn */
/** @typedef {import('./turn-view.js').Delivery} Delivery */

/**
 * What a person said.
 * @typedef {object} Said
 * @property {'said'} kind
 * @property {string} id              the sender's own, until the server has named it
 * @property {string | null} messageId
 * @property {string} from
 * @property {string} text
 * @property {number} at
 * @property {Delivery | null} delivery  of one's own
 * @property {import('./conversations.js').Problem} [problem]
 * @property {boolean} [isQuestion]   to the model: sent by the answer, not as a message
 */
/** What the model said in a room. @typedef {{ kind: 'answered', id: string, turn: AssistantTurn, answer: Answer | null }} Answered */
/** @typedef {Said | Answered} Item */
/** @typedef {{ kind: 'room' | 'direct', name: string, items: Item[], unread: number, members: string[], seen: string | null, isIn: boolean }} Thread */

/**
 * @typedef {object} PeopleOwner
 * @property {() => void} onChange                                   names and numbers of the lists
 * @property {(thread: Thread, item: Item) => void} onItem           a new one
 * @property {(thread: Thread, item: Item) => void} onItemChange     of its delivery, or an answer's end
 * @property {(thread: Thread) => void} onThread                     all of it is new
 * @property {(thread: Thread, user: string, online: boolean) => void} onPresence
 * @property {(code: string) => void} onProblem
 * @property {(thread: Thread) => boolean} isOpen                    and looked at: what comes is read
 */

const MAX_ITEMS = 300;
const MAX_DIRECTS = 50;

export class People {
  #socket;
  #shelf;
  #newId;
  #owner;
  /** @type {string | null} */ user = null;
  /** By name. @type {Map<string, Thread>} */ rooms = new Map();
  /** By the other's name. @type {Map<string, Thread>} */ directs = new Map();

  /** @param {ChatSocket} socket @param {import('./storage.js').Shelf} shelf @param {() => string} newId @param {PeopleOwner} owner */
  constructor(socket, shelf, newId, owner) {
    this.#socket = socket;
    this.#shelf = shelf;
    this.#newId = newId;
    this.#owner = owner;
    socket.on('login', ({ user }) => this.#loggedIn(user));
    socket.on('logout', () => this.#loggedOut());
    socket.on('joined', (room) => this.#joined(room));
    socket.on('left', ({ room, error }) => this.#left(room, error));
    socket.on('message', (post) => this.#received(post));
    socket.on('answer', ({ answer }) => this.#answering(answer));
    socket.on('presence', (event) => this.#presence(event));
  }

  get unread() { return [...this.rooms.values(), ...this.directs.values()].reduce((sum, { unread }) => sum + unread, 0); }

  /** Who one was the last time, where one was, and what was not sent. */
  restore() {
    const user = this.#shelf.get('user');
    if (typeof user === 'string') this.#become(user);
  }

  /** @param {string} user @returns {Promise<string | null>} what went wrong: a code */
  async login(user) {
    if (user === this.user) return null;
    const tokens = this.#tokens();
    const token = typeof tokens[user] === 'string' ? tokens[user] : this.#newId() + this.#newId();
    try {
      await this.#socket.login(user, token);
    } catch (error) {
      return /** @type {import('./chat-socket.js').ChatError} */ (error).code;
    }
    this.#shelf.set('tokens', { ...this.#tokens(), [user]: token });
    this.#shelf.set('user', user);
    this.#become(user);
    return null;
  }

  // ---- rooms ----

  /** @param {string} name @returns {Thread} */
  join(name) {
    const thread = this.rooms.get(name) ?? newThread('room', name);
    this.rooms.set(name, thread);
    this.#saveRooms();
    if (this.user !== null && !this.#socket.rooms.includes(name)) {
      this.#socket.join(name).catch(({ code }) => {
        if (code === 'closed') return;
        this.rooms.delete(name);
        this.#saveRooms();
        this.#owner.onProblem(code);
        this.#owner.onThread(thread);
      });
    }
    return thread;
  }

  /** @param {string} name */
  leave(name) {
    this.rooms.delete(name);
    this.#saveRooms();
    this.#socket.leave(name).catch(() => {}); // then the server puts one out itself, at the end of the connection
  }

  /** The model answers where everybody sees it. @param {Thread} thread @param {string} text */
  askModel(thread, text) {
    const answer = this.#socket.ask(text, { room: thread.name });
    const question = /** @type {Said} */ ({ kind: 'said', id: answer.requestId, messageId: null, from: this.user, text, at: Date.now(), delivery: 'sending', isQuestion: true });
    this.#add(thread, question);
    this.#addAnswer(thread, answer, text);
    answer.result.then(({ error }) => {
      if (question.messageId !== null || !error) return;
      question.delivery = 'failed';
      question.problem = { ...error.toJSON(), retryable: false };
      this.#owner.onItemChange(thread, question);
    });
  }

  /** Whether the model is writing in it. @param {Thread} thread */
  isAnswering(thread) { return thread.items.some((item) => item.kind === 'answered' && item.answer !== null); }

  /** @param {Thread} thread */
  stop(thread) {
    for (const item of thread.items) if (item.kind === 'answered') item.answer?.stop();
  }

  // ---- messages ----

  /** @param {string} name @returns {Thread} */
  direct(name) {
    const thread = this.directs.get(name) ?? { ...newThread('direct', name), ...this.#readDirect(name) };
    this.directs.set(name, thread);
    return thread;
  }

  /** @param {string} name */
  hideDirect(name) {
    this.directs.delete(name);
    this.#shelf.remove(this.#key(`direct.${name}`));
    this.#saveDirects();
  }

  /** @param {Thread} thread @param {string} text */
  say(thread, text) {
    const item = /** @type {Said} */ ({ kind: 'said', id: this.#newId(), messageId: null, from: this.user, text, at: Date.now(), delivery: 'sending' });
    this.#add(thread, item);
    this.#resend(thread, item);
  }

  /** Also once more: the server takes it once. @param {Thread} thread @param {Said} item */
  async send(thread, item) {
    item.delivery = this.#socket.state === 'online' ? 'sending' : 'waiting';
    delete item.problem;
    this.#owner.onItemChange(thread, item);
    this.#save(thread);
    try {
      const { messageId, delivered } = await this.#socket.message({ ...(thread.kind === 'room' ? { room: thread.name } : { to: thread.name }), text: item.text, id: item.id });
      // The server's copy may have come before its word.
      const copy = thread.items.findIndex((other) => other !== item && other.kind === 'said' && other.messageId === messageId);
      if (copy >= 0) {
        thread.items.splice(copy, 1);
        this.#owner.onThread(thread);
      }
      item.messageId = messageId;
      item.delivery = delivered ? 'delivered' : 'stored';
    } catch (error) {
      const { code, message, retryable } = /** @type {import('./chat-socket.js').ChatError} */ (error);
      item.delivery = 'failed';
      item.problem = { code, message, retryable: retryable || code === 'expired' || code === 'not_in_room' };
    }
    this.#owner.onItemChange(thread, item);
    this.#save(thread);
  }

  /** What is in it has been seen. @param {Thread} thread */
  read(thread) {
    const last = thread.items.findLast((item) => item.kind === 'said' && item.messageId !== null);
    thread.seen = (last?.kind === 'said' ? last.messageId : null) ?? thread.seen;
    if (thread.unread === 0 && thread.kind === 'direct') return;
    thread.unread = 0;
    if (thread.kind === 'room') this.#saveRooms();
    else this.#saveDirects();
  }

  // ---- from the server ----

  /** @param {string} user */
  #loggedIn(user) {
    this.#become(user); // also who a proxy says it is
  }

  #loggedOut() {
    this.user = null;
    this.#shelf.remove('user');
    this.rooms.clear();
    this.directs.clear();
    this.#owner.onProblem('wrong_token');
    this.#owner.onChange();
  }

  /** @param {import('./chat-socket.js').Room & { again: boolean }} room */
  #joined({ room, members, messages, answers, again }) {
    const thread = this.rooms.get(room);
    if (!thread) return void this.#socket.leave(room).catch(() => {});
    thread.isIn = true;
    thread.members = sorted(members);
    if (!again) {
      const waiting = thread.items.filter((item) => item.kind === 'said' && item.messageId === null);
      thread.items = [];
      for (const post of messages) this.#put(thread, post);
      for (const answer of answers) this.#addAnswer(thread, answer, answer.message ?? '', false);
      const seen = thread.items.findIndex((item) => item.kind === 'said' && item.messageId === thread.seen);
      thread.unread = thread.seen === null ? 0 : thread.items.slice(seen + 1).filter((item) => item.kind === 'said' && item.from !== this.user).length;
      thread.items.push(...waiting);
    }
    this.#owner.onThread(thread);
    this.#owner.onChange();
    this.#retry(thread);
  }

  /** @param {string} room @param {import('./chat-socket.js').ChatError | null} error */
  #left(room, error) {
    const thread = this.rooms.get(room);
    if (!thread) return;
    thread.isIn = false;
    thread.members = [];
    if (error) this.#owner.onProblem(error.code);
    this.#owner.onThread(thread);
  }

  /** @param {Post} post */
  #received(post) {
    const isRoom = post.room !== undefined;
    const thread = isRoom ? this.rooms.get(post.room ?? '') : this.direct(String(post.from === this.user ? post.to : post.from));
    if (!thread) return;
    const item = this.#put(thread, post);
    if (!item) return;
    this.#owner.onItem(thread, item);
    if (item.kind === 'said' && item.from !== this.user && !this.#owner.isOpen(thread)) thread.unread += 1;
    else this.read(thread);
    this.#save(thread);
    if (isRoom) this.#saveRooms();
    else this.#saveDirects();
  }

  /** @param {Answer} answer */
  #answering(answer) {
    const thread = this.rooms.get(answer.room ?? '');
    if (thread) this.#addAnswer(thread, answer, answer.message ?? '');
  }

  /** @param {{ room: string, user: string, online: boolean }} event */
  #presence({ room, user, online }) {
    const thread = this.rooms.get(room);
    if (!thread) return;
    thread.members = thread.members.filter((member) => member !== user);
    if (online) thread.members = sorted([...thread.members, user]);
    this.#owner.onPresence(thread, user, online);
  }

  // ---- items ----

  /** @param {Thread} thread @param {Post} post @returns {Item | null} null: it is there already */
  #put(thread, { messageId, from, text, at, requestId, finish_reason: finish = 'stop' }) {
    if (from !== null) {
      const known = thread.items.find((item) => item.kind === 'said' && (item.messageId === messageId || (requestId !== undefined && item.id === requestId)));
      if (known?.kind === 'said' && known.isQuestion && known.messageId === null) {
        Object.assign(known, { messageId, at, delivery: null });
        this.#owner.onItemChange(thread, known);
      }
      if (known) return null;
      const id = requestId ?? messageId;
      /** @type {Said} */ const item = { kind: 'said', id, messageId, from, text, at, delivery: null };
      // A question is shown above its answer, whichever came first.
      const answer = requestId === undefined ? -1 : thread.items.findIndex((other) => other.kind === 'answered' && other.id === requestId);
      if (answer >= 0) {
        thread.items.splice(answer, 0, item);
        this.#owner.onThread(thread);
        return null;
      }
      this.#push(thread, item);
      return item;
    }
    if (thread.items.some((item) => item.kind === 'answered' && item.id === requestId)) return null;
    /** @type {AssistantTurn} */
    const turn = { role: 'assistant', text, at, question: '', status: finish === 'cancelled' ? 'stopped' : finish === 'error' ? 'failed' : 'done', finish };
    if (turn.status === 'failed') turn.problem = { code: 'answer_failed', message: '', retryable: false };
    /** @type {Answered} */ const item = { kind: 'answered', id: requestId ?? messageId, turn, answer: null };
    this.#push(thread, item);
    return item;
  }

  /** @param {Thread} thread @param {Answer} answer @param {string} question */
  #addAnswer(thread, answer, question, tell = true) {
    const { requestId } = answer;
    const present = thread.items.find((item) => item.kind === 'answered' && item.id === requestId);
    if (present?.kind === 'answered') return present;
    /** @type {AssistantTurn} */ const turn = { role: 'assistant', text: answer.text, at: Date.now(), question, status: 'streaming' };
    /** @type {Answered} */ const item = { kind: 'answered', id: requestId, turn, answer };
    this.#push(thread, item);
    answer.on('piece', () => { turn.text = answer.text; });
    answer.result.then(({ text, finishReason, usage, error }) => {
      item.answer = null;
      turn.text = text;
      turn.finish = finishReason;
      turn.status = error || finishReason === 'error' ? 'failed' : finishReason === 'cancelled' ? 'stopped' : 'done';
      const { firstPieceMs, tokensPerSecond } = answer.stats;
      turn.stats = { firstMs: answer.isOwn ? firstPieceMs : null, tokensPerSecond, tokens: usage?.completion_tokens ?? null };
      if (error) turn.problem = { ...error.toJSON(), retryable: error.retryable && answer.isOwn };
      this.#owner.onItemChange(thread, item);
      this.#owner.onChange();
    });
    if (tell) this.#owner.onItem(thread, item);
    this.#owner.onChange();
    return item;
  }

  /** @param {Thread} thread @param {Item} item */
  #add(thread, item) {
    this.#push(thread, item);
    this.#owner.onItem(thread, item);
    this.#save(thread);
    if (thread.kind === 'direct') this.#saveDirects();
  }

  /** @param {Thread} thread @param {Item} item */
  #push(thread, item) {
    thread.items.push(item);
    if (thread.items.length > MAX_ITEMS) thread.items.splice(0, thread.items.length - MAX_ITEMS);
  }

  /** What an earlier page did not get rid of. @param {Thread} thread */
  #retry(thread) {
    for (const item of thread.items) {
      if (item.kind === 'said' && item.messageId === null && !item.isQuestion && item.delivery !== 'failed' && !this.#sending.has(item)) this.#resend(thread, item);
    }
  }

  /** @type {WeakSet<Said>} */ #sending = new WeakSet();

  /** @param {Thread} thread @param {Said} item */
  #resend(thread, item) {
    this.#sending.add(item);
    this.send(thread, item);
  }

  // ---- what is kept ----

  /** @param {string} user */
  #become(user) {
    if (this.user === user) return;
    this.rooms.clear();
    this.directs.clear();
    this.user = user;
    const token = this.#tokens()[user];
    if (typeof token === 'string' && this.#socket.user !== user) {
      this.#socket.login(user, token).catch(({ code }) => { if (code === 'wrong_token') this.#loggedOut(); });
    }
    for (const room of list(this.#shelf.get(this.#key('rooms')))) {
      if (typeof room?.name !== 'string') continue;
      const thread = { ...newThread('room', room.name), seen: typeof room.seen === 'string' ? room.seen : null };
      thread.items = list(room.waiting).filter(isSaid);
      this.rooms.set(room.name, thread);
      this.join(room.name);
    }
    for (const direct of list(this.#shelf.get(this.#key('directs')))) {
      if (typeof direct?.name !== 'string') continue;
      this.direct(direct.name).unread = Number(direct.unread) || 0;
    }
    for (const thread of this.directs.values()) this.#retry(thread);
    this.#owner.onChange();
  }

  /** @param {string} key  of what belongs to the one who is logged in */
  #key(key) { return `${key}@${this.user}`; }

  /** @returns {Record<string, string>} */
  #tokens() {
    const tokens = this.#shelf.get('tokens');
    return tokens !== null && typeof tokens === 'object' ? tokens : {};
  }

  /** @param {Thread} thread */
  #save(thread) {
    if ((thread.kind === 'room' ? this.rooms : this.directs).get(thread.name) !== thread) return; // of who one was
    if (thread.kind === 'room') return this.#saveRooms();
    const items = thread.items.filter((item) => item.kind === 'said');
    // Another page of this browser may have got, and confirmed, what this one never sees.
    const known = new Set(items.flatMap(({ id, messageId }) => [id, messageId]));
    const others = this.#readDirect(thread.name).items.filter(({ id, messageId }) => !known.has(messageId ?? id) && !known.has(id));
    const all = others.length === 0 ? items : [...items, ...others].sort((one, other) => one.at - other.at).slice(-MAX_ITEMS);
    this.#shelf.set(this.#key(`direct.${thread.name}`), all);
  }

  #saveRooms() {
    if (this.user === null) return;
    this.#shelf.set(this.#key('rooms'), [...this.rooms.values()].map(({ name, seen, items }) => (
      { name, seen, waiting: items.filter((item) => item.kind === 'said' && item.messageId === null && !item.isQuestion) }
    )));
    this.#owner.onChange();
  }

  #saveDirects() {
    // The one that was written in last comes first.
    const byTime = [...this.directs.values()].sort((one, other) => lastAt(other) - lastAt(one));
    while (byTime.length > MAX_DIRECTS) {
      // Many strangers must not drive out those whom one has written to.
      const stranger = byTime.findLastIndex(({ items }, index) => index > 0 && !items.some((item) => item.kind === 'said' && item.from === this.user));
      const [{ name }] = byTime.splice(stranger, 1); // -1: the oldest
      this.directs.delete(name);
      this.#shelf.remove(this.#key(`direct.${name}`));
    }
    this.directs = new Map(byTime.map((thread) => [thread.name, thread]));
    const elsewhere = list(this.#shelf.get(this.#key('directs'))).filter((direct) => (
      typeof direct?.name === 'string' && !this.directs.has(direct.name) && this.#shelf.get(this.#key(`direct.${direct.name}`)) !== null
    ));
    this.#shelf.set(this.#key('directs'), [...byTime.map(({ name, unread }) => ({ name, unread })), ...elsewhere]);
    this.#owner.onChange();
  }

  /** @param {string} name */
  #readDirect(name) {
    return { items: list(this.#shelf.get(this.#key(`direct.${name}`))).filter(isSaid) };
  }
}

/** @param {string[]} names */
const sorted = (names) => [...names].sort((one, other) => one.localeCompare(other));

/** @param {'room' | 'direct'} kind @param {string} name @returns {Thread} */
const newThread = (kind, name) => ({ kind, name, items: [], unread: 0, members: [], seen: null, isIn: kind === 'direct' });

/** @param {Thread} thread */
function lastAt({ items }) {
  const last = items.at(-1);
  return last?.kind === 'said' ? last.at : Number.MAX_SAFE_INTEGER;
}

/** @param {unknown} value @returns {any[]} */
const list = (value) => (Array.isArray(value) ? value : []);

/** @param {any} item @returns {item is Said} */
const isSaid = (item) => item?.kind === 'said' && typeof item.id === 'string' && typeof item.text === 'string' && typeof item.from === 'string';
