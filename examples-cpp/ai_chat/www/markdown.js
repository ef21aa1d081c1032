/**
 * Markdown of a model, made into nodes that are safe to show.
 *
 * marked reads it, DOMPurify lets through what is on the list below and nothing else. What the model wrote is what the reader sees:
 * HTML tags that could do nothing but look (<br>, <sub>, …) work, every other tag is shown as text, pictures become links, formulas stay text.
 */

import DOMPurify from './vendor/purify.es.mjs';
import { Marked } from './vendor/marked.esm.js';

/** @typedef {{ type: string, raw: string }} Token  one of marked's block tokens */
/** @typedef {{ start: number, token: Token }} Block  `start`: where its source begins */

/** HTML that a model may use; without attributes. */
const PLAIN_TAG = /<\/?(?:b|br|del|details|em|hr|i|ins|kbd|mark|p|s|small|strong|sub|summary|sup|u)\s*\/?>/gi;

const ALLOWED = {
  ALLOWED_TAGS: [
    'a', 'b', 'blockquote', 'br', 'code', 'del', 'details', 'em', 'h3', 'hr', 'i', 'ins', 'kbd', 'li', 'mark', 'ol', 'p', 'pre', 's', 'small', 'span', 'strong',
    'sub', 'summary', 'sup', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'u', 'ul',
  ],
  ALLOWED_ATTR: ['align', 'data-depth', 'data-language', 'data-math', 'data-task', 'href', 'start', 'title'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ADD_URI_SAFE_ATTR: ['align', 'data-depth', 'data-language', 'data-math', 'start'],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/** Deeper nesting than this is shown as it was written; it would only serve to exhaust the stack. */
const MAX_DEPTH = 40;

/** @param {string} text */
const escape = (text) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** Tags of the list as they are, everything else as text. @param {string} html */
function showTags(html) {
  let shown = '';
  let end = 0;
  for (const match of html.matchAll(PLAIN_TAG)) {
    shown += escape(html.slice(end, match.index)) + match[0];
    end = match.index + match[0].length;
  }
  return shown + escape(html.slice(end));
}

/** Formulas, so that Markdown does not take their underscores and backslashes: $…$ by Pandoc's rule, $$…$$, \(…\) and \[…\]. */
const MATH = /^(?:\$\$(?:(?!\n\s*\n)[^$])+\$\$|\\\((?:(?!\n\s*\n)[^])+?\\\)|\\\[(?:(?!\n\s*\n)[^])+?\\\]|\$(?![\s$])(?:\\.|[^$\\\n])*?[^\s$\\]\$(?!\d))/;

/** The same as a block of its own. */
const MATH_BLOCK = /(?<=^|\n) {0,3}(?:\$\$(?:(?!\n\s*\n)[^$])+\$\$|\\\[(?:(?!\n\s*\n)[^])+?\\\])[ \t]*(?:\n+|$)/;

const inlineMath = {
  name: 'math-inline',
  level: 'inline',
  start: (/** @type {string} */ source) => found(source.search(/\$|\\[([]/)),
  tokenizer(/** @type {string} */ source) {
    const raw = MATH.exec(source.slice(0, 2_000))?.[0];
    return raw ? { type: 'math-inline', raw } : undefined;
  },
  renderer: (/** @type {{ raw: string }} */ { raw }) => `<span data-math="inline">${escape(raw)}</span>`,
};

const blockMath = {
  name: 'math-block',
  level: 'block',
  /** Where a paragraph has to end for it: only where it does begin, since marked's `raw` is not exact behind an end for nothing. */
  start(/** @type {string} */ source) {
    const end = source.indexOf('\n\n');
    return found(source.slice(0, end < 0 ? 4_000 : Math.min(end, 4_000)).search(MATH_BLOCK));
  },
  tokenizer(/** @type {string} */ source) {
    const end = source.indexOf('\n\n');
    const match = MATH_BLOCK.exec(source.slice(0, end < 0 ? 4_000 : Math.min(end + 2, 4_000)));
    return match?.index === 0 ? { type: 'math-block', raw: match[0] } : undefined;
  },
  renderer: (/** @type {{ raw: string }} */ { raw }) => `<p><span data-math="block">${escape(raw.trim())}</span></p>`,
};

/** @param {number} index */
const found = (index) => (index < 0 ? undefined : index);

const markdown = new Marked({
  gfm: true,
  breaks: true,
  extensions: /** @type {any} */ ([blockMath, inlineMath]),
  renderer: /** @type {any} */ ({
    html: (/** @type {{ text: string }} */ { text }) => showTags(text),
    code: (/** @type {{ text: string, lang?: string }} */ { text, lang }) =>
      `<pre data-language="${escape((lang ?? '').trim().split(/[\s,{]/)[0].slice(0, 30))}"><code>${escape(text)}</code></pre>`,
    image: (/** @type {{ href: string, text: string }} */ { href, text }) => `<a href="${escape(href)}">${escape(text || href)}</a>`,
    checkbox: (/** @type {{ checked: boolean }} */ { checked }) => `<span data-task>${checked ? '☑' : '☐'}</span> `,
    // The page has headings of its own above these.
    heading(/** @type {{ tokens: any[], depth: number }} */ { tokens, depth }) {
      return `<h3 data-depth="${depth}">${/** @type {any} */ (this).parser.parseInline(tokens)}</h3>`;
    },
  }),
});

/** One kind of line end. @param {string} text */
export const normalize = (text) => text.replace(/\r\n?/g, '\n');

/**
 * The blocks of a text with normal line ends, from top to bottom; empty lines belong to none.
 * @param {string} text
 * @returns {Block[]}
 */
export function lexBlocks(text) {
  const tokens = lex(text);
  /** @type {Block[]} */ const blocks = [];
  let start = 0;
  for (const token of tokens) {
    if (token.type !== 'space') blocks.push({ start, token });
    start += token.raw.length;
  }
  return blocks;
}

/** @param {string} text @returns {Token[]} */
function lex(text) {
  if (isTooMuch(text)) return plain(text);
  try {
    return markdown.lexer(text);
  } catch {
    return plain(text); // whatever the library stumbles over is shown as it was written
  }
}

/** @param {string} text @returns {Token[]} */
const plain = (text) => [{ type: 'plain', raw: text }];

/** Whether lines of it are longer, or open more quotes and lists, than anybody would read. @param {string} text */
function isTooMuch(text) {
  if (/[^\n]{16000}/.test(text)) return true;
  for (const [line] of text.matchAll(/^[ \t]*(?:(?:>|[-*+]|\d{1,9}[.)])[ \t]*){8,}|^[ \t]{80,}(?=\S)/gm)) {
    if (line.replace(/[ \t]/g, '').length > MAX_DEPTH || /^[ \t]{80,}(?:[-*+>]|\d+[.)])/.test(`${line}-`)) return true;
  }
  return false;
}

/**
 * A block as nodes.
 * @param {Token} token
 * @returns {DocumentFragment}
 */
export function renderBlock(token) {
  return /** @type {DocumentFragment} */ (/** @type {unknown} */ (DOMPurify.sanitize(toHtml(token), ALLOWED)));
}

/** @param {Token} token */
function toHtml(token) {
  try {
    if (token.type !== 'plain') return /** @type {string} */ (markdown.parser([/** @type {any} */ (token)]));
  } catch {
    // As above.
  }
  return `<pre data-language=""><code>${escape(token.raw)}</code></pre>`;
}

// Links leave the page as it is, and tell the other side nothing.
if (DOMPurify.isSupported) {
  DOMPurify.addHook('afterSanitizeAttributes', (/** @type {Element} */ node) => {
    if (node.nodeName !== 'A' || !node.hasAttribute('href')) return;
    node.setAttribute('target', '_blank');
    node.setAttribute('rel', 'noopener noreferrer nofollow');
  });
}

// ---- a text that is still growing ----

/**
 * The last block of a growing text as it will look most likely: open marks are closed, and what could become anything waits for its next
 * character, so that nothing appears as text and turns into something else a moment later.
 * @param {Token} token
 */
export function presentable({ type, raw }) {
  if (type === 'code' && /^ {0,3}(?:```|~~~)/.test(raw)) return raw.replace(/\n {0,3}(?:`{1,2}|~{1,2})$/, '\n');
  if (type === 'code' || type === 'html' || type.startsWith('math') || type === 'plain') return raw;
  let text = raw.replace(/(^|\n)[ \t]*(?:>[ \t]?)*(?:[-*+=_#|:`~ \t]+|\d{1,9}[.)]?[ \t]*)$/, '$1');
  // The first lines of a table.
  if (type === 'paragraph') text = text.replace(/(^|\n)[ \t]*\|[^\n]*(?:\n[ \t]*\|[^\n]*)?\n?$/, '$1');
  const end = Math.max(0, text.length - 500); // where a link may be under way
  return closeMarks(text.slice(0, end) + text.slice(end).replace(/!?\[([^\]\n]*)\]\([^)\n]*$/, '$1'));
}

/** @param {string} text */
function closeMarks(text) {
  let index = 0;
  for (const match of text.matchAll(/\n(?=[ \t]*(?:[-*+>|#]|\d+[.)]|\n))/g)) index = match.index + 1;
  index += /^[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)*/.exec(text.slice(index))?.[0].length ?? 0;

  /** @type {string[]} */ const open = [];
  while (index < text.length) {
    const run = /^([`*_~])\1*/.exec(text.slice(index, index + 50))?.[0];
    if (!run) {
      index += text[index] === '\\' ? 2 : 1;
      continue;
    }
    const next = text[index + run.length];
    const before = text[index - 1] ?? ' ';
    const end = index + run.length;
    if (next === undefined && open.at(-1) !== run) {
      text = text.slice(0, index);
    } else if (run[0] === '`') {
      const close = new RegExp(`(?<!\`)${run}(?!\`)`, 'g');
      close.lastIndex = end;
      const found = close.exec(text);
      if (!found) {
        open.push(run);
        break;
      }
      index = found.index + run.length;
      continue;
    } else if (run[0] === '~' ? run.length === 2 : run.length <= 3) {
      const insideWord = run[0] === '_' && /[\p{L}\p{N}]/u.test(before) && /[\p{L}\p{N}]/u.test(next ?? ' ');
      if (open.at(-1) === run && /\S/.test(before)) open.pop();
      else if (/\S/.test(next ?? ' ') && !insideWord) open.push(run);
    }
    index = end;
  }
  return open.length > 0 ? text.trimEnd() + open.reverse().join('') : text;
}
