// Owns the gateway as a subject that takes turns, over its clients' own sockets, with what it is compared to: the library's `publish` of
// ready bytes; the same bytes joined and sent by hand; by hand as well, but with one book and its encoding. What they send
// tells clients nothing. The orchestrator forks it. Invariant: clients hold what the gateway's own turns published, and no less.

import uWS from 'uWebSockets.js';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { cpuUs } from './clock.ts';
import { Least } from './least.ts';
import { openGateway } from './measured-gateway.ts';
import { Rota } from './rota.ts';
import { type Outlet, Sends } from './sends.ts';
import { type Subject, type SubjectSetup, serveSubject } from './subject.ts';
import type { PreparedUpdate } from './updates.ts';
import { symbolOf } from './workloads.ts';

const WAYS = ['raw', 'sends', 'least', 'tickwire'] as const;
/** Enough that what is left of one turn's work when the next begins is little. */
const BURSTS_PER_TURN = 16;
/** As long as the frame of a usual update: times, of which clients make nothing. */
const READY_TIMES = 6;

let publicApp: uWS.TemplatedApp | undefined;
const makeApp = uWS.App;
// The gateway does not hand out its apps, of which the public one is made first.
uWS.App = (...options) => {
  const app = makeApp(...options);
  publicApp ??= app;
  return app;
};

serveSubject(async (setup) => {
  const measured = await openGateway(setup);
  const others = new Others(setup, measured.gateway);
  const rota = new Rota(WAYS, BURSTS_PER_TURN, cpuUs);
  const { burstUpdates } = setup.workload;
  let way: (typeof WAYS)[number] = 'raw';
  let updates = 0;
  /** The gateway has the list to itself: it is valid only as a whole. */
  let own = 0;
  const publish: Subject['publish'] = (index, intendedUs) => {
    if (updates++ % burstUpdates === 0) way = rota.next();
    const update = setup.updates[index]!;
    if (way === 'raw') others.publish(update);
    else if (way === 'sends') others.send(update);
    else if (way === 'least') others.least(update, intendedUs);
    else measured.publish(own++ % setup.updates.length, intendedUs);
  };
  const lines = (): string[] => [
    `${rota.roundCount} rounds, work for the same CPU: ${rota
      .standings()
      .map(({ way, ratio, error }) => `${way} ${ratio.toFixed(3)} (${error.toFixed(3)})`)
      .join(', ')}`,
  ];
  return { ...measured, publish, lines };
});

/** What the gateway is compared to. */
class Others {
  private readonly app = publicApp!;
  private readonly sweeps = new Sends(0);
  private readonly names: readonly string[];
  private readonly work: Least;
  private readonly ready: Uint8Array;
  private joined = false;

  constructor(
    { workload }: SubjectSetup,
    private readonly gateway: Gateway,
  ) {
    this.names = Array.from({ length: workload.topics }, (_, topic) => symbolOf(topic));
    this.work = new Least(this.names);
    const writer = new ByteWriter();
    for (let i = 0; i < READY_TIMES; i++) msgpackCodec.encode(writer, { type: 'time', timeUs: Date.now() * 1_000 });
    this.ready = writer.copy();
  }

  /** The baseline. */
  publish({ topic }: PreparedUpdate): void {
    this.join();
    this.app.publish(this.names[topic]!, this.ready, true, false);
  }

  /** The same bytes, one message for each client. */
  send({ topic }: PreparedUpdate): void {
    this.join();
    this.sweeps.publish(topic, this.ready);
  }

  least(update: PreparedUpdate, intendedUs: number): void {
    this.work.take(update, intendedUs);
    this.send(update);
  }

  /** Once the clients have subscribed, their sockets are followed as well. */
  private join(): void {
    if (this.joined) return;
    this.joined = true;
    const { lanes } = this.gateway.flush;
    const topicsOf = new Map<number, number[]>();
    for (const [topic, symbol] of this.names.entries()) {
      this.gateway.topics.peek('book', symbol)?.everyView((view) => {
        for (const lane of view.lanes) topicsOf.set(lane, [...(topicsOf.get(lane) ?? []), topic]);
      });
    }
    for (const [lane, topics] of topicsOf) {
      const socket = lanes.sockets[lane] as unknown as Outlet & Pick<uWS.WebSocket<unknown>, 'subscribe'>;
      this.sweeps.add(socket, topics);
      for (const topic of topics) socket.subscribe(this.names[topic]!);
    }
  }
}
