// Owns running the synthetic market in real time: a rate of updates on average, in batches. The demo and benchmarks call
// it. Invariant: batches are published one after the other in the market's order, each short enough for sockets to be
// served in between, and what a stalled process missed is made up for within bounds.

import type { FeedEvent } from './feed.ts';
import { nextTurn, type Pacing, waitUntil } from './pacing.ts';
import type { SyntheticMarket } from './synthetic.ts';

export interface SyntheticRun extends Pacing {
  /** On average; above 0, up to 100,000. The market's bursts and quiet times stay: its time passes faster or slower. */
  readonly updatesPerSec: number;
  /** Ends the run. */
  readonly signal: AbortSignal;
  /** Takes the next events, each of one symbol. The batch after it comes when this has settled. */
  publish(batch: readonly (readonly FeedEvent[])[]): unknown;
}

export const UPDATES_PER_SEC_MAX = 100_000;

/** Shortest pause between batches, milliseconds: short enough for the eye, long enough to batch and serve sockets. */
const BATCH_PAUSE_MS = 5;
/** A batch ends with the event that reaches it: some milliseconds of work for a gateway. */
const BATCH_UPDATES_MAX = 500;
/** What a stalled process catches up with at most; the rest of the pause did not happen. */
const BACKLOG_MS_MAX = 250;

/**
 * Publishes instruments and snapshots, then what happens, until aborted. Events carry the wall time at which they were
 * due.
 * @throws RangeError for a rate that is out of range.
 */
export async function runSynthetic(market: SyntheticMarket, run: SyntheticRun): Promise<void> {
  const { clock, signal, updatesPerSec } = run;
  if (!(updatesPerSec > 0 && updatesPerSec <= UPDATES_PER_SEC_MAX)) {
    throw new RangeError(`updatesPerSec is ${updatesPerSec}, not a number above 0 and up to ${UPDATES_PER_SEC_MAX}`);
  }
  const listed = market.instruments().map((definition): FeedEvent => ({ kind: 'instrument', definition }));
  await run.publish([listed, market.snapshots(clock.nowUs())]);
  const pace = new Pace(market, updatesPerSec, clock.nowMs());
  while (!signal.aborted) {
    pace.advance(clock.nowMs());
    const batch = pace.batch(clock.nowUs());
    if (batch.length > 0) await run.publish(batch);
    if (pace.waitMs > 0) await waitUntil(Math.max(pace.nextMs, clock.nowMs() + BATCH_PAUSE_MS), run);
    else await nextTurn(run);
  }
}

/** How the market's time follows the clock's. */
class Pace {
  /** Up to here the market should have come, in its own time. */
  private dueUs: number;

  constructor(
    private readonly market: SyntheticMarket,
    private readonly updatesPerSec: number,
    private atMs: number,
  ) {
    this.dueUs = market.nowUs;
  }

  advance(nowMs: number): void {
    const { market, marketUsPerMs } = this;
    this.dueUs += (nowMs - this.atMs) * marketUsPerMs;
    this.dueUs = Math.min(this.dueUs, market.nextUs + BACKLOG_MS_MAX * marketUsPerMs);
    this.atMs = nowMs;
  }

  /** What is due, as far as it goes into one batch. */
  batch(nowUs: number): FeedEvent[][] {
    const { market, dueUs } = this;
    const usPerMarketUs = 1_000 / this.marketUsPerMs;
    const timeOf = (marketUs: number): number => nowUs - Math.floor((dueUs - marketUs) * usPerMarketUs);
    const batch: FeedEvent[][] = [];
    for (let updates = 0; updates < BATCH_UPDATES_MAX; ) {
      const events = market.stepUntil(dueUs, timeOf);
      if (events === null) break;
      batch.push(events);
      updates += events.length;
    }
    return batch;
  }

  /** Until something may happen; not above 0 where it is due. */
  get waitMs(): number {
    return (this.market.nextUs - this.dueUs) / this.marketUsPerMs;
  }

  /** When that is, by the clock. */
  get nextMs(): number {
    return this.atMs + this.waitMs;
  }

  private get marketUsPerMs(): number {
    return (1_000 * this.updatesPerSec) / this.market.updatesPerSec;
  }
}
