// Owns a TCP connection whose receive buffer is set and which is read byte by byte, as the test says. Node can't set the buffer;
// Perl, which every Debian and Ubuntu brings, can. Invariant: nothing is read from the kernel but what was asked for.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { Opcode, wsFrame } from './rawsocket.ts';

/** Commands on stdin: `r N` reads at most N bytes without waiting, `w HEX` writes. Each read is answered by a length and the bytes. */
const SCRIPT = `
use strict; use Socket;
my ($port, $buffer) = @ARGV;
socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
if ($buffer) { setsockopt($s, SOL_SOCKET, SO_RCVBUF, pack('i', $buffer)) or die }
connect($s, sockaddr_in($port, inet_aton('127.0.0.1'))) or die;
$| = 1; binmode STDOUT;
while (my $line = <STDIN>) {
  if ($line =~ /^r (\\d+)/) {
    my $bytes = '';
    my $from = recv($s, $bytes, $1, 0x40);
    print pack('N', defined $from ? (length $bytes || 0xffffffff) : 0) . $bytes;
  } elsif ($line =~ /^w (\\w+)/) { my $out = pack('H*', $1); syswrite($s, $out) }
}
`;
const ENDED = 0xffff_ffff;

export class NarrowSocket {
  /** Whether the gateway has closed. */
  ended = false;
  private readonly child: ChildProcessWithoutNullStreams;
  private output: Buffer = Buffer.alloc(0);
  private wake: () => void = () => {};
  private bytes: Buffer = Buffer.alloc(0);

  /** `bufferBytes` 0: the kernel's default. */
  constructor(port: number, bufferBytes: number) {
    this.child = spawn('perl', ['-e', SCRIPT, `${port}`, `${bufferBytes}`]);
    this.child.stdout.on('data', (chunk: Buffer) => {
      this.output = Buffer.concat([this.output, chunk]);
      this.wake();
    });
    this.child.stdin.on('error', () => {});
    this.child.on('error', (error) => {
      throw new Error(`this test needs perl, which Debian and Ubuntu bring: ${error.message}`);
    });
  }

  write(bytes: Uint8Array): void {
    this.child.stdin.write(`w ${Buffer.from(bytes).toString('hex')}\n`);
  }

  /** Reads what there is, at most `bytesMax`. @returns how much it was. */
  async read(bytesMax: number): Promise<number> {
    if (this.ended) return 0;
    this.child.stdin.write(`r ${bytesMax}\n`);
    await this.has(4);
    const length = this.output.readUInt32BE(0);
    if (length === ENDED) {
      this.ended = true;
      return 0;
    }
    await this.has(4 + length);
    this.bytes = Buffer.concat([this.bytes, this.output.subarray(4, 4 + length)]);
    this.output = this.output.subarray(4 + length);
    return length;
  }

  /** The HTTP response's head, if it has been read whole. */
  takeHead(): string | null {
    const end = this.bytes.indexOf('\r\n\r\n');
    if (end < 0) return null;
    const head = this.bytes.toString('latin1', 0, end);
    this.bytes = this.bytes.subarray(end + 4);
    return head;
  }

  /** The data messages that have been read whole; pings among them are answered. */
  takeMessages(): Buffer[] {
    const messages: Buffer[] = [];
    for (;;) {
      const { bytes } = this;
      if (bytes.length < 2) return messages;
      const short = bytes[1]! & 0x7f;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length < head) return messages;
      const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
      if (bytes.length < head + length) return messages;
      const payload = bytes.subarray(head, head + length);
      this.bytes = bytes.subarray(head + length);
      const opcode = bytes[0]! & 0x0f;
      if (opcode === Opcode.ping) this.write(wsFrame(Opcode.pong, payload));
      else if (opcode === Opcode.binary || opcode === Opcode.text) messages.push(payload);
    }
  }

  end(): void {
    this.child.kill();
  }

  private async has(bytes: number): Promise<void> {
    while (this.output.length < bytes) await new Promise<void>((resolve) => (this.wake = resolve));
  }
}
