// Owns `tickwire replay`: recorded exchange traffic goes into a gateway as if it came now, or (--verify) through all of it
// and is compared with the exchange's own checksums or messages. Main registers it. Invariant: the adapter, the bus and everything
// behind them are those of a live feed.

import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { CaptureError, type CaptureStream, paced, readCaptures } from '../feeds/capture.ts';
import type { Venue, VenueSession } from '../feeds/feed.ts';
import { Ingest } from '../feeds/ingest.ts';
import { venues } from '../feeds/venues.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { systemClock, systemTimers } from '../ports/clock.ts';
import { RecordingError } from '../recording/layout.ts';
import { isRecording } from '../recording/reader.ts';
import { banner } from './banner.ts';
import { Complaint, ExitCode } from './complaint.ts';
import { speedOf } from './flags.ts';
import { examplesHelp } from './guide.ts';
import { startWith } from './hosting.ts';
import { aborted, type Interrupt, onInterrupt } from './interrupt.ts';
import { momentOf } from './moments.ts';
import { type PlaybackOptions, playBack } from './playback.ts';
import { verifyRecording } from './playback-verify.ts';
import { showProgress } from './progress.ts';
import { addGatewayFlags, firstOfEach } from './serve.ts';
import { verify } from './verify.ts';

interface ReplayOptions extends PlaybackOptions {
  readonly venue?: string;
  readonly verify?: boolean;
}

/** Enough to see the snapshots that a connection begins with. */
const SYMBOLS_WITHIN_MESSAGES = 100;
/** What --verify decides by itself. */
const NOT_WITH_VERIFY = ['speed', 'loop', 'serve', 'host', 'port', 'adminPort', 'instruments'] as const;

export function addReplay(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('replay')
    .summary('replay a recording or exchange traffic, or verify it')
    .description(
      'Replays captures of exchange traffic (lines of "<unix seconds>: <message>") into a gateway. Several files are merged ' +
        'by time. With --verify the traffic goes through bus, topic, a WebSocket and a client in three passes, and after ' +
        "each update that a client holds, its book must give the exchange's own checksum (kraken). Where an exchange sends " +
        'none, the whole book must equal, level by level, what its own messages make of plain maps of decimal strings, read ' +
        'by code that shares nothing with the adapter (coinbase; binance, whose bookTicker must also agree with those maps). ' +
        'A recording of `tickwire record` needs no --venue; with --verify every book must give its recorded checksum. ' +
        'Answers by HTTP in a capture ("<url> -> <unix seconds>: <body>") are read where a venue needs them.',
    )
    .argument('<file...>', 'captures, or one recording of `tickwire record`')
    .option('--venue <name>', `whose traffic captures are: ${[...venues.keys()].join(', ')}`)
    .option('--speed <n>', "times the original speed, or 'max'", speedOf, 1)
    .option(
      '--from <time>',
      'of a recording, where to begin: 90s or 1h30m from its begin, or 2026-01-31T09:30:00Z',
      momentOf,
    )
    .option('--to <time>', 'of a recording, where to end', momentOf)
    .option('--skip-damaged', 'play what can be read of a damaged recording')
    .option('--loop', 'begin again at the end, until Ctrl-C')
    .option('--serve', 'at the end, go on serving what is there, until Ctrl-C')
    .option('--verify', "compare with the exchange's checksums or messages; exit 1 on any mismatch")
    .option('--json', 'print counts (with --verify, checks and final books too) as one JSON document');
  addGatewayFlags(command)
    .addHelpText(
      'after',
      examplesHelp([
        ['tickwire replay --venue kraken capture.txt --loop', 'watch an old market live, again and again'],
        ['tickwire replay --venue kraken books.txt trades.txt --speed 10', 'two captures as one, ten times as fast'],
        [
          'tickwire replay market.twr --from 10m --speed 10',
          'a recording of `tickwire record`, from its eleventh minute',
        ],
        ['tickwire replay --venue kraken --verify capture.txt', 'prove that every book is the exchange’s'],
        [
          'tickwire replay --venue binance --verify depth.txt snapshots.txt',
          'the same; the snapshots are answers by HTTP',
        ],
      ]),
    )
    .action(async (files: string[], options: ReplayOptions) => {
      refuseWithVerify(command, options);
      ended(await replayFiles(files, options));
    });
}

function refuseWithVerify(command: Command, options: ReplayOptions): void {
  if (options.verify !== true) return;
  const given = NOT_WITH_VERIFY.filter((name) => command.getOptionValueSource(name) === 'cli');
  if (given.length === 0) return;
  const flags = given.map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
  throw new Complaint(`--verify has speeds and ports of its own: leave out ${flags.join(', ')}`, ExitCode.misused);
}

async function replayFiles(files: readonly string[], options: ReplayOptions): Promise<number> {
  for (const file of files) checkFile(file);
  const recordings = await Promise.all(files.map(isRecording));
  if (!recordings.includes(true)) return replayCaptures(files, options);
  if (files.length > 1) throw new Complaint('a recording is replayed alone: name one file', ExitCode.misused);
  if (options.venue !== undefined) {
    throw new Complaint(`${files[0]} is a recording of Tickwire, of no venue: leave out --venue`, ExitCode.misused);
  }
  const interrupt = onInterrupt();
  try {
    return await (options.verify === true ? verifyRecording : playBack)(files[0]!, options, interrupt);
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    throw new Complaint(error.message);
  } finally {
    interrupt.stop();
  }
}

