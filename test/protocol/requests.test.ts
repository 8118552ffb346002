// Owns the proof that requests are read as documented, that faulty ones get their code, and that nothing else comes out.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ERRORS, type Fault } from '../../src/protocol/errors.ts';
import { type BadRequest, readMessage, readRequest } from '../../src/protocol/request.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { bytesOf, type GoldenBadRequests, type GoldenRequests, golden, jsonBytes, utf8Of } from './golden.ts';

/** What the gateway makes of a message: its requests, or the answers to those that are faulty. */
function read(message: Uint8Array, binary: boolean): unknown[] {
  const values = readMessage(message, binary);
  return Array.isArray(values) ? values.map(readRequest) : [{ id: null, fault: values }];
}

describe('requests.json', () => {
  for (const { name, requests, msgpack, json } of golden<GoldenRequests>('requests').vectors) {
    test(`"${name}" is read from both codecs`, () => {
      expect(read(bytesOf(msgpack), true)).toEqual(requests);
      expect(read(utf8Of(json), false)).toEqual(requests);
    });
    test(`"${name}" is written byte for byte`, () => {
      const writer = new ByteWriter(8);
      for (const request of requests) writer.value(request);
      expect(Buffer.from(writer.copy()).toString('hex')).toBe(msgpack);
    });
  }
});

describe('bad-requests.json', () => {
  const answersOf = (message: Uint8Array, binary: boolean) =>
    read(message, binary).map((each) => {
      const { id, fault } = each as BadRequest;
      return { id, code: fault.code };
    });
  for (const { name, msgpack, answers, ...json } of golden<GoldenBadRequests>('bad-requests').vectors) {
    if (msgpack !== undefined) {
      test(`MessagePack with "${name}" gets its code`, () =>
        expect(answersOf(bytesOf(msgpack), true)).toEqual(answers));
    }
    const text = jsonBytes(json);
    if (text !== undefined)
      test(`JSON with "${name}" gets its code`, () => expect(answersOf(text, false)).toEqual(answers));
  }
});

test('a fault says which field is wrong and what was found there', () => {
  const shown = (request: object) => (readRequest(request) as BadRequest).fault.message;
  const good = { op: 'subscribe', id: 1, channel: 'book', symbols: ['X'] };
  expect(shown({ ...good, depth: '10' })).toMatch(/\(depth: "10"\)$/);
  expect(shown({ ...good, symbols: ['X', null] })).toMatch(/\(symbols\.1: null\)$/);
  expect(shown({ ...good, cursor: { X: { epoch: 1, seq: -1 } } })).toMatch(/\(cursor\.X\.seq: -1\)$/);
  expect(shown({ ...good, cursor: { 'a/b': { epoch: 1, seq: -1 } } })).toMatch(/seq: -1\)$/);
  expect(shown({ ...good, extra: 1 })).toMatch(/\(extra: 1\)$/);
  expect(shown({ op: 'subscribe', id: 1 })).toMatch(/channel/);
});

test('a ping with a topic but no seq for it is refused: what is held comes in pairs', () => {
  const { id, fault } = readRequest({ op: 'ping', id: 5, held: [7, 1_000, 9] }) as BadRequest;
  expect(id).toBe(5);
  expect(fault.code).toBe('bad-request');
  expect(fault.message).toMatch(/\(held: a topic without its seq\)$/);
});

