// Owns `tickwire top`: the connections of a gateway and what slows them, as a table that lives, once, or as JSON. It asks the
// admin port. Main registers it. Invariant: what is shown is one answer of the gateway; one that is lost ends it and is said.

import { setTimeout as delay } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { CONNECTIONS_PATH, type ConnectionList, LISTED_DEFAULT, LISTED_MAX } from '../gateway/admin.ts';
import { readSettings, SETTINGS, terminalSettings } from '../settings/settings.ts';
import { Complaint, ExitCode, messageOf } from './complaint.ts';
import { endpointsOf, wholeNumber } from './flags.ts';
import { environmentHelp, examplesHelp } from './guide.ts';
import { onInterrupt } from './interrupt.ts';
import type { ScreenSize } from './ladder-view.ts';
import { Screen } from './screen.ts';
import { renderTop, type TopState } from './top-view.ts';

const INTERVAL_MS = 1_000;
const INTERVAL_MS_MIN = 100;
const INTERVAL_MS_MAX = 3_600_000;
const ANSWER_MS_MAX = 10_000;
/** Of a table that goes to no terminal. */
const COLUMNS = 80;

const { adminPort } = SETTINGS;
const USUAL_URL = `http://127.0.0.1:${adminPort.default}`;

const ENVIRONMENT = [
  [adminPort.env, 'The admin port on this machine, where --url does not say it.'],
  ['NO_COLOR', 'Set to anything: no colours.'],
] as const;

const LEGEND = `
Columns:
  PACE    how it is served: real-time, conflated, slower or top; the number is
          the highest priority that is reduced so
  RATE    bytes sent in the last second
  AGE     how long it has waited for what is due, or a ping for its answer
  WINDOW  bytes that may be on their way to it
  UNANS   bytes on their way that it has not answered for
  RTT     round trip of the last ping
  QUEUE   bytes that wait in the gateway
  SUBS    subscriptions
  BLOCK   why nothing more is sent just now: socket, window or budget
K and M are thousands and millions.`;

interface TopOptions {
  readonly url?: string;
  readonly once?: boolean;
  readonly json?: boolean;
  readonly interval: number;
  readonly limit: number;
}

export function addTop(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('top')
    .summary('see who is connected and what is slow')
    .description('Shows the connections of a gateway, those that wait longest first, and what slows them. q quits.')
    .option('--url <address>', `the gateway's admin port (${adminPort.env}, default ${USUAL_URL})`, adminUrlOf)
    .option('--once', 'print one table and end')
    .option('--json', "print the admin port's answer as one line of JSON and end")
    .option('--interval <ms>', 'time between looks', wholeNumber(INTERVAL_MS_MIN, INTERVAL_MS_MAX), INTERVAL_MS)
    .option('--limit <n>', 'connections that are asked for', wholeNumber(1, LISTED_MAX), LISTED_DEFAULT)
    .addHelpText('after', LEGEND)
    .addHelpText(
      'after',
      examplesHelp([
        ['tickwire top', 'of the gateway on this machine, once a second'],
        ['tickwire top --once --limit 10', 'the ten that wait longest, now'],
        ['tickwire top --json | jq .connections[0]', 'everything about the first of them'],
        [`curl ${USUAL_URL}${CONNECTIONS_PATH}/ID`, 'why that one is slow, in words'],
      ]),
    )
    .addHelpText('after', environmentHelp(ENVIRONMENT))
    .action(async (options: TopOptions) => {
      const single = options.json === true ? '--json' : options.once === true ? '--once' : null;
      if (single !== null && command.getOptionValueSource('interval') === 'cli') {
        throw new Complaint(`${single} is a single look: leave out --interval`, ExitCode.misused);
      }
      ended(await top(options));
    });
}

async function top(options: TopOptions): Promise<number> {
  const gateway = new AdminPort(options.url ?? usualAdminUrl(), options.limit);
  if (options.json === true) process.stdout.write(`${JSON.stringify(await gateway.list())}\n`);
  else if (options.once === true) process.stdout.write(tableOf(await gateway.look()));
  else return follow(gateway, options.interval);
  return ExitCode.done;
}

