import * as ort from 'onnxruntime-node';
import { raise } from '../diagnostics/diagnostic.js';
import { providerMissing } from '../diagnostics/runtime.js';
import { makeNode } from '../graph/attributes.js';
import type { Model } from '../graph/ir.js';
import { encodeModel } from '../onnx/index.js';

/** Execution providers by onnxruntime-node's own names. */
export const PROVIDERS = ['cpu', 'cuda', 'webgpu', 'coreml', 'dml'] as const;
export type ProviderName = (typeof PROVIDERS)[number];
export type ProviderChoice = ProviderName | 'auto';

/** The provider that is used, and why others are not (only under `auto`). */
export interface ProviderResolution {
  readonly provider: ProviderName;
  readonly notes: readonly string[];
}

/** Keeps onnxruntime's own log lines off stderr: what matters in them comes back as errors. For a process of our own, not for a host's. */
export function silenceRuntime(): void {
  ort.env.logLevel = 'fatal';
}

/**
 * Finds out whether the provider works by running one node on it: onnxruntime-node throws where a provider's library or device is missing,
 * it does not fall back by itself.
 * @throws CondenseError when a provider asked for by name cannot be used.
 */
export async function resolveProvider(choice: ProviderChoice): Promise<ProviderResolution> {
  if (choice === 'cpu') return { provider: 'cpu', notes: [] };
  if (choice !== 'auto') {
    const problem = await tryProvider(choice);
    if (problem !== undefined) raise(providerMissing(choice, problem));
    return { provider: choice, notes: [] };
  }
  const notes: string[] = [];
  for (const provider of ['cuda', 'coreml', 'dml', 'webgpu'] as const) {
    const problem = await tryProvider(provider);
    if (problem === undefined) return { provider, notes };
    notes.push(`${provider} is not available: ${problem.split('\n')[0]}`);
  }
  return { provider: 'cpu', notes };
}

/** Undefined when the provider ran a node; otherwise what it said. */
async function tryProvider(provider: ProviderName): Promise<string | undefined> {
  if (!ort.listSupportedBackends().some((b) => b.name === provider))
    return 'this build of onnxruntime-node does not contain it';
  const shape = [1, 4];
  const model: Model = {
    graph: {
      name: 'provider-check',
      nodes: [makeNode('Relu', ['x'], ['y'])],
      initializers: new Map(),
      inputs: [{ name: 'x', dtype: 'float32', shape }],
      outputs: [{ name: 'y', dtype: 'float32', shape }],
      valueInfo: [],
      sparseInitializers: [],
    },
    irVersion: 8,
    opsets: new Map([['', 17]]),
    metadata: [],
    functions: [],
    producer: { name: 'onnx-condense', version: '' },
  };
  try {
    const session = await ort.InferenceSession.create(Buffer.concat(encodeModel(model)), {
      executionProviders: [provider, 'cpu'],
      logSeverityLevel: 4,
    });
    try {
      await session.run({ x: new ort.Tensor('float32', Float32Array.of(-1, 0, 1, 2), shape) });
    } finally {
      await session.release();
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Version of onnxruntime-node. */
export function runtimeVersion(): string {
  return ort.env.versions.node ?? ort.env.versions.common;
}
