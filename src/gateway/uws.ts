// Owns all contact with uWebSockets.js: the listener, TLS, WebSocket upgrades, HTTP requests, and the socket port on top of it.
// Called by the gateway. Invariant: nothing of the library escapes but its sockets in the shape of the port: buffers are copied or
// used at once, and an upgrade or request that was aborted is never answered.

import uWS from 'uWebSockets.js';
import { STATUS_CODES } from 'node:http';
import { BlockList } from 'node:net';
import type { Socket } from '../ports/socket.ts';
import type { Codec } from '../protocol/codec.ts';
import { fault } from '../protocol/errors.ts';
import { addressOf, type Trail, whence } from './address.ts';
import type { TlsPair } from './certificates.ts';
import { bearerOf, handshakeFault, readOffer, readOpening } from './handshake.ts';
import { isLoopback } from './trust.ts';

/** Who opened a socket, as far as that is known. */
export interface Peer {
  /** Normalised text, IPv4 within IPv6 as such; the client's own where trusted proxies say so. */
  readonly address: string;
  /** The page that a browser opened it for; null where it said none. */
  readonly origin: string | null;
  /** The name that it asked for; null where it said none. */
  readonly host: string | null;
  /** From the Authorization header, else from a subprotocol; null for none. */
  readonly credential: string | null;
  /** Passed on by a proxy, trusted or not. */
  readonly forwarded: boolean;
  /** Over TLS, to this process or to a trusted proxy. */
  readonly secure: boolean;
}

export interface StreamHandlers<Session> {
  /** `codec` null: none of the offered subprotocols is known, and the socket only lives to be told so. */
  open(socket: Socket, codec: Codec | null, peer: Peer): Session;
  message(session: Session, message: Uint8Array, binary: boolean): void;
  drain(session: Session): void;
  /** A ping, which the library has answered. */
  ping?(session: Session): void;
  /** A pong, with what its ping carried. */
  pong(session: Session, payload: ArrayBuffer): void;
  close(session: Session): void;
}

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: ReadonlyMap<string, string>;
  /** As a peer's: normalised, and the client's own where trusted proxies say so. */
  readonly address: string;
  /** Passed on by a proxy, trusted or not: where it is false, the address is the socket's own. */
  readonly forwarded: boolean;
  /** Over TLS, to this process or to a trusted proxy. */
  readonly secure: boolean;
  /**
   * Reads the body; to be called before the handler waits for anything. Null: it is over the limit. A body that nobody
   * asks for is not kept.
   */
  body(): Promise<Uint8Array | null>;
}

