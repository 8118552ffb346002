// Holds the tests' own Redis servers to their word: a private one each that starts, dies, comes back, falls silent and is promoted
// when it is told to, and that leaves nothing behind.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type RedisOptions, type RedisServer, redisForTests, startRedis } from './server.ts';

const started: RedisServer[] = [];

async function start(options?: RedisOptions): Promise<RedisServer> {
  const server = await startRedis(options);
  started.push(server);
  return server;
}

afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(started.splice(0).map((server) => server.close()));
});

async function dialed(port: number): Promise<'accepted' | string> {
  const socket = connect(port, '127.0.0.1');
  const outcome = await new Promise<string>((done) => {
    socket.once('connect', () => done('accepted')).once('error', (error: NodeJS.ErrnoException) => done(error.code!));
  });
  socket.destroy();
  return outcome;
}

async function infoOf(server: RedisServer, name: string): Promise<string | undefined> {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(String(await server.command('INFO')))?.[1];
}

describe('a server', () => {
  test('answers as soon as it is returned, keeps nothing on disk and evicts nothing', async () => {
    const redis = await start();
    expect(await redis.command('PING')).toBe('PONG');
    expect(Number(await infoOf(redis, 'process_id'))).toBe(redis.pid);
    expect(await redis.command('CONFIG', 'GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    expect(await redis.command('CONFIG', 'GET', 'save')).toEqual(['save', '']);
    expect(await redis.command('CONFIG', 'GET', 'appendonly')).toEqual(['appendonly', 'no']);
  });
  test('takes lines of configuration of several words, and keeps them over a restart', async () => {
    const redis = await start({ config: { 'client-output-buffer-limit': 'pubsub 65536 1024 7', maxmemory: '8mb' } });
    await redis.restart();
    const [, limits] = (await redis.command('CONFIG', 'GET', 'client-output-buffer-limit')) as string[];
    expect(limits).toContain('pubsub 65536 1024 7');
    expect(await redis.command('CONFIG', 'GET', 'maxmemory')).toEqual(['maxmemory', `${8 * 2 ** 20}`]);
  });
  test('with a configuration that Redis does not take, the start fails with what Redis says', async () => {
    await expect(startRedis({ config: { 'no-such-thing': '1' } })).rejects.toThrow(/no-such-thing/);
  });
  test('refuses connections once it is killed, and commands under way reject', async () => {
    const redis = await start();
    await redis.command('PING');
    const blocked = redis.command('BLPOP', 'never', 0);
    const rejected = expect(blocked).rejects.toThrow('Connection is closed');
    await redis.kill();
    await rejected;
    expect(redis.running).toBe(false);
    expect(await dialed(redis.port)).toBe('ECONNREFUSED');
    await expect(redis.command('PING')).rejects.toThrow();
    expect(() => redis.pid).toThrow(`Redis on port ${redis.port} does not run: call restart() first`);
  });
  test('comes back empty on the same port after a kill, as another process with another replication id', async () => {
    const redis = await start();
    await redis.command('SET', 'a', '1');
    const before = { pid: redis.pid, id: await infoOf(redis, 'master_replid') };
    await redis.kill();
    await redis.restart();
    expect(Number(await redis.command('EXISTS', 'a'))).toBe(0);
    expect(Number(await infoOf(redis, 'tcp_port'))).toBe(redis.port);
    expect(redis.pid).not.toBe(before.pid);
    expect(await infoOf(redis, 'master_replid')).not.toBe(before.id);
  });
  test.each(['kill', 'stop'] as const)(
    'a persistent one holds after %s and restart what it held before',
    async (end) => {
      const redis = await start({ persistent: true });
      await redis.command('XADD', 'log', '1-1', 'a', 'b');
      await redis[end]();
      await redis.restart();
      expect(await redis.command('XRANGE', 'log', '-', '+')).toEqual([['1-1', ['a', 'b']]]);
    },
  );
  test('ends in order when it is stopped, also while it is paused', async () => {
    const redis = await start();
    redis.pause();
    await redis.stop();
    expect(redis.log).toMatch(/ready to exit, bye bye/);
    expect(await dialed(redis.port)).toBe('ECONNREFUSED');
  });
  test('paused it accepts connections and answers nothing, until it is resumed', async () => {
    const [redis, other] = await Promise.all([start(), start()]);
    await redis.command('PING');
    redis.pause();
    let answered = false;
    const ping = redis.command('PING').then((answer) => {
      answered = true;
      return answer;
    });
    expect(await dialed(redis.port)).toBe('accepted');
    for (let i = 0; i < 500; i += 1) await other.command('PING');
    expect(answered).toBe(false);
    redis.resume();
    expect(await ping).toBe('PONG');
  });
  test('two at once do not meet', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    await one.command('SET', 'a', '1');
    expect(one.port).not.toBe(two.port);
    expect(await two.command('GET', 'a')).toBeNull();
    await one.kill();
    expect(await two.command('PING')).toBe('PONG');
  });
  test('says what it prints, and that it has ended', async () => {
    const redis = await start();
    const saved = redis.says(/Background saving terminated with success/);
    await redis.command('BGSAVE');
    await saved;
    const never = expect(redis.says(/no such words/)).rejects.toThrow('ended without saying /no such words/');
    await redis.kill();
    await never;
  });
  test('a port that is taken is an error when it was asked for', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    await expect(startRedis({ port })).rejects.toThrow(/Address already in use/);
    other.close();
  });
});

