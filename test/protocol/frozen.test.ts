// Owns the proof that version 1 only grows: the code, the page and the vectors are what proto/frozen.json recorded, or more.
// The record is made by freeze.ts. Each kind of change is tried on a copy: what would break a client fails, what adds passes.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import { readRequest } from '../../src/protocol/request.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { faults, hashOf, namesOf, operationOf, type Published, published, recorded } from './freeze.ts';
import { bytesOf, FRAME_FILES, type GoldenFrames, type GoldenRequests, golden, utf8Of } from './golden.ts';

const record = recorded();
const now = published();

describe('version 1 is frozen', () => {
  test('what was published is there, unchanged (else: take the change back)', () => {
    expect(faults(record, now)).toEqual([]);
  });
  test('the record leaves nothing out that the first freeze had', () => {
    expect(Object.keys(record.frames).length).toBeGreaterThanOrEqual(18);
    expect(Object.keys(record.operations).length).toBeGreaterThanOrEqual(7);
    expect(Object.keys(record.errors).length).toBeGreaterThanOrEqual(29);
    const counts = Object.values(record.vectors).map((file) => Object.keys(file).length);
    expect(counts.length).toBeGreaterThanOrEqual(13);
    expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(300);
  });
});

describe('recorded vectors mean what they meant', () => {
  for (const file of FRAME_FILES.filter((each) => record.vectors[each] !== undefined)) {
    test(`of ${file}.json, to both decoders`, () => {
      for (const { name, context, frames, msgpack, json } of golden<GoldenFrames>(file).vectors) {
        if (!Object.hasOwn(record.vectors[file]!, name)) continue;
        for (const [codec, message] of [
          [msgpackCodec, bytesOf(msgpack!)],
          [jsonCodec, utf8Of(json!)],
        ] as const) {
          const decoder = codec.decoder();
          for (const topic of context.topics) {
            const writer = new ByteWriter();
            codec.encode(writer, topic);
            decoder.decode(writer.copy());
          }
          // A later decoder may know of more fields.
          const expected = frames.filter(({ type }) => codec.relativeTimes || type !== 'time');
          expect(decoder.decode(message), name).toMatchObject(expected);
        }
      }
    });
  }
  test('of requests.json, which are all still taken', () => {
    for (const { name, requests } of golden<GoldenRequests>('requests').vectors)
      for (const request of requests) expect(readRequest(request), name).toEqual(request);
  });
});

// ---- The comparison, tried on copies ----

function changed(change: (copy: Published) => void): string[] {
  const copy = structuredClone(record);
  change(copy);
  return faults(record, copy);
}

/** A number that no frame has. */
function free(frames: Published['frames']): number {
  return 1 + Math.max(...Object.values(frames).map(({ number }) => number));
}

function swap(list: unknown[], a: number, b: number): void {
  [list[a], list[b]] = [list[b], list[a]];
}

