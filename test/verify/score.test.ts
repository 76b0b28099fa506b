import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../src/calibration/dataset.js';
import { dataInputs } from '../../src/condense/prepare.js';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import type { NumericArray } from '../../src/graph/feeds.js';
import type { Model } from '../../src/graph/ir.js';
import { floatTensor } from '../../src/graph/tensor-data.js';
import { compareModels } from '../../src/verify/compare-models.js';
import { loadMetric } from '../../src/verify/metric-module.js';
import type { MetricArrays, UserMetric } from '../../src/verify/user-metric.js';
import { buildModel, node } from '../build-model.js';
import { counting } from '../calibration/arrays.js';
import { writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();

/** y = factor · x, of the shape of the input. */
function scaled(shape: readonly (number | string)[], factor: number): Model {
  return buildModel({
    inputs: [{ name: 'x', shape: [...shape] }],
    outputs: [{ name: 'y', shape: [...shape] }],
    nodes: [node('Mul', ['x', 'f'], ['y'])],
    initializers: [floatTensor('f', [1], 'float32', [factor])],
  });
}

interface Seen {
  readonly outputs: MetricArrays;
  readonly feeds: MetricArrays;
  readonly labels: MetricArrays;
}

/** What a metric is given for both models: the second doubles. The metric is the sum of the outputs unless told otherwise. */
async function compare(
  shape: readonly (number | string)[],
  arrays: Readonly<Record<string, NumericArray>>,
  {
    rows,
    batch = 4,
    score,
    factor = 2,
  }: { rows: number[]; batch?: number; score?: UserMetric['score']; factor?: number },
) {
  const seen: Seen[] = [];
  const metric = await loadMetric({
    score: (outputs, feeds, labels) => {
      seen.push({ outputs, feeds, labels });
      return score?.(outputs, feeds, labels) ?? (outputs['y']!.data as Float32Array).reduce((a, b) => a + b, 0);
    },
  });
  const model = scaled(shape, 1);
  const dataset = await loadDataset([writeNpz(folder(), 'data.npz', arrays)], dataInputs(model));
  const report = await compareModels(model, scaled(shape, factor), dataset, Int32Array.from(rows), {
    session: { provider: 'cpu' },
    batch: dataset.fixedBatch ?? batch,
    tolerance: undefined,
    exact: false,
    metric,
    rowTolerance: undefined,
    classes: [],
    farthest: undefined,
  });
  return { report, seen };
}

const list = (array: MetricArrays[string] | undefined): unknown => [
  array!.dims,
  Array.from(array!.data as Float32Array),
];
const diagnosticOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'it worked',
    (error: unknown) => (error instanceof CondenseError ? error.diagnostic : error),
  );

describe('what a metric is given', () => {
  const labels: NumericArray = { dtype: 'int64', dims: [7], data: BigInt64Array.from([0n, 1n, 2n, 3n, 4n, 5n, 6n]) };

  it.each(['N', 3, 1])('all rows in their order, from runs of a batch of %s', async (n) => {
    const { report, seen } = await compare([n, 2], { x: counting([7, 2]), labels }, { rows: [0, 2, 3, 5, 6] });
    const x = [0, 1, 4, 5, 6, 7, 10, 11, 12, 13];
    expect(seen).toHaveLength(2);
    for (const [i, { outputs, feeds, labels: extra }] of seen.entries()) {
      expect(list(feeds['x'])).toEqual([[5, 2], x]);
      expect(list(outputs['y'])).toEqual([[5, 2], x.map((v) => v * (i + 1))]);
      expect(list(extra['labels'])).toEqual([[5], [0n, 2n, 3n, 5n, 6n]]);
      expect(Object.keys(extra)).toEqual(['labels']);
    }
    expect(report.score).toEqual({ name: 'score', higherIsBetter: true, original: 69, reduced: 138 });
    // Only reported: the default limit on NRMSE is what fails.
    expect(report.verdict.failures.map((f) => f.measure)).toEqual(['nrmse']);
  });

  it('rows along the axis that they have in the model', async () => {
    const { seen } = await compare([2, 'N'], { x: counting([2, 5]) }, { rows: [1, 2, 4], batch: 2 });
    expect(list(seen[0]!.feeds['x'])).toEqual([
      [2, 3],
      [1, 2, 4, 6, 7, 9],
    ]);
    expect(list(seen[0]!.outputs['y'])).toEqual([
      [2, 3],
      [1, 2, 4, 6, 7, 9],
    ]);
    expect(seen[0]!.labels).toEqual({});
  });

  it('rows along a new axis where the model has none', async () => {
    const { seen } = await compare([2], { x: counting([4, 2]) }, { rows: [0, 1, 3] });
    expect(list(seen[0]!.feeds['x'])).toEqual([
      [3, 2],
      [0, 1, 2, 3, 6, 7],
    ]);
    expect(list(seen[0]!.outputs['y'])).toEqual([
      [3, 2],
      [0, 1, 2, 3, 6, 7],
    ]);
  });
});

describe('what a metric may do wrong', () => {
  const rows = { rows: [0, 1, 2] };
  const data = { x: counting([3, 2]) };
  const failing = (score: () => unknown) =>
    diagnosticOf(compare(['N', 2], data, { ...rows, score: score as UserMetric['score'] }));

  it.each<[string, () => unknown, RegExp]>([
    [
      'throws',
      () => {
        throw new TypeError('labels are missing');
      },
      /score\(\) threw: labels are missing; the rows come without labels/,
    ],
    ['rejects', () => Promise.reject(new Error('later')), /score\(\) threw: later/],
    ['returns NaN', () => NaN, /score\(\) returned NaN/],
    ['returns a string', () => '0.9', /score\(\) returned a string/],
    ['returns a boolean', () => true, /score\(\) returned a boolean/],
    ['returns infinity', () => Promise.resolve(Infinity), /score\(\) returned Infinity/],
  ])('one that %s', async (_, score, message) => {
    expect(await failing(score)).toMatchObject({
      code: 'METRIC_FAILED',
      where: 'metric',
      exitCode: 2,
      message: expect.stringMatching(message) as string,
    });
  });

  it('a score that is NaN because the second model is, is a failed check and no mistake of the metric', async () => {
    const { report } = await compare(['N', 2], data, { ...rows, factor: Infinity });
    expect(report.score).toMatchObject({ original: 15, reduced: null });
    expect(report.verdict.passed).toBe(false);
  });
});
