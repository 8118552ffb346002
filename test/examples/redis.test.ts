// Runs the examples of publishing on Redis as a user would, each on a Redis of its own with a gateway, and holds proto/redis.md to
// them. Without a Python that has the packages it says so, and these are skipped.

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ask, startGateway, stopAll, TestClient } from '../gateway/harness.ts';
import { Service } from '../gateway/intake-scene.ts';
import { startRedis } from '../redis/server.ts';
import { pythonWithRedis } from './packages.ts';

const run = promisify(execFile);
const FOLDER = resolve(import.meta.dirname, '../../examples/redis');
const PAGE = readFileSync(resolve(FOLDER, '../../proto/redis.md'), 'utf8');
const INSTALL_MS_MAX = 300_000;
const ACME = { symbol: 'ACME-USD', priceScale: 2, sizeScale: 0 };

afterAll(stopAll);

let python: Awaited<ReturnType<typeof pythonWithRedis>>;
beforeAll(async () => {
  python = await pythonWithRedis();
  if ('missing' in python) console.log(`the examples in Python are not run: ${python.missing}`);
}, INSTALL_MS_MAX);

/** Runs it, and takes the book that a client then holds. @returns what it printed. */
async function ran(example: string, program: string): Promise<string> {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const gateway = startGateway({ redisUrl: redis.url }, [ACME]);
  onTestFinished(() => gateway.stop());
  await (await Service.connect(redis.url, 'tickwire')).heard();
  const client = await TestClient.connect(gateway);
  client.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['ACME-USD'], depth: 0 });
  await client.next('topic');
  const { stdout, stderr } = await run(program, [join(FOLDER, example)], {
    env: { ...process.env, REDIS_URL: redis.url, PYTHONDONTWRITEBYTECODE: '1' },
  });
  expect(stderr).toBe('');
  const frames = await client.takeUntil((frame) => frame.type === 'book' && frame.seq === 2, 'the book at 2');
  expect(frames.at(-1)).toMatchObject({ bids: [1_001, 250] });
  const { body } = await ask(gateway, '/v1/book/ACME-USD');
  expect(body).toMatchObject({ seq: 2, bids: [['10.01', '250']], asks: [['10.02', '500']] });
  return stdout.replaceAll(/\s+/g, ' ').trim();
}

const PRINTED = [
  ['publish', /^\[ ?\d+, 0, 1, 2 ?\]$/],
  ['plain', /^1 1$/],
] as const;

describe('a client in Node', () => {
  test.each(PRINTED)('%s.mjs publishes a book that a gateway serves', async (name, printed) => {
    expect(await ran(`${name}.mjs`, process.execPath)).toMatch(printed);
  });
});

describe('a client in Python', () => {
  test.for(PRINTED)('%s.py publishes a book that a gateway serves', async ([name, printed], { skip }) => {
    if ('missing' in python) return skip(python.missing);
    expect(await ran(`${name}.py`, python.path)).toMatch(printed);
  });
});

test('proto/redis.md shows the examples as they are, all of them', () => {
  const shown = [...PAGE.matchAll(/^```(?:python|js)\n([\s\S]*?)^```$/gm)].map(([, text]) => text);
  const files = readdirSync(FOLDER).filter((file) => /\.(py|mjs)$/.test(file));
  const texts = files.map((file) => readFileSync(join(FOLDER, file), 'utf8'));
  expect(shown.toSorted()).toEqual(texts.toSorted());
});
