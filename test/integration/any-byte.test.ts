// Holds the gateway to its promise for readers that stop at any byte, for any time, with any socket buffer: nothing is lost or
// repeated in silence, and as long as the horizon reaches back nobody is started over.

import { afterEach, expect, test } from 'vitest';
import { ClientStream } from '../../src/client/stream.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import { SUBPROTOCOL_MSGPACK } from '../../src/protocol/frames.ts';
import { NaiveBook } from '../feeds/naive.ts';
import { portOf, startGateway, stopAll } from '../gateway/harness.ts';
import { NarrowSocket } from '../gateway/narrowsocket.ts';
import { handshake, Opcode, wsFrame } from '../gateway/rawsocket.ts';
import { expectExact } from '../gateway/streamclient.ts';
import { Random } from '../simulation/kernel.ts';

const SYMBOLS = ['A', 'B', 'C'];
const STEPS = 600;
const SENT_MAX = 65_536;

const sockets: NarrowSocket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.end();
  stopAll();
});

test.each([
  [1, 2_304],
  [2, 8_192],
  [3, 65_536],
  [4, 0],
  [5, 0],
])(
  'a reader that stops anywhere is exact whenever it reads on (run %d, receive buffer %d)',
  async (seed, bufferBytes) => {
    const random = new Random(seed);
    const listed = SYMBOLS.map((symbol) => ({ symbol, priceScale: 2, sizeScale: 6 }));
    const gateway = startGateway({}, listed);
    const books = new Map(SYMBOLS.map((symbol) => [symbol, new NaiveBook()]));
    const levels = new Set<string>();
    const seqs = new Map(SYMBOLS.map((symbol) => [symbol, 0]));
    const publish = async (symbol: string): Promise<void> => {
      const first = seqs.get(symbol) === 0;
      const side = (from: number, outward: number): number[] => {
        const flat: number[] = [];
        for (let i = first ? 200 : 1 + random.below(30); i > 0; i--) {
          const price = from + outward * (first ? 200 - i : 7 * (30 - i) + random.below(7));
          const level = `${symbol}${outward}${price}`;
          const removed = levels.has(level) && random.chance(0.3);
          if (removed) levels.delete(level);
          else levels.add(level);
          flat.push(price, removed ? 0 : 1 + random.below(2 ** 31) * 1_000, 0);
        }
        return flat;
      };
      const kind = first ? ('snapshot' as const) : ('delta' as const);
      const update = { kind, bids: side(100_000, -1), asks: side(100_001, 1) };
      const [published] = await gateway.bus.publish([{ symbol, update, exchangeUs: null }]);
      seqs.set(symbol, seqs.get(symbol)! + 1);
      expect(published).toMatchObject({ seq: seqs.get(symbol) });
      books.get(symbol)!.apply(update);
    };
    for (const symbol of SYMBOLS) await publish(symbol);

    const socket = new NarrowSocket(portOf(gateway), bufferBytes);
    sockets.push(socket);
    socket.write(Buffer.from(handshake({ 'Sec-WebSocket-Protocol': SUBPROTOCOL_MSGPACK })));
    for (let head: string | null = null; head === null; head = socket.takeHead()) await socket.read(1_000);
    const stream = new ClientStream(msgpackCodec, (bytes) => socket.write(wsFrame(Opcode.binary, bytes)));
    const take = async (bytesMax: number): Promise<void> => {
      await socket.read(bytesMax);
      for (const message of socket.takeMessages()) stream.receive(message);
    };
    stream.subscribe('book', ['A'], { depth: 10 });
    stream.subscribe('book', ['B']);
    stream.subscribe('book', ['C'], { interval: 50, priority: 9 });
    const holds = (symbol: string): boolean => stream.find('book', symbol)?.valid === true;
    while (!SYMBOLS.every(holds)) await take(100_000);

    const [connection] = gateway.connections;
    const { blocked } = gateway.connectionCounters;
    // The faster updates come, the more of them are merged, and the later the window is full.
    for (let step = 0; step < STEPS || blocked.window === 0; step++) {
      for (let updates = random.below(step % 7 === 0 ? 60 : 10); updates > 0; updates--)
        await publish(random.pick(SYMBOLS));
      // Mostly it stands still; then it reads up to some byte of whatever is there.
      if (random.below(3) === 0) await take(random.pick([1, 3, 50, 400, 3_000, 8_000]));
      await new Promise((resolve) => setImmediate(resolve));
      const { unansweredBytes, window } = connection!;
      expect(unansweredBytes).toBeLessThanOrEqual(Math.max(SENT_MAX, window.bytes + 4_096));
    }
    const isThere = (symbol: string): boolean => stream.find('book', symbol)!.seq === seqs.get(symbol);
    while (!SYMBOLS.every(isThere)) await take(100_000);

    for (const symbol of SYMBOLS) {
      const held = stream.find('book', symbol)!;
      if (symbol !== 'A') expectExact(held, books.get(symbol)!, seqs.get(symbol)!);
      const { delivered, merged, gapped, covered, ignored, resets, resyncs } = held.counters;
      expect({ gapped, covered, ignored, resets, resyncs }).toEqual({
        gapped: 0,
        covered: 0,
        ignored: 0,
        resets: 0,
        resyncs: 0,
      });
      // Published = delivered + merged, from the snapshot at 1 on.
      expect(delivered + merged).toBe(seqs.get(symbol)! - held.counters.covered - 1);
    }
  },
);