const BREAKING: readonly (readonly [string, (copy: Published) => void, string])[] = [
  [
    'another version',
    (v) => {
      v.version = 'tickwire.v2';
    },
    'the version is tickwire.v2, not tickwire.v1',
  ],
  ['a subprotocol less', (v) => v.subprotocols.splice(1, 1), 'subprotocol tickwire.v1.json is gone'],
  ['a frame less', (v) => delete v.frames.gap, 'frame gap is gone'],
  [
    'a frame with another number',
    (v) => {
      v.frames.gap!.number = 40;
    },
    'frame gap has number 40, not 23',
  ],
  [
    'a new frame with a number in use',
    (v) => {
      v.frames.bye = { number: 23, msgpack: [], json: ['type'] };
    },
    'frame 23 is given twice',
  ],
  [
    'a new frame with a number that is never given',
    (v) => {
      v.frames.bye = { number: 120, msgpack: [], json: ['type'] };
    },
    'frame bye has what is never given',
  ],
  ['a field less', (v) => v.frames.book!.msgpack.splice(5, 1), 'book has checksum in the place of depth'],
  ['the last field less', (v) => v.frames.gap!.msgpack.splice(3), 'gap has nothing in the place of reason'],
  [
    'two fields the other way round',
    (v) => swap(v.frames.gap!.msgpack, 1, 2),
    'gap has lastSeq in the place of firstSeq',
  ],
  [
    'a field of another name',
    (v) => {
      v.frames.pong!.msgpack[1] = 'nowUs';
    },
    'pong has nowUs in the place of timeUs',
  ],
  [
    'a new field before the last',
    (v) => v.frames.heartbeat!.msgpack.splice(1, 0, 'load'),
    'heartbeat has load in the place of roundTripMs',
  ],
  ['a field of JSON less', (v) => v.frames.topic!.json.splice(2, 1), 'JSON of topic: field channel is gone'],
  [
    'two limits the other way round',
    (v) => swap(v.entries['welcome.limits']!.msgpack, 3, 4),
    'welcome.limits has ageMsMax in the place of heartbeatMs',
  ],
  [
    'a limit less',
    (v) => v.entries['welcome.limits']!.json.splice(4, 1),
    'JSON of welcome.limits: field ageMsMax is gone',
  ],
  ['an entry less', (v) => delete v.entries['ack.refused'], 'ack.refused is gone'],
  ['a list less', (v) => delete v.lists.paces, 'the list of paces is gone'],
  ['a name less in a list', (v) => delete v.lists.paces!.numbers.top, 'paces top is gone, not 3'],
  [
    'a name with another number',
    (v) => {
      v.lists.paces!.numbers.top = 4;
    },
    'paces top is 4, not 3',
  ],
  [
    'a new name with a number in use',
    (v) => {
      v.lists.paces!.numbers.frugal = 3;
    },
    'paces 3 is given twice',
  ],
  [
    'a new name with a number that is never given',
    (v) => {
      v.lists.paces!.numbers.frugal = 200;
    },
    'paces frugal has what is never given',
  ],
  [
    'a new name that is never given',
    (v) => {
      v.lists.paces!.numbers['x-frugal'] = 4;
    },
    'paces x-frugal has what is never given',
  ],
  [
    'a new name in a list that does not grow',
    (v) => {
      v.lists.sides!.numbers.both = 3;
    },
    'both is new in sides, a list that does not grow',
  ],
  [
    'a list that no longer grows',
    (v) => {
      v.lists.paces!.grows = false;
    },
    'the list of paces does not grow now',
  ],
  [
    'a list that grows only now',
    (v) => {
      v.lists.sides!.grows = true;
    },
    'the list of sides grows now',
  ],
  ['a channel less', (v) => v.values.channels!.splice(3, 1), 'channels status is gone'],
  ['a depth less', (v) => v.values.depths!.shift(), 'depths 0 is gone'],
  ['an interval less', (v) => v.values.intervals!.shift(), 'intervals 0 is gone'],
  ['an operation less', (v) => delete v.operations.limit, 'operation limit is gone'],
  ['a field of a request less', (v) => v.operations.limit!.optional.splice(1, 1), 'limit: field topOfBook is gone'],
  [
    'an optional field that is wanted now',
    (v) => {
      v.operations.limit = { required: ['id', 'topOfBook'], optional: ['maxBytesPerSec'] };
    },
    'limit wants topOfBook, which it did not want before',
  ],
  [
    'a new field that is wanted',
    (v) => v.operations.ping!.required.push('token'),
    'ping wants token, which it did not want before',
  ],
  [
    'a new field of cursors that is wanted',
    (v) => v.operations['subscribe.cursor']!.required.push('node'),
    'subscribe.cursor wants node, which it did not want before',
  ],
  ['an error code less', (v) => delete v.errors['bad-mode'], 'error code bad-mode is gone, not 400'],
  [
    'an error with another status',
    (v) => {
      v.errors['bad-mode'] = 422;
    },
    'error code bad-mode is 422, not 400',
  ],
  ['a close code less', (v) => delete v.closeCodes.silent, 'close code silent is gone, not 4002'],
  [
    'another close code',
    (v) => {
      v.closeCodes.silent = 4_003;
    },
    'close code silent is 4003, not 4002',
  ],
  [
    'a new close code with a number in use',
    (v) => {
      v.closeCodes.bye = 4_002;
    },
    'close code 4002 is given twice',
  ],
  ['a vector less', (v) => delete v.vectors.control!.welcome, 'the vector "welcome" of control is gone'],
  ['a file of vectors less', (v) => delete v.vectors.checksums, 'of checksums is gone'],
  [
    'another vector',
    (v) => {
      v.vectors.control!.welcome = '0';
    },
    'the vector "welcome" of control has changed',
  ],
  [
    'another answer to a bad request',
    (v) => {
      v.vectors['bad-requests']!['an array'] = '0';
    },
    'the vector "an array" of bad-requests has changed',
  ],
];

