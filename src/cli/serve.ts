// Owns `tickwire serve`: a gateway in the foreground, with a live synthetic market in it where asked for.
// Main registers it. Invariant: it ends with 0 when it is told to, after its clients were told.

import { type Command, InvalidArgumentError } from 'commander';
import { Ingest } from '../feeds/ingest.ts';
import { SyntheticMarket } from '../feeds/synthetic.ts';
import { runSynthetic, UPDATES_PER_SEC_MAX } from '../feeds/synthetic-run.ts';
import { SYMBOLS_MAX, SYMBOLS_NAMED } from '../feeds/synthetic-symbols.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { whileInOffice } from '../gateway/office.ts';
import { systemClock, systemTimers } from '../ports/clock.ts';
import type { Log } from '../ports/log-events.ts';
import type { Fault } from '../protocol/errors.ts';
import { SETTINGS } from '../settings/settings.ts';
import { banner, bannerJson } from './banner.ts';
import { ExitCode } from './complaint.ts';
import { checkFeedUrls, createFeeds, type FeedWishes, feedOf, feedUrlOf } from './feeds.ts';
import { PORT_MAX, positiveNumber, wholeNumber } from './flags.ts';
import { environmentHelp, examplesHelp } from './guide.ts';
import { configurationWith, type GatewayFlags, type Hosted, startWith } from './hosting.ts';
import { aborted, type Interrupt, onInterrupt } from './interrupt.ts';

const SEED = 1;
const SEED_MAX = 0xffff_ffff;
/** Lively for the eye, nothing for the machine: the liveliest book changes 50 times a second on average. */
const RATE_PER_SEC = 200;

interface ServeOptions extends GatewayFlags {
  readonly demo?: boolean;
  readonly seed: number;
  readonly symbols: number;
  readonly rate: number;
  readonly feed?: FeedWishes;
  readonly feedUrl?: ReadonlyMap<string, string>;
  readonly json?: boolean;
}

export function addServe(program: Command, ended: (exitCode: number) => void): void {
  addGatewayFlags(
    program.command('serve').summary('start a gateway').description('Starts a gateway and serves until Ctrl-C.'),
  )
    .option('--demo', 'run a live synthetic market in it')
    .option('--seed <n>', "the demo's seed: the same market for the same seed", wholeNumber(0, SEED_MAX), SEED)
    .option(
      '--symbols <n>',
      `the demo's symbols to begin with, up to ${SYMBOLS_MAX}; a few are listed later`,
      wholeNumber(1, SYMBOLS_MAX),
      SYMBOLS_NAMED,
    )
    .option('--rate <n>', "the demo's updates a second on average, over all symbols", rateOf, RATE_PER_SEC)
    .option('--feed <venue:symbols>', 'publish live from a venue, symbols as it writes them; repeatable', feedOf)
    .option('--feed-url <venue=url>', "connect there instead of to the venue's own address; repeatable", feedUrlOf)
    .option('--json', 'print the URLs as one JSON line instead')
    .addHelpText(
      'after',
      examplesHelp([
        ['tickwire serve --demo', `${SYMBOLS_NAMED} symbols that trade, from a seed`],
        ['tickwire serve --demo --symbols 500 --rate 20000', 'a busy day'],
        ['tickwire serve --feed kraken:BTC/USD,ETH/USD', 'real books, quotes and trades'],
        ['tickwire serve --port 0 --json', 'any free port; a script reads which'],
        ['tickwire serve --config gateway.yaml', 'settings from a file; SIGHUP reads it again'],
        ['tickwire serve --instruments instruments.json', 'with instruments of your own, to publish to'],
      ]),
    )
    .addHelpText('after', environmentHelp(Object.values(SETTINGS).map(describeSetting)))
    .action(async (options: ServeOptions) => {
      ended(await serve(options));
    });
}

function rateOf(text: string): number {
  const rate = positiveNumber(text);
  if (rate > UPDATES_PER_SEC_MAX) throw new InvalidArgumentError(`Give a number up to ${UPDATES_PER_SEC_MAX}.`);
  return rate;
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
      `admin port, 0 for any free one (${adminPort.env}, default ${adminPort.default})`,
      wholeNumber(0, PORT_MAX),
    )
    .option('--host <address>', `address of the public port, 0.0.0.0 for all (${host.env}, default ${host.default})`)
    .option(
      '--redis <url>',
      `share topics with other gateways over Redis, redis://host:6379 (${SETTINGS.redisUrl.env})`,
    )
    .option('--config <file>', 'settings file, YAML or JSON (TICKWIRE_CONFIG)')
    .option('--instruments <file>', `JSON list of instruments to begin with (${SETTINGS.instrumentsFile.env})`);
}

