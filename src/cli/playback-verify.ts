// Owns `tickwire replay --verify FILE.twr`: the recording goes through bus, topic, a WebSocket and a client, and at every
// update the client's book must give the recorded checksum. The replay command calls it. Invariant: the feed waits for the
// client, and a state that the client never held does not match.

import type { StreamHandlers } from '../client/stream.ts';
import type { FeedEvent } from '../feeds/feed.ts';
import { Ingest, type Ingested, type IngestTarget } from '../feeds/ingest.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Instrument } from '../market/instrument.ts';
import type { Trade } from '../market/update.ts';
import type { TradeFrame } from '../protocol/frames.ts';
import type { RecordingFile } from '../recording/reader.ts';
import { readSettings, SETTINGS } from '../settings/settings.ts';
import { Complaint, ExitCode } from './complaint.ts';
import { Gate } from './gate.ts';
import { startGateway } from './hosting.ts';
import type { Interrupt } from './interrupt.ts';
import { Link } from './link.ts';
import { openRecording, type PlaybackOptions, playerOf } from './playback.ts';
import { showProgress } from './progress.ts';

/** On free ports, and whatever the environment says. */
const ISOLATED = { port: 0, adminPort: 0, logLevel: 'warn', subscriptionsMax: 1_000_000 };
/** Well within the ring, from which a client that is a little behind gets every update. */
const UNSEEN_MAX = SETTINGS.ringFramesMax.default / 4;
/** Mismatches that are told one by one. */
const DETAILS_MAX = 10;

/** @returns the exit code. */
export async function verifyRecording(path: string, options: PlaybackOptions, interrupt: Interrupt): Promise<number> {
  const file = await openRecording(path, options);
  const { gateway } = startGateway(readSettings(ISOLATED, {}));
  const verification = new Verification(file, gateway, interrupt);
  try {
    return await verification.run(options);
  } finally {
    verification.end();
    gateway.stop();
    await file.close();
  }
}

class Verification {
  private readonly gate = new Gate();
  /** What each update that is under way must look like at the client, by topic and seq. */
  private readonly expected = new Map<string, number | Trade>();
  private states = { recorded: 0, matching: 0 };
  private trades = { recorded: 0, matching: 0 };
  private troubles = 0;
  private link: Link | null = null;

  constructor(
    private readonly file: RecordingFile,
    private readonly gateway: Gateway,
    private readonly interrupt: Interrupt,
  ) {}

  async run(options: PlaybackOptions): Promise<number> {
    const { gate, file } = this;
    const { signal, exitCode } = this.interrupt;
    signal.addEventListener('abort', () => gate.fail(new Complaint('interrupted', exitCode)), { once: true });
    const link = await Link.open(this.gateway.streamUrl, this.handlers());
    this.link = link;
    void link.ended.then((reason) => gate.fail(new Complaint(`the connection to the gateway ended: ${reason}`)));
    const target: IngestTarget = { bus: this.gateway.bus, instruments: { put: (each) => this.list(link, each) } };
    const ingest = new Ingest(target, (symbol, { code, message }) => this.trouble(`${symbol}: ${code}: ${message}`));
    const player = playerOf(file, options);
    const progress = showProgress('verify', file.bytesTotal);
    try {
      for await (const { events, offset } of player.play()) {
        await this.take(ingest, events);
        await this.until(UNSEEN_MAX);
        progress.update(offset);
      }
      await this.until(1);
    } finally {
      progress.stop();
    }
    return this.report(options.json === true, player.counts);
  }

  end(): void {
    this.link?.close();
  }

  private async take(ingest: Ingest, events: readonly FeedEvent[]): Promise<void> {
    for (const each of await ingest.message(events)) this.expect(each);
    for (const event of events) if (event.kind === 'resync') this.trouble(`${event.symbol}: ${event.reason}`);
  }

