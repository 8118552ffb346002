import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleepMs } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Looks } from './looks.ts';

it('lets the event loop read and its timers run', async () => {
  const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const looks = new Looks();
  looks.begin();
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  for (const said of ['a', 'b', 'c']) {
    socket.write(said);
    const [heard] = (await once(socket, 'data')) as [Buffer];
    expect(heard.toString()).toBe(said);
  }
  await sleepMs(1);
  looks.end();
  socket.destroy();
  server.close();
  await once(server, 'close');
});
