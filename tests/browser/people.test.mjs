/** Rooms and direct messages, with two readers. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textFor } from './mock-answers.mjs';
import { mockStage } from './page.mjs';

let ada;
let ben;
const on = mockStage({}, async () => {
  [ada, ben] = await Promise.all([on.open(), on.open()]);
  await ada.login('Ada');
  await ben.login('Ben');
});

const members = (chat) => chat.page.locator('#members .name').allTextContents();
const said = (chat) => chat.page.locator('.turn:is(.user, .person) .body').allTextContents();
const delivery = (chat, text) => chat.questions.last().locator('.delivery-text').getByText(text, { exact: true }).waitFor();
const list = (chat, name) => chat.page.locator('.entry .open', { hasText: name });

test('a name belongs to the browser that came first', async () => {
  const chat = await on.open();
  await chat.page.locator('#me').click();
  await chat.answerDialog('Ada');
  await chat.page.getByText('This name belongs to somebody else.').waitFor();
  await chat.answerDialog('é'.repeat(60));
  await chat.page.getByText('A name has 1 to 64 bytes').waitFor();
  await chat.answerDialog('Cleo');
  await chat.page.locator('#me-name').getByText('Cleo').waitFor();
  await chat.page.reload();
  await chat.page.locator('#me-name').getByText('Cleo').waitFor();
  await chat.state('online');
  const logins = chat.sent.filter(({ type, user }) => type === 'login' && user === 'Cleo');
  assert.equal(logins.length, 2);
  assert.equal(logins[0].token, logins[1].token);
  assert.ok(logins[0].token.length >= 32);
  await chat.close();
});

test('a room: members come and go, messages reach all, the address opens it', async () => {
  await ada.join('garden');
  await ben.page.goto(`${on.mock.url}#room=garden`);
  await ada.page.locator('#members li').nth(1).waitFor();
  assert.deepEqual(await members(ada), ['Ada', 'Ben']);
  assert.equal(new URL(ada.page.url()).hash, '#room=garden');

  await ada.ask('Hello <b>all</b>');
  await delivery(ada, 'Sent');
  await ben.people.last().waitFor();
  assert.deepEqual(await said(ben), ['Hello <b>all</b>']);
  await ben.ask('Hello Ada');
  await ada.people.last().waitFor();
  assert.deepEqual(await said(ada), ['Hello <b>all</b>', 'Hello Ada']);
  assert.deepEqual(await said(ben), ['Hello <b>all</b>', 'Hello Ada'], 'what comes back from the server is not shown twice');

  await ben.page.getByRole('button', { name: 'Leave the room' }).click();
  await ada.page.locator('#members li').nth(1).waitFor({ state: 'detached' });
  await ben.join('garden');
  await ben.page.locator('.turn').nth(1).waitFor();
  assert.deepEqual(await said(ben), ['Hello <b>all</b>', 'Hello Ada'], 'what was said before');
});

test('all watch the model answer in a room, and anybody stops it', async () => {
  await ada.page.getByRole('button', { name: 'Ask the model' }).click();
  assert.equal(await ada.input.getAttribute('placeholder'), 'Ask the model in garden');
  await ada.ask('Tell a ten-year-old');
  await Promise.all([ada, ben].map(async (chat) => {
    await chat.ended('done');
    assert.equal(await chat.text(), textFor('ten-year-old').replaceAll('**', ''));
  }));
  assert.deepEqual(await said(ben), await said(ada));
  assert.equal((await said(ada)).filter((text) => text === 'Tell a ten-year-old').length, 1);

  await ada.ask('long question');
  await ben.shows(100);
  // One can go on writing meanwhile.
  await ben.ask('Too long for me');
  await ada.people.getByText('Too long for me').waitFor();
  await ben.stopButton.click();
  const stopped = (chat) => chat.page.locator('.turn.assistant[data-status="stopped"]').waitFor();
  await Promise.all([stopped(ada), stopped(ben)]);
  await ada.page.getByRole('button', { name: 'Ask the model' }).click(); // off again
});

test('who comes late sees the answer from its beginning', async () => {
  await ada.page.getByRole('button', { name: 'Ask the model' }).click();
  await ada.ask('long question');
  await ada.shows(200);
  const late = await on.open();
  await late.login('Dora');
  await late.join('garden');
  await late.page.locator('.turn.assistant[data-status="streaming"]').waitFor();
  await late.shows(200);
  assert.ok((await late.text()).startsWith('Paragraph 1:'));
  await late.stopButton.click();
  await late.page.locator('.turn.assistant[data-status="streaming"]').waitFor({ state: 'detached' });
  await late.close();
});

test('direct messages: delivery, unread, and what comes while one is away', async () => {
  await ada.page.getByRole('button', { name: 'Write to Ben' }).first().click();
  await ada.page.getByRole('heading', { name: 'Write to Ben' }).waitFor();
  await ada.ask('Psst');
  await delivery(ada, 'Delivered');
  await ben.page.locator('#people-list').getByRole('img', { name: '1 unread' }).waitFor();
  assert.match(await ben.page.title(), /^\(1\) /);
  assert.equal(await ben.page.locator('#favicon').getAttribute('href'), 'favicon-unread.svg');
  await list(ben, 'Ada').click();
  assert.deepEqual(await said(ben), ['Psst']);
  assert.doesNotMatch(await ben.page.title(), /^\(/);

  await ben.page.goto('about:blank');
  await ada.ask('Are you there?');
  await delivery(ada, 'Sent');
  await ben.page.goto(on.mock.url);
  await list(ben, 'Ada').click();
  await ben.people.getByText('Are you there?').waitFor();
  assert.deepEqual(await said(ben), ['Psst', 'Are you there?'], 'each once, after a reload too');
});

test('what cannot be sent waits, also over a reload; what fails says why', async () => {
  await list(ada, 'Ben').click();
  on.mock.refusing = true;
  on.mock.drop();
  await ada.state('waiting');
  await ada.ask('Written offline');
  await delivery(ada, 'Waits for a connection');
  await ada.page.reload();
  on.mock.refusing = false;
  await ada.state('online');
  await list(ada, 'Ben').click();
  await ada.questions.getByText('Written offline').waitFor();
  await ada.page.locator('.user[data-delivery="sending"], .user[data-delivery="waiting"]').first().waitFor({ state: 'detached' });
  await ben.state('online');
  await list(ben, 'Ada').click();
  await ben.people.getByText('Written offline').waitFor();
  assert.equal((await said(ben)).filter((text) => text === 'Written offline').length, 1);

  on.mock.setDegraded(true);
  await ada.ask('During the outage');
  await delivery(ada, 'Not sent: This part of the service is down at the moment.');
  on.mock.setDegraded(false);
  await ada.questions.last().getByRole('button', { name: 'Try again' }).click();
  await delivery(ada, 'Delivered');

  await ada.page.locator('#write-to').click();
  await ada.answerDialog('Nobody');
  await ada.ask('Hello?');
  await delivery(ada, 'Not sent: Nobody of this name has ever been here.');
  assert.equal(await ada.questions.last().getByRole('button', { name: 'Try again' }).isVisible(), false);
});

test('a connection that breaks leaves rooms as they were, and brings what was missed', async () => {
  await list(ada, 'garden').click();
  await list(ben, 'garden').click();
  const before = await said(ada);
  const client = [...on.mock.clients].find(({ user }) => user === 'Ada');
  on.mock.refusing = true;
  client.socket.terminate();
  await ada.state('waiting');
  await ben.ask('While Ada was away');
  await delivery(ben, 'Sent');
  on.mock.refusing = false;
  await ada.state('online');
  await ada.people.getByText('While Ada was away').waitFor();
  assert.deepEqual(await said(ada), [...before, 'While Ada was away']);
  assert.deepEqual(await members(ada), ['Ada', 'Ben']);
});

test('another name: on a connection of its own; one that is taken changes nothing', async () => {
  await list(ada, 'garden').click();
  await ada.page.locator('#me').click();
  await ada.answerDialog('Ben');
  await ada.page.getByText('This name belongs to somebody else.').waitFor();
  await ada.page.locator('#dialog-cancel').click();
  await ada.ask('Still Ada');
  await ben.people.getByText('Still Ada').waitFor();
  assert.equal(await ben.people.last().locator('.role').textContent(), 'Ada');

  await ada.login('Ada the Second');
  await ada.page.locator('#members li').first().waitFor();
  await ada.ask('Now I am another');
  await ben.people.getByText('Now I am another').waitFor();
  assert.equal(await ben.people.last().locator('.role').textContent(), 'Ada the Second');
  assert.deepEqual(await members(ben), ['Ada the Second', 'Ben']);
});

test('in all this no page complained', async () => {
  await ada.close();
  await ben.close();
});
