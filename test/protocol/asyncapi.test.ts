// Owns the proof that proto/asyncapi.yaml is valid and says what the code says, both ways, down to the golden vectors.

import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';
import Schema from 'typebox/schema';
import { beforeAll, describe, expect, test } from 'vitest';
import { ERRORS } from '../../src/protocol/errors.ts';
import {
  CHANNELS,
  DEPTHS,
  END_REASONS,
  FrameType,
  GAP_REASONS,
  GOODBYE_REASONS,
  HEAL_REASONS,
  HEALINGS,
  INSTRUMENT_ACTIONS,
  INTERVALS_MS,
  MODES,
  PACE_REASONS,
  PACES,
  RESET_REASONS,
  SIDES,
  STATUSES,
  SUBPROTOCOLS,
  TRADE_KINDS,
} from '../../src/protocol/frames.ts';
import { PUBLISH_STREAM_PATH, PUBLISHER_OPS } from '../../src/protocol/publishing.ts';
import { OPS } from '../../src/protocol/request.ts';
import { published } from './freeze.ts';
import {
  FRAME_FILES,
  type GoldenBadRequests,
  type GoldenFrames,
  type GoldenRequests,
  type GoldenSequence,
  golden,
} from './golden.ts';

interface Message {
  readonly tags: readonly { readonly name: string }[];
  readonly payload: object;
  readonly 'x-number'?: number;
}
interface Enumeration {
  readonly enum: readonly (string | number)[];
  readonly 'x-numbers'?: readonly number[];
}
interface Operation {
  readonly channel: { readonly address: string };
  readonly action: 'send' | 'receive';
  readonly messages: readonly object[];
  readonly reply?: { readonly messages: readonly object[] };
}
interface Document {
  readonly channels: {
    readonly stream: {
      readonly address: string;
      readonly messages: Record<string, object>;
      readonly bindings: unknown;
    };
    readonly publishers: { readonly address: string; readonly messages: Record<string, object> };
  };
  readonly operations: Record<string, Operation>;
  readonly components: { readonly messages: Record<string, Message>; readonly schemas: Record<string, Enumeration> };
}

let document: Document;
let problems: string[];

beforeAll(async () => {
  const parsed = await new Parser().parse(readFileSync(new URL('../../proto/asyncapi.yaml', import.meta.url), 'utf8'));
  // Severity 0 is an error, 1 a warning; a hint that there is a newer AsyncAPI is neither.
  problems = parsed.diagnostics
    .filter(({ severity }) => severity < 2)
    .map(({ message, path }) => `${path.join('.')}: ${message}`);
  document = parsed.document?.json() as unknown as Document;
});

const titleOf = (message: object): string => (message as { title: string }).title;
const requests = () =>
  Object.entries(document.components.messages).filter(([, { tags }]) => tags[0]?.name === 'request');
const frames = () =>
  Object.entries(document.components.messages).filter(([, { tags }]) =>
    ['control', 'data'].includes(tags[0]?.name ?? ''),
  );
/** Operations of subscribers, or of publishers. */
const operationsAt = (path: string) =>
  Object.values(document.operations).filter(({ channel }) => channel.address === path);

test('the document is valid AsyncAPI', () => {
  expect(problems).toEqual([]);
  expect(document.channels.stream.address).toBe('/v1/stream');
});

