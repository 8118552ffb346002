// Owns what version 1 has published, as the code has it now, and the comparison with proto/frozen.json, which records it.
// Run by hand, `npx tsx test/protocol/freeze.ts`, it adds to the record what is new; frozen.test.ts holds the code to it.
// Invariant: positions, numbers and required fields are found by trying the codecs and the reader, not copied from a list.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DecodeError } from '../../src/protocol/codec.ts';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import { CloseCode, ERRORS } from '../../src/protocol/errors.ts';
import {
  CHANNELS,
  DEPTHS,
  END_REASONS,
  type Frame,
  GAP_REASONS,
  GOODBYE_REASONS,
  HEAL_REASONS,
  HEALINGS,
  INSTRUMENT_ACTIONS,
  INTERVALS_MS,
  MODES,
  PACE_REASONS,
  PACES,
  PROTOCOL_VERSION,
  RESET_REASONS,
  SIDES,
  STATUSES,
  SUBPROTOCOLS,
  TRADE_KINDS,
} from '../../src/protocol/frames.ts';
import { OPS, readRequest } from '../../src/protocol/request.ts';
import { unpackAll } from '../../src/protocol/unpack.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { type GoldenHash, type GoldenRequests, golden } from './golden.ts';
import { pack, type Value } from './vectors-encoding.ts';

/** Names by position in MessagePack, from position 1 on, and by name in JSON. */
interface Fields {
  msgpack: string[];
  json: string[];
}
interface Operation {
  required: string[];
  optional: string[];
}
export interface Published {
  version: string;
  subprotocols: string[];
  frames: Record<string, Fields & { number: number }>;
  /** Lists of fields within a frame, by frame and field; here positions begin with 0. */
  entries: Record<string, Fields>;
  /** Names with their numbers on the wire; `grows`: a client reads an unknown one as `other`. */
  lists: Record<string, { grows: boolean; numbers: Record<string, number> }>;
  /** Values that are the same in both codecs. */
  values: Record<string, (string | number)[]>;
  operations: Record<string, Operation>;
  /** Error codes with their HTTP status. */
  errors: Record<string, number>;
  closeCodes: Record<string, number>;
  /** Hashes by file and name. */
  vectors: Record<string, Record<string, string>>;
}

const FILE = new URL('../../proto/frozen.json', import.meta.url);
const ABOUT =
  'What version 1 has published. Recorded by test/protocol/freeze.ts; what stands here is never changed or taken out.';

/** Numbers from here on, and names that begin with `x-`, are never given to anything: clients are tested with them. */
const UNGIVEN_FROM = 120;

// ---- Frames ----

const STAMP = {
  topic: 1_001,
  fromSeq: 1_002,
  seq: 1_010,
  exchangeUs: 1_700_000_000_000_000,
  publishUs: 1_700_000_000_000_100,
  gatewayUs: 1_700_000_000_001_100,
};
const SCALES = { priceScale: 7, sizeScale: 9, tickSize: 1_003, lotSize: 1_004 };
const LEVELS = { stride: 3, bids: [11, 12, 13], asks: [14, 15, 16] };

