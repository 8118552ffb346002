// Holds what a reader that stops costs and gets: nothing is queued for it but what the kernel took, and when it reads again
// each subscription is answered once, exactly, with what it missed, or with a gap that names what is gone.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ClientStream } from '../../src/client/stream.ts';
import { Random } from '../../src/feeds/random.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import { type Frame, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK } from '../../src/protocol/frames.ts';
import { NaiveBook } from '../feeds/naive.ts';
import { startGateway, stopAll } from '../gateway/harness.ts';
import { endAll, Opcode, RawSocket, wsFrame } from '../gateway/rawsocket.ts';
import { expectExact, StreamClient } from '../gateway/streamclient.ts';

const LEVELS = 1_000;
/** Numbers of full length, in either codec. */
const PRICE = 2 ** 52;
const LISTED = ['A', 'B'].map((symbol) => ({ symbol, priceScale: 2, sizeScale: 6 }));

let gateway: Gateway;
beforeEach(() => {
  gateway = startGateway({}, LISTED);
});
afterEach(() => {
  endAll();
  stopAll();
});

/** Books that change all over with every update: many bytes, soon. */
class Publishing {
  readonly books = new Map(LISTED.map(({ symbol }) => [symbol, new NaiveBook()]));
  seq = 0;
  trades = 0;
  private readonly random = new Random(3);

  async publish(): Promise<void> {
    this.seq += 1;
    for (const [symbol, oracle] of this.books) {
      const kind = this.seq === 1 ? ('snapshot' as const) : ('delta' as const);
      const update = { kind, bids: this.levels(PRICE, -1), asks: this.levels(PRICE + 1, 1) };
      const [published] = await gateway.bus.publish([{ symbol, update, exchangeUs: null }]);
      expect(published).toMatchObject({ seq: this.seq });
      oracle.apply(update);
    }
  }

  async trade(): Promise<void> {
    const update = { kind: 'trade', id: null, tradeKind: 'trade', side: 'buy', price: 1, size: 1 } as const;
    await gateway.bus.publish([{ symbol: 'A', update, exchangeUs: null }]);
    this.trades += 1;
  }

  private levels(from: number, outward: number): number[] {
    const flat: number[] = [];
    for (let i = 0; i < LEVELS; i++) flat.push(from + outward * i, PRICE + this.random.below(2 ** 31), 0);
    return flat;
  }
}

/** Whether the first client's connection is blocked. */
function isBlocked(): boolean {
  const [connection] = gateway.connections;
  return connection!.block !== null;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A client on a bare socket: what arrived is read from the bytes, in the order in which they came. */
class BareClient {
  readonly stream: ClientStream;
  /** Data frames, with their topic's name. */
  readonly frames: { name: string; frame: Frame & { seq: number; fromSeq: number } }[] = [];
  readonly gaps: Frame[] = [];

  constructor(
    readonly raw: RawSocket,
    codec: 'json' | 'msgpack',
  ) {
    const opcode = codec === 'json' ? Opcode.text : Opcode.binary;
    this.stream = new ClientStream(
      codec === 'json' ? jsonCodec : msgpackCodec,
      (bytes) => raw.write(wsFrame(opcode, bytes)),
      {
        gap: (_, frame) => this.gaps.push(frame),
      },
    );
  }

  async readUntil(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      const { opcode, payload } = await this.raw.message();
      if (opcode !== Opcode.text && opcode !== Opcode.binary) continue;
      for (const frame of this.stream.receive(payload)) {
        if (!('fromSeq' in frame) || frame.type === 'part') continue;
        const { channel, symbol } = this.stream.held.get(frame.topic)!.topic;
        this.frames.push({ name: `${channel}:${symbol}`, frame });
      }
    }
  }
}

