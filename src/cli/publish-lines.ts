// Owns reading what `tickwire publish` publishes: lines of JSON from a file or standard input, or one item from flags.
// The command calls it. Invariant: each line becomes one step with its number, or one fault; a line that never ends takes no
// memory beyond its limit.

import { InvalidArgumentError } from 'commander';
import type { InstrumentSpec, Level, PublishedStatus, PublishItem } from '../publisher/index.ts';
import { Complaint, ExitCode, messageOf } from './complaint.ts';

/** What to do next; `line` is null for what flags say. */
export type Step = { readonly line: number | null } & (
  | { readonly item: PublishItem }
  | { readonly instrument: InstrumentSpec }
  | { readonly fault: string }
);

/** As long as the longest message that a gateway takes by default. */
const LINE_CHARS_MAX = 4_194_304;

/** Steps of a text, line by line; blank lines are passed over, but counted. */
export async function* readSteps(chunks: AsyncIterable<string>): AsyncGenerator<Step, void, undefined> {
  let rest = '';
  let skipping = false;
  let line = 0;
  for await (const chunk of chunks) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      line += 1;
      if (!skipping) yield* stepOf(part, line);
      skipping = false;
    }
    if (rest.length <= LINE_CHARS_MAX) continue;
    if (!skipping) yield { line: line + 1, fault: `too-large: a line has at most ${LINE_CHARS_MAX} characters` };
    skipping = true;
    rest = '';
  }
  if (!skipping) yield* stepOf(rest, line + 1);
}

function* stepOf(text: string, line: number): Generator<Step, void, undefined> {
  if (text.trim() === '') return;
  if (text.length > LINE_CHARS_MAX) {
    yield { line, fault: `too-large: a line has at most ${LINE_CHARS_MAX} characters` };
    return;
  }
  try {
    yield { line, ...readStep(JSON.parse(text)) };
  } catch (error) {
    yield { line, fault: `bad-frame: one JSON item a line: ${messageOf(error)}` };
  }
}

/** What is wrong with an item is for the SDK and the gateway to say. */
function readStep(value: unknown): { item: PublishItem } | { instrument: InstrumentSpec } {
  const { type, ...rest } = (value ?? {}) as { type?: unknown };
  if (type !== 'instrument') return { item: value as PublishItem };
  return { instrument: rest as unknown as InstrumentSpec };
}

export interface ItemFlags {
  readonly symbol?: string;
  readonly instrument?: Omit<InstrumentSpec, 'symbol'>;
  readonly snapshot?: boolean;
  readonly delta?: boolean;
  readonly quote?: boolean;
  readonly bid?: readonly Level[];
  readonly ask?: readonly Level[];
  readonly trade?: { readonly price: string; readonly size: string; readonly side: 'buy' | 'sell' | 'unknown' };
  readonly id?: string;
  readonly status?: PublishedStatus;
  readonly reason?: string;
}

/** What flags say; empty where they say nothing. @throws Complaint where they contradict each other. */
export function stepsOfFlags(flags: ItemFlags): Step[] {
  const { symbol, instrument, snapshot, delta, quote, bid = [], ask = [], trade, status } = flags;
  const kinds = [
    snapshot && '--snapshot',
    delta && '--delta',
    quote && '--quote',
    trade && '--trade',
    status && '--status',
  ];
  const given = kinds.filter((kind) => typeof kind === 'string');
  const misuse = (sentence: string): Complaint => new Complaint(sentence, ExitCode.misused);
  if (symbol === undefined) {
    const orphan =
      given[0] ?? (instrument && '--instrument') ?? (bid.length > 0 ? '--bid' : ask.length > 0 ? '--ask' : undefined);
    if (orphan !== undefined) throw misuse(`${orphan} needs --symbol`);
    return [];
  }
  if (given.length > 1) throw misuse(`${given.join(' and ')} are two items: publish one, or a file of them`);
  if (given.length === 0 && instrument === undefined) {
    throw misuse('say what to publish: --snapshot, --delta, --quote, --trade, --status or --instrument');
  }
  if (bid.length + ask.length > 0 && !snapshot && !delta && !quote) {
    throw misuse('--bid and --ask go with --snapshot, --delta or --quote');
  }
  if (quote && (bid.length > 1 || ask.length > 1)) throw misuse('a quote has one --bid and one --ask at most');
  const steps: Step[] = instrument === undefined ? [] : [{ line: null, instrument: { ...instrument, symbol } }];
  return given.length === 0 ? steps : [...steps, { line: null, item: itemOfFlags(symbol, flags) }];
}

function itemOfFlags(symbol: string, flags: ItemFlags): PublishItem {
  const { snapshot, delta, bid = [], ask = [], trade, id, status, reason } = flags;
  if (snapshot || delta) return { type: snapshot ? 'snapshot' : 'delta', symbol, bids: bid, asks: ask };
  if (trade !== undefined) return { type: 'trade', symbol, ...trade, id };
  if (status !== undefined) return { type: 'status', symbol, status, reason };
  const [[bidPrice, bidSize] = [null, undefined]] = bid;
  const [[askPrice, askSize] = [null, undefined]] = ask;
  return { type: 'quote', symbol, bidPrice, bidSize, askPrice, askSize };
}

/** `price:size` or `price:size:orders`, added to those that were given before. */
export function levelOf(text: string, before: readonly Level[] = []): readonly Level[] {
  const [price, size, orders, ...more] = text.split(':');
  if (!price || !size || more.length > 0 || (orders !== undefined && !/^\d{1,15}$/.test(orders))) {
    throw new InvalidArgumentError('Give price:size, such as 65000.5:1.5, or price:size:orders.');
  }
  return [...before, orders === undefined ? [price, size] : [price, size, Number(orders)]];
}

export function tradeOf(text: string): NonNullable<ItemFlags['trade']> {
  const [price, size, side = 'unknown', ...more] = text.split(':');
  if (!price || !size || more.length > 0 || (side !== 'buy' && side !== 'sell' && side !== 'unknown')) {
    throw new InvalidArgumentError(
      'Give price:size or price:size:side, such as 65000.5:0.1:buy; sides are buy and sell.',
    );
  }
  return { price, size, side };
}

export function statusOf(text: string): PublishedStatus {
  if (text === 'live' || text === 'crossed' || text === 'halted' || text === 'source-down') return text;
  throw new InvalidArgumentError('Give live, crossed, halted or source-down.');
}

export function definitionOf(text: string): Omit<InstrumentSpec, 'symbol'> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Omit<InstrumentSpec, 'symbol'>;
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError(`Give the definition as JSON, such as '{"priceScale":2,"sizeScale":0}'.`);
}
