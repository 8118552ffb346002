// Holds who may write: without a token programs on this machine, never a page of another site or what a proxy passes on;
// with one whoever brings it. The token itself is compared in constant time and never said.

import { networkInterfaces } from 'node:os';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Gateway } from '../../src/gateway/gateway.ts';
import { isLocalProgram, isLoopback } from '../../src/gateway/trust.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { ask, HAS_IPV6, type HttpAsk, publish, startGateway, stopAll, TestClient } from './harness.ts';

const { compare } = vi.hoisted(() => ({ compare: vi.fn() }));
vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>();
  const timingSafeEqual = (a: Buffer, b: Buffer) => {
    compare(a.length, b.length);
    return crypto.timingSafeEqual(a, b);
  };
  return { ...crypto, timingSafeEqual };
});

const LISTED = [{ symbol: 'A', priceScale: 0, sizeScale: 0 }];
const trade = { type: 'trade', symbol: 'A', price: '1', size: '1' };

/** Each of the requests that write, with these options. @returns their statuses. */
async function writes(gateway: Gateway, options: HttpAsk = {}): Promise<number[]> {
  const put = { method: 'PUT', body: { priceScale: 0, sizeScale: 0 } };
  const answers = [
    await ask(gateway, '/v1/publish', { method: 'POST', body: trade, ...options }),
    await ask(gateway, '/v1/instruments/B', { ...put, ...options }),
    await ask(gateway, '/v1/instruments/B', { method: 'DELETE', ...options }),
  ];
  return answers.map(({ status }) => status);
}

afterEach(stopAll);

describe('without a token', () => {
  let gateway: Gateway;
  beforeEach(() => {
    gateway = startGateway({}, LISTED);
  });
  /** B is listed first, so that a refused DELETE is told from one of nothing. */
  const refused = async (headers: Record<string, string>) => {
    await ask(gateway, '/v1/instruments/B', { method: 'PUT', body: { priceScale: 0, sizeScale: 0 } });
    expect(await writes(gateway, { headers })).toEqual([401, 401, 401]);
    expect((await ask(gateway, '/v1/trades/A')).body.seq).toBe(0);
    expect((await ask(gateway, '/v1/instruments/B')).status).toBe(200);
  };

  test('a program on this machine may write', async () => {
    expect(await writes(gateway)).toEqual([200, 200, 200]);
  });
  test.each(['localhost', 'LOCALHOST:9001', '127.0.0.1', '127.0.0.1:80', '127.1.2.3', '[::1]:9001'])(
    'it may call this machine %s',
    async (host) => {
      expect(await writes(gateway, { headers: { Host: host } })).toEqual([200, 200, 200]);
    },
  );
  test.each(['http://localhost:3000', 'https://127.0.0.1', 'http://[::1]:8080'])(
    'a page of this machine may write: %s',
    async (origin) => {
      expect(await writes(gateway, { headers: { Origin: origin } })).toEqual([200, 200, 200]);
    },
  );
  test.each([
    'https://evil.example',
    'http://localhost.evil.example',
    'http://127.0.0.1.evil.example',
    'http://evil.example/localhost',
    'http://localhost@evil.example',
    'http://evil.example#localhost',
    'http://128.0.0.1',
    'null',
    'file://',
    'chrome-extension://localhost.evil',
  ])('a page of another site may not: %s', async (origin) => {
    await refused({ Origin: origin });
  });
  test.each([
    'evil.example',
    'localhost.evil.example:9001',
    '10.0.0.1',
    '[::2]',
    '127.0.0.1.nip.example',
    'localhost:x',
  ])('nor one whose name was pointed at this machine: %s', async (host) => {
    await refused({ Host: host });
  });
  test.each([
    ['Forwarded', 'for=192.0.2.60'],
    ['X-Forwarded-For', '127.0.0.1'],
    ['X-Forwarded-Host', 'localhost'],
    ['X-Forwarded-Proto', 'https'],
    ['X-Forwarded-Port', '443'],
    ['X-Forwarded-Server', 'a'],
    ['X-Real-IP', '127.0.0.1'],
    ['Via', '1.1 proxy'],
    ['x-forwarded-for', ''],
  ])('nor what a proxy passes on: %s', async (name, value) => {
    await refused({ [name]: value });
  });
  test('reading needs none of that', async () => {
    const headers = { Origin: 'https://evil.example', 'X-Forwarded-For': '8.8.8.8' };
    for (const path of ['/v1/time', '/v1/instruments', '/v1/book/A']) {
      expect((await ask(gateway, path, { headers })).status).toBe(200);
    }
  });
  test('a refused body is not waited for', async () => {
    const headers = { 'X-Real-IP': '8.8.8.8', 'Content-Length': '1000000' };
    const { code } = await ask(gateway, '/v1/publish', { method: 'POST', headers, body: undefined });
    expect(code).toBe('unauthorized');
  });

  const outside = Object.values(networkInterfaces())
    .flat()
    .find((each) => each !== undefined && !each.internal && each.family === 'IPv4')?.address;
  test.skipIf(outside === undefined)('a program on another address may not, whatever host it names', async () => {
    const wide = startGateway({ host: '0.0.0.0' }, LISTED);
    for (const headers of [{}, { Host: 'localhost' }]) {
      const { status, code } = await ask(wide, '/v1/publish', { method: 'POST', body: trade, headers, host: outside! });
      expect([status, code]).toEqual([401, 'unauthorized']);
    }
    expect((await ask(wide, '/v1/time', { host: outside! })).status).toBe(200);
  });
  const v6 = [
    ['::', '127.0.0.1'],
    ['::', '::1'],
    ['::1', '::1'],
  ] as const;
  test.each([['0.0.0.0', '127.0.0.1'], ['localhost', '127.0.0.1'], ...(HAS_IPV6 ? v6 : [])] as const)(
    'listening on %s, a program that comes from %s may write',
    async (host, from) => {
      const other = startGateway({ host }, LISTED);
      expect(await writes(other, { host: from })).toEqual([200, 200, 200]);
    },
  );
});

