// Owns a gateway in a process of its own whose event loop can be stopped: each line on its input says for how many milliseconds. The
// tests of time start it. Invariant: it says `awake` after each stall, in the turn in which it stood still; it ends with its starter.

import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { Gateway } from '../../src/gateway/gateway.ts';
import { readSettings } from '../../src/settings/settings.ts';

const settings = { port: 0, adminPort: 0, heartbeatMs: 1_000, connectsPerSecMax: 100_000 };
const gateway = new Gateway(readSettings(settings, {}), pino({ level: 'silent' }));
gateway.start();
console.log(JSON.stringify({ url: gateway.url, streamUrl: gateway.streamUrl, adminUrl: gateway.adminUrl }));
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const untilMs = performance.now() + Number(line);
  while (performance.now() < untilMs);
  console.log('awake');
});
lines.on('close', () => process.exit());
