// Owns a core's wakefulness: it turns in a loop whenever nothing else wants the core. The orchestrator runs one for each core.
// Invariant: it gives way to everything at once (it is started in the system's idle class), and ends with its orchestrator.

import { isMainThread, Worker } from 'node:worker_threads';

if (isMainThread) {
  process.on('disconnect', () => process.exit(0));
  new Worker(new URL(import.meta.url));
} else {
  for (;;);
}
