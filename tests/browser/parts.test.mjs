/** The page's parts that need no browser: formatting, pacing's cut points, languages, what is kept. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseBlocks, parseSpans } from '../../examples-cpp/ai_chat/www/format.js';
import { pickLanguage } from '../../examples-cpp/ai_chat/www/i18n.js';
import { Transcript } from '../../examples-cpp/ai_chat/www/transcript.js';
import { cutPoint } from '../../examples-cpp/ai_chat/www/typewriter.js';

const WWW = new URL('../../examples-cpp/ai_chat/www/', import.meta.url);

describe('format', () => {
  const SAMPLE = [
    '# Title with **bold**', '', 'A paragraph', 'of two lines', '1. **One**: a', '   continued', '2. two', '- x', '    - deep', '',
    '```c', '', 'int x;', '  y();', '```', 'after', '<img src=x onerror=alert(1)>', '````md', '```', '````', 'end', '```x``` inline', '## C# ##', '~~~', 'open',
  ].join('\n');

  test('blocks', () => {
    const blocks = parseBlocks(SAMPLE).map(({ start, ...block }) => block);
    assert.deepEqual(blocks, [
      { kind: 'heading', text: 'Title with **bold**' },
      { kind: 'paragraph', text: 'A paragraph\nof two lines' },
      { kind: 'item', text: '**One**: a\ncontinued', marker: '1.', depth: 0 },
      { kind: 'item', text: 'two', marker: '2.', depth: 0 },
      { kind: 'item', text: 'x', marker: '•', depth: 0 },
      { kind: 'item', text: 'deep', marker: '•', depth: 2 },
      { kind: 'code', text: '\nint x;\n  y();', language: 'c' },
      { kind: 'paragraph', text: 'after\n<img src=x onerror=alert(1)>' },
      { kind: 'code', text: '```', language: 'md' },
      { kind: 'paragraph', text: 'end\n```x``` inline' },
      { kind: 'heading', text: 'C#' },
      { kind: 'code', text: 'open', language: '' },
    ]);
  });

  test('a growing text, parsed again from its last block but one on, is parsed as a whole', () => {
    const random = seeded(1);
    const pieces = ['a', ' ', '\n', '\n\n', '```', '~~~', '``', '# ', '1. ', '- ', '  ', '**', '*', '中文', '😀', 'x`y`'];
    for (let round = 0; round < 400; round += 1) {
      let text = '';
      let blocks = [];
      for (let step = 0; step < 30; step += 1) {
        text += pieces[Math.floor(random() * pieces.length)];
        blocks = [...blocks.slice(0, -2), ...parseBlocks(text, blocks.at(-2)?.start ?? 0)];
        assert.deepEqual(blocks, parseBlocks(text), JSON.stringify(text));
      }
    }
  });

  test('spans', () => {
    const short = (text, growing) => parseSpans(text, growing).map((span) => `${span.kind}:${span.text}`);
    assert.deepEqual(short('a `b` **c** ``d`e`` z'), ['text:a ', 'code:b', 'text: ', 'strong:c', 'text: ', 'code:d`e', 'text: z']);
    assert.deepEqual(short('2 ** 3 and f(**kw) `open'), ['text:2 ** 3 and f(**kw) `open']);
    assert.deepEqual(short('a **b c', true), ['text:a ', 'strong:b c']);
    assert.deepEqual(short('a **b c*', true), ['text:a ', 'strong:b c']);
    assert.deepEqual(short('a **', true), ['text:a ']);
    assert.deepEqual(short('a `b', true), ['text:a ', 'code:b']);
    assert.deepEqual(short('2 ** 3', true), ['text:2 ** 3']);
    assert.deepEqual(short(''), []);
  });

  test('what a model could write to make the page hang does not', () => {
    for (const text of ['`'.repeat(50_000), '**a '.repeat(20_000), '` '.repeat(30_000), '**'.repeat(30_000), '*`'.repeat(20_000), '# '.repeat(20_000), ' '.repeat(50_000) + 'x', '#'.repeat(50_000), '```' + ' '.repeat(50_000) + '`', '# ' + ' '.repeat(50_000) + 'x', '`a'.repeat(30_000), '**a`'.repeat(20_000)]) {
      const begin = performance.now();
      parseBlocks(text);
      parseSpans(text, true);
      const took = performance.now() - begin;
      assert.ok(took < 1_000, `${took} ms for ${JSON.stringify(text.slice(0, 10))}…`);
    }
  });
});

describe('typewriter', () => {
  test('never cuts a character apart', () => {
    const text = 'a😀é👩‍💻👍🏽中🇨文';
    const clusters = [...new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text)].map(({ index }) => index);
    const ends = new Set([...clusters, text.length]);
    for (let index = 0; index <= text.length + 3; index += 1) {
      const cut = cutPoint(text, index);
      assert.ok(ends.has(cut) && cut >= Math.min(index, text.length), `cut at ${cut} for ${index}`);
    }
  });
});

describe('languages', () => {
  test('the reader’s own', () => {
    assert.equal(pickLanguage(null, ['zh-CN', 'en']), 'zh');
    assert.equal(pickLanguage(null, ['zh-Hant-TW']), 'zh');
    assert.equal(pickLanguage(null, ['de-DE', 'en-US', 'zh']), 'en');
    assert.equal(pickLanguage(null, ['fr']), 'en');
    assert.equal(pickLanguage(null, []), 'en');
    assert.equal(pickLanguage('zh', ['en']), 'zh');
    assert.equal(pickLanguage('klingon', ['zh']), 'zh');
  });

  test('both have every text, and every text that the page names exists', () => {
    const source = readFileSync(new URL('i18n.js', WWW), 'utf8');
    const keys = (language) => [...new RegExp(`^  ${language}: \\{\\n([^]*?)^  \\},`, 'm').exec(source)[1].matchAll(/^    '([\w.]+)':/gm)].map(([, key]) => key);
    const english = keys('en');
    assert.ok(english.length > 40);
    assert.equal(new Set(english).size, english.length);
    assert.deepEqual(keys('zh'), english);
    const html = readFileSync(new URL('index.html', WWW), 'utf8');
    for (const [, key] of html.matchAll(/data-i18n(?:-label|-placeholder)?="([\w.]+)"/g)) assert.ok(english.includes(key), key);
  });
});

describe('page', () => {
  test('no inline script, style or handler; no other origin', () => {
    const html = readFileSync(new URL('index.html', WWW), 'utf8');
    assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=/);
    assert.doesNotMatch(html.replaceAll('http://www.w3.org/2000/svg', ''), /https?:\/\//);
  });
});

describe('transcript', () => {
  const storage = (content = {}) => ({ content, getItem: (key) => content[key] ?? null, setItem(key, value) { content[key] = value; } });

  test('is kept, with its session', () => {
    const kept = storage();
    const first = new Transcript(kept);
    first.add({ role: 'user', text: 'hi', at: 1 });
    first.add({ role: 'assistant', text: 'he', at: 2, question: 'hi', status: 'streaming' });
    const second = new Transcript(kept);
    assert.equal(second.sessionId, first.sessionId);
    assert.deepEqual(second.turns.map(({ text }) => text), ['hi', 'he']);
    assert.equal(second.turns[1].status, 'interrupted');
    second.restart();
    assert.notEqual(second.sessionId, first.sessionId);
    assert.deepEqual(new Transcript(kept).turns, []);
  });

  test('works without storage, with a full one, and with nonsense in it', () => {
    assert.deepEqual(new Transcript(null).turns, []);
    const full = { getItem: () => null, setItem() { throw new Error('QuotaExceededError'); } };
    new Transcript(full).add({ role: 'user', text: 'hi', at: 1 });
    for (const value of ['{', 'null', '7', '"x"', '{"turns":7,"sessionId":{}}']) {
      const transcript = new Transcript(storage({ 'wsengine-chat': value }));
      assert.deepEqual(transcript.turns, []);
      assert.match(transcript.sessionId, /^[0-9a-f-]{36}$/);
    }
  });
});

/** A small generator of the same numbers every time (mulberry32). */
function seeded(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
