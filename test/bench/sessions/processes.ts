// Owns the processes of `bench:sessions`: bundled, started, spoken to, and the settings that the measured gateway has besides the
// shipped ones. All parts start theirs here. Invariant: whatever was started is gone when the part is over, in whatever way.

import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Settings } from '../../../src/settings/settings.ts';
import { Child } from '../children.ts';
import { SUBPROTOCOL } from '../tickframes.ts';
import { CrowdKey } from './credential.ts';
import type { FromCrowd, FromMover, FromServer, Target, ToCrowd, ToMover, ToServer } from './messages.ts';

/** As deep below the root as sources are: the scripts of proto/redis are found by their place. */
const BUNDLES = fileURLToPath(new URL('../../../.cache/tickwire-bench/', import.meta.url));
/** The same files, as children.ts looks for them: from where its own bundles lie. */
const FROM_CHILDREN = '../../../.cache/tickwire-bench/';
const NAMES = ['sessions-raw', 'sessions-gateway', 'sessions-crowd', 'sessions-mover'] as const;
type Name = (typeof NAMES)[number];

export type ServerChild = Child<ToServer, FromServer>;
export type CrowdChild = Child<ToCrowd, FromCrowd>;
export type MoverChild = Child<ToMover, FromMover>;

/** How much the crowd may take that ordinary clients may not; all else is as shipped. */
const GATEWAY_SETTINGS: Partial<Settings> = {
  connectsPerSecMax: 1_000_000,
  connectionsMax: 1_000_000,
};

export async function bundleProcesses(): Promise<void> {
  await build({
    entryPoints: NAMES.map((name) => fileURLToPath(new URL(`../${name}.ts`, import.meta.url))),
    outdir: BUNDLES,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  });
}

/** A server that listens, and where its clients connect to. */
export interface Served {
  readonly child: ServerChild;
  readonly target: Target;
}

export class Processes {
  private readonly children: { stop(): Promise<void> }[] = [];
  private readonly key: CrowdKey | null;

  constructor({ anonymous }: { readonly anonymous: boolean }) {
    this.key = anonymous ? null : new CrowdKey();
  }

  /** `core` null: wherever the system likes. */
  crowd(core: number | null): CrowdChild {
    return this.start('sessions-crowd', core);
  }

  mover(core: number | null): MoverChild {
    return this.start('sessions-mover', core);
  }

  async gateway(core: number | null, settings: Partial<Settings> = {}): Promise<Served> {
    const child: ServerChild = this.start('sessions-gateway', core);
    const access = this.key === null ? {} : { accessFile: this.key.accessFile };
    child.tell({ type: 'serve', settings: { port: 0, ...GATEWAY_SETTINGS, ...access, ...settings }, firstMessage: [] });
    const { port } = await child.next('serving');
    return { child, target: { port, subprotocol: SUBPROTOCOL, credential: this.key?.credential ?? null } };
  }

  /** uWebSockets.js alone; `firstMessage` is what it sends to whoever connects. */
  async baseline(core: number | null, firstMessage: readonly number[]): Promise<Served> {
    const child: ServerChild = this.start('sessions-raw', core);
    child.tell({ type: 'serve', settings: {}, firstMessage });
    return { child, target: { port: (await child.next('serving')).port, subprotocol: null, credential: null } };
  }

  async stop(): Promise<void> {
    await Promise.all(this.children.splice(0).map((child) => child.stop()));
    this.key?.remove();
  }

  private start<To extends { type: string }, From extends { type: string }>(
    name: Name,
    core: number | null,
  ): Child<To, From> {
    const child = new Child<To, From>(`${FROM_CHILDREN}${name}`, core);
    this.children.push(child);
    return child;
  }
}

/** The bytes of a real welcome: what the baseline sends to those who connect. */
export async function welcomeBytes(crowd: CrowdChild, { target }: Served): Promise<readonly number[]> {
  crowd.tell({ type: 'probe', ...target });
  return (await crowd.next('probed')).firstMessage;
}
