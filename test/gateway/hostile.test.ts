// Holds that nothing a peer sends ends the process, harms another client, or is half carried out: garbage, bombs, broken
// frames, floods. One gateway lives through all of it; after each attack the bystanders hold exactly the published book and a
// fresh client is served.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../../src/feeds/random.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import type { Frame } from '../../src/protocol/frames.ts';
import { SUBPROTOCOL_MSGPACK } from '../../src/protocol/frames.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { startGateway, stopAll, TestClient } from './harness.ts';
import { endAll, handshake, Opcode, RawSocket, wsFrame } from './rawsocket.ts';
import { SYMBOL, Witnesses } from './witness.ts';

const SEED = 20_260_101;

let gateway: Gateway;
let witnesses: Witnesses;
beforeAll(async () => {
  gateway = startGateway();
  witnesses = await Witnesses.gather(gateway);
});
afterEach(async () => {
  await witnesses.unharmed();
  endAll();
});
afterAll(stopAll);

/** The request as MessagePack, with what `raw` adds in place of its last value. */
function packed(request: object, ...raw: number[]): Buffer {
  const writer = new ByteWriter();
  writer.value(request);
  if (raw.length > 0) writer.length -= 1;
  writer.append(Uint8Array.from(raw));
  return Buffer.from(writer.copy());
}

const codesOf = (frames: readonly Frame[]) => frames.map((frame) => ('code' in frame ? frame.code : frame.type));
const repeated = (count: number, byte: number): number[] => Array<number>(count).fill(byte);

describe('garbage', () => {
  const requests = [
    { op: 'subscribe', id: 1, channel: 'book', symbols: [SYMBOL], depth: 10, interval: 100, cursor: {} },
    { op: 'subscribe', id: 2, channel: 'trade', symbols: [SYMBOL, 'B'], last: 5, priority: 1 },
    { op: 'unsubscribe', id: 3, channel: 'book', symbols: [SYMBOL] },
    { op: 'resync', id: 4, channel: 'book', symbols: [SYMBOL] },
    { op: 'instruments', id: 5, watch: true },
    { op: 'ping', id: 6 },
  ];

  test(`4,000 random and damaged messages in MessagePack, from seed ${SEED}`, async () => {
    const client = await TestClient.connect(gateway, 'msgpack');
    const random = new Random(SEED);
    for (let i = 0; i < 4_000; i++) {
      const bytes =
        i % 2 === 0 ? noise(random, 1 + random.below(200)) : damaged(random, packed(requests[(i % 6) | 0]!));
      client.socket.send(bytes);
      if (i % 500 === 0) {
        await witnesses.publish();
        await client.settled();
      }
    }
    const errors = (await client.settled()).filter((frame) => frame.type === 'error');
    expect(errors.length).toBeGreaterThan(100);
  });
  test(`4,000 random and damaged messages in JSON, from seed ${SEED}`, async () => {
    const client = await TestClient.connect(gateway, 'json');
    const random = new Random(SEED);
    for (let i = 0; i < 4_000; i++) {
      const text =
        i % 2 === 0 ? noise(random, 1 + random.below(200)).toString('latin1') : JSON.stringify(requests[i % 6]);
      client.socket.send(i % 2 === 0 ? text : damaged(random, Buffer.from(text)).toString('latin1'));
      if (i % 500 === 0) {
        await witnesses.publish();
        await client.settled();
      }
    }
    const errors = (await client.settled()).filter((frame) => frame.type === 'error');
    expect(errors.length).toBeGreaterThan(100);
  });
  test(`2,000 streams of random bytes where frames should be, from seed ${SEED}`, async () => {
    const random = new Random(SEED);
    for (let i = 0; i < 200; i++) {
      const raw = await RawSocket.upgraded(gateway);
      for (let k = 0; k < 10; k++) raw.write(noise(random, 1 + random.below(300)));
      raw.tcp.end();
      await raw.untilClosed();
      raw.end();
    }
  });
});

function noise(random: Random, bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, () => random.below(256)));
}

/** With some bytes changed, and sometimes cut. */
function damaged(random: Random, bytes: Buffer): Buffer {
  for (let times = 1 + random.below(3); times > 0; times--) bytes[random.below(bytes.length)] = random.below(256);
  return random.chance(0.2) ? bytes.subarray(0, 1 + random.below(bytes.length)) : bytes;
}

