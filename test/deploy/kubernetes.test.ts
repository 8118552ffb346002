// Holds deploy/kubernetes to the official schemas, and its files to each other and to the gateway: labels, ports, settings, secrets, and
// how long an end may take.

import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { readConfiguration, SETTINGS } from '../../src/settings/settings.ts';
import { faultsOf, type Manifest } from './manifest.ts';

const FOLDER = resolve(import.meta.dirname, '../../deploy/kubernetes');
/** What a client has to connect elsewhere before its old connection is closed: src/gateway/drain.ts. */
const MOVE_MS = 2_000;
const LABELS = { 'app.kubernetes.io/name': 'tickwire', 'app.kubernetes.io/component': 'gateway' };

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}
interface DeploymentManifest extends Manifest {
  readonly spec: {
    replicas?: number;
    readonly selector: { readonly matchLabels: object };
    readonly template: {
      readonly metadata: { readonly labels: Record<string, string> };
      readonly spec: {
        terminationGracePeriodSeconds: number;
        readonly securityContext: object;
        readonly topologySpreadConstraints: readonly { readonly labelSelector: { readonly matchLabels: object } }[];
        readonly volumes: readonly { readonly name: string; readonly configMap: { readonly name: string } }[];
        readonly containers: readonly [
          {
            readonly image: string;
            readonly env: readonly {
              readonly name: string;
              readonly value?: string;
              readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
            }[];
            readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
            readonly startupProbe: Probe;
            readonly livenessProbe: Probe;
            readonly readinessProbe: Probe;
            readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
            readonly securityContext: object;
            readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
          },
        ];
      };
    };
  };
}

function text(name: string): string {
  return readFileSync(join(FOLDER, name), 'utf8');
}

function documents(name: string): Manifest[] {
  return parseAllDocuments(text(name)).map((each) => {
    expect(each.errors).toEqual([]);
    return each.toJS() as Manifest;
  });
}

const files = readdirSync(FOLDER).filter((name) => name !== 'settings.yaml');
const kustomization = parse(text('kustomization.yaml')) as {
  namespace: string;
  resources: string[];
  configMapGenerator: { name: string; files: string[] }[];
  images: { name: string; newTag: string }[];
};
const deployment = documents('deployment.yaml')[0] as DeploymentManifest;
const pod = deployment.spec.template.spec;
const [gateway] = pod.containers;
const secret = documents('secret.example.yaml')[0] as Manifest & { readonly stringData: Record<string, string> };

/** What the gateway is told in the cluster, secrets made up. */
function environment(): Record<string, string> {
  const values: Record<string, string> = {
    redisUrl: 'redis://redis:6379',
    adminToken: 'a'.repeat(32),
    publishToken: 'b',
  };
  return Object.fromEntries(
    gateway.env.map(({ name, value, valueFrom }) => [name, value ?? values[valueFrom!.secretKeyRef.key]!]),
  );
}

function read(file: string) {
  return readConfiguration({ environment: environment(), file });
}

/** Seconds from the begin of an end to the last client's. */
function endSec({ spec }: DeploymentManifest['spec']['template'], drainMs: number): number {
  const [sleep, seconds] = spec.containers[0].lifecycle.preStop.exec.command;
  expect(sleep).toBe('sleep');
  return Number(seconds) + (drainMs + MOVE_MS) / 1_000;
}

test.each(files)('%s is what its schema allows, key by key', (name) => {
  for (const manifest of documents(name)) expect(faultsOf(manifest)).toEqual([]);
});

type Planted = typeof deployment;

function misspell({ template }: Planted['spec']): void {
  Object.assign(template.spec.containers[0].livenessProbe, { periodSecs: 1 });
}

describe('the schemas find', () => {
  test.each<[string, (planted: Planted) => void, RegExp]>([
    ['a value of the wrong type', ({ spec }) => Object.assign(spec, { replicas: 'two' }), /replicas must be integer/],
    ['a key that is missing', ({ spec }) => Reflect.deleteProperty(spec, 'selector'), /required property selector/],
    ['an unknown key far inside', ({ spec }) => misspell(spec), /unknown key periodSecs/],
    ['an unknown key outside', (planted) => Object.assign(planted, { specs: {} }), /unknown key specs/],
    ['an unknown kind', (planted) => Object.assign(planted, { apiVersion: 'apps/v2' }), /no schema/],
  ])('%s', (_, plant, fault) => {
    const planted = structuredClone(deployment);
    plant(planted);
    expect(faultsOf(planted).join()).toMatch(fault);
  });

  test('an unknown key where there is no model', () => {
    const [podMonitor] = documents('podmonitor.yaml');
    expect(faultsOf({ ...podMonitor!, specs: {} } as Manifest)).not.toEqual([]);
  });
});

test('every file is applied, or says that it is not', () => {
  const applied = [
    ...kustomization.resources,
    ...kustomization.configMapGenerator.flatMap(({ files: names }) => names),
  ];
  const apart = ['kustomization.yaml', 'podmonitor.yaml', 'secret.example.yaml'];
  expect([...applied, ...apart].toSorted()).toEqual(readdirSync(FOLDER).toSorted());
});

