/** Every option of `condense` has a test that shows its effect. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { condense, encodeModel, type CondenseOptions, type CondenseReport, type Model } from '../../src/index.js';
import type { NumericArray } from '../../src/graph/feeds.js';
import { buildModel, node } from '../build-model.js';
import { encodeNpy } from '../calibration/arrays.js';
import { constant, randomFeeds, relativeDifference, weights } from '../dense.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();
let here: string;
let data: string;
beforeEach(() => {
  here = folder();
  data = writeNpz(here, 'data.npz', { x: normalRows(400) });
});

/** Condenses the smooth network on 400 rows. */
const reduce = (options: Partial<CondenseOptions>, model: Model = smoothNetwork()) =>
  condense(model, { data: [data], ...options });
/** Width of each node afterwards. */
const widths = ({ nodes }: CondenseReport): Record<string, number | undefined> =>
  Object.fromEntries(nodes.map((n) => [n.node, n.after]));
const nrmse = ({ verification }: CondenseReport): number => verification!.outputs[0]!.nrmse!;
const bytes = ({ model }: { model: Model }): Buffer => Buffer.concat(encodeModel(model));
/** The diagnostic that it is refused with. */
const refusal = (options: Partial<CondenseOptions>, model?: Model): Promise<unknown> =>
  reduce(options, model).then(
    () => 'nothing was refused',
    (error: unknown) => (error as { diagnostic?: unknown }).diagnostic ?? error,
  );
const numbered = (rows: number, value: (row: number) => number): NumericArray => ({
  dtype: 'int32',
  dims: [rows],
  data: Int32Array.from({ length: rows }, (_, i) => value(i)),
});

describe('rows', () => {
  it('holdout sets rows aside, test does without', async () => {
    const keep = new Map([['fc1', 20]]);
    expect((await reduce({ keep })).report.rows).toEqual({ fit: 320, validation: 80, check: 80 });
    expect((await reduce({ keep, holdout: 0.5 })).report.rows).toEqual({ fit: 200, validation: 50, check: 200 });
    const other = writeNpz(here, 'other.npz', { x: normalRows(30, 9) });
    const tested = (await reduce({ keep, test: [other] })).report;
    expect(tested.rows).toEqual({ fit: 400, validation: 100, check: 30 });
    expect(tested.verification!.rows).toBe(30);
  });

  it('data that is given twice is appended', async () => {
    const { report } = await reduce({ data: [data, writeNpz(here, 'more.npz', { x: normalRows(100, 4) })] });
    expect(report.rows).toMatchObject({ fit: 400, check: 100 });
  });

  it('group: rows of one trial, or of one block, stay together', async () => {
    // 30 trials of 7 rows: a quarter are 7.5 trials, or 52.5 rows.
    const trials = writeNpz(here, 't.npz', { x: normalRows(210), trial: numbered(210, (i) => i % 30) });
    const options = { data: [trials], holdout: 0.25, keep: new Map([['fc1', 20]]) };
    expect((await reduce(options)).report.rows.check).toBe(53);
    const { rows } = (await reduce({ ...options, group: { key: 'trial' } })).report;
    expect(rows).toEqual({ fit: 22 * 7, validation: 5 * 7, check: 8 * 7 });
    // 40 blocks of 10 rows: 21 % are 8 blocks, or 84 rows.
    const blocks = (await reduce({ group: 'blocks', holdout: 0.21 })).report.rows;
    expect(blocks).toEqual({ fit: 320, validation: 80, check: 80 });
    expect(await refusal({ group: { key: 'day' } })).toMatchObject({ code: 'DATA_KEY_MISSING', exitCode: 2 });
  });

  it('maxRows takes the same sample every time, from all over the data', async () => {
    const options = { maxRows: 100, keep: new Map([['fc1', 12]]) };
    const [first, second] = [await reduce(options), await reduce(options)];
    expect(first.report.rows).toMatchObject({ fit: 80, check: 20 });
    expect(bytes(first).equals(bytes(second))).toBe(true);
    const whole = normalRows(400);
    const front = { ...whole, dims: [100, 2], data: (whole.data as Float32Array).slice(0, 200) };
    const others = await reduce({ ...options, data: [writeNpz(here, 'front.npz', { x: front })] });
    expect(nrmse(others.report)).not.toBe(nrmse(first.report));
  });

  it('random: comes with a warning', async () => {
    const { report } = await reduce({ data: ['random:200'], keepParams: 0.8 });
    expect(report.rows).toMatchObject({ fit: 160, check: 40 });
    expect(report.warnings).toContainEqual(expect.objectContaining({ code: 'DATA_IS_RANDOM' }));
  });

  it('few rows come with a warning', async () => {
    const codes = (r: CondenseReport): string[] => r.warnings.map((w) => w.code);
    expect(codes((await reduce({ maxRows: 149 })).report)).toContain('ROWS_ARE_FEW');
    expect(codes((await reduce({ maxRows: 151 })).report)).not.toContain('ROWS_ARE_FEW');
  });
});

