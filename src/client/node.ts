// The public face of tickwire/client in Node: as in browsers, with the WebSocket of the package ws by default, which is the same
// in every version of Node. package.json leads here.

import { WebSocket } from 'ws';
import { Client, type ClientOptions } from './client.ts';

export * from './index.ts';

/** As in browsers. */
export function connect(urls: string | readonly string[], options: ClientOptions = {}): Client {
  return new Client(urls, { WebSocket, ...options });
}
