import { describe, expect, it } from 'vitest';
import type { FeatureSource, MomentRequest } from '../../src/calibration/instrument.js';
import { Moments } from '../../src/calibration/moments.js';
import { streamMoments, type Batch, type StreamOptions } from '../../src/calibration/stream.js';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import type { Model } from '../../src/graph/ir.js';
import { zeros, type Matrix } from '../../src/linalg/matrix.js';
import { buildModel, node } from '../build-model.js';
import { constant, CPU, outputsOf, streamGraph, weights } from '../dense.js';
import { largestDifference, multiply, normals, transposed } from '../matrices.js';
import { floats } from './arrays.js';

const source = (value: string, features: number, axis = 1, rank = 2): FeatureSource => ({
  ...{ value, axis, rank, features },
  dtype: 'float32',
});

/** Batches of the input x with the dimensions `dims` behind the rows; sizes and folds as listed. */
function batchesOf(dims: number[], sizes: readonly number[], folds: readonly number[], value = normals(4)): Batch[] {
  let row = 0;
  return sizes.map((size, i) => {
    const count = dims.reduce((a, b) => a * b, size);
    const rows = Array.from({ length: size }, () => row++);
    return {
      rows,
      fold: folds[i]!,
      feeds: new Map([['x', floats([size, ...dims], Array.from({ length: count }, value))]]),
    };
  });
}

/** The activations of a value as rows × features, in float64: what no statistic of the program is made from. */
async function activations(
  model: Model,
  { value, axis, features }: FeatureSource,
  batches: readonly Batch[],
): Promise<Matrix> {
  const exposed = {
    ...model,
    graph: { ...model.graph, outputs: [{ name: value, dtype: undefined, shape: undefined }] },
  };
  const rows: number[] = [];
  for (const batch of batches) {
    const { dims, data } = value === 'x' ? batch.feeds.get('x')! : (await outputsOf(exposed, batch.feeds)).get(value)!;
    const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
    const outer = dims.slice(0, axis).reduce((a, b) => a * b, 1);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++)
        for (let f = 0; f < features; f++) rows.push(Number(data[(o * features + f) * inner + i]));
    }
  }
  return { rows: rows.length / features, cols: features, data: Float64Array.from(rows) };
}

function meanOf(X: Matrix): Matrix {
  return multiply({ rows: 1, cols: X.rows, data: new Float64Array(X.rows).fill(1 / X.rows) }, X);
}

function covariance(Z: Matrix, X: Matrix): Matrix {
  const centred = (A: Matrix): Matrix => ({ ...A, data: A.data.map((v, i) => v - meanOf(A).data[i % A.cols]!) });
  return scaled(multiply(transposed(centred(Z)), centred(X)), 1 / X.rows);
}

const scaled = (A: Matrix, c: number): Matrix => ({ ...A, data: A.data.map((v) => v * c) });
const largest = (A: Matrix): number => largestDifference(A, zeros(A.rows, A.cols));

/** Everything that moments hold, against brute force; differences relative to the largest entry. */
function expectMoments(moments: Moments, X: Matrix, Z: Matrix | undefined, tolerance: number): void {
  const close = (found: Matrix, wanted: Matrix): void => {
    expect(largestDifference(found, wanted)).toBeLessThan(tolerance * largest(wanted));
  };
  const row = (data: Float64Array): Matrix => ({ rows: 1, cols: data.length, data });
  expect(moments.rows).toBe(X.rows);
  close(row(moments.meanX()), meanOf(X));
  close(moments.xx(true), covariance(X, X));
  close(moments.xx(false), scaled(multiply(transposed(X), X), 1 / X.rows));
  if (Z === undefined) return;
  close(row(moments.meanZ()), meanOf(Z));
  close(moments.zx(true), covariance(Z, X));
  const variances = covariance(Z, Z).data.filter((_, i) => i % (Z.cols + 1) === 0);
  close(row(moments.zz(true)), row(variances));
}

const options: StreamOptions = { ...CPU, folds: 1, stack: 1 };

/** x [n, 3] → h (5, Tanh) → y (2). */
function dense(rows: number | string = 'rows', opset = 17): Model {
  return buildModel({
    opset,
    inputs: [{ name: 'x', shape: [rows, 3] }],
    nodes: [node('Gemm', ['x', 'w1', 'b1'], ['g']), node('Tanh', ['g'], ['h']), node('Gemm', ['h', 'w2'], ['y'])],
    initializers: [weights('w1', [3, 5]), weights('b1', [5]), weights('w2', [5, 2])],
    outputs: [{ name: 'y' }],
  });
}
const hidden: MomentRequest = { key: 'second', x: source('h', 5), z: source('y', 2) };

