/**
 * The conversations with the model: asks, follows the answers, also of those that are not open, and keeps what came. What is open is
 * shown by a ThreadView.
 */

/** @typedef {import('./chat-socket.js').Answer} Answer */
/** @typedef {import('./chat-socket.js').ChatSocket} ChatSocket */
/** @typedef {import('./conversations.js').AssistantTurn} AssistantTurn */
/** @typedef {import('./conversations.js').Conversation} Conversation */
/** @typedef {import('./conversations.js').Conversations} Conversations */
/** @typedef {import('./turn-view.js').AnswerView} AnswerView */
/** @typedef {{ answer: Answer, turn: AssistantTurn, conversation: Conversation, view: AnswerView | null }} Live */

/** An answer that is being written is kept so often: the page may go without a word. */
const SAVE_EVERY_MS = 1_000;

/**
 * @typedef {object} ChatsOwner
 * @property {() => void} onAnswering            of the open conversation it changed
 * @property {(text: string) => void} onEdit     the last question is to be asked in other words
 * @property {() => void} onTitle
 */

export class Chats {
  #socket;
  #conversations;
  #view;
  #owner;
  /** Answers under way, by conversation. @type {Map<string, Live>} */ #live = new Map();
  /** The one that is open. @type {Conversation | null} */ #open = null;
  /** @type {import('./turn-view.js').OwnView | null} */ #lastQuestion = null;
  /** @type {AnswerView | null} */ #lastAnswer = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #saving;

  /** @param {ChatSocket} socket @param {Conversations} conversations @param {import('./thread-view.js').ThreadView} view @param {ChatsOwner} owner */
  constructor(socket, conversations, view, owner) {
    this.#socket = socket;
    this.#conversations = conversations;
    this.#view = view;
    this.#owner = owner;
  }