/** One frame of each type: no two of its fields have the same value, none is left out. */
const SAMPLES: { readonly [T in Frame['type']]: Extract<Frame, { type: T }> } = {
  welcome: {
    type: 'welcome',
    version: 'v',
    server: 's',
    session: 'n',
    timeUs: 1_001,
    limits: {
      requestBytes: 21,
      symbolsPerRequest: 22,
      subscriptions: 23,
      heartbeatMs: 24,
      ageMsMax: 25,
      stallMsMax: 26,
      silentMs: 27,
      requestsPerSec: 28,
    },
  },
  ack: {
    type: 'ack',
    id: 1_001,
    op: 'o',
    accepted: [{ symbol: 'S', topic: 31, depth: 32, intervalMs: 33, mode: 'raw' }],
    refused: [{ symbol: 'S', code: 'c', message: 'm', action: 'a' }],
  },
  error: { type: 'error', id: 1_001, code: 'c', message: 'm', action: 'a' },
  pong: { type: 'pong', id: 1_001, timeUs: 1_002 },
  heartbeat: { type: 'heartbeat', timeUs: 1_001, roundTripMs: 1_002, lagMs: 1_003 },
  pace: { type: 'pace', pace: 'slower', priority: 1_001, intervalMs: 1_002, reason: 'budget' },
  refused: { type: 'refused', code: 'c', message: 'm', action: 'a', retryAfterMs: 1_001 },
  goodbye: { type: 'goodbye', reason: 'drain', reconnectMs: 1_001, closeMs: 1_002 },
  token: { type: 'token', token: 't', lifeMs: 1_001 },
  identity: { type: 'identity', principal: 'p', untilUs: 1_001 },
  time: { type: 'time', timeUs: STAMP.gatewayUs },
  topic: {
    type: 'topic',
    topic: 1_001,
    channel: 'book',
    symbol: 'S',
    epoch: 1_002,
    stride: 3,
    ...SCALES,
    group: 1_009,
  },
  book: { type: 'book', ...STAMP, depth: 1_003, checksum: 1_004, parts: 1_005, ...LEVELS },
  part: { type: 'part', topic: 1_001, fromSeq: 1_002, seq: 1_010, depth: 1_003, index: 1_004, count: 1_005, ...LEVELS },
  quote: { type: 'quote', ...STAMP, bidPrice: 1_003, bidSize: 1_004, askPrice: 1_005, askSize: 1_006 },
  trade: { type: 'trade', ...STAMP, id: 1_003, kind: 'bust', side: 'buy', price: 1_004, size: 1_005 },
  status: { type: 'status', ...STAMP, status: 'halted', reason: 'r' },
  health: { type: 'health', topic: 1_001, status: 'stale', ageMs: 1_002 },
  gap: { type: 'gap', topic: 1_001, firstSeq: 1_002, lastSeq: 1_003, reason: 'bus' },
  reset: { type: 'reset', topic: 1_001, seq: 1_002, reason: 'gap' },
  end: { type: 'end', topic: 1_001, reason: 'revoked' },
  instrument: { type: 'instrument', action: 'delisted', symbol: 'S', ...SCALES },
  healed: { type: 'healed', topic: 1_001, how: 'diffed', why: 'epoch' },
};

/** Lists whose entries are numbers in MessagePack, and fields that they occur in. */
const LISTS: Readonly<Record<string, readonly [readonly string[], Frame['type'], string][]>> = {
  statuses: [
    [STATUSES, 'status', 'status'],
    [STATUSES, 'health', 'status'],
  ],
  'reset reasons': [[RESET_REASONS, 'reset', 'reason']],
  'gap reasons': [[GAP_REASONS, 'gap', 'reason']],
  'end reasons': [[END_REASONS, 'end', 'reason']],
  paces: [[PACES, 'pace', 'pace']],
  'pace reasons': [[PACE_REASONS, 'pace', 'reason']],
  'goodbye reasons': [[GOODBYE_REASONS, 'goodbye', 'reason']],
  healings: [[HEALINGS, 'healed', 'how']],
  'heal reasons': [[HEAL_REASONS, 'healed', 'why']],
  sides: [[SIDES, 'trade', 'side']],
  'trade kinds': [[TRADE_KINDS, 'trade', 'kind']],
  'instrument actions': [[INSTRUMENT_ACTIONS, 'instrument', 'action']],
};

type Values = Readonly<Record<string, unknown>>;
const TOPIC = { channel: 'book', symbol: 'S', priceScale: 7, sizeScale: 9, stride: 3 } as const;

function packed(frame: Values): readonly unknown[] {
  const writer = new ByteWriter();
  msgpackCodec.encode(writer, frame as unknown as Frame, TOPIC);
  return unpackAll(writer.copy())[0] as unknown[];
}

/** Which field each element of an array carries, told by its value. */
export function namesOf(elements: readonly unknown[], fields: Values): string[] {
  const key = (value: unknown) => JSON.stringify(value);
  // The order within a nested list is looked at by itself.
  const sorted = (value: unknown): unknown =>
    typeof value === 'object' && value !== null ? Object.values(value).map(sorted).map(key).sort() : value;
  const names = new Map<string, string>();
  for (const [name, value] of Object.entries(fields)) {
    if (names.has(key(sorted(value)))) throw new RangeError(`the sample has the value of ${name} twice`);
    names.set(key(sorted(value)), name);
  }
  return elements.map((element, position) => {
    const name = names.get(key(sorted(element)));
    if (name === undefined) throw new RangeError(`element ${position} is ${key(element)}, which is no field's`);
    return name;
  });
}

/** The fields of a sample as MessagePack has them: spans and lags in place of sequences and times. */
function asNumbers(sample: Frame): Record<string, unknown> {
  const { type: _, ...fields } = sample as unknown as Record<string, unknown> & { type: string };
  if ('fromSeq' in sample) fields.span = sample.seq - sample.fromSeq;
  if ('gatewayUs' in sample) {
    fields.publishLag = sample.gatewayUs - sample.publishUs;
    fields.exchangeLag = sample.publishUs - sample.exchangeUs!;
  }
  return fields;
}

