/** Markdown in answers: how it looks, that it is safe, and that a growing one neither flickers nor gets slow. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textFor } from './mock-answers.mjs';
import { mockStage } from './page.mjs';

const on = mockStage({ pieceMs: 5 });

/** A page on which Markdown can be shown without asking for it. */
async function bench() {
  const chat = await on.open();
  await chat.page.evaluate(async () => {
    const { MessageBody } = await import('./message-body.js');
    window.show = (text) => {
      const element = document.createElement('div');
      const body = new MessageBody(element);
      body.append(text);
      body.finish();
      return element.innerHTML;
    };
    window.MessageBody = MessageBody;
  });
  const show = (text) => chat.page.evaluate((source) => window.show(source), text);
  return { chat, show };
}

test('an answer has headings, lists, tables, quotations, code and links', async () => {
  const chat = await on.open();
  await chat.ask('everything question');
  await chat.ended('done');
  const body = chat.answer.locator('.body');
  const texts = (selector) => body.locator(selector).allTextContents();
  assert.deepEqual(await texts('h3'), ['What Markdown can do']);
  assert.deepEqual(await texts('strong, em, del, sub'), ['bold', 'italic', 'struck', '2']);
  assert.deepEqual(await texts('th'), ['Method', 'Opens a connection', 'Server may speak first', 'Bytes a message']);
  assert.equal(await body.locator('td').nth(3).evaluate((cell) => getComputedStyle(cell).textAlign), 'end');
  assert.deepEqual(await texts('blockquote'), ['\nA quotation oftwo lines.\n']);
  assert.deepEqual(await texts('ol > li'), ['deeper', 'and deeper']);
  assert.deepEqual(await texts('li:has(> [data-task])'), ['☑ a task that is done', '☐ one that is not']);
  assert.deepEqual(await texts('[data-math]'), ['$e^{i\\pi} + 1 = 0$', '\\( a_1 \\cdot b_1 \\)']);
  assert.equal(await body.locator('.code .language').textContent(), 'python');
  for (const frame of ['.code pre', '.table']) {
    assert.equal(await body.locator(frame).first().evaluate((element) => getComputedStyle(element).overflowX), 'auto');
  }
  // A picture is a link to it; the page fetches nothing from elsewhere.
  assert.equal(await body.locator('img').count(), 0);
  const links = await body.locator('a').evaluateAll((all) => all.map(({ href, target, rel, textContent }) => ({ href, target, rel, textContent })));
  const safe = { target: '_blank', rel: 'noopener noreferrer nofollow' };
  assert.deepEqual(links, [
    { href: 'https://example.com/page', textContent: 'link', ...safe },
    { href: 'https://example.com/cat.png', textContent: 'A picture of a cat', ...safe },
  ]);
  await chat.close();
});

test('code and answers are copied as they were written, and that is announced', async () => {
  const chat = await on.open({ permissions: ['clipboard-read', 'clipboard-write'] });
  const question = 'Write a C function that reverses a string.';
  await chat.page.getByRole('button', { name: question }).click();
  await chat.ended('done');
  const code = chat.answer.locator('figure.code');
  const source = /```c\n([^]*?)\n```/.exec(textFor(question))[1];
  assert.equal(await code.locator('code').textContent(), source);
  const clipboard = () => chat.page.evaluate(() => navigator.clipboard.readText());
  await code.getByRole('button', { name: 'Copy' }).click();
  await code.getByText('Copied').waitFor();
  assert.equal(await clipboard(), source);
  assert.equal(await chat.page.locator('#announcer p').last().textContent(), 'Copied');
  await chat.answer.locator('.actions').getByRole('button', { name: 'Copy' }).click();
  await chat.answer.locator('.actions').getByRole('button', { name: 'Copied' }).waitFor();
  assert.equal(await clipboard(), textFor(question));
  await chat.close();
});

