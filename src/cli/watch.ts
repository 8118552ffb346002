// Owns `tickwire watch`: one market, live, as a ladder in the terminal, as log lines, or as JSON. Main registers it.
// Invariant: what is shown is an exact book at the seq that stands beside it; a lost connection ends it and is said.

import type { Command } from 'commander';
import type { ClientStream, StreamHandlers } from '../client/stream.ts';
import { systemClock } from '../ports/clock.ts';
import type { AckFrame, Channel, Depth, Refused } from '../protocol/frames.ts';
import { terminalSettings } from '../settings/settings.ts';
import { Complaint, ExitCode } from './complaint.ts';
import {
  addCredentialFlag,
  CREDENTIAL_VARIABLE,
  type Credential,
  credentialOf,
  refusalSentence,
} from './credential.ts';
import { depthOf, type Endpoints, usualEndpoints, wholeNumber } from './flags.ts';
import { environmentHelp, examplesHelp } from './guide.ts';
import { addUrlFlag, fetchInstruments } from './instruments.ts';
import { type Interrupt, onInterrupt } from './interrupt.ts';
import { renderLadder } from './ladder-view.ts';
import { Link } from './link.ts';
import { Screen } from './screen.ts';
import { type Change, type Display, JsonLines, LogLines } from './watch-lines.ts';
import { WatchModel } from './watch-model.ts';

const DEPTH: Depth = 10;
const INTERVAL_MS = 100;
const INTERVAL_MS_MAX = 60_000;
const TRADES_TO_BEGIN_WITH = 20;
/** Levels a side that are shown of a full book. */
const LEVELS_MAX = 200;

const ENVIRONMENT = [
  ['TICKWIRE_URL', 'The gateway, where --url does not say it.'],
  CREDENTIAL_VARIABLE,
  ['NO_COLOR', 'Set to anything: no colours.'],
] as const;

interface WatchOptions {
  readonly url?: Endpoints;
  readonly credential?: string;
  readonly depth: Depth;
  readonly interval: number;
  readonly raw?: boolean;
  readonly json?: boolean;
}

export function addWatch(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('watch')
    .summary('see a market live in the terminal')
    .description('Draws a live ladder of one market: book, spread, trades, and how well they arrive. q quits.')
    .argument('<symbol>', 'such as BTC-USD; `tickwire instruments` lists them');
  addCredentialFlag(addUrlFlag(command))
    .option('--depth <levels>', 'levels a side: 1, 5, 10, 20, 50, or 0 for all', depthOf, DEPTH)
    .option(
      '--interval <ms>',
      'time between updates at least; 0: as they happen',
      wholeNumber(0, INTERVAL_MS_MAX),
      INTERVAL_MS,
    )
    .option('--raw', 'every single update, none merged (always of the full book)')
    .option('--json', 'print one JSON object per line: the view after each update, trades, status')
    .addHelpText(
      'after',
      examplesHelp([
        ['tickwire watch BTC-USD', 'ten levels a side, ten times a second'],
        ['tickwire watch BTC-USD --depth 50 --interval 0', 'more of it, as it happens'],
        ['tickwire watch BTC-USD --json | jq .bids[0]', 'the best bid, for a program'],
        ['tickwire watch BTC-USD | tee log', 'without a terminal: one line per update'],
      ]),
    )
    .addHelpText('after', environmentHelp(ENVIRONMENT))
    .action(async (symbol: string, options: WatchOptions) => {
      if (options.raw === true && command.getOptionValueSource('interval') === 'cli') {
        throw new Complaint('--raw is every update as it happens: leave out --interval', ExitCode.misused);
      }
      ended(await new Watch(symbol, options).run());
    });
}

/** How it ended: with what code, and what is said about it. */
interface Ending {
  readonly exitCode: number;
  readonly sentence: string | null;
}

class Watch {
  private readonly model: WatchModel;
  private readonly url: Endpoints;
  private readonly credential: Credential;
  private link: Link | null = null;
  /** Opened when the gateway has granted what can be shown. */
  private display: Display | null = null;
  /** Requests that were not answered yet, by their ids. */
  private readonly asked = new Map<number, Channel>();
  private finish: (ending: Ending) => void = () => {};

  constructor(
    private readonly symbol: string,
    private readonly options: WatchOptions,
  ) {
    this.url = options.url ?? usualEndpoints();
    this.credential = credentialOf(options.credential);
    this.model = new WatchModel(symbol);
  }

  async run(): Promise<number> {
    const interrupt = onInterrupt();
    try {
      return await this.watch(interrupt);
    } finally {
      interrupt.stop();
    }
  }

  private async watch(interrupt: Interrupt): Promise<number> {
    const finished = new Promise<Ending>((resolve) => {
      this.finish = resolve;
    });
    const { signal } = interrupt;
    const waiting = (sentence: string): void => void process.stderr.write(`${sentence}\n`);
    const link = await Link.arrive(this.url.stream, this.handlers(), { credential: this.credential, signal, waiting });
    if (link === null) return interrupt.exitCode;
    signal.addEventListener('abort', () => this.finish({ exitCode: interrupt.exitCode, sentence: null }));
    void link.ended.then((reason) => this.lost(link, reason));
    this.link = link;
    this.subscribe(link.stream);
    const { exitCode, sentence } = await finished;
    this.display?.end();
    link.close();
    if (sentence !== null) throw new Complaint(sentence, exitCode);
    return exitCode;
  }

