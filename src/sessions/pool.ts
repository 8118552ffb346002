// Owns the connections that serve nobody at present: who connects next is served on one of these instead of a new one, so that
// thousands who come back at once find their state made. The gateway takes from it and gives back. Invariant: what is given back was
// closed, and its socket will not be heard of again; what is begun for one who is served never goes on for the next (generations).

import { type Caller, Connection, type ConnectionSite } from './connection.ts';

/** About 2 MB: more come back at once only to be made, as they were at first. */
const SPARE_MAX = 1_000;

export class ConnectionPool {
  private readonly spare: Connection[] = [];
  /** Connections that were made. */
  made = 0;

  constructor(private readonly site: ConnectionSite) {}

  take(caller: Caller): Connection {
    const connection = this.spare.pop();
    if (connection === undefined) {
      this.made += 1;
      return new Connection(this.site, caller);
    }
    connection.begin(caller);
    return connection;
  }

  giveBack(connection: Connection): void {
    if (connection.closed && this.spare.length < SPARE_MAX) this.spare.push(connection);
  }
}