describe('MessagePack', () => {
  const EXTENSIONS: readonly (readonly [string, readonly number[]])[] = [
    ['fixext1', [0xd4, 1, 0]],
    ['fixext2', [0xd5, 1, 0, 0]],
    ['fixext4', [0xd6, 1, 0, 0, 0, 0]],
    ['fixext8', [0xd7, 1, ...repeated(8, 0)]],
    ['fixext16', [0xd8, 1, ...repeated(16, 0)]],
    ['ext8', [0xc7, 3, 1, 0, 0, 0]],
    ['ext16', [0xc8, 0, 3, 1, 0, 0, 0]],
    ['ext32', [0xc9, 0, 0, 0, 3, 1, 0, 0, 0]],
    ['an ext8 of nothing', [0xc7, 0, 1]],
    ['a timestamp of 32 bits', [0xd6, 0xff, 0x60, 0, 0, 0]],
    ['a timestamp of 64 bits', [0xd7, 0xff, ...repeated(8, 1)]],
    ['a timestamp of 96 bits', [0xc7, 12, 0xff, ...repeated(12, 1)]],
    ['a record definition', [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01]],
    ['a pointer', [0xd6, 0x70, 0, 0, 0, 1]],
    ['a set', [0xc7, 2, 0x73, 0x91, 0x01]],
    ['an error', [0xd4, 0x65, 0]],
    ['a regular expression', [0xd4, 0x78, 0]],
    ['a bigint', [0xc7, 9, 0x42, ...repeated(9, 0xff)]],
    ['a typed array', [0xc7, 5, 0x74, 5, 0, 0, 0, 0]],
    ['undefined', [0xd4, 0, 0]],
    ['bin8', [0xc4, 2, 0, 0]],
    ['bin16', [0xc5, 0, 2, 0, 0]],
    ['bin32', [0xc6, 0, 0, 0, 2, 0, 0]],
    ['the byte without a meaning', [0xc1]],
  ];
  const BOMBS: readonly (readonly [string, readonly number[]])[] = [
    ['an array32 of 2^32 - 1', [0xdd, 255, 255, 255, 255]],
    ['a map32 of 2^32 - 1', [0xdf, 255, 255, 255, 255]],
    ['a str32 of 2^32 - 1', [0xdb, 255, 255, 255, 255]],
    ['a bin32 of 2^32 - 1', [0xc6, 255, 255, 255, 255]],
    ['an ext32 of 2^32 - 1', [0xc9, 255, 255, 255, 255, 1]],
    ['an array16 of 65,535', [0xdc, 255, 255]],
    ['a map16 of 65,535', [0xde, 255, 255, 0xa1, 0x61]],
    ['arrays nested 10,000 deep', [...repeated(10_000, 0x91), 0xc0]],
    ['maps nested 10,000 deep', [...Array.from({ length: 10_000 }, () => [0x81, 0xa1, 0x61]).flat(), 0xc0]],
    ['arrays that claim each other', repeated(2_000, 0xdd)],
    ['map with a key that is an array', [0x81, 0x91, 0x01, 0x01]],
    ['a map with a key that is a number', [0x81, 0x01, 0x01]],
  ];

  test.each([...EXTENSIONS, ...BOMBS])('%s is refused, wherever it stands', async (_, bytes) => {
    const client = await TestClient.connect(gateway, 'msgpack');
    client.socket.send(Buffer.from(bytes));
    client.socket.send(packed({ op: 'ping', id: 0 }, ...bytes));
    client.socket.send(packed({ op: 'subscribe', id: 1, channel: 'book', symbols: [SYMBOL], depth: 0 }, ...bytes));
    client.socket.send(Buffer.concat([packed({ op: 'ping', id: 1 }), Buffer.from(bytes)]));
    expect(codesOf(await client.settled())).toEqual(repeated(4, 0).map(() => 'bad-frame'));
  });
  test.each([
    ['NaN', [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]],
    ['infinity', [0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]],
    ['minus infinity', [0xcb, 0xff, 0xf0, 0, 0, 0, 0, 0, 0]],
    ['NaN of 32 bits', [0xca, 0x7f, 0xc0, 0, 0]],
    ['2^64 - 1', [0xcf, ...repeated(8, 0xff)]],
    ['-2^63', [0xd3, 0x80, ...repeated(7, 0)]],
    ['a long string', [0xda, 0x0f, 0xff, ...repeated(0xfff, 0x41)]],
  ])('%s is no id, no depth, no interval and no cursor', async (_, bytes) => {
    const client = await TestClient.connect(gateway, 'msgpack');
    const subscribe = { op: 'subscribe', channel: 'book', symbols: [SYMBOL], id: 1 };
    client.socket.send(packed({ op: 'ping', id: 0 }, ...bytes));
    client.socket.send(packed({ ...subscribe, depth: 0 }, ...bytes));
    client.socket.send(packed({ ...subscribe, interval: 0 }, ...bytes));
    client.socket.send(packed({ ...subscribe, cursor: { [SYMBOL]: { epoch: 1, seq: 0 } } }, ...bytes));
    client.socket.send(packed({ ...subscribe, priority: 0 }, ...bytes));
    const codes = codesOf(await client.settled());
    expect(codes).toEqual(['bad-request', 'bad-depth', 'bad-interval', 'bad-request', 'bad-request']);
  });
});

