// Owns what the gateway's tests share: real gateways on free ports, HTTP requests with any header, clients on real sockets.
// Invariant: `stopAll` ends everything that was made here, and every wait for a frame ends with what came instead.

import { once } from 'node:events';
import { request } from 'node:http';
import { networkInterfaces } from 'node:os';
import { pino } from 'pino';
import WebSocket from 'ws';
import { Gateway } from '../../src/gateway/gateway.ts';
import { defineInstrument, type InstrumentDefinition } from '../../src/market/instrument.ts';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import type { Frame } from '../../src/protocol/frames.ts';
import { SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK } from '../../src/protocol/frames.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { readSettings, type Settings } from '../../src/settings/settings.ts';

/** Machines without IPv6 skip what needs it. */
export const HAS_IPV6 = Object.values(networkInterfaces()).some((each) =>
  each?.some(({ address }) => address === '::1'),
);
const WAIT_MS = 30_000;

const gateways = new Set<Gateway>();
const clients = new Set<TestClient>();

/** A gateway on free ports, with what is listed. */
export function startGateway(overrides: Partial<Settings> = {}, listed: readonly InstrumentDefinition[] = []): Gateway {
  const gateway = new Gateway(readSettings({ port: 0, adminPort: 0, ...overrides }, {}), pino({ level: 'silent' }));
  gateway.start();
  gateways.add(gateway);
  for (const definition of listed) list(gateway, definition);
  return gateway;
}

export function list(gateway: Gateway, definition: InstrumentDefinition): void {
  const instrument = defineInstrument(definition);
  if (typeof instrument === 'string') throw new Error(instrument);
  gateway.instruments.put(instrument);
}

export function stopAll(): void {
  for (const client of clients) client.end();
  for (const gateway of gateways) gateway.stop();
  clients.clear();
  gateways.clear();
}

export function portOf({ url }: Gateway): number {
  return Number(new URL(url).port);
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body's JSON; empty where it has none. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The error's code, where the body is one. */
  readonly code: string | undefined;
}

export interface HttpAsk {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A value goes out as JSON; bytes and text as they are. */
  readonly body?: unknown;
  readonly host?: string;
}

/** One request on a connection of its own. */
export async function ask(gateway: Gateway, path: string, options: HttpAsk = {}): Promise<HttpAnswer> {
  const { method = 'GET', headers = {}, body, host = '127.0.0.1' } = options;
  const asked = request({ host, port: portOf(gateway), path, method, headers, agent: false });
  asked.end(body === undefined ? undefined : bytesOf(body));
  const [response] = (await once(asked, 'response')) as [import('node:http').IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const isJson = response.headers['content-type'] === 'application/json' && text !== '';
  const parsed = isJson ? (JSON.parse(text) as HttpAnswer['body']) : {};
  const code = (parsed.error as { code: string } | undefined)?.code;
  return { status: response.statusCode!, headers: response.headers, text, body: parsed, code };
}

function bytesOf(body: unknown): string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
}

export function publish(gateway: Gateway, body: unknown, headers: Readonly<Record<string, string>> = {}) {
  return ask(gateway, '/v1/publish', { method: 'POST', body, headers });
}

export function putInstrument(gateway: Gateway, symbol: string, body: object) {
  return ask(gateway, `/v1/instruments/${symbol}`, { method: 'PUT', body });
}

type FrameOf<T extends Frame['type']> = Extract<Frame, { type: T }>;

/** A client on a real socket that keeps every frame, in order, until a test takes it. */
export class TestClient {
  /** Frames that came and were not taken. */
  readonly frames: Frame[] = [];
  readonly messages: { bytes: Buffer; binary: boolean }[] = [];
  /** The newest one that it was given and that was put aside. */
  token = '';
  private putsTokensAside = false;
  readonly closed: Promise<{ code: number; reason: string }>;
  /** Reads a message; the product's client may take this over. */
  decode: (message: Uint8Array) => Frame[];
  private readonly writer = new ByteWriter();
  private pings = 900_000;
  private wake: () => void = () => {};

  private constructor(
    readonly socket: WebSocket,
    readonly binary: boolean,
  ) {
    const decoder = (binary ? msgpackCodec : jsonCodec).decoder();
    this.decode = (message) => decoder.decode(message);
    socket.on('message', (bytes: Buffer, isBinary) => {
      this.messages.push({ bytes, binary: isBinary });
      for (const frame of this.decode(bytes)) {
        if (frame.type === 'token' && this.putsTokensAside) this.token = frame.token;
        else this.frames.push(frame);
      }
      this.wake();
    });
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.wake();
      });
    });
    clients.add(this);
  }

  /** Connects and takes the welcome. Tokens are put aside as they come. */
  static async connect(gateway: Gateway, codec: 'json' | 'msgpack' = 'json'): Promise<TestClient> {
    const client = TestClient.open(gateway, codec === 'json' ? SUBPROTOCOL_JSON : SUBPROTOCOL_MSGPACK);
    client.putsTokensAside = true;
    await client.next('welcome');
    return client;
  }

  /** Begins to connect, with these subprotocols. */
  static open(
    gateway: Gateway,
    protocols: string | string[] | undefined,
    headers: Readonly<Record<string, string>> = {},
  ): TestClient {
    const port = portOf(gateway);
    const binary = Array.isArray(protocols)
      ? protocols.find((each) => each === SUBPROTOCOL_MSGPACK || each === SUBPROTOCOL_JSON) === SUBPROTOCOL_MSGPACK
      : protocols === SUBPROTOCOL_MSGPACK;
    return new TestClient(new WebSocket(`ws://127.0.0.1:${port}/v1/stream`, protocols, { headers }), binary);
  }

  /** Sends requests in the connection's codec, all in one message. */
  send(...requests: readonly object[]): void {
    if (!this.binary) return this.socket.send(requests.map((each) => JSON.stringify(each)).join('\n'));
    this.writer.length = 0;
    for (const each of requests) this.writer.value(each);
    this.socket.send(this.writer.copy());
  }

  /** Takes the next frame of a type; those before it are dropped. */
  async next<T extends Frame['type']>(type: T): Promise<FrameOf<T>> {
    const dropped = await this.takeUntil((frame) => frame.type === type, `a ${type} frame`);
    return dropped.at(-1) as FrameOf<T>;
  }

  /** Takes all frames that the gateway has for this client by now. Pongs go before data: the second one is behind it. */
  async settled(): Promise<Frame[]> {
    return [...(await this.pinged()), ...(await this.pinged())];
  }

  private async pinged(): Promise<Frame[]> {
    const id = ++this.pings;
    this.send({ op: 'ping', id });
    const taken = await this.takeUntil((frame) => frame.type === 'pong' && frame.id === id, 'a pong');
    return taken.slice(0, -1);
  }

  /** Takes frames up to the first that is wanted, which comes last. */
  async takeUntil(isWanted: (frame: Frame) => boolean, what: string): Promise<Frame[]> {
    const taken: Frame[] = [];
    for (;;) {
      while (this.frames.length > 0) {
        taken.push(this.frames.shift()!);
        if (isWanted(taken.at(-1)!)) return taken;
      }
      const last = taken.slice(-5).map(({ type }) => type);
      const came = `${taken.length} frames${last.length > 0 ? `, at last ${last.join(', ')}` : ''}`;
      if (this.socket.readyState >= WebSocket.CLOSING) throw new Error(`closed, after ${came} and no ${what}`);
      await this.change(`waited for ${what}; came: ${came}`);
    }
  }

  end(): void {
    this.socket.terminate();
    clients.delete(this);
  }

  private change(complaint: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(complaint)), WAIT_MS);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
