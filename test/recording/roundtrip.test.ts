// Holds recording and replay to the market that was: a client of the gateway that is replayed into holds what a client of
// the recorded gateway held, state by state, whatever happened to the connection meanwhile.

import { describe, expect, test } from 'vitest';
import { Ingest } from '../../src/feeds/ingest.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { Player, type PlayerOptions } from '../../src/recording/player.ts';
import { RecordingFile } from '../../src/recording/reader.ts';
import { Command } from '../cli/command.ts';
import { startDemo } from '../cli/gateway.ts';
import { FickleBus } from '../feeds/fickle-bus.ts';
import { freshPath, Notes, published, startGateway, untilAllHeld, Way } from './market.ts';

const CHANNELS = ['book', 'quote', 'trade', 'status'] as const;
/** Updates that are under way to a client at most. */
const TOGETHER = 50;
const FROM_BEGIN: PlayerOptions = { fromUs: null, toUs: null, skipDamaged: false };

/** Plays a recording into a gateway of its own. @returns what a client of that held, and what the player counted. */
async function playedBack(
  path: string,
  options = FROM_BEGIN,
  channels: readonly (typeof CHANNELS)[number][] = CHANNELS,
) {
  const gateway = startGateway();
  const notes = await Notes.open(gateway.streamUrl);
  const ingest = new Ingest(gateway);
  const file = await RecordingFile.open(path);
  const player = new Player(file, options);
  let played = 0;
  for await (const { events } of player.play()) {
    // The client must be there before the first update is.
    const definitions = events.flatMap((event) => (event.kind === 'instrument' ? [event.definition] : []));
    const known = definitions.filter(({ symbol }) => gateway.instruments.get(symbol) === undefined);
    await ingest.message(events.filter((event) => event.kind === 'instrument'));
    if (known.length > 0)
      await notes.subscribe(
        known.map(({ symbol }) => symbol),
        channels,
      );
    await ingest.message(events.filter((event) => event.kind !== 'instrument'));
    // A client that is behind for long would get its updates merged.
    if (++played % TOGETHER === 0) await untilAllHeld(notes, gateway, channels);
  }
  await file.close();
  await untilAllHeld(notes, gateway, channels);
  return { notes, gateway, counts: player.counts, refused: ingest.refused(), file };
}

/** Ends a recording when it has everything that the gateway has said. */
async function endedWith(record: Command, gateway: Gateway): Promise<string> {
  const lost = record.stderr.match(/was lost/g)?.length ?? 0;
  gateway.stop();
  await record.says(new RegExp(`(?:was lost[^]*){${lost + 1}}`), 'stderr');
  process.emit('SIGINT');
  const { code, stdout } = await record.ended;
  expect(code).toBe(0);
  return stdout;
}

/** Resolves when so many connections have what they are owed of a symbol, turn by turn of the event loop. */
async function untilServed(gateway: Gateway, connections: number, symbol: string): Promise<void> {
  const isServed = (): boolean => {
    const subscriptions = [...gateway.connections].flatMap((each) => [...each.subscriptions.values()]);
    const of = subscriptions.filter(({ topic }) => topic.symbol === symbol && topic.channel === 'trade');
    return of.length === connections && subscriptions.every(({ inStep }) => inStep);
  };
  while (!isServed()) await new Promise((resolve) => setImmediate(resolve));
}

