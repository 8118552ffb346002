// Holds the kernel, the link and the oracle to what the simulation takes for granted.

import { describe, expect, test } from 'vitest';
import { BACKLOGGED, DROPPED, SENT } from '../../src/ports/socket.ts';
import { Kernel, Random } from './kernel.ts';
import { Life } from './life.ts';
import { Link, type LinkOptions } from './link.ts';
import { NaiveBook } from './oracle.ts';

describe('the kernel', () => {
  test('runs timers in the order of their time, and of their making where that is the same', async () => {
    const kernel = new Kernel();
    const ran: string[] = [];
    for (const [delayMs, name] of [
      [5, 'c'],
      [1, 'a'],
      [5, 'd'],
      [3, 'b'],
    ] as const) {
      kernel.after(delayMs, () => ran.push(name));
    }
    kernel.after(4, () => ran.push('never')).cancel();
    await kernel.advance(4.9);
    expect(ran).toEqual(['a', 'b']);
    await kernel.advance(0.1);
    expect(ran).toEqual(['a', 'b', 'c', 'd']);
    expect(kernel.pending).toBe(0);
  });

  test('runs a turn after what is due at a moment, and before the next moment', async () => {
    const kernel = new Kernel();
    const ran: string[] = [];
    kernel.after(1, () => {
      kernel.soon(() => ran.push('turn'));
      ran.push('first');
    });
    kernel.after(1, () => ran.push('second'));
    kernel.after(2, () => ran.push('third'));
    await kernel.advance(2);
    expect(ran).toEqual(['first', 'second', 'turn', 'third']);
  });

  test('fails where timers or turns follow each other without end', async () => {
    const turning = new Kernel();
    const turn = (): void => turning.soon(turn);
    turn();
    await expect(turning.advance(1)).rejects.toThrow('never comes to rest');
    const ticking = new Kernel();
    const tick = (): void => void ticking.after(1e-12, tick);
    tick();
    await expect(ticking.advance(1)).rejects.toThrow('time stands still');
  });

  test('stands still between advances, and moves both clocks alike', async () => {
    const kernel = new Kernel();
    const [ms, us] = [kernel.nowMs(), kernel.nowUs()];
    expect([kernel.nowMs(), kernel.nowUs()]).toEqual([ms, us]);
    await kernel.advance(12.5);
    expect([kernel.nowMs() - ms, kernel.nowUs() - us]).toEqual([12.5, 12_500]);
    kernel.shiftWall(-1_000);
    expect([kernel.nowMs() - ms, kernel.nowUs() - us]).toEqual([12.5, 11_500]);
  });

  test('draws the same numbers from the same seed and others from another', () => {
    const draw = (seed: number, stream: number): number[] => {
      const random = new Random(seed, stream);
      return Array.from({ length: 5 }, () => random.bits());
    };
    expect(draw(1, 2)).toEqual(draw(1, 2));
    expect(draw(1, 2)).not.toEqual(draw(2, 2));
    expect(draw(1, 2)).not.toEqual(draw(1, 3));
    expect(draw(2 ** 33, 0)).not.toEqual(draw(0, 0));
  });
});

