// Holds the verification of venues without checksums to counting every state, and to finding what is wrong: a state that the
// venue's messages do not make, a hole, best prices that the exchange names otherwise.

import { readFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { verify } from '../../src/cli/verify.ts';
import { binance } from '../../src/feeds/binance.ts';
import { coinbase } from '../../src/feeds/coinbase.ts';
import type { FeedEvent, Venue, VenueSession } from '../../src/feeds/feed.ts';
import { recordingFile } from '../feeds/captures.ts';
import { binanceRecording, coinbaseRecording, venueCapture } from '../feeds/plain-recording.ts';
import { run } from './command.ts';

interface Report {
  readonly ok: boolean;
  readonly states: { readonly published: number; readonly matching: number; readonly bestsChecked: number };
  readonly passes: readonly {
    readonly checked: number;
    readonly mismatches: number;
    readonly tradesPublished: number;
    readonly tradesReceived: number;
    readonly trouble: Readonly<Record<string, number>>;
  }[];
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)!;
}

async function verifyJson(venue: string, ...files: readonly string[]) {
  const { code, stdout, stderr } = await run(['replay', '--venue', venue, '--verify', '--json', ...files]);
  return { code, report: JSON.parse(stdout) as Report, stderr };
}

function shortened(path: string, linesMax: number): string {
  return recordingFile(readFileSync(path, 'utf8').split('\n').slice(0, linesMax));
}

/** Lines that say something of a book, found by nothing but their words. */
function countLines(paths: readonly string[], pattern: RegExp): number {
  return paths.flatMap((path) => readFileSync(path, 'utf8').split('\n')).filter((line) => pattern.test(line)).length;
}

/** The adapter, but one update of a book is of another size than the venue said, and the next one of its symbol mends it. */
function falsifying(venue: Venue, falsified: number): Venue {
  let updates = 0;
  let mending: { readonly symbol: string; readonly bids: number[]; readonly asks: number[] } | null = null;
  const alter = (event: FeedEvent): FeedEvent => {
    if (event.kind !== 'update' || event.update.kind !== 'delta') return event;
    const { symbol, update } = event;
    const { bids, asks } = update;
    if (mending?.symbol === symbol) {
      const mended = { ...update, bids: merged(mending.bids, bids), asks: merged(mending.asks, asks) };
      mending = null;
      return { ...event, update: mended };
    }
    updates += 1;
    if (updates < falsified || mending !== null || bids.length + asks.length !== 3 || bids[1] === 0 || asks[1] === 0) {
      return event;
    }
    mending = { symbol, bids: [...bids], asks: [...asks] };
    const bigger = (flat: readonly number[]): number[] => flat.map((value, index) => (index === 1 ? value * 2 : value));
    updates = Number.NEGATIVE_INFINITY;
    return { ...event, update: { ...update, bids: bigger(bids), asks: bigger(asks) } };
  };
  const open = (): VenueSession => {
    const session = venue.open({ verify: true });
    updates = 0;
    mending = null;
    const book = session.book.bind(session);
    return { counts: session.counts, read: (text) => session.read(text).map(alter), book };
  };
  return { ...venue, open };
}

/** The levels of both; where both name a price, those of the second. */
function merged(first: readonly number[], second: readonly number[]): number[] {
  const named = new Set(second.filter((_, index) => index % 3 === 0));
  return [...(first.length === 0 || named.has(first[0]!) ? [] : first), ...second];
}

