// Owns how the values of flags are read. Commands hand these functions to commander, which calls them with the text.
// Invariant: a value that is returned is one that the command can work with; any other is refused with what would do.

import { InvalidArgumentError } from 'commander';
import { DEPTHS, type Depth } from '../protocol/frames.ts';
import { gatewayUrl } from '../settings/settings.ts';
import { Complaint, ExitCode } from './complaint.ts';

export const PORT_MAX = 65_535;

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!/^\d*\.?\d+$/.test(text) || !(value > 0)) throw new InvalidArgumentError('Give a number above 0.');
  return value;
}

/** How many times faster than it was, or `max`. */
export function speedOf(text: string): number | 'max' {
  if (text === 'max') return text;
  try {
    return positiveNumber(text);
  } catch {
    throw new InvalidArgumentError("Give a number above 0, such as 10 for ten times the original speed, or 'max'.");
  }
}

export function depthOf(text: string): Depth {
  const depth = DEPTHS.find((each) => String(each) === text);
  if (depth === undefined) {
    throw new InvalidArgumentError(`Give ${DEPTHS.slice(1).join(', ')}, or 0 for the full book.`);
  }
  return depth;
}

/** Addresses of a gateway. */
export interface Endpoints {
  readonly http: string;
  readonly stream: string;
}

/** Takes `host:port`, `http://...` and `ws://...` alike; null where it is no address. */
export function endpointsOf(text: string): Endpoints | null {
  const address = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(address)) return null;
  const { protocol, host, pathname } = new URL(address);
  const secure = protocol === 'https:' || protocol === 'wss:';
  if (!secure && protocol !== 'http:' && protocol !== 'ws:') return null;
  const base = `${host}${pathname.replace(/(\/v1\/stream)?\/*$/, '')}`;
  return { http: `${secure ? 'https' : 'http'}://${base}`, stream: `${secure ? 'wss' : 'ws'}://${base}/v1/stream` };
}

export function urlOf(text: string): Endpoints {
  const endpoints = endpointsOf(text);
  if (endpoints === null) {
    throw new InvalidArgumentError('Give the address of a gateway, such as http://127.0.0.1:9001.');
  }
  return endpoints;
}

/** Where the gateway is that no flag names. @throws Complaint where the environment names none. */
export function usualEndpoints(): Endpoints {
  const url = gatewayUrl();
  const endpoints = endpointsOf(url);
  if (endpoints !== null) return endpoints;
  throw new Complaint(`TICKWIRE_URL is ${url}, not an address such as http://127.0.0.1:9001`, ExitCode.misused);
}
