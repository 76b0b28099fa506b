import { existsSync, readFileSync, writeFileSync } from 'node:fs';
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
    ['an unknown augmentation', ['out.onnx', '--augment', 'flip,spin'], /'flip,spin' is not what --augment takes/],
    ['an augmentation that has no number', ['out.onnx', '--augment', 'cut=1'], /'cut=1' is not what --augment takes/],
    ['an augmentation too far', ['out.onnx', '--augment', 'zoom=1'], /'zoom=1' is not what --augment takes/],
    ['images where there are none', ['out.onnx', '--augment', 'flip'], /--augment flip needs an input of images/],
    ['a rate of 0', ['out.onnx', '--learning-rate', '0'], /--learning-rate takes/],
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
  /** Sends a signal once the training has left its first trace, and another when `again` is said after it. */
  const cutOff = async (args: readonly string[], checkpoint: string, signal: NodeJS.Signals, again?: string) => {
    const child = spawnCli(args);
    const trace = inside(checkpoint, 'training.onnx');
    while (!existsSync(trace) && child.process.exitCode === null) await new Promise((next) => setTimeout(next, 20));
    let said = '';
    child.process.stderr?.on('data', (text: string) => {
      said += text;
      if (again !== undefined && said.includes(again)) child.process.kill(signal);
    });
    child.process.kill(signal);
    return child.result;
  };

  it('0: by an interrupt keeps the best weights so far, and checks and writes them', async () => {
    const { code, stdout, stderr } = await cutOff(long('kept.onnx', 'kept', '1min'), 'kept', 'SIGINT');
    expect(code).toBe(0);
    expect(stderr).toMatch(/learning ends here/);
    const { training, status } = JSON.parse(stdout) as DistillReport;
    expect({ status, end: training.end }).toEqual({ status: 'trained', end: 'interrupted' });
    expect((await readModel(inside('kept.onnx'))).graph.nodes.length).toBeGreaterThan(0);
  });

  it('130: by a second interrupt ends, whatever is being done', async () => {
    writeFileSync(
      inside('slow.mjs'),
      `export const score = () => {
         process.stderr.write('scoring\\n');
         return new Promise((resolve) => setTimeout(resolve, 60_000));
       };`,
    );
    const args = [...long('never.onnx', 'twice', '1min'), '--metric', inside('slow.mjs')];
    const { code, stdout, stderr } = await cutOff(args, 'twice', 'SIGINT', 'scoring');
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr).toMatch(/learning ends here, and the best weights so far are checked; interrupt again/);
    expect(existsSync(inside('never.onnx'))).toBe(false);
  });

  it('130: by an interrupt in a round of reduce before the last, which says so', async () => {
    const args = [
      inside('teacher.onnx'),
      inside('never.onnx'),
      ...data.slice(0, 2),
      '--keep-params',
      '0.5',
      '--steps',
      '2',
    ];
    const learning = ['--distill', '2min', '--learning-rate', '1e-3', '--checkpoint', inside('rounds')];
    const { code, stdout, stderr } = await cutOff([...args, ...learning, '--json'], 'rounds/round-1', 'SIGINT');
    expect(code).toBe(130);
    expect(stderr).toMatch(/learning ends here, and in a round before the last the run does too/);
    expect(stderr).toMatch(
      /onnx-condense: interrupted in round 1 of 2: no model of the wanted size.*\n {2}With --checkpoint/,
    );
    expect(JSON.parse(stdout)).toMatchObject({ status: 'error', error: { code: 'ROUND_INTERRUPTED', exitCode: 130 } });
    expect(existsSync(inside('never.onnx'))).toBe(false);
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
