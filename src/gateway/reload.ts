// Owns reading the settings and files again while the gateway runs: what changes, what takes a restart, and what is said of it. The
// gateway calls it when it is told to. Invariant: with any fault in the settings none of them changes, and no secret is logged.

import type { Log } from '../ports/log-events.ts';
import type { Adoption, LiveSettings } from '../settings/live-settings.ts';
import { SETTINGS, type SettingName, type Settings, SettingsError } from '../settings/settings.ts';

export interface ReloadScene {
  readonly live: LiveSettings;
  readonly log: Log;
  /** What does not look at the settings each time is told. */
  readonly adopted: (changed: Adoption['changed']) => void;
  /** Reads the files again that settings name. @returns what is wrong with them. */
  readonly rereadFiles: () => readonly string[];
  readonly changeLevel: (level: string) => void;
}

const NOTHING: Adoption = { changed: new Map(), restart: [] };

/** @returns all that is wrong; with nothing, what was read holds. */
export function reload(read: () => Settings, scene: ReloadScene): readonly string[] {
  const { live, log } = scene;
  const { adoption, faults: settingsFaults } = adopt(read, scene);
  const { changed, restart } = adoption;
  scene.adopted(changed);
  const faults = [...settingsFaults, ...scene.rereadFiles()];
  const changeLevel = (): void => {
    if (changed.has('logLevel')) scene.changeLevel(live.current.logLevel);
  };
  // The line that tells of the level should be seen, whichever of the two levels lets it be.
  const wasWritten = log.writes('settings.reloaded');
  if (!wasWritten) changeLevel();
  if (faults.length > 0) log.tell('settings.kept', { faults });
  if (faults.length === 0 || changed.size > 0) {
    log.tell('settings.reloaded', { changed: [...changed].map(([name, before]) => said(name, before, live)) });
  }
  if (restart.length > 0) log.tell('settings.restart', { restart });
  if (wasWritten) changeLevel();
  return faults;
}

function adopt(read: () => Settings, { live, log }: ReloadScene): { adoption: Adoption; faults: readonly string[] } {
  try {
    return { adoption: live.adopt(read()), faults: [] };
  } catch (error) {
    if (error instanceof SettingsError) return { adoption: NOTHING, faults: error.faults };
    log.tell('internal.error', { error, connection: undefined });
    return { adoption: NOTHING, faults: ['the settings were not read for a mistake of the gateway'] };
  }
}

function said(name: SettingName, before: number | string, { current }: LiveSettings): string {
  if ('secret' in SETTINGS[name]) return `${name}: another one`;
  return `${name}: ${JSON.stringify(before)}, now ${JSON.stringify(current[name])}`;
}
