import { describe, expect, test } from 'vitest';
import { Rotation } from '../../src/sessions/rotation.ts';
import type { Subscription } from '../../src/topics/subscription.ts';

/** All that the rotation looks at. */
function subscription(name: string, priority: number): Subscription & { name: string } {
  return { name, priority, served: 0 } as Subscription & { name: string };
}

/** Serves one after the other as a link does that takes one answer at a time. */
function serve(rotation: Rotation, answers: number, bytesOf: (name: string) => number): Map<string, number> {
  const bytes = new Map<string, number>();
  for (let i = 0; i < answers; i++) {
    const next = rotation.inOrder()[0] as Subscription & { name: string };
    rotation.charge(next, bytesOf(next.name));
    bytes.set(next.name, (bytes.get(next.name) ?? 0) + bytesOf(next.name));
  }
  return bytes;
}

describe('the rotation', () => {
  test('shares the link in proportion to priorities, and starves nobody', () => {
    const rotation = new Rotation();
    for (const priority of [0, 4, 9]) rotation.add(subscription(`p${priority}`, priority));
    const bytes = serve(rotation, 3_000, () => 100);
    const all = [...bytes.values()].reduce((sum, each) => sum + each);
    for (const priority of [0, 4, 9]) expect(bytes.get(`p${priority}`)! / all).toBeCloseTo((priority + 1) / 16, 2);
  });

  test('counts bytes, not answers: a long book does not crowd out short ones', () => {
    const rotation = new Rotation();
    rotation.add(subscription('long', 5));
    rotation.add(subscription('short', 5));
    const bytes = serve(rotation, 2_000, (name) => (name === 'long' ? 5_000 : 50));
    expect(bytes.get('long')! / bytes.get('short')!).toBeGreaterThan(0.9);
    expect(bytes.get('long')! / bytes.get('short')!).toBeLessThan(1.1);
  });

  test('lets one that comes anew begin where the others are', () => {
    const rotation = new Rotation();
    rotation.add(subscription('old', 5));
    serve(rotation, 100, () => 100);
    rotation.add(subscription('new', 5));
    const bytes = serve(rotation, 100, () => 100);
    expect(bytes.get('new')).toBeLessThanOrEqual(bytes.get('old')! + 100);
  });

  test('serves the higher priority first among equals, and puts one with more to send behind those with less served', () => {
    const rotation = new Rotation();
    const [low, high, middle] = [subscription('low', 1), subscription('high', 8), subscription('middle', 5)];
    for (const each of [low, high, middle]) rotation.add(each);
    const order = rotation.inOrder();
    expect(order).toEqual([high, middle, low]);
    rotation.charge(high, 900);
    rotation.again(order, 0);
    expect(order).toEqual([high, middle, low, high]);
    rotation.delete(high);
    expect(rotation.inOrder()).toEqual([middle, low]);
  });
});
