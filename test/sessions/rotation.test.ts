import { describe, expect, test } from 'vitest';
import { Rotation } from '../../src/sessions/rotation.ts';
import type { Subscription } from '../../src/topics/subscription.ts';

/** All that the rotation looks at. */
function subscription(name: string, priority: number): Subscription & { name: string } {
  return { name, priority, served: 0 } as Subscription & { name: string };
}

/** Serves one after the other, as a link does that takes one piece at a time. */
function serve(rotation: Rotation, pieces: number): Map<string, number> {
  const turns = new Map<string, number>();
  for (let i = 0; i < pieces; i++) {
    const next = rotation.inOrder()[0] as Subscription & { name: string };
    rotation.charge(next);
    turns.set(next.name, (turns.get(next.name) ?? 0) + 1);
  }
  return turns;
}

describe('the rotation', () => {
  test('shares the link in proportion to priorities, and starves nobody', () => {
    const rotation = new Rotation();
    for (const priority of [0, 4, 9]) rotation.add(subscription(`p${priority}`, priority));
    const turns = serve(rotation, 3_000);
    for (const priority of [0, 4, 9]) expect(turns.get(`p${priority}`)! / 3_000).toBeCloseTo((priority + 1) / 16, 2);
  });

  test('lets equal priorities take turns: none comes again before all others had theirs', () => {
    const rotation = new Rotation();
    const names = Array.from({ length: 40 }, (_, i) => `s${i}`);
    for (const name of names) rotation.add(subscription(name, 5));
    for (let turn = 0; turn < 50; turn++) expect([...serve(rotation, 40).keys()].sort()).toEqual([...names].sort());
  });

  test('lets one that comes anew begin where the others are', () => {
    const rotation = new Rotation();
    rotation.add(subscription('old', 5));
    serve(rotation, 100);
    rotation.add(subscription('new', 5));
    const turns = serve(rotation, 100);
    expect(turns.get('new')).toBeLessThanOrEqual(turns.get('old')! + 1);
  });

  test('serves the higher priority first among equals, and puts one with more to send behind those with less served', () => {
    const rotation = new Rotation();
    const [low, high, middle] = [subscription('low', 1), subscription('high', 8), subscription('middle', 5)];
    for (const each of [low, high, middle]) rotation.add(each);
    const order = rotation.inOrder();
    expect(order).toEqual([high, middle, low]);
    for (let pieces = 0; pieces < 3; pieces++) rotation.charge(high);
    rotation.again(order, 0);
    expect(order).toEqual([high, middle, low, high]);
    rotation.delete(high);
    expect(rotation.inOrder()).toEqual([middle, low]);
  });
});
