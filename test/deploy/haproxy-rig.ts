// Owns a real HAProxy with the configuration of deploy/haproxy, as its users would start it: only the variables that it offers are set.
// The tests of deploy/haproxy call it. Invariant: one that was returned takes connections, and it does not outlive its test.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { debianTool } from '../debian.ts';
import { Guard } from '../redis/guard.ts';

const CONFIGURATION = resolve(import.meta.dirname, '../../deploy/haproxy/haproxy.cfg');
/** Fewer than the configuration allows: a test's limit of open files may be low. */
const CONNECTIONS_MAX = 500;
const START_TRIES_MAX = 5;
const LOOK_MS = 20;

export interface Haproxy {
  /** Where clients connect. */
  readonly url: string;
  /** Resolves when it has logged that; looks at what it logged before, too. */
  says(pattern: RegExp): Promise<void>;
  close(): Promise<void>;
}

/** Public and admin address, as http://host:port. */
export interface Behind {
  readonly url: string;
  readonly adminUrl: string;
}

export async function startHaproxy(one: Behind, two: Behind): Promise<Haproxy> {
  const { path, env } = await debianTool('haproxy');
  for (let tries = 1; ; tries++) {
    const port = await freePort();
    const child = spawn(path, ['-db', '-n', `${CONNECTIONS_MAX}`, '-f', CONFIGURATION], {
      env: {
        ...env,
        UNPRIVILEGED: '1',
        CLIENTS_BIND: `127.0.0.1:${port}`,
        METRICS_BIND: `127.0.0.1:${await freePort()}`,
        GATEWAY_ONE: new URL(one.url.replace('localhost', '127.0.0.1')).host,
        GATEWAY_ONE_ADMIN_PORT: new URL(one.adminUrl).port,
        GATEWAY_TWO: new URL(two.url.replace('localhost', '127.0.0.1')).host,
        GATEWAY_TWO_ADMIN_PORT: new URL(two.adminUrl).port,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const running = new Running(child, port);
    if (await running.listens()) return running;
    await running.close();
    // Somebody else may have taken the port meanwhile.
    if (tries === START_TRIES_MAX || !/cannot bind socket/.test(running.log)) throw new Error(running.log);
  }
}

class Running implements Haproxy {
  readonly url: string;
  log = '';
  private readonly guard = new Guard('');
  private readonly ended: Promise<unknown>;
  private wake: () => void = () => {};

  constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
  ) {
    this.url = `ws://127.0.0.1:${port}/v1/stream`;
    if (child.pid !== undefined) this.guard.watch(child.pid);
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.log += text;
        this.wake();
      });
    }
    this.ended = once(child, 'close').then(() => this.wake());
  }

  /** False: it has ended instead. */
  async listens(): Promise<boolean> {
    while (this.child.exitCode === null) {
      const socket = connect(this.port, '127.0.0.1');
      const listening = await new Promise<boolean>((done) => {
        socket.once('connect', () => done(true)).once('error', () => done(false));
      });
      socket.destroy();
      if (listening) return true;
      await setTimeout(LOOK_MS);
    }
    return false;
  }

  async says(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.log)) {
      if (this.child.exitCode !== null) throw new Error(`HAProxy ended without saying ${pattern}:\n${this.log}`);
      await new Promise<void>((wake) => {
        this.wake = wake;
      });
    }
  }

  async close(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
    this.guard.watch(null);
    await this.guard.end();
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}
