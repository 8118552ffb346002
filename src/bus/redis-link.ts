// Owns the connections to a real Redis, one for calls and one for channels; the only file that imports ioredis. The gateway makes
// one and hands it to the bus; the doctor asks a server single questions over a socket of its own. Invariant: calls are done in the order in which they are made, also where the server has forgotten
// the scripts; nothing waits in a queue while there is no connection.

import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { AbstractConnector, Redis } from 'ioredis';
import {
  type RedisArgument,
  RedisFailure,
  type RedisIdentity,
  type RedisListener,
  type RedisPort,
  type RedisReply,
  type RedisScript,
} from '../ports/redis.ts';

export interface RedisLinkOptions {
  /** `redis://[user:password@]host:port[/db]`, `rediss://` for TLS. */
  readonly url: string;
  /** Told of what ioredis says of its connections; never holds the URL. */
  readonly onTrouble: (message: string) => void;
}

const RETRY_MS_MIN = 25;
const RETRY_MS_MAX = 250;
const CONNECT_MS_MAX = 1_000;
/** A connection that is given up is not waited for. */
const DISCONNECT_MS_MAX = 20;
/** Channels in one command: bounds its length. */
const CHANNELS_AT_ONCE = 500;
const SESSION_SCRIPTS: readonly RedisScript[] = ['session', 'session-redeem', 'session-keys'];
const SCRIPTS: readonly RedisScript[] = [
  'publish',
  'load',
  'fold',
  'renew',
  'doubt',
  'lease',
  'list',
  'taker',
  ...SESSION_SCRIPTS,
];
/** Scripts whose calls must not overtake each other. */
const ORDERED: readonly RedisScript[] = ['publish', 'renew', 'doubt'];
/** Each keeps 25 KB in a server, which only forgets them all together. */
const VARIANTS = 1_024;

const OPTIONS = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: CONNECT_MS_MAX,
  disconnectTimeout: DISCONNECT_MS_MAX,
  retryStrategy: (times: number): number => Math.min(RETRY_MS_MIN * times, RETRY_MS_MAX) * (0.75 + Math.random() / 2),
};

/** The text of a script; published with the package, since other publishers call it too. */
export function scriptText(script: RedisScript): string {
  return readFileSync(new URL(`../../proto/redis/${script}.lua`, import.meta.url), 'utf8');
}

/**
 * The text as one link loads it. Where a server has forgotten the scripts, nobody else brings this one back: of calls under way, all
 * fail from the first that does, and none gets past those that are made again.
 */
function ownText(script: RedisScript, variant: number): string {
  const text = scriptText(script);
  return ORDERED.includes(script) ? `-- ${variant}\n${text}` : text;
}

interface Call {
  readonly script: RedisScript;
  readonly keys: readonly string[];
  readonly args: readonly RedisArgument[];
  readonly resolve: (reply: RedisReply) => void;
  readonly reject: (failure: RedisFailure) => void;
}

export class RedisLink implements RedisPort {
  private readonly calls: Redis;
  private readonly channels: Redis;
  private readonly variant = randomInt(VARIANTS);
  private readonly texts = new Map(SCRIPTS.map((script) => [script, ownText(script, this.variant)]));
  private readonly hashes = new Map<RedisScript, string>();
  private listener: RedisListener | null = null;
  private isUp = false;
  /** Counts connections: what belongs to an earlier one is of no use. */
  private connection = 0;
  private unanswered = 0;
  /** In this turn of the event loop. */
  private hasCalled = false;
  /** The connection that calls were made on last, as its server knows it. */
  private former: { readonly runId: string; readonly id: number } | null = null;
  /** Calls that found their script forgotten, in order, and those that came meanwhile: they are done once all others are. */
  private forgotten: Call[] = [];
  private held: Call[] = [];

  constructor(private readonly options: RedisLinkOptions) {
    this.calls = new Redis(options.url, { ...OPTIONS, connectionName: 'tickwire-calls' });
    this.channels = new Redis(options.url, { ...OPTIONS, connectionName: 'tickwire-channels' });
  }

  open(listener: RedisListener): void {
    this.listener = listener;
    const { calls, channels } = this;
    calls.on('ready', () => void this.greet(++this.connection));
    calls.on('close', () => this.lost('the connection is closed'));
    calls.on('error', (error) => this.options.onTrouble(plainMessage(error)));
    channels.on('ready', () => listener.channelsUp());
    channels.on('close', () => listener.channelsDown('the connection is closed'));
    channels.on('error', (error) => this.options.onTrouble(plainMessage(error)));
    channels.on('messageBuffer', (channel, bytes) => listener.message(channel.toString('latin1'), bytes));
    channels.on('pmessageBuffer', (_, channel, bytes) => listener.message(channel.toString('latin1'), bytes));
    for (const client of [calls, channels]) client.connect().catch(() => {});
  }

