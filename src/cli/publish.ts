// Owns `tickwire publish`: items from a file, standard input or flags go into a gateway, and what is refused is named.
// Main registers it. Invariant: every item is counted once, as published or refused; a refusal is on stderr with its line.

import { createReadStream, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { systemClock } from '../ports/clock.ts';
import { PublishError, type Publisher, publisher } from '../publisher/index.ts';
import { Complaint, ExitCode } from './complaint.ts';
import { addCredentialFlag, credentialOf } from './credential.ts';
import { type Endpoints, positiveNumber, usualEndpoints } from './flags.ts';
import { environmentHelp, examplesHelp } from './guide.ts';
import { addUrlFlag, fetchInstruments } from './instruments.ts';
import { type Interrupt, onInterrupt } from './interrupt.ts';
import { showProgress } from './progress.ts';
import {
  definitionOf,
  type ItemFlags,
  levelOf,
  readSteps,
  type Step,
  statusOf,
  stepsOfFlags,
  tradeOf,
} from './publish-lines.ts';

interface PublishOptions extends ItemFlags {
  readonly url?: Endpoints;
  readonly credential?: string;
  readonly rate?: number;
  readonly json?: boolean;
}

/** Unanswered items; as many as a gateway gives credits for by default. */
const BUFFER_ITEMS_MAX = 10_000;
const COUNT_INTERVAL_MS = 3_000;

export function addPublish(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('publish')
    .summary('publish items into a gateway')
    .description(
      'Publishes items into a gateway: from a file, or from standard input, one JSON item a line as POST /v1/publish takes them ' +
        '(blank lines are passed over), or one item that flags describe. A line {"type":"instrument","symbol":...,"priceScale":2,' +
        '"sizeScale":0} lists an instrument. What is refused is named on stderr with its line, and the exit code is then 1.',
    )
    .argument('[file]', 'lines of JSON; - or nothing: standard input')
    .option('--rate <n>', 'items a second; default: as fast as the gateway takes them', positiveNumber)
    .option('--symbol <symbol>', 'whose item the flags below describe')
    .option('--instrument <json>', 'list it first: its definition without the symbol', definitionOf)
    .option('--snapshot', 'a whole book of the --bid and --ask given')
    .option('--delta', 'levels that changed; size 0 removes one')
    .option('--quote', 'the best --bid and --ask, where quotes are published')
    .option('--bid <price:size>', 'a level, repeatable; with order counts price:size:orders', levelOf)
    .option('--ask <price:size>', 'the same of the other side', levelOf)
    .option('--trade <price:size>', 'a trade; price:size:side says who took liquidity, buy or sell', tradeOf)
    .option('--id <id>', 'the id of the trade')
    .option('--status <status>', 'live, crossed, halted or source-down', statusOf)
    .option('--reason <text>', 'why it has that status')
    .option('--json', 'print the counts as one JSON document');
  addCredentialFlag(addUrlFlag(command))
    .addHelpText(
      'after',
      `${examplesHelp([
        [`tickwire publish --symbol ACME --instrument '{"priceScale":2,"sizeScale":0}'`, 'list an instrument'],
        ['tickwire publish --symbol ACME --snapshot --bid 10.01:300 --ask 10.02:500', 'give it a book'],
        ['tickwire publish --symbol ACME --trade 10.02:50:buy', 'and a trade'],
        ['tickwire publish day.jsonl --rate 1000', 'a file, a thousand items a second'],
        ['my-feed | tickwire publish --url ws://gateway:9001', 'whatever a program prints'],
        ['my-feed | tickwire publish --credential desk-a.key', 'where the gateway wants to know who publishes'],
      ])}\n${environmentHelp([
        ['TICKWIRE_URL', 'the gateway'],
        ['TICKWIRE_CREDENTIAL', 'an API key or a JWT, where the gateway wants one'],
        ['TICKWIRE_PUBLISH_TOKEN', 'the publish token, where the gateway has one'],
      ])}`,
    )
    .action(async (file: string | undefined, options: PublishOptions) => {
      ended(await publish(file, options));
    });
}

async function publish(file: string | undefined, options: PublishOptions): Promise<number> {
  const steps = stepsOfFlags(options);
  if (steps.length > 0 && file !== undefined) {
    throw new Complaint(`--symbol describes an item: leave out ${file}, or the flags`, ExitCode.misused);
  }
  const input = steps.length > 0 ? fromFlags(steps) : file === undefined || file === '-' ? fromStdin() : fromFile(file);
  const { http, stream } = options.url ?? usualEndpoints();
  const credential = credentialOf(options.credential);
  // Says in good words where there is no gateway.
  await fetchInstruments(http, credential);
  const interrupt = onInterrupt();
  const out = publisher(stream.replace(/\/v1\/stream$/, ''), {
    credential,
    bufferItemsMax: BUFFER_ITEMS_MAX,
    // What was lost on the way has to be looked at before more is published.
    reconnect: false,
  });
  try {
    return await new Publishing(out, input, options, interrupt).run();
  } finally {
    interrupt.stop();
    await out.close();
  }
}

/** Where the steps come from. */
interface Input {
  readonly steps: AsyncIterable<Step>;
  /** Null: nobody knows. */
  readonly bytesTotal: number | null;
  bytesRead(): number;
  stop(): void;
}

function fromFlags(steps: readonly Step[]): Input {
  async function* each(): AsyncGenerator<Step, void, undefined> {
    yield* steps;
  }
  return { steps: each(), bytesTotal: null, bytesRead: () => 0, stop: () => {} };
}

function fromFile(path: string): Input {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.isDirectory()) {
    throw new Complaint(`there is no file ${path}; name one with a JSON item a line`, ExitCode.misused);
  }
  const stream = createReadStream(path, 'utf8');
  // A pipe has no size.
  const bytesTotal = stat.size > 0 ? stat.size : null;
  return { steps: readSteps(stream), bytesTotal, bytesRead: () => stream.bytesRead, stop: () => stream.destroy() };
}

