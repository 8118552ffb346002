// Owns what becomes of a client's view of the market on its way into a recording: order, time, blocks, and the states that
// reading may begin at. `tickwire record` feeds it from a ClientStream. Invariant: the updates of a topic are written in
// their sequence, and what did not arrive is written as a gap or as a fresh start, never passed over.

import type { Held } from '../client/stream.ts';
import type { Instrument } from '../market/instrument.ts';
import { LEVEL_STRIDE } from '../market/update.ts';
import type { ChannelFrame, EndFrame, GapFrame, ResetFrame, TopicFrame } from '../protocol/frames.ts';
import type { BlockKind, Description } from './layout.ts';
import { BlockBuilder, flatLevels, type Item, isData, type TopicFrames } from './records.ts';
import { RecordingWriter } from './writer.ts';

/** Contents of a block from which it is closed: deflate gains little beyond. */
const BLOCK_BYTES = 256 * 1_024;
/** A block is closed at this age: what a crash loses at most. */
const BLOCK_AGE_MS = 1_000;
/** States are written again when they would be at most a fifth of the file, and not more often than this. */
const KEY_AGE_MS = 10_000;
const KEY_SHARE = 4;
/** States of very many topics go on in blocks of about this. */
const STATES_BYTES = 4 * 2 ** 20;

interface Kept {
  readonly held: Held;
  /** With the recording's number. */
  readonly topic: TopicFrame;
  /** Of this epoch. */
  newest: ChannelFrame | null;
}

/** What was recorded so far. */
export interface RecorderCounts {
  snapshots: number;
  updates: number;
  trades: number;
  quotes: number;
  statuses: number;
  gaps: number;
  /** Updates that the gateway merged into others, since this client was too slow. */
  merged: number;
}

const COUNTED_AS = { quote: 'quotes', trade: 'trades', status: 'statuses' } as const;

export class Recorder {
  readonly counts: RecorderCounts = {
    snapshots: 0,
    updates: 0,
    trades: 0,
    quotes: 0,
    statuses: 0,
    gaps: 0,
    merged: 0,
  };
  private readonly instruments = new Map<string, Instrument>();
  private readonly kept = new Map<string, Kept>();
  private waiting: Item[] = [];
  private flushDue = false;
  private block: BlockBuilder;
  private openedAtMs: number;
  private keyAtMs: number;
  private keyBytes = 0;
  private bytesSinceKey = 0;
  private lastUs: number;
  private topics = 0;
  private readonly timer: NodeJS.Timeout;

  private constructor(
    private readonly writer: RecordingWriter,
    startUs: number,
    /** Told once, when the disk takes no more. */
    private readonly onFailure: (error: unknown) => void,
  ) {
    this.lastUs = startUs;
    this.block = new BlockBuilder(startUs, 'key');
    this.openedAtMs = performance.now();
    this.keyAtMs = this.openedAtMs;
    this.timer = setInterval(() => this.closeAged(), BLOCK_AGE_MS / 4);
  }

  /** Begins a file. @param startUs the gateway's time. Rejects with EEXIST where there is such a file. */
  static async create(
    path: string,
    description: Description,
    startUs: number,
    onFailure: (error: unknown) => void,
  ): Promise<Recorder> {
    return new Recorder(await RecordingWriter.create(path, description), startUs, onFailure);
  }

  /** The source is to be held until `settled`: the disk is slower than it. */
  get congested(): boolean {
    return this.writer.congested;
  }

  get bytes(): number {
    return this.writer.bytes;
  }

  get symbols(): number {
    return this.instruments.size;
  }

  settled(): Promise<void> {
    return this.writer.settled();
  }

  /** What is known of an instrument. */
  instrument(instrument: Instrument): void {
    const known = this.instruments.get(instrument.symbol);
    if (known !== undefined && JSON.stringify(known) === JSON.stringify(instrument)) return;
    this.flush();
    this.instruments.set(instrument.symbol, instrument);
    this.block.note({ instrument });
  }

  connection(state: 'lost' | 'back'): void {
    this.flush();
    this.block.note({ connection: state });
  }

  /** A topic was announced: new, or of another epoch or definition. */
  topic(held: Held): void {
    const name = nameOf(held);
    const known = this.kept.get(name);
    const topic = { ...held.topic, topic: known?.topic.topic ?? ++this.topics };
    this.instrument(redefined(this.instruments.get(topic.symbol), topic));
    const newest = known?.topic.epoch === topic.epoch ? known.newest : null;
    this.kept.set(name, { held, topic, newest });
    this.wait({ topic, frame: null });
  }

  frame(held: Held, frame: ChannelFrame): void {
    const kept = this.kept.get(nameOf(held));
    if (kept === undefined) return;
    kept.newest = frame;
    this.count(frame);
    // What came in parts is whole only in the book.
    const whole = frame.type === 'book' && frame.parts > 0 ? stateOf(kept) : frame;
    this.wait({ topic: kept.topic, frame: whole });
  }

  gap(held: Held, frame: GapFrame): void {
    this.counts.gaps += 1;
    this.keep(held, frame);
  }

  /** For events it says where they begin; a state says that itself. */
  reset(held: Held, frame: ResetFrame): void {
    if (held.topic.channel === 'trade') this.keep(held, frame);
  }

