/** chat-socket.js: its types hold, and a user of the module sees them. */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const WWW = '../../examples-cpp/ai_chat/www';

/** What tsc --checkJs --strict says about the module, and about scripts that use it: texts by file. */
function complaints(scripts) {
  const { config } = ts.readConfigFile(here('tsconfig.json'), ts.sys.readFile);
  const { options, fileNames, errors } = ts.parseJsonConfigFileContent(config, ts.sys, here('.'));
  const sources = new Map(scripts.map((source, index) => [here(`user-${index}.js`), source]));
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => sources.has(path) || fileExists(path);
  host.getSourceFile = (path, ...rest) => (
    sources.has(path) ? ts.createSourceFile(path, sources.get(path), ts.ScriptTarget.ES2022, true, ts.ScriptKind.JS) : getSourceFile(path, ...rest));
  const program = ts.createProgram([...fileNames, ...sources.keys()], options, host);
  return [...errors, ...ts.getPreEmitDiagnostics(program)].map(({ file, messageText }) => ({
    file: file?.fileName.split('/').at(-1),
    text: ts.flattenDiagnosticMessageText(messageText, ' '),
  }));
}

const user = (body) => `
import { ChatSocket, ChatError, chatUrl, newId } from '${WWW}/chat-socket.js';
const chat = new ChatSocket({ url: chatUrl({ protocol: 'https:', host: 'x' }), sessionId: newId() });
${body}
`;

const GOOD = `
  const off = chat.on('state', ({ state, retryInMs }) => { if (state === 'waiting') console.log(retryInMs?.toFixed()); });
  off();
  const answer = chat.ask('Hello', { room: 'den', regenerate: 'r' });
  for await (const piece of answer) console.log(piece.length);
  const { text, usage, error } = await answer.result;
  console.log(text.length, usage?.total_tokens.toFixed(), error instanceof ChatError && error.retryable);
  chat.continue(answer.toJSON()).on('status', ({ position }) => console.log(position?.toFixed()));
  const { members, answers } = await chat.join('den');
  console.log(members[0].length, answers[0].stats.tokensPerSecond?.toFixed());
  console.log((await chat.message({ to: 'bob', text: 'x' })).messageId.length, (await chat.history())[0].role);
`;

const MISTAKES = [
  "chat.on('nothing', () => {});",
  "chat.on('state', ({ mood }) => mood);",
  'chat.ask(42);',
  'chat.ask("x").result.text;',
  "chat.message({ text: 'x' });",
  "chat.continue({ requestId: 'r' });",
  'new ChatSocket({});',
  'chat.latency.toFixed();',
];

test('the module is free of type errors, who uses it as it is meant too, and mistakes are found', () => {
  const found = complaints([GOOD, ...MISTAKES].map(user));
  const mistaken = found.filter(({ file }) => MISTAKES.some((_, index) => file === `user-${index + 1}.js`));
  assert.deepEqual(found.filter((one) => !mistaken.includes(one)), []);
  MISTAKES.forEach((mistake, index) => assert.equal(mistaken.filter(({ file }) => file === `user-${index + 1}.js`).length, 1, mistake));
});

test('it needs nothing but itself, and no page', () => {
  const files = ['chat-socket.js', ...readdirSync(here(`${WWW}/chat-socket`)).map((name) => `chat-socket/${name}`)];
  for (const name of files) {
    const source = readFileSync(here(`${WWW}/${name}`), 'utf8');
    for (const [, from] of source.matchAll(/^(?:import|export) .*from '(.*)';$/gm)) assert.match(from, /^\.\/(chat-socket\/)?[a-z-]+\.js$/, name);
    assert.doesNotMatch(source, /\b(document|window|localStorage|sessionStorage)\.(?!get|set)\w/, name);
    assert.ok(source.split('\n').length < 600, `${name} is too long`);
  }
});
