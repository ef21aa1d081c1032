/** An answer on its way: typing, waiting, stopping, asking again. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { textFor } from './mock-answers.mjs';
import { mockStage } from './page.mjs';

const on = mockStage();

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
  const chat = await on.open();
  const states = await watchTyping(chat);
  await chat.ask('plain question');
  await chat.ended('done');

  const answer = textFor('plain question');
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
  const chat = await on.open({ reducedMotion: 'reduce' });
  const states = await watchTyping(chat);
  await chat.ask('plain question');
  await chat.shows(20);
  assert.equal(await chat.page.evaluate(() => document.getAnimations().length), 0);
  await chat.ended('done');
  assert.equal(await chat.text(), textFor('plain question'));
  assert.ok((await states()).length >= 5);
  await chat.close();
});

for (const [how, press] of [
  ['the button', (chat) => chat.stopButton.click()],
  ['Escape', (chat) => chat.page.keyboard.press('Escape')],
]) {
  test(`${how} stops the answer at once, and the model`, async () => {
    const chat = await on.open();
    const stoppedBefore = on.mock.stopped;
    await chat.ask('long question');
    await chat.shows(100);
    await press(chat);
    const kept = await chat.text();
    await chat.ended('stopped');
    await sleep(300);
    const after = await chat.text();
    assert.ok(after.length - kept.length < 60, `${after.length - kept.length} more characters appeared`);
    assert.ok(after.length >= 100 && after.length < textFor('long question').length / 2);
    const { requestId, sessionId } = chat.sent[0];
    assert.deepEqual(chat.sent.at(-1), { type: 'stop', requestId, sessionId });
    assert.equal(on.mock.stopped, stoppedBefore + 1);
    await chat.works();
    await chat.close();
  });
}

test('what an answer waits for is said', async () => {
  const chat = await on.open();
  await chat.page.evaluate(() => {
    window.said = new Set();
    new MutationObserver(() => {
      const texts = document.querySelectorAll('.turn.assistant .progress');
      window.said.add(texts[texts.length - 1]?.textContent);
    }).observe(document.querySelector('#turns'), { childList: true, subtree: true, characterData: true });
  });
  const said = () => chat.page.evaluate(() => [...window.said]);
  await chat.ask('queue question');
  await chat.ended('done');
  await chat.ask('retry question');
  await chat.ended('done');
  for (const words of ['Waiting in line: place 3', 'Waiting in line: place 2', 'Waiting in line: you are next', 'The model is busy. Trying again in 1 s…', 'Thinking…']) {
    assert.ok((await said()).includes(words), `${words}: ${await said()}`);
  }
  await chat.ask('silent question');
  await chat.answer.locator('.progress').getByText('Thinking…').waitFor();
  await chat.stopButton.click();
  await chat.ended('stopped');
  await chat.close();
});

test('an answer says how fast it was, and why it ended early', async () => {
  const chat = await on.open();
  await chat.ask('cut question');
  await chat.ended('done');
  await chat.answer.getByText('The answer ended here: it reached the model’s limit.').waitFor();
  const stats = await chat.answer.locator('.stats').innerText();
  const [, first, rate, tokens] = /first token ([\d.]+) s\D+([\d.]+) tokens\/s\D+(\d+) tokens/.exec(stats.replaceAll('\n', ' ')) ?? assert.fail(stats);
  assert.ok(Number(first) >= 0.1, 'the mock thinks for 150 ms');
  assert.ok(Number(rate) > 1 && Number(rate) < 100, 'the mock writes 30 pieces a second at most');
  assert.equal(Number(tokens), Math.ceil(textFor('cut question').length / 4));
  await chat.close();
});

test('an answer is made again in its place, and the server replaces it too', async () => {
  const chat = await on.open();
  await chat.ask('ten-year-old');
  await chat.ended('done');
  await chat.works();
  assert.deepEqual(await chat.answers.locator('.regenerate').evaluateAll((buttons) => buttons.map((button) => button.checkVisibility())), [false, true], 'only the last one');
  await chat.answer.getByRole('button', { name: 'Answer again' }).click();
  await chat.answer.locator('.thinking').waitFor();
  await chat.ended('done');
  assert.equal(await chat.answers.count(), 2);
  assert.equal(await chat.questions.count(), 2);
  const { message, regenerate, sessionId } = chat.sent.at(-1);
  assert.deepEqual([message, regenerate], ['plain question', chat.sent.at(-2).requestId]);
  assert.deepEqual(on.mock.histories.get(`session ${sessionId}`).filter(({ role }) => role === 'user').map(({ content }) => content), ['ten-year-old', 'plain question']);
  await chat.close();
});

test('the last question can be edited and asked in other words', async () => {
  const chat = await on.open();
  await chat.ask('plain qestion');
  await chat.ended('done');
  await chat.input.fill('a draft');
  const edit = chat.questions.last().getByRole('button', { name: 'Edit' });
  await edit.click();
  assert.equal(await chat.input.inputValue(), 'plain qestion');
  await chat.page.keyboard.press('Escape');
  assert.equal(await chat.input.inputValue(), 'a draft', 'what was being written is there again');
  await edit.click();
  await chat.ask('plain question');
  await chat.ended('done');
  assert.deepEqual(await chat.questions.locator('.body').allTextContents(), ['plain question']);
  assert.equal(await chat.answers.count(), 1);
  assert.equal(chat.sent.at(-1).regenerate, chat.sent.at(-2).requestId);
  await chat.close();
});

test('a second question waits for the answer to the first', async () => {
  const chat = await on.open();
  await chat.ask('long question');
  await chat.shows(20);
  await chat.ask('plain question');
  await chat.page.getByRole('alert').getByText('Not sent yet').waitFor();
  assert.equal(await chat.input.inputValue(), 'plain question');
  assert.equal(chat.sent.length, 1);
  await chat.stopButton.click();
  await chat.ended('stopped');
  await chat.input.press('Enter');
  await chat.ended('done');
  await chat.close();
});

test('Chinese arrives intact, rare characters too', async () => {
  const chat = await on.open({ locale: 'zh-CN' });
  const states = await watchTyping(chat);
  await chat.ask('中文问题');
  await chat.ended('done');
  const answer = textFor('中文问题');
  assert.equal(await chat.text(), answer);
  assert.equal(await chat.questions.last().locator('.body').textContent(), '中文问题');
  for (const { text } of await states()) assert.ok(answer.startsWith(text) && text.isWellFormed(), `"${text}" was shown`);
  await chat.close();
});
