// Owns the making of proto/vectors/: run by hand, `npx tsx test/protocol/vectors-maker.ts`. A test holds the files to it.
// Invariant: nothing of src/protocol but its types is used here, so that the codecs are checked against something else.

import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Frame, TopicFrame } from '../../src/protocol/frames.ts';
import { BOOK_SEQUENCES, type BookSequence } from './vectors-books.ts';
import { checksum, hex, jsonText, levelHash, pack, positions, type Value } from './vectors-encoding.ts';
import { MALFORMED_TOPICS, MALFORMED_VECTORS } from './vectors-malformed.ts';
import {
  BAD_PUBLISHER_REQUEST_VECTORS,
  PUBLISHER_FRAME_VECTORS,
  PUBLISHER_REQUEST_VECTORS,
} from './vectors-publisher.ts';
import { REDIS_VECTORS } from './vectors-redis.ts';
import { BAD_REQUEST_VECTORS, REQUEST_VECTORS } from './vectors-requests.ts';
import { type FrameVector, SERVER_VECTORS } from './vectors-server.ts';

const FOLDER = new URL('../../proto/vectors/', import.meta.url);

const packed = (frames: readonly Frame[]): string => hex(frames.flatMap((frame) => pack(positions(frame))));

function frameVector({ name, says, topics = [], frames, tolerated }: FrameVector): object {
  const head = { name, says, direction: 'server', context: { topics }, frames };
  if (tolerated === undefined) return { ...head, msgpack: packed(frames), json: jsonText(frames, topics) };
  const { msgpack, json } = tolerated;
  return {
    ...head,
    decodeOnly: true,
    ...(msgpack === undefined ? {} : { msgpack: hex(msgpack.flatMap(pack)) }),
    ...(json === undefined ? {} : { json }),
  };
}

/** Text as it is; bytes that are no text as `jsonHex`. */
function jsonField(json: string | readonly number[] | undefined): object {
  if (json === undefined) return {};
  return typeof json === 'string' ? { json } : { jsonHex: hex(json) };
}

function bookSequence({ name, says, topic, steps }: BookSequence): object {
  let known = topic;
  return {
    name,
    says,
    direction: 'server',
    context: { topics: [topic] },
    steps: steps.map(({ says, frames, action, client }) => {
      known = frames.find((frame): frame is TopicFrame => frame.type === 'topic') ?? known;
      const book = { ...client, checksum: checksum(client.bids, client.asks) };
      return { says, frames, msgpack: packed(frames), json: jsonText(frames, [known]), action, client: book };
    }),
  };
}

const HASHED: readonly (readonly [0 | 1, number, number])[] = [
  [0, 0, 0],
  [1, 0, 0],
  [0, 1, 1],
  [1, 1, 1],
  [0, 11_834_250, 150_000_000],
  [1, 11_834_250, 150_000_000],
  [0, 150_000_000, 11_834_250],
  [0, -1, 1],
  [1, -130, 20],
  [0, 2_147_483_648, 4_294_967_295],
  [1, 4_294_967_296, 4_294_967_297],
  [0, 9_007_199_254_740_991, 9_007_199_254_740_991],
  [1, -9_007_199_254_740_991, 9_007_199_254_740_991],
];

