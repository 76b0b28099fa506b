import { existsSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { readModel, writeModel } from '../../src/onnx/index.js';
import type { DistillReport } from '../../src/index.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { runCli, runHere, sharedFolder } from './cli.js';

const inside = sharedFolder();
let data: string[];

beforeAll(async () => {
  await writeModel(smoothNetwork({ hidden: 24 }), inside('teacher.onnx'));
  await writeModel(smoothNetwork({ hidden: 6 }), inside('student.onnx'));
  data = ['--data', writeNpz(inside(), 'data.npz', { x: normalRows(300) }), '--train', '60steps'];
});

const distill = (output: string, ...rest: string[]) =>
  runCli(['distill', inside('teacher.onnx'), inside('student.onnx'), inside(output), ...data, ...rest]);

describe('distill', () => {
  it('0: writes the student that learned, with the curve on stderr', async () => {
    const { code, stdout, stderr } = await distill('better.onnx', '--tolerance', 'nrmse=10', '--learning-rate', '1e-2');
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(/step +loss +on validation rows/);
    expect(stderr).toMatch(/← kept/);
    expect(stderr).toMatch(/nrmse before: y [\d.]+/);
    expect((await readModel(inside('better.onnx'))).metadata).toContainEqual({
      key: 'onnx_condense.verified',
      value: 'true',
    });
  });

  it('3: what fails the check is not written, unless that is asked for', async () => {
    const options = ['--tolerance', 'nrmse=1e-9', '--json', '--quiet'];
    const failed = await distill('none.onnx', ...options);
    expect(failed.code).toBe(3);
    expect((JSON.parse(failed.stdout) as DistillReport).status).toBe('check-failed');
    expect(existsSync(inside('none.onnx'))).toBe(false);
    const written = await distill('none.onnx', ...options, '--no-gate');
    expect(written.code).toBe(0);
    expect((JSON.parse(written.stdout) as DistillReport).status).toBe('unverified');
    expect((await readModel(inside('none.onnx'))).metadata).toContainEqual({
      key: 'onnx_condense.verified',
      value: 'false',
    });
  });

  it.each([
    ['a length that is none', ['out.onnx', '--train', 'long'], /'long' is not what --train takes/],
    ['a rate of 0', ['out.onnx', '--learning-rate', '0'], /--learning-rate takes/],
    ['the output over an input', ['student.onnx'], /the output is the input file/],
    ['no output', [], /missing required argument 'output.onnx'/],
  ])('2: %s', async (_, [output, ...rest], message) => {
    const { code, stderr } = await runHere([
      ...['distill', inside('teacher.onnx'), inside('student.onnx')],
      ...(output === undefined ? [] : [inside(output)]),
      ...[...data, ...rest],
    ]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
