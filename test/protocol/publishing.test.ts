// Owns the proof that the publishers' stream is what proto/publish.md, the golden vectors and proto/asyncapi.yaml say.

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  encodePublisherFrame,
  PUBLISH_STREAM_PATH,
  PUBLISHER_OPS,
  type PublisherFrame,
  readPublisherRequest,
} from '../../src/protocol/publishing.ts';
import { readMessage } from '../../src/protocol/request.ts';
import { unpackAll } from '../../src/protocol/unpack.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { bytesOf, type GoldenBadRequests, type GoldenRequests, golden, utf8Of } from './golden.ts';

interface GoldenPublisherFrames {
  readonly name: string;
  readonly frames: readonly PublisherFrame[];
  readonly msgpack: string;
  readonly json: string;
}
const FRAMES = golden<GoldenPublisherFrames>('publisher-frames').vectors;
const FOLDER = new URL('../../proto/', import.meta.url);
const page = readFileSync(new URL('publish.md', FOLDER), 'utf8');

function encoded(frames: readonly PublisherFrame[], binary: boolean): Uint8Array {
  const writer = new ByteWriter(16);
  for (const frame of frames) encodePublisherFrame(writer, frame, binary);
  return writer.copy();
}

describe('golden vectors', () => {
  test.each(FRAMES)('"$name" is written byte for byte, and reads as its frames', ({ frames, msgpack, json }) => {
    expect(Buffer.from(encoded(frames, true)).toString('hex')).toBe(msgpack);
    expect(Buffer.from(encoded(frames, false)).toString()).toBe(json);
    expect(unpackAll(bytesOf(msgpack))).toEqual(frames);
  });
  test.each(golden<GoldenRequests>('publisher-requests').vectors)('"$name" is read as its requests', (vector) => {
    for (const [message, binary] of [
      [bytesOf(vector.msgpack), true],
      [utf8Of(vector.json), false],
    ] as const) {
      expect((readMessage(message, binary) as unknown[]).map(readPublisherRequest)).toEqual(vector.requests);
    }
  });
  test.each(golden<GoldenBadRequests>('bad-publisher-requests').vectors)('"$name" is refused', ({ json, answers }) => {
    const values = readMessage(utf8Of(json!), false);
    const said = Array.isArray(values)
      ? values
          .map(readPublisherRequest)
          .map((each) => ('fault' in each ? { id: each.id, code: each.fault.code } : each))
      : [{ id: null, code: values.code }];
    expect(said).toEqual(answers);
  });
  test('have every frame and every operation', () => {
    const types = FRAMES.flatMap(({ frames }) => frames.map(({ type }) => type));
    expect(new Set(types)).toEqual(new Set(subtitles('Frames')));
    const requests = golden<GoldenRequests>('publisher-requests').vectors.flatMap((vector) => vector.requests);
    expect(new Set(requests.map((request) => (request as { op: string }).op))).toEqual(new Set(PUBLISHER_OPS));
  });
});

/** The third-level headings under one of the second. */
function subtitles(title: string): string[] {
  const part = page.split(/^## /m).find((section) => section.startsWith(`${title}\n`)) ?? '';
  return [...part.matchAll(/^### (.+)$/gm)].map(([, name]) => name!);
}

describe('publish.md', () => {
  const fieldsOf = (name: string): string[] => {
    const part = page.split(/^### /m).find((section) => section.startsWith(`${name}\n`)) ?? '';
    const [table = ''] = part.split(/^## |^\| Code/m);
    const cells = [...table.matchAll(/^\| (`[^|]+) \|/gm)].map(([, cell]) => cell!);
    return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, field]) => field!)).sort();
  };

  test('has the operations of the code', () => {
    expect(subtitles('Requests')).toEqual(PUBLISHER_OPS);
    expect(page).toContain(`ws://host:9001${PUBLISH_STREAM_PATH}`);
  });
  test('has the fields of every frame and request', () => {
    for (const { frames } of FRAMES) {
      for (const { type, ...fields } of frames) expect(fieldsOf(type), type).toEqual(Object.keys(fields).sort());
    }
    for (const { requests } of golden<GoldenRequests>('publisher-requests').vectors) {
      for (const request of requests) {
        expect(fieldsOf((request as { op: string }).op)).toEqual(Object.keys(request).sort());
      }
    }
  });
  test('has no link that leads nowhere', () => {
    const slug = (title: string) =>
      title
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-');
    const slugsOf = (text: string) => [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) => slug(title!));
    const targets = [...page.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target!);
    expect(targets.length).toBeGreaterThan(10);
    for (const target of targets) {
      const [file = '', anchor] = target.split('#');
      expect(file === '' || existsSync(new URL(file, FOLDER)), target).toBe(true);
      if (anchor === undefined) continue;
      expect(slugsOf(file === '' ? page : readFileSync(new URL(file, FOLDER), 'utf8')), target).toContain(anchor);
    }
  });
});
