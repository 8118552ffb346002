// Holds what a WebSocket handshake brings: the codec that it asks for and a credential, which is never echoed. Seen by the
// library `ws` and a real Chromium too: both give up a socket for which none of the subprotocols that they offered was echoed.

import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { bearerOf, readOffer } from '../../src/gateway/handshake.ts';
import { launchBrowser } from '../browser.ts';
import { startGateway, stopAll } from './harness.ts';
import { closeDoors, openDoor } from './opendoor.ts';
import { endAll, handshake, RawSocket } from './rawsocket.ts';

const JSON_NAME = 'tickwire.v1.json';
const MSGPACK_NAME = 'tickwire.v1.msgpack';
const KEY = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln-_~';
const BEARER = `tickwire.bearer.${KEY}`;

afterEach(() => {
  endAll();
  closeDoors();
  stopAll();
});

describe('an offer', () => {
  test.each([
    ['nothing', [], 'json', '', null],
    ['a codec', [MSGPACK_NAME], 'msgpack', MSGPACK_NAME, null],
    ['a codec and a credential', [`${JSON_NAME}, ${BEARER}`], 'json', JSON_NAME, KEY],
    ['a credential before a codec', [`${BEARER},${MSGPACK_NAME}`], 'msgpack', MSGPACK_NAME, KEY],
    ['both in headers of their own', [BEARER, MSGPACK_NAME], 'msgpack', MSGPACK_NAME, KEY],
    ['the first of two credentials', [`${JSON_NAME}, ${BEARER}, tickwire.bearer.other`], 'json', JSON_NAME, KEY],
    ['a credential alone', [BEARER], null, '', KEY],
    ['a credential and what nobody knows', [`${BEARER}, graphql-ws`], null, 'graphql-ws', KEY],
    ['an empty credential', [`${JSON_NAME}, tickwire.bearer.`], 'json', JSON_NAME, null],
    ['a credential with its name in other letters', ['Tickwire.Bearer.secret'], null, '', null],
  ] as const)('of %s', (_, lines, codec, echo, credential) => {
    const offer = readOffer(lines);
    expect({ ...offer, codec: offer.codec?.name ?? null }).toEqual({ codec, echo, credential });
  });
});

describe('a credential', () => {
  test.each([
    [`Bearer ${KEY}`, KEY],
    [`bearer   ${KEY}`, KEY],
    [undefined, null],
    ['', null],
    ['Bearer', null],
    ['Bearer ', null],
    [`Basic ${KEY}`, null],
    [KEY, null],
    ['Bearer a b', null],
    ['Bearer a\u0000b', null],
  ])('in Authorization: %j', (header, credential) => {
    expect(bearerOf(header)).toBe(credential);
  });

  async function upgraded(headers: Record<string, string>, path = '/v1/stream') {
    const { port, peers } = openDoor();
    const raw = await RawSocket.dial(port);
    raw.write(handshake(headers, path));
    const response = await raw.response();
    return { peers, echoed: response.headers.get('sec-websocket-protocol'), status: response.status };
  }
  test('comes from Authorization, which goes before a subprotocol', async () => {
    const offer = { 'Sec-WebSocket-Protocol': `${JSON_NAME}, ${BEARER}` };
    expect((await upgraded({ Authorization: 'Bearer abc' })).peers).toMatchObject([{ credential: 'abc' }]);
    expect((await upgraded({ ...offer, Authorization: 'Bearer abc' })).peers).toMatchObject([{ credential: 'abc' }]);
    expect((await upgraded({ ...offer, Authorization: 'Basic abc' })).peers).toMatchObject([{ credential: KEY }]);
  });
  test('comes from a subprotocol, which is not the one that is echoed', async () => {
    const { peers, echoed } = await upgraded({ 'Sec-WebSocket-Protocol': `${BEARER}, ${JSON_NAME}` });
    expect(peers).toMatchObject([{ credential: KEY, codec: 'json' }]);
    expect(echoed).toBe(JSON_NAME);
  });
  test('alone is not echoed even where nothing else could be', async () => {
    const { peers, echoed, status } = await upgraded({ 'Sec-WebSocket-Protocol': BEARER });
    expect([status, echoed]).toEqual([101, undefined]);
    expect(peers).toMatchObject([{ credential: KEY, codec: null }]);
  });
  test('is never taken from a URL', async () => {
    const path = `/v1/stream?access_token=${KEY}&token=${KEY}&authorization=Bearer%20${KEY}`;
    expect((await upgraded({}, path)).peers).toMatchObject([{ credential: null }]);
  });
  test('does not come with an origin or a host: those are told apart from it', async () => {
    const { peers } = await upgraded({ Origin: 'https://app.example', Host: 'gateway.example:9001' });
    expect(peers).toMatchObject([{ origin: 'https://app.example', host: 'gateway.example:9001', credential: null }]);
  });
});

describe('a client that offers', () => {
  /** How it ends, seen by `ws`: the subprotocol that was chosen, or why there is no socket. */
  function asWs(url: string, offered: string[]): Promise<string> {
    const socket = new WebSocket(url, offered);
    return new Promise<string>((resolve) => {
      socket.on('open', () => resolve(`open: ${socket.protocol}`));
      socket.on('error', ({ message }) => resolve(message));
    }).finally(() => socket.terminate());
  }
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  }, 300_000);
  afterAll(() => browser.close());

  async function asChromium(url: string, offered: string[]): Promise<string> {
    const page = await browser.newPage();
    try {
      await page.goto(new URL('/v1/time', url.replace('ws', 'http')).href);
      const code = `new Promise((resolve) => {
        const socket = new WebSocket(${JSON.stringify(url)}, ${JSON.stringify(offered)});
        socket.onopen = () => resolve('open: ' + socket.protocol);
        socket.onerror = () => resolve('failed');
      })`;
      return (await page.evaluate(code)) as string;
    } finally {
      await page.close();
    }
  }
  test('a codec beside its credential gets that codec, in `ws` and in a browser', async () => {
    const { streamUrl } = startGateway();
    for (const offered of [
      [BEARER.replace('~', ''), JSON_NAME],
      [JSON_NAME, BEARER],
    ]) {
      expect(await asWs(streamUrl, offered)).toBe(`open: ${JSON_NAME}`);
      expect(await asChromium(streamUrl, offered)).toBe(`open: ${JSON_NAME}`);
    }
  });
  test('a credential alone gets no socket from either, since nothing is echoed', async () => {
    const { streamUrl } = startGateway();
    expect(await asWs(streamUrl, [BEARER])).toBe('Server sent no subprotocol');
    expect(await asChromium(streamUrl, [BEARER])).toBe('failed');
  });
});
