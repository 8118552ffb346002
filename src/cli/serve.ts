// Owns `tickwire serve`: a gateway in the foreground, with a live synthetic market in it where asked for.
// Main registers it. Invariant: it ends with 0 when it is told to, after its clients were told.

import type { Command } from 'commander';
import type { FeedEvent } from '../feeds/feed.ts';
import { Ingest } from '../feeds/ingest.ts';
import { runSynthetic, SyntheticMarket } from '../feeds/synthetic.ts';
import { systemClock, systemTimers } from '../ports/clock.ts';
import type { Fault } from '../protocol/errors.ts';
import { SETTINGS } from '../settings/settings.ts';
import { banner, bannerJson } from './banner.ts';
import { ExitCode } from './complaint.ts';
import { PORT_MAX, positiveNumber, wholeNumber } from './flags.ts';
import { environmentHelp, examplesHelp } from './guide.ts';
import { type GatewayFlags, type Hosted, settingsWith, startGateway } from './hosting.ts';
import { aborted, onInterrupt } from './interrupt.ts';

const SEED = 1;
const SEED_MAX = 0xffff_ffff;
/** Lively for the eye, nothing for the machine: 40 changes of a book a second on average. */
const RATE_PER_SEC = 200;

interface ServeOptions extends GatewayFlags {
  readonly demo?: boolean;
  readonly seed: number;
  readonly rate: number;
  readonly json?: boolean;
}

export function addServe(program: Command, ended: (exitCode: number) => void): void {
  addGatewayFlags(
    program.command('serve').summary('start a gateway').description('Starts a gateway and serves until Ctrl-C.'),
  )
    .option('--demo', 'run a live synthetic market in it')
    .option('--seed <n>', "the demo's seed: the same market for the same seed", wholeNumber(0, SEED_MAX), SEED)
    .option('--rate <n>', "the demo's updates a second, over all symbols", positiveNumber, RATE_PER_SEC)
    .option('--json', 'print the URLs as one JSON line instead')
    .addHelpText(
      'after',
      examplesHelp([
        ['tickwire serve --demo', 'five symbols that trade, from a seed'],
        ['tickwire serve --port 0 --json', 'any free port; a script reads which'],
        ['tickwire serve --instruments instruments.json', 'with instruments of your own, to publish to'],
      ]),
    )
    .addHelpText('after', environmentHelp(Object.values(SETTINGS).map(describeSetting)))
    .action(async (options: ServeOptions) => {
      ended(await serve(options));
    });
}

/** The flags of every command that starts a gateway. */
export function addGatewayFlags(command: Command): Command {
  const { host, port, adminPort } = SETTINGS;
  return command
    .option(
      '--port <n>',
      `public port, 0 for any free one (${port.env}, default ${port.default})`,
      wholeNumber(0, PORT_MAX),
    )
    .option(
      '--admin-port <n>',
      `admin port on loopback, 0 for any free one (${adminPort.env}, default ${adminPort.default})`,
      wholeNumber(0, PORT_MAX),
    )
    .option('--host <address>', `address of the public port, 0.0.0.0 for all (${host.env}, default ${host.default})`)
    .option('--instruments <file>', `JSON list of instruments to begin with (${SETTINGS.instrumentsFile.env})`);
}

function describeSetting(setting: { env: string; default: number | string; about: string }): [string, string] {
  const preset = setting.default === '' ? '' : ` Default: ${setting.default}.`;
  return [setting.env, `${setting.about}${preset}`];
}

async function serve({ demo = false, seed, rate, json = false, ...flags }: ServeOptions): Promise<number> {
  const interrupt = onInterrupt();
  const hosted = startGateway(settingsWith(flags));
  const market = new SyntheticMarket({ seed });
  const running = demo ? runDemo(hosted, market, { rate, signal: interrupt.signal }) : aborted(interrupt.signal);
  const { gateway } = hosted;
  const announcement = {
    urls: gateway,
    market: demo ? `a synthetic one, seed ${seed}, ${rate} updates a second` : 'none yet: it waits for publishers',
    symbols: (demo ? market.instruments() : gateway.instruments.list()).map((instrument) => instrument.symbol),
    ending: 'Ctrl-C ends it.',
  };
  process.stdout.write(json ? bannerJson(announcement) : banner(announcement));
  try {
    await running;
  } finally {
    gateway.stop();
    interrupt.stop();
  }
  return ExitCode.done;
}

async function runDemo(
  { gateway, logger }: Hosted,
  market: SyntheticMarket,
  { rate, signal }: { rate: number; signal: AbortSignal },
): Promise<void> {
  const ingest = new Ingest(
    gateway,
    firstOfEach((symbol, refused) => logger.warn({ symbol, ...refused }, 'refused')),
  );
  const broken = new Promise<never>((_, reject) => {
    const publish = (event: FeedEvent): void => {
      ingest.message([event]).catch(reject);
    };
    const pacing = { clock: systemClock, timers: systemTimers, signal };
    runSynthetic(market, { ...pacing, updatesPerSec: rate, publish }).catch(reject);
  });
  await Promise.race([aborted(signal), broken]);
  const refused = ingest.refused();
  if (Object.keys(refused).length > 0) logger.warn({ refused }, 'refused in all');
}

/** A log that is told once of each symbol and code; the sums come at the end. */
export function firstOfEach(log: (symbol: string, refused: Fault) => void): (symbol: string, refused: Fault) => void {
  const known = new Set<string>();
  return (symbol, refused) => {
    const key = `${symbol} ${refused.code}`;
    if (known.has(key)) return;
    known.add(key);
    log(symbol, refused);
  };
}