describe('budgets', () => {
  it.each([0.7, 0.5, 0.2, 500, 300.5, 90])('keepParams %s is spent and never exceeded', async (keepParams) => {
    const { report } = await reduce({ keepParams, tolerance: '10' });
    const budget = Math.floor(keepParams <= 1 ? keepParams * 747 : keepParams);
    expect(report.status).toBe('reduced');
    expect(report.output.size.parameters).toBeLessThanOrEqual(budget);
    // One more neuron of either layer costs at most 2 + 1 + 24 or 24 + 1 + 3.
    expect(report.output.size.parameters).toBeGreaterThan(budget - 28);
  });

  it('keepParams that the model meets already changes nothing', async () => {
    const model = smoothNetwork();
    const { model: same, report } = await reduce({ keepParams: 747 }, model);
    expect(report).toMatchObject({ status: 'unchanged', verification: null });
    expect(same).toBe(model);
  });

  it('keepParams below the smallest model is refused', async () => {
    // One neuron in each layer: 2 + 0 + 3 + 3, since a tensor of one element is no parameter.
    expect((await reduce({ keepParams: 8, tolerance: '10' })).report.output.size.parameters).toBe(8);
    expect(await refusal({ keepParams: 7 })).toMatchObject({ code: 'BUDGET_TOO_SMALL', exitCode: 5 });
  });

  it.each([3e-2, 3e-3])('maxError %s holds on the check rows', async (maxError) => {
    const { report } = await reduce({ maxError });
    expect(report.status).toBe('reduced');
    expect(nrmse(report)).toBeLessThanOrEqual(maxError);
    expect(report.plan!.validationNrmse).toBeLessThanOrEqual(maxError);
  });

  it('a larger maxError makes a smaller model', async () => {
    const size = async (maxError: number): Promise<number> =>
      (await reduce({ maxError })).report.output.size.parameters;
    expect(await size(3e-2)).toBeLessThan(await size(3e-3));
  });

  it('maxError that the check rows do not bear out is refused with the nearest figures', async () => {
    const { data: values, ...far } = normalRows(100, 7);
    const test = writeNpz(here, 'far.npz', { x: { ...far, data: (values as Float32Array).map((v) => 4 * v) } });
    expect(await refusal({ maxError: 1e-2, test: [test] })).toMatchObject({ code: 'ERROR_NOT_REACHED', exitCode: 5 });
  });

  it('keep sets widths, by the name of a node or of its output', async () => {
    const one = (await reduce({ keep: new Map([['fc1', 10]]) })).report;
    expect(widths(one)).toEqual({ fc1: 10, fc2: 24, fc3: 3 });
    const keep = new Map<string, number | { ratio: number }>([
      ['h1', { ratio: 0.5 }],
      ['fc2', 14],
    ]);
    expect(widths((await reduce({ keep, tolerance: '1' })).report)).toEqual({ fc1: 12, fc2: 14, fc3: 3 });
  });

  it('keep within a budget: the others make up for it', async () => {
    const { report } = await reduce({ keep: new Map([['fc1', 20]]), keepParams: 0.5, tolerance: '1' });
    expect(widths(report)['fc1']).toBe(20);
    expect(report.output.size.parameters).toBeLessThanOrEqual(373);
  });

  it('keep that cannot be is refused', async () => {
    const keep = (...entries: [string, number][]) => ({ keep: new Map(entries) });
    expect(await refusal(keep(['fc9', 4]))).toMatchObject({ code: 'NODE_UNKNOWN', exitCode: 2 });
    expect(await refusal(keep(['fc1', 25]))).toMatchObject({ code: 'WIDTH_IMPOSSIBLE', exitCode: 2 });
    expect(await refusal(keep(['fc3', 2]))).toMatchObject({ code: 'WIDTH_IMPOSSIBLE', exitCode: 2 });
  });

  it('keep: nodes that share their channels have one width', async () => {
    // h1 and h2 are added: their neurons leave together.
    const residual = buildModel({
      inputs: [{ name: 'x', shape: ['batch', 2] }],
      nodes: [
        node('Gemm', ['x', 'w1'], ['h1'], {}, { name: 'fc1' }),
        node('Gemm', ['x', 'w2'], ['h2'], {}, { name: 'fc2' }),
        node('Add', ['h1', 'h2'], ['s']),
        node('Tanh', ['s'], ['a']),
        node('Gemm', ['a', 'w3', 'b3'], ['y'], {}, { name: 'fc3' }),
      ],
      initializers: [weights('w1', [2, 16]), weights('w2', [2, 16]), weights('w3', [16, 3]), weights('b3', [3])],
      outputs: [{ name: 'y', shape: ['batch', 3] }],
    });
    const keep = (a: number, b: number) => ({
      keep: new Map([
        ['fc1', a],
        ['fc2', b],
      ]),
    });
    expect(widths((await reduce(keep(12, 12), residual)).report)).toEqual({ fc1: 12, fc2: 12, fc3: 3 });
    expect(await refusal(keep(12, 11), residual)).toMatchObject({ code: 'WIDTH_CONFLICT', exitCode: 2 });
  });
});

