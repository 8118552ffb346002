// Owns `replay --verify`: three passes of a capture, what they found in words and as JSON, and whether all was well. States
// are held against the exchange's checksums, else against its own messages, read naively. The replay command calls it.
// Invariant: it is well only if every state that a client held is the exchange's own.

import type { Venue } from '../feeds/feed.ts';
import { Complaint, ExitCode } from './complaint.ts';
import type { Interrupt } from './interrupt.ts';
import { NaiveBinance } from './verify-binance.ts';
import { NaiveCoinbase } from './verify-coinbase.ts';
import { type NaiveReader, Oracle } from './verify-oracle.ts';
import { type PassPlan, type PassResult, runPass } from './verify-pass.ts';
import type { Standard } from './witness.ts';

/** For the venues that send no checksums. */
const READERS: Readonly<Record<string, () => NaiveReader>> = {
  coinbase: () => new NaiveCoinbase(),
  binance: () => new NaiveBinance(),
};

const PASSES: readonly PassPlan[] = [
  { name: 'raw', title: 'raw, as fast as possible', mode: 'raw', intervalMs: 0, speed: 'max' },
  { name: 'live', title: 'live, 50 times the original speed', mode: 'live', intervalMs: 0, speed: 50 },
  { name: 'interval', title: 'every 100 ms, 10 times the original speed', mode: 'live', intervalMs: 100, speed: 10 },
];

export interface VerifyOptions {
  readonly venue: Venue;
  readonly files: readonly string[];
  readonly json: boolean;
  readonly interrupt: Interrupt;
}

/** @returns the exit code. @throws Complaint where there is nothing to verify, or a pass can't be brought to its end. */
export async function verify({ venue, files, json, interrupt }: VerifyOptions): Promise<number> {
  const say = (line: string): void => {
    (json ? process.stderr : process.stdout).write(`${line}\n`);
  };
  const results: PassResult[] = [];
  for (const plan of PASSES) {
    const result = await runPass(plan, { venue, standard: standardOf(venue), files, interrupt });
    if (result.counts.size === 0) throw nothingIn(result, venue, files);
    results.push(result);
    say(passLine(result));
    for (const detail of result.details) process.stderr.write(`  ${detail}\n`);
  }
  const raw = results[0]!;
  const all = venue.checksum === null ? states(raw) : checksums(raw);
  const ok = results.every(isWell) && matches(raw) === all;
  if (json) process.stdout.write(`${JSON.stringify(document(venue, files, results, ok))}\n`);
  if (!ok && matches(raw) === all) process.stderr.write('not everything went as it must; see above\n');
  say(`${venue.checksum === null ? 'states' : 'checksums'}: ${matches(raw)} of ${all} match`);
  return ok ? ExitCode.done : ExitCode.failed;
}

/** @throws Complaint where there is none. */
function standardOf({ name, checksum }: Venue): Standard {
  const createReader = READERS[name];
  if (checksum !== null) return checksum;
  if (createReader !== undefined) return new Oracle(createReader());
  throw new Complaint(`${name} sends no checksums, and there is no naive reader of its messages`, ExitCode.misused);
}

function nothingIn({ messages }: PassResult, venue: Venue, files: readonly string[]): Complaint {
  const what = `${messages.read} messages, ${messages.ignored} of them not understood`;
  return new Complaint(`there is no book and no trade of ${venue.name} in ${files.join(', ')} (${what})`);
}

function passLine({ plan, tally, trouble, bestsChecked }: PassResult): string {
  const { checked, mismatches, tradesPublished, tradesReceived } = tally;
  const trades = tradesPublished === 0 ? '' : `, ${tradesReceived} of ${tradesPublished} trades`;
  const bests = bestsChecked === 0 ? '' : `, ${bestsChecked} best prices of the exchange's own`;
  const worries = Object.entries(trouble).map(([what, count]) => `, ${count} ${what}`);
  return `${plan.title}: ${checked} states checked, ${mismatches} mismatches${trades}${bests}${worries.join('')}`;
}

function isWell({ tally, trouble }: PassResult): boolean {
  const { mismatches, tradesPublished, tradesReceived } = tally;
  return mismatches === 0 && tradesReceived === tradesPublished && Object.keys(trouble).length === 0;
}

function matches({ tally }: PassResult): number {
  return tally.checked - tally.mismatches;
}

/** All that the exchange sent: a state that the client never held does not match either. */
function checksums({ counts }: PassResult): number {
  let sum = 0;
  for (const each of counts.values()) sum += each.checksums;
  return sum;
}

/** All that the adapter handed on, refused or not. */
function states({ counts }: PassResult): number {
  let sum = 0;
  for (const each of counts.values()) sum += each.snapshots + each.updates;
  return sum;
}

function document(venue: Venue, files: readonly string[], results: readonly PassResult[], ok: boolean): object {
  const raw = results[0]!;
  const symbols = [...raw.counts].map(([symbol, counts]) => {
    const final = raw.books.get(symbol);
    return [symbol, { ...counts, book: final === undefined ? null : { seq: final.seq, ...final.book } }] as const;
  });
  return {
    venue: venue.name,
    files,
    ok,
    ...(venue.checksum === null
      ? { states: { published: states(raw), matching: matches(raw), bestsChecked: raw.bestsChecked } }
      : { checksums: { sent: checksums(raw), matching: matches(raw) } }),
    messages: raw.messages,
    passes: results.map(({ plan: { name, title, mode, intervalMs, speed }, tally, trouble }) => ({
      name,
      title,
      mode,
      intervalMs,
      speed,
      ...tally,
      trouble,
    })),
    symbols: Object.fromEntries(symbols),
  };
}
