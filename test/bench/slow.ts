// Owns the proof that a reader on one per cent of the bandwidth that its feed needs stays connected, fresh and exact, as a
// command: `npm run bench:slow` is this file. Gateway, publisher and the slow reader are in this one process, so that the age of
// what the reader shows is known to the millisecond; a twin that reads everything tells what the feed needs.
// Invariant: the verdict is of every 50 ms from the reader's first whole turn on, not of the printed lines alone.

import { setTimeout as sleepMs } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pino from 'pino';
import { ClientStream } from '../../src/client/stream.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { defineInstrument } from '../../src/market/instrument.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import type { PaceFrame } from '../../src/protocol/frames.ts';
import { Connection } from '../../src/sessions/connection.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { BookTopic } from '../../src/topics/book-topic.ts';
import { sameBook } from './books.ts';
import { Client, type ClientShare } from './client.ts';
import { nowUs } from './clock.ts';
import { positive } from './options.ts';
import { Schedule } from './schedule.ts';
import { SUBPROTOCOL } from './tickframes.ts';
import { TrickleClient } from './trickle.ts';
import { Ages, boundMs, Recent, Turns, WorstAge } from './turns.ts';
import { firstBook, prepareUpdates } from './updates.ts';
import { symbolOf } from './workloads.ts';
import { OPCODE, ReadBuffer } from './wsframes.ts';

const DEPTH = 10;
const BURST_UPDATES = 20;
/** What one of the prepared updates takes at depth 10 on average: most of their levels are near the top. */
const UPDATE_BYTES = 30;
const SAMPLE_INTERVAL_MS = 50;
const SAMPLES_PER_LINE = 20;
/** After the market has stopped. */
const CATCH_UP_TIMEOUT_MS = 60_000;

const USAGE = `A reader at a hundredth of the bandwidth that its feed needs: does it stay connected, fresh and exact?

  npx tsx test/bench/slow.ts [options]

  --seconds S        of market (120)
  --rate KB          kilobytes a second that the feed needs (200)
  --link BYTES       bytes a second that the client reads (2000)
  --fast S           seconds at the beginning in which it reads all there is (0)
  --books N          top-10 books (40)
  --seed N           (1)
`;

interface Options {
  readonly seconds: number;
  readonly rateKb: number;
  readonly linkBytesPerSec: number;
  readonly fastSeconds: number;
  readonly books: number;
  readonly seed: number;
}

function readOptions(): Options | null {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      ...{ seconds: text, rate: text, link: text, fast: text, books: text, seed: text },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return null;
  return {
    seconds: positive('seconds', values.seconds ?? '120'),
    rateKb: positive('rate', values.rate ?? '200'),
    linkBytesPerSec: positive('link', values.link ?? '2000'),
    fastSeconds: values.fast === undefined ? 0 : positive('fast', values.fast),
    books: positive('books', values.books ?? '40'),
    seed: positive('seed', values.seed ?? '1'),
  };
}

/** The gateway and what is published into it. */
class Market {
  readonly gateway = new Gateway(
    readSettings({ port: 0, adminPort: 0, connectsPerSecMax: 1_000_000 }, {}),
    pino({ level: 'warn' }, pino.destination(2)),
  );
  readonly symbols: readonly string[];
  readonly ages: Ages;
  readonly seqs: number[];
  published = 0;

  constructor(private readonly options: Options) {
    this.symbols = Array.from({ length: options.books }, (_, book) => symbolOf(book));
    this.ages = new Ages(options.books);
    this.seqs = this.symbols.map(() => 0);
  }

  get port(): number {
    return Number(new URL(this.gateway.url).port);
  }

  async open(): Promise<void> {
    for (const [book, symbol] of this.symbols.entries()) {
      const instrument = defineInstrument({ symbol, priceScale: 2, sizeScale: 4 });
      if (typeof instrument === 'string') throw new Error(instrument);
      this.gateway.instruments.put(instrument);
      this.publish(book, firstBook(book));
    }
    this.gateway.start();
  }