describe('methods', () => {
  it('evidence: exact by the data removes what only the sample shows', async () => {
    const model = smoothNetwork();
    // On these rows, neurons 0 and 1 of fc1 are saturated: constant, but not for every input.
    const bias = [40, -40, ...Array.from({ length: 22 }, (_, i) => Math.sin(i))];
    model.graph.initializers.set('b1', constant('b1', [24], bias));
    expect((await reduce({ method: 'exact' }, model)).report.status).toBe('unchanged');
    const { report } = await reduce({ method: 'exact', evidence: 'data' }, model);
    expect(widths(report)).toMatchObject({ fc1: 22, fc2: 24 });
    expect(report.verification!.outputs[0]!.relative).toBeLessThan(1e-5);
  });

  it('threshold: for all nodes, or by node', async () => {
    const cosine = { method: 'cosine', tolerance: '10' } as const;
    const all = widths((await reduce({ ...cosine, threshold: 0.95 })).report);
    expect(all['fc1']).toBeLessThan(24);
    expect(all['fc2']).toBeLessThan(24);
    const by = async (entries: [string, number][]) =>
      widths((await reduce({ ...cosine, threshold: new Map(entries) })).report);
    expect(await by([['fc1', 0.95]])).toMatchObject({ fc1: all['fc1'], fc2: 24 });
    expect(await by([['h2', 0.95]])).toMatchObject({ fc1: 24, fc2: all['fc2'] });
    const both: [string, number][] = [
      ['*', 0.95],
      ['fc2', 1],
    ];
    expect(await by(both)).toMatchObject({ fc1: all['fc1'], fc2: 24 });
    expect(await refusal({ method: 'cosine', threshold: new Map([['fc9', 0.9]]) })).toMatchObject({
      code: 'NODE_UNKNOWN',
    });
  });

  it('cosine finds the threshold for a budget or an error', async () => {
    const budget = (await reduce({ method: 'cosine', keepParams: 0.5, tolerance: '10' })).report;
    expect(budget.output.size.parameters).toBeLessThanOrEqual(373);
    expect(budget.output.size.parameters).toBeGreaterThan(300);
    expect(budget.passes.at(-1)).toMatchObject({ name: 'cosine-thresholds', changed: true });
    const error = (await reduce({ method: 'cosine', maxError: 0.2, tolerance: '1' })).report;
    expect(nrmse(error)).toBeLessThanOrEqual(0.2);
    expect(error.output.size.parameters).toBeLessThan(747);
    expect(await refusal({ method: 'cosine', keepParams: 7 })).toMatchObject({ code: 'BUDGET_TOO_SMALL' });
  });

  it('select: both ways keep the budget, with other neurons', async () => {
    const keep = new Map([['fc1', 10]]);
    const [eliminate, cholesky] = [
      await reduce({ keep, select: 'eliminate' }),
      await reduce({ keep, select: 'cholesky' }),
    ];
    expect(nrmse((await reduce({ keep })).report)).toBe(nrmse(eliminate.report));
    for (const { report } of [eliminate, cholesky]) {
      expect(widths(report)).toMatchObject({ fc1: 10 });
      expect(nrmse(report)).toBeLessThan(0.02);
    }
    expect(nrmse(cholesky.report)).not.toBe(nrmse(eliminate.report));
  });

  it('include and exclude choose nodes by name or pattern; exclusion wins', async () => {
    const only = async (options: Partial<CondenseOptions>) => {
      const { nodes } = (await reduce({ keepParams: 0.8, tolerance: '1', ...options })).report;
      return nodes.filter((n) => n.refusal?.code === 'EXCLUDED').map((n) => [n.node, n.after]);
    };
    expect(await only({ include: ['fc1'] })).toContainEqual(['fc2', 24]);
    expect(await only({ include: ['fc1'] })).not.toContainEqual(['fc1', 24]);
    expect(await only({ exclude: ['*2'] })).toEqual([['fc2', 24]]);
    expect(await only({ exclude: ['fc?'], include: ['fc1', 'fc2'], keepParams: 1 })).toEqual([
      ['fc1', 24],
      ['fc2', 24],
    ]);
    expect(await refusal({ include: ['fc'] })).toMatchObject({ code: 'NODE_UNKNOWN', where: '--include' });
    expect(await refusal({ exclude: ['fc9'] })).toMatchObject({ code: 'NODE_UNKNOWN', where: '--exclude' });
  });
});

