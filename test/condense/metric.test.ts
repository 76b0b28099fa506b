import { beforeEach, describe, expect, it } from 'vitest';
import { condense, CondenseError, verify, type CondenseOptions, type UserMetric } from '../../src/index.js';
import { outputsOf } from '../dense.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();
const model = smoothNetwork({ hidden: 48 });
const ROWS = 600;
let data: string;

/** The share of rows whose largest output is at the label. */
const accuracy: UserMetric = {
  name: 'top-1',
  score: ({ y }, _feeds, { labels }) => {
    const [rows, classes] = y!.dims as [number, number];
    let right = 0;
    for (let r = 0; r < rows; r++) {
      const values = Array.from(y!.data.slice(r * classes, (r + 1) * classes) as Float32Array);
      if (values.indexOf(Math.max(...values)) === labels!.data[r]) right++;
    }
    return right / rows;
  },
};
/** A smooth one, lower is better: mean squared distance from a target. */
const distance: UserMetric = {
  name: 'distance',
  higherIsBetter: false,
  score: ({ y }, _feeds, { target }) =>
    (y!.data as Float32Array).reduce((sum, v, i) => sum + (v - Number(target!.data[i])) ** 2, 0) / y!.dims[0]!,
};

beforeEach(async () => {
  const x = normalRows(ROWS);
  // The model's own classes with every tenth row wrong, and its own outputs with a shift.
  let outputs = new Float32Array();
  const collect: UserMetric = { score: ({ y }) => (outputs = (y!.data as Float32Array).slice()).length };
  await verify(model, model, { data: [writeNpz(folder(), 'x.npz', { x })], metric: collect });
  const labels = Int32Array.from({ length: ROWS }, (_, r) => {
    const values = [...outputs.subarray(3 * r, 3 * r + 3)];
    return r % 10 === 0 ? 3 : values.indexOf(Math.max(...values));
  });
  data = writeNpz(folder(), 'data.npz', {
    x,
    labels: { dtype: 'int32', dims: [ROWS], data: labels },
    target: { dtype: 'float32', dims: [ROWS, 3], data: outputs.map((v, i) => v + 0.1 * Math.sin(i)) },
  });
});

const reduce = (options: Partial<CondenseOptions>) => condense(model, { data: [data], ...options });
const diagnosticOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'it worked',
    (error: unknown) => (error instanceof CondenseError ? error.diagnostic : error),
  );

describe('a metric', () => {
  it('is reported and recorded, and judges nothing by itself', async () => {
    const { model: reduced, report } = await reduce({ keepParams: 0.2, metric: accuracy });
    const score = report.verification!.score!;
    expect(score).toMatchObject({ name: 'top-1', higherIsBetter: true });
    expect(score.original).toBeGreaterThan(0.8);
    expect(score.original).toBeLessThan(1);
    const check = JSON.parse(reduced.metadata.find((m) => m.key === 'onnx_condense.check')!.value) as unknown;
    expect(check).toMatchObject({ score: { name: 'top-1', original: score.original, reduced: score.reduced } });
    // No path and no function in the record.
    expect(reduced.metadata.find((m) => m.key === 'onnx_condense.options')!.value).toBe('{"keepParams":0.2}');
    expect(report.verification!.verdict.smallestPassing).not.toContain('score');
    expect((await reduce({ keepParams: 0.2 })).report.verification!.score).toBeNull();
  });

  it('may be all that is judged, for better or worse', async () => {
    const tiny = { keepParams: 0.01, metric: distance } as const;
    const failed = (await reduce({ ...tiny, tolerance: 'score=1%' })).report;
    expect(failed.status).toBe('check-failed');
    const { failures, smallestPassing } = failed.verification!.verdict;
    expect(failures.map((f) => f.measure)).toEqual(['score']);
    expect(smallestPassing).toMatch(/^score=\+[\d.]+%$/);
    expect((await reduce({ ...tiny, tolerance: smallestPassing })).report.status).toBe('reduced');
  });
});

describe('a budget of the score', () => {
  const change = (report: Awaited<ReturnType<typeof condense>>['report']): number => {
    const { original, reduced } = report.verification!.score!;
    return (reduced! - original) / original;
  };

  it('gives the smallest model that keeps it: the more may be lost, the smaller', async () => {
    const sizes: number[] = [];
    for (const ratio of [0.001, 0.05, 2]) {
      const { report } = await reduce({ metric: distance, maxError: { score: { ratio } } });
      expect(report.status).toBe('reduced');
      expect(change(report)).toBeLessThanOrEqual(ratio);
      expect(report.verification!.verdict.smallestPassing).toMatch(/^score=/);
      sizes.push(report.output.size.parameters / report.input.size.parameters);
    }
    expect(sizes[0]).toBeLessThan(0.5);
    expect(sizes[1]).toBeLessThan(0.9 * sizes[0]!);
    expect(sizes[2]).toBeLessThan(0.9 * sizes[1]!);
  });

  it('of a score that comes in steps', async () => {
    const { report } = await reduce({ metric: accuracy, maxError: { score: -0.03 } });
    const { original, reduced } = report.verification!.score!;
    expect(reduced).toBeGreaterThanOrEqual(original - 0.03);
    expect(report.output.size.parameters).toBeLessThan(0.2 * report.input.size.parameters);
  });

  it('goes with another budget, and with cosine', async () => {
    const both = (await reduce({ metric: distance, maxError: { score: { ratio: 0.5 } }, keepParams: 0.02 })).report;
    expect(both.output.size.parameters).toBeLessThanOrEqual(0.02 * both.input.size.parameters);
    const merged = (await reduce({ method: 'cosine', metric: distance, maxError: { score: { ratio: 0.5 } } })).report;
    expect(change(merged)).toBeLessThanOrEqual(0.5);
    expect(merged.output.size.parameters).toBeLessThan(merged.input.size.parameters);
  });

  it('that the check rows do not bear out ends with the nearest figures', async () => {
    // Far outside of the sample, where the original hits the target: whatever is changed is for the worse.
    const near = normalRows(200, 9);
    const x = { ...near, data: (near.data as Float32Array).map((v) => 8 * v) };
    const target = (await outputsOf(model, new Map([['x', x]]))).get('y')!;
    const test = writeNpz(folder(), 'far.npz', { x, target });
    expect(
      await diagnosticOf(reduce({ metric: distance, maxError: { score: { ratio: 0.01 } }, test: [test] })),
    ).toMatchObject({
      code: 'SCORE_NOT_REACHED',
      exitCode: 5,
      message: expect.stringMatching(
        /changes distance by no more than \+1%.* has [\d.]+ before, [\d.]+ after .* with \d+ parameters/,
      ) as string,
    });
  });

  it('is refused without a metric, and with --method exact', async () => {
    expect(await diagnosticOf(reduce({ maxError: { score: -0.1 } }))).toMatchObject({ code: 'METRIC_MISSING' });
    expect(await diagnosticOf(reduce({ method: 'exact', metric: accuracy, maxError: { score: -0.1 } }))).toMatchObject({
      code: 'OPTIONS_CONFLICT',
    });
  });
});