describe('with a token', () => {
  const token = 'correct-horse/battery+staple=';
  let gateway: Gateway;
  beforeEach(() => {
    gateway = startGateway({ publishToken: token }, LISTED);
  });

  test('whoever brings it may write, from wherever', async () => {
    const bearers = [`Bearer ${token}`, `bearer ${token}`];
    for (const authorization of bearers) {
      const headers = {
        Authorization: authorization,
        Origin: 'https://else.example',
        Via: '1.1 proxy',
        Host: 'x.example',
      };
      expect(await writes(gateway, { headers })).toEqual([200, 200, 200]);
    }
  });
  test.each([
    ['none', undefined],
    ['another', `Bearer ${token}x`],
    ['a part of it', `Bearer ${token.slice(0, -1)}`],
    ['it in other letters', `Bearer ${token.toUpperCase()}`],
    ['an empty one', 'Bearer '],
    ['it alone', token],
    ['it as a password', `Basic ${Buffer.from(`:${token}`).toString('base64')}`],
    ['it and more', `Bearer ${token} more`],
    ['it twice', `Bearer ${token}, Bearer ${token}`],
  ])('%s is refused, from this machine too', async (_, authorization) => {
    const headers: Record<string, string> = authorization === undefined ? {} : { Authorization: authorization };
    const answer = await publish(gateway, trade, headers);
    expect([answer.status, answer.code]).toEqual([401, 'unauthorized']);
  });
  test('it is compared in constant time, whatever its length', async () => {
    compare.mockClear();
    await publish(gateway, trade, { Authorization: 'Bearer x' });
    await publish(gateway, trade, { Authorization: `Bearer ${'y'.repeat(500)}` });
    expect(compare.mock.calls).toEqual([
      [32, 32],
      [32, 32],
    ]);
  });
  test('reading needs none', async () => {
    expect((await ask(gateway, '/v1/book/A')).status).toBe(200);
  });
});

test('the token is in no answer and in no log, neither the one that is set nor one that was tried', async () => {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  const settings = readSettings({ port: 0, adminPort: 0, publishToken: 'secret-that-is-set' }, {});
  const gateway = new Gateway(settings, pino({ level: 'trace' }, stream));
  gateway.start();
  try {
    const answers: string[] = [];
    for (const token of ['secret-that-is-set', 'secret-that-was-tried']) {
      const headers = { Authorization: `Bearer ${token}` };
      answers.push((await publish(gateway, trade, headers)).text, (await publish(gateway, '{', headers)).text);
      answers.push((await ask(gateway, '/nothing', { headers })).text);
    }
    const client = await TestClient.connect(gateway);
    client.send({ op: 'none' });
    answers.push(
      JSON.stringify(await client.settled()),
      await (await fetch(`${gateway.adminUrl}/v1/admin/stats`)).text(),
    );
    client.end();
    gateway.stop();
    expect(lines.length).toBeGreaterThanOrEqual(2);
    for (const text of [...answers, ...lines]) expect(text).not.toContain('secret');
  } finally {
    gateway.stop();
  }
});

describe('loopback addresses', () => {
  test.each([
    '127.0.0.1',
    '127.255.255.254',
    '::1',
    '0000:0000:0000:0000:0000:0000:0000:0001',
    '::ffff:127.0.0.1',
    '0000:0000:0000:0000:0000:ffff:7f00:0001',
    '0000:0000:0000:0000:0000:FFFF:7FFF:FFFE',
  ])('%s is one', (address) => {
    expect(isLoopback(address)).toBe(true);
  });
  test.each([
    '',
    '128.0.0.1',
    '10.127.0.0.1',
    '127.0.0.1.example',
    '1127.0.0.1',
    '::2',
    '::ffff:128.0.0.1',
    '0000:0000:0000:0000:0000:ffff:8000:0001',
    '0000:0000:0000:0000:0000:0000:0000:0011',
    '1000:0000:0000:0000:0000:0000:0000:0001',
    '0000:0000:0000:0000:0000:0000:7f00:0001',
    '2001:0db8:0000:0000:0000:ffff:7f00:0001',
    'fe80:0000:0000:0000:0000:0000:0000:0001',
  ])('%j is none', (address) => {
    expect(isLoopback(address)).toBe(false);
  });
  test('a request without a Host header is judged by its address', () => {
    const headers = new Map<string, string>();
    expect(isLocalProgram({ headers, address: '127.0.0.1', forwarded: false })).toBe(true);
    expect(isLocalProgram({ headers, address: '127.0.0.1', forwarded: true })).toBe(false);
    expect(isLocalProgram({ headers, address: '192.0.2.1', forwarded: false })).toBe(false);
  });
});
