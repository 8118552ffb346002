// Owns what all subscriptions have in common: their wishes, what the gateway granted, how they end and how they heal.
// The switchboard calls it with each answer and frame. Invariant: once closed it hears nothing more, and whoever waited was told.

import { formatDecimal } from '../protocol/decimal.ts';
import type { Accepted, Channel, ChannelFrame, ResetFrame } from '../protocol/frames.ts';
import { ownError, type TickwireError } from './error.ts';
import type { HealEvent, TopicName } from './events.ts';
import { cursorOf, type Held, noCounters, type SubscribeOptions } from './held.ts';
import type { Counters } from './subscription.ts';

export type LineWishes = Omit<SubscribeOptions, 'cursor'>;

/** What a line asks of its client. */
export interface Desk {
  /** The line is new, or its wishes have changed. */
  ask(line: Line): void;
  drop(line: Line): void;
  healed(line: Line, how: Omit<HealEvent, keyof TopicName>): void;
  /** Trades were dropped because their loop is too slow. */
  overflowedBy(line: Line, firstSeq: number, lastSeq: number): void;
}

interface Waiter {
  readonly wishes: LineWishes;
  resolve(accepted: Accepted): void;
  reject(error: TickwireError): void;
}

interface Wound {
  readonly heldSeq: number;
  readonly sinceMs: number;
  readonly cursor: boolean;
  reason: HealEvent['reason'];
  rounds: number;
}

export abstract class Line {
  inForce: Accepted | null = null;
  closed = false;
  error: TickwireError | null = null;
  /** Whether the present connection has granted it. Frames before that belong to an earlier subscription. */
  granted = false;
  /** Its cursor is on its way: another request must not bring it again, since what it leads to may have arrived. */
  private brought = false;
  /** How often in a row the gateway has refused what it had granted before. */
  refusals = 0;
  wishes: LineWishes;
  /** Of a grouped book; else 0. It is part of what the topic is. */
  readonly group: number;
  protected held: Held | null = null;
  /** Wishes that were granted last; what a refused change falls back to. */
  private grantedWishes: LineWishes | null = null;
  private waiters: Waiter[] = [];
  private wound: Wound | null = null;

  constructor(
    readonly channel: Channel,
    readonly symbol: string,
    wishes: LineWishes,
    protected readonly desk: Desk,
  ) {
    this.wishes = wishes;
    this.group = wishes.group ?? 0;
  }

  get counters(): Counters {
    return this.held?.counters ?? NO_COUNTERS;
  }

  set(wishes: LineWishes): Promise<Accepted> {
    if (this.closed) return Promise.reject(ownError('closed'));
    if ((wishes.group ?? this.group) !== this.group) {
      return Promise.reject(ownError('bad-option', 'another group is another subscription'));
    }
    this.wishes = { ...this.wishes, ...wishes };
    const promise = new Promise<Accepted>((resolve, reject) => {
      this.waiters.push({ wishes: this.wishes, resolve, reject });
    });
    // A refused change is also an event; who does not wait for it need not catch it.
    promise.catch(() => {});
    this.desk.ask(this);
    return promise;
  }

  close(): void {
    if (this.closed) return;
    this.desk.drop(this);
    this.finish(null);
  }

  formatPrice(mantissa: number): string {
    return formatDecimal(mantissa, this.topic.priceScale);
  }

  formatSize(mantissa: number): string {
    return formatDecimal(mantissa, this.topic.sizeScale);
  }

  // ---- What the switchboard calls ----

  /** What to send with a subscribe request. A line that was lost brings its cursor, or begins anew, but not with trades of the past. */
  request(): SubscribeOptions {
    return this.channel === 'trade' && this.inForce !== null ? { ...this.wishes, last: 0 } : this.wishes;
  }

  /** Where it stands from an earlier connection, once on each; undefined where it has nothing to continue from. */
  cursor(): ReturnType<typeof cursorOf> {
    if (this.granted || this.brought || this.held === null) return undefined;
    this.brought = true;
    return cursorOf(this.held);
  }

  grant(accepted: Accepted, wishes: LineWishes): void {
    this.granted = true;
    this.inForce = accepted;
    this.grantedWishes = wishes;
    this.refusals = 0;
    for (const waiter of this.answered(wishes)) waiter.resolve(accepted);
  }