  private subscribe(stream: ClientStream): void {
    const { depth, interval, raw = false } = this.options;
    const symbols = [this.symbol];
    this.asked.set(stream.subscribe('book', symbols, raw ? { mode: 'raw' } : { depth, interval }), 'book');
    this.asked.set(stream.subscribe('trade', symbols, { last: TRADES_TO_BEGIN_WITH }), 'trade');
    this.asked.set(stream.subscribe('status', symbols), 'status');
  }

  private openDisplay(): Display {
    const { model, options, link } = this;
    const stdout = process.stdout;
    const levelsMax = options.depth === 0 ? LEVELS_MAX : options.depth;
    const { nowUs } = systemClock;
    const terminal = terminalSettings();
    if (options.json !== true && stdout.isTTY && terminal.screen) {
      return new Screen({
        terminal: process,
        picture: (size) => renderLadder(model.ladder(levelsMax, nowUs()), size, terminal.color),
        quit: () => this.finish({ exitCode: ExitCode.done, sentence: null }),
        interrupt: () => this.finish({ exitCode: ExitCode.interrupted, sentence: null }),
      });
    }
    // Whoever reads this may be slower than the market: the gateway merges meanwhile.
    stdout.on('drain', () => link?.resume());
    const write = (line: string): void => {
      if (!stdout.write(`${line}\n`)) link?.pause();
    };
    const Lines = options.json === true ? JsonLines : LogLines;
    return new Lines({ model, levelsMax, nowUs, write });
  }

  private tell(change: Change): void {
    this.display?.changed(change);
  }

  private handlers(): StreamHandlers {
    const { model } = this;
    return {
      topic: (held) => model.announced(held),
      book: (_held, _book, frame) => {
        model.bookChanged(frame, systemClock.nowUs());
        this.tell({ kind: 'book', frame });
      },
      trade: (_held, frame) => {
        model.traded(frame);
        this.tell({ kind: 'trade', frame });
      },
      status: (_held, frame) => {
        model.statusChanged(frame.status);
        // Before anybody has said anything it is live, which goes without saying.
        if (frame.seq > 0) this.tell({ kind: 'status', frame });
      },
      health: (held, frame) => {
        if (held.topic.channel !== 'book') return;
        model.healthChanged(frame.status);
        this.tell({ kind: 'health' });
      },
      resync: (_held, reason) => {
        if (reason === 'checksum') model.checksumFailed();
      },
      end: ({ topic }, { reason }) => {
        if (reason === 'revoked') this.deny(topic.channel);
        else this.failed(`${this.symbol} was ${reason}`);
      },
      error: (refused) => this.failed(`the gateway refused: ${refusalSentence(refused)}`),
      ack: (frame) => this.answered(frame),
    };
  }

  private answered({ id, accepted: [granted], refused: [refused] }: AckFrame): void {
    const channel = this.asked.get(id);
    this.asked.delete(id);
    if (channel === undefined) return;
    if (refused !== undefined) return this.refused(channel, refused);
    if (channel === 'book' && granted !== undefined) this.model.granted(granted, this.options.depth);
    if (channel === 'status' || this.display !== null) return;
    this.display = this.openDisplay();
    for (const each of this.model.denied) this.tell({ kind: 'denied', channel: each });
  }

  private refused(channel: Channel, refused: Refused): void {
    const needed = channel === 'book' && this.options.raw === true;
    if (refused.code === 'not-entitled' && !needed) return this.deny(channel);
    this.asked.clear();
    if (needed && refused.code === 'not-entitled') {
      return this.failed(`the gateway refused: ${refusalSentence(refused)} Or leave out --raw.`);
    }
    if (refused.code === 'unknown-symbol' || refused.code === 'bad-symbol') void this.unlisted(refused);
    else this.failed(`the gateway refused: ${refusalSentence(refused)}`);
  }

  /** Goes on without it, as long as there is anything to show. */
  private deny(channel: Channel): void {
    const { denied } = this.model;
    this.model.deny(channel);
    if (!denied.has('book') || !denied.has('trade')) return this.tell({ kind: 'denied', channel });
    this.asked.clear();
    const [code, message] = ['not-entitled', `This client may have neither the book nor the trades of ${this.symbol}.`];
    this.failed(refusalSentence({ code, message, action: '' }));
  }

  /** Ends it, and says what there is instead. */
  private async unlisted({ message }: Refused): Promise<void> {
    const listed = await fetchInstruments(this.url.http, this.credential).catch(() => []);
    const symbols = listed.map((instrument) => instrument.symbol).join(', ');
    this.failed(`${message} ${symbols === '' ? 'Nothing is listed.' : `Listed: ${symbols}.`}`);
  }

  private lost({ refusal }: Link, reason: string): void {
    const sentence = refusal === null ? reason : refusalSentence(refusal);
    this.failed(`the connection to ${this.url.stream} was lost: ${sentence}`);
  }

  private failed(sentence: string): void {
    this.finish({ exitCode: ExitCode.failed, sentence });
  }
}
