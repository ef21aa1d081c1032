/** An answer on its way: typing, stopping, and what a model may write. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChatPage, PIECE_LENGTH, answerTo, stage } from './harness.mjs';

const on = stage();

/** Records the last answer's text in every frame from now on; returns what was recorded. */
async function watchTyping(chat) {
  await chat.page.evaluate(() => {
    window.states = [];
    const look = () => {
      const answer = document.querySelector('.turn.assistant:last-child');
      const text = answer?.querySelector('.body').textContent ?? '';
      if (text !== (window.states.at(-1)?.text ?? '')) window.states.push({ text, status: answer.dataset.status, at: performance.now() });
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  return () => chat.page.evaluate(() => window.states);
}

test('an answer is typed piece by piece', async () => {
  const chat = await ChatPage.open(on.browser, on.chat.url);
  const states = await watchTyping(chat);
  await chat.ask('plain question');
  await chat.ended('done');

  const answer = answerTo('plain question');
  assert.equal(await chat.text(), answer);
  const seen = await states();
  const growing = seen.filter(({ status }) => status === 'streaming');
  // On an idle machine it is about 50; a busy one skips frames.
  assert.ok(growing.length >= 10, `only ${growing.length} states were seen before the end`);
  for (const { text } of growing) assert.ok(answer.startsWith(text), `"${text}" is not how the answer begins`);
  const steps = growing.map(({ text }, index) => text.length - (growing[index - 1]?.text.length ?? 0));
  assert.ok(Math.max(...steps) <= answer.length / 2, `the largest step was ${Math.max(...steps)} of ${answer.length} characters`);
  const duration = growing.at(-1).at - growing[0].at;
  assert.ok(duration > 400, `it took ${duration} ms: that is not typing`);
  const pieces = chat.received.filter(({ type, content }) => type === 'stream' && content !== '');
  assert.ok(pieces.length >= 5, `${pieces.length} messages`);
  await chat.close();
});

test('with reduced motion the text appears as it arrives, and nothing moves', async () => {
  const chat = await ChatPage.open(on.browser, on.chat.url, { reducedMotion: 'reduce' });
  const states = await watchTyping(chat);
  await chat.ask('plain question');
  await chat.shows(20);
  assert.equal(await chat.page.evaluate(() => document.getAnimations().length), 0);
  await chat.ended('done');
  assert.equal(await chat.text(), answerTo('plain question'));
  assert.ok((await states()).length >= 5);
  await chat.close();
});

for (const [how, press] of [
  ['the button', (chat) => chat.stopButton.click()],
  ['Escape', (chat) => chat.page.keyboard.press('Escape')],
]) {
  test(`${how} stops the answer at once, and the model`, async () => {
    const chat = await ChatPage.open(on.browser, on.chat.url);
    const destroyedBefore = await on.model.destroyed();
    await chat.ask('long question');
    await chat.shows(100);
    await press(chat);
    const kept = await chat.text();
    await chat.ended('stopped');
    await sleep(500);
    const after = await chat.text();
    assert.ok(after.length - kept.length < 60, `${after.length - kept.length} more characters appeared`);
    assert.ok(after.length >= 100 && after.length < answerTo('long question').length / 2);
    assert.deepEqual(chat.sent.at(-1), { type: 'stop' });

    const deadline = Date.now() + 5_000;
    while ((await on.model.destroyed()) === destroyedBefore && Date.now() < deadline) await sleep(50);
    assert.equal(await on.model.destroyed(), destroyedBefore + 1, 'the model must have been told');
    await chat.works();
    await chat.close();
  });
}

test('markup in an answer, and in a question, stays text', async () => {
  const chat = await ChatPage.open(on.browser, on.chat.url);
  const elementsBefore = await chat.page.evaluate(() => document.querySelectorAll('img, script, iframe, a, b.x, svg[onload], [onerror], [onload], [srcdoc]').length);
  await chat.ask('markup question');
  await chat.ended('done');
  const text = await chat.text();
  for (const part of [
    '<img src=x onerror="alert(1)"> and <script>alert(2)</script> and <b>not bold</b> &amp; [a link](javascript:alert(3))',
    "<svg onload=alert(4)> <iframe srcdoc='<script>alert(5)</script>'></iframe>",
    '<img src=x onerror=alert(6)><script>alert(7)</script>',
    '<a href=javascript:alert(8)>x</a>',
    '<img src=y onerror=alert(9)>',
    '<img src=z onerror=alert(10)>',
    '<img src=h onerror=alert(11)>',
  ]) assert.ok(text.includes(part), `${part} is not in ${text}`);

  // The fixtures match a question that contains theirs.
  const question = '<img src=x onerror="alert(12)"><script>alert(13)</script> plain question';
  await chat.ask(question);
  await chat.ended('done');
  assert.equal(await chat.questions.last().locator('.body').textContent(), question);

  const elementsAfter = await chat.page.evaluate(() => document.querySelectorAll('img, script, iframe, a, b.x, svg[onload], [onerror], [onload], [srcdoc]').length);
  assert.equal(elementsAfter, elementsBefore);
  assert.equal(await chat.log.locator('.turn .body :is(b, img, a, svg:not(.code svg), script)').count(), 0);
  await chat.page.reload(); // what was kept for the tab is shown again, and is text again
  await chat.state('online');
  assert.equal(await chat.questions.last().locator('.body').textContent(), question);
  assert.equal(await chat.page.evaluate(() => document.querySelectorAll('img, iframe, a').length), 0);
  await chat.close();
});

test('Chinese and emoji arrive intact, also where a piece ends inside a character', async () => {
  const chat = await ChatPage.open(on.browser, on.chat.url, { locale: 'zh-CN' });
  chat.input = chat.page.getByRole('textbox', { name: '消息' });
  const states = await watchTyping(chat);
  await chat.ask('中文问题');
  await chat.ended('done');
  const answer = answerTo('中文问题');
  const torn = answer.split('').some((unit, index) => (index + 1) % PIECE_LENGTH === 0 && /[\ud800-\udbff]/.test(unit));
  assert.ok(torn, 'the fixture must have a character that the mock model tears apart');
  assert.equal(await chat.text(), answer);
  assert.equal(await chat.questions.last().locator('.body').textContent(), '中文问题');
  assert.equal(chat.received.map(({ content = '' }) => content).join(''), answer);
  for (const { text } of await states()) {
    assert.ok(answer.startsWith(text) && text.isWellFormed() && !text.includes('\ufffd'), `"${text}" was shown`);
  }
  await chat.close();
});

test('code, lists and bold are shown as such, and copied as they were written', async () => {
  const chat = await ChatPage.open(on.browser, on.chat.url, { permissions: ['clipboard-read', 'clipboard-write'] });
  const question = 'Write a C function that reverses a string.';
  await chat.page.getByRole('button', { name: question }).click();
  await chat.ended('done');
  const code = chat.answer.locator('figure.code');
  assert.equal(await code.locator('.language').textContent(), 'c');
  const source = /```c\n([^]*?)\n```/.exec(answerTo(question))[1];
  assert.equal(await code.locator('code').textContent(), source);
  assert.deepEqual(await chat.answer.locator('.marker').allTextContents(), ['1.', '2.']);
  assert.equal(await chat.answer.locator('strong').first().textContent(), 'It changes its argument.');

  const clipboard = () => chat.page.evaluate(() => navigator.clipboard.readText());
  await code.getByRole('button', { name: 'Copy' }).click();
  await code.getByText('Copied').waitFor();
  assert.equal(await clipboard(), source);
  await chat.answer.locator('.actions').getByRole('button').click();
  await chat.answer.locator('.actions').getByText('Copied').waitFor();
  assert.equal(await clipboard(), answerTo(question));
  await chat.close();
});
