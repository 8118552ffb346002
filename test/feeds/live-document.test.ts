// Holds the fetching of a venue's documents to its bounds: one at a time, not too fast, not too long, and never without an
// end. The venue is a local HTTP server.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { LiveDocuments } from '../../src/feeds/live-document.ts';
import { systemClock, systemTimers } from '../../src/ports/clock.ts';
import { VirtualTime } from './virtual.ts';

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function documents(bytesMax = 1_000, signal = new AbortController().signal): LiveDocuments {
  return new LiveDocuments({ clock: systemClock, timers: systemTimers, signal }, bytesMax);
}

test('a document is its body', async () => {
  const url = await serve((request, response) => response.end(`at ${request.url}`));
  expect(await documents().fetch(`${url}/depth`, () => {})).toEqual({ body: 'at /depth' });
});

test('a document over the bound is refused, however it is sent', async () => {
  const url = await serve((_, response) => {
    for (let sent = 0; sent < 20; sent++) response.write('x'.repeat(100));
    response.end();
  });
  expect(await documents().fetch(url, () => {})).toMatchObject({ failed: `${url} answers with more than 1000 bytes` });
});

test('a redirect is not followed, and a failure says why and when to come back', async () => {
  const url = await serve((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/' }).end();
    else response.writeHead(429, { 'retry-after': '7' }).end('slower');
  });
  expect(await documents().fetch(`${url}/moved`, () => {})).toMatchObject({
    failed: expect.stringContaining('redirect'),
  });
  expect(await documents().fetch(url, () => {})).toEqual({ failed: `${url} answers 429`, retryAfterMs: 7_000 });
  expect(await documents().fetch('http://127.0.0.1:1', () => {})).toMatchObject({ retryAfterMs: 0 });
});

test('after a refusal the next one goes out when the venue said, and no two follow at once', async () => {
  const time = new VirtualTime();
  let status = 429;
  const url = await serve((_, response) => response.writeHead(status, { 'retry-after': '7' }).end());
  const { signal } = new AbortController();
  const made = new LiveDocuments({ clock: time, timers: time, signal }, 1_000);
  const begunAtMs: number[] = [];
  const fetch = () => made.fetch(url, () => begunAtMs.push(time.nowMs()));
  await fetch();
  status = 200;
  const later = [fetch(), fetch()];
  for (const each of later) {
    await time.advance(10_000);
    await each;
  }
  const [first = 0, second = 0, third = 0] = begunAtMs;
  expect(second - first).toBe(7_000);
  expect(third - second).toBeGreaterThanOrEqual(250);
});

test('a request that is under way ends with the connection', async () => {
  const over = new AbortController();
  const url = await serve(() => over.abort());
  expect(await documents(1_000, over.signal).fetch(url, () => {})).toMatchObject({ failed: expect.any(String) });
  expect(await documents(1_000, over.signal).fetch(url, () => {})).toMatchObject({ failed: 'the connection ended' });
});
