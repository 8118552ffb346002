// Holds the way from a TCP connection to the welcome: which codec a subprotocol means, what is never negotiated, which
// upgrades are refused and how, and that one given up midway leaves nothing behind.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import { CloseCode } from '../../src/protocol/errors.ts';
import { SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, SUBPROTOCOLS } from '../../src/protocol/frames.ts';
import { packageVersion } from '../../src/settings/settings.ts';
import { ask, startGateway, stopAll, TestClient } from './harness.ts';
import { endAll, handshake, Opcode, RawSocket, wsFrame } from './rawsocket.ts';

let gateway: Gateway;
beforeEach(() => {
  gateway = startGateway({ requestBytesMax: 2_000, symbolsPerRequestMax: 3, subscriptionsMax: 4 });
});
afterEach(() => {
  endAll();
  stopAll();
});

describe('the subprotocol', () => {
  test.each([
    ['none', undefined, '', false],
    ['JSON', [SUBPROTOCOL_JSON], SUBPROTOCOL_JSON, false],
    ['MessagePack', [SUBPROTOCOL_MSGPACK], SUBPROTOCOL_MSGPACK, true],
    ['both, JSON first', [SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK], SUBPROTOCOL_JSON, false],
    ['both, MessagePack first', [SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON], SUBPROTOCOL_MSGPACK, true],
    ['an unknown one before a known one', ['tickwire.v9', SUBPROTOCOL_MSGPACK], SUBPROTOCOL_MSGPACK, true],
  ])('%s', async (_, offered, chosen, binary) => {
    const client = TestClient.open(gateway, offered);
    const welcome = await client.next('welcome');
    expect(client.socket.protocol).toBe(chosen);
    expect(client.messages[0]!.binary).toBe(binary);
    expect(welcome).toEqual({
      type: 'welcome',
      version: 'tickwire.v1',
      server: `tickwire/${packageVersion()}`,
      session: expect.stringMatching(/^[0-9a-f]{16}$/),
      timeUs: expect.any(Number),
      limits: {
        requestBytes: 2_000,
        symbolsPerRequest: 3,
        subscriptions: 4,
        heartbeatMs: 5_000,
        ageMsMax: 30_000,
        requestsPerSec: expect.any(Number),
        silentMs: expect.any(Number),
      },
    });
    expect(client.messages).toHaveLength(1);
  });
  test.each([
    ['one', ['tickwire.v2.json']],
    ['several', ['graphql-ws', 'tickwire.v2.json']],
    ['one in other letters', ['TICKWIRE.V1.JSON']],
  ])('%s that nobody knows is echoed, told what is known in JSON, and closed for good', async (_, offered) => {
    const client = TestClient.open(gateway, offered);
    const error = await client.next('error');
    expect(client.socket.protocol).toBe(offered[0]);
    expect(error).toMatchObject({ id: null, code: 'unsupported-protocol' });
    for (const known of SUBPROTOCOLS) expect(error.message).toContain(known);
    expect(client.messages).toEqual([{ bytes: expect.any(Buffer), binary: false }]);
    expect(await client.closed).toEqual({ code: CloseCode.unsupportedProtocol, reason: 'unsupported-protocol' });
    expect(gateway.refusals).toEqual({ 'unsupported-protocol': 1 });
    expect(gateway.connectionCount).toBe(0);
  });
  test('one that nobody knows may go on talking without being heard', async () => {
    const raw = await RawSocket.upgraded(gateway, 'nothing');
    raw.write(wsFrame(Opcode.text, '{"op":"ping","id":1}'));
    const { payload } = await raw.message();
    expect(jsonCodec.decoder().decode(payload)).toMatchObject([{ type: 'error', code: 'unsupported-protocol' }]);
    expect((await raw.message()).opcode).toBe(Opcode.close);
  });
  test('may be spread over several headers', async () => {
    const raw = await RawSocket.connect(gateway);
    raw.write(handshake({ 'Sec-WebSocket-Protocol': 'other', 'sec-websocket-protocol': SUBPROTOCOL_MSGPACK }));
    const { status, headers } = await raw.response();
    expect([status, headers.get('sec-websocket-protocol')]).toEqual([101, SUBPROTOCOL_MSGPACK]);
    const { opcode, payload } = await raw.message();
    expect(opcode).toBe(Opcode.binary);
    expect(msgpackCodec.decoder().decode(payload)[0]).toMatchObject({ type: 'welcome' });
  });
  test.each([' , ,', ','])('an empty list is none: %j', async (list) => {
    const raw = await RawSocket.upgraded(gateway, list);
    expect((await raw.message()).payload.toString()).toMatch(/^{"type":"welcome"/);
  });
});

describe('the handshake', () => {
  test('a request may go out as soon as the connection is open; the welcome still comes first', async () => {
    const raw = await RawSocket.upgraded(gateway);
    raw.write(wsFrame(Opcode.text, '{"op":"ping","id":7}'));
    const types: string[] = [];
    while (!types.includes('pong')) {
      const { payload } = await raw.message();
      types.push(
        ...jsonCodec
          .decoder()
          .decode(payload)
          .map(({ type }) => type),
      );
    }
    expect(types[0]).toBe('welcome');
  });
  test('permessage-deflate is offered and never negotiated', async () => {
    const client = await TestClient.connect(gateway);
    expect(client.socket.extensions).toBe('');
    const raw = await RawSocket.connect(gateway);
    raw.write(
      handshake({ 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits, x-webkit-deflate' }),
    );
    const { status, headers } = await raw.response();
    expect([status, headers.has('sec-websocket-extensions')]).toEqual([101, false]);
  });
  test.each(['8', '12', '14', '', null])('version %j is refused, naming 13', async (version) => {
    const raw = await RawSocket.connect(gateway);
    raw.write(handshake({ 'Sec-WebSocket-Version': version }));
    const { status, headers } = await raw.response();
    expect([status, headers.get('sec-websocket-version')]).toEqual([426, '13']);
    expect(gateway.connectionCount).toBe(0);
  });
  test.each(['/v1', '/v1/stream/', '/v1/stream/x', '/v2/stream', '/v1/Stream', '/socket.io'])(
    'another path is not there: %s',
    async (path) => {
      const raw = await RawSocket.connect(gateway);
      raw.write(handshake({}, path));
      const { status, body } = await raw.response();
      expect(status).toBe(404);
      expect(body).toContain('"not-found"');
    },
  );
  test('a query behind the path does no harm', async () => {
    const raw = await RawSocket.connect(gateway);
    raw.write(handshake({}, '/v1/stream?token=a&x=%ff'));
    expect((await raw.response()).status).toBe(101);
  });
  test.each([
    ['no key', { 'Sec-WebSocket-Key': null }],
    ['a key of the wrong length', { 'Sec-WebSocket-Key': 'short' }],
    ['a key of 24 characters that is no base64', { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25j-_==' }],
    ['a key that is base64 of other than 16 bytes', { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZWFh' }],
  ])('with %s it is refused, saying what one is', async (_, changes) => {
    const raw = await RawSocket.connect(gateway);
    raw.write(handshake(changes));
    const { status, body } = await raw.response();
    expect([status, body]).toEqual([400, expect.stringContaining('Sec-WebSocket-Key is 16 random bytes in base64')]);
    expect(gateway.connectionCount).toBe(0);
  });
  const plain = { Upgrade: null, Connection: null, 'Sec-WebSocket-Key': null, 'Sec-WebSocket-Version': null };
  test.each([
    ['an ordinary request', plain],
    ['one for another protocol', { Upgrade: 'h2c' }],
    ['one that forgets Connection', { Connection: 'keep-alive' }],
  ])('%s is told that a WebSocket is opened here', async (_, changes) => {
    const raw = await RawSocket.connect(gateway);
    raw.write(handshake(changes));
    const { status, headers, body } = await raw.response();
    expect([status, headers.get('upgrade'), headers.get('sec-websocket-version')]).toEqual([426, 'websocket', '13']);
    expect(body).toContain('a WebSocket is opened here');
    raw.write(handshake());
    expect((await raw.response()).status).toBe(101);
  });
  test.each([{ Upgrade: 'WebSocket' }, { Connection: 'keep-alive, UPGRADE' }, { Upgrade: 'h2c, websocket' }])(
    'the words may be written otherwise, among others: %j',
    async (changes) => {
      const raw = await RawSocket.connect(gateway);
      raw.write(handshake(changes));
      expect((await raw.response()).status).toBe(101);
    },
  );
});

describe('giving up', () => {
  test('200 upgrades that end at every possible byte leave the gateway as it was', async () => {
    const whole = handshake({ 'Sec-WebSocket-Protocol': SUBPROTOCOL_JSON });
    for (let i = 0; i < 200; i++) {
      const raw = await RawSocket.connect(gateway);
      raw.write(whole.slice(0, Math.ceil((whole.length * (i + 1)) / 200)));
      if (i % 2 === 0) raw.tcp.resetAndDestroy();
      else raw.end();
    }
    const client = await TestClient.connect(gateway);
    await client.settled();
    client.socket.close();
    await client.closed;
    await expect.poll(() => gateway.connectionCount).toBe(0);
    expect((await ask(gateway, '/v1/time')).status).toBe(200);
  });
  test('a client that is gone before its welcome is forgotten', async () => {
    for (let i = 0; i < 20; i++) {
      const raw = await RawSocket.connect(gateway);
      raw.write(handshake());
      raw.tcp.resetAndDestroy();
    }
    await ask(gateway, '/v1/time');
    await expect.poll(() => gateway.connectionCount).toBe(0);
  });
});
