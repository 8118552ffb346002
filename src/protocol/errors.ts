// Owns the one catalogue of errors: the same code on the wire, in HTTP answers, in logs and in metrics.
// proto/frames.md documents each of them; a test holds both ways. Invariant: a published code keeps its meaning.

interface CatalogueEntry {
  /** HTTP status where the error answers an HTTP request. */
  readonly http: number;
  readonly message: string;
  /** What the one who reads it should do. */
  readonly action: string;
}

export const ERRORS = {
  'bad-frame': {
    http: 400,
    message: 'The message is not valid MessagePack or JSON of the subprotocol.',
    action: 'Send maps with string keys, without extensions; JSON one object per line.',
  },
  'bad-request': {
    http: 400,
    message: 'The request does not have the documented shape.',
    action: 'Compare the request with proto/frames.md.',
  },
  'too-large': {
    http: 413,
    message: 'The request is over the limit for its size.',
    action: 'Split it; the welcome states the limits.',
  },
  'too-many-symbols': {
    http: 400,
    message: 'The request names more symbols than are allowed at once.',
    action: 'Split it; the welcome states the limits.',
  },
  'too-many-subscriptions': {
    http: 429,
    message: 'The connection has as many subscriptions as it may.',
    action: 'Unsubscribe from others first, or use another connection.',
  },
  'unknown-op': {
    http: 400,
    message: 'There is no such operation.',
    action: 'Use subscribe, unsubscribe, resync, instruments, limit, ping, auth or resume.',
  },
  'unknown-channel': { http: 400, message: 'There is no such channel.', action: 'Use book, quote, trade or status.' },
  'unknown-symbol': {
    http: 404,
    message: 'There is no such instrument.',
    action: 'GET /v1/instruments lists them; publishers create one with PUT /v1/instruments/:symbol.',
  },
  'bad-symbol': {
    http: 400,
    message: 'The symbol is not 1 to 48 of A-Z a-z 0-9 . _ -',
    action: 'Replace other characters, a slash by a hyphen for example.',
  },
  'bad-depth': {
    http: 400,
    message: 'There is no such depth.',
    action: 'Use 1, 5, 10, 20, 50, or 0 for the full book; raw books are always full.',
  },
  'unknown-set': {
    http: 404,
    message: 'There is no such set of symbols.',
    action: 'GET /v1/sets lists them; PUT /v1/sets/:name makes one.',
  },
  'bad-set': {
    http: 400,
    message: 'The definition of the set is not valid.',
    action: 'Send {"symbols": [...]} of symbols and wildcards; a name is 1 to 48 of A-Za-z0-9._-.',
  },
  'bad-group': {
    http: 400,
    message: 'This grouping is not possible here.',
    action: 'Group live books only, by a whole number of ticks up to 1000000; 0 is not grouped.',
  },
  'bad-interval': {
    http: 400,
    message: 'The interval is not a number of milliseconds from 0 to 60000.',
    action: 'Give milliseconds; they are rounded up to the shared grid.',
  },
  'bad-mode': {
    http: 400,
    message: 'This mode is not possible here.',
    action: 'Use live or raw; raw takes no interval and no depth.',
  },
  'not-subscribed': { http: 404, message: 'The connection has no such subscription.', action: 'Subscribe first.' },
  'unsupported-protocol': {
    http: 400,
    message: 'None of the offered subprotocols is known.',
    action: 'Offer tickwire.v1.msgpack or tickwire.v1.json.',
  },
  'slow-control': {
    http: 503,
    message: 'The client does not read the answers to its own requests.',
    action: 'Read before sending more requests; connect again and resume.',
  },
  overrun: {
    http: 429,
    message: 'The publisher has sent more items than it had credits for.',
    action: 'Count: an item costs one credit; acks and credit frames bring them back. Connect again.',
  },
  'no-demo': {
    http: 403,
    message: 'Connections can be stalled for show only where the gateway runs a demo market.',
    action: 'Start it with tickwire serve --demo; stall for no longer than the welcome says.',
  },
  'off-tick': {
    http: 422,
    message: 'A price is not a multiple of the tick size.',
    action: 'Round to the tick size of the instrument.',
  },
  'off-lot': {
    http: 422,
    message: 'A size is not a multiple of the lot size.',
    action: 'Round to the lot size of the instrument.',
  },
  'bad-price': {
    http: 422,
    message: 'A price is not a number that the instrument allows.',
    action: 'Send a decimal string or an integer mantissa; negative only where the instrument says so.',
  },
  'bad-size': {
    http: 422,
    message: 'A size is negative or not a number.',
    action: 'Send a decimal string or an integer mantissa of 0 or more.',
  },
  'out-of-range': {
    http: 422,
    message: 'A number is beyond 2^53 at the scale of the instrument.',
    action: 'Choose a smaller scale; numbers are never rounded.',
  },
  crossed: {
    http: 422,
    message: 'The book would have its best bid above its best offer.',
    action: 'Send the removal of the crossed levels in the same update.',
  },
  'duplicate-level': {
    http: 422,
    message: 'An update names the same price twice on one side.',
    action: 'Send each level once, with its final size.',
  },
  'needs-snapshot': {
    http: 409,
    message: 'The book has no snapshot in its present epoch.',
    action: 'Publish a snapshot, then deltas.',
  },
  leased: {
    http: 409,
    message: 'Another publisher is the only writer of this topic at present.',
    action: 'Leave it to that one, or ask for the lease when its time is over.',
  },
  fenced: {
    http: 409,
    message: 'The lease is over, or another publisher holds it.',
    action: 'Ask for the lease again, then publish a snapshot.',
  },
  'bus-down': {
    http: 503,
    message: 'The bus does not take the update.',
    action: 'Publish again in a moment; a book begins with a snapshot.',
  },
  'stale-instrument': {
    http: 409,
    message: 'The instrument was changed elsewhere; this gateway is about to learn of it.',
    action: 'Publish a snapshot at the new scales in a moment.',
  },
  'newer-format': {
    http: 503,
    message: 'What is stored in Redis was written by a newer version of Tickwire.',
    action: 'Upgrade this gateway; older and newer ones can not share it.',
  },
  'derived-channel': {
    http: 409,
    message: 'The quote of this instrument is derived from its book.',
    action: 'Publish the book, or set quoteSource to published.',
  },
  'bad-instrument': {
    http: 400,
    message: 'The definition of the instrument is not valid.',
    action: 'Compare it with GET /v1/instruments.',
  },
  'not-local': {
    http: 403,
    message: 'The admin port answers programs on this machine only.',
    action: 'Ask from this machine, by the name localhost or the address 127.0.0.1, and not from a web page.',
  },
  'admin-token': {
    http: 401,
    message: 'The admin port answers those who bring its token.',
    action: 'Send Authorization: Bearer <token>, the one that TICKWIRE_ADMIN_TOKEN on the gateway holds.',
  },
  unauthorized: {
    http: 401,
    message: 'Publishing is open to this machine only, or to those with the token.',
    action: 'Send Authorization: Bearer <token>; set TICKWIRE_PUBLISH_TOKEN on the gateway.',
  },
  unauthenticated: {
    http: 401,
    message: 'The client has not said who it is, and has to.',
    action:
      'Send an API key or a JWT: Authorization: Bearer, the subprotocol tickwire.bearer.<it>, or the request auth first.',
  },
  'bad-credential': {
    http: 401,
    message: 'The API key or JWT is not valid here.',
    action: 'Ask whoever runs the gateway for one that is.',
  },
  'expired-credential': {
    http: 401,
    message: 'The API key or JWT is no longer valid.',
    action: 'Bring a fresh one; on an open connection with the request auth.',
  },
  'not-entitled': {
    http: 403,
    message: 'This client may not do that here.',
    action: 'Ask whoever runs the gateway to allow it.',
  },
  'bad-origin': {
    http: 403,
    message: 'Pages of this origin may not connect.',
    action: 'Name the origin in TICKWIRE_ORIGINS on the gateway.',
  },
  'too-many-connections': {
    http: 503,
    message: 'The gateway has as many connections as it may.',
    action: 'Try again later, or connect to another gateway.',
  },
  'too-many-from-address': {
    http: 429,
    message: 'There are as many connections from this address as there may be.',
    action: 'Close others first; share one connection.',
  },
  'too-many-of-principal': {
    http: 429,
    message: 'This client has as many connections as it may.',
    action: 'Close others first; share one connection.',
  },
  busy: {
    http: 503,
    message: 'More clients connect at present than are let in at once.',
    action: 'Try again when retryAfterMs is over.',
  },
  draining: {
    http: 503,
    message: 'The gateway is about to stop.',
    action: 'Connect to another gateway.',
  },
  'too-many-requests': {
    http: 429,
    message: 'The client sends more requests a second than it may.',
    action: 'Send fewer, with more symbols each; the welcome states the limit.',
  },
  'publish-rate': {
    http: 429,
    message: 'The publisher sends more updates a second than it may.',
    action: 'Send fewer: merge updates of a book; or ask whoever runs the gateway for more.',
  },
  'bad-token': {
    http: 400,
    message: 'The token is none of this installation.',
    action: 'Go on without it: the connection is open; subscribe with cursors.',
  },
  'expired-token': {
    http: 410,
    message: 'The token is no longer valid, or nothing is known of it.',
    action: 'Go on without it: the connection is open; subscribe with cursors.',
  },
  'used-token': {
    http: 409,
    message: 'The token was used already.',
    action: 'Go on without it: the connection is open; subscribe with cursors.',
  },
  'foreign-token': {
    http: 403,
    message: 'The token was given to another client.',
    action: 'Go on without it: the connection is open; subscribe with cursors.',
  },
  revoked: {
    http: 403,
    message: 'The access of this client was taken back.',
    action: 'Ask whoever runs the gateway.',
  },
  'not-found': {
    http: 404,
    message: 'There is nothing at this address.',
    action: 'proto/frames.md lists the HTTP endpoints.',
  },
  'bad-method': {
    http: 405,
    message: 'There is something at this address, but not for this method.',
    action: 'Use a method that the header Allow of the answer names.',
  },
  'not-ready': { http: 503, message: 'The state is not loaded yet.', action: 'Try again in a moment.' },
  internal: {
    http: 500,
    message: 'The gateway made a mistake.',
    action: 'Report it with the time; the log has the details.',
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** An error as a value. `detail` says which field or value, where that helps; it never holds a secret. */
export interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly action: string;
}

/** Makes a fault of the catalogue; `detail` is appended to its message. */
export function fault(code: ErrorCode, detail?: string): Fault {
  const { message, action } = ERRORS[code];
  return { code, message: detail === undefined ? message : `${message} (${detail})`, action };
}

/** WebSocket close codes that Tickwire uses (RFC 6455 section 7.4). Below 4500: come back; from 4500 on: don't, mend the client first. */
export const CloseCode = {
  goingAway: 1001,
  slowControl: 4000,
  tooSlow: 4001,
  silent: 4002,
  overrun: 4003,
  refused: 4004,
  expired: 4005,
  resumed: 4006,
  flood: 4007,
  badFrames: 4500,
  unsupportedProtocol: 4501,
  unauthorized: 4502,
} as const;
