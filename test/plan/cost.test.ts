import { afterAll, describe, expect, it } from 'vitest';
import { analyseChannels } from '../../src/channels/analysis.js';
import type { Site } from '../../src/channels/sites.js';
import { FIXED, type ChannelAnalysis } from '../../src/channels/types.js';
import { shuffled } from '../../src/calibration/random.js';
import type { Absorption } from '../../src/select/span.js';
import { absorbAll } from '../../src/condense/absorb.js';
import { parameterCount } from '../../src/graph/edit.js';
import { countMacs } from '../../src/graph/macs.js';
import type { Model, Node } from '../../src/graph/ir.js';
import type { Tensor } from '../../src/graph/tensor.js';
import { floatTensor } from '../../src/graph/tensor-data.js';
import { zeros } from '../../src/linalg/matrix.js';
import { WidthCost } from '../../src/plan/cost.js';
import { Blas } from '../../src/runtime/blas.js';
import { probeShapes } from '../../src/runtime/shapes.js';
import { cutChannels } from '../../passes/cut-channels.js';
import { TRANSFORMERS } from '../attention-networks.js';
import { buildModel, node } from '../build-model.js';
import { randomFeeds } from '../dense.js';
import { randomMatrix } from '../matrices.js';

const blas = new Blas();
afterAll(() => blas.release());

function constant(name: string, ...dims: number[]): Tensor {
  return floatTensor(
    name,
    dims,
    'float32',
    randomMatrix(
      1,
      dims.reduce((a, b) => a * b, 1),
      name.length,
    ).data,
  );
}

function network(inputs: number, outputs: number, nodes: Node[], initializers: Tensor[]): Model {
  return buildModel({
    inputs: [{ name: 'x', shape: ['N', inputs] }],
    outputs: [{ name: 'y', shape: ['N', outputs] }],
    nodes,
    initializers,
  });
}

const NETWORKS: Record<string, Model> = {
  'Gemm, both layouts, and MatMul with Add': network(
    5,
    3,
    [
      node('Gemm', ['x', 'w1', 'b1'], ['h1'], { transB: 1 }),
      node('Relu', ['h1'], ['a1']),
      node('Gemm', ['a1', 'w2', 'b2'], ['h2']),
      node('Tanh', ['h2'], ['a2']),
      node('MatMul', ['a2', 'w3'], ['m3']),
      node('Add', ['m3', 'b3'], ['h3']),
      node('Relu', ['h3'], ['a3']),
      node('MatMul', ['a3', 'w4'], ['y']),
    ],
    [
      ...[constant('w1', 12, 5), constant('b1', 12), constant('w2', 12, 10), constant('b2', 10)],
      ...[constant('w3', 10, 8), constant('b3', 8), constant('w4', 8, 3)],
    ],
  ),
  'Gemm without biases, which absorption adds': network(
    4,
    2,
    [
      node('Gemm', ['x', 'w1'], ['h1']),
      node('Sigmoid', ['h1'], ['a1']),
      node('Gemm', ['a1', 'w2'], ['h2']),
      node('Sigmoid', ['h2'], ['a2']),
      node('Gemm', ['a2', 'w3'], ['y']),
    ],
    [constant('w1', 4, 9), constant('w2', 9, 7), constant('w3', 7, 2)],
  ),
  'a residual stream, constants per neuron and BatchNormalization': network(
    6,
    3,
    [
      node('Gemm', ['x', 'w1', 'b1'], ['s']),
      node('Gemm', ['s', 'w2', 'b2'], ['h']),
      node('BatchNormalization', ['h', 'g', 'be', 'me', 'va'], ['n']),
      node('PRelu', ['n', 'slope'], ['p']),
      node('Gemm', ['p', 'w3', 'b3'], ['r']),
      node('Add', ['s', 'r'], ['t']),
      node('Mul', ['t', 'factor'], ['u']),
      node('Gemm', ['u', 'w4', 'b4'], ['y']),
    ],
    [
      ...[
        constant('w1', 6, 10),
        constant('b1', 10),
        constant('w2', 10, 14),
        constant('b2', 14),
        constant('g', 14),
        constant('be', 14),
      ],
      ...[
        constant('me', 14),
        constant('va', 14),
        constant('slope', 14),
        constant('w3', 14, 10),
        constant('b3', 10),
        constant('factor', 10),
      ],
      ...[constant('w4', 10, 3), constant('b4', 3)],
    ],
  ),
  'Concat of two spaces and of the input': network(
    5,
    2,
    [
      node('Gemm', ['x', 'w1', 'b1'], ['h1']),
      node('Gemm', ['x', 'w2', 'b2'], ['h2']),
      node('Concat', ['h1', 'x', 'h2'], ['c'], { axis: 1 }),
      node('Gemm', ['c', 'w3', 'b3'], ['h3']),
      node('Relu', ['h3'], ['a3']),
      node('Gemm', ['a3', 'w4', 'b4'], ['y']),
    ],
    [
      ...[constant('w1', 5, 6), constant('b1', 6), constant('w2', 5, 8), constant('b2', 8)],
      ...[constant('w3', 19, 9), constant('b3', 9), constant('w4', 9, 2), constant('b4', 2)],
    ],
  ),
  'attention and an MLP': TRANSFORMERS['a block with LayerNormalization']!.model,
};

