import { describe, expect, test } from 'vitest';
import { WINDOW_FIRST_BYTES, WINDOW_FULL_BYTES, WINDOW_NEAR_BYTES, Window } from '../../src/sessions/window.ts';

const CHUNK_BYTES = 256;

/** A link of a pace and a length, with more to send than it takes: the window alone decides what is on its way. */
class SaturatedLink {
  readonly window = new Window();
  nowMs = 0;
  sentBytes = 100;
  /** When the link will have taken all that was sent so far. */
  private freeMs = 0;
  private readonly pongs: { number: number; atMs: number }[] = [];

  constructor(
    public bytesPerMs: number,
    public lengthMs: number,
  ) {
    this.ping();
  }

  run(durationMs: number): void {
    const untilMs = this.nowMs + durationMs;
    while (this.nowMs < untilMs) {
      while (this.sentBytes + CHUNK_BYTES <= this.window.fullAtBytes || this.sentBytes === this.window.answeredBytes) {
        this.sentBytes += CHUNK_BYTES;
        this.freeMs = Math.max(this.freeMs, this.nowMs) + CHUNK_BYTES / this.bytesPerMs;
        if (this.sentBytes >= this.window.pingAtBytes) this.ping();
      }
      this.window.fill();
      if (!this.window.covers(this.sentBytes)) this.ping();
      const next = this.pongs.shift()!;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      expect(this.window.pong(next.number, this.nowMs)).toBe(true);
    }
  }

  /** How long a byte that is sent now takes to arrive, over the link's own length. */
  get waitMs(): number {
    return this.freeMs - this.nowMs;
  }

  private ping(): void {
    const number = this.window.ping(this.sentBytes, this.nowMs);
    this.pongs.push({ number, atMs: Math.max(this.freeMs, this.nowMs) + this.lengthMs });
  }
}

describe('the window', () => {
  test.each([
    [2, 1],
    [2, 300],
    [20, 1],
    [20, 100],
    [200, 30],
    [50, 600],
  ])(
    'of a link of %d KB/s and %d ms keeps less than half a second of it on the way, and the link busy',
    (pace, lengthMs) => {
      const link = new SaturatedLink(pace, lengthMs);
      link.run(20_000);
      const sentBefore = link.sentBytes;
      const beganMs = link.nowMs;
      for (let i = 0; i < 200; i++) {
        link.run(100);
        expect(link.waitMs).toBeLessThanOrEqual(500);
      }
      const bytesPerMs = (link.sentBytes - sentBefore) / (link.nowMs - beganMs);
      expect(bytesPerMs).toBeGreaterThan(0.6 * pace);
    },
  );

  test('of a fast, near link is full after a few pongs, and never more than a stalled reader may be sent', () => {
    const link = new SaturatedLink(100_000, 0.2);
    link.run(5);
    expect(link.window.bytes).toBe(WINDOW_FULL_BYTES);
    link.run(1_000);
    expect(link.window.bytes).toBe(WINDOW_FULL_BYTES);
  });

  test('of a long, fast link grows beyond that, so that the link can be filled', () => {
    const link = new SaturatedLink(2_000, 100);
    link.run(5_000);
    expect(link.window.bytes).toBeGreaterThan(200_000);
  });

  test('finds back when the way becomes longer', () => {
    const link = new SaturatedLink(50, 10);
    link.run(10_000);
    link.lengthMs = 800;
    link.run(30_000);
    const sentBefore = link.sentBytes;
    const beganMs = link.nowMs;
    link.run(10_000);
    expect((link.sentBytes - sentBefore) / (link.nowMs - beganMs)).toBeGreaterThan(10);
  });

  test('follows a link that becomes slower, and one that becomes faster', () => {
    const link = new SaturatedLink(500, 20);
    link.run(5_000);
    const wide = link.window.bytes;
    link.bytesPerMs = 2;
    link.run(60_000);
    expect(link.window.bytes).toBeLessThan(2_000);
    link.bytesPerMs = 500;
    link.run(5_000);
    expect(link.window.bytes).toBeGreaterThanOrEqual(Math.min(wide / 2, WINDOW_FULL_BYTES));
  });
});

