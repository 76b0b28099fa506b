import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/calibration/dataset.js';
import type { Model } from '../../src/graph/ir.js';
import { floatTensor } from '../../src/graph/tensor-data.js';
import { compareModels, type ComparisonOptions } from '../../src/verify/compare-models.js';
import { exceedanceBound } from '../../src/verify/bounds.js';
import { buildModel, node } from '../build-model.js';
import { randomMatrix } from '../matrices.js';

const W = randomMatrix(3, 2, 1).data;

/** y = x W + bias, for any batch or a fixed one. */
function model(bias: readonly number[], batch: number | string = 'N'): Model {
  return buildModel({
    inputs: [{ name: 'x', shape: [batch, 3] }],
    outputs: [{ name: 'y', shape: [batch, 2] }],
    nodes: [node('Gemm', ['x', 'w', 'b'], ['y'])],
    initializers: [floatTensor('w', [3, 2], 'float32', W), floatTensor('b', [2], 'float32', Float64Array.from(bias))],
  });
}

function rows(n: number, fixedBatch?: number): Dataset {
  const array = { dtype: 'float32' as const, dims: [n, 3], data: Float32Array.from(randomMatrix(n, 3, 2).data) };
  return {
    rows: n,
    inputs: [{ name: 'x', array, rowAxis: 0, unbatched: false }],
    extras: new Map(),
    fixedBatch,
    notes: [],
  };
}

const all = (n: number): Int32Array => Int32Array.from({ length: n }, (_, i) => i);
const options: ComparisonOptions = {
  session: { provider: 'cpu' },
  batch: 16,
  tolerance: undefined,
  exact: false,
  rowTolerance: undefined,
  classes: [],
  farthest: undefined,
};

describe('comparison of two models', () => {
  it('a model equals itself', async () => {
    const report = await compareModels(model([1, 2]), model([1, 2]), rows(50), all(50), options);
    expect(report.verdict).toMatchObject({ passed: true, failures: [] });
    expect(report.outputs[0]).toMatchObject({ output: 'y', rows: 50, nrmse: 0, maxAbs: 0, equal: 1 });
    expect(report.sample).toMatchObject({ exceeded: 0, rows: 50, bound: exceedanceBound(0, 50) });
    expect(report.batchOne).toMatchObject({ rows: 3, consistent: true });
    expect(report.farthest).toBeNull();
  });

  it('a constant error: every row exceeds, and the gate fails', async () => {
    const seen: [number, number][] = [];
    const report = await compareModels(model([0, 0]), model([5, 5]), rows(50), all(50), {
      ...options,
      farthest: Int32Array.of(3, 49),
      onRows: (done, total) => seen.push([done, total]),
    });
    expect(report.verdict.passed).toBe(false);
    expect(report.outputs[0]!.maxAbs).toBeCloseTo(5, 5);
    expect(report.sample).toMatchObject({ exceeded: 50, bound: 1 });
    // The same error in every row.
    expect(report.farthest!.rows).toBe(2);
    expect(report.farthest!.rms).toBeCloseTo(report.farthest!.rmsOfAll, 5);
    expect(seen).toEqual([
      [16, 50],
      [32, 50],
      [48, 50],
      [50, 50],
    ]);
  });

  it('the row tolerance decides what exceeds; candidates share the chance of being wrong', async () => {
    const compare = (extra: Partial<ComparisonOptions>) =>
      compareModels(model([0, 0]), model([0.01, 0]), rows(50), all(50), { ...options, ...extra });
    expect((await compare({ rowTolerance: 1 })).sample!.exceeded).toBe(0);
    expect((await compare({ rowTolerance: 1e-5 })).sample!.exceeded).toBe(50);
    expect((await compare({ candidates: 4 })).sample!.bound).toBe(exceedanceBound(0, 50, 0.01 / 4));
  });

  it('only the rows asked for count', async () => {
    const report = await compareModels(model([0, 0]), model([0, 0]), rows(50), Int32Array.of(4, 9, 30), options);
    expect(report.rows).toBe(3);
    expect(report.sample!.rows).toBe(3);
  });

  it.each([
    [8, 20],
    [8, 5],
    [4, 8],
    [1, 3],
  ])('a graph fixed to batches of %i, over %i rows', async (batch, n) => {
    const report = await compareModels(model([0, 0], batch), model([0, 3], batch), rows(n, batch), all(n), {
      ...options,
      batch,
    });
    const free = await compareModels(model([0, 0]), model([0, 3]), rows(n), all(n), options);
    expect(report.outputs[0]!.rows).toBe(n);
    expect(report.outputs[0]!.nrmse).toBeCloseTo(free.outputs[0]!.nrmse!, 5);
    expect(report.sample).toEqual(free.sample);
    expect(report.batchOne).toBeNull();
  });

  it('a model that only works at the batch it was tried with is caught', async () => {
    // The mean over the batch in place of a constant.
    const leaky = buildModel({
      inputs: [{ name: 'x', shape: ['N', 3] }],
      outputs: [{ name: 'y', shape: ['N', 2] }],
      nodes: [
        node('Gemm', ['x', 'w'], ['h']),
        node('ReduceMean', ['h'], ['m'], { axes: [0], keepdims: 1 }),
        node('Add', ['h', 'm'], ['y']),
      ],
      initializers: [floatTensor('w', [3, 2], 'float32', W)],
    });
    const tolerant = { ...options, tolerance: new Map([['nrmse', 100] as const]) };
    const report = await compareModels(model([0, 0]), leaky, rows(50), all(50), tolerant);
    expect(report.batchOne!.consistent).toBe(false);
    expect(report.verdict.failures.map((f) => f.measure)).toEqual(['batch of one']);
    // A graph that does so by itself may go on doing so.
    expect((await compareModels(leaky, leaky, rows(50), all(50), options)).verdict.passed).toBe(true);
  });

  it('a model that rounds by the range of its batch has to be as near to the original alone as it is in a batch', async () => {
    const quantised = (leak: boolean): Model =>
      buildModel({
        inputs: [{ name: 'x', shape: ['N', 3] }],
        outputs: [{ name: 'y', shape: ['N', 2] }],
        nodes: [
          node('DynamicQuantizeLinear', ['x'], ['q', 's', 'z']),
          node('DequantizeLinear', ['q', 's', 'z'], ['r']),
          node('Gemm', ['r', 'w'], [leak ? 'h' : 'y']),
          ...(leak
            ? [node('ReduceMean', ['h'], ['m'], { axes: [0], keepdims: 1 }), node('Sub', ['h', 'm'], ['y'])]
            : []),
        ],
        initializers: [floatTensor('w', [3, 2], 'float32', W)],
      });
    const tolerant = { ...options, tolerance: new Map([['nrmse', 0.05] as const]) };
    const report = await compareModels(model([0, 0]), quantised(false), rows(50), all(50), tolerant);
    expect(report.batchOne!.largestDifference).toBeGreaterThan(1e-3);
    expect(report.verdict).toMatchObject({ passed: true, failures: [] });
    // Less the mean over the batch, which is the row itself when it is alone: rounding does not excuse that.
    const wrong = await compareModels(model([0, 0]), quantised(true), rows(50), all(50), {
      ...tolerant,
      tolerance: new Map([['nrmse', 100] as const]),
    });
    expect(wrong.verdict.failures.map((f) => f.measure)).toEqual(['batch of one']);
  });
});
