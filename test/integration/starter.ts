// Owns the process that the lifecycle tests start: a gateway with clients, grids, topics and requests under way is stopped,
// and then nothing may keep the process alive. Says `stopped` as its last act; the end of the process is the proof.

import { once } from 'node:events';
import { pino } from 'pino';
import WebSocket from 'ws';
import { Gateway } from '../../src/gateway/gateway.ts';
import { readSettings } from '../../src/settings/settings.ts';

const settings = readSettings({ port: 0, adminPort: 0 }, {});
const gateway = new Gateway(settings, pino({ level: 'silent' }));
gateway.instruments.put({
  symbol: 'A',
  priceScale: 0,
  sizeScale: 0,
  tickSize: 1,
  lotSize: 1,
  negativePrices: false,
  orderCounts: false,
  quoteSource: 'book',
});
gateway.start();

const sockets = [0, 60_000, 10].map((interval) => {
  const socket = new WebSocket(gateway.streamUrl);
  socket.once('open', () => {
    for (const channel of ['book', 'quote', 'trade', 'status']) {
      socket.send(JSON.stringify({ op: 'subscribe', id: 1, channel, symbols: ['A'], interval }));
    }
  });
  return socket;
});
await Promise.all(sockets.map((socket) => once(socket, 'message')));
await gateway.bus.publish([
  { symbol: 'A', update: { kind: 'snapshot', bids: [1, 1, 0], asks: [2, 1, 0] }, exchangeUs: null },
]);
await (await fetch(`${gateway.url}/v1/book/A`)).text();
// One leaves before: its topics stay open for those who come back, until the gateway stops.
sockets[0]!.close();
await once(sockets[0]!, 'close');

const closes = sockets.slice(1).map((socket) => once(socket, 'close'));
gateway.stop();
const codes = (await Promise.all(closes)).map(([code]) => code);
console.log(`stopped ${codes.join(' ')}`);
