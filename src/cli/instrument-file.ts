// Owns reading the file of instruments that a gateway begins with. Hosting calls it once, before anything listens.
// Invariant: all of the file or none of it: every fault in it is named, with the place in the list.

import { readFileSync } from 'node:fs';
import { readInstrument } from '../gateway/http.ts';
import type { Instrument } from '../market/instrument.ts';
import { Complaint, ExitCode, messageOf } from './complaint.ts';

const SHAPE = '[{"symbol":"BTC-USD","priceScale":1,"sizeScale":8,"tickSize":"0.1"}, ...]';

/** @throws Complaint with all faults. */
export function readInstrumentFile(path: string): Instrument[] {
  const entries = parse(path);
  const faults: string[] = [];
  const instruments = new Map<string, Instrument>();
  entries.forEach((entry, index) => {
    const instrument = readEntry(entry);
    if (typeof instrument === 'string') faults.push(`${index}: ${instrument}`);
    else if (instruments.has(instrument.symbol)) faults.push(`${index}: ${instrument.symbol} is in the list twice`);
    else instruments.set(instrument.symbol, instrument);
  });
  if (faults.length > 0) {
    const lines = faults.map((each) => `\n  - ${each}`).join('');
    throw new Complaint(
      `the instruments in ${path} can't be used; place in the list and fault:${lines}`,
      ExitCode.misused,
    );
  }
  return [...instruments.values()];
}

function parse(path: string): unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Complaint(
      `the instruments file can't be read: ${messageOf(error)}. Name another with --instruments (TICKWIRE_INSTRUMENTS)`,
      ExitCode.misused,
    );
  }
  if (!Array.isArray(value)) throw new Complaint(`${path} is not a JSON list such as ${SHAPE}`, ExitCode.misused);
  return value;
}

function readEntry(entry: unknown): Instrument | string {
  const symbol = typeof entry === 'object' && entry !== null ? (entry as { symbol?: unknown }).symbol : undefined;
  if (typeof symbol !== 'string') return 'symbol is missing';
  const instrument = readInstrument(entry, symbol);
  return typeof instrument === 'string' ? `${symbol}: ${instrument}` : instrument;
}
