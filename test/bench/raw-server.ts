// Owns the baseline: uWebSockets.js alone, its own topics, ready bytes through `app.publish`. The orchestrator forks it.
// Invariant: nothing is dropped in silence for back pressure before PENDING_BYTES_MAX is reached; the audit would see it.

import uWS from 'uWebSockets.js';
import { prepareRawFrame, stampRawFrame } from './rawframe.ts';
import { type Subject, type SubjectSetup, serveSubject } from './subject.ts';
import { symbolOf, topicsOf } from './workloads.ts';

/** A book of 100 levels in Tickwire's frames, and how long Tickwire's messages of several get. */
const FIRST_BOOK_BYTES = 1_040;
const MESSAGE_BYTES_MAX = 16_384;
const PENDING_BYTES_MAX = 64 * 1024 * 1024;

interface ClientData {
  client: number;
}

serveSubject(async (setup) => {
  const app = uWS.App();
  acceptClients(app, setup);
  const port = await listen(app);
  return { port, ...publisherOf(app, setup) };
});

function acceptClients(app: uWS.TemplatedApp, { workload, seed }: SubjectSetup): void {
  app.ws<ClientData>('/v1/stream', {
    compression: uWS.DISABLED,
    idleTimeout: 0,
    maxBackpressure: PENDING_BYTES_MAX,
    upgrade: (res, req, context) => {
      res.upgrade(
        { client: Number(req.getQuery('client')) },
        req.getHeader('sec-websocket-key'),
        req.getHeader('sec-websocket-protocol'),
        req.getHeader('sec-websocket-extensions'),
        context,
      );
    },
    open: (ws) => {
      for (const topic of topicsOf(workload, ws.getUserData().client, seed)) ws.subscribe(symbolOf(topic));
    },
    // The request is answered with as many bytes as Tickwire's first books have: how often a kernel acknowledges depends on
    // what its process has said and been sent, and the server pays for the difference on every later send.
    message: (ws) => {
      const topics = topicsOf(workload, ws.getUserData().client, seed).length;
      for (let left = topics * FIRST_BOOK_BYTES; left > 0; left -= MESSAGE_BYTES_MAX) {
        ws.send(new Uint8Array(Math.max(FIRST_BOOK_BYTES, Math.min(left, MESSAGE_BYTES_MAX))), true, false);
      }
    },
  });
}

function listen(app: uWS.TemplatedApp): Promise<number> {
  return new Promise((resolve, reject) => {
    app.listen('127.0.0.1', 0, (listening) => {
      if (listening === false) reject(new Error('the baseline found no free port on 127.0.0.1'));
      else resolve(uWS.us_socket_local_port(listening));
    });
  });
}

function publisherOf(app: uWS.TemplatedApp, { workload, updates }: SubjectSetup): Omit<Subject, 'port'> {
  const names = Array.from({ length: workload.topics }, (_, topic) => symbolOf(topic));
  const frames = updates.map((update) => prepareRawFrame(update.topic, update.delta));
  const seqs = new Array<number>(workload.topics).fill(0);
  let startUs: number | undefined;
  return {
    publish: (index, intendedUs) => {
      startUs ??= intendedUs;
      const topic = updates[index]!.topic;
      const bytes = frames[index]!;
      const seq = ++seqs[topic]!;
      stampRawFrame(bytes, topic, seq, intendedUs - startUs);
      app.publish(names[topic]!, bytes, true, false);
    },
    lastSeqs: () => [...seqs],
  };
}