test('nothing in an answer runs, loads, covers or leaves the page', async () => {
  const chat = await on.open();
  const requests = [];
  await chat.ask('hostile question');
  chat.page.on('request', (request) => requests.push(request.url()));
  await chat.ended('done');
  const inspect = () => chat.answer.locator('.body').evaluate((body) => {
    const all = [...body.querySelectorAll('*')].filter((element) => !element.closest('button'));
    return {
      tags: [...new Set(all.map(({ localName }) => localName))].sort(),
      attributes: [...new Set(all.flatMap((element) => element.getAttributeNames()))].sort(),
      links: [...body.querySelectorAll('a')].map((link) => link.getAttribute('href')).filter((href) => href !== null),
    };
  });
  const allowed = {
    tags: ['a', 'b', 'br', 'code', 'details', 'div', 'figcaption', 'figure', 'h3', 'p', 'pre', 'span', 'sub', 'summary', 'table', 'tbody', 'td', 'th', 'thead', 'tr'],
    attributes: ['aria-label', 'class', 'data-depth', 'data-i18n-label', 'dir', 'href', 'rel', 'role', 'tabindex', 'target', 'title'],
  };
  const found = await inspect();
  assert.deepEqual(found.tags.filter((tag) => !allowed.tags.includes(tag)), []);
  assert.deepEqual(found.attributes.filter((name) => !allowed.attributes.includes(name)), []);
  for (const link of found.links) assert.match(link, /^https:\/\/(evil\.example|example\.com)/);
  assert.ok(found.links.includes('https://evil.example/pixel.png'), 'a picture is a link');
  // What is not let through is still to be read.
  const text = await chat.text();
  for (const part of ['<img src=x onerror="alert(1)">', '<script>alert(2)</script>', '<iframe srcdoc=', '<form action="https://evil.example">', '<style>*{display:none}</style>', '<p style="position:fixed;inset:0" onclick="alert(12)"', '<img src=x onerror=alert(16)><script>alert(17)</script>']) {
    assert.ok(text.includes(part), `${part} is not in ${text}`);
  }
  assert.deepEqual(requests, []);

  // The same when it is shown from what was kept.
  await chat.page.reload();
  await chat.state('online');
  assert.deepEqual(await inspect(), found);
  await chat.close();
});

test('DOMPurify is behind it all: what marked lets through it does not', async () => {
  const { chat } = await bench();
  const html = await chat.page.evaluate(async () => {
    const { renderBlock } = await import('./markdown.js');
    const hostile = '<img src=x onerror=alert(1)><a href="javascript:alert(2)" onclick="alert(3)" style="x" id="app">x</a><iframe></iframe><svg><script>alert(4)</script></svg><form><input></form><base href=//x>';
    // marked's own way to pass HTML on: a token of which the text is taken as it is.
    const fragment = renderBlock({ type: 'list', raw: '', ordered: false, start: '', loose: false, items: [{ type: 'list_item', raw: '', task: false, loose: false, text: '', tokens: [{ type: 'text', raw: '', text: hostile, escaped: true }] }] });
    const element = document.createElement('div');
    element.append(fragment);
    return element.innerHTML;
  });
  assert.equal(html.replaceAll('\n', ''), '<ul><li><a>x</a></li></ul>');
  await chat.context.close(); // without a look at the complaints: the Content-Security-Policy has some about what was parsed
});

