// Owns the crowd of `bench:sessions`: a process whose clients are bare TCP sockets. It carries out one order after the other.
// The orchestrator starts it. Invariant: each order gets its one answer, whatever went wrong on the connections.

import { probe } from './sessions/connecting.ts';
import { Holding } from './sessions/holding.ts';
import type { FromCrowd, ToCrowd } from './sessions/messages.ts';
import { Storm } from './sessions/storming.ts';

let holding: Holding;
let storm: Storm;

process.on('disconnect', () => process.exit(0));
process.on('message', async (message: ToCrowd) => {
  process.send!(await answer(message));
});

async function answer(message: ToCrowd): Promise<FromCrowd> {
  switch (message.type) {
    case 'probe':
      return probe(message);
    case 'hold':
      holding = new Holding(message);
      return holding.open();
    case 'release':
      return holding.release();
    case 'gather':
      storm = new Storm(message);
      return storm.gather();
    case 'shelter':
      return storm.shelter(message);
    case 'storm':
      return storm.storm();
    case 'settle':
      return storm.settle(message.finals);
  }
}
