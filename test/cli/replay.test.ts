// Holds replay and its verification to what a naive book of strings makes of the same capture, and to finding whatever is
// wrong: a falsified checksum, a message that can't be read, an update that the gateway refuses.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { capturePath, krakenCapture, recordingFile } from '../feeds/captures.ts';
import { NaiveKrakenBook } from '../feeds/naive.ts';
import { krakenRecording } from '../feeds/recording.ts';
import { run } from './command.ts';

interface Passed {
  readonly name: string;
  readonly checked: number;
  readonly mismatches: number;
  readonly tradesPublished: number;
  readonly tradesReceived: number;
  readonly trouble: Readonly<Record<string, number>>;
}
interface Counted {
  readonly messages: number;
  readonly snapshots: number;
  readonly updates: number;
  readonly trades: number;
  readonly checksums: number;
  readonly book: { readonly seq: number; readonly bids: string[][]; readonly asks: string[][] } | null;
}
interface Report {
  readonly ok: boolean;
  readonly checksums: { readonly sent: number; readonly matching: number };
  readonly passes: readonly Passed[];
  readonly symbols: Readonly<Record<string, Counted>>;
}

async function verifyJson(...files: readonly string[]): Promise<{ code: number; report: Report; stderr: string }> {
  const { code, stdout, stderr } = await run(['replay', '--venue', 'kraken', '--verify', '--json', ...files]);
  return { code, report: JSON.parse(stdout) as Report, stderr };
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)!;
}

/** What a subscriber of 1.x holds and has been sent in the end, by its symbol, read naively. */
function readNaively(path: string): Map<string, { book: NaiveKrakenBook; messages: number; trades: number }> {
  const pairs = new Map<string, { book: NaiveKrakenBook; messages: number; trades: number }>();
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [, text] = /^[\d.]+: (\[.*)$/.exec(line) ?? [];
    if (text === undefined) continue;
    const message = JSON.parse(text) as unknown[];
    const symbol = String(message.at(-1)).replace('/', '-');
    const pair = pairs.get(symbol) ?? { book: new NaiveKrakenBook(), messages: 0, trades: 0 };
    pairs.set(symbol, pair);
    pair.messages += 1;
    if (message.at(-2) === 'trade') pair.trades += (message[1] as unknown[]).length;
    else pair.book.read(message);
  }
  return pairs;
}

/** Lines of a capture of one pair. */
class MadeCapture {
  readonly lines: string[] = [];
  private readonly book = new NaiveKrakenBook();

  book1x(fields: Record<string, string[][]>): this {
    const message = (payload: object) => [1, payload, 'book-10', 'XBT/USD'];
    this.book.read(message(fields));
    const snapshot = 'as' in fields;
    return this.say(message(snapshot ? fields : { ...fields, c: String(this.book.checksum()) }));
  }

  trade(price: string, size: string): this {
    return this.say([2, [[price, size, '1700000000.5', 'b', 'm', '']], 'trade', 'XBT/USD']);
  }

  say(message: unknown): this {
    this.lines.push(`1700000000.${String(this.lines.length).padStart(3, '0')}: ${JSON.stringify(message)}`);
    return this;
  }

  get file(): string {
    return recordingFile(this.lines);
  }
}

const SNAPSHOT = {
  as: [
    ['100.2', '1.50', '1'],
    ['100.3', '2.00', '1'],
  ],
  bs: [
    ['100.1', '3.00', '1'],
    ['100.0', '0.25', '1'],
  ],
};

/** A level of an update. */
function level(price: string, size: string): string[] {
  return [price, size, '1700000000.1'];
}

