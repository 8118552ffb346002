// Owns one client of the generator: its TCP socket, the upgrade, pongs, and how it stops reading. load.ts opens hundreds of them.
// All clients read into one shared buffer: a chunk is done with when the callback returns.
// Invariant: whatever goes wrong on a connection becomes a problem of the audit, never silence.

import { connect, type Socket } from 'node:net';
import type { Audit } from './audit.ts';
import { nowUs } from './clock.ts';
import type { Receiver } from './receivers.ts';
import {
  maskedFrame,
  OPCODE,
  type ReadBuffer,
  upgradeFault,
  upgradeRequest,
  type WsSink,
  WsStream,
} from './wsframes.ts';

/** What all clients of a generator share. */
export interface ClientShare {
  readonly port: number;
  readonly subprotocol: string | null;
  readonly buffer: ReadBuffer;
  /** After each write; null: acknowledgements may be delayed. */
  readonly acknowledge: ((socket: Socket) => void) | null;
  readonly audit: Pick<Audit, 'receive' | 'problem'>;
  readonly receiver: Pick<Receiver, 'receive'>;
  readonly traffic: { bytes: number; reads: number };
}

const HEAD_END = '\r\n\r\n';

export class Client implements WsSink {
  protected readonly socket: Socket;
  private readonly client: number;
  private readonly share: ClientShare;
  private readonly stream: WsStream;
  /** What came of the answer to the upgrade; null once it is complete. */
  private responseHead: Buffer | null = Buffer.alloc(0);
  /** WebSocket bytes that this process has read. */
  readBytes = 0;
  private over = false;
  private stalled = false;
  private opened: () => void = () => {};
  private failed: (error: Error) => void = () => {};
  /** Settles with the upgrade. */
  readonly open: Promise<void>;

  constructor(client: number, share: ClientShare) {
    this.client = client;
    this.share = share;
    this.open = new Promise((resolve, reject) => {
      this.opened = resolve;
      this.failed = reject;
    });
    this.stream = new WsStream(share.buffer, this);
    const onread = { buffer: share.buffer.area, callback: (bytes: number) => this.read(bytes) };
    this.socket = connect({ host: '127.0.0.1', port: share.port, noDelay: true, onread });
    this.socket.on('error', (error) => this.fail(error.message));
    this.socket.on('close', () => this.fail('the connection ended'));
    this.socket.write(upgradeRequest(`/v1/stream?client=${client}`, share.subprotocol));
  }

  send(opcode: number, payload: Uint8Array): void {
    this.socket.write(maskedFrame(opcode, payload));
    this.share.acknowledge?.(this.socket);
  }

  /** Reads nothing more, and so says nothing more. What becomes of the connection then is no fault. */
  stall(): void {
    this.stalled = true;
    this.socket.pause();
  }

  end(): void {
    this.over = true;
    this.socket.destroy();
  }

  message(bytes: Uint8Array, start: number, end: number): void {
    this.share.receiver.receive(this.client, bytes, start, end);
  }

  ping(payload: Uint8Array): void {
    this.send(OPCODE.pong, payload);
  }

  close(code: number, reason: string): void {
    this.fail(`closed by the server: ${code} ${reason}`);
  }

  /** So many bytes were read into the shared buffer. @returns whether to go on reading. */
  protected read(bytes: number): boolean {
    const { audit, traffic } = this.share;
    traffic.bytes += bytes;
    traffic.reads++;
    audit.receive(nowUs());
    try {
      const from = this.responseHead === null ? 0 : this.upgrade(this.responseHead, bytes);
      this.readBytes += bytes - from;
      this.stream.take(from, bytes);
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
    }
    return true;
  }

  /** Takes the answer to the upgrade. @returns where frames begin in the read area. */
  private upgrade(before: Buffer, bytes: number): number {
    const all = Buffer.concat([before, this.share.buffer.area.subarray(0, bytes)]);
    const headEnd = all.indexOf(HEAD_END);
    this.responseHead = headEnd < 0 ? all : null;
    if (headEnd < 0) return bytes;
    const fault = upgradeFault(all.toString('latin1', 0, headEnd), this.share.subprotocol);
    if (fault !== null) throw new Error(fault);
    this.opened();
    return bytes - (all.length - headEnd - HEAD_END.length);
  }

  private fail(text: string): void {
    if (this.over) return;
    this.end();
    if (this.stalled) return;
    this.share.audit.problem(`client ${this.client}: ${text}`);
    this.failed(new Error(`client ${this.client}: ${text}`));
  }
}
