// Owns the measured gateway of `bench:sessions`: the shipped one, which also sells a market where it is told to, as an embedded
// publisher would. The orchestrator starts it. Invariant: what is counted as published was accepted.

import pino from 'pino';
import { Gateway } from '../../src/gateway/gateway.ts';
import { readSettings, type Settings } from '../../src/settings/settings.ts';
import { BookMarket } from './sessions/market.ts';
import type { FromServer, ToServer } from './sessions/messages.ts';
import { heapClasses, memoryReading } from './sessions/reading.ts';

let gateway: Gateway;
let market: BookMarket | undefined;

process.on('disconnect', () => process.exit(0));
process.on('message', async (message: ToServer) => {
  if (message.type === 'serve') tell({ type: 'serving', port: await serve(message.settings) });
  else if (message.type === 'usage') tell({ type: 'usage', ...memoryReading(open(), false) });
  else if (message.type === 'memory') tell({ type: 'memory', ...memoryReading(open(), true) });
  else if (message.type === 'classes') tell({ type: 'classes', classes: await heapClasses() });
  else if (message.type === 'market') {
    market = new BookMarket(gateway, message);
    await market.open();
    tell({ type: 'selling' });
  } else tell({ type: 'closed', finals: await market!.close() });
});

async function serve(settings: Partial<Settings>): Promise<number> {
  gateway = new Gateway(readSettings({ ...settings, adminPort: 0 }, {}), pino({ level: 'warn' }));
  gateway.start();
  await gateway.ready;
  return Number(new URL(gateway.url).port);
}

function open(): { connections: number; topics: number } {
  return { connections: gateway.connectionCount, topics: gateway.topics.size };
}

function tell(message: FromServer): void {
  process.send!(message);
}
