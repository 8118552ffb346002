// Owns connecting for its own sake: a link is opened, welcomed and reset, again and again, in a closed loop or on a schedule.
// The crowd's process runs it. Invariant: on a schedule every connect is counted from its intended time, however late it began.

import { nowUs } from '../clock.ts';
import { Histogram } from '../histogram.ts';
import { Schedule } from '../schedule.ts';
import { FaultList } from './faults.ts';
import { Link } from './link.ts';
import type { FloodOrder, FromCrowd, PaceOrder, Target } from './messages.ts';
import { isWelcome } from './welcome.ts';

const LEAD_US = 20_000;
/** After the last intended time: who is not welcomed by then never is. */
const STRAGGLERS_MS_MAX = 5_000;

/** One connection's first message. @throws Error where there is none. */
export function probe(target: Target): Promise<FromCrowd> {
  return new Promise((resolve, reject) => {
    const link: Link = new Link(target, {
      message: (bytes, start, end) => {
        link.reset();
        resolve({ type: 'probed', firstMessage: [...bytes.subarray(start, end)] });
      },
      lost: (why) => reject(new Error(`there was no first message: ${why}`)),
    });
  });
}

/** Connects, is welcomed, resets. @param done told once, with what went wrong; null: nothing. */
function visit(target: Target, done: (fault: string | null) => void): void {
  const link: Link = new Link(target, {
    message: (bytes, start, end) => {
      link.reset();
      done(isWelcome(bytes, start, end) ? null : 'the first message was not a welcome');
    },
    lost: done,
  });
}

/** As fast as it goes: so many at a time, each followed by the next. */
export async function flood(order: FloodOrder): Promise<FromCrowd> {
  const faults = new FaultList();
  const cpuFromUs = cpuUs();
  const fromUs = nowUs();
  const untilUs = fromUs + order.seconds * 1_000_000;
  let [begun, connects] = [0, 0];
  let toUs = fromUs;
  await new Promise<void>((resolve) => {
    let under = 0;
    const next = (): void => {
      if (begun >= order.connectsMax || nowUs() >= untilUs) {
        if (under === 0) resolve();
        return;
      }
      begun += 1;
      under += 1;
      visit(order, (fault) => {
        under -= 1;
        if (fault === null) connects += 1;
        else faults.add(fault);
        toUs = nowUs();
        next();
      });
    };
    for (let i = 0; i < order.inFlight; i++) next();
  });
  const wallUs = toUs - fromUs;
  const cpuShare = (cpuUs() - cpuFromUs) / wallUs;
  return { type: 'flooded', connects, seconds: wallUs / 1_000_000, cpuShare, ...faults.told() };
}

/** At so many a second, whatever happens. */
export async function pace(order: PaceOrder): Promise<FromCrowd> {
  const { connectsPerSec, warmUpSeconds, seconds } = order;
  const faults = new FaultList();
  const latency = new Histogram();
  const startUs = nowUs() + LEAD_US;
  const windowFromUs = startUs + warmUpSeconds * 1_000_000;
  const plan = { startUs, windowFromUs, windowToUs: windowFromUs + seconds * 1_000_000 };
  let [cpuFromUs, cpuToUs, under] = [0, 0, 0];
  let idle: () => void = () => {};
  const schedule: Schedule = await new Promise((resolve) => {
    const running: Schedule = new Schedule(
      plan,
      { updatesPerSecond: connectsPerSec, burstUpdates: 1 },
      {
        publish: (_index, intendedUs) => {
          under += 1;
          visit(order, (fault) => {
            under -= 1;
            if (fault !== null) faults.add(fault);
            else if (intendedUs >= windowFromUs) latency.record(nowUs() - intendedUs, 1);
            if (under === 0) idle();
          });
        },
        windowStart: () => {
          cpuFromUs = cpuUs();
        },
        windowEnd: () => {
          cpuToUs = cpuUs();
          resolve(running);
        },
      },
    );
    running.turn();
  });
  await new Promise<void>((resolve) => {
    idle = resolve;
    if (under === 0) resolve();
    else setTimeout(resolve, STRAGGLERS_MS_MAX);
  });
  for (; under > 0; under--) faults.add('it was not welcomed in time');
  return {
    type: 'paced',
    latency: {
      count: latency.count,
      p50Us: latency.percentileUs(0.5),
      p99Us: latency.percentileUs(0.99),
      maxUs: latency.maxUs,
    },
    latenessP99Us: schedule.lateness.percentileUs(0.99),
    cpuShare: (cpuToUs - cpuFromUs) / (seconds * 1_000_000),
    ...faults.told(),
  };
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
