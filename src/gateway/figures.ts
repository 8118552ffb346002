// Owns what a gateway shows to whoever measures it: its plain counters and the lists behind its gauges. The gateway makes one, the
// metrics read it at scrape. Invariant: reading changes nothing, and nothing here is counted a second time.

import type { Instruments } from '../market/instrument.ts';
import type { Clock } from '../ports/clock.ts';
import type { SessionCounters } from '../ports/session-store.ts';
import type { Connection } from '../sessions/connection.ts';
import type { ConnectionCounters } from '../sessions/counters.ts';
import type { Settings } from '../settings/settings.ts';
import type { Flush } from '../topics/flush.ts';
import type { Topics } from '../topics/topics.ts';
import type { Clients } from './clients.ts';
import type { PublishCounters } from './publication.ts';
import type { PublishStream } from './publish-stream.ts';
import type { BusFigures } from './shared-bus.ts';

type Counts = Readonly<Record<string, number>>;

export interface Figures {
  readonly settings: Pick<Settings, 'connectionsMax' | 'metricsTopTopics'>;
  readonly flush: Pick<Flush, 'counters' | 'durations' | 'delays' | 'lanes'>;
  readonly topics: Pick<Topics, 'size' | 'counters' | 'each'>;
  readonly instruments: Pick<Instruments, 'size'>;
  /** All that are served. */
  readonly connections: ReadonlySet<Connection>;
  readonly sockets: Readonly<ConnectionCounters>;
  /** By error code. */
  readonly refusals: Counts;
  readonly published: PublishCounters;
  readonly publishers: {
    readonly open: number;
    readonly admitted: number;
    /** Those that were closed from this side, by reason. */
    readonly closed: Counts;
  };
  readonly admission: { readonly addresses: number; readonly principals: number };
  /** Tokens that clients came back with, by what became of them. */
  readonly resumptions: Counts;
  readonly sessions: Pick<SessionCounters, 'connected' | 'over'>;
  readonly bus: BusFigures;
  readonly ready: boolean;
  readonly draining: boolean;
  /** Share of the last tenth of a second that the event loop was not idle. */
  readonly busy: number;
  readonly clock: Pick<Clock, 'nowMs'>;
}

/** What the figures are put together from. */
interface Parts
  extends Omit<Figures, 'connections' | 'sockets' | 'publishers' | 'admission' | 'resumptions' | 'sessions'> {
  readonly clients: Pick<Clients, 'connections' | 'counters' | 'admission' | 'resumptions' | 'sessionCounters'>;
  readonly publishStream: Pick<PublishStream, 'sessions' | 'admitted' | 'closed'>;
}

export function figuresOf({ clients, publishStream, ...others }: Parts): Figures {
  const { sessions, admitted, closed } = publishStream;
  return {
    ...others,
    connections: clients.connections,
    sockets: clients.counters,
    publishers: { open: sessions.size, admitted, closed },
    admission: clients.admission.counts,
    resumptions: clients.resumptions,
    sessions: clients.sessionCounters,
  };
}
