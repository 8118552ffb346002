// Owns the question whose request it is: the socket's peer, or whom proxies that the settings name say they speak for.
// The door asks it for every request and upgrade. Invariant: nothing that a client can write itself makes another address of
// it, and the work on one request is bounded, whatever its headers hold.

import { type BlockList, isIP, SocketAddress } from 'node:net';

/** What proxies add. Those that add nothing can't be told from programs on this machine. */
const FORWARDING_HEADER = /^(forwarded|x-forwarded-.*|x-real-ip|via)$/;
/** More proxies in a row than anybody has. */
const HOPS_MAX = 16;

/** What a connection and its request say of where they come from. */
export interface Trail {
  /** The socket's own address, normalised. */
  readonly socket: string;
  /** From a PROXY header, normalised; empty where there was none. */
  readonly proxied: string;
  /** The headers of forwarding in their order; names in lower case, some more than once. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export interface Whence {
  /** Normalised text: the client's, as far as those who say so are trusted. */
  readonly address: string;
  /** Somebody says that he passes this on for another, whether he is believed or not. */
  readonly forwarded: boolean;
  /** A trusted proxy says that the client came to it over TLS. */
  readonly securely: boolean;
}

/** Whether a header, its name in lower case, is one of those that proxies add. */
export function isForwarding(name: string): boolean {
  return FORWARDING_HEADER.test(name);
}

/** @param trusted addresses of the proxies that are believed. */
export function whence({ socket, proxied, headers }: Trail, trusted: BlockList): Whence {
  const forwarded = proxied !== '' || headers.length > 0;
  const direct = { address: socket, forwarded, securely: false };
  if (!forwarded || !isIn(trusted, socket)) return direct;
  const sender = proxied === '' ? socket : proxied;
  // Whom a PROXY header names has written the request's headers himself.
  if (!isIn(trusted, sender)) return { ...direct, address: sender };
  const schemes = linesOf(headers, 'x-forwarded-proto');
  const securely = /(^|,)\s*https\s*$/i.test(schemes.at(-1) ?? '');
  return { address: lastUntrusted(sender, linesOf(headers, 'x-forwarded-for'), trusted), forwarded, securely };
}

/** Each proxy adds, on the right, whom it heard; what is left of the first that is not trusted could be anybody's invention. */
function lastUntrusted(sender: string, lines: readonly string[], trusted: BlockList): string {
  let address = sender;
  let hops = 0;
  for (const line of lines.toReversed()) {
    for (const part of line.split(',').reverse()) {
      const told = readAddress(part.trim());
      if (told === null || ++hops > HOPS_MAX) return address;
      address = told;
      if (!isIn(trusted, told)) return address;
    }
  }
  return address;
}

/** An address as proxies write it: with or without brackets and port. Null: it is none. */
function readAddress(text: string): string | null {
  const [, bracketed, plain] = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15}))(?::\d{1,5})?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? (/^[0-9A-Fa-f:.]{2,45}$/.test(text) ? text : '');
  return isIP(address) === 0 ? null : normal(address);
}

/** From its 4 or 16 bytes; empty where there are none, as of a peer that is gone. */
export function addressOf(bytes: ArrayBuffer): string {
  if (bytes.byteLength === 0) return '';
  const octets = new Uint8Array(bytes);
  if (octets.length === 4) return dotted(octets, 0);
  if (octets.length !== 16) return '';
  if (isMapped(octets)) return dotted(octets, 12);
  const groups = Array.from({ length: 8 }, (_, i) => ((octets[2 * i]! << 8) | octets[2 * i + 1]!).toString(16));
  return normal(groups.join(':'));
}

function dotted(octets: Uint8Array, at: number): string {
  return `${octets[at]}.${octets[at + 1]}.${octets[at + 2]}.${octets[at + 3]}`;
}

/** An IPv4 address within an IPv6 one: nearly all that come to a socket that takes both. */
function isMapped(octets: Uint8Array): boolean {
  for (let i = 0; i < 12; i++) if (octets[i] !== (i < 10 ? 0 : 0xff)) return false;
  return true;
}

/** The shortest form; an IPv4 address within an IPv6 one as such. */
function normal(address: string): string {
  if (isIP(address) === 4) return address;
  const short = new SocketAddress({ address, family: 'ipv6' }).address;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(short)?.[1] ?? short;
}

function isIn(trusted: BlockList, address: string): boolean {
  const version = isIP(address);
  return version !== 0 && trusted.check(address, version === 4 ? 'ipv4' : 'ipv6');
}

function linesOf(headers: Trail['headers'], wanted: string): string[] {
  return headers.filter(([name]) => name === wanted).map(([, value]) => value);
}