describe('a replica', () => {
  test('holds what its master holds, takes no writes, and has another replication id once promoted', async () => {
    const master = await start();
    await master.command('SET', 'a', '1');
    const replica = await start({ replicaOf: master });
    expect(await replica.command('GET', 'a')).toBe('1');
    await expect(replica.command('SET', 'a', '2')).rejects.toThrow('READONLY');
    const id = await infoOf(master, 'master_replid');
    expect(await infoOf(replica, 'master_replid')).toBe(id);

    await master.command('SET', 'a', '3');
    expect(await master.command('WAIT', 1, 0)).toBe(1);
    await master.kill();
    await replica.command('REPLICAOF', 'NO', 'ONE');
    await replica.command('APPEND', 'a', '4');
    expect(await replica.command('GET', 'a')).toBe('34');
    expect(await infoOf(replica, 'role')).toBe('master');
    expect(await infoOf(replica, 'master_replid')).not.toBe(id);
    expect(await infoOf(replica, 'master_replid2')).toBe(id);
  });
});

describe('what is left of a server', () => {
  test('nothing, once it is closed', async () => {
    const redis = await start();
    const [, folder] = (await redis.command('CONFIG', 'GET', 'dir')) as [string, string];
    expect(existsSync(folder)).toBe(true);
    await redis.close();
    expect(existsSync(folder)).toBe(false);
    expect(await dialed(redis.port)).toBe('ECONNREFUSED');
  });
  test('nothing, when the process that started it was killed', async () => {
    const file = new URL('server.ts', import.meta.url).href;
    const script = `const { startRedis } = await import('${file}'); const redis = await startRedis();
      console.log(JSON.stringify([redis.port, (await redis.command('CONFIG', 'GET', 'dir'))[1]]));`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const [port, folder] = JSON.parse(line.toString()) as [number, string];
    const socket = connect(port, '127.0.0.1').resume();
    await once(socket, 'connect');
    expect(existsSync(folder)).toBe(true);
    child.kill('SIGKILL');
    await once(socket, 'close');
    // A process that is being killed may close its connections some milliseconds before its port.
    await vi.waitUntil(async () => (await dialed(port)) === 'ECONNREFUSED' && !existsSync(folder), { timeout: 30_000 });
  });
});

describe('a server for tests that need no more than one that runs', () => {
  test('is one for all of a file, with a prefix for each whose keys are removed in the end', async () => {
    vi.stubEnv('TESTS_REDIS_URL', '');
    const [one, two] = [await redisForTests(), await redisForTests()];
    expect(one.url).toBe(two.url);
    expect(one.prefix).not.toBe(two.prefix);
    const redis = new Redis(one.url);
    await redis.mset(`${one.prefix}a`, 1, `${one.prefix}b`, 2, `${two.prefix}a`, 3);
    await one.close();
    expect(await redis.keys('*')).toEqual([`${two.prefix}a`]);
    await two.close();
    redis.disconnect();
  });
  test('is the one that REDIS_URL names', async () => {
    const redis = await start();
    vi.stubEnv('TESTS_REDIS_URL', redis.url);
    vi.resetModules();
    const asked = await import('./server.ts');
    const { url, prefix, close } = await asked.redisForTests();
    expect(url).toBe(redis.url);
    await redis.command('MSET', `${prefix}a`, 1, 'a', 2);
    await close();
    expect(await redis.command('KEYS', '*')).toEqual(['a']);
  });
});