describe('the check', () => {
  it('tolerance replaces the default', async () => {
    const [half, tenth] = [{ keepParams: 0.5 }, { keepParams: 0.1 }];
    expect((await reduce(half)).report.status).toBe('reduced');
    const strict = (await reduce({ ...half, tolerance: 'max-abs=1e-6' })).report;
    expect(strict.status).toBe('check-failed');
    expect(strict.verification!.verdict).toMatchObject({
      failures: [{ output: 'y', measure: 'max-abs', limit: 1e-6 }],
      smallestPassing: expect.stringMatching(/^max-abs=/) as string,
    });
    expect((await reduce(tenth)).report.status).toBe('check-failed');
    expect((await reduce({ ...tenth, tolerance: 'cosine=0.5' })).report.status).toBe('reduced');
    expect(await refusal({ tolerance: 'best' })).toMatchObject({ code: 'TOLERANCE_INVALID', exitCode: 2 });
  });

  it('classes: an output is judged by top-1 agreement', async () => {
    const { verification } = (await reduce({ keepParams: 0.3, classes: ['y'] })).report;
    expect(verification!.outputs[0]).toMatchObject({ classScores: true });
    expect(verification!.verdict.smallestPassing).toMatch(/^agreement=/);
    expect(await refusal({ classes: ['scores'] })).toMatchObject({ code: 'OUTPUT_UNKNOWN', exitCode: 2 });
  });

  it('rowTolerance decides which rows count as exceeded', async () => {
    const exceeded = async (rowTolerance?: number) =>
      (await reduce({ keepParams: 0.5, ...(rowTolerance === undefined ? {} : { rowTolerance }) })).report.verification!
        .sample;
    expect(await exceeded()).toMatchObject({ rowTolerance: 0.1, exceeded: 0 });
    expect(await exceeded(1e-9)).toMatchObject({ rowTolerance: 1e-9, exceeded: 80, bound: 1 });
  });
});

describe('how it is computed', () => {
  it('batch and memory change the rows per run and not the result', async () => {
    const largestRun = async (options: Partial<CondenseOptions>) => {
      const runs: number[] = [];
      const { model } = await reduce({
        keep: new Map([['fc1', 12]]),
        ...options,
        onProgress: ({ stage, done }) => stage === 'verify' && runs.push(done!),
      });
      return { model, rows: runs[0]! };
    };
    const usual = await largestRun({});
    // Every check row fits into one run.
    expect(usual.rows).toBe(80);
    for (const [options, rows] of [
      [{ batch: 7 }, 7],
      [{ memory: 1 }, 1],
    ] as const) {
      const other = await largestRun(options);
      expect(other.rows).toBe(rows);
      expect(await relativeDifference(usual.model, other.model, randomFeeds(usual.model, 50))).toBeLessThan(1e-3);
    }
  });

  it('provider: named in the report, refused where the platform has none', async () => {
    expect((await reduce({ keepParams: 0.8, provider: 'cpu' })).report.provider).toBe('cpu');
    const elsewhere = process.platform === 'win32' ? 'coreml' : 'dml';
    expect(await refusal({ provider: elsewhere })).toMatchObject({ code: 'PROVIDER_MISSING', exitCode: 2 });
  });

  it('onProgress hears of every stage', async () => {
    const stages = new Set<string>();
    await reduce({ keepParams: 0.5, onProgress: ({ stage }) => stages.add(stage) });
    expect([...stages]).toEqual(['calibrate', 'select', 'plan', 'refit', 'verify']);
  });

  it('data in every other form gives the same model as .npz', async () => {
    const npy = path.join(here, 'x.npy');
    writeFileSync(npy, encodeNpy(normalRows(400)));
    const module = path.join(here, 'rows.mjs');
    const values = [...(normalRows(400).data as Float32Array)];
    writeFileSync(
      module,
      `export const loadData = () => [{ x: { dims: [400, 2], data: Float32Array.from(${JSON.stringify(values)}) } }];`,
    );
    const expected = bytes(await reduce({ keepParams: 0.8 }));
    for (const spec of [npy, `x=${npy}`, module])
      expect(bytes(await reduce({ keepParams: 0.8, data: [spec] })).equals(expected)).toBe(true);
  });
});
