// Owns one pass of a verification: a fresh gateway, a client on a real WebSocket, and a capture that goes through both.
// The verification runs several. Invariant: the feed waits for the client, never the other way round: no more than
// UNSEEN_MAX updates of which the client must see each one are under way, and none when an instrument changes.

import type { ClientStream, StreamHandlers } from '../client/stream.ts';
import { type CaptureStream, paced, readCaptures } from '../feeds/capture.ts';
import type { FeedEvent, Venue, VenueBook } from '../feeds/feed.ts';
import { Ingest, type IngestTarget, type SymbolCounts } from '../feeds/ingest.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Instrument } from '../market/instrument.ts';
import { systemClock, systemTimers } from '../ports/clock.ts';
import type { Channel, Mode } from '../protocol/frames.ts';
import { readSettings, SETTINGS, type Settings } from '../settings/settings.ts';
import { Complaint } from './complaint.ts';
import { Gate } from './gate.ts';
import { startGateway } from './hosting.ts';
import type { Interrupt } from './interrupt.ts';
import { Link } from './link.ts';
import { showProgress } from './progress.ts';
import { Oracle } from './verify-oracle.ts';
import { type Standard, type Tally, Witness } from './witness.ts';

export interface PassPlan {
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly mode: Mode;
  readonly intervalMs: number;
  readonly speed: number | 'max';
}

export interface PassResult {
  readonly plan: PassPlan;
  readonly tally: Tally;
  /** What must not happen, by name; and the first cases of it and of mismatches. */
  readonly trouble: Readonly<Record<string, number>>;
  readonly details: readonly string[];
  readonly counts: ReadonlyMap<string, SymbolCounts>;
  readonly messages: { readonly read: number; readonly ignored: number };
  /** Best prices by the exchange that what was read of its books was compared with. */
  readonly bestsChecked: number;
  /** What the client held at the end, by symbol. */
  readonly books: ReadonlyMap<string, { readonly seq: number; readonly book: VenueBook }>;
}

export interface PassInput {
  readonly venue: Venue;
  /** A fresh one for each pass. */
  readonly standard: Standard;
  readonly files: readonly string[];
  readonly interrupt: Interrupt;
}

/** On free ports, and whatever the environment says. */
const ISOLATED: Partial<Settings> = { port: 0, adminPort: 0, logLevel: 'warn', subscriptionsMax: 1_000_000 };
/** Well within the ring, from which a client that is a little behind gets every update. */
const UNSEEN_MAX = SETTINGS.ringFramesMax.default / 4;

export async function runPass(plan: PassPlan, input: PassInput): Promise<PassResult> {
  const { gateway } = startGateway(readSettings(ISOLATED, {}));
  const pass = new Pass(plan, input, gateway);
  try {
    return await pass.run();
  } finally {
    pass.end();
    gateway.stop();
  }
}

class Pass {
  private readonly gate = new Gate();
  private readonly witness: Witness;
  private link: Link | null = null;

  constructor(
    private readonly plan: PassPlan,
    private readonly input: PassInput,
    private readonly gateway: Gateway,
  ) {
    this.witness = new Witness(input.standard, plan.mode === 'raw');
  }

  async run(): Promise<PassResult> {
    const { plan, input, witness, gate } = this;
    const { signal, exitCode } = input.interrupt;
    signal.addEventListener('abort', () => gate.fail(new Complaint('interrupted', exitCode)), { once: true });
    const link = await Link.open(this.gateway.streamUrl, this.handlers());
    this.link = link;
    void link.ended.then((reason) => gate.fail(new Complaint(`the connection to the gateway ended: ${reason}`)));
    const target: IngestTarget = {
      bus: this.gateway.bus,
      instruments: { put: (instrument) => this.list(link.stream, instrument) },
    };
    const ingest = new Ingest(target, (symbol, refused) =>
      witness.troubled('refused updates', `${symbol}, ${refused.code}: ${refused.message}`),
    );
    const messages = await this.feed(ingest, readCaptures(input.files, input.venue.messageOf));
    await this.untilAllHeld();
    this.closeOracle();
    return {
      plan,
      tally: witness.tally,
      trouble: witness.trouble,
      details: witness.details,
      counts: ingest.counts,
      messages,
      bestsChecked: input.standard instanceof Oracle ? input.standard.bests.checked : 0,
      books: this.books(link.stream),
    };
  }

  /** What the oracle has read beyond what anybody was told, and what the exchange says otherwise than its messages. */
  private closeOracle(): void {
    const { witness } = this;
    const { standard } = this.input;
    if (!(standard instanceof Oracle)) return;
    for (const symbol of standard.untold()) witness.troubled('books that end before their messages do', symbol);
    for (const difference of standard.bests.differences) witness.troubled('best prices that differ', difference);
  }

