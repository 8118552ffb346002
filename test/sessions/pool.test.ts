// Holds pooled connections to serving each client as if it were the first, and to leaving a successor alone.

import { describe, expect, test } from 'vitest';
import { packed } from '../../src/client/packer.ts';
import type { RedeemedSession, SessionStore } from '../../src/ports/session-store.ts';
import { SENT, type Socket } from '../../src/ports/socket.ts';
import type { Codec } from '../../src/protocol/codec.ts';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import { CloseCode } from '../../src/protocol/errors.ts';
import type { Frame } from '../../src/protocol/frames.ts';
import type { Connection } from '../../src/sessions/connection.ts';
import { Continuity } from '../../src/sessions/continuity.ts';
import { ConnectionPool } from '../../src/sessions/pool.ts';
import { Sessions } from '../../src/sessions/session.ts';
import { TokenKeys, Tokens } from '../../src/sessions/token.ts';
import { Station } from '../topics/station.ts';

/** A socket that takes everything and writes down what it means. */
class Recorded implements Socket {
  readonly frames: Frame[] = [];
  readonly pings: string[] = [];
  closedWith: number | null = null;
  private readonly decoder;

  constructor(codec: Codec = jsonCodec) {
    this.decoder = codec.decoder();
  }

  send(message: Uint8Array): number {
    this.frames.push(...this.decoder.decode(message.slice()));
    return SENT;
  }
  ping(payload: string): number {
    this.pings.push(payload);
    return SENT;
  }
  end(code: number): void {
    this.closedWith ??= code;
  }
  getBufferedAmount(): number {
    return 0;
  }
}

function poolOf(station: Station): ConnectionPool {
  const { flush, topics, limits, counters, kernel } = station;
  return new ConnectionPool({ flush, topics, limits, counters, clock: kernel, timers: kernel });
}

async function listed(): Promise<Station> {
  const station = new Station();
  for (const symbol of ['X', 'Y']) {
    station.list(symbol);
    await station.publish(symbol, { kind: 'snapshot', bids: [100, 5, 0], asks: [101, 7, 0] });
  }
  return station;
}

const request = (fields: object): Uint8Array => new TextEncoder().encode(JSON.stringify(fields));
/** All that one may see of a connection, but for what names it. */
function shown(connection: Connection): object {
  const { id: _, ...facts } = Object.fromEntries(
    [
      'block',
      'rung',
      'queuedBytes',
      'sentBytes',
      'unansweredBytes',
      'bytesPerSecMax',
      'bytesPerSec',
      'wishes',
      'closed',
    ]
      .concat(['watchesInstruments', 'identity', 'identityEndsMs', 'tokenGeneration', 'tokenDueMs', 'waiting'])
      .concat(['clientLagMs', 'heldSeqs', 'codec', 'address'])
      .map((name) => [name, connection[name as keyof Connection]]),
  ) as Record<string, unknown>;
  const { bytes, answeredBytes, roundTripMs, strayPongs, unansweredPings, begun } = connection.window;
  const window = { bytes, answeredBytes, roundTripMs, strayPongs, unansweredPings, begun };
  return { ...facts, window, subscriptions: connection.subscriptions.size, patterns: connection.patterns.size };
}

