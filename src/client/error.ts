// Owns the error that users of the client meet, and the codes that only the client gives. Everything in this folder makes them.
// Invariant: a refusal of the gateway keeps the gateway's code, message and action.

/** Codes that the client itself gives; those of the gateway stand in proto/frames.md. */
export type ClientErrorCode =
  | 'closed'
  | 'connection-lost'
  | 'bad-option'
  | 'no-websocket'
  | 'no-credential'
  | 'already-subscribed'
  | 'already-iterated'
  | 'too-many-requests'
  | 'closed-for-good'
  | 'not-known-yet'
  | 'ended'
  | 'bad-frame'
  | 'unsupported-protocol';

const OWN: Readonly<Record<ClientErrorCode, readonly [message: string, action: string]>> = {
  closed: ['The client or the subscription is closed.', 'Connect or subscribe again.'],
  'connection-lost': ['The connection was lost before the answer came.', 'Ask again; the client reconnects by itself.'],
  'bad-option': ['This option is not possible.', 'Compare it with the documentation of tickwire/client.'],
  'no-websocket': [
    'There is no WebSocket here.',
    'Give a constructor as options.WebSocket, that of the package ws for example.',
  ],
  'no-credential': ['The function that gives the credential failed.', 'Mend it; the client asks it again.'],
  'already-subscribed': [
    'This client has that subscription already.',
    'Keep the first one, close it before, or use a second client.',
  ],
  'already-iterated': ['The trades are being iterated already.', 'Use one loop, or listen to the event trade.'],
  'too-many-requests': ['Too many requests wait for the connection.', 'Wait for the state open before asking more.'],
  'closed-for-good': ['The gateway closed the connection for good.', 'Mend the client; coming back does not help.'],
  'not-known-yet': ['The scale of the topic is not known yet.', 'Wait for ready.'],
  ended: ['The gateway ended the subscription.', 'See /v1/instruments for what is listed.'],
  'bad-frame': ['What came from the gateway breaks the protocol.', 'Report it; the client connects anew.'],
  'unsupported-protocol': ['The gateway does not speak this version.', "Use a client of the gateway's version."],
};

/** A refusal or a failure. Programs go by `code`; `message` says what is wrong and `action` what to do, for people. */
export class TickwireError extends Error {
  override readonly name = 'TickwireError';

  constructor(
    /** One of proto/frames.md, or a {@link ClientErrorCode}. A later gateway may give others. */
    readonly code: string,
    message: string,
    readonly action: string,
  ) {
    super(message);
  }
}

/** An error of the client's own; `detail` is appended to its message. */
export function ownError(code: ClientErrorCode, detail?: string): TickwireError {
  const [message, action] = OWN[code];
  return new TickwireError(code, detail === undefined ? message : `${message} (${detail})`, action);
}

export function refusalOf({
  code,
  message,
  action,
}: Pick<TickwireError, 'code' | 'message' | 'action'>): TickwireError {
  return new TickwireError(code, message, action);
}
