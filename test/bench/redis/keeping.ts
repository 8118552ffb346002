// Owns the two ways of keeping a book's state in Redis, behind one interface: the log since a folded base, as the bus does it, and
// a script that keeps all levels. `bench:redis --state` runs both. Invariant: what either loads is the whole book, tombstones and
// last changes included; a refusal by a script throws.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { encodeUpdate, REDIS_FORMAT } from '../../../src/bus/redis-entry.ts';
import { type TopicKeys, topicKeys } from '../../../src/bus/redis-keys.ts';
import { RedisLink } from '../../../src/bus/redis-link.ts';
import { RedisScripts } from '../../../src/bus/redis-scripts.ts';
import { bookOf, bytesOf, encodeBase, integerOf, listOf, refusalOf, textOf } from '../../../src/bus/redis-state.ts';
import { Book } from '../../../src/market/book.ts';
import type { BookDelta, BookSnapshot } from '../../../src/market/update.ts';
import type { RedisReply } from '../../../src/ports/redis.ts';
import { ByteWriter } from '../../../src/protocol/writer.ts';
import { GATEWAY_LIMITS, symbolOf } from './books.ts';

const { logEntriesMax, tombstonesMax } = GATEWAY_LIMITS;
const SCALES = '2.4.0';
const PREFIX = 'bench';

export interface Keeping {
  readonly name: 'log' | 'kept';
  /** Folds that scripts asked for and that were done. */
  folds: number;
  /** One call of the script. Resolves when it is answered, and a fold that it asked for is done. */
  publish(topic: number, updates: readonly (BookDelta | BookSnapshot)[], folding?: boolean): Promise<void>;
  load(topic: number): Promise<Book>;
  /** Stores the base anew; only where there is one. */
  fold?(topic: number): Promise<void>;
  keysOf(topic: number): readonly string[];
  close(): void;
}

/** A random integer of 48 bits, not 0. */
function newEpoch(): number {
  return randomBytes(6).readUIntBE(0, 6) || 1;
}

function encoded(writer: ByteWriter, updates: readonly (BookDelta | BookSnapshot)[]): (string | Buffer)[] {
  return updates.flatMap((update) => ['', Buffer.from(encodeUpdate(writer, update, Date.now() * 1_000))]);
}

export class LogKeeping implements Keeping {
  readonly name = 'log';
  folds = 0;
  private readonly writer = new ByteWriter();
  private readonly folding = new Set<number>();

  private constructor(
    private readonly link: RedisLink,
    private readonly scripts: RedisScripts,
  ) {}

  static async open(url: string): Promise<LogKeeping> {
    const link = new RedisLink({ url, onTrouble: () => {} });
    const scripts = new RedisScripts({ port: link, newEpoch, logEntriesMax });
    await new Promise<void>((up) => {
      const ignore = (): void => {};
      const others = { down: ignore, channelsUp: ignore, channelsDown: ignore, subscribed: ignore, message: ignore };
      link.open({ up: () => up(), ...others });
    });
    return new LogKeeping(link, scripts);
  }

  async publish(topic: number, updates: readonly (BookDelta | BookSnapshot)[], folding = true): Promise<void> {
    const call = { nonce: newEpoch(), scales: SCALES, token: '', expectedSeq: '', againUs: null };
    const answer = await this.scripts.publish(keysOf(topic), { ...call, updates: encoded(this.writer, updates) });
    const refused = answer.results.find((result) => typeof result !== 'number');
    if (refused !== undefined) throw new Error(`the script answered ${refused}`);
    if (!answer.fold || !folding || this.folding.has(topic)) return;
    this.folding.add(topic);
    await this.fold(topic);
    this.folding.delete(topic);
    this.folds += 1;
  }

  async load(topic: number): Promise<Book> {
    const stored = await this.scripts.book(keysOf(topic), SCALES);
    return bookOf(stored, stored.entries, tombstonesMax);
  }

