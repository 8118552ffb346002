// Owns what all topics share: identity, sequence, views, and the decision how a cursor is answered.
// The registry opens them, the bus feeds them, the flush and the send queue ask them. Invariant: every cursor gets an answer
// that is exact at `seq`: a difference, the ring's frames, or a fresh start that says why.

import type { Entry, TopicState } from '../bus/bus.ts';
import { TOMBSTONES_MAX } from '../market/book.ts';
import type { Instrument } from '../market/instrument.ts';
import type { TopicContext } from '../protocol/codec.ts';
import {
  type Channel,
  type ChannelFrame,
  type ResetReason,
  type Status,
  type TopicFrame,
  topicName,
} from '../protocol/frames.ts';
import type { ByteWriter } from '../protocol/writer.ts';
import { ANSWER_KINDS, type Answer, type AnswerKind } from './answer.ts';
import { type Chunk, joinChunks } from './chunks.ts';
import { Ring } from './ring.ts';
import type { Subscription } from './subscription.ts';
import { View, type ViewShape, viewKey } from './view.ts';

/** What a topic needs of the flush. */
export interface Turn {
  /** The view is answered in the next flush. */
  due(view: View): void;
  /** The view's answers that are on their way to the lane are not sent to it. @returns the seq that is held there without them. */
  withdraw(view: View, lane: number): number;
}

/** What topics may remember. */
export interface TopicLimits {
  /** Removed levels of a book. */
  readonly tombstonesMax: number;
  /** Frames of a ring. */
  readonly ringFramesMax: number;
}

export const TOPIC_LIMITS: TopicLimits = { tombstonesMax: TOMBSTONES_MAX, ringFramesMax: 1_024 };

/** Answers by kind, and encodings made for them; read by metrics and by the simulator. */
export class AnswerCounters {
  readonly byKind: Record<AnswerKind, number>;
  encodings = 0;
  shared = 0;
  parts = 0;
  /** Frames written for views. */
  frames = 0;
  /** Snapshots encoded, each once for all who begin with it. */
  snapshots = 0;
  /** Updates that topics took from the bus. */
  updates = 0;

  constructor() {
    this.byKind = Object.fromEntries(ANSWER_KINDS.map((kind) => [kind, 0])) as Record<AnswerKind, number>;
  }
}

export abstract class Topic {
  epoch = 0;
  seq = 0;
  /** Whether the bus's state has been loaded; before, nothing is answered. */
  ready = false;
  exchangeUs: number | null = null;
  publishUs = 0;
  health: Status = 'live';
  /** Monotonic time of the newest update. */
  updatedAtMs = 0;
  /** Changes since it was opened; of a derived topic those of its own. */
  updates = 0;
  /** `book:BTC-USD`, `book@10:BTC-USD`. */
  readonly name: string;
  protected ring: Ring | null = null;
  private contextOf: Instrument | null = null;
  private madeContext!: TopicContext;
  private readonly views = new Map<string, View>();
  /** Views without an interval: due with every update. */
  private readonly promptViews: View[] = [];
  private readonly subscriptions: Subscription[] = [];
  private readonly cache = new Map<string, readonly Chunk[]>();

  constructor(
    /** The same for the whole process. */
    readonly id: number,
    readonly channel: Channel,
    public instrument: Instrument,
    readonly turn: Turn,
    readonly counters: AnswerCounters,
    protected readonly limits: TopicLimits = TOPIC_LIMITS,
    /** Ticks that each level of a grouped book sums up; 0: not grouped. */
    readonly group = 0,
  ) {
    this.name = topicName(channel, instrument.symbol, group);
  }

  get symbol(): string {
    return this.instrument.symbol;
  }

  /** The newest sequence number that a cursor can have. */
  get headSeq(): number {
    return this.seq;
  }

  /** Whether the best bid stands above the best offer: several publishers may do that to a book. */
  get crossed(): boolean {
    return false;
  }

  get stride(): number {
    return this.instrument.orderCounts && this.channel === 'book' ? 3 : 2;
  }

  /** What the codecs need to know; the same object until the instrument changes. */
  get context(): TopicContext {
    if (this.contextOf !== this.instrument) {
      const { channel, symbol, stride } = this;
      const { priceScale, sizeScale } = this.instrument;
      this.madeContext = { channel, symbol, priceScale, sizeScale, stride };
      this.contextOf = this.instrument;
    }
    return this.madeContext;
  }

  get frame(): TopicFrame {
    const { id, epoch, group } = this;
    const { tickSize, lotSize } = this.instrument;
    const { channel, symbol, priceScale, sizeScale, stride } = this.context;
    // Written out: clients that come back are sent hundreds.
    const frame = {
      type: 'topic' as const,
      topic: id,
      epoch,
      channel,
      symbol,
      priceScale,
      sizeScale,
      stride,
      tickSize,
      lotSize,
    };
    return group === 0 ? frame : { ...frame, tickSize: tickSize * group, group };
  }

