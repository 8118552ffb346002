// Owns a lock between processes: a folder that exists while one of them works. What is built once into .cache is built under it.
// Invariant: a lock whose owner has died is taken over, never waited for.

import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

const POLL_MS = 200;
/** A lock without an owner is that old only where its maker died before it wrote who it is. */
const OWNERLESS_MS_MAX = 5_000;

/** Runs `work` while no other process does so in this folder, which is made where it is missing. */
export async function locked<T>(folder: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(folder, { recursive: true });
  const lock = join(folder, 'lock');
  const owner = join(lock, 'pid');
  while (!took(lock)) {
    if (isAbandoned(lock, owner)) rmSync(lock, { recursive: true, force: true });
    else await setTimeout(POLL_MS);
  }
  try {
    writeFileSync(owner, String(process.pid));
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function took(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function isAbandoned(lock: string, owner: string): boolean {
  try {
    const pid = Number(readFileSync(owner, 'utf8'));
    if (pid > 0) process.kill(pid, 0);
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return true;
    if (code !== 'ENOENT') return false;
    const bornMs = statSync(lock, { throwIfNoEntry: false })?.ctimeMs ?? Date.now();
    return Date.now() - bornMs > OWNERLESS_MS_MAX;
  }
}
