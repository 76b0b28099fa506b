import { beforeAll, describe, expect, it } from 'vitest';
import { writeModel } from '../../src/onnx/index.js';
import type { InspectReport } from '../../src/index.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { filesIn, runCli, runHere, sharedFolder } from './cli.js';

const inside = sharedFolder();
let data: string[];

beforeAll(async () => {
  await writeModel(smoothNetwork({ hidden: 40 }), inside('net.onnx'));
  await writeModel(smoothNetwork({ hidden: 20 }), inside('small.onnx'));
  data = ['--data', writeNpz(inside(), 'data.npz', { x: normalRows(300) })];
});

describe('inspect', () => {
  it('0: the table on stderr, nothing on stdout, nothing written', async () => {
    const before = filesIn(inside());
    const { code, stdout, stderr } = await runCli(['inspect', inside('net.onnx'), ...data]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(
      /layer +neurons +rank at 99 % +99.9 % +99.99 % +cosine ≥ 0.95 +≥ 0.99 +dead +constant +exact +nrmse at 75 % +50 % +25 %/,
    );
    expect(stderr).toMatch(/\nfc2 +40( +\d+){3}( +[\d.]+ %){2}( +0){3}( +\d\.\d\de-\d){3}\n/);
    expect(stderr).toMatch(/left alone +op +width +code +why\nfc3 +Gemm +3 +GRAPH_OUTPUT +the channels are .*\(y\)/);
    expect(stderr).toMatch(/GRAPH_OUTPUT is a true limit: /);
    expect(stderr).toMatch(/\n300 rows, cpu, [\d.]+ s\n$/);
    expect(filesIn(inside())).toEqual(before);
  });

  it('several models side by side', async () => {
    const { code, stderr } = await runCli(['inspect', inside('net.onnx'), inside('small.onnx'), ...data]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/cosine ≥ 0.95\nlayer +net.onnx +small.onnx\nfc1( +[\d.]+ %){2}\nfc2( +[\d.]+ %){2}\n\n/);
    expect(stderr).toMatch(/rank at 99.9 % of .*\nlayer .*\nfc1 +\d+ of 40 +\d+ of 20\nfc2 +\d+ of 40 +\d+ of 20\n\n/);
    // What stands in the way is the same in both.
    expect(stderr.match(/GRAPH_OUTPUT is/g)).toHaveLength(1);
  });

  it('--json is one document, with the advice for what was refused', async () => {
    const { stdout, stderr } = await runCli([
      ...['inspect', inside('net.onnx'), ...data],
      ...['--exclude', 'fc1', '--json', '--quiet'],
    ]);
    expect(stderr).toBe('');
    const { models } = JSON.parse(stdout) as InspectReport;
    expect(models).toMatchObject([
      { file: inside('net.onnx'), layers: [{ nodes: ['fc2'] }], refused: [{ code: 'EXCLUDED' }, { node: 'fc3' }] },
    ]);
  });

  it.each([
    ['a name that is none', ['net.onnx', '--include', 'fc9'], 2, /is called 'fc9'/],
    ['a budget', ['net.onnx', '--keep-params', '0.5'], 2, /unknown option '--keep-params'/],
  ])('%s', async (name, [file, ...rest], expected, message) => {
    const { code, stderr } = await runHere([
      'inspect',
      ...(file === undefined ? [] : [inside(file)]),
      ...(name === 'no data' ? [] : data),
      ...rest,
    ]);
    expect(code).toBe(expected);
    expect(stderr).toMatch(message);
  });

  it('2: models of other layers', async () => {
    const other = smoothNetwork();
    for (const node of other.graph.nodes) node.name = `other_${node.name}`;
    await writeModel(other, inside('other.onnx'));
    const failed = await runHere(['inspect', inside('net.onnx'), inside('other.onnx'), ...data]);
    expect(failed.code).toBe(2);
    expect(failed.stderr).toMatch(/cannot be compared layer by layer: layer 1 is other_fc1, in the first model fc1/);
    expect(failed.stderr).toMatch(/other\.onnx\)\n +Give checkpoints of one training/);
  });
});
