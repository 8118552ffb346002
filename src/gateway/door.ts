// Owns the way in of a client: whether there is room, whether its page may connect, who it is. The gateway hands it every socket that
// was opened for subscribers. Invariant: nobody is served before it is known who it is, and everybody who is not is told why, in a
// frame, since a browser can't read the status of a handshake.

import type { Clock, Timer, Timers } from '../ports/clock.ts';
import type { Log } from '../ports/log-events.ts';
import type { Socket } from '../ports/socket.ts';
import type { Codec } from '../protocol/codec.ts';
import { jsonCodec } from '../protocol/codecs.ts';
import { CloseCode, ERRORS, type ErrorCode, type Fault, fault } from '../protocol/errors.ts';
import { type Frame, SUBPROTOCOLS } from '../protocol/frames.ts';
import { readMessage, readRequest } from '../protocol/request.ts';
import { ByteWriter } from '../protocol/writer.ts';
import type { Access, Identity } from '../sessions/access.ts';
import type { Admission, Refusal } from '../sessions/admission.ts';
import type { Connection } from '../sessions/connection.ts';
import { listOf } from '../settings/setting.ts';
import type { Settings } from '../settings/settings.ts';
import { isLoopback, isNamed, type Trust } from './trust.ts';
import type { Peer } from './uws.ts';

export interface DoorOptions {
  readonly settings: Settings;
  readonly access: Pick<Access, 'refresh'>;
  readonly trust: Trust;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Serves a client from now on. */
  readonly admit: (socket: Socket, codec: Codec, peer: Peer, identity: Identity) => Connection;
  /** What a client sent while it was not served yet. */
  readonly receive: (connection: Connection, message: Uint8Array, binary: boolean) => void;
  /** Somebody else, or with other rights, is served on it from now on. */
  readonly changed: (connection: Connection, before: Identity) => void;
  readonly onRefusal: (code: string) => void;
  readonly log: Log;
}

/** Whoever is told why he is not served. */
interface Caller {
  readonly socket: Socket;
  readonly codec: Codec;
  readonly address: string;
}

/** Messages that may wait until it is known who sends them, as multiples of the longest one. */
const WAITING_FACTOR = 4;
/** Where the trouble is the gateway's own. */
const TROUBLE_RETRY_MS = 5_000;

export class Door {
  /** As the setting has them, and its text: it may change. */
  private origins: ReadonlySet<string> = new Set();
  private originsText = '';

  constructor(private readonly options: DoorOptions) {}

  /** @returns null where the socket is only there to be told that it is not served. */
  open(socket: Socket, codec: Codec | null, peer: Peer): Connection | Guest | null {
    if (codec === null) {
      this.refuseProtocol({ socket, codec: jsonCodec, address: peer.address });
      return null;
    }
    if (!this.mayConnect(peer)) {
      this.refuse({ socket, codec, address: peer.address }, fault('bad-origin', peer.origin?.slice(0, 100)), null);
      return null;
    }
    const { admission, trust } = this.options;
    const refusal = admission.enter(peer.address, isLoopback(peer.address));
    if (refusal !== null) {
      this.refuse({ socket, codec, address: peer.address }, refusal.fault, refusal.retryAfterMs);
      return null;
    }
    const asked = trust.subscriber(peer);
    if (asked instanceof Promise) return new Guest(this, socket, codec, peer, asked);
    if ('code' in asked && asked.code === 'unauthenticated') return new Guest(this, socket, codec, peer, null);
    const refused = 'code' in asked ? { fault: asked, retryAfterMs: retryOf(asked) } : this.joins(asked);
    if ('code' in asked || refused !== null) {
      admission.leave(peer.address, isLoopback(peer.address));
      this.refuse({ socket, codec, address: peer.address }, refused!.fault, refused!.retryAfterMs);
      return null;
    }
    return this.options.admit(socket, codec, peer, asked);
  }

  /** Takes a place of its principal's, where it has one. */
  private joins(identity: Identity): Refusal | null {
    const { principal, grant } = identity;
    return isNamed(identity) ? this.options.admission.join(principal, grant.connectionsMax) : null;
  }

