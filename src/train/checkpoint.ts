/**
 * The state of a training in a file, from which it goes on to the same end as without a break: an ONNX file whose initializers are weights and
 * moments, so that anything that reads ONNX can look into it.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Dataset } from '../calibration/dataset.js';
import { raise } from '../diagnostics/diagnostic.js';
import { outputUnwritable } from '../diagnostics/onnx.js';
import { checkpointOfOtherTraining } from '../diagnostics/train.js';
import type { Model } from '../graph/ir.js';
import { fromTypedArray, toFloat32 } from '../graph/tensor-data.js';
import { reasonOf } from '../onnx/file-errors.js';
import { encodeModel, readModel, writeModel } from '../onnx/index.js';
import { VERSION } from '../version.js';

/** What has to be known to go on. */
export interface TrainingState {
  /** Steps that are done, those of Adam since its last start, and where in the order of the rows the next one begins. */
  readonly step: number;
  readonly adamSteps: number;
  readonly seconds: number;
  readonly rate: number;
  readonly setbacks: number;
  readonly best: { readonly step: number; readonly loss: number };
  /** The rest of the record, as it is reported in the end. */
  readonly record: unknown;
  readonly weights: readonly Float32Array[];
  readonly first: readonly Float32Array[];
  readonly second: readonly Float32Array[];
  readonly bestWeights: readonly Float32Array[];
}

const PARTS = ['weights', 'first', 'second', 'bestWeights'] as const;
const KEY = 'onnx_condense.training';

/**
 * Writes a state, whole or not at all.
 * @param fingerprint of everything that the training depends on
 */
export async function saveCheckpoint(file: string, state: TrainingState, fingerprint: string): Promise<void> {
  const { weights, first, second, bestWeights, ...numbers } = state;
  const arrays = { weights, first, second, bestWeights };
  const tensors = PARTS.flatMap((part) =>
    arrays[part].map((data, i) => fromTypedArray(`${part}_${i}`, [data.length], 'float32', data)),
  );
  const model: Model = {
    irVersion: 8,
    opsets: new Map([['', 13]]),
    producer: { name: 'onnx-condense', version: VERSION },
    metadata: [{ key: KEY, value: JSON.stringify({ fingerprint, ...numbers }, notFiniteToText) }],
    graph: {
      name: 'training',
      nodes: [],
      initializers: new Map(tensors.map((t) => [t.name, t])),
      inputs: [],
      outputs: [],
      valueInfo: [],
      sparseInitializers: [],
    },
    functions: [],
  };
  await makeFolder(path.dirname(file));
  await writeModel(model, file);
}

/**
 * Reads a state.
 * @returns undefined where there is no file
 * @throws CondenseError where it belongs to another training
 */
export async function loadCheckpoint(file: string, fingerprint: string): Promise<TrainingState | undefined> {
  if (!existsSync(file)) return undefined;
  const model = await readModel(file);
  const text = model.metadata.find((m) => m.key === KEY)?.value;
  const { fingerprint: of, ...numbers } = JSON.parse(text ?? '{}', textToNotFinite) as Omit<
    TrainingState,
    (typeof PARTS)[number]
  > & {
    fingerprint?: string;
  };
  if (of !== fingerprint) return raise(checkpointOfOtherTraining(file));
  const [weights, first, second, bestWeights] = PARTS.map((part) => {
    const arrays: Float32Array[] = [];
    for (let i = 0; ; i++) {
      const tensor = model.graph.initializers.get(`${part}_${i}`);
      if (tensor === undefined) return arrays;
      arrays.push(toFloat32(tensor));
    }
  }) as [Float32Array[], Float32Array[], Float32Array[], Float32Array[]];
  return { ...numbers, weights, first, second, bestWeights };
}

/**
 * A hash of everything that decides what comes of a training, apart from the machine.
 * @param rows all that are learned from or judged by; settings: whatever else
 */
export function fingerprintOf(
  teacher: Model,
  student: Model,
  data: Dataset,
  rows: Int32Array,
  settings: Readonly<Record<string, unknown>>,
): string {
  const hash = createHash('sha256');
  const bytes = (array: ArrayBufferView): Uint8Array =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  hash.update(JSON.stringify(settings));
  for (const model of [teacher, student]) {
    for (const part of encodeModel(model)) hash.update(part);
    // What lies in other files is only named in a model's own bytes.
    for (const { storage } of model.graph.initializers.values()) hash.update(storage.bytes());
  }
  hash.update(bytes(rows));
  for (const { name, array } of data.inputs) {
    hash.update(name);
    if (ArrayBuffer.isView(array.data)) hash.update(bytes(array.data));
  }
  return hash.digest('hex');
}

const NOT_FINITE: readonly unknown[] = ['NaN', 'Infinity', '-Infinity'];

/** JSON knows no such numbers; losses can be. */
function notFiniteToText(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

function textToNotFinite(_key: string, value: unknown): unknown {
  return NOT_FINITE.includes(value) ? Number(value) : value;
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    raise(outputUnwritable(folder, reasonOf(error)), error);
  }
}
