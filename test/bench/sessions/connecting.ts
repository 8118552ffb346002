// Owns a look at what whoever connects gets first. The crowd's process runs it.

import { Link } from './link.ts';
import type { FromCrowd, Target } from './messages.ts';

/** One connection's first message. @throws Error where there is none. */
export function probe(target: Target): Promise<FromCrowd> {
  return new Promise((resolve, reject) => {
    const link: Link = new Link(target, {
      message: (bytes, start, end) => {
        link.reset();
        resolve({ type: 'probed', firstMessage: [...bytes.subarray(start, end)] });
      },
      lost: (why) => reject(new Error(`there was no first message: ${why}`)),
    });
  });
}
