// Owns the baseline of `bench:sessions`: uWebSockets.js alone, which upgrades and sends one ready message to whoever connects.
// The orchestrator starts it. Invariant: it keeps nothing of a connection but what the library does.

import uWS from 'uWebSockets.js';
import type { FromServer, ToServer } from './sessions/messages.ts';
import { memoryReading } from './sessions/reading.ts';

let connections = 0;

process.on('disconnect', () => process.exit(0));
process.on('message', async (message: ToServer) => {
  if (message.type === 'serve') tell({ type: 'serving', port: await serve(Uint8Array.from(message.firstMessage)) });
  else if (message.type === 'usage') tell({ type: 'usage', ...memoryReading({ connections, topics: 0 }, false) });
  else if (message.type === 'memory') tell({ type: 'memory', ...memoryReading({ connections, topics: 0 }, true) });
  else throw new Error(`the baseline knows no ${message.type}`);
});

function serve(firstMessage: Uint8Array): Promise<number> {
  const app = uWS.App();
  app.ws('/v1/stream', {
    compression: uWS.DISABLED,
    idleTimeout: 0,
    sendPingsAutomatically: false,
    open: (ws) => {
      connections += 1;
      ws.send(firstMessage, true, false);
    },
    close: () => {
      connections -= 1;
    },
  });
  return new Promise((resolve, reject) => {
    app.listen('127.0.0.1', 0, (listening) => {
      if (listening === false) reject(new Error('the baseline found no free port on 127.0.0.1'));
      else resolve(uWS.us_socket_local_port(listening));
    });
  });
}

function tell(message: FromServer): void {
  process.send!(message);
}