/** Fields of a frame that stand for a name of a list, with the place that another name changes; where there is one name, that of its 0. */
function listPlaces(type: Frame['type']): [field: string, position: number][] {
  return Object.values(LISTS)
    .flat()
    .filter((place) => place[1] === type)
    .map(([names, , field]) => {
      const [one, other] = names.map((name) => packed({ ...SAMPLES[type], [field]: name }));
      const place = (element: unknown, position: number) =>
        other === undefined ? element === 0 : element !== other[position];
      return [field, one!.findIndex(place)];
    });
}

function jsonOf(sample: Frame): Values {
  const writer = new ByteWriter();
  jsonCodec.encode(writer, sample, TOPIC);
  return JSON.parse(new TextDecoder().decode(writer.copy())) as Values;
}

function publishedFrames(): Published['frames'] {
  return Object.fromEntries(
    Object.values(SAMPLES).map((sample) => {
      const elements = [...packed(sample as unknown as Values)];
      const fields = asNumbers(sample);
      for (const [field, position] of listPlaces(sample.type)) {
        fields[field] = `the list of ${field}`;
        elements[position] = fields[field];
      }
      const [number, ...rest] = elements;
      const json = sample.type === 'time' ? [] : Object.keys(jsonOf(sample));
      return [sample.type, { number: number as number, msgpack: namesOf(rest, fields), json }];
    }),
  );
}

function publishedEntries(): Published['entries'] {
  const entry = (frame: Frame, position: number, field: string): Fields => {
    const first = (value: unknown) => (Array.isArray(value) ? (value[0] as unknown) : value);
    const element = packed(frame as unknown as Values)[position] as unknown[];
    const elements = Array.isArray(element[0]) ? element[0] : element;
    const fields = first((frame as unknown as Values)[field]) as Values;
    return { msgpack: namesOf(elements, fields), json: Object.keys(first(jsonOf(frame)[field]) as Values) };
  };
  return {
    'welcome.limits': entry(SAMPLES.welcome, 5, 'limits'),
    'ack.accepted': entry(SAMPLES.ack, 3, 'accepted'),
    'ack.refused': entry(SAMPLES.ack, 4, 'refused'),
  };
}

function publishedLists(frames: Published['frames']): Published['lists'] {
  const numbersIn = ([names, type, field]: (typeof LISTS)[string][number]) => {
    const position = 1 + frames[type]!.msgpack.indexOf(field);
    const numbers = names.map((name) => [name, packed({ ...SAMPLES[type], [field]: name })[position] as number]);
    return { grows: grows(type, position, field), numbers: Object.fromEntries(numbers) as Record<string, number> };
  };
  return Object.fromEntries(
    Object.entries(LISTS).map(([list, places]) => {
      const [first, ...others] = places.map(numbersIn);
      if (others.some((other) => canonical(other) !== canonical(first))) throw new RangeError(`${list} differ`);
      return [list, first!];
    }),
  );
}

/** What a decoder makes of a number that has no name. */
function grows(type: Frame['type'], position: number, field: string): boolean {
  const elements = [...packed(SAMPLES[type] as unknown as Values)];
  elements[position] = UNGIVEN_FROM;
  const topic = packed({ ...SAMPLES.topic, topic: 1_001 });
  const message = [topic, packed(SAMPLES.time as unknown as Values), elements].flatMap((each) => pack(each as Value));
  try {
    const frame = msgpackCodec.decoder().decode(Uint8Array.from(message))[2] as unknown as Values;
    return frame[field] === 'other';
  } catch (error) {
    if (error instanceof DecodeError) return false;
    throw error;
  }
}

// ---- Requests ----

/**
 * Which fields a request takes, and which it wants. `known` has a value for each that there may be.
 * @returns undefined where a request with all of them is refused: it wants one more.
 */
export function operationOf(takes: (fields: Values) => boolean, known: Values): Operation | undefined {
  if (!takes(known)) return undefined;
  const without = (field: string) => Object.fromEntries(Object.entries(known).filter(([name]) => name !== field));
  const required = Object.keys(known).filter((field) => !takes(without(field)));
  return { required, optional: Object.keys(known).filter((field) => !required.includes(field)) };
}

const isTaken = (request: unknown): boolean => !('fault' in readRequest(request));

