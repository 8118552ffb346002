// Owns one connection of the crowd: a TCP socket that writes a ready upgrade and reads frames, without any WebSocket library.
// Everything in this folder that connects does it with this. All links of a process read into one buffer.
// Invariant: a link ends once, and whoever holds it is told why; after `reset` nothing is told any more.

import { connect, type Socket } from 'node:net';
import { maskedFrame, OPCODE, ReadBuffer, upgradeFault, upgradeRequest, type WsSink, WsStream } from '../wsframes.ts';
import type { Target } from './messages.ts';

const HEAD_END = '\r\n\r\n';
const EMPTY = Buffer.alloc(0);
/** As long as the longest message that is expected. */
const buffer = new ReadBuffer(4_194_304, 262_144);

/** Each has ports of its own: tens of thousands of connections from one would use them up. Elsewhere loopback has one address. */
export const SOURCES = process.platform === 'linux' ? 16 : 1;

/** What happens to a link. Bytes are only valid during the call. */
export interface LinkHolder {
  message(bytes: Uint8Array, start: number, end: number): void;
  /** It ended, or never came to be, and not by `reset`. */
  lost(why: string): void;
}

let opened = 0;

/** 127.0.0.1 and those after it, in turns. */
function sourceOf(number: number): string {
  return `127.0.0.${1 + (number % SOURCES)}`;
}

export class Link implements WsSink {
  private readonly socket: Socket;
  private readonly stream: WsStream;
  private readonly subprotocol: string | null;
  /** What came of the answer to the upgrade; null once it is complete. */
  private head: Buffer | null = EMPTY;
  private over = false;

  constructor(
    { port, subprotocol, credential }: Target,
    private readonly holder: LinkHolder,
  ) {
    this.subprotocol = subprotocol;
    this.stream = new WsStream(buffer, this);
    const onread = { buffer: buffer.area, callback: (bytes: number) => this.read(bytes) };
    const localAddress = sourceOf(opened++);
    this.socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true, onread });
    this.socket.on('error', (error) => this.end(error.message));
    this.socket.on('close', () => this.end('the connection ended'));
    this.socket.write(upgradeOf(subprotocol, credential));
  }

  send(request: Uint8Array): void {
    this.socket.write(maskedFrame(OPCODE.binary, request));
  }

  /** Ends it with a reset, which leaves no port behind that waits. */
  reset(): void {
    this.over = true;
    this.socket.resetAndDestroy();
  }

  message(bytes: Uint8Array, start: number, end: number): void {
    if (!this.over) this.holder.message(bytes, start, end);
  }

  ping(payload: Uint8Array): void {
    if (!this.over) this.socket.write(maskedFrame(OPCODE.pong, payload));
  }

  close(code: number, reason: string): void {
    this.end(`closed by the server: ${code} ${reason}`);
  }

  private read(bytes: number): boolean {
    if (this.over) return true;
    try {
      const from = this.head === null ? 0 : this.upgraded(this.head, bytes);
      this.stream.take(from, bytes);
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error));
    }
    return true;
  }

  /** Takes the answer to the upgrade. @returns where frames begin in what was read. */
  private upgraded(before: Buffer, bytes: number): number {
    const read = buffer.area.subarray(0, bytes);
    const all = before.length === 0 ? read : Buffer.concat([before, read]);
    const headEnd = all.indexOf(HEAD_END);
    this.head = headEnd < 0 ? Buffer.from(all) : null;
    if (headEnd < 0) return bytes;
    const fault = upgradeFault(all.toString('latin1', 0, headEnd), this.subprotocol);
    if (fault !== null) throw new Error(fault);
    return bytes - (all.length - headEnd - HEAD_END.length);
  }

  private end(why: string): void {
    if (this.over) return;
    this.over = true;
    this.socket.destroy();
    this.holder.lost(why);
  }
}

/** Texts of upgrades, by what they ask for: every client of a process sends one of a few. */
const upgrades = new Map<string, string>();

/** The one place where a client says who it is. */
export function upgradeOf(subprotocol: string | null, credential: string | null): string {
  const key = `${subprotocol} ${credential}`;
  const made = upgrades.get(key);
  if (made !== undefined) return made;
  const bare = upgradeRequest('/v1/stream', subprotocol);
  const header = credential === null ? '' : `Authorization: Bearer ${credential}\r\n`;
  const upgrade = `${bare.slice(0, -2)}${header}\r\n`;
  upgrades.set(key, upgrade);
  return upgrade;
}
