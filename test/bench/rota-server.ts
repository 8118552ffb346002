// Owns the gateway as a subject that takes turns, over its clients' own sockets, with what it is compared to: the library's `publish` of
// ready bytes; the same bytes joined and sent by hand; by hand as well, but with one book and its encoding. What they send
// tells clients nothing. The orchestrator forks it. Invariant: clients hold what the gateway's own turns published, and no less.

import uWS from 'uWebSockets.js';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { Book } from '../../src/market/book.ts';
import type { TopicContext } from '../../src/protocol/codec.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { bookFrame } from '../../src/topics/book-frame.ts';
import { cpuUs } from './clock.ts';
import { openGateway } from './measured-gateway.ts';
import { Rota } from './rota.ts';
import { type Outlet, Sends } from './sends.ts';
import { type Subject, type SubjectSetup, serveSubject } from './subject.ts';
import { firstBook, type PreparedUpdate } from './updates.ts';
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
  private readonly books: Book[];
  private readonly contexts: TopicContext[];
  private readonly writer = new ByteWriter(1 << 16);
  private readonly ready: Uint8Array;
  private readonly source = { id: 0, seq: 0, exchangeUs: 0, publishUs: 0, stride: 2 };
  private readonly seqs: number[];
  private joined = false;

  constructor(
    { workload }: SubjectSetup,
    private readonly gateway: Gateway,
  ) {
    this.names = Array.from({ length: workload.topics }, (_, topic) => symbolOf(topic));
    this.contexts = this.names.map((symbol) => ({ channel: 'book', symbol, priceScale: 2, sizeScale: 4, stride: 2 }));
    this.books = this.names.map((_, topic) => {
      const { bids, asks } = firstBook(topic);
      const book = new Book();
      book.applySnapshot(bids, asks, 1);
      return book;
    });
    this.seqs = this.names.map(() => 1);
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

  /** What no gateway can do without: the book takes the update in, and tells what it changed. Nothing is checked. */
  least(update: PreparedUpdate, intendedUs: number): void {
    const { topic, delta } = update;
    const { source, writer } = this;
    const book = this.books[topic]!;
    const seq = ++this.seqs[topic]!;
    book.applyDelta(delta.bids, delta.asks, seq);
    source.id = topic;
    source.seq = seq;
    source.exchangeUs = intendedUs;
    source.publishUs = intendedUs;
    writer.length = 0;
    msgpackCodec.encode(writer, { type: 'time', timeUs: intendedUs });
    msgpackCodec.encode(writer, bookFrame(source, book, seq - 1, 0, 0, intendedUs), this.contexts[topic]);
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
