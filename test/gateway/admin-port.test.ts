// Holds the admin port to whom it answers and what: with a token and without, probes, wrong methods and addresses, the log level,
// connections that are too many. Real gateways and sockets.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { AdminPort } from '../../src/gateway/admin-port.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { readinessOf, UNREADY } from '../../src/gateway/readiness.ts';
import { createServer } from '../../src/gateway/uws.ts';
import { readSettings, type Settings } from '../../src/settings/settings.ts';
import { startGateway, stopAll, TestClient } from './harness.ts';

const TOKEN = 'an-admin-token-of-some-length';
const page = readFileSync(join(import.meta.dirname, '../../docs/operating.md'), 'utf8');

/** This machine's own address in a network; null where it has none. */
const elsewhere = Object.values(networkInterfaces())
  .flat()
  .find((each) => each !== undefined && each.family === 'IPv4' && !each.internal)?.address;

afterEach(stopAll);

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Headers;
}

async function ask(url: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(`${url}${path}`, init);
  const text = await response.text();
  const body = text === '' ? {} : (JSON.parse(text) as Answer['body']);
  const { status, headers } = response;
  return { status, headers, body, code: (body.error as { code: string } | undefined)?.code };
}

const bearing = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } });

/** Another address of the same port. */
function from(host: string, { adminUrl }: Gateway): string {
  return `http://${host}:${new URL(adminUrl).port}`;
}

/** A gateway with what it logs. */
function logging(overrides: Partial<Settings> = {}): { gateway: Gateway; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  const gateway = new Gateway(readSettings({ port: 0, adminPort: 0, ...overrides }, {}), pino({}, stream));
  gateway.start();
  onTestFinished(() => gateway.stop());
  return { gateway, lines };
}

async function pathsOf(url: string, init: RequestInit = {}): Promise<{ method: string; path: string }[]> {
  const { body } = await ask(url, '/v1/admin', init);
  return body.routes as { method: string; path: string }[];
}

describe('with a token', () => {
  test('everything but the probes wants it, from this machine too', async () => {
    const { adminUrl } = startGateway({ adminToken: TOKEN });
    const routes = await pathsOf(adminUrl, bearing(TOKEN));
    expect(routes.length).toBeGreaterThanOrEqual(10);
    for (const { method, path } of routes) {
      const { status, code, headers } = await ask(adminUrl, path, { method });
      if (path === '/healthz' || path === '/readyz') expect([path, status]).toEqual([path, 200]);
      else {
        expect([path, status, code]).toEqual([path, 401, 'admin-token']);
        expect(headers.get('www-authenticate')).toBe('Bearer');
      }
    }
    expect(await ask(adminUrl, '/v1/admin/stats', bearing(TOKEN))).toMatchObject({ status: 200 });
  });

  test.each([
    ['a wrong one', `Bearer ${TOKEN.slice(0, -1)}x`],
    ['a part of it', `Bearer ${TOKEN.slice(0, -1)}`],
    ['it and more', `Bearer ${TOKEN}x`],
    ['none', 'Bearer'],
    ['another scheme', `Basic ${TOKEN}`],
    ['it alone', TOKEN],
    ['the publish token', 'Bearer the-publish-token'],
  ])('%s does not do', async (_, authorization) => {
    const { adminUrl } = startGateway({ adminToken: TOKEN, publishToken: 'the-publish-token' });
    const { status, code } = await ask(adminUrl, '/v1/admin/stats', { headers: { Authorization: authorization } });
    expect([status, code]).toEqual([401, 'admin-token']);
  });

  test('who has none does not learn which addresses there are', async () => {
    const { adminUrl } = startGateway({ adminToken: TOKEN });
    expect((await ask(adminUrl, '/nothing')).code).toBe('admin-token');
    expect((await ask(adminUrl, '/v1/admin/stats', { method: 'DELETE' })).code).toBe('admin-token');
    expect((await ask(adminUrl, '/nothing', bearing(TOKEN))).code).toBe('not-found');
  });

  test('it is good behind a proxy and from a page of any name', async () => {
    const { adminUrl } = startGateway({ adminToken: TOKEN });
    const headers = { ...bearing(TOKEN).headers, 'X-Forwarded-For': '203.0.113.9' };
    expect((await ask(adminUrl, '/v1/admin/stats', { headers })).status).toBe(200);
  });

  test.skipIf(elsewhere === undefined)('it is good from elsewhere, where the port listens for others', async () => {
    const gateway = startGateway({ adminHost: '0.0.0.0', adminToken: TOKEN });
    const url = from(elsewhere!, gateway);
    expect((await ask(url, '/readyz')).body).toEqual({ ready: true });
    expect((await ask(url, '/v1/admin/stats')).code).toBe('admin-token');
    expect((await ask(url, '/v1/admin/stats', bearing(TOKEN))).status).toBe(200);
    expect((await ask(from('127.0.0.1', gateway), '/v1/admin/stats')).code).toBe('admin-token');
  });

  test('those who try are counted, and logged so many times a second, without what they tried', async () => {
    const { gateway, lines } = logging({ adminToken: TOKEN, logLinesPerSecMax: 5 });
    for (let i = 0; i < 60; i++) await ask(gateway.adminUrl, '/v1/admin/stats', bearing(`guess-number-${i}-of-many`));
    expect(gateway.refusals['admin-token']).toBe(60);
    gateway.stop();
    const told = lines.filter(({ event }) => event === 'admin.refused');
    expect(told.length).toBeGreaterThanOrEqual(5);
    const omitted = lines
      .filter(({ event }) => event === 'log.omitted')
      .map((line) => (line.omitted as Record<string, number>)['admin.refused admin-token'] ?? 0);
    expect(told.length + omitted.reduce((sum, count) => sum + count, 0)).toBe(60);
    expect(omitted.length).toBeGreaterThan(0);
    expect(told[0]).toMatchObject({ address: '127.0.0.1', code: 'admin-token', path: '/v1/admin/stats' });
    expect(JSON.stringify(lines)).not.toContain('guess-number');
  });

  test('that is the publish token as well there is a warning', async () => {
    const { lines } = logging({ adminToken: TOKEN, publishToken: TOKEN });
    expect(lines).toContainEqual(expect.objectContaining({ event: 'settings.same-secret', level: 40 }));
    expect(logging({ adminToken: TOKEN, publishToken: `${TOKEN}x` }).lines).not.toContainEqual(
      expect.objectContaining({ event: 'settings.same-secret' }),
    );
  });
});