  /** Publishes at the full rate until the time is over. */
  run(): Promise<void> {
    const { seconds, rateKb, books, seed } = this.options;
    const updates = prepareUpdates({ topics: books }, seed);
    const startUs = Math.round(nowUs());
    const plan = { startUs, windowFromUs: startUs, windowToUs: startUs + seconds * 1_000_000 };
    const load = { updatesPerSecond: Math.round((rateKb * 1_000) / UPDATE_BYTES), burstUpdates: BURST_UPDATES };
    return new Promise((resolve) => {
      const schedule = new Schedule(plan, load, {
        publish: (index) => {
          const { topic, delta } = updates[index % updates.length]!;
          this.publish(topic, delta);
        },
        windowStart: () => {},
        windowEnd: resolve,
      });
      schedule.turn();
    });
  }

  topic(book: number): BookTopic {
    const topic = this.gateway.topics.peek('book', this.symbols[book]!);
    if (!(topic instanceof BookTopic)) throw new Error(`no topic of ${this.symbols[book]} is open`);
    return topic;
  }

  private publish(book: number, update: Parameters<Gateway['bus']['publish']>[0][number]['update']): void {
    const seq = this.seqs[book]! + 1;
    this.seqs[book] = seq;
    this.published += 1;
    this.ages.published(book, seq, performance.now());
    const answers = this.gateway.bus.publish([{ symbol: this.symbols[book]!, update, exchangeUs: null }]);
    const published = Array.isArray(answers) ? answers[0] : undefined;
    if (published === undefined || 'refused' in published || published.seq !== seq) {
      throw new Error(`update ${seq} of ${this.symbols[book]} was refused or numbered otherwise`);
    }
  }
}

/** The slow client, what it holds, and what that is worth. */
class SlowReader {
  readonly problems: string[] = [];
  readonly stream: ClientStream;
  readonly turns: Turns;
  readonly worst = new WorstAge();
  pace: PaceFrame | null = null;
  paces = 0;
  resyncs = 0;
  badChecksums = 0;
  framesChecked = 0;
  oldestAgeMs = 0;
  private readonly client: TrickleClient;
  private readonly roundTrips = new Recent();
  private readonly openedMs = performance.now();

  constructor(
    private readonly market: Market,
    private readonly options: Options,
    share: Omit<ClientShare, 'audit' | 'receiver' | 'buffer'>,
  ) {
    const { linkBytesPerSec, books, fastSeconds } = options;
    this.turns = new Turns(books);
    const bookOf = new Map(market.symbols.map((symbol, book) => [symbol, book]));
    this.stream = new ClientStream(msgpackCodec, (message) => this.client.send(OPCODE.binary, message), {
      book: ({ topic }) => {
        this.framesChecked += 1;
        this.turns.frame(bookOf.get(topic.symbol)!, this.client.readBytes);
      },
      pace: (frame) => {
        this.pace = frame;
        this.paces += 1;
      },
      resync: (_, reason) => {
        this.resyncs += 1;
        if (reason === 'checksum') this.badChecksums += 1;
      },
      error: ({ code, message }) => this.problems.push(`the gateway sent an error: ${code}, ${message}`),
    });
    const receiver: ClientShare['receiver'] = {
      // A Buffer's own slice would share the read area.
      receive: (_, bytes, start, end) => void this.stream.receive(Uint8Array.from(bytes.subarray(start, end))),
    };
    const audit: ClientShare['audit'] = { receive: () => {}, problem: (text) => void this.problems.push(text) };
    this.client = new TrickleClient(0, { ...share, audit, receiver }, linkBytesPerSec);
    if (fastSeconds === 0) this.client.begin();
  }

  async open(): Promise<void> {
    await this.client.open;
    this.stream.subscribe('book', this.market.symbols, { depth: DEPTH });
  }

  get readBytes(): number {
    return this.client.readBytes;
  }

  /** The link becomes slow, where it was not from the start. */
  brake(): void {
    this.client.begin();
  }

  /** Books that it shows. */
  get shown(): number {
    return this.market.symbols.filter((symbol) => this.stream.find('book', symbol)?.valid === true).length;
  }