describe('a secret is never sent back', () => {
  const SECRET = 'tw_desk-a_c2VjcmV0LXNlY3JldC1zZWNyZXQ';
  const requests: readonly object[] = [
    { op: 'auth', id: 1, credential: [SECRET] },
    { op: 'auth', id: 1, credential: { key: SECRET } },
    { op: 'auth', id: 1, credential: SECRET.repeat(300) },
    { op: 'auth', id: -1, credential: SECRET },
    { op: 'auth', id: 1, credentials: SECRET },
    { op: 'auth', id: 1, token: SECRET },
    { op: 'auth', id: 1, credential: SECRET, watch: SECRET },
    { op: 'auth', id: SECRET, credential: SECRET },
    { op: 'authenticate', id: 1, credential: SECRET },
    { op: 'subscribe', id: 1, channel: 'book', symbols: ['X'], credential: SECRET },
    { op: 'subscribe', id: 1, channel: 'book', symbols: ['X'], token: SECRET },
    { op: 'ping', id: 1, token: SECRET },
    { op: 'resume', id: 1, token: [SECRET] },
    { op: 'resume', id: 1, token: SECRET.repeat(300) },
    { op: 'resume', id: 1, tokens: SECRET },
    { op: 'resume', id: 1, credential: SECRET },
    { op: 'resume', id: 1, token: 't', subscriptions: SECRET },
    { op: 'resume', id: 1, token: 't', cursors: SECRET },
  ];
  test.each(requests)('of %j', (request) => {
    const answers = [
      ...(read(utf8Of(JSON.stringify(request)), false) as BadRequest[]),
      ...(read(utf8Of(JSON.stringify(request).slice(0, -1)), false) as BadRequest[]),
    ];
    const writer = new ByteWriter();
    writer.value(request);
    answers.push(...(read(writer.copy(), true) as BadRequest[]));
    answers.push(...(read(writer.copy().slice(0, -1), true) as BadRequest[]));
    expect(answers).toHaveLength(4);
    for (const { fault } of answers) {
      // Not even the beginning of it.
      expect(JSON.stringify(fault)).not.toContain(SECRET.slice(0, 8));
      expect(Object.keys(ERRORS)).toContain(fault.code);
    }
  });
  test('but what is wrong with it is said', () => {
    const shown = (request: object) => (readRequest(request) as BadRequest).fault.message;
    expect(shown({ op: 'auth', id: 1 })).toMatch(/credential/);
    expect(shown({ op: 'auth', id: 1, credential: '' })).toMatch(/\(credential: a text of 0 characters\)$/);
    expect(shown({ op: 'auth', id: 1, credential: 'x'.repeat(9_000) })).toMatch(/a text of 9000 characters\)$/);
    expect(shown({ op: 'auth', id: 1, credential: [] })).toMatch(/\(credential: a list\)$/);
    expect(shown({ op: 'resume', id: 1, token: null })).toMatch(/\(token: null\)$/);
  });
  test('and one of 8,192 characters is taken', () => {
    const request = { op: 'auth', id: 1, credential: 'x'.repeat(8_192) };
    expect(readRequest(request)).toBe(request);
  });
});

test('a fault stays short, however long the value is', () => {
  const request = { op: 'x'.repeat(100_000), id: 1 };
  expect((readRequest(request) as BadRequest).fault.message.length).toBeLessThan(200);
  const field = { op: 'ping', id: 1, ['f'.repeat(100_000)]: 'v'.repeat(100_000) };
  expect((readRequest(field) as BadRequest).fault.message.length).toBeLessThan(250);
});

test('whatever value comes in, it is a request or a fault of the catalogue', () => {
  const values = fc.oneof(
    fc.anything({ withBigInt: true, withNullPrototype: true }),
    fc.record(
      {
        op: fc.constantFrom(
          'subscribe',
          'unsubscribe',
          'resync',
          'instruments',
          'limit',
          'ping',
          'pong',
          'auth',
          'resume',
        ),
        id: fc.oneof(fc.maxSafeNat(), fc.anything()),
        channel: fc.oneof(fc.constantFrom('book', 'quote'), fc.anything()),
        symbols: fc.oneof(fc.array(fc.string()), fc.anything()),
        depth: fc.oneof(fc.constantFrom(0, 1, 5, 7), fc.anything()),
        interval: fc.oneof(fc.double(), fc.bigInt()),
        cursor: fc.dictionary(fc.string(), fc.anything()),
        maxBytesPerSec: fc.oneof(fc.nat(), fc.anything()),
        topOfBook: fc.oneof(fc.boolean(), fc.anything()),
        lagMs: fc.oneof(fc.maxSafeNat(), fc.anything()),
        held: fc.oneof(fc.array(fc.maxSafeNat()), fc.anything()),
        credential: fc.oneof(fc.string(), fc.anything()),
        token: fc.oneof(fc.string(), fc.anything()),
        subscriptions: fc.oneof(fc.boolean(), fc.anything()),
        cursors: fc.dictionary(fc.string(), fc.anything()),
      },
      { requiredKeys: ['op'] },
    ),
  );
  fc.assert(
    fc.property(values, (value) => {
      const answer = readRequest(value);
      if ('fault' in answer) {
        expect(Object.keys(ERRORS)).toContain(answer.fault.code);
        expect(answer.id === null || Number.isSafeInteger(answer.id)).toBe(true);
      } else {
        expect(answer).toBe(value);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('whatever bytes come in, they are values or a fault', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, binary) => {
      const values = readMessage(bytes, binary);
      if (Array.isArray(values)) expect(values.length).toBeGreaterThan(0);
      else expect((values as Fault).code).toBe('bad-frame');
    }),
    { numRuns: 5_000 },
  );
});