  end(): void {
    this.link?.close();
  }

  private async feed(ingest: Ingest, capture: CaptureStream): Promise<PassResult['messages']> {
    const { plan, input, witness, gate } = this;
    const session = input.venue.open({ verify: true });
    const progress = showProgress(plan.title, capture.bytesTotal);
    const pacing = { clock: systemClock, timers: systemTimers, signal: input.interrupt.signal, speed: plan.speed };
    try {
      for await (const { text } of paced(capture, pacing)) {
        await this.take(ingest, text, session.read(text));
        await gate.until(
          () => witness.outstanding < UNSEEN_MAX,
          () => this.missing(),
        );
        progress.update(capture.bytesRead);
      }
    } finally {
      progress.stop();
    }
    return { read: session.counts.messages, ignored: session.counts.ignored };
  }

  /** Publishes a message's events and notes what the exchange vouches for. The client hears of them in a later turn. */
  private async take(ingest: Ingest, text: string, events: readonly FeedEvent[]): Promise<void> {
    const { witness } = this;
    const { standard } = this.input;
    const published = await ingest.message(events);
    if (standard instanceof Oracle) standard.message(text, published);
    let next = 0;
    for (const event of events) {
      if (event.kind === 'instrument') witness.writes(event.definition.symbol, event.written ?? event.definition);
      else if (event.kind === 'update') witness.published(published[next++]!);
      else witness.troubled('books that the adapter lost', `${event.symbol}, ${event.reason}`);
    }
  }

  /** Lists or changes an instrument when the client has all that came before, and goes on when it follows. */
  private async list(client: ClientStream, instrument: Instrument): Promise<void> {
    const { plan, gateway } = this;
    const { symbol } = instrument;
    const before = gateway.instruments.get(symbol);
    if (before !== undefined) await this.untilAllHeld();
    gateway.instruments.put(instrument);
    for (const channel of ['book', 'trade'] as const) {
      if (before === undefined) client.subscribe(channel, [symbol], { mode: plan.mode, interval: plan.intervalMs });
      await this.untilHeld(client, channel, symbol);
      // Only now the topic surely has its epoch; a change of scale has begun another, which the client must have heard of.
      const { epoch } = await gateway.bus.load(channel, symbol);
      await this.untilHeld(client, channel, symbol, epoch);
    }
  }

  private untilHeld(
    client: ClientStream,
    channel: Channel,
    symbol: string,
    epoch: number | null = null,
  ): Promise<void> {
    const isHeld = (): boolean => {
      const held = client.find(channel, symbol);
      return held?.valid === true && (epoch === null || held.topic.epoch === epoch);
    };
    return this.gate.until(isHeld, () => `the client does not get ${channel} ${symbol}`);
  }

  private untilAllHeld(): Promise<void> {
    return this.gate.until(
      () => this.witness.lacking().length === 0,
      () => this.missing(),
    );
  }

  private missing(): string {
    return `the client has yet to get ${this.witness.lacking().join(', ')}`;
  }

  private handlers(): StreamHandlers {
    const { witness, gate } = this;
    const poke = (): void => gate.poke();
    return {
      book: (held, book) => {
        witness.holds(held, book);
        poke();
      },
      trade: (held, frame) => {
        witness.receives(held, frame);
        poke();
      },
      topic: poke,
      reset: ({ topic }, { reason }) => {
        if (reason !== 'subscribed' && reason !== 'epoch') witness.troubled('resets', `${topic.symbol}, ${reason}`);
        poke();
      },
      gap: ({ topic }, { firstSeq, lastSeq }) => witness.troubled('gaps', `${topic.symbol}, ${firstSeq} to ${lastSeq}`),
      resync: ({ topic }, reason) => witness.troubled('resyncs', `${topic.symbol}, ${reason}`),
      error: ({ message }) => gate.fail(new Complaint(`the gateway refused a request: ${message}`)),
      ack: ({ refused: [first] }) => {
        if (first !== undefined) gate.fail(new Complaint(`the gateway refused ${first.symbol}: ${first.message}`));
      },
    };
  }

  private books(client: ClientStream): PassResult['books'] {
    const books = new Map<string, { seq: number; book: VenueBook }>();
    for (const held of client.held.values()) {
      const { book, topic } = held;
      if (book !== null && book.seq > 0)
        books.set(topic.symbol, { seq: book.seq, book: this.witness.written(held, book) });
    }
    return books;
  }
}
