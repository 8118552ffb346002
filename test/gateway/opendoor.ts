// Owns bare servers of the door, for what a gateway does not show: who it takes a peer for, and with which credential.
// Invariant: `closeDoors` closes every server that was made here.

import type { TlsPair } from '../../src/gateway/certificates.ts';
import { createServer, type Peer, type Server, type Stream } from '../../src/gateway/uws.ts';
import { readRanges } from '../../src/settings/ranges.ts';

const servers = new Set<Server>();

export function closeDoors(): void {
  for (const server of servers) server.close();
  servers.clear();
}

export function ranges(text: string) {
  const read = readRanges(text);
  if (typeof read === 'string') throw new Error(read);
  return read;
}

export interface Door {
  readonly server: Server;
  readonly port: number;
  /** Who opened WebSockets, the first one first. */
  readonly peers: (Peer & { readonly codec: string | null })[];
}

export const LARGE = 'x'.repeat(8_000_000);

export interface DoorOptions {
  /** Proxies, as the setting has them. */
  readonly trusted?: string;
  readonly host?: string;
  readonly tls?: TlsPair;
}

/** A server that answers with whom it hears, at `/large` with very much more, and refuses upgrades at `/v1/closed`. */
export function openDoor({ trusted = '', host = '127.0.0.1', tls }: DoorOptions = {}): Door {
  const peers: Door['peers'] = [];
  const stream: Stream<null> = {
    path: '/v1/stream',
    handlers: {
      open: (_socket, codec, peer) => {
        peers.push({ ...peer, codec: codec?.name ?? null });
        return null;
      },
      message: () => {},
      drain: () => {},
      pong: () => {},
      close: () => {},
    },
    payloadBytesMax: 1_000,
    idleSec: 0,
  };
  const server = createServer({
    streams: [stream, { ...stream, path: '/v1/closed', refuse: () => ({ status: 401, body: '{}' }) }],
    http: async ({ path, address, forwarded, secure }) => ({
      status: 200,
      body: path === '/large' ? LARGE : JSON.stringify({ address, forwarded, secure }),
    }),
    bodyBytesMax: 0,
    trusted: ranges(trusted),
    tls,
  });
  servers.add(server);
  return { server, port: server.listen(host, 0), peers };
}
