// Owns a publisher on a real socket for the tests of /v1/publish/stream: it keeps every frame until a test takes it, and knows
// nothing of the SDK. Invariant: `endPublishers` closes every socket that was made here.

import { pack, Unpackr } from 'msgpackr';
import WebSocket from 'ws';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { portOf } from './harness.ts';

const WAIT_MS = 30_000;
/** Integers up to 2^53 as numbers; 'auto' is in the library's documentation, its types lack it. */
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'auto' as 'number' });
const clients = new Set<PublisherClient>();

export type PublisherCodec = 'json' | 'msgpack';
type Frame = { readonly type: string } & Readonly<Record<string, unknown>>;

export class PublisherClient {
  readonly frames: Frame[] = [];
  messages = 0;
  readonly closed: Promise<{ code: number; reason: string }>;
  private wake: () => void = () => {};

  private constructor(
    readonly socket: WebSocket,
    readonly codec: PublisherCodec,
  ) {
    socket.on('message', (bytes: Buffer, binary) => {
      this.messages += 1;
      this.frames.push(...(binary ? (unpackr.unpackMultiple(bytes) as Frame[]) : linesOf(bytes)));
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

  static open(
    gateway: Gateway,
    codec: PublisherCodec = 'json',
    headers: Readonly<Record<string, string>> = {},
  ): PublisherClient {
    const url = `ws://127.0.0.1:${portOf(gateway)}/v1/publish/stream`;
    return new PublisherClient(new WebSocket(url, [`tickwire.v1.${codec}`], { headers }), codec);
  }

  /** Connects and takes the welcome. */
  static async connect(gateway: Gateway, codec: PublisherCodec = 'json'): Promise<PublisherClient> {
    const client = PublisherClient.open(gateway, codec);
    await client.next('welcome');
    return client;
  }

  /** Sends requests, all in one message. */
  send(...requests: readonly object[]): void {
    if (this.codec === 'json') this.socket.send(requests.map((each) => JSON.stringify(each)).join('\n'));
    else this.socket.send(Buffer.concat(requests.map((each) => pack(each))));
  }

  /** Takes the next frame, which must be of this type. */
  async next(type: string): Promise<Frame> {
    for (let late = false; ; ) {
      const frame = this.frames.shift();
      if (frame?.type === type) return frame;
      if (frame !== undefined) throw new Error(`${JSON.stringify(frame).slice(0, 200)} came, and no ${type}`);
      if (late || this.socket.readyState >= WebSocket.CLOSING) throw new Error(`no ${type} came`);
      late = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(true), WAIT_MS);
        this.wake = () => {
          clearTimeout(timer);
          resolve(false);
        };
      });
    }
  }

  end(): void {
    this.socket.terminate();
    clients.delete(this);
  }
}

export function endPublishers(): void {
  for (const client of clients) client.end();
}

function linesOf(bytes: Buffer): Frame[] {
  const lines = bytes.toString().split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Frame);
}
