// Owns the clients of `npm run bench:metrics`, in a process of their own: they subscribe, and read what comes. metrics.ts forks it
// with the ports and how many clients each has. Invariant: it says `ready` once every client has its first book.

import WebSocket from 'ws';
import { SUBPROTOCOL_MSGPACK } from '../../src/protocol/frames.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { SYMBOL } from './metrics-gateway.ts';

const [clients = '0', ...ports] = process.argv.slice(2);
process.on('disconnect', () => process.exit(0));

function subscribed(port: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`, SUBPROTOCOL_MSGPACK);
    const request = new ByteWriter();
    request.value({ op: 'subscribe', id: 1, channel: 'book', symbols: [SYMBOL], depth: 10 });
    socket.on('open', () => socket.send(request.copy()));
    // The welcome with the token, the answer, the book.
    let messages = 0;
    socket.on('message', () => {
      messages += 1;
      if (messages === 2) resolve();
    });
    socket.on('error', reject);
  });
}

for (const port of ports) await Promise.all(Array.from({ length: Number(clients) }, () => subscribed(port)));
process.send!('ready');
