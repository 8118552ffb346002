// Holds the running in an office to one run at a time, as long as the office is held.

import { expect, test } from 'vitest';
import { type OpenOffice, whileInOffice } from '../../src/gateway/office.ts';

/** An office that the test gives and takes. */
class Given {
  listener!: Parameters<OpenOffice>[0];
  closed = false;
  readonly open: OpenOffice = (listener) => {
    this.listener = listener;
    return {
      close: () => {
        this.closed = true;
      },
    };
  };
}

test('runs while it has the office, stops when it is lost, and runs again when it is back', async () => {
  const given = new Given();
  const told: string[] = [];
  const over = new AbortController();
  const ended = whileInOffice(given.open, over.signal, async (signal) => {
    told.push('runs');
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    told.push('stopped');
  });
  expect(told).toEqual([]);
  for (let terms = 1; terms <= 2; terms++) {
    given.listener.begin();
    await new Promise(setImmediate);
    expect(told.length).toBe(2 * terms - 1);
    given.listener.end();
    await new Promise(setImmediate);
    expect(told.length).toBe(2 * terms);
  }
  given.listener.begin();
  await new Promise(setImmediate);
  over.abort();
  await ended;
  expect(told).toEqual(['runs', 'stopped', 'runs', 'stopped', 'runs', 'stopped']);
  expect(given.closed).toBe(true);
});

test('a run that fails ends it, and the office is given back', async () => {
  const given = new Given();
  const ended = whileInOffice(given.open, new AbortController().signal, () => Promise.reject(new Error('no market')));
  given.listener.begin();
  await expect(ended).rejects.toThrow('no market');
  expect(given.closed).toBe(true);
});

test('one that never had the office ends when it is told to', async () => {
  const over = new AbortController();
  const ended = whileInOffice(new Given().open, over.signal, () => Promise.reject(new Error('never')));
  over.abort();
  await ended;
});
