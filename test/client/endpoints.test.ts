// Exercises the choice of addresses and the delays between attempts, without any connection.

import { describe, expect, test } from 'vitest';
import { Endpoints } from '../../src/client/endpoints.ts';

const URLS = ['ws://a/', 'ws://b/', 'ws://c/'];

describe('endpoints', () => {
  test('are tried one after the other, over and over', () => {
    const endpoints = new Endpoints(URLS, {}, () => 0);
    const tried = [endpoints.current];
    for (let i = 0; i < 3; i++) {
      endpoints.advance();
      tried.push(endpoints.current);
    }
    expect(tried).toEqual([...URLS, URLS[0]]);
  });

  test('wait for a random part of a bound that doubles up to the greatest', () => {
    const longest = new Endpoints(URLS, { minMs: 100, maxMs: 1_000 }, () => 1);
    expect([1, 2, 3, 4, 5, 6].map(() => longest.advance())).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    const half = new Endpoints(URLS, { minMs: 100, maxMs: 1_000 }, () => 0.5);
    expect([1, 2].map(() => half.advance())).toEqual([50, 100]);
  });

  test('begin anew after a connection that lasted', () => {
    const endpoints = new Endpoints(URLS, { minMs: 100, maxMs: 1_000 }, () => 1);
    endpoints.advance();
    endpoints.advance();
    endpoints.lasted();
    expect(endpoints.advance()).toBe(100);
  });

  test('never wait longer than the greatest delay, however often it fails', () => {
    const endpoints = new Endpoints('ws://a/', { minMs: 250, maxMs: 10_000 }, () => 1);
    for (let i = 0; i < 2_000; i++) expect(endpoints.advance()).toBeLessThanOrEqual(10_000);
  });
});