const ADDING: readonly (readonly [string, (copy: Published) => void])[] = [
  [
    'a frame',
    (v) => {
      v.frames.bye = { number: free(v.frames), msgpack: ['afterMs'], json: ['type', 'afterMs'] };
    },
  ],
  ['a field behind the last', (v) => v.frames.welcome!.msgpack.push('resumeToken')],
  ['a field of JSON, wherever', (v) => v.frames.welcome!.json.splice(1, 0, 'resumeToken')],
  ['a limit', (v) => v.entries['welcome.limits']!.msgpack.push('connections')],
  ['a field of an entry', (v) => v.entries['ack.accepted']!.msgpack.push('priority')],
  [
    'an entry',
    (v) => {
      v.entries['bye.nodes'] = { msgpack: ['url'], json: ['url'] };
    },
  ],
  [
    'a name in a list that grows',
    (v) => {
      v.lists.paces!.numbers.frugal = Object.keys(v.lists.paces!.numbers).length;
    },
  ],
  [
    'a list',
    (v) => {
      v.lists.sizes = { grows: true, numbers: { small: 0 } };
    },
  ],
  [
    'a channel, a mode, a depth and an interval',
    (v) => {
      v.values.channels!.push('candle');
      v.values.modes!.push('batch');
      v.values.depths!.push(100);
      v.values.intervals!.splice(1, 0, 5);
    },
  ],
  [
    'an operation, whatever it wants',
    (v) => {
      v.operations.renew = { required: ['id', 'token'], optional: [] };
    },
  ],
  ['an optional field of a request', (v) => v.operations.ping!.optional.push('sentUs')],
  [
    'a field that is no longer wanted',
    (v) => {
      v.operations.subscribe!.required = ['id', 'channel'];
      v.operations.subscribe!.optional.push('symbols');
    },
  ],
  [
    'an error code',
    (v) => {
      v.errors['x-later'] = 429;
    },
  ],
  [
    'a close code',
    (v) => {
      v.closeCodes.bye = 4_099;
    },
  ],
  ['a subprotocol', (v) => v.subprotocols.push('tickwire.v2.msgpack')],
  [
    'a vector',
    (v) => {
      v.vectors.control!.bye = 'd34db33f';
    },
  ],
  [
    'a file of vectors',
    (v) => {
      v.vectors.candle = { candle: 'd34db33f' };
    },
  ],
  ['a request that is no longer bad', (v) => delete v.vectors['bad-requests']!['symbols as text']],
];

describe('the comparison with the record', () => {
  test('finds nothing where nothing was changed', () => {
    expect(changed(() => {})).toEqual([]);
  });
  test.each(BREAKING)('refuses %s', (_, change, fault) => {
    expect(changed(change).join('\n')).toContain(fault);
  });
  test.each(ADDING)('allows, as new: %s', (_, change) => {
    expect(changed(change)).toEqual([]);
  });
});

describe('what is compared', () => {
  test('is found by value: elements the other way round have their names the other way round', () => {
    const fields = { id: 7, timeUs: 8, limits: { a: 1, b: 2 } };
    expect(namesOf([7, 8, [1, 2]], fields)).toEqual(['id', 'timeUs', 'limits']);
    expect(namesOf([8, [2, 1], 7], fields)).toEqual(['timeUs', 'limits', 'id']);
    expect(() => namesOf([7, 9], fields)).toThrow('element 1 is 9');
    expect(() => namesOf([7], { id: 7, timeUs: 7 })).toThrow('twice');
  });
  test('is found by trying: a field without which a request is refused is wanted', () => {
    const takes = (wanted: string[]) => (fields: object) => wanted.every((field) => field in fields);
    expect(operationOf(takes(['id']), { id: 1, watch: true })).toEqual({ required: ['id'], optional: ['watch'] });
    expect(operationOf(takes(['id', 'watch']), { id: 1, watch: true })).toEqual({
      required: ['id', 'watch'],
      optional: [],
    });
    expect(operationOf(takes(['id', 'token']), { id: 1 })).toBeUndefined();
  });
  test('is all of a vector but its sentences', () => {
    const vector = { name: 'a', says: 'b', frames: [{ type: 'pong', id: 1 }], msgpack: '9303', steps: [{ says: 'c' }] };
    const hash = hashOf(vector);
    expect(hashOf({ ...vector, says: 'B', steps: [{ says: 'C' }] })).toBe(hash);
    expect(hashOf({ ...vector, decodeOnly: true })).toBe(hash);
    expect(hashOf(Object.fromEntries(Object.entries(vector).reverse()))).toBe(hash);
    expect(hashOf({ ...vector, msgpack: '9304' })).not.toBe(hash);
    expect(hashOf({ ...vector, frames: [{ type: 'pong', id: 2 }] })).not.toBe(hash);
    expect(hashOf({ ...vector, steps: [] })).not.toBe(hash);
  });
});

