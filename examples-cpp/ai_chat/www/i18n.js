/**
 * The page's words in English and Chinese. An element carries its key, so that switching the language rewrites the whole page,
 * the conversation's notes included:
 *
 *   <p data-i18n="empty.title"></p>                        text
 *   <button data-i18n-label="compose.stop"></button>       aria-label, and a button's tooltip
 *   <textarea data-i18n-placeholder="compose.placeholder"> placeholder
 *   setText(element, 'offline.retry', { seconds: 4 });     the same from code, with parameters
 */

/** @typedef {'en' | 'zh'} Language */

/** @type {Record<Language, string>} */
const TAGS = { en: 'en', zh: 'zh-CN' };

/** @type {Record<Language, Record<string, string>>} */
const TEXTS = {
  en: {
    'app.title': 'wsengine chat',
    'app.new': 'New chat',
    'app.language': '切换到中文',
    'app.language.short': '中文',
    'app.conversation': 'Conversation',

    'state.connecting': 'Connecting',
    'state.online': 'Connected',
    'state.waiting': 'Offline',
    'state.closed': 'Offline',

    'empty.title': 'What’s on your mind?',
    'empty.text': 'Answers arrive over a WebSocket, token by token, the moment the model writes them.',
    'prompt.1.title': 'Explain something',
    'prompt.1.text': 'Explain what a WebSocket is to a ten-year-old.',
    'prompt.2.title': 'Write something',
    'prompt.2.text': 'Write a short poem about the sea at night.',
    'prompt.3.title': 'Plan something',
    'prompt.3.text': 'Give me three ideas for a rainy Sunday.',
    'prompt.4.title': 'Code something',
    'prompt.4.text': 'Write a C function that reverses a string.',

    'role.user': 'You',
    'role.assistant': 'Assistant',
    'turn.thinking': 'Thinking…',
    'turn.stopped': 'Stopped',
    'turn.interrupted': 'Interrupted: the connection was lost',
    'turn.again': 'Send again',
    'turn.retry': 'Try again',
    'turn.edit': 'Edit',
    'turn.copy': 'Copy',
    'turn.copied': 'Copied',
    'turn.answered': 'Answer complete.',

    'compose.label': 'Message',
    'compose.placeholder': 'Ask anything',
    'compose.send': 'Send',
    'compose.stop': 'Stop the answer',
    'compose.hint': 'Enter to send, Shift + Enter for a new line, Esc to stop',
    'compose.note': 'Answers come from a language model and can be wrong.',
    'jump': 'Jump to latest',

    'offline.connecting': 'Connecting to the server…',
    'offline.retry': 'No connection to the server. Trying again in {seconds} s.',
    'offline.now': 'Connect now',
    'refused.offline': 'Not sent: there is no connection. Your message stays here until you send it again.',
    'refused.busy': 'Not sent yet: wait for the answer, or stop it first.',

    'error.bad_request': 'The server did not understand this message.',
    'error.bad_reply': 'The server sent something that this page cannot read.',
    'error.busy': 'The server is still busy with another answer.',
    'error.message_too_long': 'This message is too long for the server.',
    'error.upstream_unreachable': 'The language model cannot be reached.',
    'error.upstream_timeout': 'The language model took too long to answer.',
    'error.upstream_status': 'The language model refused the request.',
    'error.upstream_protocol': 'The answer of the language model broke off or was garbled.',
    'error.no_answer': 'The connection was lost before an answer came.',
    'error.empty': 'The model returned an empty answer.',
    'error.unknown': 'Something went wrong ({code}).',
  },
  zh: {
    'app.title': 'wsengine 聊天',
    'app.new': '新对话',
    'app.language': 'Switch to English',
    'app.language.short': 'English',
    'app.conversation': '对话',

    'state.connecting': '连接中',
    'state.online': '已连接',
    'state.waiting': '已断开',
    'state.closed': '已断开',

    'empty.title': '想聊点什么？',
    'empty.text': '回答通过 WebSocket 逐字送达，模型写到哪里，你就看到哪里。自带的演示模型只懂英文。',
    'prompt.1.title': '讲解',
    'prompt.1.text': '给一个十岁的孩子讲讲什么是 WebSocket。',
    'prompt.2.title': '写作',
    'prompt.2.text': '写一首关于夜晚大海的短诗。',
    'prompt.3.title': '计划',
    'prompt.3.text': '给我三个下雨的周日可以做的事。',
    'prompt.4.title': '编程',
    'prompt.4.text': '用 C 语言写一个反转字符串的函数。',

    'role.user': '你',
    'role.assistant': '助手',
    'turn.thinking': '正在思考…',
    'turn.stopped': '已停止',
    'turn.interrupted': '已中断：连接断开',
    'turn.again': '重新发送',
    'turn.retry': '重试',
    'turn.edit': '修改',
    'turn.copy': '复制',
    'turn.copied': '已复制',
    'turn.answered': '回答完毕。',

    'compose.label': '消息',
    'compose.placeholder': '有什么想问的？',
    'compose.send': '发送',
    'compose.stop': '停止回答',
    'compose.hint': 'Enter 发送，Shift + Enter 换行，Esc 停止',
    'compose.note': '回答由语言模型生成，可能有误。',
    'jump': '回到最新',

    'offline.connecting': '正在连接服务器…',
    'offline.retry': '与服务器的连接已断开，{seconds} 秒后重试。',
    'offline.now': '立即连接',
    'refused.offline': '未发送：当前没有连接。消息会留在输入框里，请稍后再发。',
    'refused.busy': '尚未发送：请等回答结束，或先停止它。',

    'error.bad_request': '服务器无法理解这条消息。',
    'error.bad_reply': '服务器发来了本页面无法识别的内容。',
    'error.busy': '服务器还在处理上一个回答。',
    'error.message_too_long': '消息太长，服务器无法接收。',
    'error.upstream_unreachable': '无法连接到语言模型。',
    'error.upstream_timeout': '语言模型太久没有回应。',
    'error.upstream_status': '语言模型拒绝了这次请求。',
    'error.upstream_protocol': '语言模型的回答中断或已损坏。',
    'error.no_answer': '还没收到回答，连接就断开了。',
    'error.empty': '模型返回了空的回答。',
    'error.unknown': '出错了（{code}）。',
  },
};

