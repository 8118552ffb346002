import { describe, expect, test } from 'vitest';
import { CloseCode } from '../../src/protocol/errors.ts';
import { beginPulse, pingNumber } from '../../src/sessions/pulse.ts';
import { type FakeClient, type LIMITS, Station } from '../topics/station.ts';

const SNAPSHOT = {
  kind: 'snapshot' as const,
  bids: [100, 5, 0, 99, 5, 0, 98, 5, 0],
  asks: [101, 5, 0, 102, 5, 0, 103, 5, 0],
};

async function start(limits: Partial<typeof LIMITS> = {}): Promise<{ station: Station; client: FakeClient }> {
  const station = new Station(limits);
  for (const symbol of ['X', 'Y']) {
    station.list(symbol);
    await station.publish(symbol, SNAPSHOT);
  }
  beginPulse({ clock: station.kernel, timers: station.kernel, connections: station.connections });
  const client = station.connect();
  await station.settle();
  return { station, client };
}

/** Updates of both books, ten a second. */
async function trade(station: Station, seconds: number): Promise<void> {
  for (let i = 0; i < seconds * 10; i++) {
    for (const symbol of ['X', 'Y']) {
      await station.publish(symbol, { kind: 'delta', bids: [100, 6 + (i % 2), 0], asks: [103, 6 + (i % 3), 0] });
    }
    await station.advance(100);
  }
}

describe('a heartbeat', () => {
  test('comes on a link that was quiet for its time, with the time, the round trip and the lag', async () => {
    const { station, client } = await start();
    await station.advance(4_500);
    expect(client.of('heartbeat')).toEqual([]);
    await station.advance(1_500);
    const [first] = client.of('heartbeat');
    expect(first).toMatchObject({ type: 'heartbeat', lagMs: 0 });
    expect(Math.abs(first!.timeUs - station.kernel.nowUs())).toBeLessThan(2_000_000);
    await station.advance(60_000);
    expect(client.of('heartbeat').length).toBeGreaterThanOrEqual(9);
    expect(client.of('heartbeat').at(-1)!.roundTripMs).toBe(0);
    expect(client.closedWith).toBeNull();
  });

  test('does not come while there is data', async () => {
    const { station, client } = await start();
    client.stream.subscribe('book', ['X', 'Y']);
    await trade(station, 20);
    expect(client.of('heartbeat')).toEqual([]);
  });
});

describe('a peer', () => {
  test('that leaves three pings unanswered and says nothing is closed as silent', async () => {
    const { station, client } = await start();
    client.answersPings = false;
    await station.advance(10_000);
    expect(client.closedWith).toBeNull();
    await station.advance(15_000);
    expect(client.closedWith).toEqual({ code: CloseCode.silent, reason: 'silent' });
    expect(CloseCode.silent).toBe(4002);
    expect(station.counters.closed).toEqual({ silent: 1 });
  });

  test('that says something else is not silent, but is closed once its oldest ping is too old', async () => {
    const { station, client } = await start();
    client.answersPings = false;
    for (let second = 0; second < 28; second++) {
      client.stream.ping();
      await station.advance(1_000);
      expect(client.closedWith).toBeNull();
    }
    for (let second = 0; second < 10; second++) {
      client.stream.ping();
      await station.advance(1_000);
    }
    expect(client.closedWith).toEqual({ code: CloseCode.tooSlow, reason: 'too-slow' });
    expect(CloseCode.tooSlow).toBe(4001);
  });

  test('that answers one byte late each time lives on', async () => {
    const { station, client } = await start();
    client.stream.subscribe('book', ['X']);
    client.answersPings = false;
    for (let second = 0; second < 120; second++) {
      await trade(station, 1);
      if (second % 4 === 3) client.pong();
    }
    expect(client.closedWith).toBeNull();
  });
});

/** A client of two books that answers no more pings. */
async function withFullWindow() {
  const { station, client } = await start({ heartbeatMs: 600_000, ageMsMax: 600_000 });
  client.stream.subscribe('book', ['X', 'Y']);
  await station.settle();
  client.answersPings = false;
  await trade(station, 120);
  return { station, client, connection: client.connection };
}

