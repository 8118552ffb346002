// Owns metrics over a gateway without network: the real topics, flush and connections on the virtual clock, read as a gateway's are.
// The tests of what happens in delivery use it. Invariant: what the station lacks stands still.

import { Metrics } from '../../src/insight/metrics.ts';
import { beginPulse } from '../../src/sessions/pulse.ts';
import { messageBytes } from '../../src/topics/lanes.ts';
import { type FakeClient, Station } from '../topics/station.ts';
import { Scrape } from './scrape.ts';

const SNAPSHOT = { kind: 'snapshot', bids: [100, 5, 0, 99, 6, 0], asks: [101, 7, 0, 102, 8, 0] } as const;

export function bid(size: number, price = 100) {
  return { kind: 'delta', bids: [price, size, 0], asks: [] } as const;
}

export function trade(price: number) {
  return { kind: 'trade', id: null, tradeKind: 'trade', side: 'buy', price, size: 1 } as const;
}

/** What sockets were handed: messages, their bytes with headers, and a copy of each. */
export class Handed {
  messages = 0;
  bytes = 0;
  readonly copies: Uint8Array[] = [];

  constructor(client: FakeClient) {
    const send = client.send.bind(client);
    client.send = (message) => {
      this.messages += 1;
      this.bytes += messageBytes(message.length);
      this.copies.push(message.slice());
      return send(message);
    };
  }
}

export class MeasuredStation extends Station {
  private readonly metrics = new Metrics(() => ({
    settings: { connectionsMax: 10, metricsTopTopics: 20 },
    flush: this.flush,
    topics: this.topics,
    instruments: this.instruments,
    connections: this.connections,
    sockets: this.counters,
    refusals: {},
    published: { taken: 0, refused: {} },
    publishers: { open: 0, admitted: 0, closed: {} },
    admission: { addresses: 0, principals: 0 },
    resumptions: {},
    sessions: { connected: 0, over: 0 },
    bus: {
      ...{ up: true, entries: this.bus.entries, repairs: 0, reloads: 0, connects: 0, canaryMs: null, plainItems: 0 },
    },
    ready: true,
    draining: false,
    busy: 0,
    clock: this.kernel,
  }));

  async scrape(): Promise<Scrape> {
    return new Scrape(await this.metrics.text());
  }

  /** What changes while that is done. */
  async during(act: () => unknown, prefixes?: readonly string[]): Promise<Record<string, number>> {
    const before = await this.scrape();
    await act();
    await this.settle();
    return (await this.scrape()).since(before, prefixes);
  }

  /** Ticks all connections once a second from now on. */
  beginPulse(): void {
    beginPulse({ clock: this.kernel, timers: this.kernel, connections: this.connections });
  }

  /** With a book that was published once. */
  static async open(
    symbols: readonly string[] = ['X'],
    limits: ConstructorParameters<typeof Station>[0] = {},
  ): Promise<MeasuredStation> {
    const station = new MeasuredStation(limits);
    for (const symbol of symbols) {
      station.list(symbol);
      await station.publish(symbol, SNAPSHOT);
    }
    return station;
  }
}
