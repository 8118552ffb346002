// Owns what the tests of plain publishing share: gateways on a Redis under a prefix of their own, a service that has nothing but a
// client of Redis, and what it hears of refusals. Invariant: everything ends with the test.

import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import type { Frame } from '../../src/protocol/frames.ts';
import type { Settings } from '../../src/settings/settings.ts';
import { until } from '../redis/bus.ts';
import { redisForTests } from '../redis/server.ts';
import { startGateway, TestClient } from './harness.ts';

export const LISTED = [
  { symbol: 'A', priceScale: 2, sizeScale: 0, tickSize: 5 },
  { symbol: 'B', priceScale: 2, sizeScale: 0 },
  { symbol: 'FX', priceScale: 4, sizeScale: 0, quoteSource: 'published' as const },
];

export interface Refused {
  readonly channel: string;
  readonly code: string;
  readonly message: string;
  readonly action: string;
  readonly [more: string]: unknown;
}

/** A service that publishes plainly. */
export class Service {
  /** What was refused on any channel, in order. */
  readonly refused: Refused[] = [];
  private constructor(
    readonly redis: Redis,
    readonly prefix: string,
  ) {}

  static async connect(url: string, prefix: string): Promise<Service> {
    const [redis, listening] = [1, 2].map(() => new Redis(url, { enableReadyCheck: false })) as [Redis, Redis];
    onTestFinished(() => {
      redis.disconnect();
      listening.disconnect();
    });
    const service = new Service(redis, prefix);
    listening.on('pmessage', (_, channel, text) => {
      const value = JSON.parse(text) as Omit<Refused, 'channel'>;
      service.refused.push({ channel: channel.slice(prefix.length), ...value } as Refused);
    });
    await listening.psubscribe(`${prefix}:refused:*`);
    return service;
  }

  /** @returns how many gateways took it. */
  publish(symbol: string, message: unknown): Promise<number> {
    const raw = typeof message === 'string' || Buffer.isBuffer(message);
    return this.redis.publish(`${this.prefix}:in:${symbol}`, raw ? message : JSON.stringify(message));
  }

  /** Resolves when a gateway takes. */
  async heard(): Promise<void> {
    while ((await this.publish('A', [])) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** The next refusal. */
  async refusal(): Promise<Refused> {
    await until(() => this.refused.length > 0);
    return this.refused.shift()!;
  }
}

export interface Scene {
  readonly url: string;
  readonly prefix: string;
  readonly service: Service;
  gateway(overrides?: Partial<Settings>): Gateway;
}

export async function scene(): Promise<Scene> {
  const redis = await redisForTests();
  onTestFinished(() => redis.close());
  const { url, prefix } = redis;
  const gateway = (overrides: Partial<Settings> = {}): Gateway => {
    const made = startGateway({ redisUrl: url, redisPrefix: prefix, ...overrides }, LISTED);
    onTestFinished(() => made.stop());
    return made;
  };
  return { url, prefix, service: await Service.connect(url, prefix), gateway };
}

/** A client that is subscribed to that. */
export async function subscribed(
  gateway: Parameters<typeof TestClient.connect>[0],
  channel: string,
  symbol: string,
): Promise<TestClient> {
  const client = await TestClient.connect(gateway);
  onTestFinished(() => client.end());
  client.send({ op: 'subscribe', id: 1, channel, symbols: [symbol], ...(channel === 'book' && { depth: 0 }) });
  // Once it knows its topic, everything that is published comes.
  await client.next('topic');
  return client;
}

type Wish = (frame: Frame) => boolean;

export function health(status: string): Wish {
  return (frame) => frame.type === 'health' && frame.status === status;
}

export function bookAt(seq: number): Wish {
  return (frame) => frame.type === 'book' && frame.seq === seq;
}

/** Takes frames until each of the wishes has come true, in whatever order. */
export async function seen(client: TestClient, ...wishes: readonly Wish[]): Promise<Frame[]> {
  const open = new Set(wishes);
  const come = (frame: Frame): boolean => {
    for (const wish of open) if (wish(frame)) open.delete(wish);
    return open.size === 0;
  };
  return client.takeUntil(come, 'all that was wished for');
}

export interface Stats {
  readonly refusals: Readonly<Record<string, number>>;
  readonly bus: { readonly intake?: Readonly<Record<string, number | boolean>> };
}

export async function statsOf({ adminUrl }: { readonly adminUrl: string }): Promise<Stats> {
  return (await (await fetch(`${adminUrl}/v1/admin/stats`)).json()) as Stats;
}
