// Owns the client's half of the JSON codec, for looking at the wire. Node's clients have it; src/client/node.ts gives it to them.
// Invariant: no browser's bundle holds it: it is a tenth of the client, and people look at the wire from Node.

import { SUBPROTOCOL_JSON } from '../protocol/frames.ts';
import { JsonDecoder } from '../protocol/json.ts';
import type { NamedCodec } from './codecs.ts';

/** JSON, for subprotocol `tickwire.v1.json`. */
export const jsonCodec: NamedCodec = {
  subprotocol: SUBPROTOCOL_JSON,
  binary: false,
  decoder: () => new JsonDecoder(),
};