describe('a recorded market', () => {
  test('is replayed state by state: books with checksums, derived quotes, trades, statuses', async () => {
    const { gateway, step } = await startDemo();
    await step(60);
    const symbols = gateway.instruments.list().map(({ symbol }) => symbol);
    const path = freshPath();
    const notes = await Notes.open(gateway.streamUrl);
    await notes.subscribe(symbols, CHANNELS);
    const record = new Command(['record', '--url', gateway.url, '--out', path]);
    await record.says(/recording 5 symbols of http:\S+ into \S+; Ctrl-C ends it\n/);
    for (let done = 0; done < 20; done++) {
      await step(TOGETHER);
      await untilAllHeld(notes, gateway, CHANNELS);
    }
    expect(await endedWith(record, gateway)).toMatch(
      /5 symbols, 5 snapshots, \d+ book updates, \d+ quotes, \d+ trades/,
    );
    const replayed = await playedBack(path);
    expect(replayed.refused).toEqual({});
    expect(replayed.counts).toMatchObject({ missing: 0, gaps: 0, damagedBlocks: 0 });
    for (const channel of ['book', 'quote', 'trade'] as const) {
      const count = symbols.reduce((sum, symbol) => sum + (notes.states.get(`${channel}:${symbol}`)?.length ?? 0), 0);
      expect(count, channel).toBeGreaterThan(50);
    }
    expect(Object.fromEntries(replayed.notes.states)).toEqual(Object.fromEntries(notes.states));
  });

  test('brings its books by itself to a bus that loses them on the way', async () => {
    const { gateway, step } = await startDemo();
    const symbols = gateway.instruments.list().map(({ symbol }) => symbol);
    const path = freshPath();
    const notes = await Notes.open(gateway.streamUrl);
    await notes.subscribe(symbols, CHANNELS);
    const record = new Command(['record', '--url', gateway.url, '--out', path]);
    await record.says(/recording 5 symbols/);
    for (let done = 0; done < 10; done++) {
      await step(TOGETHER);
      await untilAllHeld(notes, gateway, CHANNELS);
    }
    await endedWith(record, gateway);
    const [whole, lossy] = [new FickleBus(), new FickleBus()];
    const file = await RecordingFile.open(path);
    const player = new Player(file, FROM_BEGIN);
    const ingests = [whole, lossy].map(
      (target) => new Ingest(target, undefined, { restate: (symbol) => player.book(symbol), timers: target.time }),
    );
    let played = 0;
    for await (const { events } of player.play()) {
      if (++played % 100 === 0) lossy.forget();
      for (const ingest of ingests) await ingest.message(events);
    }
    await file.close();
    expect(played).toBeGreaterThan(200);
    expect(ingests.map((ingest) => ingest.refused())).toEqual([{}, {}]);
    expect(ingests.map((ingest) => ingest.restated > 0)).toEqual([false, true]);
    for (const symbol of symbols) expect(await lossy.bookOf(symbol), symbol).toEqual(await whole.bookOf(symbol));
    expect(player.book('NOPE')).toBeNull();
  });

  test('without its books is replayed with the quotes that were derived from them', async () => {
    const { gateway, step } = await startDemo();
    const path = freshPath();
    const notes = await Notes.open(gateway.streamUrl);
    await notes.subscribe(['BTC-USD'], ['quote', 'book']);
    const args = ['--symbols', 'BTC-USD', '--channels', 'quote,trade'];
    const record = new Command(['record', '--url', gateway.url, '--out', path, ...args]);
    await record.says(/recording 1 symbols/);
    await step(400);
    await untilAllHeld(notes, gateway, ['book'], ['BTC-USD']);
    await endedWith(record, gateway);
    const replayed = await playedBack(path, FROM_BEGIN, ['quote']);
    const { seq } = await replayed.gateway.bus.load('quote', 'BTC-USD');
    await replayed.notes.until(() => replayed.notes.seq('quote', 'BTC-USD') === seq);
    expect(replayed.counts).toMatchObject({ missing: 0, derived: 0 });
    expect(replayed.notes.states.get('quote:BTC-USD')).toEqual(notes.states.get('quote:BTC-USD'));
    expect(seq).toBeGreaterThan(20);
  });

  test('goes on after the gateway was started anew: with its books as they are then', async () => {
    const first = await startDemo();
    const way = await Way.open(first.gateway);
    const path = freshPath();
    const record = new Command(['record', '--url', way.url, '--out', path]);
    await record.says(/recording 5 symbols/);
    await first.step(50);
    const second = startGateway();
    await new Ingest(second).message([
      { kind: 'instrument', definition: { symbol: 'BTC-USD', priceScale: 1, sizeScale: 8 } },
      published('BTC-USD', { kind: 'snapshot', bids: [100, 7, 0], asks: [200, 9, 0] }),
    ]);
    way.leadTo(second);
    await record.says(/ETH-USD is not listed now; it is taken up when it is/, 'stderr');
    const notes = await Notes.open(second.streamUrl);
    await new Ingest(second).message([
      { kind: 'instrument', definition: { symbol: 'LATE-USD', priceScale: 2, sizeScale: 0 } },
    ]);
    await notes.subscribe(['BTC-USD', 'LATE-USD'], ['book', 'trade']);
    await record.says(/connected to \S+ again/, 'stderr');
    await untilServed(second, 2, 'LATE-USD');
    await new Ingest(second).message([published('LATE-USD', { kind: 'snapshot', bids: [1, 1, 0], asks: [2, 1, 0] })]);
    await untilAllHeld(notes, second, ['book']);
    expect(await endedWith(record, second)).toMatch(/6 symbols, .*, 1 times connected again/);
    const replayed = await playedBack(path);
    expect(replayed.counts).toMatchObject({ connectionsLost: 2, gaps: 0 });
    for (const name of ['book:BTC-USD', 'book:LATE-USD']) {
      expect(replayed.notes.states.get(name)?.at(-1)).toEqual(notes.states.get(name)?.at(-1));
    }
  });

  test('has the gap in it that its connection had, with the number of updates', async () => {
    const gateway = startGateway({ ringFramesMax: 16 });
    const way = await Way.open(gateway);
    const ingest = new Ingest(gateway);
    const definition = { symbol: 'ACME', priceScale: 0, sizeScale: 0 };
    const trade = published('ACME', { kind: 'trade', id: null, tradeKind: 'trade', side: 'buy', price: 10, size: 1 });
    await ingest.message([{ kind: 'instrument', definition }, trade]);
    const path = freshPath();
    const record = new Command(['record', '--url', way.url, '--out', path]);
    await record.says(/recording 1 symbols/);
    way.leadTo(null);
    await record.says(/was lost/, 'stderr');
    await ingest.messages(Array.from({ length: 100 }, () => [trade]));
    way.leadTo(gateway);
    await record.says(/connected to \S+ again/, 'stderr');
    await untilServed(gateway, 1, 'ACME');
    const notes = await Notes.open(gateway.streamUrl);
    await notes.subscribe(['ACME'], ['trade']);
    await ingest.message([trade]);
    await notes.until(() => notes.seq('trade', 'ACME') === 102);
    await endedWith(record, gateway);
    const replayed = await playedBack(path);
    expect(replayed.counts).toMatchObject({ connectionsLost: 2, gaps: 1, missing: 84 });
    expect(replayed.notes.states.get('trade:ACME')).toHaveLength(17);
  });
});