  private expect({ event: { symbol, update, checksum }, published }: Ingested): void {
    if (update.kind === 'trade') this.trades.recorded += 1;
    else if (checksum !== null) this.states.recorded += 1;
    if ('refused' in published) return;
    if (update.kind === 'trade') this.expected.set(`trade:${symbol}:${published.seq}`, update);
    else if (checksum !== null) this.expected.set(`book:${symbol}:${published.seq}`, checksum);
  }

  /** Lists or changes an instrument when the client has all that came before, and goes on when it follows. */
  private async list({ stream }: Link, instrument: Instrument): Promise<void> {
    const { gateway, gate } = this;
    const { symbol } = instrument;
    await this.until(1);
    const known = gateway.instruments.get(symbol) !== undefined;
    gateway.instruments.put(instrument);
    for (const channel of ['book', 'trade'] as const) {
      if (!known) stream.subscribe(channel, [symbol], { mode: 'raw' });
      const held = () => stream.find(channel, symbol);
      const missing = (): string => `the client does not get ${channel} ${symbol}`;
      await gate.until(() => held()?.valid === true, missing);
      // Only now the topic surely has its epoch; a change of scale has begun another.
      const { epoch } = await gateway.bus.load(channel, symbol);
      await gate.until(() => held()?.valid === true && held()?.topic.epoch === epoch, missing);
    }
  }

  private until(unseen: number): Promise<void> {
    const { gate, expected } = this;
    return gate.until(
      () => expected.size < unseen,
      () => `the client has yet to get ${[...expected.keys()].slice(0, 3).join(', ')}`,
    );
  }

  private handlers(): StreamHandlers {
    const { gate } = this;
    return {
      book: ({ topic }, book, frame) => {
        this.held(`book:${topic.symbol}:${frame.seq}`, (checksum) => checksum === book.checksum, this.states);
      },
      trade: ({ topic }, frame) => {
        this.held(`trade:${topic.symbol}:${frame.seq}`, (trade) => isSame(trade, frame), this.trades);
      },
      topic: () => gate.poke(),
      reset: () => gate.poke(),
      resync: ({ topic }, reason) => this.trouble(`${topic.symbol}: the client asked anew: ${reason}`),
      error: ({ message }) => gate.fail(new Complaint(`the gateway refused a request: ${message}`)),
      ack: ({ refused: [first] }) => {
        if (first !== undefined) gate.fail(new Complaint(`the gateway refused ${first.symbol}: ${first.message}`));
      },
    };
  }

  private held(name: string, matches: (expected: number | Trade) => boolean, tally: { matching: number }): void {
    const expected = this.expected.get(name);
    this.gate.poke();
    if (expected === undefined) return;
    this.expected.delete(name);
    if (matches(expected)) tally.matching += 1;
    else this.trouble(`${name}: it is not what was recorded`);
  }

  private trouble(sentence: string): void {
    this.troubles += 1;
    if (this.troubles <= DETAILS_MAX) process.stderr.write(`  ${sentence}\n`);
  }

  private report(json: boolean, counts: object): number {
    const { states, trades, troubles, file } = this;
    const ok = states.matching === states.recorded && trades.matching === trades.recorded && troubles === 0;
    if (json) {
      const document = { file: file.path, ok, whole: file.cutAt === null, states, trades, troubles, ...counts };
      process.stdout.write(`${JSON.stringify(document)}\n`);
    }
    const out = json ? process.stderr : process.stdout;
    out.write(`trades: ${trades.matching} of ${trades.recorded} match\n`);
    out.write(`checksums: ${states.matching} of ${states.recorded} match\n`);
    return ok ? ExitCode.done : ExitCode.failed;
  }
}

function isSame(expected: number | Trade, { id, kind, side, price, size }: TradeFrame): boolean {
  if (typeof expected === 'number') return false;
  const { tradeKind } = expected;
  return (
    expected.id === id &&
    tradeKind === kind &&
    expected.side === side &&
    expected.price === price &&
    expected.size === size
  );
}
