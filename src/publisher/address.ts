// Owns where a gateway's publishing endpoints are, from the one address that a program is given. The publisher asks it once.
// Invariant: what is returned are absolute URLs without credentials.

import { PUBLISH_STREAM_PATH } from '../protocol/publishing.ts';

export interface Addresses {
  readonly transport: 'websocket' | 'http';
  /** Without a slash at the end. */
  readonly http: string;
  readonly stream: string;
}

/**
 * `ws://` and `wss://` mean the publishers' WebSocket, `http://` and `https://` POST. A path before `/v1` is kept.
 * @throws TypeError for what is no address of a gateway.
 */
export function addressesOf(url: string): Addresses {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const [, scheme, secure] = /^(ws|http)(s?):$/.exec(parsed?.protocol ?? '') ?? [];
  if (parsed === null || scheme === undefined) {
    throw new TypeError(
      `${url} is no address of a gateway: give one such as ws://localhost:9001 or http://localhost:9001`,
    );
  }
  const path = parsed.pathname.replace(/(\/v1\/publish(\/stream)?)?\/*$/, '');
  return {
    transport: scheme === 'ws' ? 'websocket' : 'http',
    http: `http${secure}://${parsed.host}${path}`,
    stream: `ws${secure}://${parsed.host}${path}${PUBLISH_STREAM_PATH}`,
  };
}
