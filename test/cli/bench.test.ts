import { beforeAll, describe, expect, it } from 'vitest';
import { writeModel } from '../../src/onnx/index.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { filesIn, runCli, sharedFolder } from './cli.js';

const inside = sharedFolder();
let data: string[];

beforeAll(async () => {
  await writeModel(smoothNetwork({ hidden: 64 }), inside('net.onnx'));
  await writeModel(smoothNetwork({ hidden: 8 }), inside('small.onnx'));
  data = ['--data', writeNpz(inside(), 'data.npz', { x: normalRows(20) }), '--seconds', '0.1'];
});

describe('bench', () => {
  it('0: tables on stderr, nothing on stdout, no files', async () => {
    const before = filesIn(inside());
    const { code, stdout, stderr } = await runCli([
      ...['bench', inside('net.onnx'), inside('small.onnx')],
      ...[...data, '--batch', '1,8'],
    ]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(/net\.onnx +4547 /);
    expect(stderr).toMatch(/batch +model +median ms +p95 ms +rows\/s +times as fast/);
    expect(stderr).toMatch(/\n +8 +net\.onnx .*\n +small\.onnx .* to /);
    expect(filesIn(inside())).toEqual(before);
  });

  it('--json is one document', async () => {
    const { stdout, stderr } = await runCli(['bench', inside('net.onnx'), ...data, '--json', '--quiet']);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({ schemaVersion: 1, batches: [{ batch: 1 }, { batch: 64 }] });
  });

  it.each([
    ['a batch that is no number', ['net.onnx', '--batch', '1,x'], /'x' is not what --batch takes/],
    ['no time', ['net.onnx', '--seconds', '0'], /--seconds takes/],
  ])('2 or 4: %s', async (_, [file, ...rest], message) => {
    const { code, stderr } = await runCli([
      'bench',
      ...(file === undefined ? [] : [inside(file)]),
      ...data.slice(0, 2),
      ...rest,
    ]);
    expect([2, 4]).toContain(code);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n +at /);
  });
});