test('everything that selects the gateways selects by the labels that they have', () => {
  const { labels } = deployment.spec.template.metadata;
  expect(labels).toEqual(LABELS);
  const all = files.flatMap((name) => documents(name).map((manifest) => JSON.stringify(manifest)));
  const selectors = all.flatMap((json) => [...json.matchAll(/"(?:matchLabels|selector)":(\{"app[^}]*\})/g)]);
  // Deployment, two spreads, two services, disruption budget, network policy, pod monitor.
  expect(selectors).toHaveLength(8);
  for (const [, selector] of selectors) expect(JSON.parse(selector!)).toEqual(labels);
});

test('every port that is named is one of the gateway, and they are those of its settings', () => {
  const { settings } = read(join(FOLDER, 'settings.yaml'));
  const ports = Object.fromEntries(gateway.ports.map(({ name, containerPort }) => [name, containerPort]));
  expect(ports).toEqual({ public: settings.port, admin: settings.adminPort });
  const all = files.flatMap((name) => documents(name)).map((manifest) => JSON.stringify(manifest));
  const named = all.flatMap((json) => [...json.matchAll(/"(?:port|targetPort)":"(\w+)"/g)].map(([, name]) => name!));
  expect(named.length).toBeGreaterThan(6);
  expect(named.filter((name) => !(name in ports))).toEqual([]);
});

test('the probes ask the admin port: life for living, readiness for clients', () => {
  const { startupProbe, livenessProbe, readinessProbe } = gateway;
  expect([startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet)).toEqual([
    { path: '/healthz', port: 'admin' },
    { path: '/healthz', port: 'admin' },
    { path: '/readyz', port: 'admin' },
  ]);
});

test("the gateway's own reader takes the settings, and finds a fault in them", () => {
  const { settings, warnings } = read(join(FOLDER, 'settings.yaml'));
  expect(warnings).toEqual([]);
  expect(settings).toMatchObject({ host: '0.0.0.0', adminHost: '0.0.0.0', redisUrl: 'redis://redis:6379' });
  expect(() => read(join(FOLDER, 'service.yaml'))).toThrow(/can't work/);
});

test('the variables exist, and what comes from the secret has its key there, without a value', () => {
  const known = ['TICKWIRE_CONFIG', ...Object.values(SETTINGS).map(({ env }) => env)];
  for (const { name, valueFrom } of gateway.env) {
    expect(known).toContain(name);
    if (valueFrom !== undefined) expect(valueFrom.secretKeyRef.name).toBe(secret.metadata!.name);
    if (valueFrom !== undefined) expect(secret.stringData).toHaveProperty(valueFrom.secretKeyRef.key, '');
  }
  const { credentials } = (documents('podmonitor.yaml')[0] as unknown as MonitorManifest).spec.podMetricsEndpoints[0]
    .authorization;
  expect(credentials.name).toBe(secret.metadata!.name);
  expect(secret.stringData).toHaveProperty(credentials.key);
});

interface MonitorManifest {
  readonly spec: {
    readonly podMetricsEndpoints: readonly [
      { readonly authorization: { readonly credentials: { readonly name: string; readonly key: string } } },
    ];
  };
}

test('the settings file is mounted where the gateway is told to look for it', () => {
  const [{ name, files: names }] = kustomization.configMapGenerator as [{ name: string; files: string[] }];
  const volume = pod.volumes.find(({ configMap }) => configMap.name === name)!;
  const { mountPath } = gateway.volumeMounts.find((mount) => mount.name === volume.name)!;
  expect(environment().TICKWIRE_CONFIG).toBe(join(mountPath, names[0]!));
});

test('a gateway is given the time that its end takes, and a longer drain would be found', () => {
  const { drainMs } = read(join(FOLDER, 'settings.yaml')).settings;
  expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(endSec(deployment.spec.template, drainMs));
  expect(pod.terminationGracePeriodSeconds).toBeLessThan(endSec(deployment.spec.template, drainMs * 2));
});

test('the container has no rights that it does not need, and nothing in the cluster may be asked by it', () => {
  expect(pod.securityContext).toMatchObject({
    runAsNonRoot: true,
    runAsUser: expect.any(Number) as number,
    seccompProfile: { type: 'RuntimeDefault' },
  });
  expect(gateway.securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  expect(pod).toMatchObject({ automountServiceAccountToken: false, serviceAccountName: 'tickwire' });
});

test('the number of gateways is for the autoscaler alone, and the image has a tag of its own', () => {
  expect(deployment.spec.replicas).toBeUndefined();
  const scaler = documents('horizontalpodautoscaler.yaml')[0] as unknown as {
    spec: { scaleTargetRef: object; minReplicas: number };
  };
  expect(scaler.spec.scaleTargetRef).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'tickwire' });
  expect(scaler.spec.minReplicas).toBeGreaterThan(1);
  const { version } = JSON.parse(readFileSync(join(FOLDER, '../../package.json'), 'utf8')) as { version: string };
  expect(kustomization.images).toEqual([{ name: 'tickwire', newTag: version }]);
  expect(gateway.image).toBe(`tickwire:${version}`);
});
