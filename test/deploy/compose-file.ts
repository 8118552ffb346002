// Owns the shape of a compose file: the part of the compose specification that deploy/compose uses, every key of it. The test of
// deploy/compose calls it. Invariant: a key that is not described here is a fault, so that a misspelt one is found.

import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { parse } from 'yaml';

const closed = { additionalProperties: false } as const;
const Duration = Type.String({ pattern: '^\\d+(ms|s|m|h)$' });
const Bytes = Type.String({ pattern: '^\\d+[kmg]$' });
const Text = Type.String({ minLength: 1 });
const Mount = Type.Object({ source: Text, target: Type.Optional(Text) }, closed);

const Service = Type.Object(
  {
    image: Text,
    build: Type.Optional(Type.Object({ context: Text, dockerfile: Text }, closed)),
    command: Type.Optional(Type.Array(Type.String())),
    user: Type.Optional(Text),
    environment: Type.Optional(Type.Record(Type.String({ pattern: '^[A-Z][A-Z0-9_]*$' }), Type.String())),
    read_only: Type.Boolean(),
    cap_drop: Type.Array(Text),
    security_opt: Type.Array(Text),
    restart: Type.Union([Type.Literal('unless-stopped'), Type.Literal('always'), Type.Literal('on-failure')]),
    logging: Type.Object({ driver: Text, options: Type.Record(Type.String(), Type.String()) }, closed),
    configs: Type.Optional(Type.Array(Mount)),
    secrets: Type.Optional(Type.Array(Type.Union([Text, Mount]))),
    depends_on: Type.Optional(
      Type.Union([
        Type.Array(Text),
        Type.Record(Type.String(), Type.Object({ condition: Type.Literal('service_healthy') }, closed)),
      ]),
    ),
    ulimits: Type.Optional(
      Type.Object({ nofile: Type.Object({ soft: Type.Integer(), hard: Type.Integer() }, closed) }, closed),
    ),
    mem_limit: Bytes,
    pids_limit: Type.Optional(Type.Integer()),
    stop_signal: Type.Optional(Type.String({ pattern: '^SIG[A-Z0-9]+$' })),
    stop_grace_period: Duration,
    healthcheck: Type.Optional(
      Type.Object(
        {
          test: Type.Array(Type.String()),
          interval: Duration,
          timeout: Duration,
          retries: Type.Integer({ minimum: 1 }),
        },
        closed,
      ),
    ),
    // This machine only: who wants to be reached from elsewhere says so.
    ports: Type.Optional(Type.Array(Type.String({ pattern: '^127\\.0\\.0\\.1:\\d+:\\d+$' }))),
    tmpfs: Type.Optional(Type.Array(Text)),
    volumes: Type.Optional(
      Type.Array(
        Type.Union([
          Type.Object(
            { type: Type.Literal('bind'), source: Text, target: Text, read_only: Type.Literal(true) },
            closed,
          ),
          Type.Object({ type: Type.Literal('volume'), source: Text, target: Text }, closed),
        ]),
      ),
    ),
    networks: Type.Union([
      Type.Array(Text),
      Type.Record(Type.String(), Type.Union([Type.Null(), Type.Object({ ipv4_address: Text }, closed)])),
    ]),
  },
  closed,
);

const FileOf = Type.Record(Type.String(), Type.Object({ file: Text }, closed));
const Compose = Type.Object(
  {
    name: Text,
    services: Type.Record(Type.String(), Service),
    configs: FileOf,
    secrets: FileOf,
    volumes: Type.Record(Type.String(), Type.Null()),
    networks: Type.Record(
      Type.String(),
      Type.Union([
        Type.Null(),
        Type.Object(
          {
            internal: Type.Optional(Type.Boolean()),
            ipam: Type.Optional(Type.Object({ config: Type.Array(Type.Object({ subnet: Text }, closed)) }, closed)),
          },
          closed,
        ),
      ]),
    ),
  },
  closed,
);
const compose = Compile(Compose);

export type ComposeFile = Static<typeof Compose>;
export type ComposeService = Static<typeof Service>;

/** What stands in it, merged; keys that begin with x- are for the file itself. */
export function readCompose(text: string): ComposeFile {
  const entries = Object.entries(parse(text, { merge: true }) as Record<string, unknown>);
  return Object.fromEntries(entries.filter(([key]) => !key.startsWith('x-'))) as ComposeFile;
}

/** What the specification does not allow, and what we do not allow ourselves; none where all is well. */
export function faultsIn(file: ComposeFile): string[] {
  const faults = compose.Errors(file).map(({ instancePath, message }) => `${instancePath} ${message}`);
  if (faults.length > 0) return faults;
  return Object.entries(file.services).flatMap(([name, service]) =>
    rulesOf(file, service).map((fault) => `${name}: ${fault}`),
  );
}

function rulesOf(file: ComposeFile, service: ComposeService): string[] {
  const { secrets = [], configs = [], volumes = [], networks, depends_on: after = [] } = service;
  const named: readonly (readonly [kind: string, names: readonly string[], known: object])[] = [
    ['secret', secrets.map((each) => (typeof each === 'string' ? each : each.source)), file.secrets],
    ['config', configs.map(({ source }) => source), file.configs],
    ['volume', volumes.filter(({ type }) => type === 'volume').map(({ source }) => source), file.volumes],
    ['network', namesIn(networks), file.networks],
    ['service', namesIn(after), file.services],
  ];
  const rules: readonly (readonly [holds: boolean, fault: string])[] = [
    [/:v?\d+\.\d+\.\d+(-[a-z]+)?$/.test(service.image), `the image ${service.image} has no exact tag`],
    [service.read_only, 'its root file system can be written to'],
    [service.cap_drop.includes('ALL'), 'it keeps capabilities'],
    [service.security_opt.includes('no-new-privileges:true'), 'it may gain privileges'],
    [service.healthcheck !== undefined || service.build !== undefined, 'nobody asks whether it is well'],
    [service.logging.options['max-size'] !== undefined, 'its log grows without end'],
    ...named.flatMap(([kind, names, known]) =>
      names.map((name) => [name in known, `there is no ${kind} ${name}`] as const),
    ),
  ];
  return rules.filter(([holds]) => !holds).map(([, fault]) => fault);
}

function namesIn(either: readonly string[] | object): readonly string[] {
  return Array.isArray(either) ? (either as readonly string[]) : Object.keys(either);
}
