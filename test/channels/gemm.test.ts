import { describe, expect, it } from 'vitest';
import { condensingSites } from '../../src/channels/sites.js';
import { readBias, readWeight } from '../../src/channels/weights.js';
import type { Model } from '../../src/graph/ir.js';
import type { Tensor } from '../../src/graph/tensor.js';
import type { Matrix } from '../../src/linalg/matrix.js';
import { keptIndices } from '../../src/channels/keep.js';
import { cutChannels, type Reduction } from '../../passes/cut-channels.js';
import { buildModel, node, type AttributeValue } from '../build-model.js';
import { analyse, constant, outputsOf, randomFeeds, relativeDifference, summary, weights } from '../dense.js';

const HIDDEN = 5;
const OUTPUTS = 4;

/**
 * x → Gemm h → Gemm m → Gemm y. `m` is the odd one: producer and consumer at once. Channel 4 of h is the constant 0.7 (no weight reaches
 * it), channel 3 of m is not read.
 */
function network(attributes: Record<string, AttributeValue>, bias: Tensor | undefined, irVersion = 8): Model {
  const w1 = Array.from({ length: 3 * HIDDEN }, (_, i) => (i % HIDDEN === 4 ? 0 : Math.cos(7 * i)));
  const w3 = Array.from({ length: OUTPUTS * 2 }, (_, i) => (i >= 6 ? 0 : Math.cos(3 * i)));
  const transA = attributes['transA'] === 1;
  return buildModel({
    irVersion,
    inputs: [{ name: 'x', shape: ['rows', 3] }],
    nodes: [
      node('Gemm', ['x', 'w1', 'b1'], ['h0']),
      ...(transA ? [node('Transpose', ['h0'], ['h'])] : [node('Identity', ['h0'], ['h'])]),
      node('Gemm', bias === undefined ? ['h', 'w2'] : ['h', 'w2', bias.name], ['m'], attributes),
      node('Tanh', ['m'], ['a']),
      node('Gemm', ['a', 'w3'], ['y']),
    ],
    initializers: [
      constant('w1', [3, HIDDEN], w1),
      constant('b1', [HIDDEN], [0.1, 0.2, 0.3, 0.4, 0.7]),
      weights('w2', attributes['transB'] === 1 ? [OUTPUTS, HIDDEN] : [HIDDEN, OUTPUTS]),
      ...(bias === undefined ? [] : [bias]),
      constant('w3', [OUTPUTS, 2], w3),
    ],
    outputs: [{ name: 'y', shape: ['rows', 2] }],
  });
}

/** Removes channel 4 of h, its constant 0.7 given to the bias of m, and the unread channel 3 of m. */
async function condensed(model: Model): Promise<Model> {
  const analysis = await analyse(model);
  expect(summary(analysis)).toEqual({ h0: HIDDEN, m: OUTPUTS, y: 'GRAPH_OUTPUT' });
  const keep = new Uint8Array(analysis.channelCount).fill(1);
  keep[analysis.targets[0]!.channels![4]!] = 0;
  keep[analysis.targets[1]!.channels![3]!] = 0;
  const absorbed = new Map<(typeof analysis.consumers)[number], { weight: Matrix; biasDelta: Float64Array }>();
  for (const site of condensingSites(analysis)) {
    const kept = keptIndices(site.features, keep);
    for (const consumer of site.consumers) {
      const W = readWeight(model, consumer);
      const data = Float64Array.from({ length: W.rows * kept.length }, (_, i) => {
        return W.data[Math.floor(i / kept.length) * W.cols + kept[i % kept.length]!]!;
      });
      const biasDelta = new Float64Array(W.rows);
      if (consumer.node.name === 'm') biasDelta.forEach((_, o) => (biasDelta[o] = 0.7 * W.data[o * W.cols + 4]!));
      absorbed.set(consumer, { weight: { rows: W.rows, cols: kept.length, data }, biasDelta });
    }
  }
  const reduction: Reduction = { analysis, keep, absorbed };
  return (await cutChannels.run(model, reduction)).model;
}