async function replayCaptures(files: readonly string[], options: ReplayOptions): Promise<number> {
  if (options.venue === undefined) {
    throw new Complaint("required option '--venue <name>' not specified: these are captures", ExitCode.misused);
  }
  const { from, to, skipDamaged } = options;
  if (from !== undefined || to !== undefined || skipDamaged !== undefined) {
    throw new Complaint(
      '--from, --to and --skip-damaged are for recordings of Tickwire: leave them out',
      ExitCode.misused,
    );
  }
  const venue = venueOf(options.venue);
  const interrupt = onInterrupt();
  try {
    if (options.verify === true) return await verify({ venue, files, json: options.json === true, interrupt });
    return await new Replay(venue, files, options, interrupt).run();
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error;
    throw new Complaint(`not a capture: ${error.message}`, ExitCode.misused);
  } finally {
    interrupt.stop();
  }
}

function venueOf(name: string): Venue {
  const venue = venues.get(name);
  if (venue !== undefined) return venue;
  throw new Complaint(`there is no venue ${name}; known: ${[...venues.keys()].join(', ')}`, ExitCode.misused);
}

function checkFile(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return;
  throw new Complaint(`there is no file ${path}; name captures of exchange traffic`, ExitCode.misused);
}

class Replay {
  private messages = { read: 0, ignored: 0 };
  /** What reads the captures now. */
  private session: VenueSession | null = null;

  constructor(
    private readonly venue: Venue,
    private readonly files: readonly string[],
    private readonly options: ReplayOptions,
    private readonly interrupt: Interrupt,
  ) {}

  async run(): Promise<number> {
    const { options, interrupt } = this;
    const symbols = await this.symbols();
    const { loop = false, serve = false, json = false } = options;
    const { gateway, log } = startWith({ ...options, redis: '' });
    const ingest = new Ingest(gateway, firstOfEach(log), {
      restate: (symbol) => this.session?.book(symbol) ?? null,
      timers: systemTimers,
    });
    try {
      (json ? process.stderr : process.stdout).write(this.announcement(gateway, symbols));
      do await this.once(ingest);
      while (loop && !interrupt.signal.aborted);
      const interrupted = interrupt.signal.aborted;
      this.report(ingest, interrupted, json);
      if (serve && !interrupted) await aborted(interrupt.signal);
      // What goes on for ever can only be interrupted.
      return interrupted && !loop ? interrupt.exitCode : ExitCode.done;
    } finally {
      ingest.stop();
      gateway.stop();
    }
  }

  /** One way through all files. */
  private async once(ingest: Ingest): Promise<void> {
    const capture = readCaptures(this.files, this.venue.messageOf);
    const session = this.venue.open({ verify: false });
    this.session = session;
    const progress = showProgress('replay', capture.bytesTotal);
    const pacing = { clock: systemClock, timers: systemTimers, signal: this.interrupt.signal };
    try {
      for await (const { text } of paced(capture, { ...pacing, speed: this.options.speed })) {
        await ingest.message(session.read(text));
        progress.update(capture.bytesRead);
      }
    } finally {
      progress.stop();
    }
    this.messages.read += session.counts.messages;
    this.messages.ignored += session.counts.ignored;
  }

  private announcement(gateway: Gateway, symbols: readonly string[]): string {
    const { loop, serve, speed } = this.options;
    const pace =
      speed === 'max' ? 'as fast as possible' : speed === 1 ? 'at its own speed' : `at ${speed} times its speed`;
    const after = loop ? ', over and over' : '';
    return banner({
      urls: gateway,
      market: `${this.venue.name}, recorded, ${pace}${after}`,
      symbols,
      ending:
        loop || serve ? 'Ctrl-C ends it.' : 'It ends with the capture; --loop goes on for ever. Ctrl-C ends it before.',
    });
  }

  /** The symbols that the capture begins with. @throws Complaint where the venue's adapter understands nothing of it. */
  private async symbols(): Promise<string[]> {
    const session = this.venue.open({ verify: false });
    const capture: CaptureStream = readCaptures(this.files, this.venue.messageOf);
    const symbols = new Set<string>();
    let left = SYMBOLS_WITHIN_MESSAGES;
    for await (const { text } of capture) {
      for (const event of session.read(text)) if (event.kind === 'instrument') symbols.add(event.definition.symbol);
      if (--left <= 0 && symbols.size > 0) break;
    }
    if (symbols.size > 0) return [...symbols];
    throw new Complaint(
      `there is no book and no trade of ${this.venue.name} in ${this.files.join(', ')}: is it another venue's?`,
    );
  }

  private report(ingest: Ingest, interrupted: boolean, json: boolean): void {
    const { venue, files, messages } = this;
    const symbols = Object.fromEntries(ingest.counts);
    const refused = ingest.refused();
    if (json) {
      const document = { venue: venue.name, files, complete: !interrupted, messages, symbols };
      process.stdout.write(`${JSON.stringify(document)}\n`);
      return;
    }
    const { read, ignored } = messages;
    const words = [`${read} messages, ${ignored} of them not understood`, `${ingest.counts.size} symbols`];
    const resyncs = [...ingest.counts.values()].reduce((sum, counts) => sum + counts.resyncs, 0);
    if (resyncs > 0) words.push(`${resyncs} times a book was lost`);
    for (const [code, count] of Object.entries(refused)) words.push(`${count} refused (${code})`);
    process.stdout.write(`${interrupted ? 'interrupted' : 'the capture ended'}: ${words.join(', ')}\n`);
  }
}