describe('a link', () => {
  const fast: LinkOptions = {
    latencyMs: 2,
    bytesPerMs: Number.POSITIVE_INFINITY,
    pieceBytes: Number.POSITIVE_INFINITY,
    pongTrouble: 0,
    bufferBytesMax: 3,
    sendMs: 0,
  };

  function open(options: Partial<LinkOptions> = {}): { kernel: Kernel; link: Link; events: string[] } {
    const kernel = new Kernel();
    const events: string[] = [];
    const link = new Link(kernel, { ...fast, ...options }, new Random(1), {
      arrive: (message) => events.push(`arrive ${[...message].join(' ')}`),
      request: (message) => events.push(`request ${[...message].join(' ')}`),
      pong: (number) => events.push(`pong ${number}`),
      drained: () => events.push('drained'),
      closed: (code) => events.push(`closed ${code}`),
      gone: () => events.push('gone'),
    });
    return { kernel, link, events };
  }

  test('delivers in order, after its latency, the bytes as they were when they were sent', async () => {
    const { kernel, link, events } = open();
    const bytes = Uint8Array.of(1, 2);
    expect(link.send(bytes)).toBe(SENT);
    bytes[0] = 9;
    expect(link.send(bytes)).toBe(SENT);
    link.request(Uint8Array.of(7));
    await kernel.advance(1.9);
    expect(events).toEqual([]);
    await kernel.advance(0.1);
    expect(events).toEqual(['arrive 1 2', 'arrive 9 2', 'request 7']);
  });

  test('is backlogged past its buffer while it is stalled, and says when it has drained', async () => {
    const { kernel, link, events } = open();
    link.stall();
    expect(link.send(Uint8Array.of(1, 2))).toBe(SENT);
    expect(link.send(Uint8Array.of(3, 4))).toBe(BACKLOGGED);
    expect(link.getBufferedAmount()).toBe(4);
    expect(() => link.send(Uint8Array.of(5))).toThrow('backlogged');
    await kernel.advance(100);
    expect(events).toEqual([]);
    link.unstall();
    expect(events).toEqual([]);
    await kernel.advance(5);
    expect(events).toEqual(['drained', 'arrive 1 2', 'arrive 3 4']);
    expect(link.send(Uint8Array.of(5))).toBe(SENT);
  });

  test('takes the time that its rate asks for', async () => {
    const { kernel, link, events } = open({ bytesPerMs: 2 });
    link.send(Uint8Array.of(1, 2, 3, 4));
    await kernel.advance(3.9);
    expect(events).toEqual(['drained']);
    await kernel.advance(0.1);
    expect(events).toEqual(['drained', 'arrive 1 2 3 4']);
  });

  test('loses what is under way when it is cut, and takes bytes until the node notices', async () => {
    const { kernel, link, events } = open();
    link.send(Uint8Array.of(1));
    link.cut(10);
    expect(link.send(Uint8Array.of(2))).toBe(SENT);
    await kernel.advance(10);
    expect(events).toEqual(['gone']);
    expect(link.send(Uint8Array.of(3))).toBe(DROPPED);
    expect(kernel.pending).toBe(0);
  });

  test('delivers what left before the node closed', async () => {
    const { kernel, link, events } = open();
    link.send(Uint8Array.of(1));
    link.end(1_001);
    expect(link.send(Uint8Array.of(2))).toBe(DROPPED);
    await kernel.advance(5);
    expect(events).toEqual(['gone', 'arrive 1', 'closed 1001']);
  });

  test('vanishes with its node without a word to it, and its client hears so after a while', async () => {
    const { kernel, link, events } = open();
    link.send(Uint8Array.of(1));
    link.vanish(9);
    link.request(Uint8Array.of(7));
    expect(link.send(Uint8Array.of(2))).toBe(DROPPED);
    await kernel.advance(8.9);
    expect(events).toEqual(['arrive 1']);
    await kernel.advance(0.1);
    expect(events).toEqual(['arrive 1', 'closed 0']);
    expect(kernel.pending).toBe(0);
  });
});

describe('a life', () => {
  test('takes its timers, its turns and the answers that it waits for with it', async () => {
    const kernel = new Kernel();
    const life = new Life(kernel);
    const ran: string[] = [];
    life.after(1, () => ran.push('a timer'));
    life.soon(() => ran.push('a turn'));
    await kernel.advance(1);
    expect(ran).toEqual(['a turn', 'a timer']);
    life.after(1, () => ran.push('a late timer'));
    life.soon(() => ran.push('a late turn'));
    void life.hears(Promise.resolve()).then(() => ran.push('an answer'));
    life.end();
    life.after(1, () => ran.push('a timer of the dead'));
    expect(kernel.pending).toBe(0);
    kernel.promiseSettled();
    await kernel.advance(5);
    expect(ran).toEqual(['a turn', 'a timer']);
  });
});

describe('the oracle', () => {
  const book = new NaiveBook([], []).after({
    kind: 'snapshot',
    bids: [99, 5, 0, 101, 6, 2],
    asks: [103, 1, 0, 102, 4, 0],
  });

  test('keeps both sides best first, whatever the order of what it is told', () => {
    expect(book.bids.map(({ price }) => price)).toEqual([101, 99]);
    expect(book.asks.map(({ price }) => price)).toEqual([102, 103]);
    expect(book.quote).toEqual({ kind: 'quote', bidPrice: 101, bidSize: 6, askPrice: 102, askSize: 4 });
  });

  test('applies a delta to a copy', () => {
    const after = book.after({ kind: 'delta', bids: [101, 0, 0, 100, 7, 0, 98, 0, 0], asks: [102, 9, 0] });
    expect(after.bids.map(({ price, size }) => [price, size])).toEqual([
      [100, 7],
      [99, 5],
    ]);
    expect(after.asks[0]).toMatchObject({ price: 102, size: 9 });
    expect(book.bids).toHaveLength(2);
  });

  test('knows a crossed book from a locked one', () => {
    expect(book.after({ kind: 'delta', bids: [102, 1, 0], asks: [] }).crossed).toBe(false);
    expect(book.after({ kind: 'delta', bids: [103, 1, 0], asks: [] }).crossed).toBe(true);
  });
});
