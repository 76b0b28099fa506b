import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { readModel, writeModel } from '../../src/onnx/index.js';
import type { DistillReport } from '../../src/index.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { runCli, runHere, sharedFolder, spawnCli } from './cli.js';

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
    ['an unknown augmentation', ['out.onnx', '--augment', 'flip,turn'], /'flip,turn' is not what --augment takes/],
    [
      'images where there are none',
      ['out.onnx', '--augment', 'flip'],
      /flip and shift in --augment want an input of images/,
    ],
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

describe('a training that is cut off', () => {
  const long = (output: string, checkpoint: string, steps = '20000steps') => [
    ...['distill', inside('teacher.onnx'), inside('student.onnx'), inside(output), ...data, '--train', steps],
    ...['--learning-rate', '1e-3', '--tolerance', 'nrmse=10', '--checkpoint', inside(checkpoint), '--json', '--quiet'],
  ];
  /** Sends a signal once the training has left its first trace. */
  const cutOff = async (args: readonly string[], checkpoint: string, signal: NodeJS.Signals) => {
    const child = spawnCli(args);
    const trace = inside(checkpoint, 'training.onnx');
    while (!existsSync(trace) && child.process.exitCode === null) await new Promise((next) => setTimeout(next, 20));
    child.process.kill(signal);
    return child.result;
  };

  it('0: by an interrupt keeps the best weights so far, and checks and writes them', async () => {
    const { code, stdout, stderr } = await cutOff(long('kept.onnx', 'kept', '10min'), 'kept', 'SIGINT');
    expect(code).toBe(0);
    expect(stderr).toMatch(/learning ends here/);
    const { training, status } = JSON.parse(stdout) as DistillReport;
    expect({ status, end: training.end }).toEqual({ status: 'trained', end: 'interrupted' });
    expect((await readModel(inside('kept.onnx'))).graph.nodes.length).toBeGreaterThan(0);
  });

  it('by a kill leaves no output, and the same command goes on to the end of an unbroken run', async () => {
    const whole = await runCli(long('whole.onnx', 'whole'));
    expect(whole.code).toBe(0);
    const args = long('resumed.onnx', 'resumed');
    expect((await cutOff(args, 'resumed', 'SIGKILL')).code).toBe(null);
    expect(existsSync(inside('resumed.onnx'))).toBe(false);
    expect((await runCli(args)).code).toBe(0);
    expect(readFileSync(inside('resumed.onnx')).equals(readFileSync(inside('whole.onnx')))).toBe(true);
    const other = await runCli([...args, '--seed', '2']);
    expect(other.code).toBe(2);
    expect(other.stdout).toMatch(/CHECKPOINT_OF_OTHER_TRAINING/);
  });
});
