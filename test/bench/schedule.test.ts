// Holds what both subjects are driven by: the open loop, the prepared updates, the subscriptions, the baseline's frame.

import { describe, expect, it } from 'vitest';
import { Book } from '../../src/market/book.ts';
import type { BookDelta } from '../../src/market/update.ts';
import { nowUs } from './clock.ts';
import { Histogram } from './histogram.ts';
import { prepareRawFrame, RawFrame, stampRawFrame } from './rawframe.ts';
import { Schedule } from './schedule.ts';
import { firstBook, prepareUpdates } from './updates.ts';
import { floodWorkload, topicsOf, WORKLOADS, workloadNamed } from './workloads.ts';

/** Runs 60 ms of warm-up and 100 ms of window; a turn may be held up once. */
function runSchedule(stallMs: number): Promise<{ intendedUs: number[]; earlyUs: number; inWindow: number }> {
  const startUs = Math.round(nowUs()) + 5_000;
  const plan = { startUs, windowFromUs: startUs + 60_000, windowToUs: startUs + 160_000 };
  const intendedUs: number[] = [];
  let earlyUs = 0;
  let atStart = 0;
  return new Promise((resolve) => {
    const schedule = new Schedule(
      plan,
      { updatesPerSecond: 3_000, burstUpdates: 10 },
      {
        publish: (intended) => {
          if (intendedUs.length === 100) for (const until = nowUs() + stallMs * 1_000; nowUs() < until; );
          earlyUs = Math.max(earlyUs, intended - nowUs());
          intendedUs.push(intended - startUs);
        },
        windowStart: () => {
          atStart = intendedUs.length;
        },
        windowEnd: () => resolve({ intendedUs, earlyUs, inWindow: intendedUs.length - atStart }),
      },
    );
    schedule.turn();
  });
}

describe('the schedule', () => {
  it.each([0, 40])('publishes everything at its absolute time, after a stall of %d ms too', async (stallMs) => {
    const { intendedUs, earlyUs, inWindow } = await runSchedule(stallMs);
    expect(intendedUs).toHaveLength(480);
    expect(intendedUs.slice(0, 21).filter((_, index) => index % 10 === 0)).toEqual([0, 3_333, 6_667]);
    expect(intendedUs.at(-1)).toBe(156_667);
    expect(earlyUs).toBeLessThanOrEqual(0);
    expect(inWindow).toBeGreaterThanOrEqual(290);
  });
});

describe('the prepared updates', () => {
  it.each(WORKLOADS.map((workload) => workload.name))('are the same for a seed and closed: %s', (name) => {
    const updates = prepareUpdates(workloadNamed(name), 1);
    expect(JSON.stringify(prepareUpdates(workloadNamed(name), 1)) === JSON.stringify(updates)).toBe(true);
    const removed = new Set<string>();
    let removedTwice = 0;
    for (const { topic, delta } of updates) {
      for (const levels of [delta.bids, delta.asks]) {
        for (let at = 0; at < levels.length; at += 3) {
          const level = `${topic} ${levels[at]}`;
          if (levels[at + 1] === 0) {
            if (removed.has(level)) removedTwice++;
            removed.add(level);
          } else removed.delete(level);
        }
      }
    }
    expect([removedTwice, removed.size]).toEqual([0, 0]);
  });

  it.each(WORKLOADS.map((workload) => workload.name))('change their book, whichever time they come: %s', (name) => {
    const workload = workloadNamed(name);
    const books = Array.from({ length: workload.topics }, (_, topic) => {
      const book = new Book();
      const { bids, asks } = firstBook(topic);
      book.applySnapshot(bids, asks, 1);
      return book;
    });
    const unchanged: number[] = [];
    const updates = prepareUpdates(workload, 1);
    for (let index = 0; index < 2 * updates.length; index++) {
      const { topic, delta } = updates[index % updates.length]!;
      const before = books[topic]!.checksum(0);
      books[topic]!.applyDelta(delta.bids, delta.asks, index + 2);
      if (books[topic]!.checksum(0) === before) unchanged.push(index);
    }
    expect(unchanged).toEqual([]);
  });

  it('change three levels that the first book has', () => {
    const { bids, asks } = firstBook(3);
    const known = new Set([...bids, ...asks].filter((_, at) => at % 3 === 0));
    const odd = prepareUpdates(workloadNamed('high'), 2).filter(({ delta }) => {
      const prices = [...delta.bids, ...delta.asks].filter((_, at) => at % 3 === 0);
      return new Set(prices).size !== 3 || !prices.every((price) => known.has(price));
    });
    expect(odd).toEqual([]);
    expect(Math.max(...bids.filter((_, at) => at % 3 === 0))).toBeLessThan(
      Math.min(...asks.filter((_, at) => at % 3 === 0)),
    );
  });
});