describe('the verification of a capture', () => {
  test('counts one falsified checksum, goes on, and still holds the naive book level by level', async () => {
    const { path, checksums } = krakenCapture();
    const lines = readFileSync(path, 'utf8').split('\n');
    const sums = lines.flatMap((line, index) => (/"c":"\d+"/.test(line) ? [index] : []));
    expect(sums).toHaveLength(checksums);
    const falsified = sums[Math.floor(checksums / 2)]!;
    lines[falsified] = lines[falsified]!.replace(/"c":"(\d+)"/, (_, sum) => `"c":"${(Number(sum) + 1) % 2 ** 32}"`);
    const { code, report, stderr } = await verifyJson(recordingFile(lines));
    expect(code).toBe(1);
    expect(lastLine(stderr)).toBe(`checksums: ${checksums - 1} of ${checksums} match`);
    expect(stderr).toMatch(/ seq \d+: the exchange's checksum is \d+, the client's book gives \d+/);
    expect(report).toMatchObject({ ok: false, checksums: { sent: checksums, matching: checksums - 1 } });
    expect(report.passes.map(({ name, trouble }) => [name, trouble])).toEqual([
      ['raw', {}],
      ['live', {}],
      ['interval', {}],
    ]);
    const [raw, ...merged] = report.passes;
    expect(raw).toMatchObject({ checked: checksums, mismatches: 1 });
    // Whether the falsified state was held there is chance; no other may be wrong.
    for (const { mismatches } of merged) expect(mismatches).toBeLessThanOrEqual(1);
    const naive = readNaively(path);
    expect([...naive.keys()].sort()).toEqual(Object.keys(report.symbols).sort());
    for (const [symbol, { book, messages, trades }] of naive) {
      const counted = report.symbols[symbol]!;
      expect(counted.book!.bids, symbol).toEqual(book.sortedBids());
      expect(counted.book!.asks, symbol).toEqual(book.sortedAsks());
      expect(counted, symbol).toMatchObject({ messages, trades, snapshots: 1, updates: counted.checksums });
    }
  }, 120_000);

  test('hands on every trade of several files, merged by time, once and in order', async () => {
    const books = recordingFile(krakenRecording({ seed: 3, messages: 300 }));
    const trades = new MadeCapture().trade('9.5', '1').trade('9.5', '0.25').file;
    const { code, report } = await verifyJson(books, trades);
    const expected = [...readNaively(books).values(), ...readNaively(trades).values()];
    const count = expected.reduce((sum, pair) => sum + pair.trades, 0);
    expect(count).toBeGreaterThan(10);
    for (const pass of report.passes) {
      expect(pass).toMatchObject({ tradesPublished: count, tradesReceived: count, mismatches: 0, trouble: {} });
    }
    expect({ code, ok: report.ok, checksums: report.checksums }).toEqual({
      code: 0,
      ok: true,
      checksums: { sent: 300, matching: 300 },
    });
  }, 120_000);

  test('hands on the trades of a capture that has no book', async () => {
    const path = capturePath('KRAKEN.ws.48.0') ?? new MadeCapture().trade('9.5', '1').trade('9.5', '0.25').file;
    const { code, report, stderr } = await verifyJson(path);
    const count = [...readNaively(path).values()].reduce((sum, pair) => sum + pair.trades, 0);
    expect(lastLine(stderr)).toBe('checksums: 0 of 0 match');
    expect(code).toBe(0);
    for (const pass of report.passes) expect(pass).toMatchObject({ tradesPublished: count, tradesReceived: count });
  });

  test('follows a pair into another epoch where a number needs another scale, and loses nothing on the way', async () => {
    const digits = (text: string): string => `${text}000000`;
    const at = (price: string, size: string): string[] => level(digits(price), digits(size));
    const capture = new MadeCapture()
      .trade(digits('100.20'), digits('0.50'))
      .book1x({ as: [at('100.20', '1.50')], bs: [at('100.10', '3.00'), at('100.00', '0.25')] })
      .book1x({ a: [at('100.20', '0.00'), at('100.30', '4.00')] })
      .trade(digits('100.30'), digits('0.50'))
      // At eight digits beyond 2^53.
      .book1x({ a: [at('99999997.00', '1.00')] })
      .trade(digits('100.15'), digits('1.00'))
      .book1x({ b: [at('100.15', '2.00')] })
      .book1x({ a: [at('99999997.00', '0.00')] });
    const { code, report, stderr } = await verifyJson(capture.file);
    expect(stderr).toMatch(/checksums: 4 of 4 match\n$/);
    expect(code).toBe(0);
    for (const pass of report.passes) {
      expect(pass).toMatchObject({ tradesPublished: 3, tradesReceived: 3, mismatches: 0, trouble: {} });
      expect(pass.checked).toBeGreaterThan(0);
    }
    const { snapshots, updates, book } = report.symbols['XBT-USD']!;
    expect(book!.seq).toBeLessThan(snapshots + updates);
    expect(book).toMatchObject({
      bids: [
        [digits('100.15'), digits('2.00')],
        [digits('100.10'), digits('3.00')],
        [digits('100.00'), digits('0.25')],
      ],
      asks: [[digits('100.30'), digits('4.00')]],
    });
  });

  test('ends well where the last update changes nothing, which merged clients are not told', async () => {
    const capture = new MadeCapture().book1x(SNAPSHOT).book1x({ a: [level('100.2', '1.50')] });
    const { code, stderr } = await verifyJson(capture.file);
    expect(stderr).toMatch(/checksums: 1 of 1 match\n$/);
    expect(code).toBe(0);
  });

  test('fails where a message of a book can’t be read, though every checksum that is left matches', async () => {
    const capture = new MadeCapture().book1x(SNAPSHOT).say([1, { a: [['x', '1', '1']] }, 'book-10', 'XBT/USD']);
    const { code, report, stderr } = await verifyJson(capture.book1x({ b: [level('100.1', '4.00')] }).file);
    expect(code).toBe(1);
    expect(report.passes[0]?.trouble).toEqual({ 'books that the adapter lost': 1 });
    expect(stderr).toContain('XBT-USD, unreadable book message');
    expect(stderr).toMatch(/not everything went as it must; see above\nchecksums: 1 of 1 match\n$/);
  });

  test('fails where the gateway refuses an update: its checksum stays without a match', async () => {
    const capture = new MadeCapture()
      .book1x(SNAPSHOT)
      .book1x({ b: [level('100.9', '1.00')] })
      .book1x({ b: [level('100.9', '0.00')] });
    const { code, report, stderr } = await verifyJson(capture.file);
    expect(code).toBe(1);
    expect(report.passes[0]?.trouble).toEqual({ 'refused updates': 1 });
    expect(stderr).toContain('XBT-USD, crossed: The book would have its best bid above its best offer.');
    expect(lastLine(stderr)).toBe('checksums: 1 of 2 match');
  });

  test('does not depend on what the environment says of gateways', async () => {
    const environment = { TICKWIRE_RING_FRAMES_MAX: '16', TICKWIRE_PORT: 'x', TICKWIRE_SUBSCRIPTIONS_MAX: '1' };
    const path = recordingFile(krakenRecording({ seed: 6, messages: 60 }));
    const { code } = await run(['replay', '--venue', 'kraken', '--verify', path], environment);
    expect(code).toBe(0);
  });

  test('in words says for each pass how many states it checked, and ends with the raw pass', async () => {
    const { code, stdout } = await run([
      'replay',
      '--venue',
      'kraken',
      '--verify',
      recordingFile(krakenRecording({ seed: 5, messages: 60 })),
    ]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^raw, as fast as possible: 60 states checked, 0 mismatches, (\d+) of \1 trades\nlive, 50 .*: \d+ states.*\nevery 100 ms, 10 .*: \d+ states.*\nchecksums: 60 of 60 match\n$/,
    );
  });
});

