// Holds the bundling of children to saying what it lacks.

import { expect, test } from 'vitest';
import { BEFORE, bundleChildren } from './children.ts';

test('the gateway of another checkout is asked for by name, and missed by name', async () => {
  await expect(bundleChildren([BEFORE])).rejects.toThrow('needs --before DIR');
  await expect(bundleChildren([BEFORE], '/nowhere')).rejects.toThrow(
    '/nowhere/test/bench/tickwire-server.ts does not exist',
  );
});