export interface HttpResponse {
  readonly status: number;
  readonly body: string;
  readonly contentType?: string;
  /** More of them; one that is set here replaces its default. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A path that WebSockets are opened at. */
export interface Stream<Session> {
  readonly path: string;
  readonly handlers: StreamHandlers<Session>;
  /** Above the request limit, so that an ordinary oversize is refused with its code instead of a bare 1006. */
  readonly payloadBytesMax: number;
  /** Seconds without a sign of life after which the library ends a connection, having pinged it; 0: the session sees to that. */
  readonly idleSec: number;
  /** What an upgrade is refused with; null: it is granted. Absent: everybody may. */
  readonly refuse?: (peer: Peer) => HttpResponse | null;
}

export interface ServerOptions {
  /** Empty: a server for HTTP alone. */
  readonly streams: readonly Stream<unknown>[];
  /** Never rejects. */
  readonly http: (request: HttpRequest) => Promise<HttpResponse>;
  readonly bodyBytesMax: number;
  /** Connections at once; more are closed as they come, but for those from this machine. Absent: as many as come. */
  readonly connectionsMax?: number;
  /** Proxies that are believed whom they speak for; absent: none. */
  readonly trusted?: BlockList;
  /** Absent: plain HTTP and WebSockets. */
  readonly tls?: TlsPair | undefined;
}

export interface Server {
  /** @returns the port. @throws Error where it is taken. */
  listen(host: string, port: number): number;
  /**
   * Connections that are opened from now on see this certificate; open ones live on with theirs. For servers with TLS only.
   * @throws Error where the library can't use it; nothing has changed then.
   */
  renew(pair: TlsPair): void;
  /** Stops listening; open connections stay until they are closed. */
  stopListening(): void;
  /** Closes everything at once. */
  close(): void;
}

/** Never reached: the send queue stops at the first byte that the kernel does not take. */
const BACKPRESSURE_BYTES_MAX = 64 * 1024 * 1024;

/** What the library's types do not know: options with a host, and apps that serve what another one accepts. */
interface AppBeyondTypes {
  listen(host: string, port: number, options: number, done: (socket: uWS.us_listen_socket | false) => void): void;
  getDescriptor(): number;
  addChildAppDescriptor(descriptor: number): void;
  removeChildAppDescriptor(descriptor: number): void;
}
const LISTEN_EXCLUSIVE_PORT = 1;

interface UserData<Session> {
  readonly codec: Codec | null;
  /** Until it is opened: afterwards nobody keeps what it brought, a credential least of all. */
  peer: Peer | null;
  readonly proxied: boolean;
  session: Session | undefined;
}

/** What all apps of one server share. */
interface Door {
  readonly options: ServerOptions;
  readonly trusted: BlockList;
  /** Its sockets are closed; one that was accepted a moment before may still be handed on. */
  ended: boolean;
}

/** Where a request or an upgrade comes from. */
interface Arrival extends Pick<HttpRequest, 'address' | 'forwarded' | 'secure'> {
  /**
   * A PROXY header came before it, whoever sent that. The library takes one before each request of a connection, so that a
   * client behind a proxy could name anybody in a later one. A connection that began with a header is therefore good for
   * one request: it ends behind the answer. That is given in a later turn, since what follows a request that is not yet
   * answered ends the connection too; and while an answer waits to be read, no WebSocket is opened.
   */
  readonly proxied: boolean;
}

/** A server that is configured but does not listen yet. @throws Error where the library can't use the certificate. */
export function createServer(options: ServerOptions): Server {
  const { tls } = options;
  const door: Door = { options, trusted: options.trusted ?? new BlockList(), ended: false };
  let listenSocket: uWS.us_listen_socket | false = false;
  let serving = serve(door, appFor(tls));
  // With TLS one app listens for as long as the server lives, and hands on what it accepts to the one with the newest
  // certificate. A second listener on the port would lose connections: closing the first resets those that wait in it.
  const accepting = tls === undefined ? serving : appFor(tls);
  const apps = new Set([accepting, serving]);
  if (tls !== undefined) beyond(accepting).addChildAppDescriptor(beyond(serving).getDescriptor());
  return {
    listen(host, port) {
      // A port that is taken must be an error: without the flag two gateways would share it unnoticed.
      beyond(accepting).listen(host, port, LISTEN_EXCLUSIVE_PORT, (socket) => {
        listenSocket = socket;
      });
      if (listenSocket === false) throw new Error(`${host}:${port} is taken, or not an address of this machine`);
      return uWS.us_socket_local_port(listenSocket);
    },
    renew(pair) {
      if (tls === undefined) throw new Error('the server has no TLS');
      const next = serve(door, appFor(pair));
      beyond(accepting).addChildAppDescriptor(beyond(next).getDescriptor());
      beyond(accepting).removeChildAppDescriptor(beyond(serving).getDescriptor());
      apps.add(next);
      serving = next;
    },
    stopListening() {
      if (listenSocket !== false) uWS.us_listen_socket_close(listenSocket);
      listenSocket = false;
    },
    close() {
      door.ended = true;
      for (const app of apps) app.close();
      listenSocket = false;
    },
  };
}

/** @throws Error where the library can't use the certificate. */
function appFor(pair: TlsPair | undefined): uWS.TemplatedApp {
  if (pair === undefined) return uWS.App();
  const { certFile, keyFile, passphrase } = pair;
  const names = { cert_file_name: certFile, key_file_name: keyFile };
  try {
    return uWS.SSLApp(passphrase === '' ? names : { ...names, passphrase });
  } catch {
    // The library says no more than that it failed.
    throw new Error(
      `${certFile} and ${keyFile} can't be used: they changed while they were read, or are of no use here`,
    );
  }
}

function serve(door: Door, app: uWS.TemplatedApp): uWS.TemplatedApp {
  for (const stream of door.options.streams) addStream(app, stream, door);
  const { connectionsMax } = door.options;
  if (connectionsMax !== undefined) limitConnections(app, connectionsMax);
  return app.any('/*', (res, req) => answer(res, req, door));
}

function limitConnections(app: uWS.TemplatedApp, connectionsMax: number): void {
  let open = 0;
  // 1 for one that came, -1 for one that went.
  const counted = (res: uWS.HttpResponse, change: unknown): void => {
    open += Number(change);
    if (Number(change) > 0 && open > connectionsMax && !isLoopback(addressOf(res.getRemoteAddress()))) res.close();
  };
  app.filter(counted);
}

function beyond(app: uWS.TemplatedApp): AppBeyondTypes {
  return app as unknown as AppBeyondTypes;
}

function addStream<Session>(app: uWS.TemplatedApp, stream: Stream<Session>, door: Door): void {
  const { path, handlers, payloadBytesMax, idleSec } = stream;
  app.ws<UserData<Session>>(path, {
    compression: uWS.DISABLED,
    maxPayloadLength: payloadBytesMax,
    maxBackpressure: BACKPRESSURE_BYTES_MAX,
    closeOnBackpressureLimit: false,
    // For subscribers the send queue pings, and closes those who do not answer.
    idleTimeout: idleSec,
    sendPingsAutomatically: idleSec > 0,
    upgrade: (res, req, context) => upgrade(res, req, context, stream, door),
    open: (ws) => {
      const data = ws.getUserData();
      const { peer } = data;
      data.peer = null;
      if (peer === null || (data.proxied && ws.getBufferedAmount() > 0)) return ws.close();
      data.session = handlers.open(ws, data.codec, peer);
    },
    message: (ws, message, binary) => {
      const { session } = ws.getUserData();
      if (session !== undefined) handlers.message(session, new Uint8Array(message), binary);
    },
    drain: (ws) => {
      const { session } = ws.getUserData();
      if (session !== undefined && ws.getBufferedAmount() === 0) handlers.drain(session);
    },
    ping: (ws) => {
      const { session } = ws.getUserData();
      if (session !== undefined) handlers.ping?.(session);
    },
    pong: (ws, payload) => {
      const { session } = ws.getUserData();
      if (session !== undefined) handlers.pong(session, payload);
    },
    close: (ws) => {
      const { session } = ws.getUserData();
      if (session !== undefined) handlers.close(session);
    },
  });
}

function upgrade<Session>(
  res: uWS.HttpResponse,
  req: uWS.HttpRequest,
  context: uWS.us_socket_context_t,
  { refuse }: Stream<Session>,
  door: Door,
): void {
  if (door.ended) return void res.close();
  const opening = readOpening(req);
  const arrival = arrivalOf(res, opening.forwarding, door);
  const { address, forwarded, secure } = arrival;
  const faulty = handshakeFault(opening);
  const { codec, echo, credential } = readOffer(opening.offers);
  const peer: Peer = {
    address,
    origin: opening.origin ?? null,
    host: opening.host ?? null,
    credential: bearerOf(opening.authorization) ?? credential,
    forwarded,
    secure,
  };
  const refused = faulty === null ? (refuse?.(peer) ?? null) : notOpened(faulty);
  if (refused !== null) return refuseLater(res, refused, arrival);
  const data: UserData<Session> = { codec, peer, proxied: arrival.proxied, session: undefined };
  res.upgrade(data, opening.key ?? '', echo, '', context);
}

/** RFC 6455 section 4.4 and RFC 9110 section 15.5.22: what is spoken here is named. */
function notOpened({ status, why }: { status: number; why: string }): HttpResponse {
  const headers = { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' };
  return { status, body: `${JSON.stringify({ error: fault('bad-request', why) })}\n`, headers };
}

function refuseLater(res: uWS.HttpResponse, refused: HttpResponse, { proxied }: Arrival): void {
  let over = false;
  res.onAborted(() => {
    over = true;
  });
  setImmediate(() => {
    if (!over) send(res, refused, { headOnly: false, last: proxied });
  });
}

function arrivalOf(res: uWS.HttpResponse, headers: Trail['headers'], { options, trusted }: Door): Arrival {
  const proxied = addressOf(res.getProxiedRemoteAddress());
  const socket = addressOf(res.getRemoteAddress());
  const { address, forwarded, securely } = whence({ socket, proxied, headers }, trusted);
  return { address, forwarded, secure: securely || options.tls !== undefined, proxied: proxied !== '' };
}

function answer(res: uWS.HttpResponse, req: uWS.HttpRequest, door: Door): void {
  let over = false;
  res.onAborted(() => {
    over = true;
  });
  if (door.ended) return void res.close();
  const { options } = door;
  const opening = readOpening(req);
  const headers = new Map<string, string>();
  req.forEach((name, value) => void headers.set(name, value));
  const { address, forwarded, secure, proxied } = arrivalOf(res, opening.forwarding, door);
  const method = req.getMethod().toUpperCase();
  const headOnly = method === 'HEAD';
  const request: HttpRequest = {
    // What HEAD is answered with differs from GET in nothing but the body.
    method: headOnly ? 'GET' : method,
    path: req.getUrl(),
    query: new URLSearchParams(req.getQuery() ?? ''),
    headers,
    address,
    forwarded,
    secure,
    body: () => readBody(res, Number(headers.get('content-length') ?? 0), options.bodyBytesMax),
  };
  const isStream = request.method === 'GET' && options.streams.some(({ path }) => path === request.path);
  // Upgrades whose key is of the wrong length come here.
  const faulty = isStream ? handshakeFault(opening) : null;
  const answered = faulty === null ? options.http(request) : Promise.resolve(notOpened(faulty));
  void answered.then((response) => {
    const reply = (): void => {
      if (!over) send(res, response, { headOnly, last: proxied });
      over = true;
    };
    if (proxied) setImmediate(reply);
    else reply();
  });
}

/** `last`: the connection ends behind it. */
function send(
  res: uWS.HttpResponse,
  { status, contentType, body, headers }: HttpResponse,
  { headOnly, last }: { headOnly: boolean; last: boolean },
): void {
  res.cork(() => {
    res.writeStatus(`${status} ${STATUS_CODES[status] ?? ''}`);
    res.writeHeader('Content-Type', contentType ?? 'application/json');
    for (const [name, value] of Object.entries({ 'Cache-Control': 'no-store', ...headers })) {
      res.writeHeader(name, value);
    }
    // The library still waits for the body that was announced, and takes what comes next on the connection amiss.
    if (headOnly) res.endWithoutBody(Buffer.byteLength(body), true);
    else if (status !== 304) res.end(body, last);
    else if (last) res.endWithoutBody(0, true);
    else res.endWithoutBody();
  });
}

/** The rest of what is too long is received and dropped, so that the answer reaches a client that is still sending. */
function readBody(res: uWS.HttpResponse, announcedBytes: number, bytesMax: number): Promise<Uint8Array | null> {
  if (announcedBytes > bytesMax) return Promise.resolve(null);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    res.onData((chunk, isLast) => {
      bytes += chunk.byteLength;
      if (bytes <= bytesMax) chunks.push(Buffer.from(new Uint8Array(chunk)));
      else chunks.length = 0;
      if (bytes > bytesMax) resolve(null);
      else if (isLast) resolve(Buffer.concat(chunks));
    });
  });
}
