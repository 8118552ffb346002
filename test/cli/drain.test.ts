// Holds `drain`, and SIGTERM, to ending a gateway without anybody being cut off: clients are told first, and the process ends with 0.

import { beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { run } from './command.ts';
import { ensureBuilt, type Running, startIn } from './process.ts';

beforeAll(ensureBuilt);

/** A gateway in a process of its own. */
async function serving(): Promise<{ process: Running; admin: string; stream: string }> {
  const short = { TICKWIRE_DRAIN_MS: '300' };
  const process = startIn(short, 'serve', '--demo', '--port', '0', '--admin-port', '0', '--json');
  await process.says(/\n/);
  const { admin, stream } = JSON.parse(process.stdout) as { admin: string; stream: string };
  return { process, admin, stream };
}

/** What a client hears, in order, until it is closed. */
async function listener(stream: string): Promise<{ frames: { type: string }[]; closed: Promise<number> }> {
  const socket = new WebSocket(stream);
  const frames: { type: string }[] = [];
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise<void>((resolve) => {
    socket.on('message', (bytes: Buffer) => {
      for (const line of bytes.toString().trim().split('\n')) frames.push(JSON.parse(line) as { type: string });
      resolve();
    });
  });
  return { frames, closed };
}

test('a gateway that is drained tells its clients, closes them, and has ended when the command ends', async () => {
  const { process, admin, stream } = await serving();
  const clients = await Promise.all([1, 2, 3].map(() => listener(stream)));
  const { code, stdout } = await run(['drain', '--admin', admin]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${admin} drains: 3 clients to go\nit has ended\n` });
  for (const { frames, closed } of clients) {
    expect(await closed).toBe(1001);
    expect(frames.at(-1)).toMatchObject({ type: 'goodbye', reason: 'drain' });
  }
  expect((await process.end()).code).toBe(0);
});

test('without waiting it only begins', async () => {
  const { process, admin } = await serving();
  const { code, stdout } = await run(['drain', '--no-wait', '--admin', admin]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${admin} drains: 0 clients to go\n` });
  expect((await process.end()).code).toBe(0);
});

test('SIGTERM does the same', async () => {
  const { process, stream } = await serving();
  const { frames, closed } = await listener(stream);
  expect((await process.signal('SIGTERM')).code).toBe(0);
  expect(await closed).toBe(1001);
  expect(frames.at(-1)).toMatchObject({ type: 'goodbye' });
});

test('Ctrl-C does not wait for anybody', async () => {
  const { process, stream } = await serving();
  const { closed } = await listener(stream);
  expect((await process.signal('SIGINT')).code).toBe(0);
  expect(await closed).toBe(1001);
});

test('where no gateway is it says so', async () => {
  const { code, stderr } = await run(['drain', '--url', 'http://127.0.0.1:1']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^tickwire: no admin port of a gateway answers at http:\/\/127\.0\.0\.1:1: /);
});
