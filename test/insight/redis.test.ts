// Holds the metrics of the bus on Redis to what happens on a real one: connections, its canary, gaps that its log closes, and those
// that it can't.

import { expect, type TestContext, test } from 'vitest';
import { TestClient } from '../gateway/harness.ts';
import { startBus, until } from '../redis/bus.ts';
import { startProxy } from '../redis/proxy.ts';
import { ending, gatewayAt, PREFIX, SYMBOL } from '../redis/rig.ts';
import { startRedis } from '../redis/server.ts';
import { define } from '../simulation/venue.ts';
import { measured, type Scrape, scrape } from './scrape.ts';
import { trade } from './station-metrics.ts';

const LOG_ENTRIES = 16;

async function scene(context: TestContext) {
  const redis = ending(context, await startRedis());
  const proxy = ending(context, await startProxy(redis.port));
  const publisher = ending(context, await startBus({ url: redis.url, prefix: PREFIX, logEntriesMax: LOG_ENTRIES }));
  publisher.instruments.put(define({ symbol: SYMBOL, priceScale: 2, sizeScale: 0 }));
  const gateway = measured(gatewayAt(context, proxy.url, { logEntriesMax: LOG_ENTRIES, plainPublish: 0 }));
  await gateway.ready;
  const client = await TestClient.connect(gateway);
  context.onTestFinished(() => client.end());
  client.send({ op: 'subscribe', id: 1, channel: 'trade', symbols: [SYMBOL] });
  await client.settled();
  const publish = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await publisher.bus.publish([{ symbol: SYMBOL, update: trade(100 + i), exchangeUs: null }]);
    }
  };
  const changes = (from: Scrape, to: Scrape) => to.since(from, ['tickwire_bus_', 'tickwire_updates']);
  return { proxy, gateway, client, publish, changes };
}

/** What is published while the gateway has no connection; the client is current afterwards. */
async function missed(context: TestContext, count: number): Promise<Record<string, number>> {
  const { proxy, gateway, client, publish, changes } = await scene(context);
  await publish(1);
  await client.next('trade');
  await until(() => gateway.figures.bus.canaryMs !== null);
  const before = await scrape(gateway);
  proxy.refuse(true);
  proxy.cut();
  await until(() => !gateway.figures.bus.up);
  expect((await scrape(gateway)).value('tickwire_bus_up')).toBe(0);
  await publish(count);
  proxy.refuse(false);
  await client.next('trade');
  await until(() => gateway.figures.bus.up);
  const after = await scrape(gateway);
  expect(after.value('tickwire_bus_canary_seconds')).toBeGreaterThan(0);
  const { tickwire_bus_canary_seconds: _, ...changed } = changes(before, after);
  return changed;
}

test('a gap that the log closes is a repair', async (context) => {
  expect(await missed(context, 3)).toEqual({
    tickwire_bus_connects_total: 1,
    tickwire_bus_repairs_total: 1,
    tickwire_bus_entries_total: 3,
    tickwire_updates_total: 3,
  });
});

test('a gap that the log no longer holds is a topic that is loaded anew', async (context) => {
  const changed = await missed(context, 3 * LOG_ENTRIES);
  expect(changed).toMatchObject({ tickwire_bus_connects_total: 1, tickwire_bus_reloads_total: 1 });
  expect(changed.tickwire_bus_repairs_total).toBeUndefined();
});