  call(script: RedisScript, keys: readonly string[], args: readonly RedisArgument[]): Promise<RedisReply> {
    if (!this.isUp) return Promise.reject(new RedisFailure('unsent', 'there is no connection to Redis'));
    return new Promise((resolve, reject) => {
      const call = { script, keys, args, resolve, reject };
      if (this.forgotten.length > 0) this.held.push(call);
      else this.send(call);
    });
  }

  range(key: string, first: string, last: string, countMax: number): Promise<RedisReply> {
    return this.plain(() => this.calls.xrangeBuffer(key, first, last, 'COUNT', countMax));
  }

  publish(channel: string, bytes: Uint8Array): Promise<RedisReply> {
    return this.plain(() => this.calls.publish(channel, asBuffer(bytes)));
  }

  identify(): Promise<RedisIdentity> {
    return this.plain(() => this.identity());
  }

  subscribe(channels: readonly string[]): void {
    if (this.channels.status !== 'ready') return;
    for (let first = 0; first < channels.length; first += CHANNELS_AT_ONCE) {
      const some = channels.slice(first, first + CHANNELS_AT_ONCE);
      this.channels.subscribe(...some).then(
        () => {
          for (const channel of some) this.listener?.subscribed(channel);
        },
        // The connection went: it begins again with `channelsUp`.
        () => {},
      );
    }
  }

  unsubscribe(channels: readonly string[]): void {
    if (this.channels.status !== 'ready' || channels.length === 0) return;
    this.channels.unsubscribe(...channels).catch(() => {});
  }

  subscribePattern(pattern: string): void {
    if (this.channels.status !== 'ready') return;
    this.channels.psubscribe(pattern).then(
      () => this.listener?.subscribed(pattern),
      // As with channels: it begins again with `channelsUp`. But for a user who may not.
      (error: unknown) => {
        if (isReply(error)) this.options.onTrouble(plainMessage(error));
      },
    );
  }

  unsubscribePattern(pattern: string): void {
    if (this.channels.status !== 'ready') return;
    this.channels.punsubscribe(pattern).catch(() => {});
  }

  resetChannels(reason: string): void {
    this.options.onTrouble(`channels: ${reason}`);
    this.channels.disconnect(true);
  }

  resetCalls(reason: string): void {
    this.options.onTrouble(`calls: ${reason}`);
    this.calls.disconnect(true);
  }

  close(): void {
    this.listener = null;
    this.isUp = false;
    for (const client of [this.calls, this.channels]) client.disconnect();
  }

  private async greet(connection: number): Promise<void> {
    try {
      // Sent before anything else, so that on this connection the scripts are known.
      const loading = [...this.texts].map(async ([script, text]) => {
        this.hashes.set(script, (await this.calls.script('LOAD', text)) as string);
      });
      const [identity, id] = await Promise.all([this.identity(), this.connectionId(), ...loading]);
      await this.endFormer(identity.runId, id);
      if (connection !== this.connection || this.listener === null) return;
      this.isUp = true;
      this.listener.up(identity);
    } catch (error) {
      this.options.onTrouble(plainMessage(error));
      // A connection that can't even be asked who it is at is of no use.
      if (connection === this.connection && this.listener !== null) this.calls.disconnect(true);
    }
  }

  /** Null where it is not told. */
  private connectionId(): Promise<number | null> {
    return this.calls.client('ID').catch(orRefused);
  }

  /**
   * What was sent on the connection before this one, and is held up on its way, must not be done when it arrives: it was refused
   * since, or is sent again. So the server closes that connection first. One that forbids this is taken as it is.
   */
  private async endFormer(runId: string, id: number | null): Promise<void> {
    const { former } = this;
    // Another server counts its connections anew: the number would be a stranger's.
    if (former?.runId === runId) await this.calls.client('KILL', 'ID', former.id).catch(orRefused);
    this.former = id === null ? null : { runId, id };
  }

  private lost(reason: string): void {
    this.connection += 1;
    const waiting = [...this.forgotten, ...this.held];
    this.forgotten = [];
    this.held = [];
    for (const { reject } of waiting) reject(new RedisFailure('unsent', reason));
    if (!this.isUp) return;
    this.isUp = false;
    this.listener?.down(reason);
  }