test('of a busy, near link stays at what a stalled reader may be sent', () => {
  const window = new Window();
  let sentBytes = 0;
  for (let i = 0; i < 500; i++) {
    sentBytes = Math.floor(window.fullAtBytes);
    window.fill();
    const number = window.ping(sentBytes, i * 1_000);
    window.pong(number, i * 1_000 + [31, 45, 90, 60, 38][i % 5]!);
    expect(window.bytes).toBeLessThanOrEqual(WINDOW_FULL_BYTES);
  }
});

test('of a near link that is busy for a dozen pongs stays there too', () => {
  const window = new Window();
  const busyMs = [31, 33, 30, 32, 34, 31, 30, 33, 32, 31, 34, 32, 3];
  for (let i = 0; i < 500; i++) {
    const sentBytes = Math.floor(window.fullAtBytes) - 100 * (i % 7);
    window.fill();
    window.pong(window.ping(sentBytes, i * 1_000), i * 1_000 + busyMs[i % busyMs.length]!);
    expect(window.bytes).toBeLessThanOrEqual(WINDOW_FULL_BYTES);
  }
});

test('the first pong of a slow link does not widen the window', () => {
  const window = new Window();
  window.pong(window.ping(500, 0), 250);
  expect(window.bytes).toBe(WINDOW_FIRST_BYTES);
  expect(window.transitMs(16_000)).toBe(8_000);
  // A heartbeat alone does not change what is known of the pace.
  window.pong(window.ping(520, 1_000), 1_250);
  expect(window.transitMs(16_000)).toBe(8_000);
});

test('the first pong of a near link opens the window, a later one of a link that proved slow does not', () => {
  const near = new Window();
  near.pong(near.ping(100, 0), 10);
  expect(near.bytes).toBe(WINDOW_NEAR_BYTES);
  const slow = new Window();
  slow.pong(slow.ping(100, 0), 11);
  slow.pong(slow.ping(16_000, 1_000), 9_000);
  const { bytes } = slow;
  expect(bytes).toBeLessThan(WINDOW_FIRST_BYTES);
  slow.pong(slow.ping(16_010, 10_000), 10_001);
  expect(slow.bytes).toBeLessThan(3 * bytes);
});

describe('a pong', () => {
  test('answers for its ping and all before it, once', () => {
    const window = new Window();
    const [first, second, third] = [1_000, 2_000, 3_000].map((bytes) => window.ping(bytes, 0));
    expect(window.pong(second!, 5)).toBe(true);
    expect([window.answeredBytes, window.unansweredPings, window.roundTripMs]).toEqual([2_000, 1, 5]);
    expect(window.pong(first!, 6)).toBe(false);
    expect(window.pong(second!, 6)).toBe(false);
    expect([window.answeredBytes, window.strayPongs]).toEqual([2_000, 2]);
    expect(window.pong(third!, 9)).toBe(true);
    expect(window.answeredBytes).toBe(3_000);
  });

  test('that answers no ping of ours is counted and changes nothing', () => {
    const window = new Window();
    window.ping(500, 0);
    for (const stray of [0, 2, 999]) expect(window.pong(stray, 1)).toBe(false);
    expect([window.answeredBytes, window.strayPongs, window.bytes]).toEqual([0, 3, WINDOW_FIRST_BYTES]);
  });
});

test('silence is how long so many pings have all been without an answer', () => {
  const window = new Window();
  window.ping(100, 0);
  window.ping(100, 5_000);
  expect(window.silentMs(3, 20_000)).toBe(0);
  window.ping(100, 10_000);
  expect(window.silentMs(3, 12_000)).toBe(2_000);
  expect(window.oldestPingMs).toBe(0);
});
