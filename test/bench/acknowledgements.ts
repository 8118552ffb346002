// Owns how soon the generator's kernel acknowledges. On loopback the acknowledgement of a connection that has only read is sent as its
// process reads, at the reader's cost; once it has written, a kernel that waits for more to be written sends it out of the next segment's
// arrival, which is the server's send: servers whose clients answer pings would pay for what readers elsewhere never cost them.
// Invariant: after a write that is followed by `acknowledge`, the connection acknowledges as if it had only read.

import type { Socket } from 'node:net';
import koffi from 'koffi';

type SetSockOpt = (fd: number, level: number, name: number, value: Int32Array, valueBytes: number) => number;

/** Linux's numbers (tcp(7)). */
export const IPPROTO_TCP = 6;
export const TCP_QUICKACK = 12;
const ON = new Int32Array([1]);

/** @returns what takes a socket back to acknowledging what is read; null where the system has no such option. */
export function acknowledger(): ((socket: Socket) => void) | null {
  if (process.platform !== 'linux') return null;
  const setSockOpt: SetSockOpt = koffi
    .load('libc.so.6')
    .func('int setsockopt(int fd, int level, int name, const void *value, uint32_t valueBytes)');
  return (socket) => {
    const fd = descriptorOf(socket);
    if (fd === null) return;
    if (setSockOpt(fd, IPPROTO_TCP, TCP_QUICKACK, ON, ON.byteLength) !== 0)
      throw new Error('the system refused TCP_QUICKACK: measure with --delayed-acks');
  };
}

/** Null once it is closed. Node has no public name for it. */
export function descriptorOf(socket: Socket): number | null {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd: number } | null };
  return handle === undefined || handle === null || handle.fd < 0 ? null : handle.fd;
}
