/**
 * Two nodes of ai_chat with one Redis, haproxy in front of them as ops/ configures it, and before that a network that can be cut.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { closedPort, start, startChat, startModel, stop } from './harness.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const UNPACKED = here('../../target/setup/debian/usr');
const HAPROXY_CFG = here('../../examples-cpp/ai_chat/ops/haproxy.cfg');

export class Cluster {
  /** @type {Record<string, Awaited<ReturnType<typeof startChat>>>} */
  nodes = {};

  static async start() {
    const cluster = new Cluster();
    cluster.folder = mkdtempSync(join(tmpdir(), 'cluster-'));
    cluster.model = await startModel();
    cluster.redisPort = await closedPort();
    await cluster.startRedis();
    for (const name of ['one', 'two']) await cluster.startNode(name);
    cluster.proxyPort = await cluster.startProxy();
    cluster.network = await Network.start(cluster.proxyPort);
    return cluster;
  }

  get url() {
    return `http://127.0.0.1:${this.network.port}/`;
  }

  async startRedis() {
    const options = { port: this.redisPort, bind: '127.0.0.1', dir: this.folder, save: '', appendonly: 'yes', appendfsync: 'always' };
    const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    this.redis = (await start(program('redis-server'), words, /Ready to accept connections/)).child;
  }

  async killRedis() {
    await stop(this.redis, 'SIGKILL');
  }

  /** On the port that it had before. */
  async startNode(name) {
    const options = ['--node', name, '--redis', `127.0.0.1:${this.redisPort}`];
    this.nodes[name] = await startChat(this.model.url, this.nodes[name]?.port, options);
  }

  async killNode(name) {
    await this.nodes[name].stop('SIGKILL');
  }

  async startProxy() {
    const port = await closedPort();
    let configuration = readFileSync(HAPROXY_CFG, 'utf8').replace(/^ *bind :443 .*\n/m, '');
    const changes = { ':80\n': `127.0.0.1:${port}\n`, '127.0.0.1:8001': `127.0.0.1:${this.nodes.one.port}`, '127.0.0.1:8002': `127.0.0.1:${this.nodes.two.port}` };
    for (const [documented, mine] of Object.entries(changes)) {
      assert.ok(configuration.includes(documented), `haproxy.cfg has no ${documented}`);
      configuration = configuration.replace(documented, mine);
    }
    const file = join(this.folder, 'haproxy.cfg');
    writeFileSync(file, configuration);
    this.proxy = (await start(program('haproxy'), ['-V', '-db', '-f', file], /started|[Uu]sing/)).child;
    return port;
  }

  async stop() {
    this.network?.stop();
    const children = [this.proxy, this.redis].filter(Boolean);
    await Promise.all([...children.map((child) => stop(child)), ...Object.values(this.nodes).map((node) => node.stop()), this.model?.stop()]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What lies between the browser and its servers. */
class Network {
  sockets = new Set();
  isCut = false;

  static async start(target) {
    const network = new Network();
    network.server = createServer((near) => {
      if (network.isCut) return near.resetAndDestroy();
      const far = connect(target, '127.0.0.1');
      for (const [from, to] of [[near, far], [far, near]]) {
        network.sockets.add(from);
        from.on('error', () => {});
        from.on('close', () => {
          network.sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    network.server.listen(0, '127.0.0.1');
    await once(network.server, 'listening');
    network.port = network.server.address().port;
    return network;
  }

  /** Every connection breaks, and none is made until mend(). */
  cut() {
    this.isCut = true;
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  mend() {
    this.isCut = false;
  }

  stop() {
    this.cut();
    this.server.close();
  }
}

function program(name) {
  const folders = [...process.env.PATH.split(':'), '/usr/sbin', join(UNPACKED, 'sbin'), join(UNPACKED, 'bin')];
  const path = folders.map((folder) => join(folder, name)).find(existsSync);
  assert.ok(path, `${name} is missing: tests/setup.sh test gets it`);
  return path;
}
