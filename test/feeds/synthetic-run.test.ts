// Holds the running of the synthetic market to its rate, its batches and its bounds, on a virtual clock.

import { describe, expect, test } from 'vitest';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { runSynthetic } from '../../src/feeds/synthetic-run.ts';
import type { UpdateEvent } from './market-watcher.ts';
import { VirtualTime } from './virtual.ts';

const SEED = 3;

interface Batch {
  readonly events: readonly (readonly FeedEvent[])[];
  readonly atMs: number;
  readonly atUs: number;
}

function run(updatesPerSec: number, took: (time: VirtualTime) => Promise<void> = async () => {}) {
  const time = new VirtualTime();
  const abort = new AbortController();
  const batches: Batch[] = [];
  const startMs = time.nowMs();
  const done = runSynthetic(new SyntheticMarket({ seed: SEED }), {
    updatesPerSec,
    clock: time,
    timers: time,
    signal: abort.signal,
    publish: (events) => {
      batches.push({ events, atMs: time.nowMs() - startMs, atUs: time.nowUs() });
      return batches.length === 1 ? undefined : took(time);
    },
  });
  const stop = async () => {
    abort.abort();
    await time.advance(10);
    await done;
  };
  return { time, batches, done, stop };
}

function updatesIn(batches: readonly Batch[]): number {
  return batches.reduce((sum, { events }) => sum + events.flat().filter(({ kind }) => kind === 'update').length, 0);
}

function timesOf({ events }: Batch): number[] {
  return events.flat().flatMap((event) => (event.kind === 'update' ? [event.exchangeUs!] : []));
}

describe('a run of the synthetic market', () => {
  test('begins with instruments and snapshots, and goes on when they were taken', async () => {
    const { time, batches, stop } = run(10_000);
    expect(batches).toHaveLength(1);
    const [listed, opening] = batches[0]!.events;
    expect(listed!.map(({ kind }) => kind)).toEqual(Array(24).fill('instrument'));
    expect(opening!.map((event) => (event as UpdateEvent).update.kind)).toEqual(Array(24).fill('snapshot'));
    await time.advance(100);
    expect(batches.length).toBeGreaterThan(1);
    await stop();
  });

  test.each([100, 5_000, 100_000])(
    'says the same at %d updates a second, which are that many on average',
    async (rate) => {
      const { time, batches, stop } = run(rate);
      const seconds = 100_000 / rate;
      await time.advance(seconds * 1_000);
      await stop();
      const perSec = updatesIn(batches.slice(1)) / seconds;
      expect(perSec / rate).toBeGreaterThan(0.85);
      expect(perSec / rate).toBeLessThan(1.15);
      expect(time.pending).toBe(0);
      const said = batches.slice(1).flatMap(({ events }) => events.map((each) => each.map(withoutTime)));
      const market = new SyntheticMarket({ seed: SEED });
      expect(said.slice(0, 2_000)).toEqual(Array.from({ length: 2_000 }, () => market.step().map(withoutTime)));
    },
  );

  test('publishes in batches of several milliseconds, and of bounded size', async () => {
    const { time, batches, stop } = run(100_000);
    await time.advance(500);
    await stop();
    const sizes = batches.slice(1).map(({ events }) => events.flat().length);
    expect(Math.max(...sizes)).toBeLessThan(520);
    expect(Math.max(...sizes)).toBeGreaterThan(490);
    expect(batches.length).toBeLessThan(300);
  });

  test('gives updates the wall time at which they were due, in order', async () => {
    const { time, batches, stop } = run(2_000);
    await time.advance(3_000);
    await stop();
    const times = batches.flatMap(timesOf);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    for (const batch of batches) for (const timeUs of timesOf(batch)) expect(batch.atUs - timeUs).toBeLessThan(100_000);
    expect(batches.slice(1).some((batch) => new Set(timesOf(batch)).size > 2)).toBe(true);
    expect(times.at(-1)! - times[0]!).toBeGreaterThan(2_900_000);
  });

  test('is quiet until something is due where the rate is low', async () => {
    const market = new SyntheticMarket({ seed: SEED });
    market.step();
    const firstMs = (market.nowUs / 1_000) * (market.updatesPerSec / 1);
    const { time, batches, stop } = run(1);
    await time.advance(firstMs - 1);
    expect(batches).toHaveLength(1);
    await time.advance(10);
    expect(batches).toHaveLength(2);
    await stop();
  });

  test('waits for a batch to be taken before it makes the next', async () => {
    let taken = (): void => {};
    const { time, batches, stop } = run(1_000, () => new Promise((resolve) => (taken = resolve)));
    await time.advance(10_000);
    expect(batches).toHaveLength(2);
    taken();
    await time.advance(1_000);
    expect(batches).toHaveLength(3);
    const stopping = stop();
    taken();
    await stopping;
  });

  test('makes up for no more than a quarter of a second of a pause', async () => {
    let pauseMs = 60_000;
    const { time, batches, stop } = run(1_000, async (clock) => {
      await new Promise<void>((resumed) => clock.after(pauseMs, resumed));
      pauseMs = 0;
    });
    await time.advance(61_000);
    await stop();
    expect(updatesIn(batches.slice(1))).toBeLessThan(2_500);
    expect(updatesIn(batches.slice(1))).toBeGreaterThan(500);
  });

  test.each([0, -1, Number.NaN, 100_001])('refuses a rate of %d', async (rate) => {
    await expect(run(rate).done).rejects.toThrow(RangeError);
  });
});

function withoutTime(event: FeedEvent): unknown {
  return event.kind === 'update' ? { ...event, exchangeUs: null } : event;
}
