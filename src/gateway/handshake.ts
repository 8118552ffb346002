// Owns what a WebSocket handshake says: whether it is one (RFC 6455 section 4.2.1), which codec it asks for, and the credential
// that it brings. The door asks. Invariant: a credential is never echoed and never taken from a URL.

import type { Codec } from '../protocol/codec.ts';
import { codecOf, jsonCodec } from '../protocol/codecs.ts';

/** Browsers can set no header but this one. */
const CREDENTIAL_PREFIX = 'tickwire.bearer.';
/** 16 bytes in base64: the last character before the padding has two bits only. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

export interface Offer {
  /** Null: none of the offered subprotocols is known. */
  readonly codec: Codec | null;
  /** The subprotocol to answer with; empty for none. */
  readonly echo: string;
  /** Null where none was offered. */
  readonly credential: string | null;
}

/** @param lines the values of Sec-WebSocket-Protocol, which may be there more than once (RFC 6455 section 11.3.4). */
export function readOffer(lines: readonly string[]): Offer {
  const [first = ''] = lines;
  const only = lines.length === 1 ? codecOf(first) : undefined;
  if (only !== undefined) return { codec: only, echo: first, credential: null };
  const offered = lines.flatMap((line) => line.split(',').map((each) => each.trim())).filter((each) => each !== '');
  const bearer = offered.find((name) => name.startsWith(CREDENTIAL_PREFIX))?.slice(CREDENTIAL_PREFIX.length) ?? '';
  const credential = bearer === '' ? null : bearer;
  if (offered.length === 0) return { codec: jsonCodec, echo: '', credential };
  const known = offered.find((name) => codecOf(name) !== undefined);
  if (known !== undefined) return { codec: codecOf(known) ?? null, echo: known, credential };
  // Browsers give up where none of theirs is echoed, and would not hear why; a credential is no name to echo even then.
  const echo = offered.find((name) => !name.toLowerCase().startsWith(CREDENTIAL_PREFIX)) ?? '';
  return { codec: null, echo, credential };
}

/** What `Authorization: Bearer` brings; null for none. */
export function bearerOf(authorization: string | undefined): string | null {
  return /^Bearer +([!-~]+) *$/i.exec(authorization ?? '')?.[1] ?? null;
}

/** What keeps a request from opening a WebSocket: the status to refuse it with, and why; null: nothing. */
export function handshakeFault(headers: ReadonlyMap<string, string>): { status: 400 | 426; why: string } | null {
  if (!hasToken(headers.get('upgrade'), 'websocket') || !hasToken(headers.get('connection'), 'upgrade')) {
    return { status: 426, why: 'a WebSocket is opened here: send Upgrade: websocket and Connection: Upgrade' };
  }
  if (headers.get('sec-websocket-version') !== '13') return { status: 426, why: 'Sec-WebSocket-Version is 13' };
  if (KEY.test(headers.get('sec-websocket-key') ?? '')) return null;
  return { status: 400, why: 'Sec-WebSocket-Key is 16 random bytes in base64' };
}

function hasToken(list = '', token: string): boolean {
  return list.toLowerCase() === token || list.split(',').some((each) => each.trim().toLowerCase() === token);
}
