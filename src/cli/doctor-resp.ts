// Owns one plain connection to a Redis server for the doctor: commands out, replies in, one after the other. The probe opens it
// over a socket that stands already, so that address, TCP, TLS and password are told apart. Invariant: whatever comes, a call ends:
// with a reply, with the server's error, or with the end of the connection.

import type { Socket } from 'node:net';

/** What a command is answered with; an error of the server's is a value. */
export type Reply = string | number | null | Refused | readonly Reply[];

export class Refused {
  constructor(readonly message: string) {}
}

/** More than INFO and the list of some ten thousand channels. */
const BYTES_MAX = 4 * 2 ** 20;
const DEPTH_MAX = 8;
/** What a connection that listens to channels hears besides its replies. */
const MESSAGES: readonly Reply[] = ['message', 'pmessage'];

interface Call {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

export class RespLink {
  private rest = Buffer.alloc(0);
  private ended: Error | null = null;
  private readonly calls: Call[] = [];

  constructor(private readonly socket: Socket) {
    socket.on('data', (bytes: Buffer) => this.take(bytes));
    socket.on('error', (error) => this.end(error));
    socket.on('close', () => this.end(new Error('the server closed the connection')));
  }

  call(...words: readonly (string | number)[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.ended !== null) return reject(this.ended);
      this.calls.push({ resolve, reject });
      const parts = words.map((word) => `$${Buffer.byteLength(`${word}`)}\r\n${word}\r\n`);
      this.socket.write(`*${words.length}\r\n${parts.join('')}`);
    });
  }

  private take(bytes: Buffer): void {
    this.rest = Buffer.concat([this.rest, bytes]);
    if (this.rest.length > BYTES_MAX) return this.end(new Error(`it answers with more than ${BYTES_MAX} bytes`));
    try {
      for (;;) {
        const read = readReply(this.rest, 0, 0);
        if (read === null) return;
        this.rest = this.rest.subarray(read.end);
        const isMessage = Array.isArray(read.reply) && MESSAGES.includes(read.reply[0] as Reply);
        if (!isMessage) this.calls.shift()?.resolve(read.reply);
      }
    } catch (error) {
      this.end(error as Error);
    }
  }

  private end(error: Error): void {
    this.ended ??= error;
    this.socket.destroy();
    for (const { reject } of this.calls.splice(0)) reject(this.ended);
  }
}

/** @returns null where it is not all there yet. @throws Error for what is no reply. */
export function readReply(bytes: Buffer, at: number, depth: number): { reply: Reply; end: number } | null {
  const lineEnd = bytes.indexOf('\r\n', at);
  if (lineEnd < 0) return null;
  const line = bytes.toString('utf8', at + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(bytes[at]!)) {
    case '+':
      return { reply: line, end };
    case '-':
      return { reply: new Refused(line), end };
    case ':':
      return { reply: lengthOf(line), end };
    case '$': {
      const length = lengthOf(line);
      if (length < 0) return { reply: null, end };
      if (bytes.length < end + length + 2) return null;
      return { reply: bytes.toString('utf8', end, end + length), end: end + length + 2 };
    }
    case '*':
      return readList(bytes, end, lengthOf(line), depth + 1);
  }
  throw new Error('what answers there is no Redis');
}

function readList(bytes: Buffer, begin: number, count: number, depth: number): { reply: Reply; end: number } | null {
  if (depth > DEPTH_MAX) throw new Error('what answers there is no Redis');
  if (count < 0) return { reply: null, end: begin };
  const replies: Reply[] = [];
  let end = begin;
  while (replies.length < count) {
    const read = readReply(bytes, end, depth);
    if (read === null) return null;
    replies.push(read.reply);
    end = read.end;
  }
  return { reply: replies, end };
}

function lengthOf(line: string): number {
  if (!/^-?\d{1,15}$/.test(line)) throw new Error('what answers there is no Redis');
  return Number(line);
}
