import { beforeAll, describe, expect, it } from 'vitest';
import { loadDataset, type Dataset } from '../../src/calibration/dataset.js';
import type { Model } from '../../src/index.js';
import { compareModels } from '../../src/verify/compare-models.js';
import { OutputSampler } from '../../src/verify/output-sampler.js';
import { sharedFolder } from '../cli/cli.js';
import { buildModel, node } from '../build-model.js';
import { constant, integers } from '../dense.js';
import { writeNpz } from '../networks.js';

const inside = sharedFolder();
const ROWS = 50;
/** Row i is (i, 2 i + 1, 1 − i). */
const X = Float32Array.from({ length: 3 * ROWS }, (_, i) => {
  const row = Math.floor(i / 3);
  return [row, 2 * row + 1, 1 - row][i % 3]!;
});
let file: string;
beforeAll(() => {
  file = writeNpz(inside(), 'data.npz', { x: { dtype: 'float32', dims: [ROWS, 3], data: X } });
});

/** y = x + what is added where x₀ > 40: rows 41 … 49, to the column that is largest there or to another. */
function shifted(by: readonly number[], dims: readonly (number | string)[] = ['rows', 3]): Model {
  return buildModel({
    inputs: [{ name: 'x', shape: [...dims] }],
    nodes: [
      node('Gather', ['x', 'zero'], ['first'], { axis: 1 }),
      node('Greater', ['first', 'limit'], ['far']),
      node('Where', ['far', 'by', 'nothing'], ['more']),
      node('Add', ['x', 'more'], ['y']),
    ],
    initializers: [
      integers('zero', [0]),
      constant('limit', [1], [40]),
      constant('by', [3], [...by]),
      constant('nothing', [3], [0, 0, 0]),
    ],
    outputs: [{ name: 'y', shape: [...dims] }],
  });
}

async function sampled(a: Model, b: Model, options: { maxRows?: number; batch?: number; classes?: string[] } = {}) {
  const shape = a.graph.inputs[0]!.shape;
  const dataset: Dataset = await loadDataset([file], [{ name: 'x', dtype: 'float32', shape }], options);
  const sampler = new OutputSampler();
  const report = await compareModels(
    a,
    b,
    dataset,
    Int32Array.from({ length: dataset.rows }, (_, i) => i),
    {
      session: { provider: 'cpu' },
      batch: dataset.fixedBatch ?? options.batch ?? 16,
      tolerance: undefined,
      exact: false,
      rowTolerance: undefined,
      classes: options.classes ?? [],
      farthest: undefined,
      sampler,
    },
  );
  return { report, detail: sampler.outputs[0]!, checks: sampler.checks };
}

describe('what is sampled', () => {
  it('standardised points on the diagonal where nothing changed, and no worst rows', async () => {
    const { detail } = await sampled(shifted([0, 0, 0]), shifted([0, 0, 0]));
    expect(detail).toMatchObject({ output: 'y', standardised: true, exactRows: ROWS, worst: [], decisions: null });
    expect(detail.rowErrors.bins).toEqual([]);
    expect(detail.points.length).toBeGreaterThan(100);
    for (const [a, b] of detail.points) expect(a).toBe(b);
  });

  it('the worst rows with their numbers, elements and values, at any size of runs and where a batch is fixed', async () => {
    for (const [dims, batch] of [
      [['rows', 3], 7],
      [['rows', 3], 64],
      [[4, 3], undefined],
    ] as const) {
      const { detail } = await sampled(shifted([0, 0, 0], dims), shifted([0, 5, 0], dims), batch ? { batch } : {});
      expect(detail.worst.map((w) => w.row)).toEqual([41, 42, 43, 44, 45, 46, 47, 48, 49]);
      expect(detail.worst[0]).toMatchObject({ element: 1, original: 83, reduced: 88 });
      expect(detail.exactRows).toBe(41);
      expect(detail.rowErrors.bins.reduce((sum, b) => sum + b.count, 0)).toBe(9);
    }
  });

  it('rows keep the numbers that they have in the data where a sample of it is used', async () => {
    const { detail } = await sampled(shifted([0, 0, 0]), shifted([0, 5, 0]), { maxRows: 30 });
    expect(detail.worst.length).toBeGreaterThan(0);
    for (const { row, original } of detail.worst) expect(original).toBe(2 * row + 1);
  });

  it('decisions that changed, by class', async () => {
    const { detail, report } = await sampled(shifted([0, 0, 0]), shifted([500, 0, 0]), { classes: ['y'] });
    expect(detail.decisions).toEqual({
      classes: 3,
      decisions: ROWS,
      changed: 9,
      pairs: [{ from: 1, to: 0, count: 9 }],
    });
    expect(report.outputs[0]!.agreement).toBeCloseTo(41 / ROWS);
  });

  it('every limit beside its figure', async () => {
    const { checks, report } = await sampled(shifted([0, 0, 0]), shifted([0, 500, 0]));
    expect(checks).toEqual([
      { output: 'y', measure: 'nrmse', value: report.outputs[0]!.nrmse, limit: 0.05, kind: 'at-most', passed: false },
    ]);
    expect(report.verdict.failures[0]).toMatchObject({ measure: 'nrmse', limit: 0.05 });
  });
});
