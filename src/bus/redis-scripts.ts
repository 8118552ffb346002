// Owns the calls of the scripts as the bus makes them: arguments, answers, and what a refusal by a script means. Follower,
// publishing and the bus itself call it. Invariant: an answer is read whole or the call fails; every call says who the server is
// believed to be, so that one that has changed is noticed by the first.

import type { RedisArgument, RedisPort, RedisReply, RedisScript } from '../ports/redis.ts';
import { REDIS_FORMAT } from './redis-entry.ts';
import type { TopicKeys } from './redis-keys.ts';
import {
  bytesOf,
  ENTRIES_AT_ONCE,
  entriesOf,
  integerOf,
  type LoggedEntry,
  listOf,
  refusalOf,
  textOf,
} from './redis-state.ts';

/** A script would not do it. `value` is what it said of the reason: the epoch, the scales, the token that it found. */
export class ScriptRefusal extends Error {
  override readonly name = 'ScriptRefusal';
  constructor(
    readonly code: string,
    readonly value: string,
  ) {
    super(`${code} ${value}`);
  }
}

/** Where a topic stands. */
export interface Head {
  readonly epoch: number;
  readonly seq: number;
  readonly nonce: number;
  readonly publishUs: number;
  readonly exchangeUs: number | null;
  /** Its source says that it has lost the market's book. */
  readonly doubted: boolean;
  /** The update up to which a book's log was folded. */
  readonly baseSeq: number;
}

export interface StoredBook extends Head {
  readonly horizonSeq: number;
  readonly base: Uint8Array;
  readonly entries: readonly LoggedEntry[];
}

export interface SequencedCall {
  readonly nonce: number;
  readonly scales: string;
  readonly token: string;
  readonly expectedSeq: string;
  /** Since it was first sent; null where this is the first time. */
  readonly againUs: number | null;
  /** For each update its key and its bytes. */
  readonly updates: readonly RedisArgument[];
}

export interface ScriptOptions {
  readonly port: RedisPort;
  readonly newEpoch: () => number;
  readonly logEntriesMax: number;
}

const BOOK_TRIES_MAX = 5;

export class RedisScripts {
  /** Empty until the server was asked. */
  replicationId = '';

  constructor(private readonly options: ScriptOptions) {}

  /** @returns the epoch, whether the log should be folded, and for each update its seq or the code of its refusal. */
  async publish(
    { all }: TopicKeys,
    { nonce, scales, token, expectedSeq, againUs, updates }: SequencedCall,
  ): Promise<{ epoch: number; fold: boolean; results: readonly (number | string)[] }> {
    const { newEpoch, logEntriesMax } = this.options;
    const flags = [scales, token, expectedSeq, logEntriesMax, againUs ?? ''];
    const reply = await this.run('publish', all, [newEpoch(), nonce, this.replicationId, ...flags, ...updates]);
    const [epoch, fold, ...results] = reply;
    return {
      epoch: integerOf(epoch),
      fold: fold === 1,
      results: results.map((each) => (typeof each === 'number' ? each : textOf(each))),
    };
  }

  async head(keys: TopicKeys, scales: string): Promise<Head> {
    return headOf(await this.load(keys, scales, 'head'));
  }

  /** @param breathe awaited now and then, by those who are in no hurry. */
  async book(keys: TopicKeys, scales: string, breathe?: () => Promise<void>): Promise<StoredBook> {
    for (let tries = 1; ; tries++) {
      const reply = await this.load(keys, scales, 'book');
      const head = headOf(reply);
      // Apart from the script: within it the same takes Redis six times as long.
      const entries = await this.range(keys, head.baseSeq + 1, head.seq, breathe);
      const whole = entries.length === head.seq - head.baseSeq && entries.every(({ epoch }) => epoch === head.epoch);
      if (whole) return { ...head, horizonSeq: integerOf(reply[7]), base: bytesOf(reply[8]), entries };
      // A fold, or another epoch, came between the two.
      if (tries >= BOOK_TRIES_MAX) throw new Error(`the log of ${keys.topic} does not go on from its base`);
    }
  }

  /** The newest entries, the oldest first. */
  async newest(keys: TopicKeys, scales: string, countMax: number): Promise<Head & { entries: readonly LoggedEntry[] }> {
    const reply = await this.load(keys, scales, 'recent', countMax);
    return { ...headOf(reply), entries: entriesOf(reply[7]).reverse() };
  }

  /** Entries from `firstSeq` to `lastSeq` as far as the log holds them. */
  async range(
    { log }: TopicKeys,
    firstSeq: number,
    lastSeq: number,
    breathe?: () => Promise<void>,
  ): Promise<LoggedEntry[]> {
    if (lastSeq < firstSeq) return [];
    const countMax = lastSeq - firstSeq + 1;
    const reply = listOf(await this.options.port.range(log, `${firstSeq}-0`, `${lastSeq}-0`, countMax));
    if (breathe === undefined) return entriesOf(reply);
    const entries: LoggedEntry[] = [];
    for (let at = 0; at < reply.length; at += ENTRIES_AT_ONCE) {
      await breathe();
      entries.push(...entriesOf(reply.slice(at, at + ENTRIES_AT_ONCE)));
    }
    return entries;
  }

  async fold({ all }: TopicKeys, epoch: number, seq: number, base: Uint8Array): Promise<void> {
    await this.run('fold', all, [epoch, seq, base]);
  }

  /** Begins a new epoch unless the present one is another than expected. @returns the present one. */
  async renew({ all }: TopicKeys, expectedEpoch: number | null, scales: string): Promise<number> {
    const epoch = this.options.newEpoch();
    const reply = await this.run('renew', all, [expectedEpoch ?? '', epoch, this.replicationId, scales]);
    return integerOf(reply[0]);
  }

  async doubt({ all }: TopicKeys, doubted: boolean): Promise<void> {
    await this.run('doubt', all, [doubted ? '1' : '0']);
  }

  /** @returns the fencing token. */
  async lease({ all }: TopicKeys, token: number | undefined, ttlMs: number): Promise<number> {
    return integerOf((await this.run('lease', all, ['take', token ?? '', ttlMs]))[0]);
  }

  async release({ all }: TopicKeys, token: number): Promise<boolean> {
    return (await this.run('lease', all, ['release', token, 0]))[0] === 1;
  }

  private load({ all }: TopicKeys, scales: string, what: string, countMax = 0): Promise<readonly RedisReply[]> {
    return this.run('load', all, [this.options.newEpoch(), this.replicationId, scales, what, countMax]);
  }

  private async run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
  ): Promise<readonly RedisReply[]> {
    const reply = await this.options.port.call(script, keys, [REDIS_FORMAT, ...args]);
    const code = refusalOf(reply);
    if (code === null) return listOf(reply);
    const [, value] = listOf(reply);
    throw new ScriptRefusal(code, value instanceof Uint8Array ? textOf(value) : String(value ?? ''));
  }
}

function headOf(reply: readonly RedisReply[]): Head {
  const at = (place: number): number => integerOf(reply[place]);
  const exchangeUs = at(4) < 0 ? null : at(4);
  const [epoch, seq, nonce, publishUs, baseSeq] = [at(0), at(1), at(2), at(3), at(6)];
  return { epoch, seq, nonce, publishUs, exchangeUs, doubted: reply[5] === 1, baseSeq };
}