describe('names of the prototype', () => {
  const KEYS = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__'];

  test.each(KEYS)('%s is no field and no op, in both codecs', async (key) => {
    for (const codec of ['json', 'msgpack'] as const) {
      const client = await TestClient.connect(gateway, codec);
      const fields = `"op":"subscribe","id":1,"channel":"book","symbols":["${SYMBOL}"],"${key}":{"depth":1}`;
      if (codec === 'json') client.socket.send(`{${fields}}`);
      else {
        const request = packed({ op: 'subscribe', id: 1, channel: 'book', symbols: [SYMBOL], replaced: {} });
        const name = new ByteWriter();
        name.string(key);
        const end = request.indexOf('replaced') - 1;
        client.socket.send(Buffer.concat([request.subarray(0, end), name.copy(), Buffer.from([0x80])]));
      }
      client.send({ op: key, id: 2 });
      expect(codesOf(await client.settled())).toEqual(['bad-request', 'unknown-op']);
    }
    expect(({} as { depth?: number }).depth).toBeUndefined();
  });
  test('a cursor for __proto__ changes nothing', async () => {
    const client = await TestClient.connect(gateway, 'json');
    const cursor = '{"__proto__":{"epoch":1,"seq":1}}';
    client.socket.send(`{"op":"subscribe","id":1,"channel":"book","symbols":["__proto__"],"cursor":${cursor}}`);
    expect((await client.next('ack')).refused).toMatchObject([{ symbol: '__proto__', code: 'unknown-symbol' }]);
    expect(({} as { seq?: number }).seq).toBeUndefined();
  });
});

