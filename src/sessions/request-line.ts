// Owns the order and the pace of each client's requests: reads its messages, lets so many requests a second through, and holds those
// behind one that takes its time. Sessions make one. Invariant: requests are carried out one after the other, in the order in which
// they came; what waits is bounded, and never goes on for another client on the same connection.

import type { Clock } from '../ports/clock.ts';
import { CloseCode, fault } from '../protocol/errors.ts';
import { type BadRequest, type Request, readMessage, readRequest } from '../protocol/request.ts';
import type { Connection } from './connection.ts';

export interface RequestLineOptions {
  readonly clock: Clock;
  readonly limits: { readonly requestBytesMax: number; readonly requestsPerSecMax: number };
  /** @returns when it is done, where that takes its time. */
  readonly carryOut: (connection: Connection, request: Request) => Promise<void> | undefined;
  readonly refuse: (connection: Connection, refused: BadRequest) => void;
  readonly onRefusal: (code: string, connection: Connection) => void;
  readonly onError: ((error: unknown) => void) | undefined;
}

/** Requests that may wait for one before them. */
const WAITING_MAX = 1_000;

export class RequestLine {
  constructor(private readonly options: RequestLineOptions) {}

  /** One WebSocket message from the client; `binary` as the socket says, which must fit the codec. */
  receive(connection: Connection, message: Uint8Array, binary: boolean): void {
    connection.heard();
    if (message.length > this.options.limits.requestBytesMax) {
      return this.options.refuse(connection, { id: null, fault: fault('too-large', `${message.length} bytes`) });
    }
    if (binary !== connection.codec.binary) {
      const wanted = connection.codec.binary ? 'binary' : 'text';
      return this.options.refuse(connection, {
        id: null,
        fault: fault('bad-frame', `${connection.codec.name} takes ${wanted} messages`),
      });
    }
    const values = readMessage(message, binary);
    if (!Array.isArray(values)) return this.options.refuse(connection, { id: null, fault: values });
    this.takeAll(connection, values);
  }

  /** One more request, or whatever costs as much. Who goes on and on is closed. */
  charge(connection: Connection): 'granted' | 'refused' | 'flood' {
    const charged = connection.allowance.take(this.options.clock.nowMs());
    if (charged === 'flood') {
      this.options.onRefusal('too-many-requests', connection);
      connection.close(CloseCode.flood, 'flood');
    }
    return charged;
  }

  private takeAll(connection: Connection, values: readonly unknown[]): void {
    if (connection.waiting !== null) {
      if (connection.waiting.length + values.length <= WAITING_MAX) connection.waiting.push(...values);
      else connection.close(CloseCode.flood, 'flood');
      return;
    }
    for (let i = 0; i < values.length; i++) {
      if (connection.closed) return;
      const underWay = this.take(connection, values[i]);
      if (underWay === undefined) continue;
      const { generation } = connection;
      connection.waiting = values.slice(i + 1);
      underWay
        .catch((error: unknown) => this.failed(connection, generation, error))
        .finally(() => this.goOn(connection, generation));
      return;
    }
  }

  private goOn(connection: Connection, generation: number): void {
    if (connection.generation !== generation) return;
    const { waiting } = connection;
    connection.waiting = null;
    if (waiting !== null) this.takeAll(connection, waiting);
  }

  private take(connection: Connection, value: unknown): Promise<void> | undefined {
    const charged = this.charge(connection);
    if (charged === 'flood') return undefined;
    const request = readRequest(value);
    if (charged === 'refused') {
      const detail = `at most ${this.options.limits.requestsPerSecMax} a second`;
      this.options.refuse(connection, { id: request.id, fault: fault('too-many-requests', detail) });
      return undefined;
    }
    if ('op' in request) return this.options.carryOut(connection, request);
    this.options.refuse(connection, request);
    return undefined;
  }

  private failed(connection: Connection, generation: number, error: unknown): void {
    this.options.onError?.(error);
    if (connection.generation !== generation) return;
    this.options.refuse(connection, { id: null, fault: fault('internal') });
  }
}
