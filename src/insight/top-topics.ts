// Owns the choice of the topics that a scrape names one by one: the busiest, and those with most subscriptions. The metrics ask for it.
// Invariant: no more than `countMax` are kept at any time, however many topics there are.

import type { Topic } from '../topics/topic.ts';

export type Ranked = Pick<Topic, 'channel' | 'symbol' | 'group' | 'updates' | 'users'>;

export interface TopTopics {
  readonly busiest: readonly Ranked[];
  readonly mostUsed: readonly Ranked[];
}

export function topTopics(topics: Iterable<Ranked>, countMax: number): TopTopics {
  const busiest = new Top(countMax, ({ updates }) => updates);
  const mostUsed = new Top(countMax, ({ users }) => users);
  if (countMax > 0) {
    for (const topic of topics) {
      busiest.offer(topic);
      mostUsed.offer(topic);
    }
  }
  return { busiest: busiest.topics, mostUsed: mostUsed.topics };
}

/** The largest first; those without any are none of them. */
class Top {
  readonly topics: Ranked[] = [];

  constructor(
    private readonly countMax: number,
    private readonly rankOf: (topic: Ranked) => number,
  ) {}

  offer(topic: Ranked): void {
    const { topics, countMax, rankOf } = this;
    const value = rankOf(topic);
    if (value === 0) return;
    if (topics.length === countMax) {
      if (value <= rankOf(topics[countMax - 1]!)) return;
      topics.pop();
    }
    let place = topics.length;
    while (place > 0 && rankOf(topics[place - 1]!) < value) place -= 1;
    topics.splice(place, 0, topic);
  }
}
