// Owns the live market that the page's tests look at: a real gateway with the synthetic market in it, which runs and halts as
// a test says. Invariant: while it is halted, what the gateway answers over HTTP is all that was ever published.

import { Ingest } from '../../src/feeds/ingest.ts';
import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { syntheticSymbols } from '../../src/feeds/synthetic-symbols.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import type { Settings } from '../../src/settings/settings.ts';
import { startGateway } from '../gateway/harness.ts';

const SYMBOLS = 5;
const TURN_MS = 10;

export interface ServedBook {
  readonly seq: number;
  /** As the page writes it. */
  readonly checksum: string;
}

export class LiveMarket {
  readonly gateway: Gateway;
  readonly symbols: readonly string[];
  private readonly market = new SyntheticMarket({ seed: 1, symbols: syntheticSymbols(SYMBOLS, 1) });
  private readonly ingest: Ingest;
  private timer: NodeJS.Timeout | undefined;
  private turn: Promise<void> = Promise.resolve();

  constructor(overrides: Partial<Settings> = {}) {
    this.gateway = startGateway({ stallMsMax: 20_000, ...overrides });
    this.ingest = new Ingest(this.gateway);
    this.symbols = this.market
      .instruments()
      .map(({ symbol }) => symbol)
      .sort();
  }

  async open(): Promise<void> {
    await this.ingest.message(this.market.instruments().map((definition) => ({ kind: 'instrument', definition })));
    await this.ingest.message(this.market.snapshots(Date.now() * 1_000));
  }

  run(stepsPerSec: number): void {
    let owed = 0;
    this.timer = setInterval(() => {
      owed += (stepsPerSec * TURN_MS) / 1_000;
      const steps = Math.floor(owed);
      owed -= steps;
      this.turn = this.turn.then(() => this.step(steps));
    }, TURN_MS);
  }

  async halt(): Promise<void> {
    clearInterval(this.timer);
    await this.turn;
  }

  async book(symbol: string, depth: number): Promise<ServedBook> {
    const answer = await fetch(`${this.gateway.url}/v1/book/${symbol}?depth=${depth}`);
    const { seq, checksum } = (await answer.json()) as { seq: number; checksum: number };
    return { seq, checksum: checksum.toString(16).padStart(8, '0') };
  }

  private async step(steps: number): Promise<void> {
    for (let done = 0; done < steps; done++) await this.ingest.message(this.market.step(Date.now() * 1_000));
  }
}
