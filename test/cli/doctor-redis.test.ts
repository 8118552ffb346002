// Holds the doctor's checks of Redis to real servers: right, with another password, evicting, a replica, gone, silent, with a user
// of few rights, with a gateway on it, and to what is no Redis at all. Verdicts at their thresholds are in doctor-verdicts.test.ts.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { RedisBus } from '../../src/bus/redis.ts';
import type { CheckId } from '../../src/cli/doctor-catalogue.ts';
import type { Finding } from '../../src/cli/doctor-verdict.ts';
import { until } from '../redis/bus.ts';
import { type RedisOptions, type RedisServer, startRedis } from '../redis/server.ts';
import { run } from './command.ts';
import { startDemo } from './gateway.ts';

const PASSWORD = 'open sesame/42';

async function server(options: RedisOptions = {}): Promise<RedisServer> {
  const redis = await startRedis(options);
  onTestFinished(() => redis.close());
  return redis;
}

/** Listens on a port of its own. */
async function stranger(talk: (socket: Socket) => void): Promise<{ url: string; server: Server }> {
  const sockets = new Set<Socket>();
  const listening = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    talk(socket);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    listening.close();
  });
  await once(listening, 'listening');
  return { url: `redis://127.0.0.1:${(listening.address() as AddressInfo).port}`, server: listening };
}

async function examined(redisUrl: string, ...args: string[]) {
  const { code, stdout, stderr } = await run(['doctor', '--only', 'redis', '--json', ...args], { REDIS_URL: redisUrl });
  expect(stderr).toBe('');
  const findings = JSON.parse(stdout) as Finding[];
  const verdicts = (verdict: Finding['verdict']): CheckId[] =>
    findings.filter((each) => each.verdict === verdict).map(({ id }) => id);
  return { code, stdout, verdicts, found: (id: CheckId) => findings.find((each) => each.id === id)! };
}

test('a server as it should be is told with its figures, and nothing is left on it', async () => {
  const redis = await server();
  const { code, verdicts, found } = await examined(redis.url);
  expect(verdicts('failure')).toEqual([]);
  expect(verdicts('warning')).toEqual([]);
  expect(verdicts('skipped')).toEqual(['redis.tls']);
  expect(found('redis.version').found).toMatch(/^It is (Redis|Valkey) \d+\.\d+\.\d+\.$/);
  expect(found('redis.eviction').found).toBe('maxmemory-policy is noeviction.');
  expect(found('redis.gateways').found).toBe('0 gateways are under tickwire.');
  expect(code).toBe(0);
  expect(await redis.command('DBSIZE')).toBe(0);
});

test('a wrong password, none, and one too many are told apart, and never printed', async () => {
  const redis = await server({ config: { requirepass: `"${PASSWORD}"` } });
  const at = (credential: string): string => redis.url.replace('://', `://${credential}`);
  const right = await examined(at(`:${encodeURIComponent(PASSWORD)}@`));
  expect(right.code).toBe(0);
  const wrong = await examined(at(':not-the-word@'));
  expect(wrong.verdicts('failure')).toEqual(['redis.auth']);
  expect(wrong.found('redis.auth').found).toMatch(/does not let us in: WRONGPASS/);
  expect(wrong.found('redis.version')).toMatchObject({
    verdict: 'skipped',
    found: 'It came only as far as redis.auth.',
  });
  expect(wrong.code).toBe(1);
  const none = await examined(redis.url);
  expect(none.found('redis.auth').found).toMatch(/NOAUTH/);
  const open = await server();
  const needless = await examined(open.url.replace('://', '://:not-the-word@'));
  expect(needless.found('redis.auth').verdict).toBe('warning');
  for (const { stdout } of [right, wrong, needless]) {
    for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), 'not-the-word']) expect(stdout).not.toContain(secret);
  }
});

test('a server that evicts, and keeps little for channels, is told to be another', async () => {
  const redis = await server({
    config: {
      'maxmemory-policy': 'allkeys-lru',
      maxmemory: '100mb',
      'client-output-buffer-limit': 'pubsub 1mb 1mb 10',
    },
  });
  const { code, found, verdicts } = await examined(redis.url);
  expect(verdicts('failure')).toEqual(['redis.eviction']);
  expect(found('redis.eviction')).toMatchObject({
    found: expect.stringContaining('allkeys-lru'),
    remedy: expect.stringContaining('noeviction'),
  });
  expect(verdicts('warning')).toEqual(['redis.buffers']);
  expect(code).toBe(1);
});

test('a replica is told, with its primary', async () => {
  const primary = await server();
  const replica = await server({ replicaOf: primary });
  const { verdicts, found } = await examined(replica.url);
  expect(verdicts('failure')).toEqual(['redis.role']);
  expect(found('redis.role').remedy).toContain(`127.0.0.1:${primary.port}`);
});