  /** @returns what is to be done: nothing, ask again now or later; or it is over. */
  refuse(error: TickwireError, wishes: LineWishes): 'stays' | 'again' | 'later' | 'over' {
    this.brought = false;
    for (const waiter of this.answered(wishes)) waiter.reject(error);
    if (this.grantedWishes === null && error.code !== 'not-ready' && error.code !== 'too-many-requests') {
      this.finish(error);
      return 'over';
    }
    const changed = this.grantedWishes !== null && wishes !== this.grantedWishes;
    if (changed && this.wishes === wishes) this.wishes = this.grantedWishes!;
    if (this.granted) return 'stays';
    if (changed) return 'again';
    this.refusals += 1;
    return 'later';
  }

  announce(held: Held): void {
    this.held = held;
  }

  apply(held: Held, frame: ChannelFrame, receivedUs: number): void {
    this.take(held, frame, receivedUs);
    if (this.wound === null) return;
    const fresh = frame.fromSeq === 0 && frame.type !== 'trade';
    const each = frame.type === 'trade' || this.inForce?.mode === 'raw';
    this.heal(fresh ? 'snapshot' : each ? 'replayed' : 'diffed');
  }

  reset({ reason }: ResetFrame): void {
    if (this.wound === null) return;
    this.wound.reason = reason;
    if (this.channel === 'trade') this.heal('snapshot');
  }

  gap(): void {
    if (this.channel === 'trade') this.heal('replayed');
  }

  /**
   * A round trip is over, its ping sent after the line was granted.
   * @returns whether it may still turn out that nothing was missed.
   */
  round(): boolean {
    const { wound } = this;
    if (!this.granted || wound === null || !wound.cursor || wound.reason !== null) return false;
    wound.rounds += 1;
    // Pongs overtake data of the same moment; the second one does not.
    if (wound.rounds < 2) return true;
    this.heal('current');
    return false;
  }

  /** What the gateway thinks of the topic has changed. */
  health(_held: Held): void {}

  /** The connection is lost. */
  lose(nowMs: number): void {
    this.granted = false;
    this.brought = false;
    if (this.wound !== null) this.wound.rounds = 0;
    if (this.wound !== null || this.held === null) return;
    this.wound = { heldSeq: this.held.seq, sinceMs: nowMs, cursor: this.held.valid, reason: null, rounds: 0 };
  }

  /** It is over: by the user (null), or for a reason. */
  finish(error: TickwireError | null): void {
    this.closed = true;
    this.error = error;
    for (const waiter of this.waiters.splice(0)) waiter.reject(error ?? ownError('closed'));
    this.over(error);
  }

  protected abstract take(held: Held, frame: ChannelFrame, receivedUs: number): void;
  /** Tells whoever waits. */
  protected abstract over(error: TickwireError | null): void;

  private get topic() {
    if (this.held === null) throw ownError('not-known-yet');
    return this.held.topic;
  }

  /** Takes out those whose wishes are within what was answered: they were made in this order. */
  private answered(wishes: LineWishes): Waiter[] {
    const last = this.waiters.findLastIndex((waiter) => waiter.wishes === wishes);
    return this.waiters.splice(0, last + 1);
  }

  private heal(how: HealEvent['how']): void {
    const { wound, held } = this;
    if (wound === null || held === null) return;
    this.wound = null;
    const reason = how === 'snapshot' ? (wound.reason ?? (wound.cursor ? null : 'no-cursor')) : null;
    const tookMs = performance.now() - wound.sinceMs;
    this.desk.healed(this, { how, reason, heldSeq: wound.heldSeq, seq: held.seq, tookMs });
  }
}

const NO_COUNTERS: Counters = noCounters();

/** Tells all who wait that there is news; none is kept for who comes later. */
export class Bell {
  private waiting: Deferred<void> | null = null;

  next(): Promise<void> {
    this.waiting ??= new Deferred();
    return this.waiting.promise;
  }

  ring(): void {
    this.waiting?.resolve();
    this.waiting = null;
  }
}

/** A promise and its two ends. Who does not wait for it need not catch its rejection. */
export class Deferred<T> {
  resolve!: (value: T) => void;
  reject!: (error: TickwireError) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });

  constructor() {
    this.promise.catch(() => {});
  }
}
