// Owns `tickwire instruments`: what a gateway lists, as a table or as JSON. Main registers it.
// Invariant: stdout carries the list and nothing else.

import type { Command } from 'commander';
import type { Fault } from '../protocol/errors.ts';
import { gatewayUrl } from '../settings/settings.ts';
import { Complaint } from './complaint.ts';
import {
  addCredentialFlag,
  CREDENTIAL_VARIABLE,
  type Credential,
  credentialOf,
  headersOf,
  refusalSentence,
  shownOf,
} from './credential.ts';
import { type Endpoints, urlOf, usualEndpoints } from './flags.ts';
import { environmentHelp, examplesHelp } from './guide.ts';
import { unreachable } from './link.ts';

const ANSWER_MS_MAX = 10_000;

interface Listed {
  readonly symbol: string;
  readonly tickSize: string;
  readonly lotSize: string;
  readonly negativePrices: boolean;
  readonly orderCounts: boolean;
  readonly quoteSource: string;
}

export function addInstruments(program: Command): void {
  addCredentialFlag(
    addUrlFlag(
      program
        .command('instruments')
        .summary('list what a gateway trades')
        .description('Lists the instruments of a gateway: those of which whoever asks may have anything.'),
    ),
  )
    .option('--json', 'print the list as JSON')
    .addHelpText(
      'after',
      examplesHelp([
        ['tickwire instruments', 'of the gateway on this machine'],
        ['tickwire instruments --json | jq -r .[].symbol', 'just the symbols'],
      ]),
    )
    .addHelpText(
      'after',
      environmentHelp([['TICKWIRE_URL', 'The gateway, where --url does not say it.'], CREDENTIAL_VARIABLE]),
    )
    .action(async ({ url, credential, json = false }: { url?: Endpoints; credential?: string; json?: boolean }) => {
      const listed = await fetchInstruments((url ?? usualEndpoints()).http, credentialOf(credential));
      process.stdout.write(json ? `${JSON.stringify(listed, null, 2)}\n` : table(listed));
    });
}

/** The flag of every command that talks to a gateway. */
export function addUrlFlag(command: Command): Command {
  const about = `the gateway (TICKWIRE_URL, default ${gatewayUrl({})})`;
  return command.option('--url <address>', about, urlOf);
}

/** @throws Complaint where no gateway answers, or it does not tell whoever brings that credential. */
export async function fetchInstruments(url: string, credential?: Credential): Promise<Listed[]> {
  const address = `${url}/v1/instruments`;
  const headers = headersOf(shownOf(credential));
  let answer: unknown;
  try {
    const response = await fetch(address, { headers, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    answer = await response.json().catch(() => null);
  } catch (error) {
    throw unreachable(address, error);
  }
  const { instruments, error } = (answer ?? {}) as { instruments?: unknown; error?: Fault };
  // Another port of a gateway, or a server of another kind, knows the address not at all.
  if (typeof error?.code === 'string' && error.code !== 'not-found') throw new Complaint(refusalSentence(error));
  if (!Array.isArray(instruments))
    throw new Complaint(`what answers at ${address} is no Tickwire gateway: check --url`);
  return instruments as Listed[];
}

const HEADINGS = ['SYMBOL', 'TICK', 'LOT', 'QUOTES FROM', 'REMARKS'] as const;

function table(listed: readonly Listed[]): string {
  if (listed.length === 0) return 'Nothing is listed yet.\n';
  const rows = listed.map((each) => [each.symbol, each.tickSize, each.lotSize, sourceOf(each), remarksOf(each)]);
  const widths = HEADINGS.map((heading, column) => Math.max(heading.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((cell, column) =>
      isNumber(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
    );
    return `${padded.join('  ').trimEnd()}\n`;
  };
  return [HEADINGS, ...rows].map(line).join('');
}

function isNumber(column: number): boolean {
  return column === 1 || column === 2;
}

function sourceOf({ quoteSource }: Listed): string {
  return quoteSource === 'book' ? 'the book' : 'publishers';
}

function remarksOf({ negativePrices, orderCounts }: Listed): string {
  return [...(negativePrices ? ['prices below zero'] : []), ...(orderCounts ? ['order counts'] : [])].join(', ');
}
