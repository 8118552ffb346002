// Holds the link to a real Redis to what it says of calls and of servers.

import { afterEach, describe, expect, test } from 'vitest';
import { RedisLink } from '../../src/bus/redis-link.ts';
import type { RedisIdentity } from '../../src/ports/redis.ts';
import { type RedisServer, startRedis } from '../redis/server.ts';

const closing: { close(): void | Promise<void> }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

async function server(options?: Parameters<typeof startRedis>[0]): Promise<RedisServer> {
  const redis = await startRedis(options);
  closing.push(redis);
  return redis;
}

/** A link that was up, and word of each time that it is up again. */
class Linked {
  readonly link: RedisLink;
  identity: RedisIdentity | null = null;
  private wake = (): void => {};

  constructor(url: string) {
    this.link = new RedisLink({ url, onTrouble: () => {} });
    closing.push(this.link);
    this.link.open({
      up: (identity) => {
        this.identity = identity;
        this.wake();
      },
      down: () => {},
      channelsUp: () => {},
      channelsDown: () => {},
      subscribed: () => {},
      message: () => {},
    });
  }

  /** The next time that calls are taken. */
  async up(): Promise<RedisIdentity> {
    await new Promise<void>((wake) => {
      this.wake = wake;
    });
    return this.identity!;
  }
}

describe('a call', () => {
  test('on a connection that is being closed was not sent, and never is', async () => {
    const redis = await server();
    const linked = new Linked(redis.url);
    await linked.up();
    linked.link.resetCalls('the test says so');
    await expect(linked.link.publish('nowhere', new Uint8Array(0))).rejects.toMatchObject({ outcome: 'unsent' });
    await linked.up();
    expect(await linked.link.publish('nowhere', new Uint8Array(0))).toBe(0);
  });

  test('is taken again where the server does not let the connection before be closed', async () => {
    const redis = await server({ config: { 'rename-command': 'CLIENT ""' } });
    const linked = new Linked(redis.url);
    await linked.up();
    linked.link.resetCalls('the test says so');
    await linked.up();
    expect(await linked.link.publish('nowhere', new Uint8Array(0))).toBe(0);
  });
});

describe('a server', () => {
  test('stays the same when its first replica comes', async () => {
    const redis = await server();
    const linked = new Linked(redis.url);
    const { replicationId } = await linked.up();
    const before = await redis.command('INFO', 'replication');
    await server({ replicaOf: redis });
    const idOf = (info: unknown): string | undefined => /master_replid:(\w+)/.exec(String(info))?.[1];
    expect(idOf(await redis.command('INFO', 'replication'))).not.toBe(idOf(before));
    expect((await linked.link.identify()).replicationId).toBe(replicationId);
  });

  test('is another one after a restart, and as a replica that was promoted', async () => {
    const redis = await server({ persistent: true });
    const replica = await server({ replicaOf: redis });
    const [linked, beside] = [new Linked(redis.url), new Linked(replica.url)];
    const ids = [(await linked.up()).replicationId];
    expect((await beside.link.identify().catch(() => beside.up())).writable).toBe(false);
    await replica.command('REPLICAOF', 'NO', 'ONE');
    const promoted = await beside.link.identify();
    expect(promoted.writable).toBe(true);
    ids.push(promoted.replicationId);
    await redis.restart();
    ids.push((await linked.up()).replicationId);
    expect(new Set(ids).size).toBe(3);
  });
});