async function verifyFalsified(venue: Venue, files: readonly string[], falsified: number) {
  const lines: string[] = [];
  const spies = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, 'write').mockImplementation((text) => lines.push(text.toString().trimEnd()) > 0),
  );
  const interrupt = { signal: new AbortController().signal, exitCode: 130, stop: () => {} };
  try {
    const code = await verify({ venue: falsifying(venue, falsified), files, json: false, interrupt });
    return { code, lines };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

describe('the verification of a capture without checksums', () => {
  test('compares every state of Coinbase’s books with what its messages say, in three passes', async () => {
    // The whole of it is for the command itself.
    const paths = venueCapture('coinbase').paths.map((path) => shortened(path, 4_000));
    const { code, report, stderr } = await verifyJson('coinbase', ...paths);
    const count = countLines(paths, /"type":"(snapshot|l2update)"/);
    const trades = countLines(paths, /"type":"match"/);
    expect(lastLine(stderr)).toBe(`states: ${count} of ${count} match`);
    expect({ code, ok: report.ok }).toEqual({ code: 0, ok: true });
    expect(report.passes[0]!.checked).toBe(count);
    for (const pass of report.passes) {
      expect(pass).toMatchObject({ mismatches: 0, trouble: {}, tradesPublished: trades, tradesReceived: trades });
      expect(pass.checked).toBeGreaterThan(0);
    }
  }, 120_000);

  test('compares every state of Binance’s, and what it read with the best prices that the exchange names', async () => {
    const { paths, real } = venueCapture('binance');
    const { code, report, stderr } = await verifyJson('binance', ...paths);
    const { published, bestsChecked } = report.states;
    expect(lastLine(stderr)).toBe(`states: ${published} of ${published} match`);
    expect({ code, ok: report.ok }).toEqual({ code: 0, ok: true });
    if (real) expect(report.states).toEqual({ published: 336, matching: 336, bestsChecked: 57 });
    expect(bestsChecked).toBeGreaterThan(50);
    for (const { mismatches, trouble, checked } of report.passes) {
      expect({ mismatches, trouble }).toEqual({ mismatches: 0, trouble: {} });
      expect(checked).toBeGreaterThan(0);
    }
  }, 120_000);

  test.each([
    ['Coinbase', coinbase, coinbaseRecording({ seed: 2, messages: 80 })],
    ['Binance', binance, binanceRecording({ seed: 2, messages: 80 }).lines],
  ])('finds the one state of %s’s books that its messages do not make', async (_, venue, recording) => {
    const { code, lines } = await verifyFalsified(venue, [recordingFile(recording)], 30);
    const [, matching, all] = /^states: (\d+) of (\d+) match$/.exec(lines.at(-1)!)!;
    expect(code).toBe(1);
    expect(Number(all)).toBeGreaterThan(70);
    expect(Number(matching)).toBe(Number(all) - 1);
    expect(lines.join('\n')).toMatch(/ seq \d+: the client has (bid|ask) [\d.]+ with [\d.]+, the exchange [\d.]+/);
  });

  test('fails where an event of Binance is missing: the adapter loses the book', async () => {
    const lines = binanceRecording({ seed: 3, messages: 80 }).lines;
    const events = lines.flatMap((line, index) => (line.includes('depthUpdate') ? [index] : []));
    lines.splice(events[60]!, 1);
    const { code, report, stderr } = await verifyJson('binance', recordingFile(lines));
    expect(code).toBe(1);
    expect(report.passes[0]!.trouble).toMatchObject({ 'books that the adapter lost': 1 });
    expect(stderr).toMatch(/updates \d+ to \d+ were missed/);
    expect(report.passes[0]!.mismatches).toBe(0);
  });

  test('fails where the exchange names best prices that its events do not give', async () => {
    const lines = binanceRecording({ seed: 4, messages: 80 }).lines;
    const quotes = lines.flatMap((line, index) => (line.includes('bookTicker') ? [index] : []));
    const last = quotes.at(-1)!;
    lines[last] = lines[last]!.replace(/"B":"(\d+)/, '"B":"1$1');
    const { code, report } = await verifyJson('binance', recordingFile(lines));
    expect(code).toBe(1);
    expect(report.passes[0]!.trouble).toMatchObject({ 'best prices that differ': 1, 'books that the adapter lost': 1 });
  });

  test('in words says what was checked in each pass', async () => {
    const path = recordingFile(binanceRecording({ seed: 5, messages: 60 }).lines);
    const { code, stdout } = await run(['replay', '--venue', 'binance', '--verify', path]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^raw, as fast as possible: (\d+) states checked, 0 mismatches, (\d+) of \2 trades, \d+ best prices of the exchange's own\nlive, 50 .*\nevery 100 ms, .*\nstates: \1 of \1 match\n$/,
    );
  });

  test('is told apart in the help: what is compared with what', async () => {
    const { stdout } = await run(['replay', '--help']);
    const words = stdout.replace(/\s+/g, ' ');
    expect(words).toContain("the exchange's own checksum (kraken)");
    expect(words).toContain('level by level, what its own messages make of plain maps of decimal strings');
  });
});
