/**
 * The answers of docs/PROTOCOL.md in memory, and a network that can be cut before or after any message, with or without the client's being told.
 * The text of an answer follows from its requestId, so a test knows what every reader must end up with.
 */

import assert from 'node:assert/strict';
import { assertValid } from './chat-socket-harness.mjs';

/** What the model says to that question: pieces of one and more characters, all of them different. */
export function piecesOf(requestId, count) {
  return Array.from({ length: count }, (_, index) => `${requestId}:${index}${'é'.repeat(index % 3)} `);
}

export class ModelServer {
  /** requestId -> its numbered messages, and the model's pieces that are still to come. */
  answers = new Map();
  /** How often each question was asked of the model. */
  asked = [];
  /** Messages of people, by the sender's id. */
  stored = new Map();
  links = new Set();

  /** @param {{ pieces?: number, repeats?: boolean }} options `repeats`: who resumes gets the answer from its beginning */
  constructor({ pieces = 5, repeats = false } = {}) {
    this.pieces = pieces;
    this.repeats = repeats;
  }

  onMessage(link, message) {
    switch (message.type) {
      case 'ping': return link.say({ type: 'pong', id: message.id });
      case 'chat': {
        if (!this.answers.has(message.requestId)) {
          this.asked.push(message.requestId);
          this.answers.set(message.requestId, { log: [], left: piecesOf(message.requestId, this.pieces) });
          link.say({ type: 'status', requestId: message.requestId, status: 'thinking' });
        }
        return this.#read(link, message.requestId, 0);
      }
      case 'resume': {
        if (this.answers.has(message.requestId)) return this.#read(link, message.requestId, this.repeats ? 0 : message.after);
        link.say({ type: 'error', requestId: message.requestId, code: 'unknown_request', message: '', retryable: false });
        return link.say({ type: 'stream', requestId: message.requestId, content: '', done: true, finish_reason: 'error' });
      }
      case 'stop': {
        const answer = this.answers.get(message.requestId);
        if (answer && answer.left) this.#end(message.requestId, answer, 'cancelled');
        return undefined;
      }
      case 'message':
        this.stored.set(message.id, message.text);
        return link.say({ type: 'ack', id: message.id, messageId: `stored-${message.id}` });
      default: assert.fail(`the model server does not know ${message.type}`);
    }
  }

  /** Every answer under way gets one piece, or its end. */
  step() {
    for (const [requestId, answer] of this.answers) {
      if (!answer.left) continue;
      const content = answer.left.shift();
      if (content === undefined) this.#end(requestId, answer, 'stop');
      else this.#append(requestId, answer, { content, done: false });
    }
  }

  /** What the model has said. */
  piecesSaid(requestId) {
    return (this.answers.get(requestId)?.log ?? []).map(({ content }) => content).filter((content) => content !== '');
  }

  #end(requestId, answer, reason) {
    answer.left = null;
    this.#append(requestId, answer, { content: '', done: true, finish_reason: reason });
  }

  #append(requestId, answer, rest) {
    answer.log.push({ type: 'stream', requestId, seq: answer.log.length + 1, ...rest });
    for (const link of [...this.links]) if (link.reads.has(requestId)) link.catchUp(requestId, answer.log);
  }

  #read(link, requestId, after) {
    link.reads.set(requestId, after);
    link.catchUp(requestId, this.answers.get(requestId).log);
  }
}

/**
 * The way between clients and the server. Every message, in either direction, passes `cut`, which may say 'lost' (the connection ends before
 * it arrives) or 'last' (behind it). Where `silent` says so, the client is not told: it has to find out.
 */
export class Network {
  passed = 0;
  cuts = 0;

  constructor(server, clock, { cut = () => null, silent = () => false } = {}) {
    this.server = server;
    this.clock = clock;
    this.cut = cut;
    this.silent = silent;
    const network = this;
    /** Opens and closes in a turn of its own, as in a browser. */
    this.WebSocket = class {
      readyState = 0;
      reads = new Map();
      isConnected = false;

      constructor() {
        network.clock.setTimeout(() => {
          if (this.readyState !== 0) return;
          this.readyState = 1;
          this.isConnected = true;
          network.server.links.add(this);
          this.onopen({});
        }, 1);
      }

      // The client's side.
      send(text) {
        const message = JSON.parse(text);
        assertValid('client', message);
        network.#pass(this, () => network.server.onMessage(this, message));
      }

      close() {
        this.readyState = 3;
        network.#disconnect(this);
      }

      // The server's side.
      catchUp(requestId, log) {
        while (this.isConnected && this.reads.get(requestId) < log.length) {
          const next = this.reads.get(requestId);
          this.reads.set(requestId, next + 1);
          this.say(log[next]);
        }
      }

      say(message) {
        assertValid('server', message);
        // What the client hears it hears in a turn of its own, and in order.
        network.#pass(this, () => network.clock.setTimeout(() => this.readyState === 1 && this.onmessage({ data: JSON.stringify(message) }), 0));
      }
    };
  }

  #pass(socket, deliver) {
    if (!socket.isConnected) return;
    const what = this.cut(this.passed);
    this.passed += 1;
    if (what !== 'lost') deliver();
    if (what === null) return;
    this.cuts += 1;
    this.#disconnect(socket);
    if (this.silent()) return;
    this.clock.setTimeout(() => {
      if (socket.readyState === 3) return;
      socket.readyState = 3;
      socket.onclose({ code: 1006 });
    }, 0);
  }

  #disconnect(socket) {
    socket.isConnected = false;
    this.server.links.delete(socket);
  }
}
