import { copyFileSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { readModel, writeModel } from '../../src/onnx/index.js';
import type { CondenseReport } from '../../src/report/report.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { filesIn, runCli, sharedFolder } from './cli.js';

const inside = sharedFolder();
let budget: string[];
let calls = 0;

beforeAll(async () => {
  await writeModel(
    smoothNetwork({ metadata: { author: 'someone', 'onnx_condense.version': 'old' } }),
    inside('net.onnx'),
  );
  const data = writeNpz(inside(), 'data.npz', { x: normalRows(400) });
  budget = ['--data', data, '--keep-params', '0.5'];
});

/** An empty folder, with a copy of the network in it as net.onnx. */
function workplace(): string {
  const folder = inside(`run-${calls++}`);
  mkdirSync(folder);
  copyFileSync(inside('net.onnx'), path.join(folder, 'net.onnx'));
  return folder;
}

const metadataOf = async (file: string): Promise<Record<string, string>> =>
  Object.fromEntries((await readModel(file)).metadata.map(({ key, value }) => [key, value]));
const reportOf = (stdout: string): CondenseReport => JSON.parse(stdout) as CondenseReport;

describe('code 0: reduced', () => {
  it('the output runs under the same names for any batch, and says where it comes from', async () => {
    const folder = workplace();
    const [input, output] = [path.join(folder, 'net.onnx'), path.join(folder, 'small.onnx')];
    const { code, stdout, stderr } = await runCli([input, output, ...budget]);
    expect(code).toBe(0);
    expect(stdout).toBe('');
    expect(filesIn(folder)).toEqual(['net.onnx', 'small.onnx']);
    expect(stderr).toMatch(/^node +op +before +after/m);
    expect(stderr).toMatch(
      /fc1 +Gemm +24 +\d+ *\n.*fc2 +Gemm +24 +\d+ *\n.*fc3 +Gemm +3 +3 +the channels are an output/,
    );
    expect(stderr).toMatch(/parameters +747 +3[67]\d +\d\d\.\d %/);
    expect(stderr).toMatch(/within tolerance \(span, cpu/);

    const session = await InferenceSession.create(output);
    expect([session.inputNames, session.outputNames]).toEqual([['x'], ['y']]);
    for (const rows of [1, 7]) {
      const { y } = await session.run({ x: new RuntimeTensor('float32', new Float32Array(rows * 2), [rows, 2]) });
      expect(y!.dims).toEqual([rows, 3]);
    }
    await session.release();

    const [before, after] = [await readModel(input), await readModel(output)];
    expect(after.graph.inputs[0]!.shape).toEqual(['batch', 2]);
    expect(after.graph.outputs[0]!.shape).toEqual(['batch', 3]);
    expect(await metadataOf(output)).toMatchObject({
      author: 'someone',
      'onnx_condense.input_sha256': before.source!.sha256,
      'onnx_condense.options': '{"keepParams":0.5}',
      'onnx_condense.parameters': expect.stringMatching(/^747 -> 3[67]\d$/) as string,
      'onnx_condense.verified': 'true',
      'onnx_condense.check': expect.stringMatching(/"output":"y","nrmse":0\.\d+,/) as string,
    });
    expect((await metadataOf(output))['onnx_condense.version']).not.toBe('old');
  });

  it('--json prints the report; `reduce` may be written out; both give the same bytes', async () => {
    const folder = workplace();
    const file = (name: string): string => path.join(folder, name);
    const first = await runCli([file('net.onnx'), file('a.onnx'), ...budget, '--json']);
    const second = await runCli(['reduce', file('net.onnx'), file('b.onnx'), ...budget, '--quiet']);
    expect([first.code, second.code]).toEqual([0, 0]);
    expect(second).toMatchObject({ stdout: '', stderr: '' });
    const report = reportOf(first.stdout);
    expect(report).toMatchObject({
      status: 'reduced',
      input: { size: { parameters: 747, bytes: statSync(file('net.onnx')).size } },
      output: { size: { bytes: statSync(file('a.onnx')).size }, files: ['a.onnx'] },
      method: 'span',
      provider: 'cpu',
      rows: { fit: 320, check: 80 },
      verification: { verdict: { passed: true } },
    });
    expect(report.nodes.map((n) => n.node)).toEqual(['fc1', 'fc2', 'fc3']);
    expect(report.output.size.parameters).toBeLessThanOrEqual(373);
    expect(first.stderr).toContain('within tolerance');
    expect(readFileSync(file('a.onnx')).equals(readFileSync(file('b.onnx')))).toBe(true);
  });

  it('--in-place replaces the input', async () => {
    const folder = workplace();
    const file = path.join(folder, 'net.onnx');
    const before = statSync(file).size;
    expect(await runCli([file, file, ...budget, '--in-place', '--quiet'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(filesIn(folder)).toEqual(['net.onnx']);
    expect(statSync(file).size).toBeLessThan(before);
    expect((await metadataOf(file))['onnx_condense.verified']).toBe('true');
  });
});

describe('a model with external data', () => {
  it('is reduced in place: its old data file goes, what is written verifies against the original', async () => {
    const folder = workplace();
    const file = path.join(folder, 'big.onnx');
    await writeModel(smoothNetwork(), file, { externalData: { threshold: 1 } });
    const { code, stdout } = await runCli([file, file, ...budget, '--in-place', '--external-threshold', '1', '--json']);
    expect(code).toBe(0);
    // The new data file stood beside the old one until the model was renamed, so it has another name.
    expect(filesIn(folder)).toEqual(['big.onnx', 'big.onnx.1.data', 'net.onnx']);
    expect(reportOf(stdout).output.files).toEqual(['big.onnx', 'big.onnx.1.data']);
    const check = ['verify', path.join(folder, 'net.onnx'), file, '--data', budget[1]!];
    expect((await runCli(check)).code).toBe(0);
  });
});

describe('code 0: nothing to remove', () => {
  it('the output is a byte copy of the input', async () => {
    const folder = workplace();
    const [input, output] = [path.join(folder, 'net.onnx'), path.join(folder, 'same.onnx')];
    const { code, stdout, stderr } = await runCli([
      input,
      output,
      '--data',
      'random:40',
      '--method',
      'exact',
      '--json',
    ]);
    expect(code).toBe(0);
    expect(filesIn(folder)).toEqual(['net.onnx', 'same.onnx']);
    expect(readFileSync(output).equals(readFileSync(input))).toBe(true);
    expect(reportOf(stdout)).toMatchObject({
      status: 'unchanged',
      verification: null,
      output: { files: ['same.onnx'] },
    });
    expect(stderr).toContain('nothing to remove: the output is a copy of the input');
    expect(stderr).toMatch(/warning: 40 random rows stand in for data/);
  });

  it('also in place, and where the input has external data', async () => {
    const folder = workplace();
    const [input, output] = [path.join(folder, 'net.onnx'), path.join(folder, 'same.onnx')];
    const exact = ['--data', 'random:40', '--method', 'exact', '--quiet'];
    const bytes = readFileSync(input);
    expect((await runCli([input, input, ...exact, '--in-place'])).code).toBe(0);
    expect(readFileSync(input).equals(bytes)).toBe(true);
    await writeModel(smoothNetwork(), input, { externalData: {} });
    const { stdout } = await runCli([input, output, ...exact, '--json']);
    expect(reportOf(stdout)).toMatchObject({
      input: { size: { bytes: statSync(input).size + statSync(`${input}.data`).size } },
      output: { files: ['same.onnx', 'same.onnx.data'] },
    });
    expect(filesIn(folder)).toEqual(['net.onnx', 'net.onnx.data', 'same.onnx', 'same.onnx.data']);
    expect((await runCli(['verify', input, output, '--data', 'random:20', '--tolerance', 'max-abs=0'])).code).toBe(0);
  });
});

describe('--external-data', () => {
  it.each([
    [['--external-data'], 'small.onnx.data'],
    [['--external-data', 'weights.bin'], 'weights.bin'],
    [['--external-threshold', '200'], 'small.onnx.data'],
  ])('%s', async (options, dataFile) => {
    const folder = workplace();
    const output = path.join(folder, 'small.onnx');
    const keep = ['--keep', 'fc1=20', '--keep', 'fc2=18', '--data', budget[1]!];
    const args = [path.join(folder, 'net.onnx'), output, ...keep, ...options, '--json'];
    const { code, stdout } = await runCli(args);
    expect(code).toBe(0);
    expect(filesIn(folder)).toEqual(['net.onnx', 'small.onnx', dataFile].sort());
    const sizes = ['small.onnx', dataFile].map((name) => statSync(path.join(folder, name)).size);
    expect(reportOf(stdout).output).toMatchObject({
      files: ['small.onnx', dataFile],
      size: { bytes: sizes[0]! + sizes[1]! },
    });
    // fc2's weight is 20 x 18 numbers, fc3's 18 x 3: only the lower threshold moves the second, to the next 4096 bytes.
    const w2 = 20 * 18 * 4;
    expect(sizes[1]).toBe(options[0] === '--external-threshold' ? 4096 + 18 * 3 * 4 : w2);
    expect((await readModel(output)).source!.externalFiles).toEqual([dataFile]);
    const check = await runCli(['verify', path.join(folder, 'net.onnx'), output, '--data', budget[1]!]);
    expect(check).toMatchObject({ code: 0, stdout: '' });
  });
});