describe('moments formed inside the runtime', () => {
  it.each([17, 12])('agree with brute force on the activations, by fold (opset %i)', async (opset) => {
    const model = dense('rows', opset);
    const batches = batchesOf([3], [40, 40, 17, 30], [0, 1, 1, 0]);
    const requests = [hidden, { key: 'first', x: source('x', 3) }];
    const { moments } = await streamMoments(streamGraph(model), requests, batches, { ...options, folds: 2 });
    for (const fold of [0, 1]) {
      const part = batches.filter((b) => b.fold === fold);
      const [X, Z] = [await activations(model, hidden.x, part), await activations(model, hidden.z!, part)];
      expectMoments(moments.get('second')![fold]!, X, Z, 1e-5);
      expectMoments(moments.get('first')![fold]!, await activations(model, source('x', 3), part), undefined, 1e-5);
    }
    const all = await activations(model, hidden.x, batches);
    expectMoments(Moments.total(moments.get('second')!), all, undefined, 1e-5);
  });

  it.each([
    ['the last axis of three', source('h', 5, 2, 3), [4, 3]],
    ['a middle axis', source('t', 5, 1, 3), [4, 3]],
    ['the first axis', source('s', 5, 0, 3), [4, 3]],
  ])('every position is a row: %s', async (_, x, dims) => {
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 4, 3] }],
      nodes: [
        node('MatMul', ['x', 'w'], ['h']),
        node('Transpose', ['h'], ['t'], { perm: [0, 2, 1] }),
        node('Transpose', ['h'], ['s'], { perm: [2, 0, 1] }),
      ],
      initializers: [weights('w', [3, 5])],
      outputs: [{ name: 't' }, { name: 's' }],
    });
    const batches = batchesOf(dims, [6, 9], [0, 0]);
    const { moments } = await streamMoments(streamGraph(model), [{ key: 'k', x }], batches, options);
    expectMoments(moments.get('k')![0]!, await activations(model, x, batches), undefined, 1e-5);
    expect(moments.get('k')![0]!.rows).toBe(60);
  });

  it.each(['float64', 'float16'] as const)('take %s activations', async (dtype) => {
    const model = dense();
    model.graph.nodes.push(
      node('Cast', ['h'], ['cast'], { to: dtype === 'float64' ? 11 : 10 }),
      node('Cast', ['cast'], ['back'], { to: 1 }),
    );
    const batches = batchesOf([3], [50], [0]);
    const request: MomentRequest = { key: 'k', x: { ...source('cast', 5), dtype } };
    const { moments } = await streamMoments(streamGraph(model), [request], batches, options);
    expectMoments(moments.get('k')![0]!, await activations(model, source('back', 5), batches), undefined, 1e-5);
  });

  it('keep their digits where the mean is a hundred times the spread', async () => {
    const next = normals(8);
    const batches = batchesOf([3], [500, 500, 500], [0, 0, 0], () => 100 + next());
    const model = dense();
    const request: MomentRequest = { key: 'k', x: source('x', 3), z: source('g', 5) };
    const { moments } = await streamMoments(streamGraph(model), [request], batches, options);
    const [X, Z] = [await activations(model, request.x, batches), await activations(model, request.z!, batches)];
    // Float32 products about zero would leave an error of 100² · 6e-8 · √rows in a variance of 1.
    expectMoments(moments.get('k')![0]!, X, Z, 1e-5);
  });

  it('wide layers, whose products are float32, keep theirs as well', async () => {
    const next = normals(9);
    const width = 1100;
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['rows', width] }],
      nodes: [node('Identity', ['x'], ['y'])],
      outputs: [{ name: 'y' }],
    });
    const batches = batchesOf([width], [300, 300], [0, 0], () => 100 + next());
    const { moments } = await streamMoments(
      streamGraph(model),
      [{ key: 'k', x: source('y', width) }],
      batches,
      options,
    );
    const X = await activations(model, source('x', width), batches);
    const C = moments.get('k')![0]!.xx(true);
    const mean = meanOf(X).data;
    for (const [i, j] of [
      [0, 0],
      [0, 1],
      [width - 1, width - 1],
      [17, 1099],
    ] as const) {
      let wanted = 0;
      for (let r = 0; r < X.rows; r++)
        wanted += ((X.data[r * width + i]! - mean[i]!) * (X.data[r * width + j]! - mean[j]!)) / X.rows;
      expect(Math.abs(C.data[i * width + j]! - wanted)).toBeLessThan(1e-5);
    }
  });
});

