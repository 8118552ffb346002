// The public face of tickwire/client in Node: as in browsers, with the WebSocket of the package ws by default, which is the same
// in every version of Node, and with the JSON codec. package.json leads here.

import { WebSocket } from 'ws';
import { Client } from './client.ts';
import { jsonCodec } from './json.ts';
import type { ClientOptions } from './options.ts';

export * from './index.ts';
export { jsonCodec };

/** As in browsers. */
export function connect(urls: string | readonly string[], options: ClientOptions = {}): Client {
  return new Client(urls, { WebSocket, ...options }, jsonCodec);
}
