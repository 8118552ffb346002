import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import koffi from 'koffi';
import { expect, it } from 'vitest';
import { acknowledger, descriptorOf, IPPROTO_TCP, TCP_QUICKACK } from './acknowledgements.ts';

type GetSockOpt = (fd: number, level: number, name: number, value: Int32Array, valueBytes: Uint32Array) => number;

it.runIf(process.platform === 'linux')(
  'takes a connection that has written back to acknowledging at once',
  async () => {
    const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
    await once(socket, 'connect');
    const getSockOpt: GetSockOpt = koffi
      .load('libc.so.6')
      .func('int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ uint32_t *valueBytes)');
    const isQuick = (): number => {
      const value = new Int32Array(1);
      expect(getSockOpt(descriptorOf(socket)!, IPPROTO_TCP, TCP_QUICKACK, value, new Uint32Array([4]))).toBe(0);
      return value[0]!;
    };
    // A kernel takes a connection for a conversation once it answers what it was told (three times, before Linux 6).
    for (let times = 0; times < 5; times++) {
      socket.write('a');
      await once(socket, 'data');
    }
    socket.write('b');
    expect(isQuick()).toBe(0);
    acknowledger()!(socket);
    expect(isQuick()).toBe(1);
    socket.destroy();
    server.close();
    await once(server, 'close');
  },
);
