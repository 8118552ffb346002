// Owns the mover of `bench:sessions`: a process with one client that goes from gateway to gateway, and those that stay.
// The orchestrator starts it. Invariant: each order gets its one answer.

import type { FromMover, ToMover } from './sessions/messages.ts';
import { Mover } from './sessions/moving.ts';

let mover: Mover;

process.on('disconnect', () => process.exit(0));
process.on('message', async (message: ToMover) => {
  process.send!(await answer(message));
});

async function answer(message: ToMover): Promise<FromMover> {
  if (message.type === 'watch') return mover.watch(message);
  if (message.type === 'move') return mover.move(message);
  mover = new Mover(message.books);
  return { type: 'ready' };
}
