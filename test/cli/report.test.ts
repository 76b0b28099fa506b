import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeReport } from '../../src/cli/report.js';
import { ExitCode } from '../../src/diagnostics/diagnostic.js';
import { verify, writeModel } from '../../src/index.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { runCli, runHere, sharedFolder } from './cli.js';

const inside = sharedFolder();
let data: string[];
beforeAll(async () => {
  await writeModel(smoothNetwork(), inside('net.onnx'));
  await writeModel(smoothNetwork({ hidden: 6 }), inside('student.onnx'));
  data = ['--data', writeNpz(inside(), 'data.npz', { x: normalRows(300) })];
});
const text = (name: string): string => readFileSync(inside(name), 'utf8');
const sha256 = (name: string): string =>
  createHash('sha256')
    .update(readFileSync(inside(name)))
    .digest('hex');

describe('--report', () => {
  it('reduce: the page beside the model, which is the same bytes as without it', async () => {
    const budget = ['--keep-params', '0.5', '--quiet'];
    const plain = await runCli([inside('net.onnx'), inside('plain.onnx'), ...data, ...budget]);
    expect(plain.code).toBe(0);
    const args = [inside('net.onnx'), inside('small.onnx'), ...data, ...budget, '--report', inside('r.html')];
    expect(await runCli(args)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(readFileSync(inside('small.onnx'))).toEqual(readFileSync(inside('plain.onnx')));
    const page = text('r.html');
    expect(page).toContain('Equivalent within tolerance');
    for (const hash of [sha256('net.onnx'), sha256('small.onnx'), sha256('data.npz')]) expect(page).toContain(hash);
    expect(page).toContain(`--keep-params 0.5 --quiet --report ${inside('r.html')}`);
    for (const section of ['verdict', 'network', 'outputs', 'repeat'])
      expect(page).toContain(`<section id="${section}"`);
    expect(page).not.toMatch(/<(?:script|img|link|iframe)[^>]+(?:src|href)="(?!data:)/);
  });

  it('verify, inspect, sweep, distill; with --json stdout is still one document', async () => {
    const [net, student] = [inside('net.onnx'), inside('student.onnx')];
    const page = (name: string) => ['--report', inside(name), '--quiet', '--json'];
    const runs = [
      [['verify', net, student, ...data, '--tolerance', 'nrmse=99', ...page('v.html')], /Equivalent/],
      [['inspect', net, ...data, ...page('i.html')], /2 layers can be made narrower/],
      [['inspect', net, net, ...data, ...page('ii.html')], /Cosines between neurons, [^<]*net\.onnx/],
      [['sweep', net, ...data, '--points', '3', ...page('s.html')], /<section id="trade-off"/],
      [
        ['distill', net, student, inside('d.onnx'), ...data, '--train', '20steps', '--no-gate', ...page('d.html')],
        /<section id="training"/,
      ],
    ] as const;
    for (const [args, expected] of runs) {
      const { code, stdout } = await runHere(args);
      expect(code).toBe(0);
      const document = JSON.parse(stdout) as Record<string, unknown>;
      expect(document).not.toHaveProperty('details');
      expect(text(args.at(-3)!.slice(inside().length + 1))).toMatch(expected);
    }
  });

  it('a failed check has its page too', async () => {
    const { code } = await runHere([
      inside('net.onnx'),
      inside('none.onnx'),
      ...data,
      '--keep-params',
      '0.1',
      '--quiet',
      '--report',
      inside('failed.html'),
    ]);
    expect(code).toBe(3);
    expect(existsSync(inside('none.onnx'))).toBe(false);
    expect(text('failed.html')).toMatch(/Not equivalent.*nothing was written/s);
  });
});

describe('a budget that no plan meets has its page too', () => {
  it('5: reduce, with what stands in the way and the nearest figures', async () => {
    const args = ['--keep-params', '100', '--exclude', 'fc2', '--quiet', '--report', inside('small.html')];
    const { code, stderr } = await runHere([inside('net.onnx'), inside('none.onnx'), ...data, ...args]);
    expect(code).toBe(5);
    expect(stderr).toMatch(/^onnx-condense: 100 parameters cannot be reached.*\n.*\n$/);
    expect(existsSync(inside('none.onnx'))).toBe(false);
    const page = text('small.html');
    expect(page).toMatch(/class="verdict bad".*No plan meets the budget/s);
    expect(page).toContain('100 parameters cannot be reached: the smallest possible model has 125');
    expect(page).toContain('excluded by an option');
    for (const section of ['verdict', 'network', 'repeat']) expect(page).toContain(`<section id="${section}"`);
    expect(page).toContain(sha256('data.npz'));
  });

  it('5: an error that the check rows do not bear out; nothing to sweep', async () => {
    const far = normalRows(100, 7);
    const wide = { ...far, data: (far.data as Float32Array).map((v) => 4 * v) };
    const budget = ['--max-error', '1e-2', '--test', writeNpz(inside(), 'far.npz', { x: wide })];
    const page = (name: string) => ['--quiet', '--report', inside(name)];
    const missed = await runHere([inside('net.onnx'), inside('none.onnx'), ...data, ...budget, ...page('far.html')]);
    expect(missed.code).toBe(5);
    expect(text('far.html')).toMatch(/No plan meets the budget.*the nearest has \S+ with \d+ parameters/s);
    const swept = await runHere(['sweep', inside('net.onnx'), ...data, '--exclude', 'fc*', ...page('none.html')]);
    expect(swept.code).toBe(5);
    expect(text('none.html')).toMatch(/There is no curve.*No channel of the model can be removed/s);
  });
});

describe('a page that cannot be written after all', () => {
  it('costs nothing but the page: one message, code 2, or the code of the check', async () => {
    const report = await verify(inside('net.onnx'), inside('student.onnx'), { data: [inside('data.npz')] });
    const written: string[] = [];
    const stream = { isTTY: false, write: (part: string) => written.push(part) > 0 } as unknown as NodeJS.WriteStream;
    const write = (file: string, code: ExitCode) =>
      writeReport(file, { command: 'verify', report }, [], [], { stdout: stream, stderr: stream }, code);
    expect(await write(inside('gone', 'r.html'), ExitCode.Done)).toBe(2);
    expect(await write(inside('gone', 'r.html'), ExitCode.CheckFailed)).toBe(3);
    expect(written).toHaveLength(2);
    expect(written[0]).toMatch(/The report cannot be written: it does not exist/);
    writeFileSync(inside('kept.html'), 'older');
    expect(await write(inside('kept.html'), ExitCode.Done)).toBe(0);
    expect(text('kept.html')).toContain('</html>');
  });
});
