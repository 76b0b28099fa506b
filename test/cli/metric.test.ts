import { existsSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { readModel, verify, writeModel, type UserMetric } from '../../src/index.js';
import type { CondenseReport } from '../../src/report/report.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { runHere, sharedFolder } from './cli.js';

const inside = sharedFolder();
let data: string[];
let calls = 0;

/** 1 for the outputs that the data holds as targets, the less the farther away. */
const NEARNESS = `export const name = 'nearness';
export function score({ y }, feeds, { target }) {
  return 1 / (1 + y.data.reduce((sum, v, i) => sum + (v - target.data[i]) ** 2, 0) / y.dims[0]);
}`;

beforeAll(async () => {
  const model = smoothNetwork();
  await writeModel(model, inside('net.onnx'));
  const x = normalRows(400);
  let target = new Float32Array();
  const score: UserMetric['score'] = ({ y }) => (target = (y!.data as Float32Array).slice()).length;
  await verify(model, model, { data: [writeNpz(inside(), 'x.npz', { x })], metric: { score } });
  data = ['--data', writeNpz(inside(), 'data.npz', { x, target: { dtype: 'float32', dims: [400, 3], data: target } })];
  writeFileSync(inside('nearness.mjs'), NEARNESS);
  writeFileSync(inside('lower.mjs'), 'export const score = () => 1, higherIsBetter = false;');
  writeFileSync(inside('throws.mjs'), 'export function score() { throw new Error("the labels are in another file"); }');
});

/** Reduces to a file of its own. */
async function reduce(...options: string[]) {
  const output = inside(`small-${calls++}.onnx`);
  const result = await runHere([inside('net.onnx'), output, ...data, ...options]);
  return { ...result, output, written: existsSync(output) };
}

describe('reduce --metric', () => {
  it('prints the score of both models, in the report too, and in the record of the file', async () => {
    const { code, stdout, stderr, output } = await reduce(
      '--keep-params',
      '0.5',
      '--metric',
      inside('nearness.mjs'),
      '--json',
    );
    expect(code).toBe(0);
    const { verification } = JSON.parse(stdout) as CondenseReport;
    const { original, reduced } = verification!.score!;
    expect(verification!.score).toEqual({ name: 'nearness', higherIsBetter: true, original, reduced });
    expect(stderr).toMatch(/\nnearness {2}[\d.]+ before, [\d.]+ after \(-\d+\.\d\d %, higher is better\)\n/);
    const record = (await readModel(output)).metadata.map((m) => `${m.key} ${m.value}`).join('\n');
    expect(record).toContain(`"score":{"name":"nearness","original":${original},"reduced":${reduced}}`);
    expect(record).not.toContain('.mjs');
  });

  it('--tolerance score=… passes, or ends with code 3 and no file', async () => {
    const small = ['--keep-params', '0.02', '--metric', inside('nearness.mjs')];
    const failed = await reduce(...small, '--tolerance', 'score=-0.1%');
    expect(failed).toMatchObject({ code: 3, written: false });
    expect(failed.stderr).toMatch(/beyond tolerance: \(all\): score 0\.\d+ \(limit 0\.999\)/);
    const tolerance = /would have passed: --tolerance (score=-[\d.]+%)\./.exec(failed.stderr)![1]!;
    expect(await reduce(...small, '--tolerance', tolerance)).toMatchObject({ code: 0, written: true });
    // Beside other limits, each of which counts.
    expect((await reduce(...small, '--tolerance', `nrmse=1e-9,${tolerance}`)).code).toBe(3);
  });

  it('--max-error score=… gives a smaller model that keeps it', async () => {
    const { code, stdout } = await reduce('--max-error', 'score=-0.1%', '--metric', inside('nearness.mjs'), '--json');
    expect(code).toBe(0);
    const { verification, input, output } = JSON.parse(stdout) as CondenseReport;
    const { original, reduced } = verification!.score!;
    expect(reduced! / original).toBeGreaterThanOrEqual(0.999);
    expect(output.size.parameters).toBeLessThan(0.5 * input.size.parameters);
  });

  it.each<[string, string[], RegExp]>([
    ['a tolerance of a score without a metric', ['--tolerance', 'score=-1%'], /--tolerance speaks of a score/],
    ['a budget of a score without a metric', ['--max-error', 'score=-1%'], /--max-error speaks of a score/],
    ['a budget that is no change', ['--max-error', 'score=small'], /'score=small' is not what --max-error takes/],
    [
      'a sign that asks for a gain',
      ['--metric', 'nearness.mjs', '--tolerance', 'score=1%'],
      /would ask for a better nearness/,
    ],
    ['a sign that asks for a gain', ['--metric', 'lower.mjs', '--max-error', 'score=-1%'], /lower is better/],
    ['a metric that is not there', ['--metric', 'absent.mjs'], /the metric '.*absent\.mjs' does not exist/],
    ['a metric that throws', ['--metric', 'throws.mjs'], /the labels are in another file.*\(.*throws\.mjs\)/],
  ])('2: %s', async (_, options, message) => {
    const files = options.map((o) => (o.endsWith('.mjs') ? inside(o) : o));
    const { code, stderr, written } = await reduce('--keep-params', '0.5', ...files);
    expect({ code, written }).toEqual({ code: 2, written: false });
    expect(stderr).toMatch(message);
  });
});

describe('verify --metric', () => {
  it('reports, and judges with a tolerance', async () => {
    const { output } = await reduce('--keep-params', '0.02', '--tolerance', 'nrmse=9', '--quiet');
    const compare = (...options: string[]) =>
      runHere(['verify', inside('net.onnx'), output, ...data, '--tolerance', ...options]);
    const metric = ['--metric', inside('nearness.mjs')];
    const { code, stdout, stderr } = await compare('nrmse=9', ...metric, '--json');
    expect(code).toBe(0);
    expect(stderr).toMatch(/\nnearness {2}1 before, 0\.\d+ after/);
    const { original, reduced } = (JSON.parse(stdout) as NonNullable<CondenseReport['verification']>).score!;
    expect(original).toBeCloseTo(1, 9);
    expect(reduced).toBeLessThan(0.999);
    expect((await compare('score=-0.1%', ...metric)).code).toBe(3);
    expect((await compare('score=-99%', ...metric)).code).toBe(0);
    expect((await compare('score=-1', ...metric)).code).toBe(0);
    expect((await compare('score=-1')).code).toBe(2);
    expect((await compare('nrmse=9', '--metric', inside('throws.mjs'))).code).toBe(2);
  });
});