describe('without a token', () => {
  test('it listens on this machine alone', () => {
    expect(new URL(startGateway({ host: '0.0.0.0' }).adminUrl).hostname).toBe('127.0.0.1');
    expect(() => readSettings({ adminHost: '0.0.0.0' }, {})).toThrow(/adminToken/);
  });

  test.each([
    ['a foreign page', { Origin: 'https://evil.example' }],
    ['whom a proxy speaks for', { 'X-Forwarded-For': '203.0.113.9' }],
    ['a proxy that names itself', { Via: '1.1 proxy' }],
  ])('%s gets the probes and nothing else', async (_, headers) => {
    const { adminUrl } = startGateway();
    for (const { path, method } of await pathsOf(adminUrl)) {
      const { status, code } = await ask(adminUrl, path, { method, headers });
      expect([path, status, code]).toEqual(
        path === '/healthz' || path === '/readyz' ? [path, 200, undefined] : [path, 403, 'not-local'],
      );
    }
  });
});

describe('the probes', () => {
  test.each(['/healthz', '/readyz'])('%s is answered to GET and HEAD alike, and never kept', async (path) => {
    const { adminUrl } = startGateway();
    for (const method of ['GET', 'HEAD']) {
      const { status, headers } = await ask(adminUrl, path, { method });
      expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
    }
  });

  test('say while it drains that clients go elsewhere, and that the process lives', async () => {
    const { gateway, lines } = logging({ drainMs: 60_000 });
    const client = await TestClient.connect(gateway);
    expect((await ask(gateway.adminUrl, '/v1/admin/drain', { method: 'GET' })).status).toBe(404);
    const drain = await ask(gateway.adminUrl, '/v1/admin/drain', { method: 'POST' });
    expect(drain.body).toEqual({ total: 1, left: 1 });
    const { status, body } = await ask(gateway.adminUrl, '/readyz');
    expect([status, body]).toEqual([503, { ready: false, reasons: [{ code: 'draining', detail: UNREADY.draining }] }]);
    expect((await ask(gateway.adminUrl, '/healthz')).status).toBe(200);
    client.end();
    await gateway.drained;
    expect(lines.slice(-2)).toMatchObject([
      { event: 'drain.begun', connections: 1, drainMs: 60_000 },
      { event: 'drain.ended', connections: 0 },
    ]);
  });

  test('name every reason there is at once, each with a code of the page', () => {
    const { ready, reasons } = readinessOf({ starting: true, draining: true, busDown: true });
    expect([ready, reasons.map(({ code }) => code)]).toEqual([false, ['starting', 'draining', 'bus-down']]);
    const documented = [...page.matchAll(/^\| `([a-z-]+)` \| 503 \|/gm)].map(([, code]) => code);
    expect(documented).toEqual(Object.keys(UNREADY));
    expect(readinessOf({ starting: false, draining: false, busDown: false })).toEqual({ ready: true, reasons: [] });
  });
});

