// Owns `replay --verify`: three passes of a capture, what they found in words and as JSON, and whether all was well.
// The replay command calls it. Invariant: it is well only if every state that a client held is the exchange's own.

import type { Venue } from '../feeds/feed.ts';
import { Complaint, ExitCode } from './complaint.ts';
import type { Interrupt } from './interrupt.ts';
import { type PassPlan, type PassResult, runPass } from './verify-pass.ts';

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
  const { checksum } = venue;
  if (checksum === null) throw new Complaint(`${venue.name} sends no checksums to verify by`, ExitCode.misused);
  const say = (line: string): void => {
    (json ? process.stderr : process.stdout).write(`${line}\n`);
  };
  const results: PassResult[] = [];
  for (const plan of PASSES) {
    const result = await runPass(plan, { venue, checksum, files, interrupt });
    if (result.counts.size === 0) throw nothingIn(result, venue, files);
    results.push(result);
    say(passLine(result));
    for (const detail of result.details) process.stderr.write(`  ${detail}\n`);
  }
  const raw = results[0]!;
  const ok = results.every(isWell) && matches(raw) === checksums(raw);
  if (json) process.stdout.write(`${JSON.stringify(document(venue, files, results, ok))}\n`);
  if (!ok && matches(raw) === checksums(raw)) process.stderr.write('not everything went as it must; see above\n');
  say(`checksums: ${matches(raw)} of ${checksums(raw)} match`);
  return ok ? ExitCode.done : ExitCode.failed;
}

function nothingIn({ messages }: PassResult, venue: Venue, files: readonly string[]): Complaint {
  const what = `${messages.read} messages, ${messages.ignored} of them not understood`;
  return new Complaint(`there is no book and no trade of ${venue.name} in ${files.join(', ')} (${what})`);
}

function passLine({ plan, tally, trouble }: PassResult): string {
  const { checked, mismatches, tradesPublished, tradesReceived } = tally;
  const trades = tradesPublished === 0 ? '' : `, ${tradesReceived} of ${tradesPublished} trades`;
  const worries = Object.entries(trouble).map(([what, count]) => `, ${count} ${what}`);
  return `${plan.title}: ${checked} states checked, ${mismatches} mismatches${trades}${worries.join('')}`;
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
    checksums: { sent: checksums(raw), matching: matches(raw) },
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
