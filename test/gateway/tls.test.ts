// Holds the public port over TLS: what is spoken there, certificates that change while clients connect and stay, pairs that do
// not fit, ports that are taken. Real servers, and real clients that trust the certificates of ./fixtures alone.

import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { readPair, type TlsPair } from '../../src/gateway/certificates.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { readSettings, type Settings } from '../../src/settings/settings.ts';
import { portOf } from './harness.ts';
import { closeDoors, openDoor } from './opendoor.ts';
import { endAll, handshake, RawSocket } from './rawsocket.ts';

type Name = 'first' | 'second';
const FIXTURES = join(import.meta.dirname, 'fixtures');
const certOf = (name: Name) => join(FIXTURES, `${name}-cert.pem`);
const keyOf = (name: Name) => join(FIXTURES, `${name}-key.pem`);
const CA = [readFileSync(certOf('first')), readFileSync(certOf('second'))];
const SUBJECTS = { first: 'CN=first.tickwire.test', second: 'CN=second.tickwire.test' };

let folder: string;
let files: { tlsCert: string; tlsKey: string; tlsPassphraseFile: string };
const gateways = new Set<Gateway>();
const clients = new Set<WebSocket>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tickwire-tls-'));
  files = { tlsCert: join(folder, 'cert.pem'), tlsKey: join(folder, 'key.pem'), tlsPassphraseFile: '' };
  put('first');
});
afterEach(() => {
  endAll();
  closeDoors();
  for (const client of clients) client.terminate();
  for (const gateway of gateways) gateway.stop();
  clients.clear();
  gateways.clear();
  rmSync(folder, { recursive: true });
});

/** Puts a pair into the place of the one before it, as tools that renew certificates do. */
function put(name: Name): void {
  for (const [from, to] of [
    [certOf(name), files.tlsCert],
    [keyOf(name), files.tlsKey],
  ] as const) {
    copyFileSync(from, `${to}.new`);
    renameSync(`${to}.new`, to);
  }
}

function start(overrides: Partial<Settings> = {}, logger = pino({ level: 'silent' })): Gateway {
  const gateway = new Gateway(readSettings({ port: 0, adminPort: 0, ...files, ...overrides }, {}), logger);
  gateways.add(gateway);
  gateway.start();
  return gateway;
}

function logTo(lines: Record<string, unknown>[]): pino.Logger {
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  return pino({ level: 'info' }, stream);
}

/** A TLS connection that is established; rejects where there is none. */
async function dial(port: number, versions: { minVersion?: SecureVersion; maxVersion?: SecureVersion } = {}) {
  const socket = connect({ port, host: '127.0.0.1', ca: CA, ciphers: 'DEFAULT@SECLEVEL=0', ...versions });
  await once(socket, 'secureConnect');
  return socket;
}

