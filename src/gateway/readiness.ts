// Owns what /readyz answers: whether clients should be sent here, and if not, why. The gateway gives it what it knows, the admin port
// and the metrics ask it. Invariant: the codes are few and documented in docs/operating.md, which a test holds; ready means no reason.

export const UNREADY = {
  starting: 'it does not know yet what other gateways have listed',
  draining: 'its clients are sent elsewhere, and it ends',
  'bus-down': 'Redis does not answer: books stand still, nothing can be published',
} as const;
export type UnreadyCode = keyof typeof UNREADY;

export interface UnreadyReason {
  readonly code: UnreadyCode;
  /** For people. */
  readonly detail: string;
}

export interface Readiness {
  readonly ready: boolean;
  /** Empty where it is ready. */
  readonly reasons: readonly UnreadyReason[];
}

/** What the gateway knows of itself. */
export interface Condition {
  readonly starting: boolean;
  readonly draining: boolean;
  readonly busDown: boolean;
}

export function readinessOf({ starting, draining, busDown }: Condition): Readiness {
  const holds: Record<UnreadyCode, boolean> = { starting, draining, 'bus-down': busDown };
  const codes = (Object.keys(UNREADY) as UnreadyCode[]).filter((code) => holds[code]);
  return { ready: codes.length === 0, reasons: codes.map((code) => ({ code, detail: UNREADY[code] })) };
}
