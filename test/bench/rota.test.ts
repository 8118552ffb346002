// Holds the rota to fairness, and its standings to costs that are known.

import { describe, expect, it } from 'vitest';
import { Rota } from './rota.ts';
import { seededRandom } from './workloads.ts';

/** A process in which each burst of a way costs what `costOf` says, times what the machine does to everybody at the moment. */
function play(costOf: Readonly<Record<string, number>>, bursts: number) {
  const random = seededRandom(7);
  let cpuUs = 0;
  const rota = new Rota(Object.keys(costOf), 4, () => cpuUs);
  const turns: string[] = [];
  for (let burst = 0; burst < bursts; burst++) {
    const way = rota.next();
    turns.push(way);
    cpuUs += costOf[way]! * (1 + Math.sin(burst / 1_000) / 2) * (0.9 + 0.2 * random());
  }
  return { rota, turns };
}

describe('the rota', () => {
  it('gives every way as many bursts, a turn at a time, in an order that changes', () => {
    const { rota, turns } = play({ a: 1, b: 1, c: 1 }, 12 * 50 + 1);
    expect(rota.roundCount).toBe(50);
    const orders = new Set<string>();
    for (let round = 0; round < 50; round++) {
      const turnsOfRound = turns.slice(round * 12, (round + 1) * 12);
      const order = [0, 4, 8].map((first) => new Set(turnsOfRound.slice(first, first + 4)));
      expect(order.map(({ size }) => size)).toEqual([1, 1, 1]);
      const names = order.map((set) => [...set][0]!);
      expect([...names].sort()).toEqual(['a', 'b', 'c']);
      orders.add(names.join());
    }
    expect(orders.size).toBe(6);
  });

  it('finds what each costs against the first, whatever the machine does meanwhile', () => {
    const [first, half, dearer] = play({ first: 100, half: 200, dearer: 103 }, 40_000).rota.standings();
    expect(first).toMatchObject({ way: 'first', ratio: 1, error: 0 });
    expect(half!.ratio).toBeCloseTo(0.5, 2);
    expect(dearer!.ratio).toBeCloseTo(100 / 103, 2);
    expect(dearer!.error).toBeLessThan(0.005);
  });
});