  /** The connection is over. */
  left({ address, identity }: Connection): void {
    this.options.admission.leave(address, isLoopback(address));
    if (isNamed(identity)) this.options.admission.part(identity.principal);
  }

  /** Takes a credential on an open connection: a fresh one of the same principal, or the first one. @returns why not, or null. */
  async authenticate(connection: Connection, credential: string): Promise<Fault | null> {
    const { trust, admission } = this.options;
    const { generation } = connection;
    const identity = await trust.bearer(credential);
    if (identity === null || 'code' in identity) return identity;
    if (connection.generation !== generation) return null;
    const before = connection.identity;
    if (isNamed(before)) {
      if (identity.principal !== before.principal)
        return fault('not-entitled', 'another principal needs a connection of its own');
    } else {
      const refusal = admission.join(identity.principal, identity.grant.connectionsMax);
      if (refusal !== null) return refusal.fault;
    }
    this.identify(connection, identity);
    return null;
  }

  /** What clients may was changed: each has from now on what it may now, and who may nothing any more is told and closed. */
  review(connections: Iterable<Connection>, revoke: (connection: Connection) => void): void {
    for (const connection of [...connections]) {
      const now = this.options.access.refresh(connection.identity);
      if ('code' in now) {
        const expired = now.code === 'expired-credential';
        revoke(connection);
        connection.refuse(expired ? now : fault('revoked'), expired ? 0 : null);
      } else if (now !== connection.identity) this.identify(connection, now);
    }
  }

  /** @internal For guests: lets one in, or says why not. */
  async authenticateGuest(guest: Guest, asked: Promise<Identity | Fault>): Promise<void> {
    const identity = await asked;
    // The socket is gone: its place was given back.
    if (guest.over) return;
    if ('code' in identity) return this.turnAway(guest, identity);
    const refusal = this.joins(identity);
    if (refusal !== null) return this.turnAway(guest, refusal.fault, refusal.retryAfterMs);
    const { socket, codec, peer } = guest;
    guest.seat(this.options.admit(socket, codec, peer, identity), this.options.receive);
  }

  /** @internal For guests: ends the wait of one. */
  turnAway(guest: Guest, refused: Fault, retryAfterMs = retryOf(refused)): void {
    guest.end();
    this.gone(guest);
    this.refuse({ socket: guest.socket, codec: guest.codec, address: guest.peer.address }, refused, retryAfterMs);
  }

  /** @internal For guests: one that was never let in has gone. */
  gone({ peer }: Guest): void {
    this.options.admission.leave(peer.address, isLoopback(peer.address));
  }

  /** @internal For guests: whose credential it is. */
  bearer(credential: string): Promise<Identity | Fault> {
    return this.options.trust.bearer(credential) ?? Promise.resolve(fault('unauthenticated'));
  }

  /** @internal */
  get limits(): { readonly authMs: number; readonly waitingBytesMax: number; readonly timers: Timers } {
    const { settings, timers } = this.options;
    return { authMs: settings.authMs, waitingBytesMax: settings.requestBytesMax * WAITING_FACTOR, timers };
  }

  private identify(connection: Connection, identity: Identity): void {
    const before = connection.identity;
    connection.identify(identity, this.options.clock.nowMs(), this.options.clock.nowUs() / 1_000);
    this.options.changed(connection, before);
  }

  /** Programs state no origin; a page of the gateway's own has its host. */
  private mayConnect({ origin, host, secure }: Peer): boolean {
    if (origin === null) return true;
    const origins = this.allowedOrigins();
    if (origins.has('*') || origins.has(origin.toLowerCase())) return true;
    if (host === null) return false;
    const own = `${host}`.toLowerCase();
    const schemes = secure ? ['https'] : ['http', 'https'];
    return schemes.some((scheme) => origin.toLowerCase() === `${scheme}://${own}`);
  }

  private allowedOrigins(): ReadonlySet<string> {
    const { origins } = this.options.settings;
    if (origins !== this.originsText) {
      this.origins = new Set(listOf(origins).map((each) => each.toLowerCase()));
      this.originsText = origins;
    }
    return this.origins;
  }

