// Holds the crowd against a real gateway: what it counts, what it calls whole, and what it finds wrong.

import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { Gateway } from '../../../src/gateway/gateway.ts';
import { CloseCode } from '../../../src/protocol/errors.ts';
import { readSettings } from '../../../src/settings/settings.ts';
import { SUBPROTOCOL } from '../tickframes.ts';
import { probe } from './connecting.ts';
import { flood, pace } from './hasty.ts';
import { Holding } from './holding.ts';
import { BookMarket } from './market.ts';
import type { FromCrowd, StormOrder } from './messages.ts';
import { Mover } from './moving.ts';
import { Storm } from './storming.ts';

const BOOKS = 4;
let gateway: Gateway;

/** A real gateway with a market in it. */
async function start(): Promise<{ port: number; market: BookMarket }> {
  gateway = new Gateway(readSettings({ port: 0, adminPort: 0 }, {}), pino({ level: 'silent' }));
  gateway.start();
  const market = new BookMarket(gateway, { books: BOOKS, updatesPerSec: 400, seed: 1 });
  await market.open();
  return { port: Number(new URL(gateway.url).port), market };
}

afterEach(() => gateway.stop());

function target(port: number) {
  return { port, subprotocol: SUBPROTOCOL, credential: null };
}

describe('connecting', () => {
  it('counts each connect that was welcomed', async () => {
    const { port, market } = await start();
    const flooded = await flood({ ...target(port), inFlight: 4, seconds: 0.2 }, null);
    expect(flooded).toMatchObject({ faults: 0 });
    expect(flooded.connects).toBeGreaterThan(0);
    expect(gateway.connectionCount).toBeLessThanOrEqual(4);
    await market.close();
  });

  it('times each connect of a schedule', async () => {
    const { port, market } = await start();
    const order = { connectsPerSec: 100, warmUpSeconds: 0, seconds: 0.2 };
    const paced = await pace({ ...target(port), ...order }, null);
    expect(paced).toMatchObject({ latency: { count: 20 }, faults: 0 });
    await market.close();
  });

  it('makes a fault of each connect that nobody takes', async () => {
    const { port, market } = await start();
    await market.close();
    gateway.stop();
    const paced = await pace({ ...target(port), connectsPerSec: 20, warmUpSeconds: 0, seconds: 0.2 }, null);
    expect(paced).toMatchObject({ latency: { count: 0 }, faults: 4 });
    await expect(probe(target(port))).rejects.toThrow(/no first message/);
  });

  it('holds connections until they are released, and counts those that were lost', async () => {
    const { port, market } = await start();
    const holding = new Holding({ type: 'hold', ...target(port), connections: 10, inFlight: 3 });
    expect(await holding.open()).toMatchObject({ connections: 10, faults: 0 });
    expect(gateway.connectionCount).toBe(10);
    const [one] = gateway.connections;
    one!.close(CloseCode.goingAway, 'a test');
    const lost = new Promise<void>((resolve) => {
      const look = (): void => (holding.held < 10 ? resolve() : void setImmediate(look));
      look();
    });
    await lost;
    expect(holding.release()).toMatchObject({ connections: 9, faults: 1 });
    await market.close();
  });
});

describe('storm', () => {
  const order = { type: 'gather', clients: 12, inFlight: 5, books: BOOKS, booksPerClient: 3 } as const;

  async function gathered(port: number): Promise<Storm> {
    const storm = new Storm({ ...order, ...target(port) } satisfies StormOrder);
    expect(await storm.gather()).toMatchObject({ faults: 0 });
    return storm;
  }

  function cutAll(): void {
    for (const connection of [...gateway.connections]) connection.close(CloseCode.goingAway, 'a test');
  }

  it('brings every client back to what was published last', async () => {
    const { port, market } = await start();
    const storm = await gathered(port);
    storm.shelter(target(port));
    cutAll();
    const whole = (await storm.storm()) as Extract<FromCrowd, { type: 'whole' }>;
    expect(whole).toMatchObject({ faults: 0, retries: 0 });
    expect(whole.wholeUs).toBeGreaterThanOrEqual(whole.welcomedUs);
    expect(whole.welcomedUs).toBeGreaterThan(whole.lostFromUs);
    const settled = await storm.settle(await market.close());
    expect(settled).toMatchObject({ faults: 0 });
  });

  it('finds a client whose book is not what was published', async () => {
    const { port, market } = await start();
    const storm = await gathered(port);
    const finals = await market.close();
    finals[0] = { ...finals[0]!, checksum: finals[0]!.checksum ^ 1 };
    // Clients 0, 2 and 3 of each four follow the first book.
    expect(await storm.settle(finals)).toMatchObject({ faults: 9 });
  });
});

describe('moving', () => {
  it('begins anew, and then goes on from what it holds', async () => {
    const { port, market } = await start();
    const mover = new Mover(BOOKS);
    expect(await mover.watch(target(port))).toEqual({ type: 'watching' });
    const fresh = await mover.move({ type: 'move', ...target(port), resume: false, awayMs: 0 });
    expect(fresh).toMatchObject({ faults: 0, healed: { snapshot: BOOKS, diffed: 0 } });
    const resumed = await mover.move({ type: 'move', ...target(port), resume: true, awayMs: 0 });
    expect(resumed).toMatchObject({ faults: 0, healed: { snapshot: 0, diffed: BOOKS } });
    await market.close();
  });
});
