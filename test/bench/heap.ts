// Owns the figure of what a subscription costs: heap before and after many of them, on the real topics and connections.
// Run by `npm run bench:heap` (needs --expose-gc). Invariant: nothing but subscriptions is made between the two readings.

import { MemoryBus } from '../../src/bus/memory.ts';
import { defineInstrument, Instruments } from '../../src/market/instrument.ts';
import { systemClock, systemTimers } from '../../src/ports/clock.ts';
import { SENT } from '../../src/ports/socket.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { Connection } from '../../src/sessions/connection.ts';
import { Sessions } from '../../src/sessions/session.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { Flush } from '../../src/topics/flush.ts';
import { Topics } from '../../src/topics/topics.ts';
import { firstBook } from './updates.ts';

const CONNECTIONS = 500;
const TOPICS = 100;
const socket = { send: () => SENT, end: () => {}, getBufferedAmount: () => 0 };

async function main(): Promise<void> {
  const settings = readSettings({}, {});
  const instruments = new Instruments();
  const clock = systemClock;
  const timers = systemTimers;
  const bus = new MemoryBus({ ...settings, clock, instruments, newEpoch: () => 1 });
  const flush = new Flush({ clock, timers, busy: () => 0 });
  const topics = new Topics({ ...settings, bus, instruments, clock, timers, flush, graceMs: 0, onError: () => {} });
  const sessions = new Sessions({
    instruments,
    topics,
    flush,
    clock,
    limits: settings,
    server: '',
    onRefusal: () => {},
  });
  const symbols = Array.from({ length: TOPICS }, (_, topic) => `BENCH-${topic}`);
  for (const [topic, symbol] of symbols.entries()) {
    const instrument = defineInstrument({ symbol, priceScale: 2, sizeScale: 4 });
    if (typeof instrument === 'string') throw new Error(instrument);
    instruments.put(instrument);
    await bus.publish([{ symbol, update: firstBook(topic), exchangeUs: null }]);
  }
  const counters = { stalls: 0, drains: 0, pumps: 0, slowControlCloses: 0 };
  const connect = (id: number): Connection =>
    new Connection({ id: String(id), socket, codec: msgpackCodec, flush, topics, limits: settings, counters });
  const request = new ByteWriter();
  request.value({ op: 'subscribe', id: 1, channel: 'book', symbols, depth: 10 });
  // The first client opens the topics and warms the code.
  sessions.receive(connect(0), request.copy(), true);
  const connections = Array.from({ length: CONNECTIONS }, (_, id) => connect(id + 1));
  await turn();
  const beforeBytes = heapBytes();
  for (const connection of connections) sessions.receive(connection, request.copy(), true);
  await turn();
  const each = (heapBytes() - beforeBytes) / (CONNECTIONS * TOPICS);
  console.log(
    `${CONNECTIONS * TOPICS} subscriptions in step on ${TOPICS} books: ${each.toFixed(0)} bytes of heap each`,
  );
  process.exit(connections.every(({ subscriptions }) => subscriptions.size === TOPICS) ? 0 : 1);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 500));
}

function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error('run it with node --expose-gc');
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

void main();
