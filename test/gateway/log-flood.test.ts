// Holds the log of a real gateway under a flood: thousands of clients that are refused make a handful of lines, and no hostile text that
// they bring gets into any.

import { once } from 'node:events';
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { Gateway } from '../../src/gateway/gateway.ts';
import { openLogger } from '../../src/gateway/log.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { portOf } from './harness.ts';

const FLOOD = 5_000;
const AT_ONCE = 250;
const HANDSHAKE = [
  'GET /v1/stream HTTP/1.1',
  'Host: gateway.example',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  'Origin: https://evil.example/","event":"gateway.stopped"',
  '\r\n',
].join('\r\n');

test(`a flood of ${FLOOD} refused connects makes a handful of lines, which say how many there were`, async () => {
  const lines: string[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      lines.push(chunk);
      done();
    },
  });
  const logger = openLogger('info', { version: '1', nodeId: 'a' }, stream);
  const gateway = new Gateway(readSettings({ port: 0, adminPort: 0 }, {}), logger);
  gateway.start();
  onTestFinished(() => gateway.stop());
  const beganMs = performance.now();
  for (let done = 0; done < FLOOD; done += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        const tcp = connect(portOf(gateway), '127.0.0.1', () => tcp.write(HANDSHAKE));
        tcp.on('error', () => {});
        await once(tcp, 'data');
        tcp.destroy();
      }),
    );
  }
  const seconds = Math.ceil((performance.now() - beganMs) / 1_000) + 1;
  gateway.stop();
  expect(gateway.refusals['bad-origin']).toBe(FLOOD);
  const told = lines.map((line) => JSON.parse(line) as { event: string; omitted?: Record<string, number> });
  const refused = told.filter(({ event }) => event === 'client.refused').length;
  const omitted = told.reduce((sum, line) => sum + (line.omitted?.['client.refused bad-origin'] ?? 0), 0);
  expect(refused + omitted).toBe(FLOOD);
  expect(refused).toBeLessThanOrEqual(20 * seconds);
  expect(lines.length).toBeLessThanOrEqual(22 * seconds + 5);
  expect(told.filter(({ event }) => event === 'gateway.stopped')).toHaveLength(1);
});