describe('a connection that is used again', () => {
  test('is the same object, and looks like a new one, whatever the one before did', async () => {
    const station = await listed();
    const pool = poolOf(station);
    const fresh = pool.take({ id: 'new', socket: new Recorded(), codec: jsonCodec });
    const asNew = shown(fresh);

    const worn = pool.take({
      id: 'worn',
      socket: new Recorded(msgpackCodec),
      codec: msgpackCodec,
      address: '10.0.0.1',
    });
    station.sessions.welcome(worn);
    const ask = (fields: object) => station.sessions.receive(worn, packed(fields), true);
    ask({ op: 'subscribe', id: 1, channel: 'book', symbols: ['X', '*'] });
    ask({ op: 'limit', id: 2, maxBytesPerSec: 1_000, topOfBook: true });
    ask({ op: 'instruments', id: 3, watch: true });
    ask({ op: 'ping', id: 4, lagMs: 9, held: [1, 2] });
    for (let second = 0; second < 30; second++) {
      await station.publish('X', { kind: 'delta', bids: [100, second + 6, 0], asks: [] });
      worn.tick(station.kernel.nowMs(), station.kernel.nowUs());
      worn.pong(second);
      await station.advance(1_000);
    }
    expect(shown(worn)).not.toEqual(asNew);
    worn.close(CloseCode.tooSlow, 'enough');
    pool.giveBack(worn);

    const again = pool.take({ id: 'new', socket: new Recorded(), codec: jsonCodec });
    expect(again).toBe(worn);
    expect(pool.made).toBe(2);
    expect(shown(again)).toEqual(asNew);
  });

  test('sends the successor what is its own, and the one before nothing more', async () => {
    const station = await listed();
    const pool = poolOf(station);
    const [former, latter] = [new Recorded(), new Recorded()];
    const connection = pool.take({ id: 'a', socket: former, codec: jsonCodec });
    station.sessions.receive(connection, request({ op: 'subscribe', id: 1, channel: 'book', symbols: ['X'] }), false);
    await station.settle();
    connection.shut();
    pool.giveBack(connection);
    const sent = former.frames.length;
    expect(pool.take({ id: 'b', socket: latter, codec: jsonCodec })).toBe(connection);
    station.sessions.receive(connection, request({ op: 'subscribe', id: 1, channel: 'quote', symbols: ['Y'] }), false);
    await station.publish('X', { kind: 'delta', bids: [100, 9, 0], asks: [] });
    await station.publish('Y', { kind: 'delta', bids: [100, 9, 0], asks: [] });
    await station.settle();
    expect(former.frames).toHaveLength(sent);
    expect(new Set(latter.frames.map(({ type }) => type))).toEqual(new Set(['ack', 'topic', 'quote']));
  });

  test('is not given back while it serves somebody', async () => {
    const pool = poolOf(await listed());
    const connection = pool.take({ id: 'a', socket: new Recorded(), codec: jsonCodec });
    pool.giveBack(connection);
    expect(pool.take({ id: 'b', socket: new Recorded(), codec: jsonCodec })).not.toBe(connection);
  });
});

describe('what was begun for one client', () => {
  test('and answered when its connection serves another is not the other’s', async () => {
    const station = await listed();
    let answer: (redeemed: RedeemedSession) => void = () => {};
    const store: SessionStore = {
      counters: { connected: 0, over: 0, overBytes: 0, redeemed: 0, dropped: 0, oversized: 0, failed: 0 },
      ready: true,
      renew: () => {},
      changed: () => {},
      release: () => {},
      revoke: () => {},
      redeem: () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    };
    const tokens = new Tokens(new TokenKeys(TokenKeys.random()));
    const limits = { resumeLifeMs: 1_000, resumeRenewMs: 1_000 };
    const continuity = new Continuity({ store, tokens, clock: station.kernel, limits, random: () => 0 });
    const { instruments, sets, topics, flush, kernel } = station;
    const sessions = new Sessions({
      ...{ instruments, sets, topics, flush, continuity, clock: kernel, limits: station.limits },
      server: 'station',
      onRefusal: () => {},
    });
    const pool = poolOf(station);
    const connection = pool.take({ id: 'a', socket: new Recorded(), codec: jsonCodec });
    const token = tokens.sign({ session: 'before', generation: 1 }, 'anonymous');
    sessions.receive(connection, request({ op: 'resume', id: 1, token }), false);
    sessions.receive(connection, request({ op: 'subscribe', id: 2, channel: 'book', symbols: ['X'] }), false);
    await station.settle();
    connection.shut();
    pool.giveBack(connection);
    const successor = new Recorded();
    expect(pool.take({ id: 'b', socket: successor, codec: jsonCodec })).toBe(connection);
    sessions.receive(connection, request({ op: 'ping', id: 7 }), false);
    const state = JSON.stringify({ subscriptions: [{ channel: 'book', symbols: ['Y'] }], topOfBook: true });
    answer({ state, generation: 1 });
    await station.settle();
    expect(successor.frames).toMatchObject([{ type: 'pong', id: 7 }]);
    expect([connection.subscriptions.size, connection.wishes.topOfBook]).toEqual([0, false]);
  });
});
