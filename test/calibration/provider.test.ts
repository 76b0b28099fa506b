import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MomentRequest } from '../../src/calibration/instrument.js';
import { streamMoments, type Batch } from '../../src/calibration/stream.js';
import { condense } from '../../src/condense/condense.js';
import type { Model } from '../../src/graph/ir.js';
import type { Tensor } from '../../src/graph/tensor.js';
import { floatTensor } from '../../src/graph/tensor-data.js';
import type { Matrix } from '../../src/linalg/matrix.js';
import { buildModel, node } from '../build-model.js';
import { largestDifference, multiply, randomMatrix, transposed } from '../matrices.js';
import { temporaryFolders } from '../temporary-folder.js';
import { testProvider } from '../test-provider.js';
import { encodeNpz, floats } from './arrays.js';

const INPUTS = 6;
const HIDDEN = 24;
const OUTPUTS = 2;
const ROWS = 600;

// Every hidden neuron occurs twice, so that half of them can go without loss. Far from zero mean: products about zero would lose digits.
const half = randomMatrix(HIDDEN / 2, INPUTS, 1).data;
const W1: Matrix = { rows: HIDDEN, cols: INPUTS, data: Float64Array.of(...half, ...half) };
const W2 = randomMatrix(OUTPUTS, HIDDEN, 2);
const X = randomMatrix(ROWS, INPUTS, 3);
X.data.forEach((v, i) => (X.data[i] = Math.fround(0.3 * v + 0.5)));

function tensor(name: string, { rows, cols, data }: Matrix): Tensor {
  return floatTensor(name, [rows, cols], 'float32', data);
}

function network(): Model {
  return buildModel({
    inputs: [{ name: 'x', shape: ['rows', INPUTS] }],
    outputs: [{ name: 'y', shape: ['rows', OUTPUTS] }],
    nodes: [
      node('Gemm', ['x', 'w1'], ['h'], { transB: 1 }),
      node('Tanh', ['h'], ['a']),
      node('Gemm', ['a', 'w2'], ['y'], { transB: 1 }),
    ],
    initializers: [tensor('w1', W1), tensor('w2', W2)],
  });
}

describe(`calibration on the provider ${testProvider()}`, () => {
  const temporaryFolder = temporaryFolders();
  const provider = testProvider();

  it('gives the second moments that float64 arithmetic gives', async () => {
    const { graph, ...rest } = network();
    const request: MomentRequest = {
      key: 'second',
      x: { value: 'a', axis: 1, rank: 2, features: HIDDEN, dtype: 'float32' },
      z: { value: 'y', axis: 1, rank: 2, features: OUTPUTS, dtype: 'float32' },
    };
    const batches: Batch[] = [0, 1, 2].map((part) => {
      const rows = Array.from({ length: ROWS / 3 }, (_, i) => part * (ROWS / 3) + i);
      const data = X.data.slice(rows[0]! * INPUTS, (rows[0]! + rows.length) * INPUTS);
      return { rows, fold: 0, feeds: new Map([['x', floats([rows.length, INPUTS], [...data])]]) };
    });
    const stream = {
      base: { ...rest, graph },
      nodes: graph.nodes,
      initializers: [...graph.initializers.values()],
      inputs: [{ name: 'x', dtype: 'float32' as const, rank: 2 }],
    };
    const { moments } = await streamMoments(stream, [request], batches, { provider, folds: 1, stack: 1 });
    const [found] = moments.get('second')!;

    const A = multiply(X, transposed(rounded(W1)));
    A.data.forEach((v, i) => (A.data[i] = Math.tanh(v)));
    const Y = multiply(A, transposed(rounded(W2)));
    expect(found!.rows).toBe(ROWS);
    expect(relativeDifference(found!.xx(true), covariance(A, A))).toBeLessThan(1e-5);
    expect(relativeDifference(found!.zx(true), covariance(Y, A))).toBeLessThan(1e-5);
  });

  it('carries a whole reduction, and the report names it', async () => {
    const file = path.join(temporaryFolder(), 'x.npz');
    writeFileSync(file, encodeNpz({ x: floats([ROWS, INPUTS], [...X.data]) }));
    const { report } = await condense(network(), { data: [file], keep: new Map([['h', HIDDEN / 2]]), provider });
    expect(report.provider).toBe(provider);
    expect(report.status).toBe('reduced');
    expect(report.nodes.map((n) => n.after)).toEqual([HIDDEN / 2, OUTPUTS]);
    expect(report.verification!.outputs[0]!.nrmse).toBeLessThan(1e-5);
  });
});

function rounded(A: Matrix): Matrix {
  return { ...A, data: A.data.map(Math.fround) };
}

/** E[(b − E b)(a − E a)ᵀ] over the rows of B and A. */
function covariance(B: Matrix, A: Matrix): Matrix {
  const product = multiply(transposed(centred(B)), centred(A));
  return { ...product, data: product.data.map((v) => v / A.rows) };
}

function centred(A: Matrix): Matrix {
  const means = multiply({ rows: 1, cols: A.rows, data: new Float64Array(A.rows).fill(1 / A.rows) }, A).data;
  return { ...A, data: A.data.map((v, i) => v - means[i % A.cols]!) };
}

/** The largest difference over the largest entry. */
function relativeDifference(A: Matrix, B: Matrix): number {
  return largestDifference(A, B) / B.data.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
}
