// Owns `tickwire top`: the connections of a gateway and what slows them, as a table that lives, once, or as JSON. It asks the
// admin port. Main registers it. Invariant: what is shown is one answer of the gateway; one that is lost ends it and is said.

import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { CONNECTIONS_PATH, type ConnectionList, LISTED_DEFAULT, LISTED_MAX } from '../gateway/admin.ts';
import { terminalSettings } from '../settings/settings.ts';
import {
  ADMIN_ENVIRONMENT,
  type AdminFlags,
  type AdminPort,
  addAdminFlags,
  adminPortOf,
  USUAL_ADMIN_URL as USUAL_URL,
} from './admin-port.ts';
import { Complaint, ExitCode } from './complaint.ts';
import { wholeNumber } from './flags.ts';
import { environmentHelp, examplesHelp } from './guide.ts';
import { onInterrupt } from './interrupt.ts';
import type { ScreenSize } from './ladder-view.ts';
import { Screen } from './screen.ts';
import { COLUMNS_ALL, renderTop, type TopState } from './top-view.ts';

const INTERVAL_MS = 1_000;
const INTERVAL_MS_MIN = 100;
const INTERVAL_MS_MAX = 3_600_000;
/** Of a table that goes to no terminal. */
const COLUMNS = 100;

const ENVIRONMENT = [...ADMIN_ENVIRONMENT, ['NO_COLOR', 'Set to anything: no colours.']] as const;

const LEGEND = `
Columns:
  WHO     who it is, its principal, cut to fit; anonymous and local have not
          said. In full: --json
  PACE    how it is served: real-time, conflated, slower or top; the number is
          the highest priority that is reduced so
  RATE    bytes sent in the last second
  AGE     how long it has waited for what is due, or a ping for its answer
  WINDOW  bytes that may be on their way to it; from ${COLUMNS_ALL} columns on
  UNANS   bytes on their way that it has not answered for
  RTT     round trip of the last ping
  QUEUE   bytes that wait in the gateway
  SUBS    subscriptions
  BLOCK   why nothing more is sent just now: socket, window or budget
K and M are thousands and millions.`;

interface TopOptions extends AdminFlags {
  readonly once?: boolean;
  readonly json?: boolean;
  readonly interval: number;
  readonly limit: number;
}

export function addTop(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('top')
    .summary('see who is connected and what is slow')
    .description('Shows the connections of a gateway, those that wait longest first, and what slows them. q quits.');
  addAdminFlags(command)
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
  const gateway = adminPortOf(options);
  const { limit } = options;
  if (options.json === true) process.stdout.write(`${JSON.stringify(await listOf(gateway, limit))}\n`);
  else if (options.once === true) process.stdout.write(tableOf(await look(gateway, limit)));
  else return follow(gateway, options);
  return ExitCode.done;
}

/** Looks again and again until somebody has seen enough. */
async function follow(gateway: AdminPort, { interval: intervalMs, limit }: TopOptions): Promise<number> {
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
    let state = await look(gateway, limit, signal);
    screen = openScreen(() => state, end);
    for (;;) {
      // Whoever reads this may be slower than the tables come: then there are fewer of them.
      if (screen !== null) screen.changed();
      else if (!process.stdout.writableNeedDrain) process.stdout.write(`${tableOf(state)}\n`);
      await delay(intervalMs, null, { signal });
      state = await look(gateway, limit, signal);
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

/** @throws Complaint where no gateway answers. */
async function look(gateway: AdminPort, limit: number, signal?: AbortSignal): Promise<TopState> {
  const [list, stats] = await Promise.all([listOf(gateway, limit, signal), gateway.get('/v1/admin/stats', signal)]);
  const { busy } = stats as { busy?: unknown };
  return typeof busy === 'number' ? { url: gateway.url, busy, list } : gateway.foreign();
}

/** @throws Complaint where no gateway answers. */
async function listOf(gateway: AdminPort, limit: number, signal?: AbortSignal): Promise<ConnectionList> {
  const list = (await gateway.get(`${CONNECTIONS_PATH}?limit=${limit}`, signal)) as Partial<ConnectionList>;
  return Array.isArray(list.connections) ? (list as ConnectionList) : gateway.foreign();
}
