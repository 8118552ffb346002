// Owns the catalogue of what is logged: each event's name, level, sentence and fields, and the port by which every layer tells them.
// The gateway's log writes them, docs/logs.md is held against this table both ways. Invariant: a published name keeps its meaning, a
// field means the same in every event, and none of them is there to hold a secret.

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What fields mean, wherever they stand. */
export const LOG_FIELDS = {
  address: "the client's address",
  admin: 'address of the admin port',
  changed: 'what is another now: name, old and new value, secrets without',
  closeCode: 'WebSocket close code, as in proto/frames.md',
  code: 'error code, as in proto/frames.md',
  codec: 'json or msgpack',
  complaint: 'what the venue said',
  connection: "id of a client's connection: GET /v1/admin/connections/ID tells more",
  connections: 'how many there are',
  delayMs: 'how long until the next attempt, in milliseconds',
  drainMs: 'over how long clients are sent elsewhere, in milliseconds',
  error: 'what was thrown: type, message, stack',
  faults: 'all that is wrong, a list',
  feed: 'name of the venue',
  forMs: 'for how long, in milliseconds; null: until it is changed again',
  host: 'the setting host',
  keys: 'API keys in the access document',
  logLevel: 'the level from now on',
  office: 'what one of several gateways does',
  omitted: 'lines that were left out, by event, and by code where it has one',
  path: 'what was asked for, as GET /v1/admin lists it; null: there is no such thing',
  principal: 'who it is, as in docs/access.md',
  publisher: "id of a publisher's connection",
  reason: 'why, in words',
  refusals: 'refusals by code',
  restart: 'settings that were changed and hold from the next start on',
  roles: 'roles in the access document',
  stream: 'address that clients connect to',
  subject: 'whose certificate it is',
  symbol: 'symbol of an instrument',
  tookMs: 'how long it took, in milliseconds',
  url: 'address of the public port, or of a venue',
  validTo: "the certificate's last moment",
  version: 'version of Redis',
} as const;
export type LogField = keyof typeof LOG_FIELDS;

interface LogEventEntry {
  readonly level: Exclude<LogLevel, 'silent'>;
  /** The line's `msg`; it never varies. */
  readonly message: string;
  readonly fields: readonly LogField[];
  /** When it is told, and what to do about it where there is something to do. */
  readonly about: string;
}

