import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { readModel, writeModel } from '../../src/onnx/index.js';
import type { SweepReport } from '../../src/index.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { filesIn, runCli, runHere, sharedFolder } from './cli.js';

const inside = sharedFolder();
let data: string[];

beforeAll(async () => {
  await writeModel(smoothNetwork({ hidden: 48 }), inside('net.onnx'));
  data = ['--data', writeNpz(inside(), 'data.npz', { x: normalRows(400) }), '--points', '4'];
});

const sweep = (...rest: string[]) => runCli(['sweep', inside('net.onnx'), ...rest]);

describe('sweep', () => {
  it('0: the curve on stderr, nothing on stdout, nothing written', async () => {
    const before = filesIn(inside());
    const { code, stdout, stderr } = await sweep(...data);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(/# +parameters +kept +MACs per row +bytes +predicted +nrmse +check/);
    expect(stderr.match(/^\d .* %.* (passed|failed)/gm)).toHaveLength(4);
    expect(stderr).not.toContain('picked');
    expect(filesIn(inside())).toEqual(before);
  });

  it('--json and --csv hold the same figures', async () => {
    const csv = inside('curve.csv');
    const { code, stdout } = await sweep(...data, '--json', '--quiet', '--csv', csv);
    expect(code).toBe(0);
    const { points } = JSON.parse(stdout) as SweepReport;
    const [head, ...lines] = readFileSync(csv, 'utf8').trim().split('\r\n');
    expect(head).toBe('index,parameters,ratio,macs,bytes,predicted_nrmse,nrmse,check');
    expect(lines).toEqual(
      points.map((p) =>
        [
          p.index,
          p.parameters,
          p.ratio,
          p.macs,
          p.bytes,
          p.predictedNrmse,
          p.nrmse,
          p.passed ? 'passed' : 'failed',
        ].join(),
      ),
    );
    const piped = await sweep(...data, '--csv', '--quiet');
    expect(piped.stdout).toBe(readFileSync(csv, 'utf8'));
  });

  it('--pick writes that model and says so', async () => {
    const output = inside('small.onnx');
    const { code, stdout } = await sweep(output, ...data, '--pick', '1', '--json');
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as SweepReport & { output: { status: string } };
    expect(report.picked).toBe(1);
    expect(report.output.status).toBe('reduced');
    expect((await readModel(output)).metadata.map((m) => m.key)).toContain('onnx_condense.verified');
  });

  it('3: nothing passes, nothing is written', async () => {
    const output = inside('none.onnx');
    const { code, stderr } = await sweep(output, ...data, '--pick', 'knee', '--tolerance', 'nrmse=1e-12', '--quiet');
    expect(code).toBe(3);
    expect(stderr).toMatch(/point 1: nrmse/);
    expect(existsSync(output)).toBe(false);
    const failed = await sweep(output, ...data, '--pick', '4', '--tolerance', 'nrmse=1e-12', '--quiet');
    expect(failed.code).toBe(3);
    expect(existsSync(output)).toBe(false);
    const written = await sweep(output, ...data, '--pick', '4', '--tolerance', 'nrmse=1e-12', '--no-gate', '--quiet');
    expect(written.code).toBe(0);
    expect((await readModel(output)).metadata).toContainEqual({ key: 'onnx_condense.verified', value: 'false' });
  });

  it.each([
    ['an output without --pick', ['out.onnx'], /an output and --pick belong together/],
    ['--emit without an output', ['--emit', 'triton:models/net'], /--emit and --sidecar belong to an output/],
    ['--pick without an output', ['--pick', 'knee'], /an output and --pick belong together/],
    ['two documents on stdout', ['--json', '--csv'], /--json and --csv both want stdout/],
    ['a budget', ['--keep-params', '0.5'], /unknown option '--keep-params'/],
  ])('2: %s', async (_, rest, message) => {
    const { code, stderr } = await runHere(['sweep', inside('net.onnx'), ...data, ...rest]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
