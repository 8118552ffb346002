// Holds whose request it is: the socket's peer, or whom trusted proxies name, by X-Forwarded-For or the PROXY protocol, and that
// nothing that a client writes itself makes another address of it. On real servers and sockets; proxies are played by hand.

import { afterEach, describe, expect, test } from 'vitest';
import { addressOf, whence } from '../../src/gateway/address.ts';
import { HAS_IPV6 } from './harness.ts';
import { closeDoors, type Door, LARGE, openDoor, ranges } from './opendoor.ts';
import { endAll, handshake, RawSocket } from './rawsocket.ts';

afterEach(() => {
  endAll();
  closeDoors();
});

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** A header of the PROXY protocol 2: https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt, section 2.2. */
function proxyHeader(source: readonly number[], more = 0, local = false): Buffer {
  const isV4 = source.length === 4;
  const ports = [0x12, 0x34, 0x01, 0xbb];
  const body = local ? [] : [...source, ...source.map(() => 1), ...ports, ...Array<number>(more).fill(4)];
  const head = [local ? 0x20 : 0x21, local ? 0 : isV4 ? 0x11 : 0x21, body.length >> 8, body.length & 0xff];
  return Buffer.concat([SIGNATURE, Buffer.from([...head, ...body])]);
}

function get(path = '/', headers: readonly string[] = []): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`;
}

/** What is heard of one request on a connection of its own. */
async function heard(door: Door, headers: readonly string[], before: readonly Buffer[] = []): Promise<unknown> {
  const raw = await RawSocket.dial(door.port);
  raw.write(Buffer.concat([...before, Buffer.from(get('/', headers))]));
  const { body } = await raw.response();
  raw.end();
  return JSON.parse(body);
}

const itself = { address: '127.0.0.1', forwarded: false, secure: false };

describe('X-Forwarded-For', () => {
  test('of a peer that is not trusted is no more than a sign that it passes something on', async () => {
    for (const trusted of ['', '10.0.0.0/8, ::1']) {
      const door = openDoor({ trusted });
      expect(await heard(door, [])).toEqual(itself);
      expect(await heard(door, ['X-Forwarded-For: 192.0.2.1', 'X-Forwarded-Proto: https'])).toEqual({
        ...itself,
        forwarded: true,
      });
    }
  });
  test.each([
    ['the one address', ['192.0.2.1'], '192.0.2.1'],
    ['the last of several', ['8.8.8.8, 192.0.2.1'], '192.0.2.1'],
    ['the last that is not trusted', ['8.8.8.8, 192.0.2.1, 10.1.1.1, 127.0.0.1'], '192.0.2.1'],
    ['the first, where all are trusted', ['10.1.1.1, 10.2.2.2'], '10.1.1.1'],
    ['the last of several headers', ['8.8.8.8', '9.9.9.9, 192.0.2.1', '10.1.1.1'], '192.0.2.1'],
    ['an address with its port', ['192.0.2.1:5000'], '192.0.2.1'],
    ['IPv6, in its shortest form', ['2001:0DB8:0:0:0:0:0:1'], '2001:db8::1'],
    ['IPv6 in brackets, with its port', ['[2001:db8::1]:443'], '2001:db8::1'],
    ['IPv4 within IPv6', ['::ffff:192.0.2.1'], '192.0.2.1'],
    ['a trusted IPv4 within IPv6', ['192.0.2.1, ::ffff:10.0.0.1'], '192.0.2.1'],
    ['the last one before garbage', ['192.0.2.1, unknown, 10.1.1.1'], '10.1.1.1'],
    ['the proxy itself, behind garbage', ['192.0.2.1, 10.1.1.1, _hidden'], '127.0.0.1'],
    ['the proxy itself, where it says nothing', [''], '127.0.0.1'],
    ['the proxy itself, for a number too long', ['1.2.3.4567'], '127.0.0.1'],
    ['the proxy itself, for an address with a zone', ['fe80::1%eth0'], '127.0.0.1'],
  ])('of a trusted peer names %s', async (_, lines, address) => {
    const door = openDoor({ trusted: '127.0.0.1, 10.0.0.0/8' });
    const headers = lines.map((line) => `X-Forwarded-For: ${line}`);
    expect(await heard(door, headers)).toEqual({ address, forwarded: true, secure: false });
    const raw = await RawSocket.dial(door.port);
    raw.write(handshake().replace('\r\n\r\n', `\r\n${headers.join('\r\n')}\r\n\r\n`));
    expect((await raw.response()).status).toBe(101);
    expect(door.peers).toEqual([
      { address, origin: null, host: 'localhost', credential: null, forwarded: true, secure: false, codec: 'json' },
    ]);
  });
  test.each([
    ['https', true],
    ['http, https', true],
    ['https, http', false],
    ['httpsx', false],
  ])('the scheme that a trusted proxy adds last counts: %s', async (scheme, secure) => {
    const door = openDoor({ trusted: '127.0.0.1' });
    const headers = ['X-Forwarded-For: 192.0.2.1', `X-Forwarded-Proto: ${scheme}`];
    expect(await heard(door, headers)).toEqual({ address: '192.0.2.1', forwarded: true, secure });
  });
  test('of more proxies than anybody has ends with the sixteenth; the rest is not looked at', () => {
    const hops = Array.from({ length: 40 }, (_, i) => `10.0.0.${40 - i}`);
    const headers = [['x-forwarded-for', hops.join(',')]] as const;
    expect(whence({ socket: '10.9.9.9', proxied: '', headers }, ranges('10.0.0.0/8')).address).toBe('10.0.0.16');
  });
  test.skipIf(!HAS_IPV6)('an IPv6 peer is known by its shortest form, and trusted by its range', async () => {
    const door = openDoor({ trusted: '::/120', host: '::1' });
    const raw = await RawSocket.dial(door.port, '::1');
    raw.write(get());
    expect(JSON.parse((await raw.response()).body)).toEqual({ ...itself, address: '::1' });
    raw.write(get('/', ['X-Forwarded-For: 192.0.2.1']));
    expect(JSON.parse((await raw.response()).body)).toMatchObject({ address: '192.0.2.1' });
  });
  test.skipIf(!HAS_IPV6)('an IPv4 peer of a socket for both is known by IPv4, and trusted so', async () => {
    const door = openDoor({ trusted: '127.0.0.0/8', host: '::' });
    expect(await heard(door, [])).toEqual(itself);
    expect(await heard(door, ['X-Forwarded-For: 192.0.2.1'])).toMatchObject({ address: '192.0.2.1' });
  });
});

describe('the PROXY protocol 2', () => {
  const client = [192, 0, 2, 1];

  test('of a peer that is not trusted is no more than a sign that it passes something on', async () => {
    const door = openDoor({ trusted: '10.0.0.0/8' });
    expect(await heard(door, [], [proxyHeader(client)])).toEqual({ ...itself, forwarded: true });
  });
  test.each([
    ['IPv4', proxyHeader(client), '192.0.2.1'],
    ['IPv4, with a little more about it', proxyHeader(client, 24), '192.0.2.1'],
    ['IPv6', proxyHeader([0x20, 1, 0x0d, 0xb8, ...Array<number>(11).fill(0), 1]), '2001:db8::1'],
    ['IPv4 within IPv6', proxyHeader([...Array<number>(10).fill(0), 255, 255, 192, 0, 2, 1]), '192.0.2.1'],
  ])('of a trusted peer names the client: %s', async (_, header, address) => {
    const door = openDoor({ trusted: '127.0.0.1' });
    expect(await heard(door, [], [header])).toEqual({ address, forwarded: true, secure: false });
  });
  test('may come on its own, and in pieces', async () => {
    const door = openDoor({ trusted: '127.0.0.1' });
    const raw = await RawSocket.dial(door.port);
    raw.tcp.setNoDelay(true);
    for (const byte of proxyHeader(client)) raw.write(Buffer.of(byte));
    raw.write(handshake());
    expect((await raw.response()).status).toBe(101);
    expect(door.peers).toMatchObject([{ address: '192.0.2.1', forwarded: true }]);
  });
  test('of the proxy speaking for itself names nobody', async () => {
    expect(await heard(openDoor({ trusted: '127.0.0.1' }), [], [proxyHeader([], 0, true)])).toEqual(itself);
  });
  test('the headers of whom it names are his own invention, but for a proxy that is trusted too', async () => {
    const door = openDoor({ trusted: '127.0.0.1, 10.0.0.0/8' });
    const headers = ['X-Forwarded-For: 198.51.100.9', 'X-Forwarded-Proto: https'];
    const direct = { address: '192.0.2.1', forwarded: true, secure: false };
    expect(await heard(door, headers, [proxyHeader(client)])).toEqual(direct);
    const through = { address: '198.51.100.9', forwarded: true, secure: true };
    expect(await heard(door, headers, [proxyHeader([10, 0, 0, 7])])).toEqual(through);
  });

  const invented = proxyHeader([6, 6, 6, 6]);
  test('a client that sends a second header with its first request is not heard at all', async () => {
    const door = openDoor({ trusted: '127.0.0.1' });
    const raw = await RawSocket.dial(door.port);
    raw.write(Buffer.concat([proxyHeader(client), invented, Buffer.from(handshake())]));
    const other = await RawSocket.dial(door.port);
    other.write(Buffer.concat([proxyHeader(client), Buffer.from(handshake())]));
    expect((await other.response()).status).toBe(101);
    expect(raw.received).toHaveLength(0);
    expect(door.peers).toMatchObject([{ address: '192.0.2.1' }]);
  });
  test.each([
    ['a request', get()],
    ['an upgrade that is refused', handshake({}, '/v1/closed')],
    ['an upgrade of another version', handshake({ 'Sec-WebSocket-Version': '8' })],
  ])(
    'a connection that began with one ends behind its answer, so that no second one can follow: %s',
    async (_, first) => {
      const door = openDoor({ trusted: '127.0.0.1' });
      const raw = await RawSocket.dial(door.port);
      raw.write(Buffer.concat([proxyHeader(client), Buffer.from(first)]));
      await raw.untilClosed();
      expect(raw.received.toString()).toMatch(/^HTTP\/1.1 \d{3} .*\r\nConnection: close\r\n/s);
      const pipelined = await RawSocket.dial(door.port);
      pipelined.write(Buffer.concat([proxyHeader(client), Buffer.from(first), invented, Buffer.from(handshake())]));
      await pipelined.untilClosed();
      expect(pipelined.received.toString()).not.toContain('101 Switching');
      expect(door.peers).toEqual([]);
    },
  );
  test('one that does not read its answer, and goes on, is not heard either', async () => {
    const door = openDoor({ trusted: '127.0.0.1' });
    const raw = await RawSocket.dial(door.port);
    raw.tcp.pause();
    raw.write(Buffer.concat([proxyHeader(client), Buffer.from(get('/large'))]));
    // It has been answered once its answer fills the link.
    await expect.poll(() => raw.tcp.readableLength > 0 || raw.tcp.bytesRead > 0).toBe(true);
    raw.write(Buffer.concat([invented, Buffer.from(handshake())]));
    raw.tcp.resume();
    await raw.untilClosed();
    expect(raw.received.toString('latin1')).not.toContain('101 Switching');
    expect(door.peers).toEqual([]);
  });
  test('a large answer arrives whole before the connection ends', async () => {
    const door = openDoor({ trusted: '127.0.0.1' });
    const raw = await RawSocket.dial(door.port);
    raw.write(Buffer.concat([proxyHeader(client), Buffer.from(get('/large'))]));
    await raw.untilClosed();
    const [head, body] = raw.received.toString('latin1').split('\r\n\r\n');
    expect(head).toContain(`\r\nContent-Length: ${LARGE.length}`);
    expect(body).toHaveLength(LARGE.length);
  });
  test.each([
    ['one with more about it than two IPv6 addresses take', proxyHeader(client, 25)],
    ['one of another version', Buffer.concat([SIGNATURE, Buffer.from([0x31, 0x11, 0, 0])])],
    ['one with another signature', Buffer.from('\r\n\r\n\0\r\nQUIX\n    ', 'latin1')],
  ])('%s is not answered, and harms nobody', async (_, header) => {
    const door = openDoor({ trusted: '127.0.0.1' });
    const raw = await RawSocket.dial(door.port);
    raw.write(Buffer.concat([header, Buffer.from(get())]));
    expect(await heard(door, [])).toEqual(itself);
    expect(raw.received).toHaveLength(0);
  });
  test('version 1 is refused in words, from a trusted peer too', async () => {
    const raw = await RawSocket.dial(openDoor({ trusted: '127.0.0.1' }).port);
    raw.write(`PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${get()}`);
    await raw.untilClosed();
    expect(raw.received.toString()).toMatch(/^HTTP\/1.1 505 HTTP Version Not Supported\r\n/);
  });
});

describe('an address from its bytes', () => {
  test.each([
    ['', ''],
    ['7f000001', '127.0.0.1'],
    ['ffffffff', '255.255.255.255'],
    [`${'0'.repeat(30)}01`, '::1'],
    [`${'0'.repeat(20)}ffff7f000001`, '127.0.0.1'],
    ['20010db8000000000000000000000001', '2001:db8::1'],
    ['20010db80000000000000000', ''],
  ])('%s is %j', (hex, text) => {
    const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
    expect(addressOf(bytes.buffer)).toBe(text);
  });
});
