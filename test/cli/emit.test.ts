import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { emitTarget } from '../../src/cli/parse.js';
import { readModel, writeModel } from '../../src/onnx/index.js';
import type { CondenseReport } from '../../src/report/report.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { filesIn, runCli, runHere, sharedFolder } from './cli.js';

const inside = sharedFolder();
let budget: string[];
let calls = 0;

beforeAll(async () => {
  await writeModel(smoothNetwork(), inside('net.onnx'));
  budget = ['--data', writeNpz(inside(), 'data.npz', { x: normalRows(400) }), '--keep', 'fc1=20', '--keep', 'fc2=18'];
});

/** An empty folder, with a copy of the network in it as net.onnx. */
function workplace(): (name: string) => string {
  const folder = inside(`run-${calls++}`);
  mkdirSync(folder);
  copyFileSync(inside('net.onnx'), path.join(folder, 'net.onnx'));
  return (name) => path.join(folder, name);
}

describe('--emit', () => {
  it.each([
    ['triton:models/net', { repository: 'models', name: 'net' }],
    ['triton:/srv/models/net/', { repository: '/srv/models', name: 'net' }],
    ['triton:/net', { repository: '/', name: 'net' }],
  ])('%s', (text, target) => {
    expect(emitTarget(text)).toEqual(target);
  });

  it.each(['triton:net', 'triton:', 'triton:models/..', 'mlflow:models/net'])('%s is refused', async (text) => {
    expect(await runHere(['a.onnx', 'b.onnx', '--data', 'c.npz', '--emit', text])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/is not what --emit takes/) as string,
    });
  });

  it('reduces in place and into a repository, data file and all; another model there is left alone', async () => {
    const file = workplace();
    await writeModel(smoothNetwork(), file('net.onnx'), { externalData: {} });
    mkdirSync(file('models'));
    const emit = ['--emit', `triton:${file('models')}/net`];
    const first = await runCli([
      file('net.onnx'),
      file('net.onnx'),
      ...budget,
      ...emit,
      '--in-place',
      '--external-data',
      '--json',
    ]);
    expect({ code: first.code, stderr: first.stderr }).toMatchObject({ code: 0 });
    const emitted = ['net/config.pbtxt', 'net/1/model.onnx/model.onnx', 'net/1/model.onnx/model.onnx.data'];
    expect((JSON.parse(first.stdout) as CondenseReport).output.emitted).toEqual(emitted);
    expect(first.stderr).toContain(`in the model repository: ${emitted.join(', ')}`);
    expect(readdirSync(file('models'))).toEqual(['net']);
    const check = ['verify', file('net.onnx'), file(`models/${emitted[1]!}`), '--data', budget[1]!];
    expect((await runCli([...check, '--tolerance', 'max-abs=0'])).code).toBe(0);

    const other = await runCli([inside('net.onnx'), file('other.onnx'), ...budget, ...emit]);
    expect(other).toMatchObject({ code: 2, stderr: expect.stringMatching(/another model stands/) as string });
    expect(existsSync(file('other.onnx'))).toBe(false);
  });

  it('distill emits the student that learned, again from the same student, and its report beside it', async () => {
    const file = workplace();
    const train = ['--data', budget[1]!, '--train', '20steps', '--tolerance', 'nrmse=99', '--learning-rate', '1e-3'];
    const distill = (output: string, ...more: string[]) =>
      runHere(['distill', inside('net.onnx'), file('net.onnx'), file(output), ...train, ...more]);
    await writeModel(smoothNetwork({ hidden: 6 }), file('net.onnx'));
    const emit = ['--emit', `triton:${file('models')}/net`];
    const first = await distill('a.onnx', ...emit, '--sidecar', '--json');
    expect(first.code).toBe(0);
    const document = JSON.parse(first.stdout) as Record<string, unknown>;
    expect(document).toMatchObject({ files: ['a.onnx'], emitted: ['net/config.pbtxt', 'net/1/model.onnx'] });
    expect(JSON.parse(readFileSync(file('a.condense.json'), 'utf8'))).toEqual(document);
    expect(readFileSync(file('models/net/1/model.onnx'))).toEqual(readFileSync(file('a.onnx')));
    const second = await distill('b.onnx', ...emit);
    expect(second.code).toBe(0);
    expect(second.stderr).toContain('in the model repository: net/1/model.onnx\n');
    // Made from another student.
    await writeModel(smoothNetwork({ hidden: 5 }), file('net.onnx'));
    expect(await distill('c.onnx', ...emit)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/another model stands/) as string,
    });
    expect((await distill('c.onnx', ...emit, '--in-place')).code).toBe(0);
    const failed = await distill(
      'd.onnx',
      '--tolerance',
      'nrmse=1e-12',
      '--emit',
      `triton:${file('models')}/d`,
      '--sidecar',
    );
    expect(failed.code).toBe(3);
    expect(filesIn(file('models'))).toEqual(['net']);
    expect(existsSync(file('d.condense.json'))).toBe(false);
  });

  it('nothing is emitted when the check fails', async () => {
    const file = workplace();
    const options = [...budget, '--tolerance', 'nrmse=1e-12', '--emit', `triton:${file('models')}/net`, '--sidecar'];
    expect((await runCli([file('net.onnx'), file('small.onnx'), ...options, '--quiet'])).code).toBe(3);
    expect(filesIn(file(''))).toEqual(['net.onnx']);
  });
});

it('--sidecar writes the report that --json prints beside the model', async () => {
  const file = workplace();
  const { code, stdout } = await runCli([file('net.onnx'), file('small.onnx'), ...budget, '--sidecar', '--json']);
  expect(code).toBe(0);
  expect(filesIn(file(''))).toEqual(['net.onnx', 'small.condense.json', 'small.onnx']);
  expect(readFileSync(file('small.condense.json'), 'utf8')).toBe(stdout);
});

it('--external-data model.onnx_data: the name that transformers.js looks for', async () => {
  const file = workplace();
  mkdirSync(file('onnx'));
  const output = file('onnx/model.onnx');
  const { code } = await runCli([file('net.onnx'), output, ...budget, '--external-data', 'model.onnx_data', '--quiet']);
  expect(code).toBe(0);
  expect(filesIn(file('onnx'))).toEqual(['model.onnx', 'model.onnx_data']);
  expect((await readModel(output)).source!.externalFiles).toEqual(['model.onnx_data']);
});
