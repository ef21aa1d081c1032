/** Wires the page to the connection. */

import { ChatSocket, chatUrl } from './chat-socket.js';
import { applyLanguage, currentLanguage, pickLanguage } from './i18n.js';
import { Transcript } from './transcript.js';
import { ChatPage } from './ui.js';

/** @typedef {import('./transcript.js').AssistantTurn} AssistantTurn */
/** @typedef {import('./turn-view.js').AnswerView} AnswerView */

const LANGUAGE_KEY = 'wsengine-chat.language';
const preferences = storage('localStorage');
applyLanguage(pickLanguage(preferences?.getItem(LANGUAGE_KEY) ?? null, navigator.languages), document);

const transcript = new Transcript(storage('sessionStorage'));
const socket = new ChatSocket({ url: chatUrl(location), sessionId: transcript.sessionId });
const page = new ChatPage({ send: ask, stop: () => socket.stop(), reconnect: () => socket.reconnectNow(), newChat, switchLanguage });

/** The answer under way. @type {{ turn: AssistantTurn, view: AnswerView } | null} */
let answer = null;

// ---- what the reader does ----

/** @param {string} text @returns {boolean} whether it was sent */
function ask(text) {
  if (!request(text)) return false;
  page.withdrawRepeats();
  page.addUser(transcript.add({ role: 'user', text, at: Date.now() }));
  awaitAnswer(text);
  return true;
}

/** Sends the question of an answer that failed once more. @param {AssistantTurn} turn @param {AnswerView} view */
function askAgain(turn, view) {
  if (turn.problem?.code === 'message_too_long') return page.suggest(turn.question);
  // A partial answer stays where it is; an empty one makes room for the new one.
  if (turn.text !== '') return void ask(turn.question);
  if (!request(turn.question)) return;
  transcript.remove(turn);
  view.element.remove();
  page.withdrawRepeats();
  awaitAnswer(turn.question);
}

function newChat() {
  socket.stop();
  answer = null; // what still arrives of it is for nobody
  transcript.restart();
  socket.startSession(transcript.sessionId);
  page.clear();
  page.focusComposer();
}

function switchLanguage() {
  const next = currentLanguage() === 'en' ? 'zh' : 'en';
  applyLanguage(next, document);
  try {
    preferences?.setItem(LANGUAGE_KEY, next);
  } catch {
    // Not kept for the next visit, that is all.
  }
}

/** @param {string} text */
function request(text) {
  const result = socket.send(text);
  if (!result.ok) page.refuse(result.reason);
  return result.ok;
}

/** @param {string} question */
function awaitAnswer(question) {
  const turn = transcript.add(/** @type {AssistantTurn} */ ({ role: 'assistant', text: '', at: Date.now(), question, status: 'streaming' }));
  answer = { turn, view: showAnswer(turn) };
  page.setAnswering(true);
}

/** @param {AssistantTurn} turn */
function showAnswer(turn) {
  const view = page.addAnswer(turn, () => askAgain(turn, view));
  return view;
}

// ---- what the server does ----

socket.on('state', (event) => page.showConnection(event));

socket.on('token', ({ content }) => {
  if (!answer) return;
  answer.turn.text += content;
  answer.view.append(content);
});

socket.on('problem', ({ code, message }) => {
  if (answer) answer.turn.problem = { code, message };
});

socket.on('end', ({ reason }) => {
  page.setAnswering(false);
  if (!answer) return;
  const { turn, view } = answer;
  answer = null;
  turn.status = reason;
  if (reason === 'done' && turn.text === '') Object.assign(turn, { status: 'failed', problem: { code: 'empty', message: '' } });
  transcript.save();
  view.finish(turn);
});

// ---- start, and the life of the page ----

page.setAnswering(false);
for (const turn of transcript.turns) {
  if (turn.role === 'assistant') {
    showAnswer(turn);
  } else {
    page.withdrawRepeats();
    page.addUser(turn);
  }
}
socket.open();
page.focusComposer();

// Closing in time lets the server stop the model at once, and the browser keep the page for "back".
addEventListener('pagehide', () => {
  transcript.save();
  socket.close();
});
addEventListener('pageshow', () => socket.open());
addEventListener('online', () => socket.reconnectNow());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') socket.reconnectNow();
});

/** @param {'localStorage' | 'sessionStorage'} kind @returns {Storage | null} null where the browser refuses */
function storage(kind) {
  try {
    return window[kind];
  } catch {
    return null;
  }
}