  end(held: Held, frame: EndFrame): void {
    this.keep(held, frame);
    this.kept.delete(nameOf(held));
    this.instruments.delete(held.topic.symbol);
  }

  /** Brings everything to the disk and ends the file. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    this.flush();
    this.closeBlock();
    await this.writer.close();
  }

  private count(frame: ChannelFrame): void {
    const { counts } = this;
    if (frame.seq === 0) return;
    if (frame.type !== 'book') counts[COUNTED_AS[frame.type]] += 1;
    else if (frame.fromSeq === 0) counts.snapshots += 1;
    else {
      counts.updates += 1;
      counts.merged += frame.seq - frame.fromSeq - 1;
    }
  }

  private keep(held: Held, frame: TopicFrames): void {
    const kept = this.kept.get(nameOf(held));
    if (kept !== undefined) this.wait({ topic: kept.topic, frame });
  }

  /** What comes in one message is put into the order in which it was published, when the message is over. */
  private wait(item: Item): void {
    this.waiting.push(item);
    if (this.flushDue) return;
    this.flushDue = true;
    queueMicrotask(() => this.flush());
  }

  private flush(): void {
    this.flushDue = false;
    if (this.waiting.length === 0) return;
    const items = inOrder(this.waiting);
    this.waiting = [];
    this.block.frames('frames', items);
    if (this.block.bytes >= BLOCK_BYTES) this.closeBlock();
  }

  private closeAged(): void {
    if (performance.now() - this.openedAtMs >= BLOCK_AGE_MS) this.closeBlock();
  }

  private closeBlock(): void {
    const nowMs = performance.now();
    this.openedAtMs = nowMs;
    if (this.block.empty) return;
    const keyDue = nowMs - this.keyAtMs >= KEY_AGE_MS && this.bytesSinceKey >= KEY_SHARE * this.keyBytes;
    this.begin(keyDue ? 'key' : 'data');
    if (keyDue) this.writeStates(nowMs);
  }

  /** Hands over the block that is, and begins the next. */
  private begin(kind: BlockKind): void {
    const block = this.block.finish();
    this.bytesSinceKey += block.plain.length;
    this.lastUs = block.lastUs;
    this.writer.append(block);
    this.writer.settled().catch(this.onFailure);
    this.block = new BlockBuilder(this.lastUs, kind);
  }

  /** Everything that is held, from the begin of a block on. */
  private writeStates(nowMs: number): void {
    this.keyAtMs = nowMs;
    this.bytesSinceKey = 0;
    for (const instrument of this.instruments.values()) this.block.note({ instrument });
    for (const kept of this.kept.values()) {
      const frame = stateOf(kept);
      if (frame !== null) this.block.frames('states', [{ topic: kept.topic, frame }]);
      if (this.block.bytes >= STATES_BYTES) this.begin('data');
    }
    this.keyBytes = this.bytesSinceKey + this.block.bytes;
  }
}

function nameOf({ topic }: Held): string {
  return `${topic.channel}:${topic.symbol}`;
}

/** The instrument as its topic was announced; what an announcement does not say stays. */
function redefined(known: Instrument | undefined, topic: TopicFrame): Instrument {
  const { symbol, priceScale, sizeScale, tickSize, lotSize, stride, channel } = topic;
  const { negativePrices = false, quoteSource = 'book', orderCounts: counted = false } = known ?? {};
  const orderCounts = channel === 'book' ? stride === LEVEL_STRIDE : counted;
  return { symbol, priceScale, sizeScale, tickSize, lotSize, negativePrices, orderCounts, quoteSource };
}

/** What makes a reader hold the same, whatever it held; null where nothing sure is held. */
function stateOf({ held, topic, newest }: Kept): TopicFrames | null {
  if (!held.valid) return null;
  if (topic.channel === 'trade') return { type: 'reset', topic: topic.topic, seq: held.seq, reason: 'subscribed' };
  if (newest === null) return null;
  if (newest.type !== 'book') return { ...newest, fromSeq: 0 };
  const { book } = held;
  if (book === null) return null;
  const bids = flatLevels(book.bids, newest.stride);
  const asks = flatLevels(book.asks, newest.stride);
  return { ...newest, fromSeq: 0, parts: 0, checksum: book.checksum, bids, asks };
}

/** Data between two announcements or gaps by its time of publishing; within a topic the order never changes. */
function inOrder(items: readonly Item[]): Item[] {
  const ordered: Item[] = [];
  let run: { item: Item; timeUs: number }[] = [];
  let latestUs = new Map<number, number>();
  const endRun = (): void => {
    run.sort((a, b) => a.timeUs - b.timeUs);
    for (const { item } of run) ordered.push(item);
    run = [];
    latestUs = new Map();
  };
  for (const item of items) {
    const { topic, frame } = item;
    if (frame === null || !isData(frame)) {
      endRun();
      ordered.push(item);
      continue;
    }
    const timeUs = Math.max(frame.publishUs, latestUs.get(topic.topic) ?? 0);
    latestUs.set(topic.topic, timeUs);
    run.push({ item, timeUs });
  }
  endRun();
  return ordered;
}
