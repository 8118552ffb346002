// Owns what the scripts of proto/redis/ do, written once more in plain TypeScript: the topics of one server, in memory. The simulated
// Redis runs it; test/bus/redis-script.test.ts holds it against the real scripts on a real server. Invariant: given the same calls at
// the same times it answers, logs and publishes the same bytes as the Lua texts do.

import type { RedisArgument, RedisReply, RedisScript } from '../../src/ports/redis.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import type { Packed } from './packed.ts';
import { SessionModel } from './redis-session-model.ts';
import { misshapen, readable, repacked } from './redis-shape.ts';

export interface ModelEntry {
  readonly seq: number;
  readonly nonce: number;
  readonly publishUs: number;
  readonly bytes: Uint8Array;
}

/** A topic's four keys. Of a topic that was only leased there is no epoch. */
export interface ModelTopic {
  epoch: number | null;
  seq: number;
  nonce: number;
  whole: boolean;
  replication: string;
  scales: string;
  token: number | null;
  leasedUntilMs: number | null;
  doubted: boolean;
  base: number;
  baseBytes: number;
  foldAskedSeq: number;
  horizon: number;
  publishUs: number;
  exchangeUs: number | null;
  baseState: Uint8Array | null;
  log: ModelEntry[];
  /** By idempotency key its seq. */
  keys: Map<string, number>;
}

/** What the model tells of as it happens. */
export interface ModelEvents {
  published(channel: string, message: Uint8Array): void;
  /** An update has its place. */
  sequenced(topic: string, epoch: number, entry: ModelEntry, update: readonly Packed[], publishUs: number): void;
  /** A topic begins, or begins anew. */
  began(topic: string, epoch: number, scales: string): void;
}

/** The server has no memory left: nothing was done. */
export class OutOfMemory extends Error {}

const KEYS_MAX = 1_024;
const FOLD_ENTRIES_MIN = 256;
const FOLD_BYTES_PER_ENTRY = 128;
const UNFOLDED_FACTOR = 16;
/** What an approximate trim removes at most, in nodes of the stream. */
const TRIMMED_NODES_MAX = 100;

type Scripts = Readonly<Record<RedisScript, (keys: readonly string[], args: readonly RedisArgument[]) => RedisReply>>;

export class RedisModel {
  topics = new Map<string, ModelTopic>();
  /** Writes that take memory fail. */
  full = false;
  readonly sessions = new SessionModel(
    () => this.nowUs() / 1_000,
    () => this.takeMemory(),
  );
  private readonly writer = new ByteWriter();

  constructor(
    private readonly events: ModelEvents,
    private readonly nowUs: () => number,
    /** Entries that a node of a stream has: trimmed are whole nodes only. */
    private readonly nodeEntries = 1,
  ) {}

  /** @throws OutOfMemory */
  run(script: RedisScript, keys: readonly string[], args: readonly RedisArgument[]): RedisReply {
    return args[0] === 1 ? this.scripts[script](keys, args) : [text('other-format'), text(String(args[0]))];
  }

  /** XRANGE. */
  range(log: string, firstSeq: number, lastSeq: number, countMax: number): RedisReply {
    const entries = this.topics.get(log.slice(0, -':log'.length))?.log ?? [];
    return listed(entries.filter(({ seq }) => seq >= firstSeq && seq <= lastSeq).slice(0, countMax));
  }

  private readonly scripts: Scripts = {
    publish: ([topic], args) => this.publish(topic!, args),
    load: ([topic], args) => this.load(topic!, args),
    fold: ([topic], args) => this.fold(topic!, args),
    renew: ([topic], args) => this.renew(topic!, args),
    doubt: ([topic], args) => this.doubt(topic!, args),
    lease: ([topic], args) => this.lease(topic!, args),
    list: notModelled,
    taker: notModelled,
    session: (keys, args) => this.sessions.write(keys, args),
    'session-redeem': (keys, args) => this.sessions.redeem(keys, args),
    'session-keys': notModelled,
  };

