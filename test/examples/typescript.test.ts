// Runs each TypeScript example as a user would, in a process of its own, against a real gateway.

import { afterAll, expect, onTestFinished, test } from 'vitest';
import { Running } from '../cli/process.ts';
import { delta, gatewayOf, published, snapshot, trade } from '../client/scene.ts';
import { stopAll } from '../gateway/harness.ts';

afterAll(stopAll);

function run(example: string, ...args: readonly string[]): Running {
  const running = new Running(['--import', 'tsx', `examples/${example}`, ...args]);
  onTestFinished(async () => {
    await running.signal('SIGKILL');
  });
  return running;
}

test('watch-book prints the top of the book, and each change of it', async () => {
  const gateway = gatewayOf();
  await published(gateway, snapshot('A'));
  const example = run('watch-book.ts', 'A', gateway.streamUrl);
  await example.says(/^A 10\.00 \/ 10\.01, 1 x 1 levels at update 1$/m);
  await published(gateway, delta('A', '9.99', '1'));
  await example.says(/^A 10\.00 \/ 10\.01, 2 x 1 levels at update 2$/m);
});

test('trades prints those of the past and the new ones, and ends with a clear line where there is no such instrument', async () => {
  const gateway = gatewayOf();
  await published(gateway, trade('A', '3'));
  const example = run('trades.ts', 'A', gateway.streamUrl);
  await example.says(/^\d{4}-\S+Z #1 buy 3 at 10\.01$/m);
  await published(gateway, trade('A', '4'));
  await example.says(/#2 buy 4 at 10\.01/);
  const { stdout, code } = await run('trades.ts', 'NOPE', gateway.streamUrl).end();
  expect(stdout).toMatch(/^unknown-symbol: There is no such instrument\. \(NOPE\) GET /);
  expect(code).toBe(0);
});

test('several-endpoints goes on at the next gateway where one is gone', async () => {
  const [first, second] = [gatewayOf(), gatewayOf()];
  await published(first, snapshot('A'));
  await published(second, snapshot('A', '11.00', '11.01'));
  const example = run('several-endpoints.ts', 'A', first.streamUrl, second.streamUrl);
  await example.says(/^A 10\.00 \/ 10\.01$/m);
  first.stop();
  await example.says(/^quote healed after \d+ ms: snapshot \(epoch\)$/m);
  await example.says(/^A 11\.00 \/ 11\.01$/m);
});
