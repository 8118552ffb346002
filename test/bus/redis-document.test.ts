// The two-way test of proto/redis.md: scripts, their arguments and refusals, names and fields are those of the code, and what the
// page says to type into Redis is typed into a real one.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { pack } from 'msgpackr';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { topicKeys } from '../../src/bus/redis-keys.ts';
import { STATUSES } from '../../src/protocol/frames.ts';
import { startGateway, stopAll } from '../gateway/harness.ts';
import { Service } from '../gateway/intake-scene.ts';
import { golden } from '../protocol/golden.ts';
import { until } from '../redis/bus.ts';
import { startRedis } from '../redis/server.ts';

const SCRIPTS = new URL('../../proto/redis/', import.meta.url);
const page = readFileSync(new URL('../../proto/redis.md', import.meta.url), 'utf8');
const names = readdirSync(SCRIPTS).map((file) => file.replace('.lua', ''));
const lua = (name: string): string => readFileSync(new URL(`${name}.lua`, SCRIPTS), 'utf8');
const topicScripts = names.filter((name) => name !== 'list' && name !== 'taker');

afterAll(stopAll);

function section(title: string): string {
  const [, text] = new RegExp(`^#{2,3} ${title}\\n([\\s\\S]*?)(?=^#{1,3} |(?![\\s\\S]))`, 'm').exec(page) ?? [];
  if (text === undefined) throw new Error(`redis.md has no section ${title}`);
  return text;
}

