// Holds admission to its limits, to giving every place back, and to telling those who have to wait a time at which there is room.

import { describe, expect, test } from 'vitest';
import { Admission, type AdmissionLimits } from '../../src/sessions/admission.ts';
import { Kernel, Random } from '../simulation/kernel.ts';

function admissionWith(limits: Partial<AdmissionLimits> = {}, random: () => number = () => 0) {
  const clock = new Kernel();
  const all = {
    connectionsMax: 1_000,
    connectionsPerAddressMax: 1_000,
    connectionsPerPrincipalMax: 1_000,
    connectsPerSecMax: 1_000_000,
    ...limits,
  };
  return { clock, admission: new Admission({ limits: all, clock, random }) };
}

describe('connections in all', () => {
  test('are refused past the limit, which is named, until one has left', () => {
    const { admission } = admissionWith({ connectionsMax: 2 });
    expect([admission.enter('a', false), admission.enter('b', false)]).toEqual([null, null]);
    const refused = admission.enter('c', false);
    expect(refused?.fault.code).toBe('too-many-connections');
    expect(refused?.fault.message).toContain('at most 2');
    expect(refused?.retryAfterMs).toBeGreaterThan(1_000);
    admission.leave('a', false);
    expect(admission.enter('c', false)).toBeNull();
  });

  test('leave nothing behind', () => {
    const { admission } = admissionWith();
    for (const address of ['a', 'a', 'b']) admission.enter(address, false);
    admission.join('desk', 0);
    for (const address of ['a', 'b', 'a']) admission.leave(address, false);
    admission.part('desk');
    expect(admission.counts).toEqual({ total: 0, addresses: 0, principals: 0 });
  });

  test('are not taken any more while the gateway drains', () => {
    const { admission } = admissionWith();
    admission.draining = true;
    expect(admission.enter('a', false)?.fault.code).toBe('draining');
    expect(admission.counts.total).toBe(0);
  });
});

describe('connections from one address', () => {
  test('are refused past the limit, others are not', () => {
    const { admission } = admissionWith({ connectionsPerAddressMax: 1 });
    expect(admission.enter('a', false)).toBeNull();
    expect(admission.enter('a', false)?.fault.code).toBe('too-many-from-address');
    expect(admission.enter('b', false)).toBeNull();
    admission.leave('a', false);
    expect(admission.enter('a', false)).toBeNull();
  });

  test('are not counted where it is this machine', () => {
    const { admission } = admissionWith({ connectionsPerAddressMax: 1 });
    expect([1, 2, 3].map(() => admission.enter('127.0.0.1', true))).toEqual([null, null, null]);
    expect(admission.counts).toEqual({ total: 3, addresses: 0, principals: 0 });
  });
});

describe('connections of one principal', () => {
  test('are refused past what its entitlement says, else past the limit', () => {
    const { admission } = admissionWith({ connectionsPerPrincipalMax: 2 });
    expect([admission.join('desk', 1), admission.join('other', 0), admission.join('other', 0)]).toEqual([
      null,
      null,
      null,
    ]);
    const refusals = [admission.join('desk', 1), admission.join('other', 0)];
    expect(refusals.map((each) => each?.fault.code)).toEqual(['too-many-of-principal', 'too-many-of-principal']);
    admission.part('desk');
    expect(admission.join('desk', 1)).toBeNull();
  });
});

describe('the pace', () => {
  test('lets a burst in at once, then so many a second', () => {
    const { admission, clock } = admissionWith({ connectsPerSecMax: 100, connectionsMax: 10_000 });
    const enter = (): boolean => admission.enter('a', true) === null;
    expect(Array.from({ length: 200 }, enter).filter(Boolean)).toHaveLength(100);
    clock.spend(100);
    expect(Array.from({ length: 100 }, enter).filter(Boolean)).toHaveLength(10);
  });

  test('tells each of those who wait a later time, evenly', () => {
    const { admission } = admissionWith({ connectsPerSecMax: 100 });
    const waits = Array.from({ length: 300 }, () => admission.enter('a', true)?.retryAfterMs ?? 0).slice(100);
    expect(waits[0]).toBe(50);
    expect(waits.at(-1)).toBe(2_000);
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
  });

  test('lets a crowd in that does as it is told, within little more than the pace allows', () => {
    const random = new Random(7);
    const { admission, clock } = admissionWith(
      { connectsPerSecMax: 1_000, connectionsMax: 10_000 },
      () => random.below(1_000) / 1_000,
    );
    const due = Array.from({ length: 5_000 }, () => 0);
    const startedMs = clock.nowMs();
    let attempts = 0;
    while (admission.counts.total < due.length) {
      due.forEach((atMs, i) => {
        if (atMs > clock.nowMs()) return;
        attempts += 1;
        const refusal = admission.enter('a', true);
        due[i] = refusal === null ? Number.POSITIVE_INFINITY : clock.nowMs() + refusal.retryAfterMs!;
      });
      clock.spend(10);
    }
    expect(clock.nowMs() - startedMs).toBeLessThan(5_500);
    expect(attempts).toBeLessThan(2.5 * due.length);
  });
});