describe('frames', () => {
  const ping = '{"op":"ping","id":5}';
  const pongOf = async (raw: RawSocket) => {
    const { payload } = await raw.messageWhere(({ payload: bytes }) => bytes.includes('"pong"'));
    return jsonCodec
      .decoder()
      .decode(payload)
      .find((frame) => frame.type === 'pong')!.id;
  };
  /** Either the connection is closed, or it still answers: nothing in between. */
  const closedOrServing = async (raw: RawSocket) => {
    raw.write(wsFrame(Opcode.text, ping));
    await pongOf(raw).catch((error: unknown) => {
      if (!raw.closed) throw error;
    });
  };

  test('text that is no UTF-8 is refused, by a code or a close', async () => {
    for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0x22, 0xf8, 0x22]]) {
      const raw = await RawSocket.upgraded(gateway);
      raw.write(wsFrame(Opcode.text, Uint8Array.from(bytes)));
      await closedOrServing(raw);
    }
  });
  test('an unmasked frame is validated like any other', async () => {
    const raw = await RawSocket.upgraded(gateway);
    for (let i = 0; i < 50; i++) raw.write(wsFrame(Opcode.text, ping.padEnd(30 + i), { mask: false }));
    await closedOrServing(raw);
  });
  test.each([3, 4, 5, 6, 7, 11, 12, 13, 14, 15])('the reserved opcode %i', async (opcode) => {
    const raw = await RawSocket.upgraded(gateway);
    raw.write(wsFrame(opcode, ping));
    await closedOrServing(raw);
  });
  test.each([1, 2, 4, 7])('reserved bits %i', async (rsv) => {
    const raw = await RawSocket.upgraded(gateway);
    raw.write(wsFrame(Opcode.text, ping, { rsv }));
    await closedOrServing(raw);
  });
  test('a message in fragments, with a ping between them, is one message', async () => {
    const raw = await RawSocket.upgraded(gateway);
    raw.write(wsFrame(Opcode.text, ping.slice(0, 4), { fin: false }));
    raw.write(wsFrame(Opcode.ping, 'between'));
    raw.write(wsFrame(Opcode.continuation, ping.slice(4, 9), { fin: false }));
    raw.write(wsFrame(Opcode.continuation, ''));
    await raw.messageWhere(({ opcode, payload }) => opcode === Opcode.pong && payload.toString() === 'between');
    const { payload } = await raw.messageWhere(({ payload: bytes }) => bytes.includes('bad-frame'));
    expect(payload.toString()).toContain('"id":null');
    raw.write(wsFrame(Opcode.text, ping.slice(0, 7), { fin: false }));
    raw.write(wsFrame(Opcode.continuation, ping.slice(7)));
    expect(await pongOf(raw)).toBe(5);
  });
  test('fragments over the limit end the connection', async () => {
    const raw = await RawSocket.upgraded(gateway);
    raw.write(wsFrame(Opcode.text, 'x', { fin: false }));
    for (let i = 0; i < 17; i++) raw.write(wsFrame(Opcode.continuation, Buffer.alloc(65_536, 0x20), { fin: false }));
    await raw.untilClosed();
  });
  test('fragments in an order that there is not', async () => {
    const orders = [
      [wsFrame(Opcode.continuation, ping)],
      [wsFrame(Opcode.text, ping, { fin: false }), wsFrame(Opcode.text, ping)],
      [wsFrame(Opcode.ping, ping, { fin: false })],
      [wsFrame(Opcode.text, ping, { fin: false }), wsFrame(Opcode.close, '')],
    ];
    for (const frames of orders) {
      const raw = await RawSocket.upgraded(gateway);
      for (const frame of frames) raw.write(frame);
      await closedOrServing(raw);
    }
  });
  test('a frame that claims more than there is', async () => {
    for (const claimedBytes of [2 ** 31, 2 ** 32, 2 ** 53 - 1, 65_536]) {
      const raw = await RawSocket.upgraded(gateway);
      raw.write(wsFrame(Opcode.text, ping, { claimedBytes }));
      raw.tcp.end();
      await raw.untilClosed();
    }
  });
  test('control frames that are too long, and closes that mean nothing', async () => {
    const frames = [
      wsFrame(Opcode.ping, Buffer.alloc(126)),
      wsFrame(Opcode.ping, Buffer.alloc(65_536)),
      wsFrame(Opcode.close, Buffer.from([3])),
      wsFrame(Opcode.close, Buffer.from([0, 0])),
      wsFrame(Opcode.close, Buffer.from([0x03, 0xed])),
      wsFrame(Opcode.close, Buffer.from([0x03, 0xe8, 0xff, 0xfe])),
      wsFrame(Opcode.pong, 'nobody asked'),
    ];
    for (const frame of frames) {
      const raw = await RawSocket.upgraded(gateway);
      raw.write(frame);
      await closedOrServing(raw);
    }
  });
  test('20,000 small pings end the connection that sends them, and nobody else notices', async () => {
    const raw = await RawSocket.upgraded(gateway);
    const many = Buffer.concat(Array.from({ length: 1_000 }, (_, i) => wsFrame(Opcode.ping, `${i}`)));
    for (let i = 0; i < 20; i++) {
      if (raw.tcp.writable) raw.write(many);
      await witnesses.publish();
    }
    const { payload } = await raw.messageWhere(({ opcode }) => opcode === Opcode.close);
    expect(payload.readUInt16BE(0)).toBe(4007);
  });
  test('a message full of requests is answered whole', async () => {
    const patient = startGateway({ requestsPerSecMax: 1_000_000 });
    const client = await TestClient.connect(patient, 'msgpack');
    client.send(...Array.from({ length: 4_000 }, (_, i) => ({ op: 'ping', id: i })));
    const frames = await client.takeUntil((frame) => frame.type === 'pong' && frame.id === 3_999, 'the last pong');
    expect(frames).toHaveLength(4_000);
    client.send(...Array.from({ length: 2_000 }, () => ({ op: 'instruments', id: 1 })));
    const listed = await client.settled();
    expect(listed.filter(({ type }) => type === 'ack')).toHaveLength(2_000);
  });
  test('requests over the rate are refused, with the limit, and who goes on regardless is closed', async () => {
    const strict = startGateway({ requestsPerSecMax: 2 });
    const client = await TestClient.connect(strict);
    const pings = (count: number) => client.send(...Array.from({ length: count }, (_, id) => ({ op: 'ping', id })));
    pings(25);
    const refused = await client.takeUntil((frame) => frame.type === 'error', 'a refusal');
    expect(refused.at(-1)).toMatchObject({ code: 'too-many-requests', id: refused.length - 1 });
    expect(refused.at(-1)).toHaveProperty('message', expect.stringContaining('at most 2 a second'));
    pings(50);
    expect(await client.closed).toEqual({ code: 4007, reason: 'flood' });
    expect(strict.connectionCount).toBe(0);
  });
  test('a client in MessagePack that was damaged midway is told, not served something else', async () => {
    const raw = await RawSocket.upgraded(gateway, SUBPROTOCOL_MSGPACK);
    raw.write(wsFrame(Opcode.binary, packed({ op: 'ping', id: 1 }).subarray(0, 5)));
    await raw.message();
    const [frame] = msgpackCodec.decoder().decode((await raw.message()).payload);
    expect(frame).toMatchObject({ type: 'error', id: null, code: 'bad-frame' });
  });
});