/** Cells of all rows of the table with that heading. */
function rows(text: string, heading: string): string[][] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} `) || line.startsWith(`| | ${heading} `));
  const end = lines.findIndex((line, i) => i > start && !line.startsWith('|'));
  const table = start < 0 ? [] : lines.slice(start + 2, end < 0 ? undefined : end);
  return table.map((line) => line.split('|').slice(1, -1)).map((cells) => cells.map((cell) => cell.trim()));
}

/** What a script's head says, in one line. */
function headOf(name: string): string {
  const lines = lua(name).split('\n');
  const head = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith('--')),
  );
  return flat(head.map((line) => line.slice(2)).join(' '));
}

const flat = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();
const quoted = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, inner]) => inner!);
const block = (text: string, language: string): string => {
  const [, inner] = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(text) ?? [];
  if (inner === undefined) throw new Error(`no block ${language}`);
  return inner;
};

test('every script has a section, and every section a script', () => {
  const [, scripts = ''] = /^## Scripts\n([\s\S]*?)^## /m.exec(page)!;
  expect([...scripts.matchAll(/^### (.*)$/gm)].map(([, title]) => title).sort()).toEqual(names.sort());
});

describe.each(names)('%s', (name) => {
  test('shows the keys and arguments of the head of its file', () => {
    const head = headOf(name);
    const shown = flat(block(section(name), 'text'));
    const own = head.slice(head.indexOf('KEYS'));
    expect(shown).toBe(own.replace(/\. ARGV/, ' ARGV'));
  });

  test('explains each argument under its number', () => {
    const documented = rows(section(name), 'Argument').map(([number, words]) => `${number} ${words}`.trim());
    const [, ...parts] = headOf(name).split('ARGV ');
    if (name === 'list') return expect(documented).toEqual([]);
    const said = parts.join('').split(/, (?=\d )|; (?:then |to \w+: )/);
    expect(documented.map((each) => each.replace(/\.$/, ''))).toEqual(said.map((each) => each.replace(/\.$/, '')));
  });

  test('lists its refusals, and no others', () => {
    const code = lua(name).replaceAll(/^--.*$/gm, '');
    const refusals = new Set([...code.matchAll(/return \{'([a-z-]+)'/g)].map(([, refusal]) => refusal!));
    const documented = rows(section(name), 'Refusal').flatMap(([first]) => quoted(first!).slice(0, 1));
    if (refusals.delete('other-format')) expect(rows(section('Scripts'), 'Answer')[0]![0]).toContain('`other-format`');
    expect(documented.toSorted()).toEqual([...refusals].sort());
  });
});

test('the fields of a topic are those that the scripts read and write', () => {
  const calls = topicScripts.flatMap((name) => [
    ...lua(name).matchAll(/redis\.call\('(?:HMGET|HSET|HDEL|HINCRBY)', topic, ([\s\S]*?)\)(?:\n| end)/g),
  ]);
  // Values that are texts too stand behind a field, never at its place.
  const fields = new Set(calls.flatMap(([, args]) => [...args!.matchAll(/'([a-zA-Z]+)'/g)].map(([, field]) => field!)));
  const documented = rows(section('Names'), 'Field').map(([field]) => quoted(field!)[0]!);
  expect(documented.toSorted()).toEqual([...fields].sort());
});

test('the keys of a topic are those of the code', () => {
  const documented = rows(section('Names'), 'Name').flatMap(([name]) => quoted(name!));
  expect(documented).toEqual(expect.arrayContaining([...topicKeys('tickwire', 'book', 'ACME-USD').all]));
});

test('the kinds of update are those of the vectors, and statuses have the numbers of frames', () => {
  const table = rows(section('Updates'), 'Kind');
  const documented = table.map(([kind]) => kind);
  const { vectors } = golden<{ body?: [number]; update?: { kind: string } | null }>('redis');
  const kinds = vectors.flatMap(({ body, update }) => (body && update ? [`${body[0]} ${update.kind}`] : []));
  expect(documented).toEqual([...new Set(kinds)].sort());
  const numbered = [...table[4]![1]!.split(';')[0]!.matchAll(/(\d) ([a-z-]+)/g)].map(([, number, status]) => [
    Number(number),
    status,
  ]);
  expect(numbered).toEqual(STATUSES.slice(0, 4).map((status, number) => [number, status]));
});

test('links lead to sections and files that there are', () => {
  for (const [, file = '', anchor] of page.matchAll(/\]\(([^#)]*)(?:#([^)]+))?\)/g)) {
    const target = new URL(`../../proto/${file === '' ? 'redis.md' : file}`, import.meta.url);
    expect(existsSync(target), file).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(readFileSync(target, 'utf8')), file).toContain(anchor);
  }
});

function anchorsOf(text: string): string[] {
  const titles = [...text.matchAll(/^#{1,3} (.*)$/gm)].map(([, title]) => title!.toLowerCase());
  return titles.map((title) => title.replaceAll(/[^a-z0-9 -]/g, '').replaceAll(' ', '-'));
}

describe('what the page says to type', () => {
  test('configures a Redis', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const [, lines = ''] = /## Operating\n\n((?: {4}.*\n)+)/.exec(page)!;
    for (const line of lines.trim().split('\n')) {
      const [name, ...values] = line.trim().split(' ');
      expect(await redis.command('CONFIG', 'SET', name!, values.join(' '))).toBe('OK');
    }
  });

  test('gives users what they need and no more', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    for (const line of block(section('Who may publish'), 'acl').trim().split('\n')) {
      const [name, ...args] = line.split(' ');
      expect(await redis.command(name!, ...args)).toBe('OK');
    }
    await redis.command('ACL', 'SETUSER', 'default', 'off');
    const as = (user: string, secret: string): string => `redis://${user}:${secret}@127.0.0.1:${redis.port}`;
    const listed = { symbol: 'A', priceScale: 2, sizeScale: 0 };
    const gateway = startGateway({ redisUrl: as('gateway', 'gateway-secret') }, [listed]);
    onTestFinished(() => gateway.stop());
    const plain = await Service.connect(as('plain-publisher', 'plain-secret'), 'tickwire');
    await plain.heard();
    await plain.publish('A', { type: 'none' });
    expect(await plain.refusal()).toMatchObject({ code: 'bad-request' });
    const script = new Redis(as('script-publisher', 'script-secret'));
    onTestFinished(() => script.disconnect());
    const { all } = topicKeys('tickwire', 'book', 'A');
    const call = (): Promise<unknown> => {
      const update = pack([1, null, [1_000, 1, 0], []]);
      return script.eval(lua('publish'), 4, ...all, 1, 4_711, 17, '', '2.0.0', '', '', 1_024, '', 'key', update);
    };
    expect(await call()).toEqual([4_711, 0, 1]);
    expect(await call()).toEqual([4_711, 0, -1]);
    const book = async (): Promise<string> => (await fetch(`${gateway.url}/v1/book/A`)).text();
    expect(await book()).toContain('"bids":[["10.00","1"]]');
    const forbidden = [
      () => plain.redis.set('tickwire:{book:A}', 'x'),
      () => plain.redis.publish('tickwire:{book:A}', 'x'),
      () => plain.redis.eval('return 1', 0),
      () => script.publish('tickwire:in:A', '[]'),
      () => script.hset('tickwire:{taker}', 'holder', 'me'),
      () => script.flushall(),
      () => script.config('GET', '*'),
    ];
    for (const each of forbidden) await expect(each()).rejects.toThrow(/NOPERM|[Pp]ermission/);
  });

  test('lists an instrument', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const text = quoted(section('Instruments and sets')).find((each) => each.startsWith('{"v":1,"symbol"'))!;
    const list = 'tickwire:{instruments}';
    const args = ['write', 'a1', '10000', 'ACME-USD', text, '0', 'always'];
    await redis.command('EVAL', lua('list'), '3', list, `${list}:revisions`, `${list}:tombstones`, ...args);
    const gateway = startGateway({ redisUrl: redis.url });
    onTestFinished(() => gateway.stop());
    await until(() => gateway.instruments.get('ACME-USD') !== undefined);
    expect(gateway.instruments.get('ACME-USD')).toMatchObject({ priceScale: 2, sizeScale: 0, quoteSource: 'book' });
  });
});
