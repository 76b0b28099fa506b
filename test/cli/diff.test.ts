import { beforeAll, describe, expect, it } from 'vitest';
import { writeModel } from '../../src/onnx/index.js';
import type { DiffReport } from '../../src/index.js';
import { smoothNetwork } from '../networks.js';
import { filesIn, runCli, runHere, sharedFolder } from './cli.js';

const inside = sharedFolder();

beforeAll(async () => {
  await writeModel(smoothNetwork({ hidden: 24 }), inside('net.onnx'));
  const small = smoothNetwork({ hidden: 6, metadata: { made: 'smaller' } });
  small.graph.nodes.splice(1, 1);
  small.graph.nodes[1]!.inputs[0] = 'h1';
  await writeModel(small, inside('small.onnx'));
});

describe('diff', () => {
  it('0: lines with -, + and ~ on stderr, nothing on stdout, nothing written', async () => {
    const before = filesIn(inside());
    const { code, stdout, stderr } = await runCli(['diff', inside('net.onnx'), inside('small.onnx')]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr.split('\n').slice(0, 14)).toEqual([
      '--- net.onnx',
      '+++ small.onnx',
      '+ metadata made: smaller',
      '~ Gemm fc1, MACs 48 → 12',
      '~   w1 float32 [2, 24] → [2, 6]',
      '~   b1 float32 [24] → [6]',
      '- Tanh act1',
      '~ Gemm fc2, MACs 576 → 36',
      '~   input 0: a1 → h1',
      '~   w2 float32 [24, 24] → [6, 6]',
      '~   b2 float32 [24] → [6]',
      '~ Gemm fc3, MACs 72 → 18',
      '~   w3 float32 [24, 3] → [6, 3]',
      '  1 node unchanged',
    ]);
    expect(stderr).toMatch(/\nnodes +5 +4 +80.0 %\nparameters +747 +81 +10.8 %\nMACs per row +696 +66 +9.5 %\nbytes /);
    expect(filesIn(inside())).toEqual(before);
  });

  it('a model and itself', async () => {
    const { code, stderr } = await runHere(['diff', inside('net.onnx'), inside('net.onnx')]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/\nno differences\n {2}5 nodes unchanged\n\n/);
  });

  it('--json is one document', async () => {
    const { stdout, stderr } = await runCli(['diff', inside('net.onnx'), inside('small.onnx'), '--json', '--quiet']);
    expect(stderr).toBe('');
    const report = JSON.parse(stdout) as DiffReport;
    expect(report.nodes.map((n) => `${n.kind} ${n.node}`)).toEqual([
      ...['changed fc1', 'removed act1', 'changed fc2', 'changed fc3'],
    ]);
    expect(report).toMatchObject({ before: { file: inside('net.onnx'), parameters: 747 }, after: { parameters: 81 } });
  });

  it.each([
    ['an option of another command', ['net.onnx', 'net.onnx', '--max-rows', '3'], /unknown option '--max-rows'/],
  ])('2: %s', async (_, args, message) => {
    const { code, stderr } = await runHere(['diff', ...args.map((a) => (a.endsWith('.onnx') ? inside(a) : a))]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