test('a user who lacks commands, keys or channels is told which; the remedy’s rights are enough', async () => {
  const redis = await server();
  await redis.command(
    'ACL',
    'SETUSER',
    'few',
    'on',
    '>pw-of-few',
    '~other:*',
    '&other:*',
    '+@all',
    '-publish',
    '-xrange',
  );
  // The one that proto/redis.md gives a gateway.
  const page = readFileSync(resolve(import.meta.dirname, '../../proto/redis.md'), 'utf8');
  const [, documented] = /^ACL SETUSER gateway on >gateway-secret (.*)$/m.exec(page)!;
  const rights = documented!.split(' ');
  await redis.command('ACL', 'SETUSER', 'enough', 'on', '>pw-of-enough', ...rights);
  const at = (user: string): string => redis.url.replace('://', `://${user}:pw-of-${user}@`);
  const few = await examined(at('few'));
  expect(few.verdicts('failure')).toEqual(['redis.rights']);
  for (const name of ['PUBLISH', 'XRANGE', 'EVALSHA', 'SUBSCRIBE tickwire:*', 'PSUBSCRIBE tickwire:in:*']) {
    expect(few.found('redis.rights').found).toContain(name);
  }
  const advised = few.found('redis.rights').remedy!.match(/[~&+]\S+/g);
  expect(advised).toEqual(rights.filter((each) => /^[~&+]/.test(each)));
  const enough = await examined(at('enough'));
  expect(enough.verdicts('failure')).toEqual([]);
  expect(enough.found('redis.rights').verdict).toBe('ok');
  // Redis wants the right to a pattern to the letter; a gateway that takes no plain PUBLISH needs none.
  await redis.command(
    'ACL',
    'SETUSER',
    'narrow',
    'on',
    '>pw-of-narrow',
    ...rights.filter((each) => !each.includes(':in:')),
  );
  expect((await examined(at('narrow'))).found('redis.rights').found).toBe('The user may not PSUBSCRIBE tickwire:in:*.');
  vi.stubEnv('TICKWIRE_PLAIN_PUBLISH', '0');
  expect((await examined(at('narrow'))).found('redis.rights').verdict).toBe('ok');
  const { gateway } = await startDemo({ redisUrl: at('enough') });
  await gateway.ready;
  expect((await fetch(`${gateway.adminUrl}/readyz`)).status).toBe(200);
});

test('a command that scripts may not run is named', async () => {
  const redis = await server();
  await redis.command('ACL', 'SETUSER', 'dull', 'on', '>pw-of-dull', '~*', '&*', '+@all', '-zadd', '-hincrby');
  const { found } = await examined(redis.url.replace('://', '://dull:pw-of-dull@'));
  expect(found('redis.rights').found).toBe('The user may not HINCRBY, ZADD.');
});

test('a gateway on it is counted, and missed where one should run', async () => {
  const redis = await server();
  expect((await examined(redis.url, '--running')).verdicts('failure')).toEqual(['redis.gateways']);
  const { gateway } = await startDemo({ redisUrl: redis.url });
  await gateway.ready;
  await until(() => (gateway.bus as RedisBus).ready);
  const { code, found } = await examined(redis.url, '--running');
  expect(found('redis.gateways').found).toBe('1 gateway is under tickwire.');
  expect(code).toBe(0);
});

test('no server, no such name, no TLS and no Redis are told apart', async () => {
  const gone = await server();
  await gone.kill();
  const refused = await examined(gone.url);
  expect(refused.verdicts('failure')).toEqual(['redis.connect']);
  expect(refused.found('redis.connect').found).toContain('ECONNREFUSED');
  expect((await examined('redis://no-such-host.invalid:6379')).verdicts('failure')).toEqual(['redis.address']);
  const plain = await server();
  expect((await examined(plain.url.replace('redis:', 'rediss:'))).verdicts('failure')).toEqual(['redis.tls']);
  const web = await stranger((socket) => socket.end('HTTP/1.1 400 Bad\x1b[31m Request\r\n\r\n'));
  const foreign = await examined(web.url);
  expect(foreign.found('redis.auth')).toMatchObject({ verdict: 'failure', found: expect.stringContaining('no Redis') });
  expect(foreign.stdout).not.toContain('\\u001b');
  const closing = await stranger((socket) => socket.destroy());
  expect((await examined(closing.url)).verdicts('failure')).toEqual(['redis.auth']);
});

test('a server that stands still does not hold it up', async () => {
  const redis = await server();
  redis.pause();
  const { found } = await examined(redis.url);
  redis.resume();
  expect(found('redis.auth')).toMatchObject({ verdict: 'failure', found: expect.stringContaining('within 3 s') });
});

test('an address that can not be one is a failure, also with a password that can not be decoded', async () => {
  const unreadable = await examined('redis://:hidden-word@host:99999');
  expect(unreadable.verdicts('failure')).toEqual(['redis.address']);
  expect(unreadable.stdout).not.toContain('hidden-word');
  const gone = await server();
  const malformed = await examined(gone.url.replace('://', '://:50%ffword@'));
  expect(malformed.verdicts('failure')).toEqual(['redis.auth']);
  expect(malformed.stdout).not.toContain('50%ffword');
});