describe('HTTP', () => {
  const NONSENSE: readonly (readonly [string, string | Buffer])[] = [
    ['no HTTP at all', 'hello\r\n\r\n'],
    ['bytes', Buffer.from([0, 1, 2, 3, 255, 254, 13, 10, 13, 10])],
    ['TLS', Buffer.from('16030100f8010000f40303', 'hex')],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['HTTP/1.0', 'GET /v1/time HTTP/1.0\r\n\r\n'],
    ['no host', 'GET /v1/time HTTP/1.1\r\n\r\n'],
    ['a header without an end', `GET /v1/time HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(100_000)}`],
    ['2,000 headers', `GET /v1/time HTTP/1.1\r\nHost: localhost\r\n${'X: a\r\n'.repeat(2_000)}\r\n`],
    ['a negative length', 'POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n'],
    [
      'a length beyond all bounds',
      `POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${'9'.repeat(40)}\r\n\r\n`,
    ],
    ['two lengths', 'POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'],
    [
      'a length and chunks',
      'POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
    ],
    [
      'a chunk without a size',
      'POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
    ],
    ['a path of nothing', 'GET  HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a path of bytes', Buffer.from('GET /\xff\xfe%00%zz HTTP/1.1\r\nHost: localhost\r\n\r\n', 'latin1')],
  ];
  test.each(NONSENSE)('%s', async (_, request) => {
    const raw = await RawSocket.connect(gateway);
    raw.write(request);
    raw.tcp.end();
    await raw.untilClosed();
  });
  test('a body that never comes, and its client leaves', async () => {
    for (let i = 0; i < 50; i++) {
      const raw = await RawSocket.connect(gateway);
      raw.write('POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"type":');
      if (i % 2 === 0) raw.tcp.resetAndDestroy();
      else raw.tcp.end();
    }
  });
  test('200 half requests that stay open keep nobody else waiting', async () => {
    for (let i = 0; i < 200; i++) {
      const raw = await RawSocket.connect(gateway);
      raw.write(i % 2 === 0 ? 'GET /v1/time HTTP/1.1\r\nHost:' : handshake().slice(0, 60));
    }
  });
  test('requests in one packet are answered in order', async () => {
    const raw = await RawSocket.connect(gateway);
    const body = '{"type":"trade","symbol":"NOPE","price":"1","size":"1"}';
    raw.write(
      `POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}` +
        'GET /v1/time HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n',
    );
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await raw.response()).status);
    expect(statuses).toEqual([404, 200, 404]);
  });
});
