// Owns the check of Kubernetes objects against the official schemas, offline: by the validators of kubernetes-models, which pass over
// keys that they don't know, and by what those never looked at. Called by kubernetes.test.ts. Invariant: the object is left as it is.

import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { Secret } from 'kubernetes-models/v1/Secret';
import { Service } from 'kubernetes-models/v1/Service';
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount';
import Type from 'typebox';
import { Compile } from 'typebox/compile';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: { readonly name: string; readonly namespace?: string };
}

const MODELS: Readonly<Record<string, new (data: never) => { validate(): void }>> = {
  'apps/v1 Deployment': Deployment,
  'autoscaling/v2 HorizontalPodAutoscaler': HorizontalPodAutoscaler,
  'networking.k8s.io/v1 NetworkPolicy': NetworkPolicy,
  'policy/v1 PodDisruptionBudget': PodDisruptionBudget,
  'v1 ConfigMap': ConfigMap,
  'v1 Secret': Secret,
  'v1 Service': Service,
  'v1 ServiceAccount': ServiceAccount,
};
/** The models copy these from what they are given, so that it can't be seen whether they were looked at. */
const OUTERMOST = [
  'apiVersion',
  'kind',
  'metadata',
  'spec',
  'data',
  'type',
  'stringData',
  'automountServiceAccountToken',
];

const closed = { additionalProperties: false } as const;
const Name = Type.Record(Type.String(), Type.String());
/** Of these there are no models: what we use of them, by their own documents. */
const OTHERS: Readonly<
  Record<string, { Check(value: unknown): boolean; Errors(value: unknown): { message: string }[] }>
> = {
  'kustomize.config.k8s.io/v1beta1 Kustomization': Compile(
    Type.Object(
      {
        apiVersion: Type.String(),
        kind: Type.String(),
        namespace: Type.String(),
        labels: Type.Array(Type.Object({ pairs: Name, includeSelectors: Type.Optional(Type.Boolean()) }, closed)),
        resources: Type.Array(Type.String()),
        configMapGenerator: Type.Array(Type.Object({ name: Type.String(), files: Type.Array(Type.String()) }, closed)),
        images: Type.Array(
          Type.Object({ name: Type.String(), newName: Type.Optional(Type.String()), newTag: Type.String() }, closed),
        ),
      },
      closed,
    ),
  ),
  'monitoring.coreos.com/v1 PodMonitor': Compile(
    Type.Object(
      {
        apiVersion: Type.String(),
        kind: Type.String(),
        metadata: Type.Object({ name: Type.String(), namespace: Type.String() }, closed),
        spec: Type.Object(
          {
            selector: Type.Object({ matchLabels: Name }, closed),
            podMetricsEndpoints: Type.Array(
              Type.Object(
                {
                  port: Type.String(),
                  path: Type.String({ pattern: '^/' }),
                  interval: Type.String({ pattern: '^\\d+s$' }),
                  authorization: Type.Object(
                    {
                      type: Type.Literal('Bearer'),
                      credentials: Type.Object({ name: Type.String(), key: Type.String() }, closed),
                    },
                    closed,
                  ),
                  relabelings: Type.Array(
                    Type.Object({ targetLabel: Type.String(), replacement: Type.String() }, closed),
                  ),
                },
                closed,
              ),
            ),
          },
          closed,
        ),
      },
      closed,
    ),
  ),
};

/** What is wrong with it, one text each; none where a cluster would take it. */
export function faultsOf(manifest: Manifest): string[] {
  const kind = `${manifest.apiVersion} ${manifest.kind}`;
  const other = OTHERS[kind];
  if (other !== undefined) return other.Errors(manifest).map(({ message }) => `${kind}: ${message}`);
  const Model = MODELS[kind];
  if (Model === undefined) return [`${kind}: no schema is known`];
  const faults = Object.keys(manifest)
    .filter((key) => !OUTERMOST.includes(key))
    .map((key) => `${kind}: unknown key ${key}`);
  const seen = new Map<object, Set<string>>();
  // It keeps a copy, and looks at all of it for that.
  const model = new Model(manifest as never);
  const inner = Object.entries(model) as [string, unknown][];
  for (const [key, value] of inner) Reflect.set(model, key, watched(value, seen));
  try {
    model.validate();
  } catch (error) {
    faults.push(`${kind}: ${(error as Error).message}`);
  }
  return [...faults, ...inner.flatMap(([key, value]) => unlookedAt(value, seen, `${kind}.${key}`))];
}

/** The same to read; what was asked of it is written down, under the object itself. */
function watched(value: unknown, seen: Map<object, Set<string>>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const asked = seen.get(value) ?? new Set();
  seen.set(value, asked);
  return new Proxy(value, {
    get(target, key) {
      if (typeof key === 'string') asked.add(key);
      return watched(Reflect.get(target, key), seen);
    },
  });
}

function unlookedAt(value: unknown, seen: ReadonlyMap<object, ReadonlySet<string>>, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const asked = seen.get(value);
  // Nobody got that far: something above it is wrong.
  if (asked === undefined) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    asked.has(key) ? unlookedAt(inner, seen, `${path}.${key}`) : [`${path}: unknown key ${key}`],
  );
}
