// Owns how a publisher says who it is: the API key, JWT or publish token that it brings with every connection and request. The links
// and leases ask it each time. Invariant: a credential goes into the Authorization header and nowhere else, no error text either.

import { systemTimers } from '../ports/clock.ts';

/** What it is, or what gives a fresh one each time that it is needed. */
export type Credential = string | (() => string | Promise<string>);

/** What can stand in a header. */
const CREDENTIAL = /^[!-~]+$/;

export class Authorization {
  private constructor(
    private readonly credential: Credential,
    private readonly patienceMs: number,
  ) {}

  /**
   * @param token an older name of the option. Empty: none.
   * @param patienceMs how long a function may take.
   * @throws TypeError for what no header can carry.
   */
  static of(credential: Credential | undefined, token: string | undefined, patienceMs: number): Authorization {
    if (credential !== undefined && token !== undefined) throw new TypeError('give credential or token, not both');
    const given = credential ?? token ?? '';
    if (typeof given === 'string' && given !== '' && !CREDENTIAL.test(given)) throw new TypeError(UNFIT);
    return new Authorization(given, patienceMs);
  }

  /** Whether another one may come next time. */
  get isRenewable(): boolean {
    return typeof this.credential === 'function';
  }

  /** @throws Error where the function fails, takes too long, or gives what no header can carry. */
  async headers(): Promise<Record<string, string>> {
    const { credential } = this;
    const given = typeof credential === 'string' ? credential : await this.ask(credential);
    if (given === '') return {};
    if (typeof given !== 'string' || !CREDENTIAL.test(given)) throw new Error(UNFIT);
    return { Authorization: `Bearer ${given}` };
  }

  private ask(give: () => string | Promise<string>): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = systemTimers.after(this.patienceMs, () => reject(new Error('no credential came in time')));
      // What is thrown at once rejects as well.
      new Promise<string>((given) => given(give()))
        .then(resolve, (error: unknown) => {
          reject(new Error(`there is no credential: ${error instanceof Error ? error.message : String(error)}`));
        })
        .finally(() => timer.cancel());
    });
  }
}

const UNFIT = 'a credential is ASCII without spaces';