function publishedOperations(): Published['operations'] {
  const requests = golden<GoldenRequests>('requests').vectors.flatMap((vector) => vector.requests as Values[]);
  /** All fields of all golden requests of an operation. */
  const known = (op: string) => Object.assign({}, ...requests.filter((request) => request.op === op)) as Values;
  const operations: Record<string, Operation | undefined> = {};
  for (const op of OPS) {
    const { op: _, ...fields } = known(op);
    operations[op] = operationOf((each) => isTaken({ op, ...each }), fields);
  }
  const takesCursor = (cursor: Values) => isTaken({ ...known('subscribe'), cursor: { X: cursor } });
  operations['subscribe.cursor'] = operationOf(takesCursor, { epoch: 1, seq: 1, depth: 1 });
  const takesNamed = (cursor: Values) => isTaken({ ...known('resume'), cursors: { X: cursor } });
  operations['resume.cursors'] = operationOf(takesNamed, { epoch: 1, seq: 1, depth: 1 });
  // What has no golden request yet is not published yet.
  return Object.fromEntries(
    Object.entries(operations).filter(([, each]) => each !== undefined),
  ) as Published['operations'];
}

// ---- Vectors ----

/** Files of what does not change as the version grows. `tolerated` is about what is not known yet. */
const VECTOR_FILES = [
  'control',
  'topic',
  'book',
  'quote',
  'trade',
  'status',
  'integers',
  'messages',
  'book-sequences',
  'malformed',
  'checksums',
  'requests',
  'bad-requests',
  'publisher-frames',
  'publisher-requests',
];
/** A later gateway may take a request that is refused today. */
const MAY_GO = 'bad-requests';

/** JSON in which the order of keys means nothing. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join()}}`;
}

/** Of all that a vector says but its sentences, and whether an encoder must still write it. */
export function hashOf(vector: object): string {
  const bare = JSON.parse(
    JSON.stringify(vector, (key, value: unknown) => (key === 'says' || key === 'decodeOnly' ? undefined : value)),
  ) as unknown;
  return createHash('sha256').update(canonical(bare)).digest('hex').slice(0, 16);
}

function nameOf(vector: { readonly name?: string } & Partial<GoldenHash>): string {
  return vector.name ?? `${vector.side} of ${vector.size} at ${vector.price}`;
}

function publishedVectors(): Published['vectors'] {
  return Object.fromEntries(
    VECTOR_FILES.map((file) => {
      const { vectors } = golden<{ name?: string }>(file);
      return [file, Object.fromEntries(vectors.map((vector) => [nameOf(vector), hashOf(vector)]))];
    }),
  );
}

// ---- All of it ----

/** What the code and the vectors publish now. */
export function published(): Published {
  const frames = publishedFrames();
  return {
    version: PROTOCOL_VERSION,
    subprotocols: [...SUBPROTOCOLS],
    frames,
    entries: publishedEntries(),
    lists: publishedLists(frames),
    values: { channels: [...CHANNELS], modes: [...MODES], depths: [...DEPTHS], intervals: [...INTERVALS_MS] },
    operations: publishedOperations(),
    errors: Object.fromEntries(Object.entries(ERRORS).map(([code, { http }]) => [code, http])),
    closeCodes: { ...CloseCode },
    vectors: publishedVectors(),
  };
}

/** What was published before: the file of the record. */
export function recorded(): Published {
  const { about: _, ...record } = JSON.parse(readFileSync(FILE, 'utf8')) as Published & { about: string };
  return record;
}

/** What of the record is not so any more, and what is new but may not be. */
export function faults(record: Published, now: Published): string[] {
  return [
    ...(now.version === record.version ? [] : [`the version is ${now.version}, not ${record.version}`]),
    ...missing('subprotocol', record.subprotocols, now.subprotocols),
    ...Object.entries(record.frames).flatMap(([type, frame]) => frameFaults(type, frame, now.frames[type])),
    ...Object.entries(record.entries).flatMap(([name, entry]) => fieldFaults(name, entry, now.entries[name])),
    ...Object.entries(record.lists).flatMap(([list, names]) => listFaults(list, names, now.lists[list])),
    ...Object.entries(record.values).flatMap(([list, values]) => missing(list, values, now.values[list] ?? [])),
    ...Object.entries(record.operations).flatMap(([op, fields]) => operationFaults(op, fields, now.operations[op])),
    ...changes('error code', record.errors, now.errors),
    ...changes('close code', record.closeCodes, now.closeCodes),
    ...Object.entries(record.vectors).flatMap(([file, hashes]) => vectorFaults(file, hashes, now.vectors[file])),
    ...misgiven('frame', Object.fromEntries(Object.entries(now.frames).map(([type, { number }]) => [type, number]))),
    ...Object.entries(now.lists).flatMap(([list, { numbers }]) => misgiven(list, numbers)),
    ...twice('close code', now.closeCodes),
  ];
}

