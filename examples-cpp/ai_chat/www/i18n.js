/**
 * The page's words in English and Chinese. An element carries its key, so that switching the language rewrites the whole page,
 * the conversation's notes included:
 *
 *   <p data-i18n="empty.title"></p>                        text
 *   <button data-i18n-label="compose.stop"></button>       aria-label, and a button's tooltip
 *   <textarea data-i18n-placeholder="compose.placeholder"> placeholder
 *   setText(element, 'offline.retry', { seconds: 4 });     the same from code, with parameters
 *
 * The words themselves are in texts/.
 */

import en from './texts/en.js';
import zh from './texts/zh.js';

/** @typedef {'en' | 'zh'} Language */

/** @type {Record<Language, string>} */
const TAGS = { en: 'en', zh: 'zh-CN' };

/** @type {Record<Language, Record<string, string>>} */
const TEXTS = { en, zh };

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

/** @param {Element} element @param {string} key @param {Record<string, string | number>} [params] */
export function setLabel(element, key, params) {
  const { dataset } = /** @type {HTMLElement} */ (element);
  dataset.i18nLabel = key;
  if (params) dataset.i18nLabelParams = JSON.stringify(params);
  const label = translate(key, params);
  element.setAttribute('aria-label', label);
  if (element instanceof HTMLButtonElement) element.title = label;
}

/** @param {HTMLTextAreaElement | HTMLInputElement} element @param {string} key @param {Record<string, string | number>} [params] */
export function setPlaceholder(element, key, params) {
  element.dataset.i18nPlaceholder = key;
  if (params) element.dataset.i18nPlaceholderParams = JSON.stringify(params);
  else delete element.dataset.i18nPlaceholderParams;
  element.placeholder = translate(key, params);
}

/** What a problem is called. @param {string} code @returns {{ key: string, params: Record<string, string> }} */
export const problemText = (code) => (hasText(`error.${code}`) ? { key: `error.${code}`, params: {} } : { key: 'error.unknown', params: { code } });

/** Translates everything below `root` that carries a key. @param {ParentNode} root */
export function localize(root) {
  const params = (/** @type {string | undefined} */ json) => (json ? JSON.parse(json) : undefined);
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll('[data-i18n]'))) {
    setText(element, element.dataset.i18n ?? '', params(element.dataset.i18nParams));
  }
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll('[data-i18n-label]'))) {
    setLabel(element, element.dataset.i18nLabel ?? '', params(element.dataset.i18nLabelParams));
  }
  for (const element of /** @type {NodeListOf<HTMLTextAreaElement>} */ (root.querySelectorAll('[data-i18n-placeholder]'))) {
    setPlaceholder(element, element.dataset.i18nPlaceholder ?? '', params(element.dataset.i18nPlaceholderParams));
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
  localize(document);
}
