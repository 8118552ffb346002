// Holds the capture reader to its format, to order of time, and replay's pacing to a virtual clock.

import { describe, expect, test } from 'vitest';
import {
  CaptureError,
  type CaptureMessage,
  type CaptureStream,
  paced,
  readCapture,
  readCaptures,
} from '../../src/feeds/capture.ts';
import { krakenCapture, recordingFile } from './captures.ts';
import { krakenRecording } from './recording.ts';
import { VirtualTime } from './virtual.ts';

async function collect(stream: AsyncIterable<CaptureMessage>): Promise<CaptureMessage[]> {
  const messages: CaptureMessage[] = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

function textsAt(...messages: readonly (readonly [timeUs: number, text: string])[]): string {
  return recordingFile(messages.map(([timeUs, text]) => `${timeUs / 1e6}: ${text}`));
}

describe('a capture file', () => {
  test('gives the received messages, and passes over connections, requests, answers and empty lines', async () => {
    const path = recordingFile([
      'wss://ws.kraken.com <-> 1618678132.3858151',
      'wss://ws.kraken.com <- 1618678132.8253062: {"event":"subscribe"}',
      'https://api.kraken.com/0/public/AssetPairs -> 1618678132.358447: {"error":[]}',
      '1618678132.8258188: {"text":"with: a separator"}',
      '1618678133.5: ["ü"]\r',
      '1618678134: 7',
      '',
      '',
    ]);
    const stream = readCapture(path);
    expect(await collect(stream)).toEqual([
      { timeUs: 1_618_678_132_825_818, text: '{"text":"with: a separator"}' },
      { timeUs: 1_618_678_133_500_000, text: '["ü"]' },
      { timeUs: 1_618_678_134_000_000, text: '7' },
    ]);
    expect(stream.bytesRead).toBe(stream.bytesTotal);
  });

  test('gives of the answers by HTTP the messages that the caller makes of them, at their time', async () => {
    const path = recordingFile([
      'https://api.binance.us/api/v3/depth?symbol=A -> 1633998274.865238: {"lastUpdateId": 1}',
      'https://api.binance.us/api/v3/time -> 1633998275.5: {}',
      'wss://stream.binance.us -> 1633998276.5: {}',
      'configuration: {"trades":["A"]}',
      '1633998277: {}',
    ]);
    const reader = (url: string, body: string) => (url.endsWith('depth?symbol=A') ? `${url} ${body}` : null);
    expect(await collect(readCapture(path, reader))).toEqual([
      {
        timeUs: 1_633_998_274_865_238,
        text: 'https://api.binance.us/api/v3/depth?symbol=A {"lastUpdateId": 1}',
      },
      { timeUs: 1_633_998_277_000_000, text: '{}' },
    ]);
    expect((await collect(readCaptures([path, path], reader))).map(({ text }) => text).slice(2)).toEqual(['{}', '{}']);
  });

  test('names file and line of what it can’t read', async () => {
    for (const bad of ['x', '12a: {}', '1.12345678901: {}', '99999999999: {}', ': {}']) {
      const path = recordingFile(['1618678133: {}', bad]);
      const failed = collect(readCapture(path));
      await expect(failed).rejects.toThrow(CaptureError);
      await expect(failed).rejects.toThrow(`${path}:2: neither`);
    }
    expect(() => readCapture('/no/such/capture')).toThrow('/no/such/capture');
  });

  test('counts the bytes up to its size as it is read', async () => {
    const stream = readCapture(krakenCapture().path);
    let before = 0;
    let steps = 0;
    for await (const _ of stream) {
      expect(stream.bytesRead).toBeGreaterThan(before);
      expect(stream.bytesRead).toBeLessThanOrEqual(stream.bytesTotal);
      before = stream.bytesRead;
      steps++;
    }
    expect(steps).toBeGreaterThan(2_000);
    expect(stream.bytesRead).toBe(stream.bytesTotal);
  });

  test('can be left early and read again from the beginning', async () => {
    const stream: CaptureStream = readCapture(recordingFile(krakenRecording({ seed: 1, messages: 50 })));
    const all = await collect(stream);
    for await (const message of stream) {
      expect(message).toEqual(all[0]);
      break;
    }
    expect(await collect(stream)).toEqual(all);
  });
});

describe('several capture files', () => {
  test('are one stream by time, in the order of the paths where times are equal', async () => {
    const first = textsAt([1_000_000, 'a1'], [3_000_000, 'a3'], [3_000_000, 'a3 again'], [9_000_000, 'a9']);
    const second = textsAt([2_000_000, 'b2'], [3_000_000, 'b3']);
    const empty = recordingFile(['wss://nothing <-> 1']);
    const stream = readCaptures([first, empty, second]);
    const texts = (await collect(stream)).map((message) => message.text);
    expect(texts).toEqual(['a1', 'b2', 'a3', 'a3 again', 'b3', 'a9']);
    expect(stream.bytesRead).toBe(stream.bytesTotal);
    expect(await collect(readCaptures([]))).toEqual([]);
  });
});

describe('pacing', () => {
  const offsetsMs = [0, 10, 10, 250, 1_000.5, 5_000];

  async function* messagesAt(times: readonly number[]): AsyncGenerator<CaptureMessage> {
    for (const offsetMs of times) yield { timeUs: 1e15 + offsetMs * 1_000, text: '' };
  }

  /** Virtual milliseconds after the start at which each message came out. */
  function pace(speed: number | 'max', signal?: AbortSignal) {
    const time = new VirtualTime();
    const startMs = time.nowMs();
    const outMs: number[] = [];
    const run = async (): Promise<void> => {
      const messages = paced(messagesAt(offsetsMs), { speed, clock: time, timers: time, signal });
      for await (const _ of messages) outMs.push(Math.round((time.nowMs() - startMs) * 1_000) / 1_000);
    };
    return { time, outMs, done: run() };
  }

  test('keeps the original distances', async () => {
    const { time, outMs, done } = pace(1);
    await time.advance(5_000);
    await done;
    expect(outMs).toEqual(offsetsMs);
  });

  test('divides them by the speed', async () => {
    const { time, outMs, done } = pace(50);
    await time.advance(100);
    await done;
    expect(outMs).toEqual([0, 0.2, 0.2, 5, 20.01, 100]);
  });

  test('does not wait at all at the highest speed', async () => {
    const { outMs, done } = pace('max');
    await done;
    expect(outMs).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test('catches up after a slow consumer instead of drifting', async () => {
    const time = new VirtualTime();
    const startMs = time.nowMs();
    const outMs: number[] = [];
    const run = async (): Promise<void> => {
      for await (const _ of paced(messagesAt([0, 100, 200, 300, 400]), { speed: 1, clock: time, timers: time })) {
        outMs.push(time.nowMs() - startMs);
        if (outMs.length === 2) await new Promise<void>((resolve) => time.after(250, resolve));
      }
    };
    const done = run();
    await time.advance(1_000);
    await done;
    expect(outMs).toEqual([0, 100, 350, 350, 400]);
  });

  test('ends on abort, and leaves no timer behind', async () => {
    const abort = new AbortController();
    const { time, outMs, done } = pace(1, abort.signal);
    await time.advance(500);
    expect(time.pending).toBe(1);
    abort.abort();
    await done;
    expect(outMs).toHaveLength(4);
    expect(time.pending).toBe(0);
  });

  test('yields nothing when it was aborted before', async () => {
    const { outMs, done } = pace(1, AbortSignal.abort());
    await done;
    expect(outMs).toEqual([]);
  });

  test('refuses a speed that is not above zero', async () => {
    for (const speed of [0, -1, Number.NaN]) await expect(pace(speed).done).rejects.toThrow(RangeError);
  });
});