test('a growing answer never shows markup that goes away again', async () => {
  const { chat } = await bench();
  const text = 'Intro with **bold words** and `code here` and [a link](https://example.com/a) done.\n- first *item*\n- second\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n## Title\n\n```js\nlet a = `x`;\n```\n\n1. one\n2. two\n\nEnd.';
  const states = await chat.page.evaluate((source) => {
    const element = document.createElement('div');
    const body = new window.MessageBody(element);
    const seen = [];
    for (const character of source) {
      body.append(character);
      seen.push(element.textContent.replaceAll('Copy', ''));
    }
    body.finish();
    return { seen, html: element.innerHTML, whole: window.show(source) };
  }, text);
  assert.equal(states.html, states.whole, 'piece by piece it must become the same');
  for (const shown of states.seen) {
    assert.doesNotMatch(shown.replace('let a = `x`;', '').replace('let a = `', ''), /\*|`|\||\]\(|https:|#|^-|---/, `"${shown}" shows markup`);
  }
  await chat.close();
});

test('finished blocks are left alone, a selection survives, and a long answer costs little', async () => {
  const { chat } = await bench();
  const result = await chat.page.evaluate(async () => {
    const element = document.createElement('div');
    document.querySelector('#turns').append(element);
    const body = new window.MessageBody(element);
    body.append('First paragraph.\n\nSecond one.\n\nThird.\n\n');
    const first = element.children[0];
    const node = first.querySelector('p').firstChild;
    getSelection().setBaseAndExtent(node, 0, node, 5);
    let changes = 0;
    const observer = new MutationObserver((records) => { changes += records.length; });
    observer.observe(first, { childList: true, subtree: true, characterData: true, attributes: true });
    // 700 KB in 3,300 pieces: paragraphs, then one code block that never ends.
    const begin = performance.now();
    let longest = 0;
    let late = 0;
    const paragraph = 'Words, **bold**, `code` and more words to fill a line of text. '.repeat(3) + '\n\n';
    for (let index = 0; index < 800; index += 1) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      const start = performance.now();
      const shown = element.childElementCount;
      body.append(paragraph);
      if (element.childElementCount === shown) late += 1;
      longest = Math.max(longest, performance.now() - start);
    }
    body.append('```c\n');
    for (let index = 0; index < 2_500; index += 1) {
      const start = performance.now();
      body.append('    int value = compute(index, "some text");\n'.repeat(5));
      longest = Math.max(longest, performance.now() - start);
    }
    const took = performance.now() - begin;
    await new Promise((resolve) => setTimeout(resolve));
    observer.disconnect();
    const answer = { same: element.children[0] === first, changes, selected: String(getSelection()), blocks: 0, took, longest, late };
    body.finish();
    answer.blocks = element.childElementCount;
    element.remove();
    return answer;
  });
  assert.equal(result.same, true);
  assert.equal(result.changes, 0);
  assert.equal(result.selected, 'First');
  assert.equal(result.blocks, 3 + 800 + 1);
  // What is cheap is shown at once; what costs much has to wait.
  assert.ok(result.late < 300, `${result.late} of 800 paragraphs were shown late`);
  // Rendering all of it for every piece would take many minutes.
  assert.ok(result.took < 20_000, `${result.took} ms for 700 KB in 3,300 pieces, the longest ${result.longest} ms`);
  await chat.close();
});

test('a formula of several lines stays as it was written, however it arrived', async () => {
  const { chat } = await bench();
  const text = 'So:\n\n$$\na_1 * b_2\n= c_3\n- d\n# e\n$$\n\nand \\[ x_1 * y_1 \\] and $a_b$ for $5 or $6.';
  const html = await chat.page.evaluate((source) => {
    const element = document.createElement('div');
    const body = new window.MessageBody(element);
    for (const character of source) body.append(character);
    body.finish();
    return { grown: element.innerHTML, whole: window.show(source), formulas: [...element.querySelectorAll('[data-math]')].map(({ textContent }) => textContent) };
  }, text);
  assert.equal(html.grown, html.whole);
  assert.deepEqual(html.formulas, ['$$\na_1 * b_2\n= c_3\n- d\n# e\n$$', '\\[ x_1 * y_1 \\]', '$a_b$']);
  await chat.close();
});

test('links that are defined at the end work from the beginning', async () => {
  const { chat, show } = await bench();
  assert.match(await show('See [the page][1].\n\nMore.\n\nAnd more.\n\n[1]: https://example.com/x'), /<a href="https:\/\/example.com\/x"/);
  await chat.close();
});