  get users(): number {
    return this.subscriptions.length;
  }

  everyView(visit: (view: View) => void): void {
    for (const view of this.views.values()) visit(view);
  }

  /** Takes the bus's present state. Updates that came in between are applied by the registry afterwards. */
  load(state: TopicState, nowMs: number): void {
    this.restart(state.epoch);
    this.seq = state.seq;
    this.exchangeUs = state.exchangeUs;
    this.publishUs = state.publishUs;
    this.updatedAtMs = nowMs;
    this.absorbState(state);
    this.ready = true;
    this.wakeAll();
  }

  /** The next update of the epoch. */
  apply(entry: Entry, nowMs: number): void {
    const fromSeq = this.seq;
    this.seq = entry.seq;
    this.counters.updates += 1;
    this.absorb(entry);
    this.advanced(fromSeq, entry.exchangeUs, entry.publishUs, nowMs);
  }

  /** Everything known is void; clients are told when their next answer is made. */
  restart(epoch: number): void {
    this.everyView((view) => view.scatter());
    this.epoch = epoch;
    this.seq = 0;
    this.exchangeUs = null;
    this.publishUs = 0;
    this.cache.clear();
    this.ring?.clear();
    this.clear();
    this.wakeAll();
  }

  /** The instrument changed within its epoch: clients get a new topic frame. */
  redefine(instrument: Instrument): void {
    this.instrument = instrument;
    this.cache.clear();
    // The topic frame goes out before anything is encoded the new way.
    this.everyView((view) => view.scatter());
    for (const subscription of this.subscriptions) {
      subscription.topicDue = true;
      subscription.recipient.wake(subscription);
    }
  }

  /** This node's view of the topic changed; clients get a health frame. */
  judge(health: Status): void {
    if (this.health === health) return;
    this.health = health;
    for (const subscription of this.subscriptions) {
      subscription.healthDue = true;
      subscription.recipient.wake(subscription);
    }
  }

  /** Ends all subscriptions. */
  end(): void {
    while (this.subscriptions.length > 0) {
      const subscription = this.subscriptions[this.subscriptions.length - 1]!;
      this.remove(subscription);
      subscription.recipient.end(subscription);
    }
  }

  /** The view of a shape; made when nobody had it yet. */
  view(shape: ViewShape): View {
    const key = viewKey(shape);
    let view = this.views.get(key);
    if (view === undefined) {
      view = new View(this, shape);
      this.views.set(key, view);
      if (shape.intervalMs === 0) this.promptViews.push(view);
      if (shape.mode === 'raw') this.ring ??= new Ring(this.limits.ringFramesMax);
    }
    return view;
  }

  add(subscription: Subscription): void {
    subscription.topicPlace = this.subscriptions.length;
    this.subscriptions.push(subscription);
    subscription.view.users += 1;
  }

  remove(subscription: Subscription): void {
    this.detach(subscription);
    const last = this.subscriptions.length - 1;
    const moved = this.subscriptions[last]!;
    this.subscriptions[subscription.topicPlace] = moved;
    moved.topicPlace = subscription.topicPlace;
    this.subscriptions.pop();
    subscription.topicPlace = -1;
  }

  /** Gives the subscription another shape; it keeps its cursor. */
  reshape(subscription: Subscription, shape: ViewShape): void {
    const view = this.view(shape);
    if (view === subscription.view) return;
    this.detach(subscription);
    subscription.view = view;
    view.users += 1;
    subscription.answer = null;
  }

  /** What brings the subscription's client to now. */
  answer(subscription: Subscription, nowUs: number): Answer {
    const answer = this.decide(subscription, nowUs);
    this.counters.byKind[answer.kind] += 1;
    return answer;
  }

  /** Appends what brings the members of a view to now. @returns false where there is nothing that they need. */
  abstract writeShared(writer: ByteWriter, view: View, gatewayUs: number): boolean;

  /** Appends a frame that only moves the members' cursor on to `view.scannedSeq`. */
  abstract writeEmpty(writer: ByteWriter, view: View, gatewayUs: number): void;

  protected abstract absorbState(state: TopicState): void;
  protected abstract absorb(entry: Entry): void;
  protected abstract clear(): void;
  /** The frame of the update from `fromSeq` to `seq` alone, for the ring; its `gatewayUs` is 0 until it is sent. */
  protected abstract ringFrame(fromSeq: number): ChannelFrame;
  /** An answer that presupposes nothing. */
  protected abstract fresh(
    kind: AnswerKind,
    reason: ResetReason | null,
    subscription: Subscription,
    nowUs: number,
  ): Answer;
  /** An answer in live mode to a cursor of this epoch, not from the future. */
  protected abstract difference(subscription: Subscription, nowUs: number): Answer;