describe('what there is', () => {
  test('is listed by the port itself, and stands on the page, both ways', async () => {
    const routes = await pathsOf(startGateway().adminUrl);
    const listed = routes.map(({ method, path }) => `${method} ${path}`);
    const documented = [...page.matchAll(/^\| `((?:GET|POST|PUT) \/[^`?]*)/gm)].map(([, route]) => route!);
    // The metrics are added by the command that starts a gateway.
    expect(documented.filter((route) => route !== 'GET /metrics').sort()).toEqual(listed.sort());
  });

  test('is told by the method too: another one is refused, with those that would do', async () => {
    const { adminUrl } = startGateway();
    const { status, code, headers } = await ask(adminUrl, '/v1/admin/log-level', { method: 'DELETE' });
    expect([status, code, headers.get('allow')]).toEqual([405, 'bad-method', 'GET, HEAD, PUT']);
    expect((await ask(adminUrl, '/v1/admin/stats', { method: 'POST' })).headers.get('allow')).toBe('GET, HEAD');
    expect(await ask(adminUrl, '/v1/admin/nothing')).toMatchObject({ status: 404, code: 'not-found' });
  });

  test('can be more: a route that is added is answered behind the same check', async () => {
    const gateway = startGateway({ adminToken: TOKEN });
    const answer = () => ({ status: 200, body: 'tickwire_ready 1\n', contentType: 'text/plain' });
    gateway.admin.add({ method: 'GET', path: '/metrics', about: 'counters', answer });
    expect((await fetch(`${gateway.adminUrl}/metrics`)).status).toBe(401);
    const response = await fetch(`${gateway.adminUrl}/metrics`, bearing(TOKEN));
    expect([response.headers.get('content-type'), await response.text()]).toEqual(['text/plain', 'tickwire_ready 1\n']);
  });

  test('a route that fails is a mistake of ours, and told', async () => {
    const errors: unknown[] = [];
    const port = new AdminPort({
      settings: { adminToken: '' },
      onDenied: () => {},
      onRefusal: () => {},
      onError: (error) => errors.push(error),
    });
    const answer = () => Promise.reject(new Error('a planted mistake'));
    port.add({ method: 'GET', path: '/broken', open: true, about: '', answer });
    const request = { method: 'GET', path: '/broken', headers: new Map() } as unknown as Parameters<
      AdminPort['handle']
    >[0];
    expect(await port.handle(request)).toMatchObject({ status: 500 });
    expect(errors).toMatchObject([{ message: 'a planted mistake' }]);
  });
});

describe('the log level', () => {
  const put = (gateway: Gateway, body: unknown) =>
    ask(gateway.adminUrl, '/v1/admin/log-level', {
      method: 'PUT',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });

  test('is changed while it runs, and the log says so and obeys', async () => {
    const { gateway, lines } = logging();
    expect((await ask(gateway.adminUrl, '/v1/admin/log-level')).body).toEqual({
      ...{ level: 'info', configured: 'info', leftMs: null },
    });
    const { status, body } = await put(gateway, { level: 'debug' });
    expect([status, body]).toEqual([200, { level: 'debug', configured: 'info', leftMs: null }]);
    expect(lines.at(-1)).toMatchObject({ event: 'log.level', logLevel: 'debug', forMs: null });
    const client = await TestClient.connect(gateway);
    expect(lines.at(-1)).toMatchObject({ event: 'client.opened', principal: 'local', codec: 'json' });
    client.end();
    await put(gateway, { level: 'info', forMs: 600_000 });
    expect((await ask(gateway.adminUrl, '/v1/admin/log-level')).body).toMatchObject({ leftMs: expect.any(Number) });
  });

  test.each([
    [{ level: 'verbose' }, /level is "verbose", not one of trace, debug, info, warn, error, fatal, silent/],
    [{}, /level is missing/],
    ['nonsense', /level is missing/],
    [[], /level is missing/],
    [{ level: ['debug'] }, /level is \["debug"\]/],
    [{ level: 'debug', forMs: 'long' }, /forMs is "long", not a whole number from 1000 to 86400000/],
    [{ level: 'debug', forMs: 1e12 }, /forMs is 1000000000000/],
    [{ level: 'debug', forMinutes: 5 }, /"forMinutes" is not level or forMs/],
  ])('that is %j is refused with what would do', async (body, message) => {
    const gateway = startGateway();
    const answer = await put(gateway, body);
    expect([answer.status, answer.code]).toEqual([400, 'bad-request']);
    expect((answer.body.error as { message: string }).message).toMatch(message);
    expect(gateway.log.level).toMatchObject({ level: 'silent' });
  });

  test('in a body that is too long is refused', async () => {
    const answer = await put(startGateway(), { level: 'debug', x: 'x'.repeat(100_000) });
    expect([answer.status, answer.code]).toEqual([413, 'too-large']);
  });
});

test.skipIf(elsewhere === undefined)(
  'more connections than there may be are closed, but this machine still gets in',
  async () => {
    const server = createServer({
      streams: [],
      http: () => Promise.resolve({ status: 200, body: '{}' }),
      bodyBytesMax: 10,
      connectionsMax: 3,
    });
    const port = server.listen('0.0.0.0', 0);
    onTestFinished(() => server.close());
    const open = async (host: string): Promise<Socket> => {
      const socket = connect(port, host);
      socket.on('error', () => {});
      onTestFinished(() => void socket.destroy());
      await once(socket, 'connect');
      return socket;
    };
    const answered = async (socket: Socket): Promise<boolean> => {
      const heard = Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)]);
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      return heard;
    };
    const held: Socket[] = [];
    for (let i = 0; i < 3; i++) {
      const socket = await open(elsewhere!);
      expect(await answered(socket)).toBe(true);
      held.push(socket);
    }
    expect(await answered(await open(elsewhere!))).toBe(false);
    expect(await answered(await open('127.0.0.1'))).toBe(true);
  },
);