describe('a replay into a gateway', () => {
  const FREE = ['--port', '0', '--admin-port', '0', '--speed', 'max'];

  test('says where to look and what was in the capture, and ends with it', async () => {
    const path = recordingFile(krakenRecording({ seed: 1, messages: 100 }));
    const { code, stdout } = await run(['replay', '--venue', 'kraken', ...FREE, path]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/npx tickwire watch BTC-USD --url http:\S+\n/);
    expect(stdout).toContain('market  kraken, recorded, as fast as possible\n');
    expect(lastLine(stdout)).toMatch(/^the capture ended: \d+ messages, 0 of them not understood, 4 symbols$/);
  });

  test('says in JSON how much of what there was for each symbol', async () => {
    const path = recordingFile(krakenRecording({ seed: 1, messages: 100 }));
    const { code, stdout, stderr } = await run(['replay', '--venue', 'kraken', '--json', ...FREE, path]);
    expect(code).toBe(0);
    const { symbols, complete } = JSON.parse(stdout) as { symbols: Record<string, Counted>; complete: boolean };
    expect(complete).toBe(true);
    expect(Object.values(symbols).reduce((sum, { checksums }) => sum + checksums, 0)).toBe(100);
    for (const [symbol, { messages, trades }] of readNaively(path))
      expect(symbols[symbol]).toMatchObject({ messages, trades });
    expect(stderr).toContain('Try next');
  });

  test('drops a book whose checksum fails, as a live feed does, and says so', async () => {
    const lines = krakenRecording({ seed: 1, messages: 100, falsified: 20 });
    const { code, stdout } = await run(['replay', '--venue', 'kraken', ...FREE, recordingFile(lines)]);
    expect(code).toBe(0);
    expect(lastLine(stdout)).toMatch(/, 1 times a book was lost$/);
  });

  test('says what was refused', async () => {
    const capture = new MadeCapture().book1x(SNAPSHOT).book1x({ b: [level('100.9', '1.00')] });
    const { code, stdout } = await run(['replay', '--venue', 'kraken', ...FREE, capture.file]);
    expect(code).toBe(0);
    expect(lastLine(stdout)).toMatch(/, 1 refused \(crossed\)$/);
  });
});
