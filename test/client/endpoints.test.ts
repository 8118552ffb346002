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

  test('are hurried to without a delay, but only first after a connection that lasted', () => {
    const endpoints = new Endpoints(URLS, { minMs: 100, maxMs: 1_000 }, () => 1);
    expect(endpoints.hurry()).toBe(0);
    expect([endpoints.current, endpoints.hurry(), endpoints.hurry()]).toEqual([URLS[1], 200, 400]);
    endpoints.lasted();
    expect(endpoints.hurry()).toBe(0);
  });

  test('are not tried before the time that the gateway named, the one or all', () => {
    const endpoints = new Endpoints(URLS, { minMs: 0, maxMs: 0 }, () => 1);
    expect(endpoints.defer(1_000_000, true)).toBe(0);
    expect([endpoints.current, endpoints.advance()]).toEqual([URLS[1], 0]);
    const againMs = endpoints.advance();
    expect([endpoints.current, againMs > 900_000 && againMs <= 1_000_000]).toEqual([URLS[0], true]);
    expect(endpoints.defer(2_000_000, false)).toBeGreaterThan(1_900_000);
    expect(endpoints.advance()).toBeGreaterThan(1_900_000);
  });
});
