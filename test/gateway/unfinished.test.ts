// Holds that a connection which begins something and does not go on is ended: partial requests, headers and bodies that drip,
// TLS handshakes that never end. On raw sockets; the library's clock for it is about ten seconds.

import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { readPair, type TlsPair } from '../../src/gateway/certificates.ts';
import { closeDoors, openDoor } from './opendoor.ts';
import { handshake } from './rawsocket.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures');
const PAIR = readPair({
  tlsCert: join(FIXTURES, 'first-cert.pem'),
  tlsKey: join(FIXTURES, 'first-key.pem'),
  tlsPassphraseFile: '',
}) as TlsPair;

afterEach(closeDoors);

/** Resolves once the server has ended it, though the client sends a little now and then. */
async function untilEnded(port: number, begin: Uint8Array | string, drip = ''): Promise<void> {
  const tcp = connect(port, '127.0.0.1');
  tcp.on('error', () => {});
  await once(tcp, 'connect');
  tcp.resume();
  tcp.write(begin);
  let sent = 0;
  const timer = setInterval(() => {
    if (sent < drip.length) tcp.write(drip[sent++]!);
  }, 1_000);
  await once(tcp, 'close');
  clearInterval(timer);
}
test('a connection that does not go on is ended within seconds, however far it came, over TLS too', {
  timeout: 120_000,
}, async () => {
  const plain = openDoor().port;
  const secure = openDoor({ tls: PAIR }).port;
  const whole = handshake();
  // A record of TLS that is longer than what comes of it.
  const hello = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);
  await Promise.all([
    untilEnded(plain, ''),
    untilEnded(plain, 'GET /v1/st'),
    untilEnded(plain, whole.slice(0, -2)),
    untilEnded(plain, 'GET / HTTP/1.1\r\nHost: x\r\nX: ', 'y'.repeat(100)),
    untilEnded(plain, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n', 'z'.repeat(100)),
    untilEnded(plain, '\r\n\r\n\0\r\nQUIT\n'),
    untilEnded(secure, ''),
    untilEnded(secure, hello),
    untilEnded(secure, hello, '\0'.repeat(100)),
  ]);
  expect((await fetch(`http://127.0.0.1:${plain}/`)).status).toBe(200);
});