  /** Looks at all ages now. The bound is infinite until every book has come once. */
  sample({ window }: Connection): { ageMs: number; allowedMs: number } {
    const nowMs = performance.now();
    let ageMs = 0;
    for (const [book, symbol] of this.market.symbols.entries()) {
      const held = this.stream.find('book', symbol);
      if (held?.valid === true) ageMs = Math.max(ageMs, this.market.ages.ageMs(book, held.seq, nowMs));
    }
    const { lastBytes: turnBytes } = this.turns;
    const intervalMs = this.pace?.intervalMs ?? 0;
    // A ping that is still under way has taken as long already.
    const underWayMs = nowMs - (window.oldestPingMs ?? nowMs);
    this.roundTrips.take(Math.max(window.roundTripMs ?? 0, underWayMs), this.turns.count);
    const roundTripMs = this.roundTrips.max;
    const allowedMs =
      turnBytes === null
        ? Number.POSITIVE_INFINITY
        : boundMs({ intervalMs, roundTripMs, turnBytes }, this.options.linkBytesPerSec);
    this.oldestAgeMs = Math.max(this.oldestAgeMs, ageMs);
    this.worst.take(ageMs, allowedMs, nowMs - this.openedMs);
    return { ageMs, allowedMs };
  }

  /** Books that are not what the gateway holds. */
  get inexact(): string[] {
    return this.market.symbols.filter((symbol, book) => {
      const held = this.stream.find('book', symbol);
      const topic = this.market.topic(book);
      return !(held?.valid === true && held.seq === topic.seq && sameBook(held.book!, topic.book, DEPTH));
    });
  }

  end(): void {
    this.client.end();
  }
}

async function run(options: Options): Promise<boolean> {
  const { rateKb, linkBytesPerSec, fastSeconds, books } = options;
  say(`${books} books at depth ${DEPTH}, ${rateKb} KB/s of updates; the client reads ${linkBytesPerSec} bytes/s`);
  const market = new Market(options);
  await market.open();
  const share = { port: market.port, subprotocol: SUBPROTOCOL, acknowledge: null, traffic: { bytes: 0, reads: 0 } };
  const slow = new SlowReader(market, options, share);
  const twin = await openTwin(market, share);
  await slow.open();
  const connection = connectionOf(market, slow);
  const twinFrom = twin.readBytes;
  let over = false;
  const watching = watch(slow, connection, () => over || connection.closed);
  if (fastSeconds > 0) setTimeout(() => slow.brake(), fastSeconds * 1_000);
  const fromMs = performance.now();
  await Promise.race([market.run(), watching]);
  const needKb = (twin.readBytes - twinFrom) / (performance.now() - fromMs);
  const caughtUpMs = await catchUp(slow, connection);
  over = true;
  await watching;
  const good = verdict(slow, connection, caughtUpMs, {
    needKb,
    published: market.published,
    closes: Object.keys(market.gateway.connectionCounters.closed).join(', '),
    shareText: `${((linkBytesPerSec / needKb / 1_000) * 100).toFixed(2)} %`,
  });
  slow.end();
  twin.end();
  market.gateway.stop();
  return good;
}

/** Reads everything as it comes, at the same depth. */
async function openTwin(market: Market, share: Omit<ClientShare, 'audit' | 'receiver' | 'buffer'>): Promise<Client> {
  const fail = (text: string): never => {
    throw new Error(`the twin: ${text}`);
  };
  const client = new Client(1, {
    ...share,
    buffer: new ReadBuffer(),
    audit: { receive: () => {}, problem: fail },
    receiver: { receive: () => {} },
  });
  await client.open;
  const asking = new ClientStream(msgpackCodec, (message) => client.send(OPCODE.binary, message));
  asking.subscribe('book', market.symbols, { depth: DEPTH });
  return client;
}

/** The slow client's on the gateway's side: the first that was opened. */
function connectionOf(market: Market, slow: SlowReader): Connection {
  const [connection] = market.gateway.flush.lanes.recipients;
  if (!(connection instanceof Connection)) throw new Error(`no connection is open: ${slow.problems.join('; ')}`);
  return connection;
}

/** A line a second, from samples that are closer. */
async function watch(slow: SlowReader, connection: Connection, isOver: () => boolean): Promise<void> {
  let readBytes = slow.readBytes;
  let lineMs = performance.now();
  const fromMs = lineMs;
  while (!isOver()) {
    let worst = { ageMs: 0, allowedMs: Number.POSITIVE_INFINITY };
    for (let sample = 0; sample < SAMPLES_PER_LINE && !isOver(); sample++) {
      await sleepMs(SAMPLE_INTERVAL_MS);
      const seen = slow.sample(connection);
      if (seen.ageMs >= worst.ageMs) worst = seen;
    }
    const nowMs = performance.now();
    const bytesPerSec = ((slow.readBytes - readBytes) / (nowMs - lineMs)) * 1_000;
    readBytes = slow.readBytes;
    lineMs = nowMs;
    say(lineOf(slow, connection, { second: Math.round((nowMs - fromMs) / 1_000), bytesPerSec, ...worst }));
  }
}

