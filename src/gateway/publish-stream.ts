// Owns the publishers' WebSocket, /v1/publish/stream: who opens one, what becomes of it when his rights change, and all that are open.
// The gateway feeds it socket events. Invariant: nothing is published before it is known for whom, and everybody who is not
// let in, or is no longer, is told why in a frame.

import type { Log } from '../ports/log-events.ts';
import type { Socket } from '../ports/socket.ts';
import type { Codec } from '../protocol/codec.ts';
import { CloseCode, type Fault, fault } from '../protocol/errors.ts';
import { SUBPROTOCOLS } from '../protocol/frames.ts';
import type { Access, Identity } from '../sessions/access.ts';
import type { Admission } from '../sessions/admission.ts';
import { count } from '../sessions/counters.ts';
import { PublisherSession, type PublisherSessionOptions } from './publisher-session.ts';
import { denial, isNamed, type Trust } from './trust.ts';
import type { Peer, StreamHandlers } from './uws.ts';

export interface PublishStreamOptions extends PublisherSessionOptions {
  readonly trust: Trust;
  readonly access: Pick<Access, 'refresh'>;
  /** Counts the connections of a principal, to publish and to subscribe alike. */
  readonly admission: Pick<Admission, 'join' | 'part'>;
  readonly log: Log;
}

/** All publishers that are connected. */
export class PublishStream implements StreamHandlers<PublisherSession> {
  /** The oldest first. */
  readonly sessions = new Set<PublisherSession>();
  /** Publishers that were let in. */
  admitted = 0;
  /** Those that were closed from our side, by reason. */
  readonly closed: Record<string, number> = {};
  private readonly sessionOptions: PublisherSessionOptions;

  constructor(private readonly options: PublishStreamOptions) {
    const onClose: PublishStreamOptions['onClose'] = (session, code, reason) => {
      count(this.closed, reason);
      options.onClose(session, code, reason);
    };
    this.sessionOptions = { ...options, onClose };
  }

  open(socket: Socket, codec: Codec | null, peer: Peer): PublisherSession {
    const session = new PublisherSession(socket, codec, this.sessionOptions);
    this.sessions.add(session);
    if (codec === null) {
      session.leave(fault('unsupported-protocol', `known: ${SUBPROTOCOLS.join(', ')}`), CloseCode.unsupportedProtocol);
      return session;
    }
    const asked = this.options.trust.publisher(peer);
    if (asked instanceof Promise) asked.then((known) => this.let(session, known, peer)).catch(this.options.onError);
    else this.let(session, asked, peer);
    return session;
  }

  message(session: PublisherSession, message: Uint8Array, binary: boolean): void {
    this.guard(() => session.receive(message, binary));
  }

  drain(session: PublisherSession): void {
    this.guard(() => session.drained());
  }

  /** The library pings by itself. */
  pong(): void {}

  close(session: PublisherSession): void {
    this.sessions.delete(session);
    session.shut();
    this.options.log.tell('publisher.left', { publisher: session.id });
    if (session.identity !== null && isNamed(session.identity)) this.options.admission.part(session.identity.principal);
  }

  /** What publishers may has changed: each may from its next item on what it may now, and whose access is gone is told and closed. */
  accessChanged(): void {
    for (const session of [...this.sessions]) {
      if (session.identity === null) continue;
      const now = this.options.access.refresh(session.identity);
      if (!('code' in now)) session.identify(now);
      else session.leave(now.code === 'expired-credential' ? now : fault('revoked'));
    }
  }

  stop(): void {
    for (const session of [...this.sessions]) session.end(CloseCode.goingAway, 'the gateway stops; come back');
  }

  /** Welcomes a publisher, now that it is known who it is, or says why not. */
  private let(session: PublisherSession, known: Identity | Fault, { address }: Peer): void {
    if (session.over) return;
    if ('code' in known) return session.leave(known);
    if (!known.grant.publishes) return session.leave(denial(known, 'publishing'));
    const refusal = isNamed(known) ? this.options.admission.join(known.principal, known.grant.connectionsMax) : null;
    if (refusal !== null) return session.leave(refusal.fault);
    this.admitted += 1;
    const { log } = this.options;
    log.tell('publisher.opened', {
      publisher: session.id,
      address,
      codec: session.codecName,
      principal: known.principal,
    });
    session.identify(known);
  }

  /** A mistake of ours in an event of one socket ends nothing else. */
  private guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.options.onError(error);
    }
  }
}