/** @type {Language} */
let language = 'en';

export const currentLanguage = () => language;

/**
 * The reader's language: what was chosen before, else the first of the browser's that we speak.
 * @param {string | null} stored
 * @param {readonly string[]} preferred
 * @returns {Language}
 */
export function pickLanguage(stored, preferred) {
  if (stored === 'en' || stored === 'zh') return stored;
  for (const tag of preferred) {
    if (/^zh\b/i.test(tag)) return 'zh';
    if (/^en\b/i.test(tag)) return 'en';
  }
  return 'en';
}

/**
 * @param {string} key
 * @param {Record<string, string | number>} [params]
 */
export function translate(key, params = {}) {
  const text = TEXTS[language][key] ?? TEXTS.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(params[name] ?? ''));
}

/** @param {string} key */
export const hasText = (key) => key in TEXTS.en;

/** @param {HTMLElement} element @param {string} key @param {Record<string, string | number>} [params] */
export function setText(element, key, params) {
  element.dataset.i18n = key;
  if (params) element.dataset.i18nParams = JSON.stringify(params);
  else delete element.dataset.i18nParams;
  element.textContent = translate(key, params);
}

/** @param {HTMLElement} element @param {string} key */
export function setLabel(element, key) {
  element.dataset.i18nLabel = key;
  element.setAttribute('aria-label', translate(key));
  if (element.tagName === 'BUTTON') element.title = translate(key);
}

/** Translates everything below `root` that carries a key. @param {ParentNode} root */
export function localize(root) {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll('[data-i18n]'))) {
    const { i18n = '', i18nParams } = element.dataset;
    setText(element, i18n, i18nParams ? JSON.parse(i18nParams) : undefined);
  }
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll('[data-i18n-label]'))) {
    setLabel(element, element.dataset.i18nLabel ?? '');
  }
  for (const element of /** @type {NodeListOf<HTMLTextAreaElement>} */ (root.querySelectorAll('[data-i18n-placeholder]'))) {
    element.placeholder = translate(element.dataset.i18nPlaceholder ?? '');
  }
  for (const element of /** @type {NodeListOf<HTMLTimeElement>} */ (root.querySelectorAll('time[datetime]'))) {
    setTime(element, new Date(element.dateTime));
  }
}

/** @param {HTMLTimeElement} element @param {Date} date */
export function setTime(element, date) {
  // The reader's own region of the page's language, if the browser names one: en-GB writes 14:05.
  const locale = globalThis.navigator?.languages.find((tag) => tag.startsWith(language)) ?? TAGS[language];
  element.dateTime = date.toISOString();
  element.textContent = date.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit' });
  element.title = date.toLocaleString(locale);
}

/** Switches the page. @param {Language} next @param {Document} document */
export function applyLanguage(next, document) {
  language = next;
  document.documentElement.lang = TAGS[language];
  document.title = translate('app.title');
  localize(document);
}