// ---- The page ----

const page = readFileSync(new URL('../../proto/frames.md', import.meta.url), 'utf8');

function section(title: string): string {
  const [, rest] = page.split(new RegExp(`^#+ ${title.replace(/[()]/g, '\\$&')}$`, 'm'));
  if (rest === undefined) throw new Error(`frames.md has no section ${title}`);
  return rest.split(/^#{1,3} /m)[0]!;
}

const rows = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(2, -2).split(' | '));
const quoted = (text = ''): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, inner]) => inner!);

/** Names by position, as the tables have them: 1, 2, 3 and so on. */
function positionsOf(text: string): string[] {
  const numbered = rows(text).filter(([number = '']) => /^\d+$/.test(number));
  return numbered.map(([, cell]) => quoted(cell)[0]!);
}

describe('the page has the fields where the code has them', () => {
  const shared = positionsOf(section('Data frames'));
  test.each(Object.entries(now.frames))('of %s', (type, { number, msgpack }) => {
    const text = section(`${type} (${number})`);
    const own = positionsOf(text);
    expect(/^\| 1 to 5 \|/m.test(text) ? [...shared, ...own] : own).toEqual(msgpack);
  });
  test('of the entries within frames', () => {
    const limits = rows(section('welcome (0)')).find(([, cell]) => cell === '`limits`');
    expect(quoted(limits?.[3])).toEqual(now.entries['welcome.limits']!.msgpack);
    const ack = section('ack (1)').replaceAll('\n', ' ');
    expect(quoted(/An accepted entry is ([^:]*):/.exec(ack)?.[1])).toEqual(now.entries['ack.accepted']!.msgpack);
    expect(quoted(/A refused entry is ([^:]*):/.exec(ack)?.[1])).toEqual(now.entries['ack.refused']!.msgpack);
  });
  test('of the requests with fields of their own, and which are wanted', () => {
    for (const op of ['subscribe', 'limit', 'ping', 'auth', 'resume']) {
      const fields = rows(section(op)).slice(1);
      const wanted = fields.filter(([, type = '']) => !type.includes('optional'));
      const names = (some: string[][]) => some.map(([cell]) => quoted(cell)[0]!);
      const { required, optional } = now.operations[op]!;
      expect(['id', ...names(wanted)], op).toEqual(required);
      expect(names(fields.filter((field) => !wanted.includes(field))).sort(), op).toEqual([...optional].sort());
    }
  });
  test('and every way in which a cursor is answered, each with a vector', () => {
    const documented = rows(section('healed (28)')).flatMap(([how = '', why = '']) =>
      how.startsWith('`') ? quoted(why).map((reason) => `${quoted(how)[0]!} ${reason}`) : [],
    );
    const frames = golden<GoldenFrames>('topic').vectors.flatMap((vector) => vector.frames);
    const shown = frames.flatMap((frame) => (frame.type === 'healed' ? [`${frame.how} ${frame.why}`] : []));
    expect(new Set(documented)).toEqual(new Set(shown));
    const names = (list: string) => Object.keys(now.lists[list]!.numbers);
    expect(new Set(documented.flatMap((pair) => pair.split(' ')))).toEqual(
      new Set([...names('healings'), ...names('heal reasons')]),
    );
  });
  test('and the paces and their reasons with their numbers', () => {
    const tables = section('pace (5)')
      .split(/^(?=\| Pace)/m)
      .slice(1);
    const numbers = tables.map((table) =>
      Object.fromEntries(
        rows(table)
          .slice(1)
          .map(([name, number]) => [quoted(name)[0]!, Number(number)]),
      ),
    );
    expect(numbers).toEqual([now.lists.paces!.numbers, now.lists['pace reasons']!.numbers]);
  });
});
