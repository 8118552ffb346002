// Owns what programs say to a publisher: its options, and the definitions of instruments. The publisher reads them.
// Invariant: an option that can't work is refused before anything is connected.

import { formatDecimal, SCALE_MAX } from '../protocol/decimal.ts';
import type { Credential } from './credential.ts';
import type { PublisherState } from './link.ts';
import type { PublishError } from './refusal.ts';

export interface PublisherOptions {
  /**
   * An API key, a JWT or the gateway's publish token, sent as `Authorization: Bearer`. A function is asked before each connection and
   * each HTTP request: for JWTs, which run out.
   */
  readonly credential?: Credential | undefined;
  /** The older name of `credential`. */
  readonly token?: string | undefined;
  /** Items in one message, at most; default 500. */
  readonly batchItemsMax?: number | undefined;
  /** Items that may be unanswered before no more are taken; default 10,000. */
  readonly bufferItemsMax?: number | undefined;
  /** After so long without an answer or a sign of life the connection is given up; default 10,000. */
  readonly silenceMs?: number | undefined;
  /**
   * Pauses between attempts to connect: random between 0 and a bound that doubles from `minMs` up to `maxMs`; default 250
   * and 10,000. False: the publisher is closed when its connection is lost. WebSocket only.
   */
  readonly reconnect?: { readonly minMs: number; readonly maxMs: number } | false | undefined;
  /**
   * Told of a book that the gateway lacks: publish a snapshot. At once where a delta was refused with `needs-snapshot`; a quarter of a
   * second after a part of it was refused with `bus-down` or `publish-rate`, again and again until one is taken, if what it publishes
   * is refused so too.
   */
  readonly onNeedsSnapshot?: ((symbol: string) => void) | undefined;
  /** Told of each item of `send` that was not published, or may not have been. */
  readonly onRefusal?: ((error: PublishError) => void) | undefined;
  /** Told of connections; `error` says why one is lost. */
  readonly onState?: ((state: PublisherState, error: PublishError | null) => void) | undefined;
  /** For tests: what the pauses are drawn with. */
  readonly random?: (() => number) | undefined;
}

export interface InstrumentSpec {
  /** 1 to 48 of `A-Z a-z 0-9 . _ -` */
  readonly symbol: string;
  /** Digits after the point of a price, 0 to 15. */
  readonly priceScale: number;
  readonly sizeScale: number;
  /** Smallest step of a price: a decimal string, or an integer in units of the last digit; default 1. */
  readonly tickSize?: string | number | undefined;
  /** Smallest step of a size: the same. */
  readonly lotSize?: string | number | undefined;
  /** Prices of zero and below are legal; default false. */
  readonly negativePrices?: boolean | undefined;
  /** Levels carry order counts; default false. */
  readonly orderCounts?: boolean | undefined;
  /** Where quotes come from; default `book`. */
  readonly quoteSource?: 'book' | 'published' | undefined;
}

/** How many items had which end. */
export interface PublisherCounters {
  accepted: number;
  /** By the gateway, or before they were sent. */
  refused: number;
  /** Sent, and never answered. */
  unknown: number;
  /** Messages that carried items. */
  messages: number;
}

/** @throws TypeError for what is no whole number of 1 or more. */
export function atLeastOne(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value;
  throw new TypeError(`${name} is ${value}: give a whole number of 1 or more`);
}

/** The decimal string of a step that may be given in units of the last digit. What is no such number is for the gateway to refuse. */
export function stepOf(step: string | number | undefined, scale: number): string | undefined {
  const isCount = typeof step === 'number' && Number.isSafeInteger(step);
  return isCount && scale >= 0 && scale <= SCALE_MAX ? formatDecimal(step, scale) : (step as string | undefined);
}