/** Rows that the shapes are taken with. */
const ROWS = 2;

function shapesOf(model: Model): Promise<ReadonlyMap<string, readonly number[]>> {
  return probeShapes(model, randomFeeds(model, ROWS), { provider: 'cpu' });
}

async function costOf(model: Model): Promise<{ analysis: ChannelAnalysis; cost: WidthCost }> {
  const shapes = await shapesOf(model);
  const analysis = analyseChannels(model, shapes);
  return { analysis, cost: new WidthCost(model, analysis, shapes, ROWS) };
}

/** The model with `widths[i]` channels of space i left, whichever ones. */
async function cut(model: Model, analysis: ChannelAnalysis, widths: readonly number[]): Promise<Model> {
  const keep = new Uint8Array(analysis.channelCount).fill(1);
  analysis.spaces.forEach((space, i) => {
    for (const at of shuffled(space.channels.length, i).slice(widths[i])) keep[space.channels[at]!] = 0;
  });
  const dropColumns = ({ features }: Site): Absorption => {
    const kept = features.map((c, f) => (c === FIXED || keep[c] === 1 ? f : -1)).filter((f) => f >= 0);
    const T = zeros(features.length, kept.length);
    kept.forEach((f, c) => (T.data[f * kept.length + c] = 1));
    return { kept, T, t: new Float64Array(features.length).fill(0.5) };
  };
  return (
    await cutChannels.run(model, {
      analysis,
      keep,
      absorbed: await absorbAll(model, analysis, keep, dropColumns, blas),
    })
  ).model;
}

describe.each(Object.entries(NETWORKS))('cost of widths: %s', (name, model) => {
  it('is what the model has after the cut: parameters, multiply-accumulates, bytes of weights', async () => {
    const { analysis, cost } = await costOf(model);
    expect(analysis.spaces.length).toBeGreaterThan(1);
    for (let trial = 0; trial < 6; trial++) {
      // Between two (tensors of one element do not count as parameters) and all but one.
      const widths = analysis.spaces.map((s, i) => 2 + ((trial * 3 + i) % (s.channels.length - 2)));
      const reduced = await cut(model, analysis, widths);
      expect(cost.parameters(widths)).toBe(parameterCount(reduced));
      expect(cost.macs(widths)).toBeCloseTo(countMacs(reduced, await shapesOf(reduced)) / ROWS, 6);
      const weights = (m: Model): number =>
        [...m.graph.initializers.values()].reduce((sum, t) => sum + t.storage.byteLength, 0);
      expect(cost.bytesSaved(widths)).toBe(weights(model) - weights(reduced));
    }
  });

  it('at full width is that of the model, with the biases that would be added', async () => {
    const { analysis, cost } = await costOf(model);
    const full = cost.parameters(analysis.spaces.map((s) => s.channels.length));
    expect(full - parameterCount(model)).toBe(name.startsWith('Gemm without') ? 7 + 2 : 0);
  });

  it('grows with every width', async () => {
    const { analysis, cost } = await costOf(model);
    const middle = analysis.spaces.map((s) => Math.floor(s.channels.length / 2));
    for (let i = 0; i < middle.length; i++) {
      const wider = middle.with(i, middle[i]! + 1);
      expect(cost.parameters(wider)).toBeGreaterThan(cost.parameters(middle));
      expect(cost.macs(wider)).toBeGreaterThan(cost.macs(middle));
      expect(cost.bytesSaved(wider)).toBeLessThan(cost.bytesSaved(middle));
    }
  });
});