describe('the document says what the code says', () => {
  test('of operations', () => {
    expect(requests().map(([name]) => name)).toEqual(OPS);
    const received = (path: string) =>
      operationsAt(path).flatMap(({ action, messages }) => (action === 'receive' ? messages.map(titleOf) : []));
    expect(received('/v1/stream')).toEqual(OPS);
    expect(document.channels.publishers.address).toBe(PUBLISH_STREAM_PATH);
    expect(received(PUBLISH_STREAM_PATH)).toEqual(PUBLISHER_OPS);
  });
  test('of the fields of requests, and which are wanted', () => {
    const { schemas } = document.components;
    const payloads = [
      ...requests().map(([op, { payload }]) => [op, payload] as const),
      ['subscribe.cursor', schemas.cursor!] as const,
      ['resume.cursors', schemas.cursor!] as const,
    ];
    const documented = payloads.map(([name, payload]) => {
      const { properties, required } = payload as unknown as { properties: object; required: string[] };
      const fields = Object.keys(properties).filter((field) => field !== 'op');
      const wanted = fields.filter((field) => required.includes(field));
      return [name, { required: wanted, optional: fields.filter((field) => !wanted.includes(field)).sort() }] as const;
    });
    const operations = Object.entries(published().operations).map(
      ([name, { required, optional }]) => [name, { required, optional: [...optional].sort() }] as const,
    );
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(operations));
  });
  test('of frames and their numbers', () => {
    expect(Object.fromEntries(frames().map(([name, message]) => [name, message['x-number']]))).toEqual(FrameType);
    const sent = operationsAt('/v1/stream').flatMap(({ action, messages, reply }) => [
      ...(action === 'send' ? messages : []),
      ...(reply?.messages ?? []),
    ]);
    expect([...new Set(sent.map(titleOf))].sort()).toEqual(Object.keys(FrameType).sort());
  });
  test('of the channel, which carries all of them', () => {
    expect(Object.keys(document.channels.stream.messages).sort()).toEqual([...OPS, ...Object.keys(FrameType)].sort());
    for (const [name, message] of Object.entries(document.components.messages)) {
      const type = JSON.stringify(message.payload).match(/"(?:type|op)":\{"const":"(\w+)"/)?.[1];
      expect(type, name).toBe(titleOf(message));
    }
  });
  test('of enumerations and error codes', () => {
    const { schemas } = document.components;
    const lists = Object.entries(schemas).flatMap(([name, schema]) =>
      schema.enum === undefined ? [] : [[name, schema.enum] as const],
    );
    expect(Object.fromEntries(lists)).toEqual({
      channel: CHANNELS,
      mode: MODES,
      depth: DEPTHS,
      status: STATUSES,
      side: SIDES,
      tradeKind: TRADE_KINDS,
      resetReason: RESET_REASONS,
      gapReason: GAP_REASONS,
      endReason: END_REASONS,
      pace: PACES,
      paceReason: PACE_REASONS,
      goodbyeReason: GOODBYE_REASONS,
      healing: HEALINGS,
      healReason: HEAL_REASONS,
      instrumentAction: INSTRUMENT_ACTIONS,
      errorCode: Object.keys(ERRORS),
    });
    for (const schema of Object.values(schemas)) {
      if (schema['x-numbers'] !== undefined) expect(schema['x-numbers']).toEqual(schema.enum.map((_, index) => index));
    }
  });
  test('of intervals and subprotocols', () => {
    const text = JSON.stringify(document);
    expect(text).toContain(JSON.stringify(INTERVALS_MS));
    expect(JSON.stringify(document.channels.stream.bindings)).toContain(JSON.stringify(SUBPROTOCOLS));
  });
});

describe('the schemas take the golden vectors', () => {
  const checks = new Map<string, { Check(value: unknown): boolean }>();
  const fits = (name: string, value: unknown): boolean => {
    let check = checks.get(name);
    if (check === undefined) {
      check = Schema.Compile(document.components.messages[name]!.payload as Parameters<typeof Schema.Compile>[0]);
      checks.set(name, check);
    }
    return check.Check(value);
  };
  const objects = (json: string | undefined) =>
    (json ?? '').split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { type: string; op: string }]));

  test('of frames', () => {
    const whole = FRAME_FILES.filter((file) => file !== 'tolerated' && file !== 'integers');
    const texts = [
      ...whole.flatMap((file) => golden<GoldenFrames>(file).vectors.map(({ json }) => json)),
      ...golden<GoldenSequence>('book-sequences').vectors.flatMap(({ steps }) => steps.map(({ json }) => json)),
    ];
    const lines = texts.flatMap(objects);
    for (const line of lines) expect(fits(line.type, line), JSON.stringify(line)).toBe(true);
    expect(new Set(lines.map(({ type }) => type)).size).toBe(Object.keys(FrameType).length - 1);
  });
  test('of publishers', () => {
    const { messages } = document.channels.publishers;
    const seen = new Set<string>();
    const take = (name: string, value: unknown): void => {
      const { payload } = messages[name] as { payload: Parameters<typeof Schema.Compile>[0] };
      expect(Schema.Compile(payload).Check(value), JSON.stringify(value)).toBe(true);
      seen.add(name);
    };
    for (const { frames } of golden<GoldenFrames>('publisher-frames').vectors)
      for (const frame of frames) take(frame.type, frame);
    for (const { requests } of golden<GoldenRequests>('publisher-requests').vectors)
      for (const request of requests) take((request as { op: string }).op, request);
    // Titles are what is on the wire: `ping` and `pong` are not the subscribers' in MessagePack.
    expect([...seen].sort()).toEqual(Object.keys(messages).sort());
    expect(Object.values(messages).map(titleOf).sort()).toEqual(Object.keys(messages).sort());
  });
  test('of requests', () => {
    for (const { name, requests } of golden<GoldenRequests>('requests').vectors) {
      for (const request of requests) expect(fits((request as { op: string }).op, request), name).toBe(true);
    }
  });
  test('but not those of faulty requests', () => {
    let refused = 0;
    for (const { name, json, answers } of golden<GoldenBadRequests>('bad-requests').vectors) {
      if (json === undefined || answers.length !== 1 || answers[0]!.code === 'bad-frame') continue;
      const request = JSON.parse(json) as { op?: unknown } | null;
      const op = request?.op;
      if (typeof op !== 'string' || !OPS.includes(op)) continue;
      expect(fits(op, request), name).toBe(false);
      refused += 1;
    }
    expect(refused).toBeGreaterThan(20);
  });
  test('but not frames with a field less', () => {
    for (const { json } of golden<GoldenFrames>('control').vectors) {
      for (const line of objects(json)) {
        for (const field of Object.keys(line)) {
          const { [field as 'type']: _, ...rest } = line;
          expect(fits(line.type, rest), `${line.type} without ${field}`).toBe(false);
        }
      }
    }
  });
});
