import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { loadMetric } from '../../src/verify/metric-module.js';
import type { Metric, MetricArray } from '../../src/verify/user-metric.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();
const page = readFileSync(path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../docs/metric.md'), 'utf8');

/** The example of the page whose first line names the file. */
async function example(name: string): Promise<Metric> {
  const text = [...page.matchAll(/```js\n(\/\/ (\S+):[^]*?)```/g)].find((m) => m[2] === name)![1]!;
  const file = path.join(folder(), name);
  writeFileSync(file, text);
  return loadMetric(file);
}

const floats = (dims: number[], values: number[]): MetricArray => ({ dims, data: Float32Array.from(values) });

it('the accuracy of docs/metric.md', async () => {
  const metric = await example('accuracy.mjs');
  expect(metric).toMatchObject({ name: 'top-1', higherIsBetter: true });
  const scores = floats([4, 3], [0.1, 0.7, 0.2, 5, 1, 2, -3, -2, -1, 0, 1, 0]);
  const labels = { labels: { dims: [4], data: BigInt64Array.from([1n, 0n, 2n, 0n]) } };
  expect(await metric.score({ logits: scores }, {}, labels)).toBe(0.75);
});

it('the conserved mass of docs/metric.md', async () => {
  const metric = await example('mass.mjs');
  expect(metric).toMatchObject({ name: 'mass error', higherIsBetter: false });
  const before = floats([2, 2], [1, 2, 3, 4]);
  expect(await metric.score({ after: floats([2, 2], [2, 1, 3.5, 3.5]) }, { before }, {})).toBe(0);
  expect(await metric.score({ after: floats([2, 2], [1, 2.5, 2.5, 4]) }, { before }, {})).toBe(0.5);
});
