// Owns a gateway with a planted fault: a proxy before a real one that leaves out, or repeats, one delivery of every connection.
// The tests of the load tests put it between k6 and the gateway. Invariant: nothing but data that follows on what the client holds is
// touched, and all else, HTTP included, passes as it is; so whoever is red behind it has found that delivery.

import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import type { Decoder } from '../../src/protocol/codec.ts';
import { codecOf, jsonCodec } from '../../src/protocol/codecs.ts';
import type { Frame } from '../../src/protocol/frames.ts';

export interface PlantedGateway {
  readonly url: string;
  /** Deliveries that were tampered with so far. */
  readonly planted: number;
  stop(): Promise<void>;
}

/** Which of a connection's deliveries it is: by then the client is in step with the others. */
const PLACE = 5;
const DATA = ['book', 'quote', 'trade', 'status'];

/** @param gatewayUrl of a gateway that runs, `http://host:port`. */
export async function startPlanted(gatewayUrl: string, fault: 'drop' | 'repeat'): Promise<PlantedGateway> {
  let planted = 0;
  const front = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const server = createServer((asked, answer) => pass(gatewayUrl, asked, answer));
  server.on('upgrade', (asked, socket, head) => {
    const back = open(gatewayUrl, asked);
    back.on('error', () => socket.destroy());
    back.on('open', () => {
      const tampered = tampering(asked.url === '/v1/stream' ? decoderOf(back.protocol) : null);
      front.options.handleProtocols = () => back.protocol || false;
      front.handleUpgrade(asked, socket as Duplex, head, (client) => {
        link(client, back, (data, isBinary) => {
          const isChosen = tampered(data);
          if (isChosen) planted += 1;
          if (!isChosen || fault === 'repeat') client.send(data, { binary: isBinary });
          if (isChosen && fault === 'repeat') client.send(data, { binary: isBinary });
        });
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get planted() {
      return planted;
    },
    async stop() {
      for (const client of front.clients) client.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function open(gatewayUrl: string, { url, headers }: IncomingMessage): WebSocket {
  const offered = headers['sec-websocket-protocol'];
  const protocols = offered === undefined ? [] : offered.split(',').map((each) => each.trim());
  const { authorization } = headers;
  return new WebSocket(`${gatewayUrl.replace(/^http/, 'ws')}${url}`, protocols, {
    perMessageDeflate: false,
    headers: authorization === undefined ? {} : { authorization },
  });
}

/** The first messages may come before the client's end is open. */
function link(client: WebSocket, back: WebSocket, deliver: (data: Buffer, isBinary: boolean) => void): void {
  back.on('message', (data: Buffer, isBinary) => deliver(data, isBinary));
  back.resume();
  client.on('message', (data: Buffer, isBinary) => back.send(data, { binary: isBinary }));
  const closing = (other: WebSocket) => (code: number, reason: Buffer) => {
    // 1005 and 1006 say that there was no code.
    if (code === 1005 || code === 1006) other.terminate();
    else other.close(code, reason);
  };
  back.on('close', closing(client));
  client.on('close', closing(back));
  client.on('error', () => back.terminate());
}

function decoderOf(protocol: string): Decoder {
  return (codecOf(protocol) ?? jsonCodec).decoder();
}

/** Says of each message whether it is the chosen one: the fifth that brings nothing but what follows on data before. */
function tampering(decoder: Decoder | null): (data: Buffer) => boolean {
  let seen = 0;
  const follows = (frame: Frame) =>
    frame.type === 'time' ||
    (DATA.includes(frame.type) && (frame.type === 'trade' || (frame as { fromSeq: number }).fromSeq > 0));
  return (data) => {
    if (decoder === null || seen >= PLACE) return false;
    if (decoder.decode(data).every(follows)) seen += 1;
    return seen === PLACE;
  };
}

function pass(gatewayUrl: string, asked: IncomingMessage, answer: ServerResponse): void {
  const { host: _, ...headers } = asked.headers;
  const onward = request(`${gatewayUrl}${asked.url}`, { method: asked.method, headers }, (reply) => {
    answer.writeHead(reply.statusCode ?? 502, reply.headers);
    reply.pipe(answer);
  });
  onward.on('error', () => answer.destroy());
  asked.pipe(onward);
}
