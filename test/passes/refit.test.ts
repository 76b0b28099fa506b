import { afterAll, describe, expect, it } from 'vitest';
import type { Batch } from '../../src/calibration/stream.js';
import type { ChannelAnalysis } from '../../src/channels/types.js';
import { spanReduction } from '../../src/condense/span.js';
import type { Model } from '../../src/graph/ir.js';
import { Blas } from '../../src/runtime/blas.js';
import { cutChannels } from '../../passes/cut-channels.js';
import { refitInSequence } from '../../passes/refit.js';
import { buildModel, node, type AttributeValue } from '../build-model.js';
import {
  analyse,
  constant,
  CPU,
  keepFirst,
  momentsOf,
  outputsOf,
  randomFeeds,
  relativeDifference,
  snapshot,
  weights,
} from '../dense.js';

const blas = new Blas();
afterAll(() => blas.release());

const FOLDS = 4;
const ROWS = 200;

function batchesFor(model: Model): Batch[] {
  return Array.from({ length: FOLDS }, (_, fold) => ({
    feeds: randomFeeds(model, ROWS, 10 + fold),
    rows: Array.from({ length: ROWS }, (_, i) => fold * ROWS + i),
    fold,
  }));
}

/** Absorbs what `keep` drops, and refits; both models. */
async function reduce(model: Model, analysis: ChannelAnalysis, keep: Uint8Array, memory = 1e8) {
  const moments = await momentsOf(model, analysis, randomFeeds(model, 500, 3));
  const cut = (await cutChannels.run(model, await spanReduction(model, analysis, keep, moments, blas))).model;
  const refit = await refitInSequence.run(cut, {
    ...{ original: model, analysis, keep, folds: FOLDS, stack: 1, session: CPU, blas, memory },
    ...{ shapes: new Map(), probed: 1, positions: undefined },
    batches: batchesFor(model),
  });
  return { cut, refit };
}

/** Mean squared difference of the output over rows that nothing was fitted on. */
async function squaredError(a: Model, b: Model): Promise<number> {
  const feeds = randomFeeds(a, 500, 99);
  const [x, y] = [(await outputsOf(a, feeds)).get('y')!, (await outputsOf(b, feeds)).get('y')!];
  const [p, q] = [x.data as Float32Array, y.data as Float32Array];
  return p.reduce((sum, v, i) => sum + (v - q[i]!) ** 2, 0) / p.length;
}

/** Two hidden layers of 12, mildly non-linear, so that few neurons nearly span the layer and means are far from zero. */
function network(
  style: 'Gemm' | 'Gemm without bias' | 'MatMul',
  attributes: Record<string, AttributeValue> = {},
): Model {
  const layer = (x: string, w: string, b: string, out: string) => {
    if (style === 'Gemm') return [node('Gemm', [x, w, b], [out], attributes)];
    if (style === 'Gemm without bias') return [node('Gemm', [x, w], [out], attributes)];
    return [node('MatMul', [x, w], [`${out}m`]), node('Add', [b, `${out}m`], [out])];
  };
  return buildModel({
    inputs: [{ name: 'x', shape: ['rows', 3] }],
    nodes: [
      ...layer('x', 'w1', 'b1', 'h'),
      node('Sigmoid', ['h'], ['a']),
      ...layer('a', 'w2', 'b2', 'g'),
      node('Sigmoid', ['g'], ['c']),
      ...layer('c', 'w3', 'b3', 'y'),
    ],
    initializers: [
      weights('w1', [3, 12]),
      weights('w2', [12, 12]),
      weights('w3', [12, 2]),
      ...(style === 'Gemm without bias' ? [] : [weights('b1', [12]), weights('b2', [12]), weights('b3', [2])]),
    ],
    outputs: [{ name: 'y', shape: ['rows', 2] }],
  });
}