const vector = (dims: number[]): Tensor => weights('b2', dims);
const cases: [string, Record<string, AttributeValue>, Tensor | undefined][] = [
  ['plain', {}, vector([OUTPUTS])],
  ['transB', { transB: 1 }, vector([OUTPUTS])],
  ['transA', { transA: 1 }, vector([OUTPUTS])],
  ['transA and transB', { transA: 1, transB: 1 }, vector([OUTPUTS])],
  ['alpha and beta', { alpha: { float: -0.5 }, beta: { float: 3 } }, vector([OUTPUTS])],
  ['bias [1, m]', { beta: { float: 2 } }, vector([1, OUTPUTS])],
  ['bias [1]', { beta: { float: 2 } }, vector([1])],
  ['bias [1, 1]', {}, vector([1, 1])],
  ['bias []', { beta: { float: -1 } }, vector([])],
  ['no bias', { transB: 1 }, undefined],
  ['no bias, beta 2', { beta: { float: 2 } }, undefined],
];

describe('Gemm in all its forms', () => {
  it.each(cases)(
    '%s: loses channels on both sides, and takes a constant into its bias',
    async (_, attributes, bias) => {
      const model = network(attributes, bias);
      const reduced = await condensed(model);
      expect(reduced.graph.initializers.get('w2')!.dims).toEqual(
        attributes['transB'] === 1 ? [OUTPUTS - 1, HIDDEN - 1] : [HIDDEN - 1, OUTPUTS - 1],
      );
      expect(await relativeDifference(model, reduced, randomFeeds(model, 6))).toBeLessThan(1e-5);
    },
  );

  it.each([
    ['no bias, beta 0', { beta: { float: 0 } }, undefined],
    ['a bias that beta 0 switches off', { beta: { float: 0 } }, vector([OUTPUTS])],
    ['a scalar bias that beta 0 switches off', { beta: { float: 0 } }, vector([])],
  ] as const)('%s: no place for a constant, but channels can go', async (_, attributes, bias) => {
    const model = network(attributes, bias);
    const analysis = await analyse(model);
    expect(summary(analysis)).toEqual({ h0: HIDDEN, m: OUTPUTS, y: 'GRAPH_OUTPUT' });
    const consumer = analysis.consumers[1]!;
    expect(consumer.bias).toEqual({ kind: 'none' });
    expect([...readBias(model, consumer, OUTPUTS)]).toEqual([0, 0, 0, 0]);
    const keep = new Uint8Array(analysis.channelCount).fill(1);
    keep[analysis.targets[1]!.channels![3]!] = 0;
    const { model: reduced } = await cutChannels.run(model, { analysis, keep, absorbed: new Map() });
    expect(await relativeDifference(model, reduced, randomFeeds(model, 6))).toBeLessThan(1e-6);
  });

  it('alpha 0: the weight says nothing, so the node is left alone', async () => {
    const analysis = await analyse(network({ alpha: { float: 0 } }, vector([OUTPUTS])));
    expect(summary(analysis)).toMatchObject({ h0: 'OPERATOR_MIXES', m: 'OPERATOR_MIXES' });
  });

  it.each([
    ['a matrix', weights('b2', [3, OUTPUTS])],
    ['a column', weights('b2', [3, 1])],
  ])('%s in the place of the bias is refused', async (_, bias) => {
    const analysis = await analyse(network({}, bias));
    expect(analysis.targets[1]!.refusal).toMatchObject({ code: 'OPERATOR_MIXES', culprits: ['m'] });
    expect(analysis.targets[1]!.refusal!.message).toContain('other than a bias');
    expect(summary(analysis)['h0']).toBe('OPERATOR_MIXES');
  });

  it('a new bias takes a name that is free, and is an input too where the IR version demands it', async () => {
    const model = network({}, undefined, 3);
    const listed = { name: 'w2_condensed_bias', shape: ['rows', 3], dtype: 'float32' as const };
    const taken: Model = {
      ...model,
      graph: {
        ...model.graph,
        nodes: model.graph.nodes.map((n) => ({ ...n, inputs: n.inputs.map((i) => (i === 'x' ? listed.name : i)) })),
        inputs: [
          listed,
          ...[...model.graph.initializers.values()].map((t) => ({ name: t.name, dtype: t.dtype, shape: t.dims })),
        ],
      },
    };
    const reduced = await condensed(taken);
    const name = reduced.graph.nodes.find((n) => n.name === 'm')!.inputs[2]!;
    expect(name).not.toBe(listed.name);
    expect(reduced.graph.initializers.get(name)!.dims).toEqual([OUTPUTS - 1]);
    expect(reduced.graph.inputs.find((i) => i.name === name)?.shape).toEqual([OUTPUTS - 1]);
    expect(await relativeDifference(taken, reduced, randomFeeds(taken, 6))).toBeLessThan(1e-5);
    expect([...(await outputsOf(reduced, randomFeeds(taken, 6))).keys()]).toEqual(['y']);
  });
});
