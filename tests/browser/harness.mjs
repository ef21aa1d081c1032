/**
 * For the tests on the real server: the mock model and ai_chat as processes that end whatever happens.
 *
 *   AI_CHAT=command   another ai_chat than ../../examples-cpp/build/ai_chat, with arguments if need be ("valgrind -q /path/ai_chat")
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { after, before } from 'node:test';
import { startBrowser } from './page.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const AI_CHAT = process.env.AI_CHAT?.trim().split(/\s+/) ?? [here('../../examples-cpp/build/ai_chat')];
const LLMOCK = here('node_modules/.bin/llmock');
const FIXTURES = here('fixtures.json');
const WWW = here('../../examples-cpp/ai_chat/www');
const START_TIMEOUT_MS = 15_000;

/** The milliseconds between the mock model's pieces, and their length: about 200 characters a second. */
const PIECE_MS = 30;
export const PIECE_LENGTH = 6;

// ---- processes ----

const processes = new Set();
process.on('exit', () => processes.forEach((child) => child.kill('SIGKILL')));

/** Starts a program and waits for the line that `ready` matches. */
export async function start(command, args, ready) {
  assert.ok(!command.includes('/') || existsSync(command), `${command} is missing: build it first (make in examples-cpp/, npm ci in tests/browser/)`);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  processes.add(child);
  child.exited = new Promise((resolve) => child.once('exit', (code, signal) => {
    processes.delete(child);
    resolve({ code, signal });
  }));
  let output = '';
  const match = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${command} did not say ${ready} in time:\n${output}`)), START_TIMEOUT_MS);
    const hear = (data) => {
      output += data;
      const found = ready.exec(output);
      if (!found) return;
      clearTimeout(timer);
      resolve(found);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.exited.then(({ code, signal }) => reject(new Error(`${command} ended (${code ?? signal}):\n${output}`)));
  });
  return { child, match };
}

/** Ends a program that `start` started. */
export async function stop(child, signal = 'SIGTERM') {
  child.kill(signal);
  const hung = setTimeout(() => child.kill('SIGKILL'), 5_000);
  const { code, signal: by } = await child.exited;
  clearTimeout(hung);
  return { code, signal: by };
}

/** The OpenAI-compatible mock model. */
export async function startModel() {
  const args = ['-p', '0', '-f', FIXTURES, '-l', PIECE_MS, '-c', PIECE_LENGTH, '--strict', '--metrics'];
  const { child, match } = await start(LLMOCK, args.map(String), /listening on (http:\/\/127\.0\.0\.1:\d+)/);
  return {
    url: `${match[1]}/v1`,
    /** How many answers were given up by the one who asked for them. */
    async destroyed() {
      const metrics = await (await fetch(`${match[1]}/metrics`)).text();
      const counts = [...metrics.matchAll(/^aimock_requests_total\{[^}]*status="destroyed"[^}]*\} (\d+)/gm)];
      return counts.reduce((sum, [, count]) => sum + Number(count), 0);
    },
    stop: () => stop(child),
  };
}

/** @param {string} upstream @param {number} port  0: any @param {string[]} more  options */
export async function startChat(upstream, port = 0, more = []) {
  const [program, ...first] = AI_CHAT;
  const options = [...more, '--port', String(port), '--upstream', upstream, '--model', 'mock', '--www', WWW];
  const { child, match } = await start(program, [...first, ...options], /http:\/\/127\.0\.0\.1:(\d+)\//);
  return { url: match[0], port: Number(match[1]), stop: (signal) => stop(child, signal) };
}

/** A port on which nothing listens. */
export async function closedPort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Model, chat and browser for a test file; filled when its tests run. */
export function stage() {
  const parts = /** @type {any} */ ({});
  before(async () => {
    parts.model = await startModel();
    parts.chat = await startChat(parts.model.url);
    parts.browser = await startBrowser();
  });
  after(async () => {
    await parts.browser?.close();
    // Also what a test that failed has left running: it would keep the file from ending.
    await Promise.all([...processes].map((child) => stop(child)));
  });
  return parts;
}

/** The answer that the mock model gives to a question. */
const fixtures = JSON.parse(readFileSync(FIXTURES, 'utf8')).fixtures;
export const answerTo = (question) => fixtures.find(({ match }) => match.userMessage === question).response.content;
