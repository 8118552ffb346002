// Owns one of the two gateways whose fan-out `npm run bench:metrics` compares: the real one, bundled as it is or without its counters.
// metrics.ts bundles and loads it. Invariant: both are driven by the same calls.

import { pino } from 'pino';
import { Gateway } from '../../src/gateway/gateway.ts';
import { defineInstrument } from '../../src/market/instrument.ts';
import { readSettings } from '../../src/settings/settings.ts';

export interface Subject {
  readonly port: number;
  /** Connections that are served as updates come. */
  inStep(): number;
  /** Publishes so many updates, one in `everyMs`; resolves when the last has gone out. */
  publish(updates: number, everyMs: number): Promise<void>;
  stop(): void;
}

export const SYMBOL = 'X';

export async function open(): Promise<Subject> {
  const settings = readSettings({ port: 0, adminPort: 0, connectsPerSecMax: 1_000_000 }, {});
  const gateway = new Gateway(settings, pino({ level: 'silent' }));
  const instrument = defineInstrument({ symbol: SYMBOL, priceScale: 2, sizeScale: 0 });
  if (typeof instrument === 'string') throw new Error(instrument);
  gateway.instruments.put(instrument);
  const bids = Array.from({ length: 50 }, (_, level) => [10_000 - level, 100 + level, 0]).flat();
  const asks = Array.from({ length: 50 }, (_, level) => [10_001 + level, 100 + level, 0]).flat();
  await gateway.bus.publish([{ symbol: SYMBOL, update: { kind: 'snapshot', bids, asks }, exchangeUs: null }]);
  gateway.start();
  let size = 0;
  return {
    port: Number(new URL(gateway.url).port),
    inStep: () => {
      let count = 0;
      for (const { subscriptions } of gateway.connections) {
        for (const { inStep } of subscriptions.values()) count += Number(inStep);
      }
      return count;
    },
    publish: async (updates, everyMs) => {
      for (let i = 0; i < updates; i++) {
        size += 1;
        const update = { kind: 'delta', bids: [10_000 - (size % 10), 100 + size, 0], asks: [] } as const;
        await gateway.bus.publish([{ symbol: SYMBOL, update, exchangeUs: null }]);
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    },
    stop: () => gateway.stop(),
  };
}