function describeSetting(setting: { env: string; default: number | string; about: string }): [string, string] {
  const preset = setting.default === '' ? '' : ` Default: ${setting.default}.`;
  return [setting.env, `${setting.about}${preset}`];
}

async function serve(options: ServeOptions): Promise<number> {
  const {
    demo = false,
    seed,
    symbols,
    rate,
    json = false,
    feed: wishes = new Map(),
    feedUrl: urls = new Map(),
  } = options;
  checkFeedUrls(wishes, urls);
  const interrupt = onInterrupt();
  const over = new AbortController();
  const { signal } = over;
  const hosted = startWith(options);
  const { gateway } = hosted;
  const reload = (): void => {
    gateway.reload(() => configurationWith(options).settings);
  };
  // Before anything is waited for: who does not listen is ended by it.
  process.on('SIGHUP', reload);
  // Before the first update is published: what other gateways have listed should be known, and Redis be there.
  await hosted.gateway.ready;
  const market = new SyntheticMarket({ seed, symbols });
  const feeds = createFeeds(hosted, wishes, { urls, demo });
  const running = Promise.all([
    demo ? demoInTurn(hosted, { seed, symbols, rate, signal }) : aborted(signal),
    ...feeds.map((feed) => feed.run(signal)),
  ]);
  const announcement = {
    urls: gateway,
    market:
      [
        ...(demo ? [`a synthetic one, ${symbols} symbols, seed ${seed}, ${rate} updates a second`] : []),
        ...[...wishes.keys()].map(({ name }) => `live from ${name}`),
      ].join('; ') || 'none yet: it waits for publishers',
    symbols: [
      ...(demo ? market.instruments() : gateway.instruments.list()).map((instrument) => instrument.symbol),
      ...feeds.flatMap((feed) => feed.symbols),
    ],
    ending: 'Ctrl-C ends it.',
  };
  process.stdout.write(json ? bannerJson(announcement) : banner(announcement));
  try {
    await Promise.race([running, gateway.drained, toldToEnd(interrupt, gateway)]);
  } finally {
    process.off('SIGHUP', reload);
    over.abort();
    gateway.stop();
    interrupt.stop();
  }
  return ExitCode.done;
}

/** Ctrl-C ends it at once; SIGTERM, as service managers send it, when the clients were sent elsewhere. The market goes on meanwhile. */
async function toldToEnd(interrupt: Interrupt, gateway: Gateway): Promise<void> {
  await aborted(interrupt.signal);
  if (interrupt.exitCode === ExitCode.terminated) await gateway.drain();
}

/** Of several gateways on one Redis one runs the demo: two markets of the same symbols would be none. */
function demoInTurn(
  hosted: Hosted,
  { seed, symbols, rate, signal }: { seed: number; symbols: number; rate: number; signal: AbortSignal },
): Promise<void> {
  return whileInOffice(hosted.gateway.office('demo'), signal, (term) =>
    runDemo(hosted, new SyntheticMarket({ seed, symbols }), { rate, signal: term }),
  );
}

async function runDemo(
  { gateway, log }: Hosted,
  market: SyntheticMarket,
  { rate, signal }: { rate: number; signal: AbortSignal },
): Promise<void> {
  const ingest = new Ingest(gateway, firstOfEach(log), {
    restate: (symbol) => market.book(symbol),
    timers: systemTimers,
  });
  const broken = new Promise<never>((_, reject) => {
    const pacing = { clock: systemClock, timers: systemTimers, signal };
    const publish = ingest.messages.bind(ingest);
    runSynthetic(market, { ...pacing, updatesPerSec: rate, publish }).catch(reject);
  });
  try {
    await Promise.race([aborted(signal), broken]);
  } finally {
    ingest.stop();
  }
  const refused = ingest.refused();
  if (Object.keys(refused).length > 0) log.tell('market.refused-in-all', { refusals: refused });
}

/** Tells the log once of each symbol and code; the sums come at the end. */
export function firstOfEach(log: Log): (symbol: string, refused: Fault) => void {
  const known = new Set<string>();
  return (symbol, refused) => {
    // A bus that is gone refuses all symbols alike.
    const key = refused.code === 'bus-down' ? refused.code : `${symbol} ${refused.code}`;
    if (known.has(key)) return;
    known.add(key);
    log.tell('market.refused', { symbol, code: refused.code, reason: refused.message });
  };
}