  async fold(topic: number): Promise<void> {
    const stored = await this.scripts.book(keysOf(topic), SCALES);
    const book = bookOf(stored, stored.entries, tombstonesMax);
    await this.scripts.fold(keysOf(topic), stored.epoch, stored.seq, encodeBase(book.state()));
  }

  keysOf(topic: number): readonly string[] {
    return keysOf(topic).all;
  }

  close(): void {
    this.link.close();
  }
}

export class KeptKeeping implements Keeping {
  readonly name = 'kept';
  folds = 0;
  private readonly writer = new ByteWriter();

  private constructor(
    private readonly redis: Redis,
    private readonly hashes: { readonly publish: string; readonly load: string },
  ) {}

  static async open(url: string): Promise<KeptKeeping> {
    const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
    await redis.connect();
    const known = async (file: string): Promise<string> =>
      String(await redis.script('LOAD', readFileSync(new URL(file, import.meta.url), 'utf8')));
    return new KeptKeeping(redis, { publish: await known('kept-state.lua'), load: await known('kept-load.lua') });
  }

  async publish(topic: number, updates: readonly (BookDelta | BookSnapshot)[]): Promise<void> {
    const limits = [logEntriesMax, tombstonesMax, ''];
    const args = [REDIS_FORMAT, newEpoch(), newEpoch(), '', SCALES, '', ...limits, ...encoded(this.writer, updates)];
    const reply = await this.call(this.hashes.publish, this.keysOf(topic), args);
    const refused = listOf(reply).find((each) => typeof each !== 'number');
    if (refused !== undefined) throw new Error(`the script answered ${textOf(refused)}`);
  }

  async load(topic: number): Promise<Book> {
    const [head, , levels, , , gone] = this.keysOf(topic);
    const [, seq, horizonSeq, held, tombstones] = listOf(
      await this.call(this.hashes.load, [head!, levels!, gone!], []),
    );
    const live = { b: [] as number[][], a: [] as number[][] };
    for (const [field, value] of pairsOf(held))
      live[sideOf(field)].push([priceOf(field), ...value.split(':').map(Number)]);
    const left = { b: [] as number[][], a: [] as number[][] };
    for (const [field, goneSeq] of pairsOf(tombstones)) left[sideOf(field)].push([priceOf(field), Number(goneSeq)]);
    const state = {
      seq: integerOf(seq),
      horizonSeq: integerOf(horizonSeq),
      bids: inOrder(live.b, 0).flat(),
      asks: inOrder(live.a, 0).reverse().flat(),
      goneBids: inOrder(left.b, 1).flat(),
      goneAsks: inOrder(left.a, 1).flat(),
    };
    return Book.load(state, tombstonesMax);
  }

  keysOf(topic: number): readonly string[] {
    const { topic: head, log } = keysOf(topic);
    return [head, log, ...['levels', 'bids', 'asks', 'gone', 'keys'].map((name) => `${head}:${name}`)];
  }

  close(): void {
    this.redis.disconnect();
  }

  private async call(
    hash: string,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ): Promise<RedisReply> {
    const reply = (await this.redis.callBuffer('EVALSHA', [hash, keys.length, ...keys, ...args])) as RedisReply;
    if (refusalOf(reply) !== null) throw new Error(`the script answered ${refusalOf(reply)}`);
    return reply;
  }
}

function keysOf(topic: number): TopicKeys {
  return topicKeys(PREFIX, 'book', symbolOf(topic));
}

function pairsOf(reply: RedisReply | undefined): [string, string][] {
  const flat = listOf(reply).map((each) => Buffer.from(bytesOf(each)).toString('latin1'));
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!]);
}

function sideOf(field: string): 'b' | 'a' {
  return field.startsWith('b') ? 'b' : 'a';
}

function priceOf(field: string): number {
  return Number(field.slice(1));
}

/** By the numbers in one column: books are loaded with levels from the worst on, and tombstones from the oldest on. */
function inOrder(rows: number[][], column: number): number[][] {
  return rows.sort((one, other) => one[column]! - other[column]!);
}
