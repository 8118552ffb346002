// Holds examples/publish.ts to what it says: run as a program of its own, it publishes into a real gateway.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { ask, startGateway, stopAll } from '../gateway/harness.ts';

afterEach(stopAll);

test('the example publishes a book and a trade, and ends', async () => {
  const gateway = startGateway();
  const example = new URL('../../examples/publish.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', example, gateway.url.replace('http', 'ws')]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (data: Buffer) => {
    said += data.toString();
  });
  const [code] = await once(child, 'close');
  expect({ code, said }).toEqual({ code: 0, said: 'published; the book of ACME-USD is at seq 2\n' });
  expect((await ask(gateway, '/v1/book/ACME-USD')).body).toMatchObject({
    asks: [['10.02', '450']],
    bids: [['10.01', '300']],
  });
  expect((await ask(gateway, '/v1/trades/ACME-USD')).body.trades).toMatchObject([{ id: 1, side: 'buy', size: '50' }]);
}, 120_000);
