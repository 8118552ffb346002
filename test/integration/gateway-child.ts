// Owns a gateway in a process of its own, for those who kill it. Prints its port; ends with whoever started it.
// Invariant: the port given is the one it listens on, again and again.

import { pino } from 'pino';
import { Gateway } from '../../src/gateway/gateway.ts';
import { readSettings } from '../../src/settings/settings.ts';

const gateway = new Gateway(
  readSettings({ port: Number(process.argv[2]), adminPort: 0 }, {}),
  pino({ level: 'silent' }),
);
gateway.start();
console.log(`port ${new URL(gateway.url).port}`);
process.stdin.on('end', () => process.exit()).resume();