function subjectOf(socket: TLSSocket): string {
  return `CN=${String(socket.getPeerCertificate().subject.CN)}`;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** The certificate that a new connection sees. */
async function seen(gateway: Gateway): Promise<string> {
  const socket = await dial(portOf(gateway));
  const subject = subjectOf(socket);
  socket.destroy();
  return subject;
}

/** A request over a connection of its own. */
async function ask(gateway: Gateway, path: string): Promise<{ status: number; subject: string }> {
  const asked = get({ port: portOf(gateway), host: '127.0.0.1', path, ca: CA, agent: false });
  const [response] = (await once(asked, 'response')) as [import('node:http').IncomingMessage];
  const subject = subjectOf(response.socket as TLSSocket);
  response.resume();
  await once(response, 'end');
  return { status: response.statusCode!, subject };
}

/** A client that has its welcome. */
async function welcomed(gateway: Gateway): Promise<WebSocket> {
  const client = new WebSocket(gateway.streamUrl, { ca: CA });
  clients.add(client);
  const [message] = (await once(client, 'message')) as [Buffer];
  expect(message.toString()).toMatch(/^{"type":"welcome"/);
  return client;
}

async function isServed(client: WebSocket): Promise<void> {
  client.send('{"op":"ping","id":77}');
  for (;;) {
    const [message] = (await once(client, 'message')) as [Buffer];
    if (message.toString().includes('"pong"')) return;
  }
}

describe('the public port over TLS', () => {
  test('serves HTTP and WebSockets at https and wss', async () => {
    const gateway = start();
    expect([gateway.url, gateway.streamUrl]).toEqual([
      `https://127.0.0.1:${portOf(gateway)}`,
      `wss://127.0.0.1:${portOf(gateway)}/v1/stream`,
    ]);
    expect(gateway.adminUrl).toMatch(/^http:/);
    expect(await ask(gateway, '/v1/time')).toEqual({ status: 200, subject: SUBJECTS.first });
    await isServed(await welcomed(gateway));
  });
  test('a client is known to have come securely', async () => {
    const { port, peers } = openDoor({ tls: readPair(files) as TlsPair });
    const raw = RawSocket.over(await dial(port));
    raw.write(handshake());
    expect((await raw.response()).status).toBe(101);
    expect(peers).toMatchObject([{ address: '127.0.0.1', forwarded: false, secure: true }]);
  });
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s', async (version) => {
    const socket = await dial(portOf(start()), { minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
    socket.destroy();
  });
  test.each(['TLSv1', 'TLSv1.1'] as const)('does not speak %s', async (version) => {
    const port = portOf(start());
    await expect(dial(port, { minVersion: version, maxVersion: version })).rejects.toThrow(/protocol version/i);
  });
  test('a key may be encrypted; its passphrase lies in a file', async () => {
    const key = createPrivateKey(readFileSync(keyOf('first')));
    const passphrase = 'open, sesame';
    writeFileSync(files.tlsKey, key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }));
    files.tlsPassphraseFile = join(folder, 'passphrase');
    writeFileSync(files.tlsPassphraseFile, `${passphrase}\n`);
    expect(await seen(start())).toBe(SUBJECTS.first);
    writeFileSync(files.tlsPassphraseFile, 'guess');
    const fault = readPair(files);
    expect(fault).toMatch(/^tlsKey \(TICKWIRE_TLS_KEY\) .*key.pem can't be used: /);
    expect(fault).not.toContain('guess');
    expect(readPair({ ...files, tlsPassphraseFile: '' })).toMatch(/^tlsKey /);
  });
  test.each([
    ['a key of another certificate', () => copyFileSync(keyOf('second'), files.tlsKey), /^tlsKey .* is not the key of/],
    [
      'no certificate there',
      () => rmSync(files.tlsCert),
      /^tlsCert \(TICKWIRE_TLS_CERT\) .*cert.pem can't be used: ENOENT/,
    ],
    ['no key there', () => rmSync(files.tlsKey), /^tlsKey .* can't be used: ENOENT/],
    [
      'no passphrase there',
      () => (files.tlsPassphraseFile = '/nowhere/x'),
      /^tlsPassphraseFile .* can't be used: ENOENT/,
    ],
    ['what is no certificate', () => writeFileSync(files.tlsCert, 'x'), /^tlsCert .* can't be used: /],
    [
      'half of a certificate',
      () => writeFileSync(files.tlsCert, CA[0]!.subarray(0, 300)),
      /^tlsCert .* can't be used: /,
    ],
    ['what is no key', () => writeFileSync(files.tlsKey, '-----BEGIN PRIVATE KEY-----'), /^tlsKey .* can't be used: /],
    ['a folder', () => (files.tlsKey = folder), /^tlsKey .* can't be used: EISDIR/],
  ])('does not open with %s, and says so', (_, spoil, fault) => {
    spoil();
    expect(readPair(files)).toMatch(fault);
    expect(() => start()).toThrow("the settings can't work");
  });
  test('a port that is taken is an error, over TLS or not, on either side', async () => {
    const none = { tlsCert: '', tlsKey: '' };
    for (const [one, other] of [
      [{}, {}],
      [{}, none],
      [none, {}],
      [none, none],
    ] as const) {
      // A port by its number: of one that the system chose, nobody else could have a share anyway.
      const port = await freePort();
      start({ port, ...one });
      expect(() => start({ port, ...other })).toThrow(`127.0.0.1:${port} is taken`);
    }
  });
  test('plain HTTP there ends the connection, and harms nobody', async () => {
    const gateway = start();
    for (const bytes of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', handshake(), Buffer.alloc(20_000, 7)]) {
      const raw = await RawSocket.connect(gateway);
      raw.write(bytes);
      await raw.untilClosed();
      expect(raw.received.toString('latin1')).not.toContain('HTTP');
    }
    await isServed(await welcomed(gateway));
  });
  test('handshakes that break off anywhere leave nothing behind', async () => {
    const gateway = start();
    for (let i = 0; i < 200; i++) {
      const socket = connect({ port: portOf(gateway), host: '127.0.0.1', ca: CA });
      socket.on('error', () => {});
      if (i % 4 > 0) await once(socket, i % 4 === 1 ? 'connect' : 'secureConnect');
      if (i % 4 === 3) socket.write(handshake());
      socket.destroy();
    }
    const client = await welcomed(gateway);
    await expect.poll(() => gateway.connectionCount).toBe(1);
    await isServed(client);
  });
});

describe('a certificate that changes', () => {
  test('is seen by new clients, without one that is refused or lost, and old ones stay', async () => {
    const gateway = start();
    const old = await welcomed(gateway);
    let turn = 0;
    const came = { first: 0, second: 0 };
    const connecting = async (): Promise<void> => {
      while (turn < 10) {
        const { status, subject } = await ask(gateway, '/v1/time');
        expect(status).toBe(200);
        came[subject === SUBJECTS.first ? 'first' : 'second'] += 1;
        (await welcomed(gateway)).terminate();
      }
    };
    const all = Promise.all(Array.from({ length: 4 }, connecting));
    const stayed: WebSocket[] = [];
    for (; turn < 10; turn++) {
      const name = turn % 2 === 0 ? 'second' : 'first';
      put(name);
      // These wait in the kernel, to be accepted, while the certificate changes.
      const waiting = Array.from({ length: 5 }, () => ask(gateway, '/v1/time'));
      expect(gateway.reloadCertificates()).toBeNull();
      expect(await seen(gateway)).toBe(SUBJECTS[name]);
      for (const { status } of await Promise.all(waiting)) expect(status).toBe(200);
      stayed.push(await welcomed(gateway));
      await isServed(old);
    }
    await all;
    expect(came.first).toBeGreaterThan(0);
    expect(came.second).toBeGreaterThan(0);
    for (const client of stayed) await isServed(client);
    const ended = [old, ...stayed].map((client) => once(client, 'close'));
    gateway.stop();
    await Promise.all(ended);
  });
  test('is noticed by itself, and said in the log', async () => {
    const lines: Record<string, unknown>[] = [];
    const gateway = start({}, logTo(lines));
    put('second');
    await expect.poll(() => seen(gateway), { timeout: 30_000 }).toBe(SUBJECTS.second);
    const told = lines.filter(({ msg }) => String(msg).includes('certificate'));
    expect(told).toMatchObject([
      { msg: 'the certificate of the public port', subject: SUBJECTS.first, validTo: '2120-01-01T00:00:00.000Z' },
      { msg: 'took a new certificate', subject: SUBJECTS.second },
    ]);
  });
  test('to what does not fit is not taken; the log says why, and the old one serves on until it is mended', async () => {
    const lines: Record<string, unknown>[] = [];
    const gateway = start({}, logTo(lines));
    const client = await welcomed(gateway);
    for (const spoil of [
      () => copyFileSync(certOf('second'), files.tlsCert),
      () => writeFileSync(files.tlsCert, ''),
      () => rmSync(files.tlsCert),
    ]) {
      spoil();
      const fault = gateway.reloadCertificates();
      expect(fault).toMatch(/^tls(Key|Cert) \(TICKWIRE_TLS_/);
      expect(lines.at(-1)).toMatchObject({ level: 50, msg: 'kept the certificate as it was', reason: fault });
      expect(await seen(gateway)).toBe(SUBJECTS.first);
    }
    await isServed(client);
    put('second');
    await expect.poll(() => seen(gateway), { timeout: 30_000 }).toBe(SUBJECTS.second);
    await isServed(client);
    expect(JSON.stringify(lines)).not.toContain('PRIVATE');
  });
  test('and a port that is taken stays taken', async () => {
    const port = await freePort();
    const gateway = start({ port });
    put('second');
    expect(gateway.reloadCertificates()).toBeNull();
    expect(() => start({ port })).toThrow('is taken');
  });
  test('leaves no connection behind when the gateway ends, none that idles either', async () => {
    const gateway = start();
    const idle: RawSocket[] = [];
    for (const name of ['first', 'second', 'first'] as const) {
      put(name);
      expect(gateway.reloadCertificates()).toBeNull();
      const raw = RawSocket.over(await dial(portOf(gateway)));
      raw.write('GET /v1/time HTTP/1.1\r\nHost: x\r\n\r\n');
      expect((await raw.response()).status).toBe(200);
      idle.push(raw);
    }
    gateway.stop();
    expect(gateway.connectionCount).toBe(0);
    for (const raw of idle) raw.write('GET /v1/time HTTP/1.1\r\nHost: x\r\n\r\n');
    for (const raw of idle) {
      await raw.untilClosed();
      expect(raw.received).toHaveLength(0);
    }
  });
});

test('a gateway that stops while clients connect serves none of them any more', async () => {
  const gateway = start();
  const port = portOf(gateway);
  await seen(gateway);
  const late = Array.from({ length: 30 }, () => connect({ port, host: '127.0.0.1', ca: CA }));
  const ended = late.map(
    (socket) =>
      new Promise<void>((resolve) => {
        socket.on('error', () => {});
        socket.on('secureConnect', () => socket.write('GET /v1/time HTTP/1.1\r\nHost: x\r\n\r\n'));
        socket.on('data', (bytes) => expect(bytes.toString()).not.toContain('200 OK'));
        socket.on('close', () => resolve());
      }),
  );
  await Promise.race(late.map((socket) => once(socket, 'connect')));
  gateway.stop();
  await Promise.all(ended);
});
