import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { condense } from '../../src/condense/condense.js';
import { writeModel } from '../../src/onnx/index.js';
import { sharedFolder } from '../cli/cli.js';
import { outputsOf } from '../dense.js';
import { normals } from '../matrices.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { codeBlocks, readPage, repoRoot } from './pages.js';

const inside = sharedFolder();
const blocks = codeBlocks(readPage('docs/library.md'));
/** The files of the page in its order, each with what it is said to print. */
const examples = blocks.flatMap(({ language, text }, i) => {
  if (language !== 'js') return [];
  const next = blocks[i + 1];
  const printed = next?.language === 'text' ? next.text : '';
  return [{ name: /^\/\/ (\S+\.mjs)\n/.exec(text)?.[1] ?? `(block ${i})`, text, printed }];
});

beforeAll(async () => {
  const net = smoothNetwork({ hidden: 64 });
  await writeModel(net, inside('net.onnx'));
  const x = normalRows(2000);
  const y = (await outputsOf(net, new Map([['x', x]]))).get('y')!;
  const next = normals(7);
  const truth = { ...y, data: Float32Array.from(y.data as Float32Array, (v) => v + 0.05 * next()) };
  writeNpz(inside(), 'inputs.npz', { x, truth });
  mkdirSync(inside('node_modules'));
  symlinkSync(repoRoot, inside('node_modules', 'onnx-condense'), 'dir');
});

it('every example names its file', () => {
  expect(examples.length).toBeGreaterThan(8);
  for (const { name } of examples) expect(name).toMatch(/\.mjs$/);
});

// One after the other: later examples read what earlier ones wrote.
it.each(examples)('$name of docs/library.md runs and prints what stands below it', async ({ name, text, printed }) => {
  writeFileSync(inside(name), text);
  const { stdout } = await promisify(execFile)(process.execPath, [name], { cwd: inside() });
  const [said, wanted] = [stdout, printed].map((t) => t.trimEnd().split('\n'));
  expect(said!.length, stdout).toBe(wanted!.length);
  said!.forEach((line, i) => expectLike(line.trimEnd(), wanted![i]!));
});

it('the page of docs/library.md is one', () => {
  const page = readFileSync(inside('report.html'), 'utf8');
  expect(page).toContain('<h2');
  for (const id of ['verdict', 'network', 'outputs', 'repeat']) expect(page).toContain(`id="${id}"`);
});

it('an error that onProgress throws ends a run, as the page says', async () => {
  const enough = new Error('enough');
  const onProgress = (): never => {
    throw enough;
  };
  await expect(condense(inside('net.onnx'), { data: [inside('inputs.npz')], onProgress })).rejects.toBe(enough);
});

/** Equal but for times, and for errors and sizes to a factor of two: they depend on the machine in their last digits. */
function expectLike(line: string, wanted: string): void {
  const times = /\d+\.\d+(?= (?:ms|times))/g;
  const figures = /(?<![\w.])(?:\d*\.\d+(?:e[-+]?\d+)?|\d+e[-+]?\d+|\d{2,})(?![\w])/g;
  const parts = [line, wanted].map((l) => l.replace(times, '(time)'));
  expect(parts[0]!.replace(figures, '(figure)')).toBe(parts[1]!.replace(figures, '(figure)'));
  const [found, named] = parts.map((p) => [...p.matchAll(figures)].map(([number]) => Number(number)));
  found!.forEach((value, i) => {
    expect(value / named![i]!, line).toBeGreaterThan(0.5);
    expect(value / named![i]!, line).toBeLessThan(2);
  });
}
