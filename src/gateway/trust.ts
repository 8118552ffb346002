// Owns the decision who may publish: with a token set, whoever brings it; without one, programs on this machine.
// Called for every request that writes. Invariant: a request that a browser sends for a foreign page, or that a proxy passes
// on, is never trusted for coming from loopback.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { HttpRequest } from './uws.ts';

/** What proxies add; those that add nothing can't be told from programs on this machine, and need a token. */
const FORWARDING_HEADER = /^(forwarded|x-forwarded-.*|x-real-ip|via)$/;
const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/** @param token the one that is set; empty for none. */
export function mayPublish({ headers, address }: Pick<HttpRequest, 'headers' | 'address'>, token: string): boolean {
  return token === '' ? isLocalProgram({ headers, address }) : bearer(headers.get('authorization') ?? '', token);
}

/** Whether a program on this machine asks, and not a web page or somebody behind a proxy. */
export function isLocalProgram({ headers, address }: Pick<HttpRequest, 'headers' | 'address'>): boolean {
  if (!isLoopback(address) || [...headers.keys()].some((name) => FORWARDING_HEADER.test(name))) return false;
  // The Host header too: a page whose name was pointed at this machine is its own origin.
  const host = headers.get('host');
  if (host !== undefined && !LOOPBACK_HOST.test(host)) return false;
  const origin = headers.get('origin');
  return origin === undefined || LOOPBACK_HOST.test(origin.replace(/^https?:\/\//i, ''));
}

/** Whether an address in text form, IPv6-mapped or not, is this machine's own. */
export function isLoopback(address: string): boolean {
  const plain = address.toLowerCase().replace(/^(0000:){5}ffff:|^::ffff:/, '');
  if (/^7f[0-9a-f]{2}:[0-9a-f]{4}$/.test(plain)) return true;
  return /^127\.\d+\.\d+\.\d+$/.test(plain) || plain === '::1' || plain === '0000:0000:0000:0000:0000:0000:0000:0001';
}

function bearer(header: string, token: string): boolean {
  const match = /^Bearer ([^\s]+)$/i.exec(header);
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return match !== null && timingSafeEqual(digest(match[1] as string), digest(token));
}
