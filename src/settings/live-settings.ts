// Owns the settings of a running gateway as one object whose live fields can be replaced. The gateway and its log hold the object, and
// read it at each use. Invariant: it is whole and valid at every moment: a change is adopted in one step, or not at all.

import type { Setting } from './setting.ts';
import { contradictions, SETTINGS, type SettingName, type Settings, SettingsError } from './settings.ts';

/** What became of settings that were read anew. */
export interface Adoption {
  /** What they were before, by name. */
  readonly changed: ReadonlyMap<SettingName, number | string>;
  /** Those that are other ones, but hold from the next start on. */
  readonly restart: readonly SettingName[];
}

const ENTRIES = Object.entries(SETTINGS) as readonly (readonly [SettingName, Setting])[];

export class LiveSettings {
  /** Always the same object. */
  readonly current: Settings;

  constructor(settings: Settings) {
    this.current = { ...settings };
  }

  /**
   * Takes over what may change while the gateway runs.
   * @throws SettingsError where that can't work with what does not change before the next start; nothing is taken over then.
   */
  adopt(next: Settings): Adoption {
    const different = ENTRIES.filter(([name]) => next[name] !== this.current[name]);
    const live = different.filter(([, setting]) => setting.live === true).map(([name]) => name);
    const wanted = Object.fromEntries(live.map((name) => [name, next[name]]));
    const faults = contradictions({ ...this.current, ...wanted });
    if (faults.length > 0) {
      throw new SettingsError(
        faults.map((each) => `it takes a restart, together with what does not change live: ${each}`),
      );
    }
    const changed = new Map(live.map((name) => [name, this.current[name]]));
    Object.assign(this.current, wanted);
    return { changed, restart: different.filter(([, { live }]) => live !== true).map(([name]) => name) };
  }
}
