// Owns how lists in flags are read: symbols and channels, separated by commas. Record hands these functions to commander.
// Invariant: what is returned names each thing once, and only what there can be.

import { InvalidArgumentError } from 'commander';
import { isSymbol } from '../market/instrument.ts';
import { CHANNELS, type Channel } from '../protocol/frames.ts';

/** Empty: all. Given again, it adds. */
export function symbolsOf(text: string, before: readonly string[] = []): string[] {
  const symbols = namesIn(text);
  if (symbols.length === 1 && (symbols[0] === 'all' || symbols[0] === '*')) return [];
  const bad = symbols.find((symbol) => !isSymbol(symbol));
  if (bad !== undefined || symbols.length === 0) {
    throw new InvalidArgumentError("Give symbols such as BTC-USD,ETH-USD, or 'all'.");
  }
  return [...new Set([...before, ...symbols])];
}

export function channelsOf(text: string): Channel[] {
  const names = namesIn(text);
  const channels = CHANNELS.filter((channel) => names.includes(channel));
  if (channels.length === 0 || names.some((name) => !channels.includes(name as Channel))) {
    throw new InvalidArgumentError(`Give some of ${CHANNELS.join(',')}.`);
  }
  return channels;
}

function namesIn(text: string): string[] {
  return [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '');
}