describe('the flood', () => {
  const flood = floodWorkload(750_000);
  const frames = prepareUpdates(flood, 1)
    .slice(0, 1_000)
    .map(({ topic, delta }) => prepareRawFrame(topic, delta));

  it('has as many bytes a second as were asked for', () => {
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 0) / frames.length;
    expect((bytes * flood.updatesPerSecond) / 750_000).toBeCloseTo(1, 1);
    expect(flood.updatesPerSecond / flood.burstUpdates).toBeCloseTo(50, -1);
  });

  it('has updates of half a book, which the baseline frame takes', () => {
    const [{ topic, delta }] = prepareUpdates(flood, 1) as [{ topic: number; delta: BookDelta }];
    const frame = prepareRawFrame(topic, delta);
    stampRawFrame(frame, topic, 2, 3);
    expect(new RawFrame().read(frame, 0, frame.length)).toBe(true);
    // Two arrays of more than 15 elements: their heads have 16 bits.
    expect([frame[23], frame.lastIndexOf(0xdc) > 24]).toEqual([0xdc, true]);
    expect((delta.bids.length + delta.asks.length) / 3).toBe(50);
  });
});

describe('subscriptions', () => {
  it('are as many different topics as the workload says, others for each client', () => {
    const high = workloadNamed('high');
    const first = topicsOf(high, 0, 1);
    expect(new Set(first).size).toBe(50);
    expect(first).toEqual([...first].sort((a, b) => a - b));
    expect(topicsOf(high, 0, 1)).toEqual(first);
    expect(topicsOf(high, 1, 1)).not.toEqual(first);
    expect(topicsOf(workloadNamed('hot'), 9, 1)).toEqual([0]);
  });
});

describe('the baseline frame', () => {
  const { topic, delta } = prepareUpdates(workloadNamed('high'), 1)[0]!;
  const bytes = prepareRawFrame(topic, delta);
  stampRawFrame(bytes, topic, 70_000, 123_456_789);

  it('has the size of a Tickwire frame', () => {
    const lengths = prepareUpdates(workloadNamed('high'), 1).map(
      (update) => prepareRawFrame(update.topic, update.delta).length,
    );
    expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([51, 55]);
  });

  it('says what it was stamped with', () => {
    const frame = new RawFrame();
    expect(frame.read(Buffer.concat([Buffer.alloc(5), bytes]), 5, 5 + bytes.length)).toBe(true);
    expect(frame).toMatchObject({ topic, seq: 70_000, sentUs: 123_456_789 });
  });

  it('is refused when its stamp is damaged or cut off', () => {
    const frame = new RawFrame();
    for (const at of [0, 1, 4, 9, 16, 22]) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0x10;
      expect(frame.read(damaged, 0, damaged.length)).toBe(false);
    }
    expect(frame.read(bytes, 0, 22)).toBe(false);
  });
});

describe('the histogram', () => {
  it('finds percentiles to within one per cent', () => {
    const histogram = new Histogram();
    for (let value = 1; value <= 100_000; value++) histogram.record(value, 2);
    for (const share of [0.01, 0.5, 0.9, 0.99, 0.999]) {
      expect(histogram.percentileUs(share) / (share * 100_000)).toBeCloseTo(1, 1.7);
    }
    expect([histogram.count, histogram.maxUs, histogram.percentileUs(1)]).toEqual([200_000, 100_000, 100_000]);
  });

  it('takes what is below zero for zero, and is empty at first', () => {
    const histogram = new Histogram();
    expect(histogram.percentileUs(0.99)).toBe(0);
    histogram.record(-5, 1);
    expect([histogram.percentileUs(0.99), histogram.count]).toEqual([0, 1]);
  });
});
