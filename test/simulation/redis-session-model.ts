// Owns what the scripts of proto/redis/ for sessions do, written once more in plain TypeScript. The model of the scripts asks it;
// redis-session-model.test.ts holds it against the real ones. Invariant: given the same calls at the same times it answers and keeps
// the same as the Lua texts do.

import type { RedisArgument, RedisReply } from '../../src/ports/redis.ts';

/** A record; one that is used or revoked has neither tokens nor a state. */
export interface ModelSession {
  readonly generation: number;
  readonly principal: string;
  /** 0: to be had; 1: used; 2: revoked. */
  readonly end: 0 | 1 | 2;
  readonly token: string;
  readonly former: string;
  readonly state: string;
  /** By the clock of Redis. */
  readonly untilMs: number;
}

const ARGUMENTS_EACH = 6;

export class SessionModel {
  records = new Map<string, ModelSession>();

  constructor(
    private readonly nowMs: () => number,
    /** Throws where there is none left. */
    private readonly takeMemory: () => void,
  ) {}

  find(key: string): ModelSession | undefined {
    const record = this.records.get(key);
    return record !== undefined && record.untilMs > this.nowMs() ? record : undefined;
  }

  /** session.lua */
  write(keys: readonly string[], [, knownMs, ...fields]: readonly RedisArgument[]): RedisReply {
    let wrote = false;
    return keys.map((key, i) => {
      const own = fields.slice(i * ARGUMENTS_EACH, (i + 1) * ARGUMENTS_EACH);
      const [life, generation] = [Number(own[0]), Number(own[1])];
      const [token, former, principal, state] = [`${own[2]}`, `${own[3]}`, `${own[4]}`, `${own[5]}`];
      const held = this.find(key);
      if (held !== undefined && held.end !== 0) return 0;
      const isOld = held !== undefined && held.generation > generation;
      // A Redis without memory takes what follows a deletion.
      if (life !== 0 && (life < 0 || !isOld) && !wrote) this.takeMemory();
      if (life <= 0 || !isOld) wrote = true;
      if (life === 0) this.records.delete(key);
      else if (life < 0) this.finish(key, { generation, principal }, 2, -life);
      else if (!isOld) {
        const kept = state === '' ? (held?.state ?? '') : state === '-' ? '' : state;
        const untilMs = this.nowMs() + life + Number(knownMs);
        this.records.set(key, { generation, principal, end: 0, token, former, state: kept, untilMs });
      }
      return held === undefined ? 2 : 1;
    });
  }

  /** session-redeem.lua */
  redeem([key]: readonly string[], args: readonly RedisArgument[]): RedisReply {
    const [asked, usedMs, knownMs] = [Number(args[1]), Number(args[4]), Number(args[5])];
    const held = this.find(key!);
    if (held === undefined || held.end === 2) return [text('unknown')];
    if (held.principal !== `${args[3]}`) return [text('foreign')];
    if (held.end === 1) return [text('used')];
    const { generation, state } = held;
    if (asked < generation - 1) return [text('superseded')];
    if (held.untilMs - this.nowMs() <= knownMs) return [text('expired')];
    if ((asked === generation ? held.token : held.former) !== `${args[2]}`) return [text('unknown')];
    this.finish(key!, held, 1, usedMs);
    return [generation, text(state)];
  }

  private finish(
    key: string,
    { generation, principal }: Pick<ModelSession, 'generation' | 'principal'>,
    end: 1 | 2,
    lifeMs: number,
  ): void {
    const untilMs = this.nowMs() + lifeMs;
    this.records.set(key, { generation, principal, end, token: '', former: '', state: '', untilMs });
  }
}

function text(value: string): Uint8Array {
  return Buffer.from(value);
}
