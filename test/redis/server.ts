// Owns real Redis servers for tests: a private one each, on a port and in a folder of its own, which can be killed, paused and
// restarted. Called by every test that needs Redis. Invariant: a server that was returned has accepted connections, and nothing of
// it outlives the process that started it.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { type RedisBinary, redisBinary } from './binary.ts';
import { Guard } from './guard.ts';

const HOST = '127.0.0.1';
/**
 * Below the ports that systems give to connections and to those who listen on port 0: nobody takes the port of a server that is
 * down, and a client that tries it again and again cannot connect to itself.
 */
const PORT_FIRST = 20_000;
const PORT_END = 30_000;
const START_TRIES_MAX = 20;
const LOG_CHARS_MAX = 2 ** 20;
const KEYS_A_SCAN = 1_000;

const CONFIG = {
  bind: HOST,
  'maxmemory-policy': 'noeviction',
  // A replica begins at once.
  'repl-diskless-sync-delay': '0',
} as const;
const FORGETFUL = { save: '', appendonly: 'no' } as const;
/** What was answered is on disk. */
const PERSISTENT = { save: '', appendonly: 'yes', appendfsync: 'always' } as const;

export interface RedisOptions {
  /** Lines of redis.conf, by their first word. They win over those given here. */
  readonly config?: Readonly<Record<string, string>>;
  /** Follows this one: a server, or a proxy before it. */
  readonly replicaOf?: { readonly host: string; readonly port: number };
  /** Keeps what it holds over `kill` and `restart`. */
  readonly persistent?: boolean;
  /** Without it any free one. */
  readonly port?: number;
}

interface Place {
  readonly binary: RedisBinary;
  readonly port: number;
  readonly config: Readonly<Record<string, string>>;
}

export class RedisServer {
  readonly host = HOST;
  readonly port: number;
  readonly url: string;
  /** What it printed since its last start, the newest MiB of it. */
  log = '';
  private readonly folder = mkdtempSync(join(tmpdir(), 'tickwire-redis-'));
  private readonly guard = new Guard(this.folder);
  private readonly binary: RedisBinary;
  private child: ChildProcess | null = null;
  private client: Redis | null = null;
  private wakes: (() => void)[] = [];

  /** Not started yet: `restart` does it. */
  constructor({ binary, port, config }: Place) {
    this.binary = binary;
    this.port = port;
    this.url = `redis://${HOST}:${port}`;
    const lines = Object.entries({ ...config, port: `${port}`, dir: this.folder });
    const text = lines.map(([name, value]) => `${name} ${value === '' ? '""' : value}\n`).join('');
    writeFileSync(join(this.folder, 'redis.conf'), text);
  }

  get running(): boolean {
    return this.child !== null;
  }

  /** @throws Error when it does not run. */
  get pid(): number {
    return this.runs().pid!;
  }

  /** Ends it without a warning, as a crash would. No effect when it does not run. */
  async kill(): Promise<void> {
    // Not `close`: a child of its own that saves may go on for a while, and holds its output open.
    await this.signal('SIGKILL', 'exit');
  }

  /** Asks it to end, and waits until it has. No effect when it does not run. */
  async stop(): Promise<void> {
    if (this.child !== null) this.resume();
    await this.signal('SIGTERM', 'close');
  }

  /** Starts it on the same port, in the same folder, with the same configuration; stops it before if it runs. */
  async restart(): Promise<void> {
    await this.stop();
    this.log = '';
    const child = spawn(this.binary.path, [join(this.folder, 'redis.conf')], {
      env: this.binary.env,
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    if (child.pid !== undefined) this.guard.watch(child.pid);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => this.heard(child, text));
    }
    child.on('error', (error) => this.heard(child, error.message));
    // Not `exit`: what it said last is still to be read then.
    child.on('close', () => {
      if (this.child === child) this.ended();
    });
    await this.says(/Ready to accept connections/);
    // A test that is done need not wait for it.
    child.unref();
    for (const stream of [child.stdout, child.stderr]) (stream as Socket).unref();
  }

  /** It answers nothing from now on; connections stay open, and the system accepts new ones. */
  pause(): void {
    this.runs().kill('SIGSTOP');
  }

  /** It answers again, all that it was asked meanwhile as well. */
  resume(): void {
    this.runs().kill('SIGCONT');
  }