  /** After an update was absorbed: keeps its frame where rings are kept, and calls the views. */
  protected advanced(fromSeq: number, exchangeUs: number | null, publishUs: number, nowMs: number): void {
    this.exchangeUs = exchangeUs;
    this.publishUs = publishUs;
    this.updatedAtMs = nowMs;
    this.updates += 1;
    if (this.cache.size > 0) this.cache.clear();
    if (this.ring !== null) this.ring.push(fromSeq, this.ringFrame(fromSeq));
    for (const view of this.promptViews) this.turn.due(view);
  }

  /** Derived from `source`, it is at its seq. */
  protected takeStamps(source: Topic, nowMs: number): void {
    this.seq = source.seq;
    this.exchangeUs = source.exchangeUs;
    this.publishUs = source.publishUs;
    this.updatedAtMs = nowMs;
  }

  /** Chunks under a key that holds until the next update: made once, whoever asks. */
  protected shared(key: string, make: () => readonly Chunk[]): readonly Chunk[] {
    let chunks = this.cache.get(key);
    if (chunks === undefined) {
      chunks = make();
      this.counters.encodings += 1;
      if (chunks.length > 1) this.counters.parts += chunks.length;
      this.cache.set(key, chunks);
    } else this.counters.shared += 1;
    return chunks;
  }

  /** The ring's frames after a cursor, or null where it has moved on. */
  protected fromRing(kind: AnswerKind, seq: number, { view }: Subscription, nowUs: number): Answer | null {
    const { ring } = this;
    const first = ring?.indexAfter(seq) ?? null;
    if (ring === null || first === null) return null;
    const chunks = this.shared(`ring/${seq}/${view.codec.name}`, () => {
      const frames: Chunk[] = [];
      for (let i = first; i < ring.length; i++) frames.push(...ring.chunks(i, view.codec, this.context, nowUs));
      return joinChunks(frames);
    });
    return { kind, epoch: this.epoch, seq: this.seq, chunks, reset: null, gap: null };
  }

  /** Appends the ring's frames after the view's cursor. Where the ring has moved on, each member is answered by itself. */
  protected writeRing(writer: ByteWriter, view: View, gatewayUs: number): boolean {
    const { ring } = this;
    if (this.seq <= view.sentSeq) return false;
    const first = ring?.indexAfter(view.sentSeq) ?? null;
    if (ring === null || first === null) {
      view.scatter();
      return false;
    }
    const { context } = this;
    let baseUs = gatewayUs;
    for (let i = first; i < ring.length; i++) {
      const madeUs = ring.gatewayUs(i) || gatewayUs;
      if (view.codec.relativeTimes && madeUs !== baseUs) {
        baseUs = madeUs;
        view.codec.encode(writer, { type: 'time', timeUs: baseUs });
      }
      ring.write(writer, i, view.codec, context, gatewayUs);
      this.counters.frames += 1;
    }
    // Frames of other topics may follow in the same message: they count from the flush's time.
    if (baseUs !== gatewayUs) view.codec.encode(writer, { type: 'time', timeUs: gatewayUs });
    return true;
  }

  /** An answer without anything to send. */
  protected current(): Answer {
    return { kind: 'current', epoch: this.epoch, seq: this.seq, chunks: [], reset: null, gap: null };
  }

  private decide(subscription: Subscription, nowUs: number): Answer {
    const { epoch, seq, depth, resetDue, view } = subscription;
    if (resetDue !== null) return this.fresh('requested', resetDue, subscription, nowUs);
    if (epoch === 0) return this.fresh('first', null, subscription, nowUs);
    if (epoch !== this.epoch) return this.fresh('epoch', 'epoch', subscription, nowUs);
    if (seq > this.headSeq) return this.fresh('future', 'future', subscription, nowUs);
    // A raw book is full: a client that holds less is widened first.
    const everyUpdate = view.mode === 'raw' && !subscription.merging && depth === view.depth;
    return everyUpdate ? this.afterCursor(subscription, nowUs) : this.difference(subscription, nowUs);
  }

  /** Every update after a cursor, or from the oldest that is left, with the gap named. */
  protected afterCursor(subscription: Subscription, nowUs: number): Answer {
    const { seq } = subscription;
    if (seq >= this.seq) return this.current();
    return this.fromRing('ring', seq, subscription, nowUs) ?? this.pastGap(subscription, nowUs);
  }

  /** The ring has moved on: for state channels what is missing is named, and a snapshot follows. */
  protected pastGap(subscription: Subscription, nowUs: number): Answer {
    const gap = { firstSeq: subscription.seq + 1, lastSeq: this.seq, reason: 'ring' as const };
    return { ...this.fresh('gap', 'gap', subscription, nowUs), gap };
  }

  private detach(subscription: Subscription): void {
    const { view } = subscription;
    if (subscription.inStep) view.leave(subscription);
    view.users -= 1;
    if (view.users > 0) return;
    this.views.delete(viewKey(view));
    const place = this.promptViews.indexOf(view);
    if (place >= 0) this.promptViews.splice(place, 1);
  }

  private wakeAll(): void {
    for (const subscription of this.subscriptions) {
      subscription.topicDue = true;
      subscription.recipient.wake(subscription);
    }
  }
}
