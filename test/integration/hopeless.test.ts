// Holds what becomes of clients that will never keep up: they cost little while they last, are closed when their time is over,
// with a reason in the counters and, where the socket still takes it, in a close frame; the others notice nothing.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { ClientStream } from '../../src/client/stream.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import { CloseCode } from '../../src/protocol/errors.ts';
import { SUBPROTOCOL_MSGPACK } from '../../src/protocol/frames.ts';
import { portOf, startGateway, stopAll } from '../gateway/harness.ts';
import { NarrowSocket } from '../gateway/narrowsocket.ts';
import { endAll, handshake, Opcode, RawSocket, wsFrame } from '../gateway/rawsocket.ts';

const LISTED = [{ symbol: 'A', priceScale: 2, sizeScale: 6 }];
const WAIT_MS = 20_000;

let gateway: Gateway;
let publishing = true;
const sockets: NarrowSocket[] = [];
beforeEach(async () => {
  gateway = startGateway({ heartbeatMs: 1_000, ageMsMax: 3_000 }, LISTED);
  publishing = true;
  let size = 0;
  const levels = (from: number, outward: number): number[] =>
    Array.from({ length: 100 }, (_, i) => [from + outward * i, 1_000 + size, 0]).flat();
  const publish = async (): Promise<void> => {
    if (!publishing) return;
    size += 1;
    const update = { kind: 'snapshot' as const, bids: levels(100_000, -1), asks: levels(100_001, 1) };
    await gateway.bus.publish([{ symbol: 'A', update, exchangeUs: null }]);
    setTimeout(publish, 10);
  };
  await publish();
});
afterEach(() => {
  publishing = false;
  for (const socket of sockets.splice(0)) socket.end();
  endAll();
  stopAll();
});

async function narrow(): Promise<{ socket: NarrowSocket; stream: ClientStream }> {
  const socket = new NarrowSocket(portOf(gateway), 4_096);
  sockets.push(socket);
  socket.write(Buffer.from(handshake({ 'Sec-WebSocket-Protocol': SUBPROTOCOL_MSGPACK })));
  for (let head: string | null = null; head === null; head = socket.takeHead()) await socket.read(1_000);
  const stream = new ClientStream(msgpackCodec, (bytes) => socket.write(wsFrame(Opcode.binary, bytes)));
  stream.subscribe('book', ['A']);
  return { socket, stream };
}

test(
  'a client that reads but answers no ping is closed as silent, and told so',
  async () => {
    const raw = await RawSocket.upgraded(gateway, SUBPROTOCOL_MSGPACK);
    const stream = new ClientStream(msgpackCodec, (bytes) => raw.write(wsFrame(Opcode.binary, bytes)));
    stream.subscribe('book', ['A']);
    const [connection] = gateway.connections;
    const { payload } = await raw.unanswered(({ opcode }) => opcode === Opcode.close);
    expect([payload.readUInt16BE(0), payload.subarray(2).toString()]).toEqual([CloseCode.silent, 'silent']);
    expect(connection!.unansweredBytes).toBe(0);
    expect(gateway.connectionCounters.closed).toEqual({ silent: 1 });
    expect(gateway.connectionCount).toBe(0);
  },
  WAIT_MS,
);

test(
  'a client that never reads is sent one window and no more, and is closed as silent',
  async () => {
    const { socket } = await narrow();
    const [connection] = gateway.connections;
    let sentMax = 0;
    await expect
      .poll(
        () => {
          sentMax = Math.max(sentMax, connection!.unansweredBytes, connection!.queuedBytes);
          return gateway.connectionCounters.closed;
        },
        { timeout: WAIT_MS, interval: 20 },
      )
      .toEqual({ silent: 1 });
    expect(sentMax).toBeGreaterThan(1_000);
    expect(sentMax).toBeLessThanOrEqual(65_536);
    expect(socket.ended).toBe(false);
  },
  2 * WAIT_MS,
);

test(
  'a client that reads byte by byte, and says something now and then, is closed as too slow',
  async () => {
    const { socket, stream } = await narrow();
    const lastMs = performance.now() + WAIT_MS;
    while (gateway.connectionCount > 0 && performance.now() < lastMs) {
      await socket.read(1);
      stream.ping();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(gateway.connectionCounters.closed).toEqual({ 'too-slow': 1 });
  },
  2 * WAIT_MS,
);
