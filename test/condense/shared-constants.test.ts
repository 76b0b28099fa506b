import { beforeEach, expect, it } from 'vitest';
import { condense, encodeModel, parameterCount, type Model } from '../../src/index.js';
import { buildModel, node } from '../build-model.js';
import { constant, randomFeeds, relativeDifference, weights } from '../dense.js';
import { normalRows, writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();
let data: string;
beforeEach(() => {
  data = writeNpz(folder(), 'data.npz', { x: normalRows(200) });
});

const bytes = (model: Model): Buffer => Buffer.concat(encodeModel(model));

/**
 * Two layers of `width` neurons on x, whose exporter merged their equal biases. The last `twice` neurons of the first layer repeat the ones
 * before them.
 */
function merged(width: number, twice: number, outputs: number): Model {
  const distinct = Array.from({ length: 2 * width }, (_, i) => Math.cos(3 * i + 1));
  const doubled = distinct.map((v, i) => (i % width < width - twice ? v : distinct[i - twice]!));
  return buildModel({
    inputs: [{ name: 'x', shape: ['rows', 2] }],
    nodes: [
      node('MatMul', ['x', 'w1'], ['h']),
      node('Add', ['h', 'b'], ['h1']),
      node('Tanh', ['h1'], ['h2']),
      node('MatMul', ['x', 'w2'], ['g']),
      node('Add', ['g', 'b'], ['g1']),
      node('Sigmoid', ['g1'], ['g2']),
      node('Concat', ['h2', 'g2'], ['j'], { axis: 1 }),
      node('Gemm', ['j', 'w3', 'c'], ['y']),
    ],
    initializers: [
      constant('w1', [2, width], doubled),
      weights('w2', [2, width]),
      constant('b', [width], new Array<number>(width).fill(0.25)),
      weights('w3', [2 * width, outputs]),
      weights('c', [outputs]),
    ],
    outputs: [{ name: 'y' }],
  });
}

it('a layer that shares its bias is cut with a copy, and the other keeps the constant', async () => {
  const model = merged(12, 3, 6);
  const { model: reduced, report } = await condense(model, { data: [data], method: 'exact' });
  expect(report.status).toBe('reduced');
  expect(report.nodes.map((n) => n.after)).toEqual([9, 12, 6]);
  expect(report.passes).toContainEqual({ name: 'unshare-constants', changed: true, notes: ['b'] });
  // Three neurons with two inputs and six outputs go, nine numbers come.
  expect(parameterCount(reduced)).toBe(parameterCount(model) - 3 * (2 + 6) + 9);
  expect(await relativeDifference(model, reduced, randomFeeds(model, 30))).toBeLessThan(1e-6);
});

it('where the copy costs more than the cut saves, the model stays as it came', async () => {
  const model = merged(12, 1, 1);
  const { model: reduced, report } = await condense(model, { data: [data], method: 'exact' });
  expect(report.status).toBe('unchanged');
  expect(reduced).toBe(model);
  expect(report.nodes[0]!.refusal?.code).toBe('WEIGHT_SHARED');
});

it('nothing to find: byte for byte the input', async () => {
  const model = merged(12, 0, 6);
  const before = bytes(model);
  const { model: reduced, report } = await condense(model, { data: [data], method: 'exact' });
  expect(report.status).toBe('unchanged');
  expect(reduced).toBe(model);
  expect(bytes(model).equals(before)).toBe(true);
});

it.each(['span', 'cosine'] as const)('a budget holds with the copies counted (%s)', async (method) => {
  const model = merged(12, 3, 6);
  const options = { data: [data], method, keepParams: 0.6, tolerance: 'nrmse=10' };
  const { model: reduced, report } = await condense(model, options);
  expect(report.status).toBe('reduced');
  expect(parameterCount(reduced)).toBeLessThanOrEqual(0.6 * parameterCount(model));
  expect(report.nodes.slice(0, 2).some((n) => n.after! < 12)).toBe(true);
});
