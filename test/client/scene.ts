// Owns what the client's tests share: gateways, clients that end with their test, and promises of events.
// Invariant: nothing here waits for time to pass; every wait is for an event.

import { onTestFinished } from 'vitest';
import type { ClientEvents } from '../../src/client/events.ts';
import { type Client, type ClientOptions, connect } from '../../src/client/node.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { publish, startGateway } from '../gateway/harness.ts';
import { Cutter } from './cutter.ts';

const LISTED = ['A', 'B', 'C'].map((symbol) => ({ symbol, priceScale: 2, sizeScale: 0 }));
const RECONNECT = { minMs: 1, maxMs: 20 };

/** A gateway with three instruments; it ends with the test. */
export function gatewayOf(overrides: Parameters<typeof startGateway>[0] = {}): Gateway {
  const gateway = startGateway(overrides, LISTED);
  onTestFinished(() => gateway.stop());
  return gateway;
}

/** A client that ends with its test and comes back fast. */
export function clientOf(urls: string | readonly string[], options: ClientOptions = {}): Client {
  const client = connect(urls, { reconnect: RECONNECT, ...options });
  onTestFinished(() => client.close());
  return client;
}

export async function cutterTo(gateway: () => Gateway): Promise<Cutter> {
  const cutter = await Cutter.start(() => Number(new URL(gateway().url).port));
  onTestFinished(() => cutter.close());
  return cutter;
}

/** The next event of that name for which it holds. */
export function next<K extends keyof ClientEvents>(
  client: Client,
  name: K,
  holds: (event: ClientEvents[K]) => boolean = () => true,
): Promise<ClientEvents[K]> {
  return new Promise((resolve) => {
    const off = client.on(name, (event) => {
      if (!holds(event)) return;
      off();
      resolve(event);
    });
  });
}

export async function published(gateway: Gateway, ...items: readonly object[]): Promise<void> {
  const { text, status } = await publish(gateway, items);
  if (status !== 200 || text.includes('"error"')) throw new Error(text);
}

export function snapshot(symbol: string, bid = '10.00', ask = '10.01', size = '5') {
  return { symbol, type: 'snapshot', bids: [[bid, size]], asks: [[ask, size]] };
}

export function delta(symbol: string, price: string, size: string) {
  return { symbol, type: 'delta', bids: [[price, size]] };
}

export function trade(symbol: string, size: string) {
  return { symbol, type: 'trade', price: '10.01', size, side: 'buy' };
}
