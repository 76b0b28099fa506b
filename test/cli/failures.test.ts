import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { readModel, writeModel } from '../../src/onnx/index.js';
import { buildModel, node } from '../build-model.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { filesIn, runCli, sharedFolder } from './cli.js';

const inside = sharedFolder();
let data: string[];

beforeAll(async () => {
  await writeModel(smoothNetwork(), inside('net.onnx'));
  data = ['--data', writeNpz(inside(), 'data.npz', { x: normalRows(400) })];
});

/** Runs `reduce` into out.onnx. */
const reduce = (...options: string[]) => runCli([inside('net.onnx'), inside('out.onnx'), ...data, ...options]);

describe('code 3: the check failed', () => {
  const small = ['--keep-params', '0.1'];

  it('nothing is written, the smallest tolerance is named, and that one passes', async () => {
    const before = filesIn(inside());
    const failed = await reduce(...small);
    expect(failed).toMatchObject({ code: 3, stdout: '' });
    expect(failed.stderr).toMatch(/not within tolerance, nothing was written: y: nrmse 0\.\d+ \(limit 0\.05\)/);
    expect(filesIn(inside())).toEqual(before);
    const tolerance = /would have passed: --tolerance (\S+)\. /.exec(failed.stderr)![1]!;
    const passed = await reduce(...small, '--tolerance', tolerance, '--quiet');
    expect(passed).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(existsSync(inside('out.onnx'))).toBe(true);
  });

  it('an output that is there stays as it is, and so does an input that was to be replaced', async () => {
    writeFileSync(inside('out.onnx'), 'older');
    const input = readFileSync(inside('net.onnx'));
    expect((await reduce(...small, '--quiet')).code).toBe(3);
    expect(readFileSync(inside('out.onnx'), 'utf8')).toBe('older');
    const { code } = await runCli([inside('net.onnx'), inside('net.onnx'), ...data, ...small, '--in-place']);
    expect(code).toBe(3);
    expect(readFileSync(inside('net.onnx')).equals(input)).toBe(true);
  });

  it('--json has the verdict, --quiet the sentence alone', async () => {
    const { code, stdout, stderr } = await reduce(...small, '--json', '--quiet');
    expect(code).toBe(3);
    expect(stderr).toMatch(/^onnx-condense: the reduced model is not within tolerance.*\n {2}The smallest.*\n$/);
    const verdict = { passed: false, failures: [{ output: 'y', measure: 'nrmse', limit: 0.05 }] };
    expect(JSON.parse(stdout)).toMatchObject({ status: 'check-failed', verification: { verdict } });
  });

  it('--no-gate writes all the same, and says so in the file and in the report', async () => {
    const { code, stdout, stderr } = await reduce(...small, '--no-gate', '--json');
    expect(code).toBe(0);
    expect(stderr).toContain('the file is marked as unverified');
    const report = JSON.parse(stdout) as unknown;
    expect(report).toMatchObject({ status: 'unverified', verification: { verdict: { passed: false } } });
    const { metadata } = await readModel(inside('out.onnx'));
    expect(metadata).toContainEqual({ key: 'onnx_condense.verified', value: 'false' });
  });

  it('--no-gate changes nothing where the check passes', async () => {
    const { code, stdout } = await reduce('--keep-params', '0.5', '--no-gate', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'reduced' });
    const { metadata } = await readModel(inside('out.onnx'));
    expect(metadata).toContainEqual({ key: 'onnx_condense.verified', value: 'true' });
  });
});

describe('code 4: the model', () => {
  it('cut off anywhere, at its beginning too', async () => {
    const whole = readFileSync(inside('net.onnx'));
    for (const share of [0, 0.2, 0.6, 0.99]) {
      writeFileSync(inside('cut.onnx'), whole.subarray(0, Math.floor(share * whole.length)));
      const { code, stdout } = await runCli([inside('cut.onnx'), inside('bad.onnx'), ...data, '--json']);
      expect(code).toBe(4);
      expect(JSON.parse(stdout)).toMatchObject({ status: 'error', error: { exitCode: 4 } });
    }
    expect(existsSync(inside('bad.onnx'))).toBe(false);
  });

  it('an operator that the runtime does not have; external data that is gone', async () => {
    const unknown = buildModel({
      inputs: [{ name: 'x', shape: ['batch', 2] }],
      nodes: [node('Gadget', ['x'], ['y'])],
      outputs: [{ name: 'y', shape: ['batch', 2] }],
    });
    await writeModel(unknown, inside('unknown.onnx'));
    const first = await runCli([inside('unknown.onnx'), inside('bad.onnx'), ...data]);
    expect(first).toMatchObject({ code: 4, stdout: '' });
    expect(first.stderr).toMatch(/onnxruntime cannot load the model.*Gadget/);
    await writeModel(smoothNetwork(), inside('apart.onnx'), { externalData: {} });
    writeFileSync(inside('apart.onnx.data'), '');
    const second = await runCli([inside('apart.onnx'), inside('bad.onnx'), ...data]);
    expect(second).toMatchObject({ code: 4, stdout: '' });
    expect(second.stderr).toMatch(/external data file 'apart\.onnx\.data'.*\(w2\)/);
    expect(existsSync(inside('bad.onnx'))).toBe(false);
  });
});

describe('code 5: no plan meets the budget', () => {
  it('too few parameters: what stands in the way, and how near one can come', async () => {
    const before = filesIn(inside());
    const options = ['--keep-params', '100', '--exclude', 'fc2'];
    const { code, stdout, stderr } = await reduce(...options);
    expect({ code, stdout }).toEqual({ code: 5, stdout: '' });
    expect(stderr).toMatch(/^node +op +before +after/m);
    expect(stderr).toMatch(/fc2 +Gemm +24 +\d* +excluded by an option/);
    // fc1 can shrink to one neuron: 2 (and a single number, its bias), 24 + 24, 24 x 3 + 3.
    expect(stderr).toMatch(/100 parameters cannot be reached: the smallest possible model has 125/);
    expect(filesIn(inside())).toEqual(before);
    const asDocument = await reduce(...options, '--json', '--quiet');
    const document = JSON.parse(asDocument.stdout) as { error: unknown; nodes: { node: string }[] };
    expect(document.error).toMatchObject({ code: 'BUDGET_TOO_SMALL', exitCode: 5 });
    expect(document.nodes.map((n) => n.node)).toEqual(['fc1', 'fc2', 'fc3']);
    expect(asDocument.stderr).toMatch(/^onnx-condense: 100 parameters.*\n.*\n$/);
  });

  it('an error that the check rows do not bear out', async () => {
    const far = normalRows(100, 7);
    const test = writeNpz(inside(), 'far.npz', { x: { ...far, data: (far.data as Float32Array).map((v) => 4 * v) } });
    const before = filesIn(inside());
    const { code, stdout, stderr } = await reduce('--max-error', '1e-2', '--test', test);
    expect({ code, stdout }).toEqual({ code: 5, stdout: '' });
    expect(stderr).toMatch(/^node +op +before +after/m);
    expect(stderr).toMatch(/nrmse ≤ 0\.01 on the check rows: the nearest has \S+ with \d+ parameters/);
    expect(filesIn(inside())).toEqual(before);
  });

  it('an error that only the model itself is within leaves it as it is: code 0', async () => {
    const { code, stdout } = await reduce('--max-error', '1e-12', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'unchanged' });
    expect(readFileSync(inside('out.onnx')).equals(readFileSync(inside('net.onnx')))).toBe(true);
  });
});
