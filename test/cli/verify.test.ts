import { beforeAll, describe, expect, it } from 'vitest';
import { replaceConstant } from '../../src/graph/edit.js';
import { floatTensor } from '../../src/graph/tensor-data.js';
import { writeModel } from '../../src/onnx/index.js';
import { VERSION } from '../../src/version.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { filesIn, runCli, sharedFolder } from './cli.js';

const inside = sharedFolder();
let data: string[];

beforeAll(async () => {
  await writeModel(smoothNetwork(), inside('net.onnx'));
  const shifted = smoothNetwork();
  const bias = [...new Float32Array(shifted.graph.initializers.get('b3')!.storage.bytes().slice().buffer)];
  replaceConstant(shifted.graph, 'b3', floatTensor('b3', [3], 'float32', [bias[0]! + 0.5, bias[1]!, bias[2]!]));
  await writeModel(shifted, inside('shifted.onnx'));
  const renamed = smoothNetwork();
  renamed.graph.outputs[0] = { ...renamed.graph.outputs[0]!, name: 'h2' };
  await writeModel(renamed, inside('renamed.onnx'));
  data = ['--data', writeNpz(inside(), 'data.npz', { x: normalRows(200) })];
});

const verify = (other: string, ...options: string[]) =>
  runCli(['verify', inside('net.onnx'), inside(other), ...data, ...options]);

describe('verify', () => {
  it('0: within tolerance, with figures on stderr', async () => {
    const before = filesIn(inside());
    const { code, stdout, stderr } = await verify('net.onnx');
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(/y +0 +0 +0 +1\.000000/);
    expect(stderr).toMatch(/of 200 check rows 0 exceed the row tolerance 0\.1/);
    expect(stderr).toMatch(/\nwithin tolerance\n$/);
    expect(filesIn(inside())).toEqual(before);
    expect(await verify('net.onnx', '--quiet')).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('3: not within tolerance; the smallest one that is named passes', async () => {
    const { code, stderr } = await verify('shifted.onnx');
    expect(code).toBe(3);
    expect(stderr).toMatch(/beyond tolerance: y: nrmse .*\(limit 0\.05\)/);
    expect(stderr).toMatch(/\nnot within tolerance\n$/);
    const tolerance = /smallest tolerance that passes: --tolerance (\S+)/.exec(stderr)![1]!;
    expect((await verify('shifted.onnx', '--tolerance', tolerance)).code).toBe(0);
    expect((await verify('shifted.onnx', '--tolerance', 'max-abs=0.49')).code).toBe(3);
    expect((await verify('shifted.onnx', '--tolerance', 'max-abs=0.51')).code).toBe(0);
  });

  it('--json is one document either way', async () => {
    const passed = await verify('net.onnx', '--json', '--max-rows', '50', '--row-tolerance', '0.01');
    expect(JSON.parse(passed.stdout)).toMatchObject({
      rows: 50,
      verdict: { passed: true },
      sample: { rowTolerance: 0.01, rows: 50 },
    });
    const failed = await verify('shifted.onnx', '--json', '--quiet');
    expect(failed).toMatchObject({ code: 3, stderr: '' });
    expect(JSON.parse(failed.stdout)).toMatchObject({ verdict: { passed: false } });
  });

  it('2: interfaces that differ, wrong options', async () => {
    const differ = await verify('renamed.onnx');
    expect(differ).toMatchObject({ code: 2, stdout: '' });
    expect(differ.stderr).toMatch(/their outputs are y and h2/);
    expect((await verify('net.onnx', '--tolerance', 'nrmse=x')).code).toBe(2);
    expect((await verify('net.onnx', '--classes', 'scores')).code).toBe(2);
    const reduceOnly = await verify('net.onnx', '--keep-params', '0.5');
    expect(reduceOnly).toMatchObject({ code: 2, stdout: '' });
    expect(reduceOnly.stderr).toMatch(/unknown option '--keep-params'/);
  });
});

describe('help', () => {
  it.each([['--help'], ['reduce --help'], ['verify --help'], ['help reduce']])(
    '%s: code 0, on stdout',
    async (args) => {
      const { code, stdout, stderr } = await runCli(args.split(' '));
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^Usage: onnx-condense/);
      if (args !== '--help') expect(stdout).toMatch(/--data <spec>[^]*Examples?:/);
      else expect(stdout).toMatch(/reduce --help/);
    },
  );

  it('--version', async () => {
    expect(await runCli(['--version'])).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: '' });
  });

  it('nothing at all: code 2, and how to get help', async () => {
    const { code, stdout, stderr } = await runCli([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/required option '--data <spec>' not specified\n {2}onnx-condense reduce --help shows/);
  });
});
