// Owns the child process of `bench:redis`: a publisher or a follower, on the bus or plain. Spoken to as redis/messages.ts says.
// Invariant: CPU time counts from the order of a phase to its answer; a process whose channel closes exits.

import { cpuUs, nowUs as localUs } from './clock.ts';
import { sharedClock } from './redis/clock.ts';
import { BusFollower, BusPublisher, type FollowingEnd, type PublishingEnd } from './redis/ends.ts';
import { Hearing } from './redis/hearing.ts';
import type { DrainMessage, FromNode, RanMessage, RunMessage, SetupMessage, ToNode } from './redis/messages.ts';
import { PlainFollower, PlainPublisher } from './redis/plain.ts';
import { Schedule } from './schedule.ts';

const DRAIN_MS_MAX = 15_000;
const POLL_MS = 5;
const LEAD_US = 20_000;

interface Phase {
  readonly cpuUs: number;
  readonly updates: number;
  readonly folds: number;
  readonly repaired: number;
}

class Publisher {
  constructor(
    private readonly end: PublishingEnd,
    private readonly clock: ReturnType<typeof sharedClock>,
  ) {}

  async run(order: RunMessage): Promise<RanMessage> {
    const { end, clock } = this;
    const from = { cpuUs: cpuUs(), updates: end.updates, folds: end.folds(), wallUs: clock.nowUs() };
    const { pace } = order;
    const latenessP99Us =
      'updatesPerSec' in pace
        ? await this.onSchedule(order, pace.updatesPerSec)
        : await this.asAnswered(order, pace.callsUnderWay);
    await end.settle();
    return {
      type: 'ran',
      lastSeqs: end.lastSeqs,
      updates: end.updates - from.updates,
      cpuUs: cpuUs() - from.cpuUs,
      wallUs: clock.nowUs() - from.wallUs,
      latenessP99Us,
      folds: end.folds() - from.folds,
      problems: end.problems.count,
      problemTexts: end.problems.texts,
    };
  }

  /** Each of so many loops makes its next call when the last one is answered. */
  private async asAnswered({ batch, seconds }: RunMessage, callsUnderWay: number): Promise<number> {
    const { end, clock } = this;
    const untilUs = clock.nowUs() + seconds * 1_000_000;
    let next = 0;
    const loop = async (): Promise<void> => {
      for (let atUs = clock.nowUs(); atUs < untilUs; atUs = clock.nowUs())
        await end.publish(next++ % end.lastSeqs.length, batch, atUs);
    };
    await Promise.all(Array.from({ length: callsUnderWay }, loop));
    return 0;
  }

  private async onSchedule({ batch, seconds }: RunMessage, updatesPerSec: number): Promise<number> {
    const { end, clock } = this;
    const startUs = localUs() + LEAD_US;
    const plan = { startUs, windowFromUs: startUs, windowToUs: startUs + seconds * 1_000_000 };
    const workload = { updatesPerSecond: updatesPerSec, burstUpdates: batch };
    const answers: Promise<void>[] = [];
    let updates = 0;
    const lateness = await new Promise<number>((resolve) => {
      const schedule: Schedule = new Schedule(plan, workload, {
        publish: (intendedUs) => {
          const index = updates++;
          if (index % batch === 0)
            answers.push(end.publish((index / batch) % end.lastSeqs.length, batch, clock.fromLocalUs(intendedUs)));
        },
        windowStart: () => {},
        windowEnd: () => resolve(schedule.lateness.percentileUs(0.99)),
      });
      schedule.turn();
    });
    await Promise.all(answers);
    return lateness;
  }
}

class Listener {
  private phase: Phase = { cpuUs: 0, updates: 0, folds: 0, repaired: 0 };

  constructor(
    private readonly end: FollowingEnd,
    private readonly hearing: Hearing,
  ) {}

  begin(): void {
    this.hearing.begin();
    this.phase = { cpuUs: cpuUs(), updates: 0, folds: this.end.folds(), repaired: this.end.repaired() };
  }

  async drain({ lastSeqs }: DrainMessage): Promise<FromNode> {
    const { end, hearing, phase } = this;
    const untilMs = performance.now() + DRAIN_MS_MAX;
    while (!hearing.complete(lastSeqs) && performance.now() < untilMs) await sleepMs(POLL_MS);
    hearing.finish(lastSeqs);
    return {
      type: 'heard',
      updates: hearing.updates,
      cpuUs: cpuUs() - phase.cpuUs,
      latency: hearing.latency(),
      repaired: end.repaired() - phase.repaired,
      folds: end.folds() - phase.folds,
      problems: hearing.problems.count,
      problemTexts: hearing.problems.texts,
    };
  }
}

function sleepMs(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

function tell(message: FromNode): void {
  process.send!(message);
}

let publisher: Publisher | undefined;
let listener: Listener | undefined;

async function setUp(setup: SetupMessage): Promise<void> {
  const clock = sharedClock(setup.originUs);
  if (setup.role === 'publisher') {
    const start = setup.way === 'bus' ? BusPublisher : PlainPublisher;
    publisher = new Publisher(await start.start(setup, clock.nowUs), clock);
  } else {
    const hearing = new Hearing(setup.topics);
    const start = setup.way === 'bus' ? BusFollower : PlainFollower;
    listener = new Listener(await start.start(setup, hearing, clock.nowUs), hearing);
  }
  tell({ type: 'ready' });
}

process.on('disconnect', () => process.exit(0));
process.on('message', async (message: ToNode) => {
  if (message.type === 'setup') await setUp(message);
  else if (message.type === 'run') tell(await publisher!.run(message));
  else if (message.type === 'listen') listener!.begin();
  else if (message.type === 'end') process.exit(0);
  else tell(await listener!.drain(message));
});