export const LOG_EVENTS = {
  'gateway.listening': {
    level: 'info',
    message: 'listening',
    fields: ['url', 'stream', 'admin'],
    about: 'Both ports are open.',
  },
  'gateway.stopped': {
    level: 'info',
    message: 'stopped',
    fields: [],
    about: 'The last line of a gateway that ended well.',
  },
  'drain.begun': {
    level: 'info',
    message: 'draining',
    fields: ['connections', 'drainMs'],
    about: 'Clients are sent elsewhere: SIGTERM, or somebody asked for it.',
  },
  'drain.ended': {
    level: 'info',
    message: 'drained',
    fields: ['connections', 'tookMs'],
    about: 'The clients have gone; `connections` are left and are closed.',
  },

  'client.opened': {
    level: 'debug',
    message: 'connected',
    fields: ['connection', 'address', 'codec', 'principal'],
    about: 'A client was let in.',
  },
  'client.closed': {
    level: 'info',
    message: 'closed a connection',
    fields: ['connection', 'address', 'closeCode', 'reason'],
    about: 'A client was closed from this side.',
  },
  'client.left': {
    level: 'debug',
    message: 'disconnected',
    fields: ['connection'],
    about: "A client's socket is gone.",
  },
  'client.refused': {
    level: 'info',
    message: 'refused a connection',
    fields: ['address', 'code'],
    about: 'A client was not let in.',
  },
  'request.refused': {
    level: 'debug',
    message: 'refused a request',
    fields: ['code'],
    about: 'A request of a client or publisher, over WebSocket or HTTP, was answered with an error.',
  },

  'publisher.opened': {
    level: 'info',
    message: 'a publisher connected',
    fields: ['publisher', 'address', 'codec', 'principal'],
    about: 'A publisher was let in.',
  },
  'publisher.closed': {
    level: 'info',
    message: 'closed a publisher',
    fields: ['publisher', 'closeCode', 'reason'],
    about: 'A publisher was closed from this side, or not let in.',
  },
  'publisher.left': {
    level: 'info',
    message: 'a publisher disconnected',
    fields: ['publisher'],
    about: "A publisher's socket is gone, whoever ended it.",
  },
  'intake.refused': {
    level: 'warn',
    message: 'refused a plain PUBLISH',
    fields: ['symbol', 'code', 'reason'],
    about: 'What came by PUBLISH on Redis is lost: nobody else tells the one who sent it.',
  },

  'instrument.listed': { level: 'debug', message: 'listed an instrument', fields: ['symbol'], about: 'It is new.' },
  'instrument.changed': {
    level: 'debug',
    message: 'changed an instrument',
    fields: ['symbol'],
    about: 'It has another definition; its books begin anew.',
  },
  'instrument.delisted': {
    level: 'info',
    message: 'delisted an instrument',
    fields: ['symbol'],
    about: 'Subscriptions to it have ended.',
  },

  'bus.up': { level: 'info', message: 'connected to Redis', fields: ['version'], about: 'Publishing works.' },
  'bus.down': {
    level: 'warn',
    message: 'lost the connection to Redis',
    fields: [],
    about: 'Clients are told resync, publishers bus-down, /readyz answers 503; it is tried on.',
  },
  'bus.trouble': {
    level: 'warn',
    message: 'trouble with Redis',
    fields: ['reason'],
    about: 'Something on Redis failed; the same reason is not told again for ten seconds.',
  },
  'bus.waiting': {
    level: 'debug',
    message: 'waits for Redis',
    fields: ['reason'],
    about: 'Something else failed for a Redis that is gone.',
  },
  'bus.office': {
    level: 'info',
    message: 'does what one gateway at a time does',
    fields: ['office'],
    about: 'Of several gateways this one runs the demo, or a feed, from now on.',
  },

  'certificate.loaded': {
    level: 'info',
    message: 'the certificate of the public port',
    fields: ['subject', 'validTo'],
    about: 'At the start.',
  },
  'certificate.renewed': {
    level: 'info',
    message: 'took a new certificate',
    fields: ['subject', 'validTo'],
    about: 'New connections see it.',
  },
  'certificate.expired': {
    level: 'warn',
    message: 'the certificate has expired',
    fields: ['subject', 'validTo'],
    about: 'It is used all the same, and clients refuse it: put a fresh one in its place.',
  },
  'certificate.kept': {
    level: 'error',
    message: 'kept the certificate as it was',
    fields: ['reason'],
    about: 'The files were changed and are of no use: mend them.',
  },
  'access.loaded': {
    level: 'info',
    message: 'took over the access document',
    fields: ['roles', 'keys'],
    about: 'It was changed, and holds.',
  },
  'access.fault': {
    level: 'warn',
    message: 'what was read before still holds',
    fields: ['reason'],
    about: "The access document, or the issuer's keys, can't be used: mend the file.",
  },
  'access.shut': {
    level: 'warn',
    message: 'nobody but this machine comes in',
    fields: ['host', 'reason'],
    about: 'It listens for others, and nobody can say who he is.',
  },

  'settings.reloaded': {
    level: 'info',
    message: 'read the settings and files again',
    fields: ['changed'],
    about: 'SIGHUP: what is named holds from now on.',
  },
  'settings.restart': {
    level: 'warn',
    message: 'some settings hold from the next start on',
    fields: ['restart'],
    about: 'SIGHUP: they were changed, and can not change while the gateway runs.',
  },
  'settings.kept': {
    level: 'warn',
    message: 'the settings and files that were read before still hold',
    fields: ['faults'],
    about: 'SIGHUP, and something can not work: mend it and send the signal again.',
  },
  'settings.doubt': {
    level: 'warn',
    message: 'a setting is likely misspelt',
    fields: ['reason'],
    about: 'At the start: a variable of the environment that is no setting, but nearly one.',
  },
  'settings.same-secret': {
    level: 'warn',
    message: 'the admin token is the publish token',
    fields: [],
    about: 'Whoever publishes can also drain the gateway: set two.',
  },

  'admin.refused': {
    level: 'warn',
    message: 'refused a request of the admin port',
    fields: ['address', 'code', 'path'],
    about: 'Somebody asked without the token, with a wrong one, or from elsewhere.',
  },
  'log.level': {
    level: 'info',
    message: 'another log level',
    fields: ['logLevel', 'forMs'],
    about: 'Somebody asked the admin port for it, its time is over, or the setting was changed.',
  },
  'log.omitted': {
    level: 'warn',
    message: 'left out lines',
    fields: ['omitted'],
    about: 'More lines of an event came within a second than logLinesPerSecMax.',
  },
  'internal.error': {
    level: 'error',
    message: 'internal error',
    fields: ['error', 'connection'],
    about: 'A mistake of the gateway: please report it.',
  },

  'market.refused': {
    level: 'warn',
    message: 'refused',
    fields: ['symbol', 'code', 'reason'],
    about: 'What the demo, or a replay, published was refused; once for each symbol and code.',
  },
  'market.refused-in-all': {
    level: 'warn',
    message: 'refused in all',
    fields: ['refusals'],
    about: 'The sum of it, at the end.',
  },
  'feed.connected': { level: 'info', message: 'connected to the venue', fields: ['feed', 'url'], about: 'It is live.' },
  'feed.lost': {
    level: 'warn',
    message: 'lost the venue; connects again',
    fields: ['feed', 'url', 'reason', 'delayMs'],
    about: 'Its books are stale meanwhile, and clients are told so.',
  },
  'feed.book-lost': {
    level: 'warn',
    message: 'lost a book; asks for it anew',
    fields: ['feed', 'url', 'symbol', 'reason'],
    about: 'A gap or a wrong checksum.',
  },
  'feed.no-snapshot': {
    level: 'warn',
    message: 'there is no snapshot',
    fields: ['feed', 'url', 'symbol', 'reason'],
    about: 'It is asked for again.',
  },
  'feed.refused': {
    level: 'warn',
    message: 'refused what the venue said',
    fields: ['feed', 'url', 'symbol', 'code', 'reason'],
    about: 'Once for each symbol and code.',
  },
  'feed.complaint': {
    level: 'warn',
    message: 'the venue complains',
    fields: ['feed', 'url', 'complaint'],
    about: 'Of a symbol that it does not have, for example; each complaint once.',
  },
  'feed.failed': {
    level: 'error',
    message: 'the feed failed',
    fields: ['feed', 'url', 'error'],
    about: 'A mistake of the gateway: it connects again.',
  },
} as const satisfies Record<string, LogEventEntry>;

export type LogEvent = keyof typeof LOG_EVENTS;
/** `undefined` leaves a field out. Other objects than errors hold counts by name. */
export type LogValue =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly string[]
  | Readonly<Record<string, number>>
  | Error;
export type FieldsOf<E extends LogEvent> = Readonly<
  Record<Exclude<(typeof LOG_EVENTS)[E]['fields'][number], 'error'>, LogValue>
> &
  ('error' extends (typeof LOG_EVENTS)[E]['fields'][number] ? { readonly error: unknown } : object);

export interface Log {
  /** Whether lines of this event are written: to be asked where its fields cost something and it comes often. */
  writes(event: LogEvent): boolean;
  /** Never throws. */
  tell<E extends LogEvent>(event: E, fields: FieldsOf<E>): void;
}
