/** The page's parts that need no browser: reading Markdown, pacing's cut points, languages, vendored libraries, what is kept. */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Conversations, MAX_CONVERSATIONS, MAX_TURNS, titleOf } from '../../examples-cpp/ai_chat/www/conversations.js';
import { pickLanguage } from '../../examples-cpp/ai_chat/www/i18n.js';
import { lexBlocks, presentable } from '../../examples-cpp/ai_chat/www/markdown.js';
import { Shelf } from '../../examples-cpp/ai_chat/www/storage.js';
import en from '../../examples-cpp/ai_chat/www/texts/en.js';
import zh from '../../examples-cpp/ai_chat/www/texts/zh.js';
import { cutPoint } from '../../examples-cpp/ai_chat/www/typewriter.js';

const WWW = new URL('../../examples-cpp/ai_chat/www/', import.meta.url);

describe('markdown', () => {
  test('a growing text, read again from its last block but one on, is read as a whole', () => {
    const random = seeded(1);
    const pieces = ['a', ' ', '\n', '\n\n', '```', '~~~', '``', '# ', '1. ', '- ', '  ', '    ', '**', '*', '> ', '| a | b |\n|---|---|\n', '<b>', '---\n', '中文', '$', 'x`y`'];
    const shape = (text) => lexBlocks(text).map(({ start, token }) => ({ start, type: token.type, raw: token.raw }));
    for (let round = 0; round < 300; round += 1) {
      let text = '';
      let kept = [];
      let from = 0;
      for (let step = 0; step < 25; step += 1) {
        text += pieces[Math.floor(random() * pieces.length)];
        const open = lexBlocks(text.slice(from)).map(({ start, token }) => ({ start: start + from, type: token.type, raw: token.raw }));
        assert.deepEqual([...kept, ...open], shape(text), JSON.stringify(text));
        const closed = Math.max(0, open.length - 2);
        kept = [...kept, ...open.slice(0, closed)];
        from = open[closed]?.start ?? from;
      }
    }
  });

  test('marks that are open are closed, and what could become anything waits', () => {
    const shown = (text) => presentable(lexBlocks(text).at(-1).token);
    assert.equal(shown('a **b'), 'a **b**');
    assert.equal(shown('a **b*'), 'a **b**');
    assert.equal(shown('see `co'), 'see `co`');
    assert.equal(shown('- one\n- two *th'), '- one\n- two *th*');
    assert.equal(shown('[link](https://exa'), 'link');
    assert.equal(shown('title\n-'), 'title\n');
    assert.equal(shown('| a | b |\n|--'), '');
    assert.equal(shown('2 * 3 * 4'), '2 * 3 * 4');
    assert.equal(shown('snake_case_name'), 'snake_case_name');
    assert.equal(shown('```c\nint *a;\n``'), '```c\nint *a;\n');
  });

  test('what a model could write to make the page hang does not', () => {
    const lines = (count, line) => Array.from({ length: count }, (_, index) => line(index)).join('\n');
    for (const text of ['`'.repeat(50_000), '**a '.repeat(20_000), '` '.repeat(30_000), '*`'.repeat(20_000), '# '.repeat(20_000), ' '.repeat(50_000) + 'x', '> '.repeat(20_000), '- '.repeat(20_000), '['.repeat(50_000), '[a]('.repeat(20_000), '!['.repeat(30_000), '<'.repeat(50_000), '<a '.repeat(20_000), '_a'.repeat(30_000), '~~a'.repeat(20_000), '$a'.repeat(30_000), '\\('.repeat(30_000), 'a@'.repeat(30_000), '|'.repeat(50_000), '**a\n'.repeat(3_000), '\n'.repeat(50_000), lines(300, (index) => `${'>'.repeat(index)} x`), lines(300, (index) => `${' '.repeat(2 * index)}- x`)]) {
      const begin = performance.now();
      const blocks = lexBlocks(text);
      if (blocks.length > 0) presentable(blocks.at(-1).token);
      const took = performance.now() - begin;
      assert.ok(took < 3_000, `${took} ms for ${JSON.stringify(text.slice(0, 10))}…`);
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

  test('both have every text with the same parameters, and every text that the page names exists', () => {
    assert.deepEqual(Object.keys(zh), Object.keys(en));
    const parameters = (text) => [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort();
    for (const key of Object.keys(en)) {
      assert.deepEqual(parameters(zh[key]), parameters(en[key]), key);
      assert.ok(zh[key].trim() && en[key].trim(), key);
    }
    const sources = readdirSync(WWW).filter((name) => /\.(js|html)$/.test(name)).map((name) => readFileSync(new URL(name, WWW), 'utf8')).join('\n');
    const named = [...sources.matchAll(/data-i18n(?:-label|-placeholder)?="([\w.]+)"|(?:setText|setLabel|setPlaceholder|translate)\((?:[^'()]+(?:\([^()]*\))?[^'()]*, )?'([\w.]+)'/g)].map(([, inHtml, inCode]) => inHtml ?? inCode);
    assert.ok(named.length > 60, `${named.length}`);
    for (const key of named) assert.ok(key in en, key);
    // And nothing is left over. Some keys are put together.
    const stems = ['state.', 'theme.', 'delivery.', 'error.', 'room.empty.', 'people.empty.'];
    for (const key of Object.keys(en)) assert.ok(sources.includes(`'${key}'`) || sources.includes(`"${key}"`) || stems.some((stem) => key.startsWith(stem)), `${key} is not used`);
  });

  test('every error of the protocol has its words', () => {
    const protocol = readFileSync(new URL('../../docs/PROTOCOL.md', import.meta.url), 'utf8');
    const codes = /### `error`, from the server\n([^]*?)\n### /.exec(protocol)[1].split('\n').filter((line) => /^\| `/.test(line) && !line.startsWith('| `code`'))
      .flatMap((line) => [...line.split('|')[1].matchAll(/`(\w+)`/g)].map(([, code]) => code));
    assert.ok(codes.length >= 15, `${codes}`);
    for (const code of codes) assert.ok(`error.${code}` in en, code);
  });
});

describe('page', () => {
  test('no inline script, style or handler; no other origin', () => {
    const html = readFileSync(new URL('index.html', WWW), 'utf8');
    assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=/);
    assert.doesNotMatch(html.replaceAll('http://www.w3.org/2000/svg', ''), /https?:\/\//);
  });
});

describe('vendored libraries', () => {
  for (const [file, source] of [
    ['marked.esm.js', 'marked/lib/marked.esm.js'], ['marked.LICENSE', 'marked/LICENSE'],
    ['purify.es.mjs', 'dompurify/dist/purify.es.mjs'], ['dompurify.LICENSE', 'dompurify/LICENSE'],
  ]) {
    test(`${file} is the package's own`, () => {
      const [ours, theirs] = [new URL(`vendor/${file}`, WWW), new URL(`node_modules/${source}`, import.meta.url)].map((url) => readFileSync(url));
      assert.ok(ours.equals(theirs), `${file} differs: see vendor/README.md`);
    });
  }
});

describe('conversations', () => {
  /** @param {number} room  characters */
  const storage = (content = {}, room = Infinity) => ({
    content,
    getItem: (key) => content[key] ?? null,
    removeItem: (key) => { delete content[key]; },
    setItem(key, value) {
      const rest = Object.entries(content).filter(([name]) => name !== key).reduce((sum, [, text]) => sum + text.length, 0);
      if (rest + value.length > room) throw new Error('QuotaExceededError');
      content[key] = value;
    },
  });
  let ids = 0;
  const open = (kept) => new Conversations(new Shelf(kept), () => `c-${++ids}`);
  const begin = (conversations, text) => {
    const conversation = conversations.create();
    conversations.add(conversation, { role: 'user', text, at: ids });
    return conversation;
  };

  test('are kept, the latest first, with how to go on with an answer', () => {
    const kept = storage();
    const first = open(kept);
    const conversation = begin(first, 'hi');
    begin(first, 'another');
    conversation.answering = true;
    first.add(conversation, { role: 'assistant', text: 'he', at: 2, question: 'hi', status: 'streaming', answer: { requestId: 'r', text: 'hello', after: 3 } });
    const second = open(kept);
    assert.deepEqual(second.list.map(({ title, answering }) => [title, answering]), [['hi', true], ['another', false]]);
    assert.deepEqual(second.load(conversation.id).turns.map(({ text }) => text), ['hi', 'hello'], 'the text of an answer under way is that of its state');
    assert.equal(second.search('HELLO').length, 1);
  });

  test('are bounded: the oldest go first', () => {
    const kept = storage();
    const conversations = open(kept);
    for (let count = 0; count < MAX_CONVERSATIONS + 3; count += 1) begin(conversations, `number ${count}`);
    assert.equal(conversations.list.length, MAX_CONVERSATIONS);
    assert.equal(conversations.list.at(-1).title, 'number 3');
    assert.equal(Object.keys(kept.content).length, MAX_CONVERSATIONS + 1);
    const long = begin(conversations, 'long');
    for (let count = 0; count < MAX_TURNS + 5; count += 1) conversations.add(long, { role: 'user', text: String(count), at: count });
    assert.equal(open(kept).load(long.id).turns.length, MAX_TURNS);
  });

  test('make room when the browser has none: the oldest go, not what is written in', () => {
    const kept = storage({}, 4_000);
    const conversations = open(kept);
    for (let count = 0; count < 8; count += 1) begin(conversations, `${count} `.repeat(250));
    const last = conversations.list[0];
    assert.ok(conversations.list.length >= 2 && conversations.list.length < 8, `${conversations.list.length}`);
    assert.deepEqual(open(kept).list.map(({ id }) => id), conversations.list.map(({ id }) => id));
    assert.equal(open(kept).load(last.id).turns[0].text, '7 '.repeat(250));
  });

  test('work without storage, with a full one, and with nonsense in it', () => {
    assert.deepEqual(open(null).list, []);
    const full = open(storage({}, 0));
    const conversation = begin(full, 'hi');
    assert.equal(full.load(conversation.id)?.turns.length, 1);
    for (const value of ['{', 'null', '7', '"x"', '{"turns":7}', '[7,null,{},{"id":7}]']) assert.deepEqual(open(storage({ 'wsengine-chat.conversations': value })).list, []);
    const broken = open(storage({ 'wsengine-chat.conversations': '[{"id":"a","title":"t"}]', 'wsengine-chat.conversation.a': '[1,{"role":"user"},{"role":"user","text":"x","at":1}]' }));
    assert.deepEqual(broken.load('a').turns.map(({ text }) => text), ['x']);
  });

  test('a deleted one comes back where it was', () => {
    const kept = storage();
    const conversations = open(kept);
    const [, second] = ['one', 'two', 'three'].map((text) => begin(conversations, text));
    const undo = conversations.delete(second.id);
    assert.deepEqual(open(kept).list.map(({ title }) => title), ['three', 'one']);
    undo();
    assert.deepEqual(open(kept).list.map(({ title }) => title), ['three', 'two', 'one']);
    assert.equal(open(kept).load(second.id).turns.length, 1);
  });

  test('are called by how they begin', () => {
    assert.equal(titleOf('  One\nTwo'), 'One');
    assert.equal(titleOf('😀'.repeat(80)), `${'😀'.repeat(60)}…`);
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
