// Owns the measured gateway: the shipped one with its default settings, on free ports, fed from the prepared list through
// its bus as an embedded publisher would. Subjects that have one open it here.
// Invariant: what is counted as published was accepted.

import pino from 'pino';
import { Gateway } from '../../src/gateway/gateway.ts';
import { defineInstrument } from '../../src/market/instrument.ts';
import { Connection } from '../../src/sessions/connection.ts';
import { readSettings } from '../../src/settings/settings.ts';
import type { Subject, SubjectSetup } from './subject.ts';
import { firstBook } from './updates.ts';
import type { Gauge } from './watch.ts';
import { symbolOf } from './workloads.ts';

export interface MeasuredGateway extends Subject {
  readonly gateway: Gateway;
}

export async function openGateway(setup: SubjectSetup): Promise<MeasuredGateway> {
  const gateway = new Gateway(
    readSettings({ port: 0, adminPort: 0, connectsPerSecMax: 1_000_000 }),
    pino({ level: 'warn' }),
  );
  await list(gateway, setup);
  gateway.start();
  return { gateway, port: Number(new URL(gateway.url).port), ...publisherOf(gateway, setup), ...watchedOf(gateway) };
}

async function list(gateway: Gateway, { workload }: SubjectSetup): Promise<void> {
  for (let topic = 0; topic < workload.topics; topic++) {
    const symbol = symbolOf(topic);
    const instrument = defineInstrument({ symbol, priceScale: 2, sizeScale: 4 });
    if (typeof instrument === 'string') throw new Error(instrument);
    gateway.instruments.put(instrument);
    const [first] = await gateway.bus.publish([{ symbol, update: firstBook(topic), exchangeUs: null }]);
    if (first === undefined || 'refused' in first) throw new Error(`the first book of ${symbol} was refused`);
  }
}

function publisherOf(gateway: Gateway, { workload, updates }: SubjectSetup): Pick<Subject, 'publish' | 'lastSeqs'> {
  const names = Array.from({ length: workload.topics }, (_, topic) => symbolOf(topic));
  // The first books took the first number.
  const seqs = new Array<number>(workload.topics).fill(1);
  return {
    publish: (index, exchangeUs) => {
      const { topic, delta } = updates[index]!;
      seqs[topic]! += 1;
      const answers = gateway.bus.publish([{ symbol: names[topic]!, update: delta, exchangeUs }]);
      if (!Array.isArray(answers) || 'refused' in answers[0]!) throw new Error(`${names[topic]} was refused`);
    },
    lastSeqs: () => [...seqs],
  };
}

function watchedOf(gateway: Gateway): Pick<Subject, 'pings' | 'gauges' | 'gauge' | 'closes'> {
  const { flush, connectionCounters: counters } = gateway;
  function* connections(): Generator<Connection> {
    for (const recipient of flush.lanes.recipients) if (recipient instanceof Connection) yield recipient;
  }
  return {
    pings: () => ({ sent: counters.pings, answered: counters.pongs }),
    *gauges() {
      for (const connection of connections()) if (!connection.closed) yield new ConnectionGauge(connection);
    },
    gauge: (client, session) => {
      for (const connection of connections()) if (connection.id === session) return new ConnectionGauge(connection);
      throw new Error(`client ${client}, session ${session}, is not connected`);
    },
    closes: () => ({ ...counters.closed }),
  };
}

class ConnectionGauge implements Gauge {
  constructor(private readonly connection: Connection) {}

  get closed(): boolean {
    return this.connection.closed;
  }

  get sentBytes(): number {
    return this.connection.sentBytes;
  }

  get queuedBytes(): number {
    return this.connection.queuedBytes;
  }

  get unansweredBytes(): number {
    return this.connection.unansweredBytes;
  }

  get windowBytes(): number {
    return this.connection.window.bytes;
  }
}
