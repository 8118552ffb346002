// Owns the process that the tests kill: a gateway on the port that is its argument (0: any), which it says once it listens.

import { pino } from 'pino';
import { Gateway } from '../../src/gateway/gateway.ts';
import { readSettings } from '../../src/settings/settings.ts';

const gateway = new Gateway(
  readSettings({ port: Number(process.argv[2]), adminPort: 0 }, {}),
  pino({ level: 'silent' }),
);
gateway.start();
console.log(gateway.url);