describe.each([
  ['msgpack', SUBPROTOCOL_MSGPACK],
  ['json', SUBPROTOCOL_JSON],
] as const)('a reader in %s that stops', (codec, subprotocol) => {
  test('costs nothing meanwhile, and gets one answer per subscription when it reads again', async () => {
    const publishing = new Publishing();
    await publishing.publish();
    const client = new BareClient(await RawSocket.upgraded(gateway, subprotocol), codec);
    const [connection] = gateway.connections;
    const healthy = await StreamClient.connect(gateway, codec);
    for (const { stream } of [client, healthy]) {
      stream.subscribe('book', ['A', 'B']);
      stream.subscribe('quote', ['A']);
      stream.subscribe('trade', ['A']);
    }
    // The last of the subscriptions is in place.
    await client.readUntil(() => client.stream.find('trade', 'A')?.valid === true);
    await healthy.until(() => healthy.stream.find('trade', 'A')?.valid === true, 'the last topic');

    client.raw.tcp.pause();
    // A pong that was on its way may open the window once more.
    for (let blockedTurns = 0; blockedTurns < 10; blockedTurns = connection!.block === null ? 0 : blockedTurns + 1) {
      await publishing.publish();
      await publishing.trade();
      await turn();
    }
    const stalledAt = publishing.seq;
    const sent = connection!.sentBytes;
    expect(connection!.unansweredBytes).toBeLessThanOrEqual(65_536);
    for (let i = 0; i < 40; i++) {
      await publishing.publish();
      await publishing.trade();
      await turn();
    }
    // On a busy machine this may take so long that a pace is announced; that passes the window, and nothing else does.
    expect(connection!.sentBytes - sent).toBeLessThan(100);
    expect(connection!.block).not.toBe(null);
    await healthy.reaches('book', 'B', publishing.seq);

    client.raw.tcp.resume();
    const { seq, trades } = publishing;
    const isThere = (stream: ClientStream) =>
      ['A', 'B'].every((symbol) => stream.find('book', symbol)!.seq === seq) &&
      stream.find('quote', 'A')!.seq === seq &&
      stream.find('trade', 'A')!.seq === trades;
    await client.readUntil(() => isThere(client.stream));
    await healthy.until(() => isThere(healthy.stream), 'the end');
    expect(gateway.connectionCounters.resumed).toBeGreaterThan(0);

    for (const [symbol, oracle] of publishing.books) {
      expectExact(client.stream.find('book', symbol)!, oracle, seq);
      expectExact(healthy.held('book', symbol), oracle, seq);
    }
    const late = (name: string) => client.frames.filter((each) => each.name === name && each.frame.seq > stalledAt);
    for (const name of ['book:A', 'book:B', 'quote:A']) {
      expect(late(name).map(({ frame }) => frame.seq)).toEqual([seq]);
      expect(late(name)[0]!.frame.fromSeq).toBeGreaterThan(0);
    }
    // Trades are never merged: each of them came, once and in order.
    const tradeSeqs = client.frames.filter(({ name }) => name === 'trade:A').map(({ frame }) => frame.seq);
    expect(tradeSeqs).toEqual(Array.from({ length: trades }, (_, i) => i + 1));
    expect(client.gaps).toEqual([]);
  });
});

test('trades beyond what the ring keeps are named in one gap, and those after it all come', async () => {
  stopAll();
  gateway = startGateway({ ringFramesMax: 16, logEntriesMax: 16 }, LISTED);
  const publishing = new Publishing();
  await publishing.publish();
  const client = new BareClient(await RawSocket.upgraded(gateway, SUBPROTOCOL_MSGPACK), 'msgpack');
  client.stream.subscribe('book', ['A', 'B']);
  client.stream.subscribe('trade', ['A']);
  await client.readUntil(() => client.stream.find('trade', 'A')?.valid === true);
  client.raw.tcp.pause();
  while (!isBlocked()) {
    await publishing.publish();
    await turn();
  }
  for (let i = 0; i < 100; i++) await publishing.trade();
  await turn();
  client.raw.tcp.resume();
  await client.readUntil(() => client.stream.find('trade', 'A')!.seq === 100);
  expect(client.gaps).toMatchObject([{ type: 'gap', firstSeq: 1, lastSeq: 84, reason: 'ring' }]);
  const trades = client.frames.filter(({ name }) => name === 'trade:A');
  expect(trades.map(({ frame }) => frame.seq)).toEqual(Array.from({ length: 16 }, (_, i) => 85 + i));
  expect(client.stream.find('trade', 'A')!.counters).toMatchObject({ gapped: 84, delivered: 16, resyncs: 0 });
});

test('a reader that never comes back is forgotten when its connection ends', async () => {
  const publishing = new Publishing();
  await publishing.publish();
  const client = new BareClient(await RawSocket.upgraded(gateway, SUBPROTOCOL_MSGPACK), 'msgpack');
  client.stream.subscribe('book', ['A', 'B']);
  await client.readUntil(() => client.stream.find('book', 'B')?.valid === true);
  client.raw.tcp.pause();
  while (!isBlocked()) {
    await publishing.publish();
    await turn();
  }
  client.raw.tcp.resetAndDestroy();
  await expect.poll(() => gateway.connectionCount).toBe(0);
  await publishing.publish();
  await turn();
});
