// Owns when a venue is asked for a book anew: at once the first time, then later and later, and never more often in a
// minute than it allows. A live feed tells it what was lost and found. Invariant: what is lost is asked for until it is
// found, and no book has more than one question or wait under way.

import type { Clock, Timer, Timers } from '../ports/clock.ts';

export interface HealingOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** 0 up to 1. */
  readonly random: () => number;
  /** Questions of all books together, the first of a connection not counted. */
  readonly asksPerMinMax: number;
  /** A question that was not answered for so long is asked again. */
  readonly answerMsMax: number;
  /** A book that was held for so long begins anew when it is lost again: it is asked for at once. */
  readonly settledMs: number;
  /** Asks the venue for a book. */
  readonly ask: (symbol: string) => void;
}

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 60_000;
const MINUTE_MS = 60_000;

interface Case {
  /** Questions since the book was last held for long. */
  attempts: number;
  /** Null while it is not held. */
  foundAtMs: number | null;
  /** The next question, or the end of patience with the last one. */
  timer: Timer | null;
  /** Whether the timer is that of a question not asked yet. */
  scheduled: boolean;
}

export class Healing {
  private readonly cases = new Map<string, Case>();
  /** When questions were asked, within the last minute; oldest first. */
  private askedAtMs: number[] = [];

  constructor(private readonly options: HealingOptions) {}

  /** The book is not held, or what came for it was of no use. @param notBeforeMs the venue wants to be left alone so long. */
  lose(symbol: string, notBeforeMs = 0): void {
    const { clock, settledMs } = this.options;
    const found = this.caseOf(symbol);
    if (found.scheduled) return;
    const nowMs = clock.nowMs();
    if (found.foundAtMs !== null && nowMs - found.foundAtMs >= settledMs) found.attempts = 0;
    found.foundAtMs = null;
    this.schedule(symbol, found, Math.max(this.backoffMs(found.attempts), this.quotaMs(nowMs), notBeforeMs - nowMs));
  }

  /** The venue was asked for the book by other means: with all others, on a new connection. */
  asked(symbol: string): void {
    const found = this.caseOf(symbol);
    found.foundAtMs = null;
    this.await(symbol, found);
  }

  /** The book is held again. */
  found(symbol: string): void {
    const found = this.caseOf(symbol);
    found.timer?.cancel();
    found.timer = null;
    found.scheduled = false;
    found.foundAtMs = this.options.clock.nowMs();
  }

  /** Nothing is asked any more until something is lost again. */
  stop(): void {
    for (const each of this.cases.values()) {
      each.timer?.cancel();
      each.timer = null;
      each.scheduled = false;
    }
  }

  private schedule(symbol: string, lost: Case, delayMs: number): void {
    lost.timer?.cancel();
    if (delayMs <= 0) return this.ask(symbol, lost);
    lost.scheduled = true;
    lost.timer = this.options.timers.after(delayMs, () => {
      lost.scheduled = false;
      // Others may have used up the minute meanwhile.
      this.schedule(symbol, lost, this.quotaMs(this.options.clock.nowMs()));
    });
  }

  private ask(symbol: string, lost: Case): void {
    lost.attempts += 1;
    this.askedAtMs.push(this.options.clock.nowMs());
    this.await(symbol, lost);
    this.options.ask(symbol);
  }

  private await(symbol: string, asked: Case): void {
    asked.timer?.cancel();
    asked.scheduled = false;
    asked.timer = this.options.timers.after(this.options.answerMsMax, () => this.lose(symbol));
  }

  /** Full jitter: those who lost at the same moment do not ask at the same moment. */
  private backoffMs(attempts: number): number {
    if (attempts === 0) return 0;
    return this.options.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** attempts);
  }

  /** How long until there is room in the minute. */
  private quotaMs(nowMs: number): number {
    this.askedAtMs = this.askedAtMs.filter((atMs) => nowMs - atMs < MINUTE_MS);
    const over = this.askedAtMs.length - this.options.asksPerMinMax;
    return over < 0 ? 0 : this.askedAtMs[over]! + MINUTE_MS - nowMs;
  }

  private caseOf(symbol: string): Case {
    let found = this.cases.get(symbol);
    if (found === undefined) {
      found = { attempts: 0, foundAtMs: null, timer: null, scheduled: false };
      this.cases.set(symbol, found);
    }
    return found;
  }
}