  get openId() { return this.#open?.id ?? null; }
  get title() { return this.#open?.title ?? ''; }
  get isNew() { return this.#open !== null && this.#open.turns.length === 0; }
  get isAnswering() { return this.#open !== null && this.#live.has(this.#open.id); }
  /** @param {string} id */
  isAnsweringIn(id) { return this.#live.has(id); }

  /** What an earlier page left under way goes on. */
  continueAll() {
    for (const { id, answering } of this.#conversations.list) {
      if (!answering) continue;
      const conversation = this.#conversations.load(id);
      if (!conversation) continue;
      for (const turn of conversation.turns) {
        if (turn.role !== 'assistant' || turn.status !== 'streaming') continue;
        if (turn.answer) this.#follow(conversation, turn, this.#socket.continue(turn.answer));
        else Object.assign(turn, { status: 'failed', problem: { code: 'closed', message: '', retryable: true } });
      }
      if (!this.#live.has(id)) this.#conversations.update(id, { answering: false });
    }
  }

  /** @param {string | null} id  null, or one that is not there: a new conversation */
  show(id) {
    this.hide();
    const conversation = this.#open = (id && this.#conversations.load(id)) || this.#conversations.create();
    this.#view.open({ kind: 'chat', empty: { title: 'empty.title', text: 'empty.text', prompts: true } });
    for (const turn of conversation.turns) {
      if (turn.role === 'user') this.#showQuestion(turn);
      else this.#showAnswer(turn);
    }
    const live = this.#live.get(conversation.id);
    if (live) this.#attach(live);
    this.#mark();
    this.#view.toEnd();
    if (conversation.unread) this.#conversations.update(conversation.id, { unread: false });
    this.#owner.onAnswering();
  }

  hide() {
    if (!this.#open) return;
    const live = this.#live.get(this.#open.id);
    if (live) live.view = null;
    else this.#conversations.release(this.#open.id);
    this.#open = this.#lastQuestion = this.#lastAnswer = null;
  }

  /** @param {string} text @param {boolean} editing  instead of the last question @returns {boolean} whether it was taken */
  ask(text, editing) {
    const conversation = this.#open;
    if (!conversation || this.#live.has(conversation.id)) return false;
    const replaced = editing ? this.#dropLastExchange(conversation) : '';
    const question = { role: /** @type {const} */ ('user'), text, at: Date.now() };
    this.#conversations.add(conversation, question);
    this.#showQuestion(question);
    this.#answer(conversation, text, replaced);
    this.#owner.onTitle();
    return true;
  }

  stop() {
    if (this.#open) this.#live.get(this.#open.id)?.answer.stop();
  }

  /** The conversation goes, and what is under way in it. @param {string} id @returns {(() => void) | null} brings it back */
  delete(id) {
    const live = this.#live.get(id);
    live?.answer.stop();
    this.#live.delete(id);
    if (live) this.#settle(live.turn, { text: live.turn.text, finishReason: 'cancelled', usage: null, error: null });
    return this.#conversations.delete(id);
  }

  /** The page may go now. */
  save() {
    clearTimeout(this.#saving);
    this.#saving = undefined;
    for (const { conversation, turn, answer } of this.#live.values()) {
      turn.answer = answer.toJSON();
      this.#conversations.saveTurns(conversation);
    }
  }

  // ---- one answer ----

  /** Once more, in place of what came. @param {AssistantTurn} turn */
  #askAgain(turn) {
    const conversation = this.#open;
    if (!conversation || this.#live.has(conversation.id) || conversation.turns.at(-1) !== turn) return;
    conversation.turns.pop();
    if (this.#lastAnswer) this.#view.remove(this.#lastAnswer);
    this.#answer(conversation, turn.question, turn.stored ?? '');
  }

  /** @param {Conversation} conversation @returns {string} the requestId under which the server has it, or nothing */
  #dropLastExchange(conversation) {
    const answer = conversation.turns.at(-1);
    const stored = answer?.role === 'assistant' ? answer.stored ?? '' : '';
    if (answer?.role === 'assistant') {
      conversation.turns.pop();
      if (this.#lastAnswer) this.#view.remove(this.#lastAnswer);
    }
    if (conversation.turns.at(-1)?.role === 'user') {
      conversation.turns.pop();
      if (this.#lastQuestion) this.#view.remove(this.#lastQuestion);
    }
    return stored;
  }

  /** @param {Conversation} conversation @param {string} question @param {string} regenerate  the requestId of what it replaces, or nothing */
  #answer(conversation, question, regenerate) {
    const answer = this.#socket.ask(question, { sessionId: conversation.id, regenerate });
    /** @type {AssistantTurn} */
    const turn = { role: 'assistant', text: '', at: Date.now(), question, status: 'streaming', answer: answer.toJSON() };
    conversation.answering = true;
    const live = this.#follow(conversation, turn, answer);
    this.#conversations.add(conversation, turn);
    this.#showAnswer(turn);
    this.#attach(live);
    this.#mark();
    this.#view.toEnd();
    this.#owner.onAnswering();
  }

  /** @param {Conversation} conversation @param {AssistantTurn} turn @param {Answer} answer */
  #follow(conversation, turn, answer) {
    /** @type {Live} */ const live = { answer, turn, conversation, view: null };
    this.#live.set(conversation.id, live);
    turn.text = answer.text;
    answer.on('piece', () => {
      turn.text = answer.text;
      this.#saving ??= setTimeout(() => this.save(), SAVE_EVERY_MS);
    });
    answer.on('end', (result) => this.#ended(live, result));
    if (answer.isDone) answer.result.then((result) => this.#ended(live, result));
    return live;
  }

  /** @param {Live} live @param {import('./chat-socket.js').AnswerResult} result */
  #ended(live, result) {
    const { conversation, turn, answer } = live;
    if (this.#live.get(conversation.id) !== live) return; // deleted meanwhile
    this.#live.delete(conversation.id);
    if (answer.toJSON().after > 0) turn.stored = answer.requestId;
    const { firstPieceMs, tokensPerSecond } = answer.stats;
    turn.stats = { firstMs: firstPieceMs, tokensPerSecond, tokens: result.usage?.completion_tokens ?? null };
    this.#settle(turn, result);
    conversation.answering = false;
    conversation.unread = this.#open !== conversation;
    this.#conversations.save(conversation);
    if (this.#open !== conversation) return this.#conversations.release(conversation.id);
    live.view?.finish(turn);
    this.#mark();
    this.#owner.onAnswering();
  }

  /** @param {AssistantTurn} turn @param {import('./chat-socket.js').AnswerResult} result */
  #settle(turn, { text, finishReason, error }) {
    delete turn.answer;
    turn.text = text;
    turn.finish = finishReason;
    turn.status = error ? 'failed' : finishReason === 'cancelled' ? 'stopped' : finishReason === 'error' ? 'failed' : 'done';
    if (error) turn.problem = error.toJSON();
    if (turn.status === 'done' && text === '') Object.assign(turn, { status: 'failed', problem: { code: 'empty', message: '', retryable: true } });
  }

  // ---- what is shown ----

  /** @param {import('./conversations.js').UserTurn} turn */
  #showQuestion(turn) {
    this.#lastQuestion?.setEditable(false);
    this.#lastQuestion = this.#view.addOwn(turn, { onEdit: () => this.#owner.onEdit(turn.text) });
  }

  /** @param {AssistantTurn} turn */
  #showAnswer(turn) {
    this.#lastAnswer?.setRepeatable(false);
    this.#lastAnswer = this.#view.addAnswer(turn, { onAgain: () => this.#askAgain(turn), onEdit: () => this.#owner.onEdit(turn.question) });
  }

  /** @param {Live} live  whose view was the last to be shown */
  #attach(live) {
    live.view = this.#lastAnswer;
    live.view?.follow(live.answer);
  }

  /** The last exchange can be changed, unless it is under way. */
  #mark() {
    this.#lastQuestion?.setEditable(!this.isAnswering);
    this.#lastAnswer?.setRepeatable(!this.isAnswering);
  }
}