  private publish(name: string, args: readonly RedisArgument[]): RedisReply {
    const [newEpoch, nonce, replicationId, ownScales, fence, expected, logMax] = [
      Number(args[1]),
      Number(args[2]),
      `${args[3]}`,
      `${args[4]}`,
      `${args[5]}`,
      `${args[6]}`,
      Number(args[7]),
    ];
    const againUs = `${args[8]}`;
    const nowUs = this.nowUs();
    const held = this.topics.get(name);
    const fresh = held?.epoch == null;
    const topic = held ?? emptyTopic();
    const epoch = topic.epoch ?? newEpoch;
    let { replication, scales } = topic;
    if (fresh) [replication, scales] = [replicationId, ownScales];
    else {
      if (replicationId !== '' && replication !== '' && replicationId !== replication) {
        return [text('other-replication'), epoch];
      }
      if (ownScales !== '' && scales !== ownScales) {
        if (scales !== '' && scales !== '-') return [text('other-scales'), text(scales)];
        scales = ownScales;
      }
    }
    const leased = topic.leasedUntilMs !== null && topic.leasedUntilMs * 1_000 > nowUs;
    if (fence === '') {
      if (leased) return [text('leased'), text(`${topic.token}`)];
    } else if (!leased || fence !== `${topic.token}`) return [text('fenced'), text(`${topic.token ?? ''}`)];

    const channel = /{(\w+):/.exec(name)?.[1];
    const updates: (readonly Packed[])[] = [];
    for (let at = 10; at < args.length; at += 2) {
      const update = readable(bytesOf(args[at]!));
      if (update === null || misshapen(update, channel)) return [text('bad-update'), updates.length];
      updates.push(update);
    }
    const places = new Map<number, number>();
    if (againUs !== '') {
      const found = topic.log.slice(-logMax);
      for (const entry of [...found].reverse()) {
        const index = entry.nonce - nonce;
        if (index >= 0 && index < updates.length) places.set(index, entry.seq);
      }
      const reaches = found.length < logMax || found[0]!.publishUs <= nowUs - Number(againUs);
      if (places.size === 0 && !reaches) return [text('unsure'), found.length];
    }
    const repeated = places.size > 0;
    if (expected !== '' && !repeated && Number(expected) !== topic.seq) return [text('moved'), topic.seq];

    let { seq, base, whole, doubted } = topic;
    const before = seq;
    let last: number | null = null;
    let resumed = false;
    const results: RedisReply[] = [];
    for (const [index, update] of updates.entries()) {
      const key = `${args[9 + 2 * index]}`;
      const kind = update[0] as number;
      const known = key === '' ? undefined : topic.keys.get(key);
      const place = places.get(index) ?? (known === undefined ? undefined : -known);
      const full = kind <= 1 && seq - base >= UNFOLDED_FACTOR * logMax;
      if (place !== undefined) results.push(place);
      else if (kind <= 1 && (repeated || (kind === 0 && (full || !whole)))) results.push(text('needs-snapshot'));
      else if (repeated) results.push(text('unsure'));
      else {
        // What frees memory may be done without any, and what follows it then as well.
        if (full) {
          topic.baseState = null;
          [base, resumed] = [seq, true];
        } else if (last === null && !resumed) this.takeMemory();
        [seq, last] = [seq + 1, index];
        if (fresh && results.every((result) => typeof result !== 'number')) this.begin(name, topic, epoch, scales);
        const entry = this.entry(epoch, seq, nowUs, nonce + index, repacked(update));
        topic.log.push(entry);
        let keep = seq - logMax + 1;
        if (kind <= 1 && keep > base + 1) keep = base + 1;
        this.trim(topic.log, keep);
        this.events.sequenced(name, epoch, entry, update, nowUs);
        this.events.published(name, entry.bytes);
        if (kind === 1) [whole, doubted] = [true, false];
        if (key !== '') remember(topic.keys, key, seq);
        results.push(seq);
      }
    }
    if (last === null) return [epoch, 0, ...results];
    const { baseBytes, foldAskedSeq } = topic;
    Object.assign(topic, { epoch, seq, whole, replication, scales, doubted, nonce: nonce + last, publishUs: nowUs });
    topic.exchangeUs = (updates[last]![1] ?? null) as number | null;
    if (resumed) Object.assign(topic, { base, baseBytes: 0, horizon: base + 1 });
    const unfolded = FOLD_ENTRIES_MIN + baseBytes / FOLD_BYTES_PER_ENTRY;
    const asked = (updates[last]![0] as number) <= 1 && seq - base >= unfolded && seq - foldAskedSeq >= unfolded;
    if (asked) topic.foldAskedSeq = seq;
    if (before > seq) throw new Error('a sequence went back');
    return [epoch, asked ? 1 : 0, ...results];
  }

  private load(name: string, args: readonly RedisArgument[]): RedisReply {
    const [newEpoch, replicationId, scales, what, countMax] = [
      Number(args[1]),
      `${args[2]}`,
      `${args[3]}`,
      `${args[4]}`,
      Number(args[5]),
    ];
    let topic = this.topics.get(name);
    if (topic?.epoch == null) {
      this.takeMemory();
      topic = { ...emptyTopic(), token: topic?.token ?? null, leasedUntilMs: topic?.leasedUntilMs ?? null };
      topic.replication = replicationId;
      this.begin(name, topic, newEpoch, scales);
    } else if (replicationId !== '' && topic.replication !== '' && topic.replication !== replicationId) {
      return [text('other-replication'), topic.epoch];
    } else if (scales !== '' && topic.scales !== scales) {
      if (topic.scales !== '' && topic.scales !== '-') return [text('other-scales'), text(topic.scales)];
      this.takeMemory();
      topic.scales = scales;
    }
    const { epoch, seq, nonce, publishUs, exchangeUs, doubted, base, log } = topic;
    const answer: RedisReply[] = [epoch, seq, nonce, publishUs, exchangeUs ?? -1, doubted ? 1 : 0, base];
    if (what === 'head') return answer;
    if (what !== 'book') return [...answer, listed(log.slice(-countMax).reverse())];
    return [...answer, topic.horizon, topic.baseState ?? text('')];
  }

  private fold(name: string, [, epoch, seq, state]: readonly RedisArgument[]): RedisReply {
    const topic = this.topics.get(name);
    const at = Number(seq);
    if (topic?.epoch == null || `${topic.epoch}` !== `${epoch}` || at > topic.seq || at <= topic.base) return [0];
    this.takeMemory();
    topic.baseState = state as Uint8Array;
    topic.base = at;
    topic.baseBytes = topic.baseState.length;
    return [1];
  }

  private renew(name: string, [, expected, newEpoch, replicationId, ownScales]: readonly RedisArgument[]): RedisReply {
    const topic = this.topics.get(name);
    if (topic?.epoch == null) return [0, 0];
    const wanted = `${expected}` === '' ? topic.scales !== `${ownScales}` : `${topic.epoch}` === `${expected}`;
    if (!wanted) return [topic.epoch, 0];
    const epoch = Number(newEpoch);
    const scales = `${ownScales}` === '' ? topic.scales : `${ownScales}`;
    const { token, leasedUntilMs } = topic;
    const next = { ...emptyTopic(), token, leasedUntilMs, replication: `${replicationId}` };
    this.begin(name, next, epoch, scales);
    this.events.published(name, this.head(epoch, 0, this.nowUs(), 0));
    return [epoch, 1];
  }

  private doubt(name: string, [, doubted]: readonly RedisArgument[]): RedisReply {
    const topic = this.topics.get(name);
    if (topic?.epoch == null || topic.doubted === (doubted === '1')) return [0];
    this.takeMemory();
    topic.doubted = doubted === '1';
    const head = this.head(topic.epoch, topic.seq, this.nowUs(), 0);
    this.events.published(name, Buffer.concat([head, Uint8Array.of(0x92, 5, topic.doubted ? 1 : 0)]));
    return [1];
  }

  private lease(name: string, [, op, token, ttlMs]: readonly RedisArgument[]): RedisReply {
    const held = this.topics.get(name);
    const nowMs = Math.floor(this.nowUs() / 1_000);
    const untilMs = held?.leasedUntilMs ?? null;
    const leased = untilMs !== null && untilMs > nowMs;
    const mine = leased && `${token}` === `${held!.token}`;
    if (op === 'release') {
      if (mine) {
        this.takeMemory();
        held!.leasedUntilMs = 0;
      }
      return [mine ? 1 : 0];
    }
    if (leased && !mine) return [text('leased'), untilMs - nowMs];
    this.takeMemory();
    const topic = held ?? emptyTopic();
    this.topics.set(name, topic);
    if (!mine) topic.token = Math.max((topic.token ?? 0) + 1, nowMs);
    topic.leasedUntilMs = nowMs + Number(ttlMs);
    return [topic.token, Number(ttlMs)];
  }

  private begin(name: string, topic: ModelTopic, epoch: number, scales: string): void {
    topic.epoch = epoch;
    topic.scales = scales;
    this.topics.set(name, topic);
    this.events.began(name, epoch, scales);
  }

  private takeMemory(): void {
    if (this.full) throw new OutOfMemory("OOM command not allowed when used memory > 'maxmemory'.");
  }

  private trim(log: ModelEntry[], keep: number): void {
    const { nodeEntries } = this;
    let trimmed = 0;
    while (trimmed < TRIMMED_NODES_MAX * nodeEntries) {
      const last = log[trimmed + nodeEntries - 1];
      if (last === undefined || last.seq >= keep) break;
      trimmed += nodeEntries;
    }
    log.splice(0, trimmed);
  }

  private entry(epoch: number, seq: number, nowUs: number, nonce: number, update: RedisArgument): ModelEntry {
    return {
      seq,
      nonce,
      publishUs: nowUs,
      bytes: Buffer.concat([this.head(epoch, seq, nowUs, nonce), bytesOf(update)]),
    };
  }

  private head(epoch: number, seq: number, nowUs: number, nonce: number): Uint8Array {
    this.writer.length = 0;
    this.writer.value([1, epoch, seq, nowUs, nonce]);
    return this.writer.copy();
  }
}

export function emptyTopic(): ModelTopic {
  return {
    epoch: null,
    seq: 0,
    nonce: 0,
    whole: false,
    replication: '',
    scales: '',
    token: null,
    leasedUntilMs: null,
    doubted: false,
    base: 0,
    baseBytes: 0,
    foldAskedSeq: 0,
    horizon: 0,
    publishUs: 0,
    exchangeUs: null,
    baseState: null,
    log: [],
    keys: new Map(),
  };
}

/** What it is now, whatever becomes of it. */
export function copyOf(topics: ReadonlyMap<string, ModelTopic>): Map<string, ModelTopic> {
  const copied = [...topics].map(([name, topic]) => {
    const copy: ModelTopic = { ...topic, log: [...topic.log], keys: new Map(topic.keys) };
    return [name, copy] as const;
  });
  return new Map(copied);
}

function notModelled(): never {
  throw new Error('a script that is not modelled was called');
}

function remember(keys: Map<string, number>, key: string, seq: number): void {
  keys.set(key, seq);
  if (keys.size <= KEYS_MAX) return;
  // A sorted set gives the lowest score first, and of equal ones the lesser name; scores are never equal here.
  const [oldest] = [...keys].reduce((least, each) => (each[1] < least[1] ? each : least));
  keys.delete(oldest);
}

function listed(entries: readonly ModelEntry[]): RedisReply {
  return entries.map(({ seq, bytes }) => [text(`${seq}-0`), [text('e'), bytes]]);
}

function text(value: string): Uint8Array {
  return Buffer.from(value);
}

function bytesOf(argument: RedisArgument): Uint8Array {
  return argument instanceof Uint8Array ? argument : text(`${argument}`);
}