describe('a graph with a fixed batch', () => {
  it('is run at it, and stacked runs give the same moments', async () => {
    const model = dense(2);
    const batches = batchesOf(
      [3],
      new Array<number>(25).fill(2),
      Array.from({ length: 25 }, (_, i) => (i < 12 ? 0 : 1)),
    );
    const seen: number[] = [];
    const result = await streamMoments(streamGraph(model), [hidden], batches, {
      ...options,
      ...{ folds: 2, stack: 5, keep: [{ name: 'h', dtype: 'float32' }] },
      onBatch: (done) => seen.push(done),
    });
    for (const fold of [0, 1]) {
      const part = batches.filter((b) => b.fold === fold);
      const [X, Z] = [await activations(model, hidden.x, part), await activations(model, hidden.z!, part)];
      expectMoments(result.moments.get('second')![fold]!, X, Z, 1e-5);
    }
    expect(seen.at(-1)).toBe(50);
    expect(result.kept).toHaveLength(25);
    expect(result.kept[24]!.get('h')!.dims).toEqual([2, 5]);
  });
});

describe('values to keep', () => {
  it('come back batch by batch', async () => {
    const model = dense();
    const batches = batchesOf([3], [4, 7], [0, 0]);
    const { kept } = await streamMoments(streamGraph(model), [hidden], batches, {
      ...options,
      keep: [{ name: 'g', dtype: 'float32' }],
    });
    expect(kept.map((k) => k.get('g')!.dims)).toEqual([
      [4, 5],
      [7, 5],
    ]);
    const whole = await activations(model, source('g', 5), batches);
    expect([...kept.flatMap((k) => [...(k.get('g')!.data as Float32Array)])]).toEqual([...whole.data]);
  });
});

it('a Gemm between Transposes can be kept: the runtime crashes when it is a graph output itself', async () => {
  const model = buildModel({
    inputs: [{ name: 'x', shape: ['rows', 3] }],
    nodes: [
      node('Transpose', ['x'], ['t']),
      node('Gemm', ['t', 'w'], ['g'], { transA: 1 }),
      node('Transpose', ['g'], ['u']),
      node('Gemm', ['u', 'v'], ['h'], { transA: 1 }),
    ],
    initializers: [weights('w', [3, 5]), weights('v', [5, 5])],
    outputs: [{ name: 'h' }],
  });
  const batches = batchesOf([3], [9], [0]);
  const { kept } = await streamMoments(streamGraph(model), [{ key: 'k', x: source('h', 5) }], batches, {
    ...options,
    keep: [{ name: 'g', dtype: 'float32' }],
  });
  expect(kept[0]!.get('g')!.dims).toEqual([9, 5]);
});

describe('an activation that is not finite', () => {
  // log(x₀): NaN where the first input is negative, −Inf where it is zero.
  const logarithm = (rows: number | string): Model =>
    buildModel({
      inputs: [{ name: 'x', shape: [rows, 3] }],
      nodes: [node('Log', ['x'], ['h']), node('Gemm', ['h', 'w'], ['y'])],
      initializers: [constant('w', [3, 1], [1, 1, 1])],
      outputs: [{ name: 'y' }],
    });
  const request: MomentRequest = { key: 'last', x: source('h', 3) };

  it.each([
    ['NaN', -1, 'rows', 1],
    ['−Inf', 0, 'rows', 1],
    ['NaN in stacked runs', -1, 2, 4],
    ['−Inf in the target alone', 0, 'rows', 1],
  ] as const)('is named with the value, the node and the row: %s', async (name, bad, rows, stack) => {
    // Row 7 of the data, which does not count from 0.
    const batches = batchesOf([3], [2, 2, 2, 2, 2], [0, 0, 0, 0, 0], () => 1).map((b) => ({
      ...b,
      rows: Array.from(b.rows, (r) => r + 100),
    }));
    (batches[3]!.feeds.get('x')!.data as Float32Array)[4] = bad;
    const target = name.includes('target');
    const asked = target ? { key: 'last', x: source('x', 3), z: source('y', 1) } : request;
    const failure = await streamMoments(streamGraph(logarithm(rows)), [asked], batches, { ...options, stack }).catch(
      (e: unknown) => e,
    );
    expect(failure).toBeInstanceOf(CondenseError);
    const { diagnostic } = failure as CondenseError;
    expect(diagnostic).toMatchObject({ code: 'ACTIVATION_NOT_FINITE', where: 'last' });
    expect(diagnostic.message).toContain(`'${target ? 'y' : 'h'}'`);
    expect(diagnostic.message).toContain('row 107');
  });
});