function missing(what: string, before: readonly unknown[], now: readonly unknown[]): string[] {
  return before.filter((each) => !now.includes(each)).map((each) => `${what} ${each} is gone`);
}

function changes(what: string, before: Readonly<Record<string, number>>, now: Readonly<Record<string, number>>) {
  return Object.entries(before).flatMap(([name, number]) =>
    now[name] === number ? [] : [`${what} ${name} is ${now[name] ?? 'gone'}, not ${number}`],
  );
}

function frameFaults(type: string, before: Published['frames'][string], now?: Published['frames'][string]): string[] {
  if (now === undefined) return [`frame ${type} is gone`];
  const number = now.number === before.number ? [] : [`frame ${type} has number ${now.number}, not ${before.number}`];
  return [...number, ...fieldFaults(type, before, now)];
}

function fieldFaults(name: string, before: Fields, now?: Fields): string[] {
  if (now === undefined) return [`${name} is gone`];
  const moved = before.msgpack.flatMap((field, i) =>
    now.msgpack[i] === field ? [] : [`${name} has ${now.msgpack[i] ?? 'nothing'} in the place of ${field}`],
  );
  return [...moved, ...missing(`JSON of ${name}: field`, before.json, now.json)];
}

type List = Published['lists'][string];

function listFaults(list: string, before: List, now?: List): string[] {
  if (now === undefined) return [`the list of ${list} is gone`];
  const rule = now.grows === before.grows ? [] : [`the list of ${list} ${now.grows ? 'grows' : 'does not grow'} now`];
  const added = before.grows ? [] : Object.keys(now.numbers).filter((name) => !Object.hasOwn(before.numbers, name));
  return [
    ...rule,
    ...added.map((name) => `${name} is new in ${list}, a list that does not grow`),
    ...changes(list, before.numbers, now.numbers),
  ];
}

function operationFaults(op: string, before: Operation, now?: Operation): string[] {
  if (now === undefined) return [`operation ${op} is gone, or wants a field that it did not want before`];
  const wanted = now.required.filter((field) => !before.required.includes(field));
  const fields = [...before.required, ...before.optional];
  return [
    ...wanted.map((field) => `${op} wants ${field}, which it did not want before`),
    ...missing(`${op}: field`, fields, [...now.required, ...now.optional]),
  ];
}

function vectorFaults(file: string, before: Readonly<Record<string, string>>, now: Record<string, string> = {}) {
  return Object.entries(before).flatMap(([name, hash]) => {
    if (now[name] === hash || (now[name] === undefined && file === MAY_GO)) return [];
    return [`the vector "${name}" of ${file} ${now[name] === undefined ? 'is gone' : 'has changed'}`];
  });
}

/** Numbers that have two meanings, and those that must not have any. */
function misgiven(what: string, numbers: Readonly<Record<string, number>>): string[] {
  const ungiven = Object.entries(numbers).filter(([name, number]) => number >= UNGIVEN_FROM || name.startsWith('x-'));
  return [...twice(what, numbers), ...ungiven.map(([name]) => `${what} ${name} has what is never given`)];
}

function twice(what: string, numbers: Readonly<Record<string, number>>): string[] {
  const all = Object.values(numbers);
  return all.filter((number, i) => all.indexOf(number) < i).map((number) => `${what} ${number} is given twice`);
}

/** The text of the record: a line for each thing that has a name. */
function text(record: Published): string {
  const lines = (value: unknown, indent: string): string => {
    const flat = JSON.stringify(value);
    const isBranch = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isBranch || (flat.length + indent.length <= 120 && indent.length >= 4)) return flat;
    const rows = Object.entries(value).map(
      ([key, each]) => `${indent}  ${JSON.stringify(key)}: ${lines(each, `${indent}  `)}`,
    );
    return `{\n${rows.join(',\n')}\n${indent}}`;
  };
  return `${lines({ about: ABOUT, ...record }, '')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const now = published();
  const broken = existsSync(FILE) ? faults(recorded(), now) : [];
  if (broken.length === 0) writeFileSync(FILE, text(now));
  else {
    process.exitCode = 1;
    process.stderr.write(`Version 1 is frozen:\n${broken.map((fault) => `  ${fault}\n`).join('')}`);
  }
}
