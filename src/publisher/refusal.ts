// Owns how publishing fails: an error with the code, message and advice of the gateway's catalogue, or of the SDK's own below.
// Everything in this folder rejects with it. Invariant: a code of the gateway means here what proto/frames.md says.

import { ERRORS, type ErrorCode, type Fault } from '../protocol/errors.ts';

const OWN_ERRORS = {
  'unknown-outcome': {
    message: 'The connection was lost before the answer came: the item may have been published, or not.',
    action: 'Do not send it again as it is: publish the present state, a snapshot for a book.',
  },
  'not-connected': {
    message: 'There is no connection to the gateway; the item was not published.',
    action: 'Wait for drained(), then publish what is true by then.',
  },
  'buffer-full': {
    message: 'As many items as the buffer holds are unanswered; the item was not published.',
    action: 'Wait for drained(), then publish what is true by then.',
  },
  closed: {
    message: 'The publisher has been closed; the item was not published.',
    action: 'Make another publisher.',
  },
} as const;

export type PublishErrorCode = ErrorCode | keyof typeof OWN_ERRORS;

/** Why an item, or the definition of an instrument, was not taken. `message` has the details, `action` what to do about it. */
export class PublishError extends Error {
  override readonly name = 'PublishError';

  constructor(
    /** Of the catalogue in proto/frames.md, or `unknown-outcome`, `not-connected`, `buffer-full`, `closed`. */
    readonly code: PublishErrorCode,
    message: string,
    readonly action: string,
    /** Whose item it was; null where it was about none. */
    readonly symbol: string | null,
  ) {
    super(message);
  }
}

/** An error of the SDK's own, or of the catalogue, with what is known about it. */
export function publishError(code: PublishErrorCode, symbol: string | null, detail?: string): PublishError {
  const { message, action } =
    code in OWN_ERRORS ? OWN_ERRORS[code as keyof typeof OWN_ERRORS] : ERRORS[code as ErrorCode];
  return new PublishError(code, detail === undefined ? message : `${message} (${detail})`, action, symbol);
}

/** What the gateway said of an item. A later gateway may have codes that this catalogue does not know. */
export function refusedBy({ code, message, action }: Fault, symbol: string | null): PublishError {
  return new PublishError(code, message, action, symbol);
}

/** The same error about another item. */
export function about({ code, message, action }: PublishError, symbol: string | null): PublishError {
  return new PublishError(code, message, action, symbol);
}