  /** The first match in what it has printed or will print since its last start. @throws Error when it ends without. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.log);
      if (match !== null) return match;
      if (this.child === null)
        throw new Error(`Redis on port ${this.port} ended without saying ${pattern}:\n${this.log}`);
      await new Promise<void>((wake) => {
        this.wakes.push(wake);
      });
    }
  }

  /**
   * Runs a command on a connection of its own, made on demand. It stays unanswered while the server is paused, and rejects when the
   * server ends or is not there. Replies are ioredis' own: texts, numbers, null, lists.
   */
  async command(name: string, ...args: readonly (string | number | Buffer)[]): Promise<unknown> {
    if (this.client?.status === 'end') this.client = null;
    this.client ??= connection(this.url);
    return this.client.call(name, ...args);
  }

  /** Ends it and removes its folder. */
  async close(): Promise<void> {
    await this.kill();
    await this.guard.end();
  }

  private runs(): ChildProcess {
    if (this.child === null) throw new Error(`Redis on port ${this.port} does not run: call restart() first`);
    return this.child;
  }

  private async signal(name: NodeJS.Signals, event: 'exit' | 'close'): Promise<void> {
    const { child } = this;
    if (child === null) return;
    const ended = once(child, event);
    child.ref();
    child.kill(name);
    await ended;
    if (this.child === child) this.ended();
  }

  private ended(): void {
    this.child = null;
    this.guard.watch(null);
    this.client?.disconnect();
    this.client = null;
    this.wake();
  }

  private heard(child: ChildProcess, text: string): void {
    if (this.child !== child) return;
    this.log = (this.log + text).slice(-LOG_CHARS_MAX);
    this.wake();
  }

  private wake(): void {
    for (const wake of this.wakes.splice(0)) wake();
  }
}

/** A private server; `close` it after the test. A replica is returned when it holds what the other one held. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const binary = await redisBinary();
  const { replicaOf } = options;
  const config = {
    ...CONFIG,
    ...(options.persistent === true ? PERSISTENT : FORGETFUL),
    ...(replicaOf === undefined ? {} : { replicaof: `${replicaOf.host} ${replicaOf.port}` }),
    ...options.config,
  };
  for (let tries = 1; ; tries += 1) {
    const server = new RedisServer({ binary, port: options.port ?? (await freePort()), config });
    try {
      await server.restart();
      if (replicaOf !== undefined) await server.says(/<-> REPLICA sync: Finished with success/);
      return server;
    } catch (error) {
      await server.close();
      // Somebody took the port after it was found free.
      const again = options.port === undefined && tries < START_TRIES_MAX && /Address already in use/.test(server.log);
      if (!again) throw error;
    }
  }
}

export interface RedisForTests {
  readonly url: string;
  /** For the names of all keys and channels: nobody else uses it. */
  readonly prefix: string;
  /** Removes the keys with this prefix. */
  close(): Promise<void>;
}

let shared: Promise<{ url: string }> | undefined;

/**
 * For tests that need no more than a server that runs: the one that REDIS_URL names, else one that all tests of the file share, and
 * that ends with it. They must not flush, stop or reconfigure it, as others may be using it.
 */
export async function redisForTests(): Promise<RedisForTests> {
  // Set from REDIS_URL for all tests, which must not make every gateway in them share that server: vitest.config.ts.
  const named = process.env.TESTS_REDIS_URL;
  shared ??= named === undefined || named === '' ? startRedis() : Promise.resolve({ url: named });
  const { url } = await shared;
  const prefix = `test-${randomBytes(6).toString('hex')}:`;
  return { url, prefix, close: () => removeKeys(url, prefix) };
}

async function removeKeys(url: string, prefix: string): Promise<void> {
  const redis = connection(url);
  try {
    for await (const keys of redis.scanStream({ match: `${prefix}*`, count: KEYS_A_SCAN })) {
      if ((keys as string[]).length > 0) await redis.unlink(...(keys as string[]));
    }
  } finally {
    redis.disconnect();
  }
}

/** Rejects at once where there is no server, instead of trying for long. */
function connection(url: string): Redis {
  const redis = new Redis(url, { retryStrategy: () => null, disableClientInfo: true, maxRetriesPerRequest: 0 });
  // Commands reject with it as well.
  redis.on('error', () => {});
  return redis;
}

async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORT_FIRST, PORT_END);
    const probe = createServer();
    const free = await new Promise<boolean>((done) => {
      probe.once('error', () => done(false)).listen(port, HOST, () => done(true));
    });
    if (!free) continue;
    probe.close();
    await once(probe, 'close');
    return port;
  }
}
