// Owns time and chance in the simulator: a clock that only moves when told to, timers and turns on it, a seeded generator.
// Everything of a run hangs on one kernel. Invariant: the same seed gives the same events in the same order; nothing here
// asks the machine for time or chance.

import type { Clock, Timer, Timers } from '../../src/ports/clock.ts';

const EPOCH_2024_US = 1_704_067_200_000_000;
/** Turns, or timers, at one moment after which something must be calling itself. */
const TURNS_MAX = 10_000;
/** What counts as one moment for timers: a millisecond, since the smallest steps of a clock lead nowhere. */
const MOMENT_MS = 1;

/** sfc32, seeded by a run's number and the name of who draws. */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number, stream = 0) {
    this.a = seed >>> 0;
    this.b = Math.floor(seed / 0x1_0000_0000) >>> 0;
    this.c = stream >>> 0;
    for (let i = 0; i < 12; i++) this.bits();
  }

  /** The next 32 bits. */
  bits(): number {
    const drawn = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + drawn) | 0;
    return drawn >>> 0;
  }

  /** An integer from 0 to `count` - 1. */
  below(count: number): number {
    return Math.floor((this.bits() / 0x1_0000_0000) * count);
  }

  /** An integer from `low` to `high`. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.bits() < probability * 0x1_0000_0000;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  /** Mostly small, at times large, below `count`. */
  nearZero(count: number): number {
    return Math.min(this.below(count), this.below(count), this.below(count));
  }
}

class Alarm implements Timer {
  cancelled = false;

  constructor(
    private readonly kernel: Kernel,
    readonly dueMs: number,
    readonly order: number,
    readonly run: () => void,
  ) {}

  before(other: Alarm): boolean {
    return this.dueMs < other.dueMs || (this.dueMs === other.dueMs && this.order < other.order);
  }

  cancel(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.kernel.pending -= 1;
  }
}

export class Kernel implements Clock, Timers {
  /** Timers that have neither run nor been cancelled. */
  pending = 0;
  private timeMs = 5_000;
  private wallOffsetUs = EPOCH_2024_US;
  private order = 0;
  /** A binary heap, the next one first. */
  private readonly alarms: Alarm[] = [];
  private turn: (() => void)[] = [];
  private unsettled = false;

  nowMs(): number {
    return this.timeMs;
  }

  nowUs(): number {
    return this.wallOffsetUs + Math.floor(this.timeMs * 1_000);
  }

  /** Somebody set the wall clock. */
  shiftWall(us: number): void {
    this.wallOffsetUs += us;
  }

  /** Work that takes time within a turn. */
  spend(durationMs: number): void {
    this.timeMs += durationMs;
  }

  after(delayMs: number, run: () => void): Timer {
    const alarm = new Alarm(this, this.timeMs + Math.max(0, delayMs), this.order++, run);
    this.pending += 1;
    this.push(alarm);
    return alarm;
  }

  soon(run: () => void): void {
    this.turn.push(run);
  }

  /** A promise that the code under test waits for was settled: microtasks run before the next turn. */
  promiseSettled(): void {
    this.unsettled = true;
  }

  /** Lets that much time pass: runs what is due, each moment with the turns that follow from it. */
  async advance(durationMs: number): Promise<void> {
    const untilMs = this.timeMs + durationMs;
    await this.runTurns();
    let [momentMs, wakes] = [this.timeMs, 0];
    for (let next = this.alarms[0]; next !== undefined && next.dueMs <= untilMs; next = this.alarms[0]) {
      this.timeMs = Math.max(this.timeMs, next.dueMs);
      if (this.timeMs - momentMs >= MOMENT_MS) [momentMs, wakes] = [this.timeMs, 0];
      if (++wakes > TURNS_MAX) throw new Error('time stands still: timers follow each other at once');
      this.runDue();
      if (this.turn.length > 0 || this.unsettled) await this.runTurns();
    }
    this.timeMs = Math.max(this.timeMs, untilMs);
  }

  private runDue(): void {
    const nowMs = this.timeMs;
    // What is set while this runs belongs to the next turn, as in an event loop.
    const { order } = this;
    for (let next = this.alarms[0]; next !== undefined && next.dueMs <= nowMs && next.order < order; ) {
      this.pop();
      if (!next.cancelled) {
        this.pending -= 1;
        next.cancelled = true;
        next.run();
      }
      next = this.alarms[0];
    }
  }

  private async runTurns(): Promise<void> {
    for (let turns = 0; this.turn.length > 0 || this.unsettled; turns++) {
      if (turns > TURNS_MAX) throw new Error('the event loop never comes to rest');
      if (this.unsettled) {
        this.unsettled = false;
        // However long a chain of promises is, it has run out by then.
        await new Promise((resolve) => setImmediate(resolve));
      }
      const running = this.turn;
      this.turn = [];
      for (const run of running) run();
    }
  }

  private push(alarm: Alarm): void {
    const { alarms } = this;
    let at = alarms.length;
    alarms.push(alarm);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!alarm.before(alarms[parent]!)) break;
      alarms[at] = alarms[parent]!;
      at = parent;
    }
    alarms[at] = alarm;
  }

  private pop(): void {
    const { alarms } = this;
    const last = alarms.pop()!;
    if (alarms.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= alarms.length) break;
      if (child + 1 < alarms.length && alarms[child + 1]!.before(alarms[child]!)) child += 1;
      if (!alarms[child]!.before(last)) break;
      alarms[at] = alarms[child]!;
      at = child;
    }
    alarms[at] = last;
  }
}