describe('refit in sequence', () => {
  it.each([
    ['Gemm', network('Gemm')],
    ['Gemm with alpha and beta', network('Gemm', { alpha: { float: 0.5 }, beta: { float: -2 } })],
    ['Gemm without bias, which is given one', network('Gemm without bias')],
    ['the same with beta', network('Gemm without bias', { beta: { float: 3 } })],
    ['MatMul + Add', network('MatMul')],
  ])('does better than absorption alone: %s', async (_, model) => {
    const analysis = await analyse(model);
    const { cut, refit } = await reduce(model, analysis, keepFirst(analysis, 6));
    const [before, after] = [await squaredError(model, cut), await squaredError(model, refit.model)];
    expect(before).toBeGreaterThan(0);
    expect(after).toBeLessThan(before);
    expect(refit.changed).toBe(true);
    expect(refit.notes).toHaveLength(2);
  });

  it('gives the same result whether values are cached between the steps or not', async () => {
    const model = network('MatMul');
    const analysis = await analyse(model);
    const cached = await reduce(model, analysis, keepFirst(analysis, 5));
    const computed = await reduce(model, analysis, keepFirst(analysis, 5), 0);
    expect(await relativeDifference(cached.refit.model, computed.refit.model, randomFeeds(model, 50))).toBeLessThan(
      1e-5,
    );
  });

  it('leaves a lossless reduction lossless: duplicates and a constant, in a residual network with several consumers', async () => {
    // Channels 4 and 5 of the stream are channels 0 and 1 again, channel 3 of the inner layer is constant.
    const twice = (name: string, rows: number) => {
      const half = Array.from({ length: rows * 4 }, (_, i) => Math.cos(i * 3 + rows));
      return constant(
        name,
        [rows, 6],
        Array.from({ length: rows * 6 }, (_, i) => half[Math.floor(i / 6) * 4 + (i % 6 < 4 ? i % 6 : (i % 6) - 4)]!),
      );
    };
    const inner = Array.from({ length: 24 }, (_, i) => (i % 4 === 3 ? 0 : Math.sin(i)));
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 3] }],
      nodes: [
        node('Gemm', ['x', 'w1'], ['s0']),
        node('Gemm', ['s0', 'w2', 'b2'], ['f']),
        node('Tanh', ['f'], ['t']),
        node('MatMul', ['t', 'w3'], ['g']),
        node('Add', ['s0', 'g'], ['s1']),
        node('Gemm', ['s1', 'w4'], ['y'], { alpha: { float: 2 } }),
        node('MatMul', ['s1', 'w5'], ['z']),
      ],
      initializers: [
        twice('w1', 3),
        constant('w2', [6, 4], inner),
        constant('b2', [4], [0.1, 0.2, 0.3, 0.9]),
        twice('w3', 4),
        weights('w4', [6, 2]),
        weights('w5', [6, 2]),
      ],
      outputs: [{ name: 'y' }, { name: 'z' }],
    });
    const analysis = await analyse(model);
    expect(analysis.spaces.map((s) => s.channels.length)).toEqual([6, 4]);
    const keep = new Uint8Array(analysis.channelCount).fill(1);
    analysis.spaces[0]!.channels.slice(4).forEach((c) => (keep[c] = 0));
    const { cut, refit } = await reduce(model, analysis, keep);
    expect(await relativeDifference(model, cut, randomFeeds(model, 50))).toBeLessThan(1e-5);
    expect(await relativeDifference(model, refit.model, randomFeeds(model, 50))).toBeLessThan(1e-4);
    expect(refit.notes.map((n) => n.split(':')[0])).toEqual(['f', 'g', 'y', 'z']);
  });

  it('does nothing where everything was kept, and never edits its input', async () => {
    const model = network('Gemm');
    const analysis = await analyse(model);
    const keep = keepFirst(analysis, 12);
    const { cut, refit } = await reduce(model, analysis, keep);
    expect(cut).toBe(model);
    expect(refit).toEqual({ model, changed: false, notes: [] });

    const before = snapshot(model);
    await reduce(model, analysis, keepFirst(analysis, 3));
    expect(snapshot(model)).toBe(before);
  });
});