describe('a full window', () => {
  test('stops the data and leaves cursors, lets control frames pass, and opens with the pong', async () => {
    const { station, client, connection } = await withFullWindow();
    expect(connection.block).toBe('window');
    expect(connection.unansweredBytes).toBeLessThanOrEqual(65_536);
    const sent = client.frames.length;
    client.stream.ping();
    await station.settle();
    expect(client.frames.slice(sent).map(({ type }) => type)).toEqual(['pong']);
    client.clear();
    client.pong();
    await station.settle();
    expect(connection.block).toBe(null);
    expect(client.of('book').map(({ seq }) => seq)).toEqual([1_201, 1_201]);
    for (const symbol of ['X', 'Y']) expect(client.held('book', symbol).counters.resyncs).toBe(0);
  });

  test('lets through what is longer than itself once nothing else is on its way, with a ping for each and no more', async () => {
    const { station, client } = await start();
    client.stream.subscribe('book', ['X']);
    await station.settle();
    client.connection.window.bytes = 512;
    const bids = Array.from({ length: 90 }, (_, i) => [i + 1, 1_000_000 + i, 0]).flat();
    await station.publish('X', { kind: 'snapshot', bids, asks: [101, 1, 0] });
    const pings = station.counters.pings;
    await station.settle();
    expect(client.held('book', 'X').seq).toBe(2);
    expect(station.counters.pings - pings).toBeLessThanOrEqual(3);
  });

  test('is not opened by a pong that answers nothing, nor by one that answers again', async () => {
    const { station, connection } = await withFullWindow();
    for (const number of [0, 1, 999_999]) connection.pong(number);
    await station.settle();
    expect(connection.block).toBe('window');
    expect(connection.window.strayPongs).toBe(3);
  });
});

describe('the pace', () => {
  test('falls step by step while the link is blocked, says so, and recovers by itself', async () => {
    const { station, client } = await start({ ageMsMax: 600_000 });
    client.stream.limit({ topOfBook: true });
    client.stream.subscribe('book', ['X', 'Y'], { depth: 10 });
    await station.settle();
    client.answersPings = false;
    for (let i = 0; i < 90; i++) {
      await trade(station, 1);
      client.stream.ping();
      // Now and then it answers for some of what was sent: blocked again at once.
      if (i % 15 === 14) client.connection.pong(client.pings[0] ?? 0);
    }
    expect(client.connection.rung).toEqual({ pace: 'top', priority: 5 });
    client.clear();
    client.answersPings = true;
    client.pong();
    await trade(station, 1);
    expect(client.of('pace').map(({ pace }) => pace)).toEqual(['conflated', 'slower', 'top']);
    expect(client.held('book', 'X').book!.depth).toBe(1);
    client.clear();
    await trade(station, 60);
    expect(client.of('pace')).toMatchObject([
      { pace: 'slower', priority: 5, intervalMs: 1_000, reason: 'link' },
      { pace: 'conflated', priority: 9, intervalMs: 0 },
      { pace: 'real-time', priority: 9, intervalMs: 0 },
    ]);
    await trade(station, 1);
    expect(client.held('book', 'X').book!.depth).toBe(10);
    expect(client.held('book', 'X').counters).toMatchObject({ gapped: 0, resyncs: 0 });
    client.clear();
    await trade(station, 1);
    expect(client.of('book').length).toBe(20);
  });
});

describe('a byte budget', () => {
  test.each(['client', 'operator'])(
    'of the %s is kept, with all books exact, the higher priority more often',
    async (who) => {
      const bytesPerSec = 200;
      const { station, client } = await start(who === 'operator' ? { connectionBytesPerSecMax: bytesPerSec } : {});
      if (who === 'client') client.stream.limit({ maxBytesPerSec: bytesPerSec });
      client.stream.subscribe('book', ['X'], { priority: 9 });
      client.stream.subscribe('book', ['Y'], { priority: 0 });
      await station.advance(2_000);
      const before = client.connection.sentBytes;
      client.clear();
      await trade(station, 20);
      expect(client.connection.sentBytes - before).toBeLessThanOrEqual(bytesPerSec * 20.5);
      expect(client.connection.sentBytes - before).toBeGreaterThan(bytesPerSec * 6);
      expect(client.of('pace')).toContainEqual(expect.objectContaining({ pace: 'slower', reason: 'budget' }));
      const [x, y] = ['X', 'Y'].map((symbol) => client.held('book', symbol));
      expect(x!.counters.delivered).toBeGreaterThan(y!.counters.delivered);
      expect(y!.counters.delivered).toBeGreaterThan(5);
      await station.advance(5_000);
      expect([x!.seq, y!.seq]).toEqual([201, 201]);
      expect(client.closedWith).toBeNull();
    },
  );

  test('is lifted by the client', async () => {
    const { station, client } = await start();
    client.stream.limit({ maxBytesPerSec: 100 });
    client.stream.subscribe('book', ['X', 'Y']);
    await trade(station, 3);
    expect(client.connection.block).toBe('budget');
    client.stream.limit({ maxBytesPerSec: 0 });
    await station.settle();
    expect(client.connection.block).toBe(null);
    expect(client.held('book', 'X').seq).toBe(31);
  });
});

test.each([
  ['', 0],
  ['7', 7],
  ['0042', 42],
  ['12345678901', 0],
  ['-1', 0],
  ['1x', 0],
])('the payload %j of a pong is number %d', (payload, number) => {
  expect(pingNumber(new TextEncoder().encode(payload).buffer)).toBe(number);
});
