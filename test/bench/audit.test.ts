// Holds the audit to its one purpose: a lost, repeated, merged or late frame never passes as a delivery.

import { describe, expect, it } from 'vitest';
import { Audit, RULES } from './audit.ts';
import type { SubjectName } from './messages.ts';

const PLAN = { startUs: 0, windowFromUs: 1_000, windowToUs: 2_000 };

/** One client on topics 0 and 1 of 3, frames received at 1,500 µs. */
function auditOf(subject: SubjectName): Audit {
  const audit = new Audit(2, 3, RULES[subject]);
  audit.subscribed(0, [0, 1]);
  audit.measure(PLAN);
  audit.receive(1_500);
  return audit;
}

describe('the audit of the baseline', () => {
  it('passes what is contiguous and complete', () => {
    const audit = auditOf('raw');
    for (let seq = 1; seq <= 3; seq++) audit.deliver(0, 0, seq - 1, seq, 1_400);
    expect(audit.complete([3, 0, 9])).toBe(true);
    audit.finish([3, 0, 9]);
    expect([audit.deliveries, audit.windowDeliveries, audit.frames, audit.problemTexts]).toEqual([3, 3, 3, []]);
    expect(audit.latencies().updateLatency).toEqual({ count: 3, p50Us: 100, p99Us: 100, maxUs: 100 });
  });

  it.each([
    ['a lost update', [1, 3], /updates 2 to 2 are lost/],
    ['a repeated one', [1, 2, 2], /came again or too late/],
    ['one out of order', [2], /updates 1 to 1 are lost/],
  ])('finds %s', (_, seqs, fault) => {
    const audit = auditOf('raw');
    for (const seq of seqs) audit.deliver(0, 0, seq - 1, seq, 1_400);
    expect(audit.problemTexts[0]).toMatch(fault);
  });

  it('finds a topic that was not asked for, also an impossible one', () => {
    const audit = auditOf('raw');
    audit.deliver(0, 2, 0, 1, 1_400);
    audit.deliver(0, 3, 0, 1, 1_400);
    audit.deliver(1, 0, 0, 1, 1_400);
    expect(audit.problems).toBe(3);
    expect(audit.problemTexts[0]).toMatch(/not subscribed/);
  });

  it('finds a client that did not get the last update', () => {
    const audit = auditOf('raw');
    audit.deliver(0, 0, 0, 1, 1_400);
    expect(audit.complete([2, 0, 0])).toBe(false);
    audit.finish([2, 0, 0]);
    expect(audit.problemTexts).toEqual(['client 0, topic 0: ended at seq 1, the last is 2']);
  });

  it('finds an arrival before its sending, or without a time', () => {
    const audit = auditOf('raw');
    audit.deliver(0, 0, 0, 1, 1_800);
    audit.deliver(0, 0, 1, 2, Number.NaN);
    audit.finish([2, 0, 0]);
    expect(audit.problems).toBe(2);
  });

  it('expects nothing more of a client that stopped reading', () => {
    const audit = auditOf('raw');
    audit.deliver(0, 0, 0, 1, 1_400);
    audit.dismiss(0);
    expect(audit.complete([2, 0, 0])).toBe(true);
    audit.finish([2, 0, 0]);
    expect([audit.deliveries, audit.problems]).toEqual([1, 0]);
  });

  it('tells the latency of the first second apart', () => {
    const audit = new Audit(1, 1, RULES.raw);
    audit.subscribed(0, [0]);
    audit.measure({ startUs: 0, windowFromUs: 0, windowToUs: 3_000_000 });
    audit.receive(1_000_500);
    audit.deliver(0, 0, 0, 1, 999_999);
    audit.deliver(0, 0, 1, 2, 1_000_000);
    audit.finish([2]);
    const { updateLatency, firstSecondLatency } = audit.latencies();
    expect([updateLatency.count, firstSecondLatency.count, firstSecondLatency.p99Us]).toEqual([2, 1, 501]);
  });

  it('times what was sent within the window and counts what was received within it', () => {
    const audit = auditOf('raw');
    audit.deliver(0, 0, 0, 1, 999);
    audit.deliver(0, 0, 1, 2, 1_000);
    audit.receive(2_000);
    audit.deliver(0, 0, 2, 3, 1_999);
    audit.finish([3, 0, 0]);
    expect([audit.deliveries, audit.windowDeliveries, audit.latencies().frameLatency.count]).toEqual([3, 2, 2]);
  });
});

describe('the audit of Tickwire', () => {
  it('waits for a first state of each subscription and does not count it', () => {
    const audit = auditOf('tickwire');
    expect(audit.subscriptionsWaiting).toBe(2);
    audit.deliver(0, 0, 0, 7, Number.NaN);
    audit.deliver(0, 1, 0, 0, Number.NaN);
    expect(audit.subscriptionsWaiting).toBe(0);
    audit.finish([7, 0, 0]);
    expect([audit.deliveries, audit.problems]).toEqual([0, 0]);
  });

  it('counts each merged update once, and its latency once per update and once per frame', () => {
    const audit = auditOf('tickwire');
    audit.deliver(0, 0, 0, 7, Number.NaN);
    audit.deliver(0, 0, 5, 10, 1_200);
    audit.deliver(0, 0, 8, 10, 1_200);
    audit.finish([10, Number.NaN, 0]);
    expect([audit.deliveries, audit.frames, audit.repeats]).toEqual([3, 1, 1]);
    expect([audit.latencies().updateLatency.count, audit.latencies().frameLatency.count]).toEqual([3, 1]);
  });

  it('finds a difference that begins after what the client holds', () => {
    const audit = auditOf('tickwire');
    audit.deliver(0, 0, 0, 7, Number.NaN);
    audit.deliver(0, 0, 8, 10, 1_200);
    audit.deliver(0, 1, 3, 4, 1_200);
    expect(audit.problemTexts).toEqual([
      'client 0, topic 0: updates 8 to 8 are lost',
      'client 0, topic 1: updates 1 to 3 are lost',
    ]);
  });

  it('finds merged updates where every one was asked for', () => {
    const audit = auditOf('tickwire-raw');
    audit.deliver(0, 0, 0, 7, Number.NaN);
    audit.deliver(0, 0, 7, 8, 1_200);
    audit.deliver(0, 0, 8, 10, 1_200);
    expect(audit.problemTexts).toEqual(['client 0, topic 0: updates 9 to 10 came in one frame']);
  });
});