  private send(call: Call): void {
    const { script, keys, args, resolve, reject } = call;
    const { connection } = this;
    this.unanswered += 1;
    this.gather();
    this.calls.callBuffer('EVALSHA', [this.hashes.get(script)!, keys.length, ...keys, ...args.map(asArgument)]).then(
      (reply) => {
        resolve(reply as RedisReply);
        this.answered();
      },
      (error: unknown) => {
        if (connection === this.connection && isForgotten(error)) this.forgotten.push(call);
        else reject(failureOf(error));
        this.answered();
      },
    );
  }

  /** What is called in one turn goes out in one write: written one by one, a fifth of a publisher's time goes there. */
  private gather(): void {
    const { stream } = this.calls;
    if (stream.writableCorked > 0) return;
    stream.cork();
    // The first call waits for nothing; those of other sockets' events in the same turn of the loop go out together behind it.
    if (this.hasCalled) return void setImmediate(() => stream.uncork());
    this.hasCalled = true;
    process.nextTick(() => stream.uncork());
    setImmediate(() => {
      this.hasCalled = false;
    });
  }

  private answered(): void {
    this.unanswered -= 1;
    if (this.unanswered > 0 || this.forgotten.length === 0) return;
    const again = [...this.forgotten, ...this.held];
    this.forgotten = [];
    this.held = [];
    for (const text of this.texts.values()) this.calls.script('LOAD', text).catch(() => {});
    for (const call of again) this.send(call);
  }

  private async plain<T>(run: () => Promise<T>): Promise<T> {
    if (!this.isUp) throw new RedisFailure('unsent', 'there is no connection to Redis');
    try {
      return await run();
    } catch (error) {
      throw failureOf(error);
    }
  }

  private async identity(): Promise<RedisIdentity & { readonly runId: string }> {
    const text = `${await this.calls.info('replication')}\n${await this.calls.info('server')}`;
    const figure = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(text)?.[1] ?? '';
    const runId = figure('run_id');
    // One that has only ever been a primary takes another replication id when its first replica comes, and loses nothing by it.
    const isFirst = /^0*$/.test(figure('master_replid2')) && runId !== '';
    return {
      replicationId: isFirst ? runId : figure('master_replid'),
      version: figure('valkey_version') || figure('redis_version'),
      writable: figure('role') !== 'slave',
      runId,
    };
  }
}

function asArgument(argument: RedisArgument): string | number | Buffer {
  return typeof argument === 'object' ? asBuffer(argument) : argument;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function isForgotten(error: unknown): boolean {
  return isReply(error) && error.message.startsWith('NOSCRIPT');
}

/** The server's own answer, as opposed to what became of the connection. */
function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

/** A server may forbid a command; anything else is passed on. */
function orRefused(error: unknown): null {
  if (isReply(error)) return null;
  throw error;
}

function failureOf(error: unknown): RedisFailure {
  const message = plainMessage(error);
  if (isReply(error)) return new RedisFailure('refused', message);
  // The connection is closing, and ioredis did not even write it.
  return new RedisFailure(/^Stream isn't writeable/.test(message) ? 'unsent' : 'unknown', message);
}

function plainMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What a server says against a command, as a value. */
export class Refused {
  constructor(readonly message: string) {}
}

/** Single commands over a socket that stands already, for who has to know which step to a server fails. */
export class RedisQuestions {
  private readonly client: Redis;

  constructor(socket: Socket) {
    class Standing extends AbstractConnector {
      constructor() {
        super(DISCONNECT_MS_MAX);
      }

      override connect(): Promise<Socket> {
        this.stream = socket;
        return Promise.resolve(socket);
      }
    }
    const once = { ...OPTIONS, retryStrategy: null, enableReadyCheck: false, disableClientInfo: true };
    // Without HELLO: what a server or a user may not do is found out command by command.
    this.client = new Redis({ ...once, protocol: 2, Connector: Standing });
    // Each question is told of by itself.
    this.client.on('error', () => {});
  }

  /** @throws Error where the connection ends, or what answers there is no Redis. */
  open(): Promise<void> {
    return this.client.connect();
  }

  ask(command: string, ...words: readonly (string | number)[]): Promise<unknown> {
    const { client } = this;
    const texts = words.map(String);
    // These change what the connection is for, which ioredis must know.
    if (command === 'SUBSCRIBE') return told(client.subscribe(...texts));
    if (command === 'UNSUBSCRIBE') return told(client.unsubscribe(...texts));
    if (command === 'PSUBSCRIBE') return told(client.psubscribe(...texts));
    return told(client.call(command, ...texts));
  }

  close(): void {
    this.client.disconnect();
  }
}

function told(reply: Promise<unknown>): Promise<unknown> {
  return reply.catch((error: unknown) => {
    if (isReply(error)) return new Refused(error.message);
    throw new Error(/RESP type/.test(plainMessage(error)) ? 'what answers there is no Redis' : plainMessage(error));
  });
}
