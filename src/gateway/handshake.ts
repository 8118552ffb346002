// Owns what a WebSocket handshake says: its headers, whether it is one (RFC 6455 section 4.2.1), which codec it asks for, and the
// credential that it brings. The door asks. Invariant: a credential is never echoed and never taken from a URL.

import type { Codec } from '../protocol/codec.ts';
import { codecOf, jsonCodec } from '../protocol/codecs.ts';
import { isForwarding } from './address.ts';

/** Browsers can set no header but this one. */
const CREDENTIAL_PREFIX = 'tickwire.bearer.';
/** 16 bytes in base64: the last character before the padding has two bits only. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

/** All that is asked of the headers of an upgrade, as they came. */
export interface Opening {
  upgrade: string | undefined;
  connection: string | undefined;
  version: string | undefined;
  key: string | undefined;
  origin: string | undefined;
  host: string | undefined;
  authorization: string | undefined;
  /** Of each Sec-WebSocket-Protocol header (RFC 6455 section 11.3.4). */
  offers: string[];
  /** The headers of forwarding in their order. */
  forwarding: [name: string, value: string][];
}

interface Headers {
  /** Names come in lower case. */
  forEach(each: (name: string, value: string) => void): void;
}

/** Reads no more than that: where thousands connect, a map of all headers is much of the garbage. */
export function readOpening(headers: Headers): Opening {
  const opening: Opening = {
    upgrade: undefined,
    connection: undefined,
    version: undefined,
    key: undefined,
    origin: undefined,
    host: undefined,
    authorization: undefined,
    offers: [],
    forwarding: [],
  };
  headers.forEach((name, value) => {
    switch (name) {
      case 'upgrade':
        opening.upgrade = value;
        break;
      case 'connection':
        opening.connection = value;
        break;
      case 'sec-websocket-version':
        opening.version = value;
        break;
      case 'sec-websocket-key':
        opening.key = value;
        break;
      case 'sec-websocket-protocol':
        opening.offers.push(value);
        break;
      case 'origin':
        opening.origin = value;
        break;
      case 'host':
        opening.host = value;
        break;
      case 'authorization':
        opening.authorization = value;
        break;
      default:
        if (isForwarding(name)) opening.forwarding.push([name, value]);
    }
  });
  return opening;
}

export interface Offer {
  /** Null: none of the offered subprotocols is known. */
  readonly codec: Codec | null;
  /** The subprotocol to answer with; empty for none. */
  readonly echo: string;
  /** Null where none was offered. */
  readonly credential: string | null;
}

/** @param lines the values of Sec-WebSocket-Protocol, which may be there more than once. */
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
export function handshakeFault(opening: Opening): { status: 400 | 426; why: string } | null {
  const { upgrade, connection, version, key = '' } = opening;
  if (!hasToken(upgrade, 'websocket') || !hasToken(connection, 'upgrade')) {
    return { status: 426, why: 'a WebSocket is opened here: send Upgrade: websocket and Connection: Upgrade' };
  }
  if (version !== '13') return { status: 426, why: 'Sec-WebSocket-Version is 13' };
  if (KEY.test(key)) return null;
  return { status: 400, why: 'Sec-WebSocket-Key is 16 random bytes in base64' };
}

function hasToken(list = '', token: string): boolean {
  return list.toLowerCase() === token || list.split(',').some((each) => each.trim().toLowerCase() === token);
}
