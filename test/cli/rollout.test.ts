import { existsSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  readModel,
  writeModel,
  type CondenseReport,
  type DistillReport,
  type VerificationReport,
} from '../../src/index.js';
import { weights } from '../dense.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { runCli, runHere, sharedFolder } from './cli.js';

const inside = sharedFolder();
let data: string[];

beforeAll(async () => {
  await writeModel(stepping(24), inside('net.onnx'));
  await writeModel(stepping(6), inside('student.onnx'));
  data = ['--data', writeNpz(inside(), 'data.npz', { x: normalRows(300) })];
});

/** The smooth network without its last output, so that it steps its two inputs. */
function stepping(hidden: number) {
  const model = smoothNetwork({ hidden });
  const { initializers } = model.graph;
  for (const [name, dims] of [
    ['w3', [hidden, 2]],
    ['b3', [2]],
  ] as const)
    initializers.set(name, weights(name, [...dims]));
  model.graph.outputs[0] = { ...model.graph.outputs[0]!, shape: ['batch', 2] };
  return model;
}

const STEPS = ['--rollout', '6', '--feedback', 'y*0.1+:x'];

describe('reduce --rollout', () => {
  it('reports how the error grows, in the table and in the document, and writes what it would write without', async () => {
    const run = (name: string, ...options: string[]) =>
      runCli([inside('net.onnx'), inside(name), ...data, '--keep-params', '0.3', '--json', ...options]);
    const { code, stdout, stderr } = await run('small.onnx', ...STEPS);
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /\nrollout: 60 check rows, fed back 6 times \(y\+:x\[0:2\]\)\nstep +y nrmse +x nrmse +rows with NaN\/Inf\n +1 +\S+ +\S+ +0\n +2 .*\n +4 .*\n +6 +\S+ +\S+ +0\n/,
    );
    const { rollout, outputs, verdict } = (JSON.parse(stdout) as CondenseReport).verification!;
    expect(verdict.passed).toBe(true);
    expect(rollout).toMatchObject({
      steps: 6,
      rows: 60,
      feedback: [{ output: 'y', input: 'x', add: true, columns: [0, 1] }],
    });
    expect(rollout!.points.map((p) => p.step)).toEqual([1, 2, 4, 6]);
    // The first step is the check itself: its rows are all rows here.
    expect(rollout!.points[0]!.values[0]!.output.nrmse).toBeCloseTo(outputs[0]!.nrmse!, 12);
    expect((await run('same.onnx')).code).toBe(0);
    const record = async (name: string) => (await readModel(inside(name))).metadata;
    expect(await record('small.onnx')).toEqual(await record('same.onnx'));
  });
});

describe('verify --rollout', () => {
  const verify = (...options: string[]) =>
    runHere(['verify', inside('net.onnx'), inside('student.onnx'), ...data, '--tolerance', 'nrmse=99', ...options]);

  it('reports, and does not gate', async () => {
    const { code, stdout, stderr } = await verify(...STEPS, '--json');
    expect(code).toBe(0);
    const { rollout } = JSON.parse(stdout) as VerificationReport;
    expect(rollout).toMatchObject({ steps: 6, rows: 256 });
    expect(stderr).toContain('rollout: 256 check rows, fed back 6 times (y+:x[0:2])');
    // What takes the place of the input has one column in the table.
    expect((await verify('--rollout', '1', '--feedback', 'y:x')).stderr).toMatch(
      /fed back once \(y:x\[0:2\]\)\nstep +y nrmse +rows with NaN\/Inf\n/,
    );
    expect(JSON.parse((await verify('--json')).stdout)).toMatchObject({ rollout: null });
  });

  it.each<[string, string[], RegExp]>([
    ['no step', ['--rollout', '0', '--feedback', 'y:x'], /'0' is not what --rollout takes/],
    ['steps that are no number', ['--rollout', 'many', '--feedback', 'y:x'], /'many' is not what --rollout takes/],
    ['feedback alone', ['--feedback', 'y:x'], /--feedback belongs to --rollout/],
    ['rollout alone', ['--rollout', '2'], /--rollout needs to know what is fed back/],
    ['an output that is not there', ['--rollout', '2', '--feedback', 'z:x'], /no output 'z'.*\n {2}Its outputs are: y/],
    ['an input that is not there', ['--rollout', '2', '--feedback', 'y:z'], /no input 'z'.*\n {2}Its inputs are: x/],
    ['columns that are not there', ['--rollout', '2', '--feedback', 'y:x[1:3]'], /'y' is \[1, 2\], 'x' is \[1, 2\]/],
    ['a scaling that is not there', ['--rollout', '2', '--feedback', 'y:x@no.npz'], /does not exist \(no\.npz\)/],
  ])('2: %s', async (_, options, message) => {
    const { code, stdout, stderr } = await verify(...options);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });
});

describe('distill --rollout', () => {
  it('reports the student before and after', async () => {
    const args = ['distill', ...['net.onnx', 'student.onnx', 'better.onnx'].map((name) => inside(name)), ...data];
    const short = [...args, '--train', '200steps', '--learning-rate', '1e-2', '--tolerance', 'nrmse=99', '--json'];
    const { code, stdout, stderr } = await runHere([...short, ...STEPS]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/\nrollout: 60 check rows, fed back 6 times/);
    const { before, verification } = JSON.parse(stdout) as DistillReport;
    const last = ({ rollout }: VerificationReport) => rollout!.points.at(-1)!.values[0]!.input.nrmse!;
    expect(last(verification)).toBeLessThan(last(before));
  });

  it('2: what does not fit is said before the training', async () => {
    const args = ['distill', ...['net.onnx', 'student.onnx', 'never.onnx'].map((name) => inside(name)), ...data];
    const { code, stderr } = await runHere([...args, '--train', '1000min', '--rollout', '2', '--feedback', 'y:x[0]']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/does not fit the model: .* and 1 columns are named/);
    expect(existsSync(inside('never.onnx'))).toBe(false);
  });
});

it('sweep has no rollout', async () => {
  const { code, stderr } = await runHere(['sweep', inside('net.onnx'), ...data, ...STEPS]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/unknown option '--rollout'/);
});