/** Looks again and again until somebody has seen enough. */
async function follow(gateway: AdminPort, intervalMs: number): Promise<number> {
  const over = new AbortController();
  const { signal } = over;
  let exitCode: number = ExitCode.done;
  const end = (code: number): void => {
    exitCode = code;
    over.abort();
  };
  const interrupt = onInterrupt();
  interrupt.signal.addEventListener('abort', () => end(interrupt.exitCode));
  let screen: Screen | null = null;
  try {
    let state = await gateway.look(signal);
    screen = openScreen(() => state, end);
    for (;;) {
      // Whoever reads this may be slower than the tables come: then there are fewer of them.
      if (screen !== null) screen.changed();
      else if (!process.stdout.writableNeedDrain) process.stdout.write(`${tableOf(state)}\n`);
      await delay(intervalMs, null, { signal });
      state = await gateway.look(signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    return exitCode;
  } finally {
    screen?.end();
    interrupt.stop();
  }
}

/** Null where there is no terminal to draw in. */
function openScreen(state: () => TopState, end: (exitCode: number) => void): Screen | null {
  const { color, screen } = terminalSettings();
  if (!process.stdout.isTTY || !screen) return null;
  return new Screen({
    terminal: process,
    picture: (size) => renderTop(state(), size, { color, keys: true }),
    quit: () => end(ExitCode.done),
    interrupt: () => end(ExitCode.interrupted),
  });
}

/** As it is printed: all rows, in the width of the terminal where there is one. */
function tableOf(state: TopState): string {
  const stdout = process.stdout;
  const size: ScreenSize = { columns: stdout.isTTY ? stdout.columns : COLUMNS, rows: Number.POSITIVE_INFINITY };
  return `${renderTop(state, size, { color: stdout.isTTY && terminalSettings().color, keys: false })}\n`;
}

/** The admin port of a gateway, as far as this command asks it. */
class AdminPort {
  constructor(
    private readonly url: string,
    private readonly limit: number,
  ) {}

  /** @throws Complaint where no gateway answers. */
  async look(signal?: AbortSignal): Promise<TopState> {
    const [list, stats] = await Promise.all([this.list(signal), this.get('/v1/admin/stats', signal)]);
    const { busy } = stats as { busy?: unknown };
    return typeof busy === 'number' ? { url: this.url, busy, list } : this.foreign();
  }

  /** @throws Complaint where no gateway answers. */
  async list(signal?: AbortSignal): Promise<ConnectionList> {
    const list = (await this.get(`${CONNECTIONS_PATH}?limit=${this.limit}`, signal)) as Partial<ConnectionList>;
    return Array.isArray(list.connections) ? (list as ConnectionList) : this.foreign();
  }

  private async get(path: string, signal?: AbortSignal): Promise<object> {
    const late = AbortSignal.timeout(ANSWER_MS_MAX);
    let text: string;
    try {
      const response = await fetch(`${this.url}${path}`, { signal: signal ? AbortSignal.any([signal, late]) : late });
      text = await response.text();
    } catch (error) {
      throw new Complaint(
        `no admin port of a gateway answers at ${this.url}: ${whyNot(error)}. ` +
          `Start a gateway with \`tickwire serve --demo\`, or say where its admin port is with --url (${adminPort.env}).`,
      );
    }
    return objectOf(text) ?? this.foreign();
  }

  private foreign(): never {
    throw new Complaint(
      `what answers at ${this.url} is no admin port of a Tickwire gateway: ` +
        'give --url the admin address that `tickwire serve` printed',
    );
  }
}

/** Null for what is no JSON object. */
function objectOf(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

/** `fetch` hides what happened in the cause. */
function whyNot(error: unknown): string {
  const { name, cause } = error as { name?: string; cause?: unknown };
  if (name === 'TimeoutError') return 'nothing came back';
  const { code } = (cause ?? error) as { code?: string };
  return code === 'ECONNREFUSED' ? 'the connection was refused' : messageOf(cause ?? error);
}

function adminUrlOf(text: string): string {
  const endpoints = endpointsOf(text);
  if (endpoints === null) throw new InvalidArgumentError(`Give the address of an admin port, such as ${USUAL_URL}.`);
  return endpoints.http;
}

/** Where the admin port is that no flag names. */
function usualAdminUrl(): string {
  const port = readSettings().adminPort;
  if (port !== 0) return `http://127.0.0.1:${port}`;
  const sentence = `${adminPort.env} is 0, which is any free port: say with --url which one \`tickwire serve\` printed`;
  throw new Complaint(sentence, ExitCode.misused);
}
