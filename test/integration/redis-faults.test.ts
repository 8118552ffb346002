// Holds gateway, publisher and clients to their promises while a real Redis dies.

import { describe, expect, onTestFinished, test } from 'vitest';
import { Rig, type RigOptions } from '../redis/rig.ts';

async function open(options?: RigOptions): Promise<Rig> {
  const rig = await Rig.open(options);
  onTestFinished(() => rig.close());
  return rig;
}

describe('exact', () => {
  test('calm', async () => {
    const rig = await open();
    await rig.passes(200);
    await rig.finish();
    rig.expectSeamless();
    console.log(rig.summary(), rig.observers.map((each) => each.checks));
  });
});
