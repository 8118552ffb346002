// Owns the list of load tests, and the gateway that each is run against where none is named. The runner and the tests read it.
// Invariant: each scenario here is a file of k6/, and each file there is here.

export interface Scenario {
  /** What it proves, in a line. */
  readonly about: string;
  /** The demo's flags. */
  readonly market: readonly string[];
  /** Settings of its gateway, over those of all. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Load tests are to meet the gateway, not its guards. */
export const OPEN_SETTINGS: Readonly<Record<string, string>> = {
  TICKWIRE_LOG_LEVEL: 'error',
  TICKWIRE_CONNECTS_PER_SEC_MAX: '100000',
  TICKWIRE_CONNECTIONS_PER_PRINCIPAL_MAX: '100000',
  TICKWIRE_REQUESTS_PER_SEC_MAX: '10000',
  TICKWIRE_RESUME_SESSIONS_MAX: '200000',
};

/** Each of the symbols changes so often that a quote is due every quarter of a second. */
const LIVELY = ['--symbols', '8', '--rate', '1600'];
const CALM = ['--symbols', '8', '--rate', '400'];

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  smoke: { about: 'ten users, all channels, a resubscription, a return with a token', market: CALM },
  fanout: { about: 'a thousand users, five audited deliveries a second each', market: LIVELY },
  'connect-storm': {
    about: 'many connect at once; who is refused comes back when told',
    market: CALM,
    settings: { TICKWIRE_CONNECTS_PER_SEC_MAX: '100' },
  },
  'reconnect-storm': { about: 'all drop at once and come back with tokens and cursors', market: CALM },
  'slow-readers': { about: 'some users are slow: the others stay fast, and all stay exact', market: LIVELY },
  publish: { about: 'publishers at a rate: what was acknowledged is delivered', market: CALM },
  soak: { about: 'long: the same, and the memory of the gateway', market: LIVELY },
};
