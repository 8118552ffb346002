// Owns the gateway that the tests of commands talk to: the real one on free ports, with the synthetic market in it, which
// moves only when a test says so. Ends with the test.

import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { Ingest } from '../../src/feeds/ingest.ts';
import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { syntheticSymbols } from '../../src/feeds/synthetic-symbols.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { readSettings, type Settings } from '../../src/settings/settings.ts';

export interface Demo {
  readonly gateway: Gateway;
  /** Makes so many steps of the market. */
  step(count: number): Promise<void>;
  publish(event: FeedEvent): Promise<void>;
}

export async function startDemo(overrides: Partial<Settings> = {}): Promise<Demo> {
  const gateway = new Gateway(readSettings({ port: 0, adminPort: 0, ...overrides }, {}), pino({ level: 'silent' }));
  gateway.start();
  let running = true;
  onTestFinished(() => {
    if (running) gateway.stop();
  });
  const stop = gateway.stop.bind(gateway);
  gateway.stop = () => {
    running = false;
    stop();
  };
  const market = new SyntheticMarket({ seed: 1, symbols: syntheticSymbols(5, 1) });
  const ingest = new Ingest(gateway);
  await ingest.message(market.instruments().map((definition) => ({ kind: 'instrument', definition })));
  await ingest.message(market.snapshots(Date.now() * 1_000));
  return {
    gateway,
    step: async (count) => {
      for (let done = 0; done < count; done++) await ingest.message(market.step(Date.now() * 1_000));
    },
    publish: async (event) => {
      await ingest.message([event]);
    },
  };
}