interface Second {
  readonly second: number;
  readonly bytesPerSec: number;
  readonly ageMs: number;
  readonly allowedMs: number;
}

function lineOf(slow: SlowReader, connection: Connection, { second, bytesPerSec, ageMs, allowedMs }: Second): string {
  const { window } = connection;
  const columns = [
    `${second} s`.padStart(6),
    `${Math.round(bytesPerSec)} B/s`.padStart(9),
    `oldest ${ms(ageMs).padStart(6)} ms of ${ms(allowedMs).padStart(6)}`,
    `turn ${slow.turns.lastBytes ?? '-'} B`,
    `window ${Math.round(window.bytes)}`,
    `unanswered ${connection.unansweredBytes}`,
    `round trip ${window.roundTripMs === null ? '-' : ms(window.roundTripMs)} ms`,
    `pace ${slow.pace?.pace ?? 'real-time'}`,
    `resyncs ${slow.resyncs}`,
    slow.badChecksums === 0 ? `checksums agree (${slow.framesChecked})` : `${slow.badChecksums} WRONG CHECKSUMS`,
  ];
  return columns.join('  ');
}

/** @returns how long it took until every book was exact; null: they did not become so. */
async function catchUp(slow: SlowReader, connection: Connection): Promise<number | null> {
  const fromMs = performance.now();
  while (slow.inexact.length > 0) {
    if (connection.closed || performance.now() - fromMs > CATCH_UP_TIMEOUT_MS) return null;
    await sleepMs(SAMPLE_INTERVAL_MS);
  }
  return performance.now() - fromMs;
}

interface Summary {
  readonly needKb: number;
  readonly published: number;
  /** Why the gateway closed connections. */
  readonly closes: string;
  readonly shareText: string;
}

function verdict(
  slow: SlowReader,
  connection: Connection,
  caughtUpMs: number | null,
  { needKb, published, closes, shareText }: Summary,
): boolean {
  const { worst, turns, problems, resyncs, badChecksums, inexact, shown, framesChecked } = slow;
  const wholeTime = !connection.closed && problems.length === 0;
  const checks: [boolean, string][] = [
    [
      wholeTime,
      wholeTime ? 'connected the whole time' : `not connected the whole time: ${[closes, ...problems].join('; ')}`,
    ],
    [
      resyncs === 0 && badChecksums === 0,
      `${framesChecked} frames, ${badChecksums} wrong checksums, ${resyncs} resyncs`,
    ],
    [
      caughtUpMs !== null,
      caughtUpMs === null
        ? `${inexact.length} books were not exact in the end, ${shown} of all were shown`
        : `every book exact ${ms(caughtUpMs)} ms after the market stopped`,
    ],
    [
      worst.holds && turns.count > 0,
      `oldest age against its bound, at the worst: ${ms(worst.ageMs)} ms of ${ms(worst.boundMs)}, after ${Math.round(worst.atMs / 1_000)} s; ` +
        `the oldest ever ${ms(slow.oldestAgeMs)} ms; ${turns.count} turns, between two frames of one book at most ${turns.othersMax} of others`,
    ],
  ];
  say('', `${published} updates; the feed needs ${needKb.toFixed(1)} KB/s, of which the client read ${shareText}`);
  for (const [holds, text] of checks) say(`${holds ? '  ok    ' : '  FAILED'} ${text}`);
  return checks.every(([holds]) => holds);
}

function ms(value: number): string {
  return Number.isFinite(value) ? value.toFixed(0) : '-';
}

function say(...lines: string[]): void {
  for (const line of lines) console.log(line);
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options === null) return say(USAGE);
  // Whatever still runs then is of no use.
  process.exit((await run(options)) ? 0 : 1);
}

main().catch((error: unknown) => {
  console.error(`bench:slow: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
