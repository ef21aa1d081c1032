/**
 * The little Markdown that language models cannot help writing: fenced code, lists, headings, `code` and **bold**.
 * Text in, plain data out; no HTML on the way. Everything else, tags included, stays the text that it is.
 */

/** @typedef {{ kind: 'text' | 'code' | 'strong', text: string }} Span */
/**
 * @typedef {{ kind: 'paragraph' | 'heading', start: number, text: string }
 *   | { kind: 'item', start: number, text: string, marker: string, depth: number }
 *   | { kind: 'code', start: number, text: string, language: string }} Block
 *   `start`: where the block begins in the whole text
 */

const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;
const HEADING = /^ {0,3}#{1,6}[ \t]+(.*)$/;
const ITEM = /^([ \t]*)([-*+•]|\d{1,3}[.)])[ \t]+(.*)$/;
const CONTINUED = /^[ \t]{2,}\S/;
/** Bounded, so that the search is quick whatever a model writes. */
const INLINE = /(?<!`)(`{1,4})(?!`)(.{1,1000}?)(?<!`)\1(?!`)|\*\*(?=\S)(.{1,1000}?)(?<=\S)\*\*/g;
/** An opening mark and what follows it; of the closing mark, half may be there. A mark before a blank opens nothing. */
const DANGLING = /(`|\*\*)(?![\s`*])([^`\n]{0,1000}?)\*?$/;

/**
 * Splits text into blocks. More text changes the last line at most, hence the last block, and the one before it if the last line joins
 * that after all: whoever shows a growing text parses again from the start of the last block but one, no more.
 * @param {string} text   the whole text so far
 * @param {number} [from] the start of a block
 * @returns {Block[]}
 */
export function parseBlocks(text, from = 0) {
  /** @type {Block[]} */ const blocks = [];
  /** @type {Block | null} */ let open = null; // what the next line may belong to
  let fence = ''; // the fence that closes the open code block
  let firstLine = true;

  for (let start = from; start < text.length;) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const line = text.slice(start, end);

    if (!fence || !open) {
      open = addLine(blocks, open, line, start);
      fence = open?.kind === 'code' ? (fenceOf(line)?.fence ?? '') : '';
      firstLine = true;
    } else if (closes(line.trim(), fence)) {
      fence = '';
      open = null;
    } else {
      open.text += firstLine ? line : `\n${line}`;
      firstLine = false;
    }
    start = end + 1;
  }
  return blocks;
}

/**
 * Splits one block's text at `code` and **bold**. What is not closed is text as it stands, unless more text may still come: then it is
 * shown as what it is about to be, so that no stray asterisks flicker by.
 * @param {string} text
 * @param {boolean} [growing]
 * @returns {Span[]}
 */
export function parseSpans(text, growing = false) {
  /** @type {Span[]} */ const spans = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > end) spans.push({ kind: 'text', text: text.slice(end, match.index) });
    spans.push(match[1] ? { kind: 'code', text: match[2] } : { kind: 'strong', text: match[3] });
    end = match.index + match[0].length;
  }
  const rest = text.slice(end);
  const dangling = growing ? DANGLING.exec(rest) : null;
  const plain = dangling ? rest.slice(0, dangling.index) : rest;
  if (plain) spans.push({ kind: 'text', text: plain });
  if (dangling?.[2]) spans.push({ kind: dangling[1] === '**' ? 'strong' : 'code', text: dangling[2] });
  return spans;
}

/** @param {string} line */
function fenceOf(line) {
  const match = FENCE.exec(line);
  // ```like this``` is code within a line.
  if (!match || (match[1][0] === '`' && match[2].includes('`'))) return null;
  return { fence: match[1], language: match[2].trim().split(/\s/, 1)[0] };
}

/** "Title ##" is "Title", and "C#" is "C#". @param {string} heading */
function withoutClosingMarks(heading) {
  const text = heading.trimEnd();
  let end = text.length;
  while (text[end - 1] === '#') end -= 1;
  return end === 0 || /\s/.test(text[end - 1]) ? text.slice(0, end).trimEnd() : text;
}

/** @param {string} line @param {string} fence */
function closes(line, fence) {
  return line.length >= fence.length && line === fence[0].repeat(line.length);
}

/** @param {Block[]} blocks @param {Block | null} open @param {string} line @param {number} start @returns {Block | null} */
function addLine(blocks, open, line, start) {
  /** @param {any} block */
  const add = (block) => { blocks.push({ start, ...block }); return blocks[blocks.length - 1]; };

  const fence = fenceOf(line);
  if (fence) return add({ kind: 'code', text: '', language: fence.language });
  if (line.trim() === '') return null;

  const heading = HEADING.exec(line);
  if (heading) {
    add({ kind: 'heading', text: withoutClosingMarks(heading[1]) });
    return null;
  }
  const item = ITEM.exec(line);
  if (item) {
    const depth = Math.min(3, Math.floor(item[1].replaceAll('\t', '    ').length / 2));
    return add({ kind: 'item', text: item[3], marker: /\d/.test(item[2]) ? item[2] : '•', depth });
  }
  if (open?.kind === 'item' && CONTINUED.test(line)) {
    open.text += `\n${line.trim()}`;
    return open;
  }
  if (open?.kind === 'paragraph') {
    open.text += `\n${line}`;
    return open;
  }
  return add({ kind: 'paragraph', text: line });
}