  private refuse(caller: Caller, refused: Fault, retryAfterMs: number | null): void {
    const { code, message, action } = refused;
    const closeCode =
      code === 'expired-credential'
        ? CloseCode.expired
        : retryAfterMs === null
          ? CloseCode.unauthorized
          : CloseCode.refused;
    this.say(caller, { type: 'refused', code, message, action, retryAfterMs }, closeCode, code);
  }

  private refuseProtocol(caller: Caller): void {
    const refused = fault('unsupported-protocol', `known: ${SUBPROTOCOLS.join(', ')}`);
    this.say(caller, { type: 'error', id: null, ...refused }, CloseCode.unsupportedProtocol, refused.code);
  }

  private say({ socket, codec, address }: Caller, frame: Frame, closeCode: number, code: ErrorCode): void {
    const { log, onRefusal } = this.options;
    onRefusal(code);
    log.tell('client.refused', { address, code });
    const writer = new ByteWriter(512);
    codec.encode(writer, frame);
    socket.send(writer.copy(), codec.binary, false);
    socket.end(closeCode, code);
  }
}

/** A client that is not served yet, since it is not known who it is. */
export class Guest {
  /** Once it is served. */
  connection: Connection | null = null;
  over = false;
  /** Without its credential. */
  readonly peer: Peer;
  private readonly waiting: { readonly message: Uint8Array; readonly binary: boolean }[] = [];
  private waitingBytes = 0;
  private asked = false;
  private readonly timer: Timer;

  constructor(
    private readonly door: Door,
    readonly socket: Socket,
    readonly codec: Codec,
    peer: Peer,
    asked: Promise<Identity | Fault> | null,
  ) {
    this.peer = { ...peer, credential: null };
    const { authMs, timers } = door.limits;
    this.timer = timers.after(authMs, () => this.late());
    if (asked !== null) this.authenticate(asked);
  }

  /** The first message must say who it is, where the handshake has not; all of them are carried out once that is known. */
  receive(message: Uint8Array, binary: boolean): void {
    if (this.over) return;
    this.waitingBytes += message.length;
    if (this.waitingBytes > this.door.limits.waitingBytesMax) {
      return this.door.turnAway(
        this,
        fault('too-large', `${this.waitingBytes} bytes before it is known who sends them`),
        null,
      );
    }
    // The bytes are ours only until this returns.
    this.waiting.push({ message: message.slice(), binary });
    if (this.asked) return;
    const credential = credentialIn(message, binary);
    if (credential === null) this.door.turnAway(this, fault('unauthenticated'), null);
    else this.authenticate(this.door.bearer(credential));
  }

  /** The socket is gone. */
  close(): void {
    if (this.over) return;
    this.end();
    this.door.gone(this);
  }

  /** @internal */
  end(): void {
    this.over = true;
    this.timer.cancel();
    this.waiting.length = 0;
  }

  /** @internal It is served from now on. */
  seat(connection: Connection, receive: DoorOptions['receive']): void {
    const waiting = [...this.waiting];
    this.end();
    this.connection = connection;
    for (const { message, binary } of waiting) if (!connection.closed) receive(connection, message, binary);
  }

  private authenticate(asked: Promise<Identity | Fault>): void {
    this.asked = true;
    void this.door.authenticateGuest(this, asked);
  }

  private late(): void {
    if (this.asked)
      this.door.turnAway(this, fault('not-ready', 'it took too long to find out who this is'), TROUBLE_RETRY_MS);
    else this.door.turnAway(this, fault('unauthenticated'), null);
  }
}

function credentialIn(message: Uint8Array, binary: boolean): string | null {
  const values = readMessage(message, binary);
  const request = Array.isArray(values) ? readRequest(values[0]) : values;
  return 'op' in request && request.op === 'auth' ? request.credential : null;
}

function retryOf({ code }: Fault): number | null {
  if (code === 'expired-credential') return 0;
  return ERRORS[code].http >= 500 ? TROUBLE_RETRY_MS : null;
}
