import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { NumericArray } from '../src/graph/feeds.js';
import type { Model } from '../src/graph/ir.js';
import { encodeNpz } from './calibration/arrays.js';
import { buildModel, node } from './build-model.js';
import { constant, weights } from './dense.js';
import { normals } from './matrices.js';

/** Inputs of {@link smoothNetwork}. */
export const INPUTS = 2;

/** What a test may want different in {@link smoothNetwork}. */
export interface SmoothOptions {
  readonly batch?: number | string;
  readonly hidden?: number;
  readonly metadata?: Record<string, string>;
}

/**
 * x [batch, 2] → fc1 (24) → Tanh → fc2 (24) → Tanh → fc3 (3) → y. With two inputs and a smooth activation its neurons depend on one another
 * nearly linearly, so that it can be made much smaller.
 */
export function smoothNetwork({ batch = 'batch', hidden = 24, metadata }: SmoothOptions = {}): Model {
  return buildModel({
    name: 'smooth',
    inputs: [{ name: 'x', shape: [batch, INPUTS] }],
    nodes: [
      node('Gemm', ['x', 'w1', 'b1'], ['h1'], {}, { name: 'fc1' }),
      node('Tanh', ['h1'], ['a1'], {}, { name: 'act1' }),
      node('Gemm', ['a1', 'w2', 'b2'], ['h2'], {}, { name: 'fc2' }),
      node('Tanh', ['h2'], ['a2'], {}, { name: 'act2' }),
      node('Gemm', ['a2', 'w3', 'b3'], ['y'], {}, { name: 'fc3' }),
    ],
    initializers: [
      weights('w1', [INPUTS, hidden]),
      weights('b1', [hidden]),
      weights('w2', [hidden, hidden]),
      weights('b2', [hidden]),
      weights('w3', [hidden, 3]),
      weights('b3', [3]),
    ],
    outputs: [{ name: 'y', shape: [batch, 3] }],
    ...(metadata === undefined ? {} : { metadata }),
  });
}

/** Normal rows, 0.5 wide, for {@link smoothNetwork}. */
export function normalRows(rows: number, seed = 1): NumericArray {
  const next = normals(seed);
  return {
    dtype: 'float32',
    dims: [rows, INPUTS],
    data: Float32Array.from({ length: rows * INPUTS }, () => 0.5 * next()),
  };
}

/** Writes arrays as an .npz file and returns its path. */
export function writeNpz(folder: string, name: string, arrays: Readonly<Record<string, NumericArray>>): string {
  const file = path.join(folder, name);
  writeFileSync(file, encodeNpz(arrays));
  return file;
}

/** x [rows, 2] → Gemm (one column of `neurons` for each, the last number its bias) → Relu → Gemm. */
export function planted(neurons: readonly (readonly [number, number, number])[]): Model {
  const n = neurons.length;
  return buildModel({
    inputs: [{ name: 'x', shape: ['rows', 2] }],
    nodes: [
      node('Gemm', ['x', 'w', 'b'], ['h'], {}, { name: 'fc1' }),
      node('Relu', ['h'], ['a']),
      node('Gemm', ['a', 'v', 'c'], ['y'], {}, { name: 'fc2' }),
    ],
    initializers: [
      constant('w', [2, n], [...neurons.map((m) => m[0]), ...neurons.map((m) => m[1])]),
      constant(
        'b',
        [n],
        neurons.map((m) => m[2]),
      ),
      weights('v', [n, 3]),
      weights('c', [3]),
    ],
    outputs: [{ name: 'y', shape: ['rows', 3] }],
  });
}