/** Every file of proto/vectors/ with its text. */
export function vectorFiles(): Map<string, string> {
  const files = new Map<string, string>();
  const add = (file: string, content: object): void => {
    files.set(`${file}.json`, `${shown(content, '')}\n`);
  };
  for (const [file, { about, vectors }] of Object.entries(SERVER_VECTORS))
    add(file, { about, vectors: vectors.map(frameVector) });
  add('malformed', {
    about: 'Messages that a client refuses as a whole. Each breaks one rule; `says` is the rule.',
    context: { topics: MALFORMED_TOPICS },
    vectors: MALFORMED_VECTORS.map(({ name, says, msgpack, json }) => ({
      name,
      says,
      direction: 'server',
      ...(msgpack === undefined ? {} : { msgpack: hex(msgpack) }),
      ...jsonField(json),
    })),
  });
  add('requests', {
    about: 'What clients send. The order of the keys is free; the bytes are for the order given.',
    vectors: REQUEST_VECTORS.map(({ name, says, requests }) => ({
      name,
      says,
      direction: 'client',
      requests,
      msgpack: hex(requests.flatMap(pack)),
      json: requests.map((request) => `${JSON.stringify(request)}\n`).join(''),
    })),
  });
  add('bad-requests', {
    about:
      'Faulty messages to the gateway, with the id and the code of the error frame that answers each of their requests.',
    vectors: BAD_REQUEST_VECTORS.map(({ name, says, msgpack, json, answers }) => ({
      name,
      says,
      direction: 'client',
      ...(msgpack === undefined ? {} : { msgpack: hex(msgpack) }),
      ...jsonField(json),
      answers,
    })),
  });
  const lines = (objects: readonly object[]): string => objects.map((each) => `${JSON.stringify(each)}\n`).join('');
  add('publisher-frames', {
    about: 'What publishers are answered on /v1/publish/stream. Frames are maps; the bytes are for the order given.',
    vectors: PUBLISHER_FRAME_VECTORS.map(({ name, says, frames }) => {
      const msgpack = hex(frames.flatMap((frame) => pack(frame as unknown as Value)));
      return { name, says, direction: 'server', frames, msgpack, json: lines(frames) };
    }),
  });
  add('publisher-requests', {
    about:
      'What publishers send on /v1/publish/stream. The order of the keys is free; the bytes are for the order given.',
    vectors: PUBLISHER_REQUEST_VECTORS.map(({ name, says, requests }) => {
      const msgpack = hex(requests.flatMap((request) => pack(request)));
      return { name, says, direction: 'client', requests, msgpack, json: lines(requests) };
    }),
  });
  add('bad-publisher-requests', {
    about: 'Faulty messages on /v1/publish/stream, with the id and the code of the error frame that answers each.',
    vectors: BAD_PUBLISHER_REQUEST_VECTORS.map((vector) => ({ ...vector, direction: 'client' })),
  });
  add('redis', {
    about:
      'What stands in Redis: updates as publishers hand them to the script, entries and messages as it writes them. A reader may take other forms of the same numbers; a writer writes these bytes.',
    vectors: REDIS_VECTORS.map(({ msgpack, ...vector }) => ({ ...vector, msgpack: hex(msgpack) })),
  });
  add('book-sequences', {
    about: 'Frames in order, what the client does with each, and the book that it then holds.',
    vectors: BOOK_SEQUENCES.map(bookSequence),
  });
  add('checksums', {
    about:
      'Hashes of single levels: MurmurHash3 x86 32-bit of price and size as 64-bit little-endian integers, seed 0 for bids and 1 for asks.',
    vectors: HASHED.map(([side, price, size]) => ({
      side: side === 0 ? 'bid' : 'ask',
      price,
      size,
      hash: levelHash(side, price, size),
    })),
  });
  return files;
}

const LINE_MAX = 240;

/** JSON that people can read: whatever fits goes on one line. */
function shown(value: unknown, indent: string): string {
  const flat = JSON.stringify(value);
  const nests = typeof value === 'object' && value !== null && !('name' in value) && !('says' in value);
  if (
    typeof value !== 'object' ||
    value === null ||
    (nests && flat.length + indent.length <= LINE_MAX && indent.length >= 4)
  )
    return flat;
  const deeper = `${indent}  `;
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const rows = Array.isArray(value)
    ? value.map((each) => deeper + shown(each, deeper))
    : Object.entries(value).map(([key, each]) => `${deeper}${JSON.stringify(key)}: ${shown(each, deeper)}`);
  return rows.length === 0 ? `${open}${close}` : `${open}\n${rows.join(',\n')}\n${indent}${close}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(FOLDER, { recursive: true });
  for (const [file, text] of vectorFiles()) writeFileSync(new URL(file, FOLDER), text);
}