function fromStdin(): Input {
  const stdin = process.stdin;
  if (stdin.isTTY) {
    throw new Complaint(
      'nothing to publish: name a file, pipe lines in, or describe an item with flags (--help)',
      ExitCode.misused,
    );
  }
  stdin.setEncoding('utf8');
  return { steps: readSteps(stdin), bytesTotal: null, bytesRead: () => 0, stop: () => stdin.destroy() };
}

class Publishing {
  private items = 0;
  private instruments = 0;
  /** By code. */
  private readonly refusals: Record<string, number> = {};
  private refused = 0;
  private lastPlace = '';
  private saidMs = systemClock.nowMs();
  private readonly startedMs = this.saidMs;

  constructor(
    private readonly out: Publisher,
    private readonly input: Input,
    private readonly options: PublishOptions,
    private readonly interrupt: Interrupt,
  ) {}

  async run(): Promise<number> {
    const { out, input, interrupt } = this;
    const { signal } = interrupt;
    await this.connected();
    const progress = input.bytesTotal === null ? null : showProgress('publish', input.bytesTotal);
    signal.addEventListener('abort', () => input.stop(), { once: true });
    try {
      for await (const step of input.steps) {
        await this.pace();
        if (signal.aborted || out.state === 'closed') break;
        await this.take(step);
        progress?.update(input.bytesRead());
        if (progress === null) this.sayCount();
      }
    } catch (error) {
      // What was being read was ended by the signal.
      if (!signal.aborted) throw error;
    } finally {
      progress?.stop();
      input.stop();
    }
    const lost = out.state === 'closed';
    await out.flush();
    this.report(signal.aborted || lost);
    if (lost) throw new Complaint(`the connection was lost after ${out.counters.accepted} items were published`);
    if (signal.aborted) return interrupt.exitCode;
    return this.refused > 0 ? ExitCode.failed : ExitCode.done;
  }

  /** @throws Complaint where the gateway does not let us publish. */
  private async connected(): Promise<void> {
    try {
      await this.out.drained();
    } catch (error) {
      if (!(error instanceof PublishError)) throw error;
      throw new Complaint(`${error.message} ${error.action}`);
    }
  }

  private async take(step: Step): Promise<void> {
    if ('fault' in step) return this.refuse(step.line, step.fault);
    if ('instrument' in step) return this.list(step);
    this.items += 1;
    if (this.out.pending >= BUFFER_ITEMS_MAX) await this.out.drained().catch(() => {});
    const { symbol } = step.item ?? {};
    this.out.publish(step.item).then(
      ({ seq }) => {
        this.lastPlace = `${symbol} seq ${seq}`;
      },
      (error: PublishError) => this.refuse(step.line, `${error.code}: ${error.message} ${error.action}`),
    );
  }

  private async list({ line, instrument }: Extract<Step, { instrument: unknown }>): Promise<void> {
    try {
      await this.out.instrument(instrument);
      this.instruments += 1;
    } catch (error) {
      if (!(error instanceof PublishError)) throw error;
      this.refuse(line, `${error.code}: ${error.message} ${error.action}`);
    }
  }

  private refuse(line: number | null, why: string): void {
    const code = why.slice(0, why.indexOf(':'));
    this.refused += 1;
    this.refusals[code] = (this.refusals[code] ?? 0) + 1;
    process.stderr.write(`${line === null ? '' : `line ${line}: `}${why}\n`);
  }

  /** Waits until the next item is due. */
  private async pace(): Promise<void> {
    const { rate } = this.options;
    const { signal } = this.interrupt;
    if (rate === undefined) return;
    const leftMs = this.startedMs + (this.items * 1_000) / rate - systemClock.nowMs();
    if (leftMs < 1 || signal.aborted) return;
    await sleep(leftMs, undefined, { signal }).catch(() => {});
  }

  /** Where nobody knows how much there is to come. */
  private sayCount(): void {
    const nowMs = systemClock.nowMs();
    if (nowMs - this.saidMs < COUNT_INTERVAL_MS) return;
    this.saidMs = nowMs;
    process.stderr.write(`publish: ${this.items} items, ${this.refused} refused\n`);
  }

  private report(cutShort: boolean): void {
    const { out, items, instruments, refused, refusals } = this;
    const { accepted, messages } = out.counters;
    if (this.options.json === true) {
      const document = { complete: !cutShort, items, published: accepted, refused, refusals, instruments, messages };
      process.stdout.write(`${JSON.stringify(document)}\n`);
      return;
    }
    const words = [
      `${accepted} of ${items} items published${this.lastPlace === '' ? '' : `, the last ${this.lastPlace}`}`,
    ];
    if (instruments > 0) words.push(`${instruments} instruments listed`);
    if (refused > 0)
      words.push(
        `${refused} refused (${Object.entries(refusals)
          .map(([code, count]) => `${code} ${count}`)
          .join(', ')})`,
      );
    process.stdout.write(`${cutShort ? 'interrupted: ' : ''}${words.join('; ')}\n`);
  }
}
