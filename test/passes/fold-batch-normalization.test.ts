import { describe, expect, it } from 'vitest';
import type { Model, Node } from '../../src/graph/ir.js';
import type { Tensor } from '../../src/graph/tensor.js';
import { foldBatchNormalization } from '../../passes/fold-batch-normalization.js';
import { buildModel, node, type AttributeValue, type GraphSpec } from '../build-model.js';
import { constant, dimsOf, randomFeeds, relativeDifference, snapshot, weights } from '../dense.js';

/** γ, β, μ and σ² of n channels, all far from neutral. */
function statistics(n: number, prefix = ''): Tensor[] {
  const values = (f: (i: number) => number) => Array.from({ length: n }, (_, i) => f(i));
  return [
    constant(
      `${prefix}gamma`,
      [n],
      values((i) => 1.5 + Math.sin(i)),
    ),
    constant(
      `${prefix}beta`,
      [n],
      values((i) => Math.cos(i)),
    ),
    constant(
      `${prefix}mean`,
      [n],
      values((i) => 2 * Math.sin(2 * i)),
    ),
    constant(
      `${prefix}variance`,
      [n],
      values((i) => 0.1 + i),
    ),
  ];
}

const STATISTICS = ['gamma', 'beta', 'mean', 'variance'];
const normalise = (input: string, output: string, attributes: Record<string, AttributeValue> = {}): Node =>
  node('BatchNormalization', [input, ...STATISTICS], [output], { epsilon: { float: 1e-3 }, ...attributes });

/** x → the node, which makes h with 4 channels → BatchNormalization → Relu → y. */
function network(
  shape: readonly number[],
  maker: Node,
  constants: readonly Tensor[],
  extra: Partial<GraphSpec> = {},
): Model {
  return buildModel({
    inputs: [{ name: 'x', shape: ['rows', ...shape] }],
    nodes: [maker, normalise('h', 'n'), node('Relu', ['n'], ['y'])],
    initializers: [...constants, ...statistics(4)],
    outputs: [{ name: 'y' }],
    ...extra,
  });
}

const kernel = (...dims: number[]): Tensor => weights('w', dims);
const bias = (...dims: number[]): Tensor => weights('b', dims);

describe('folding BatchNormalization into the node in front of it', () => {
  const cases: Record<string, Model> = {
    'Conv 1-D': network([3, 9], node('Conv', ['x', 'w'], ['h'], { pads: [1, 1] }), [kernel(4, 3, 3)]),
    'Conv 2-D with bias': network([3, 5, 6], node('Conv', ['x', 'w', 'b'], ['h'], { strides: [2, 1] }), [
      kernel(4, 3, 3, 2),
      bias(4),
    ]),
    'Conv 2-D with an empty bias': network([3, 5, 6], node('Conv', ['x', 'w', ''], ['h']), [kernel(4, 3, 1, 1)]),
    'Conv in groups': network([6, 5, 5], node('Conv', ['x', 'w', 'b'], ['h'], { group: 2 }), [
      kernel(4, 3, 3, 3),
      bias(4),
    ]),
    'depthwise Conv': network([4, 5, 5], node('Conv', ['x', 'w'], ['h'], { group: 4, pads: [1, 1, 1, 1] }), [
      kernel(4, 1, 3, 3),
    ]),
    ConvTranspose: network([3, 4, 4], node('ConvTranspose', ['x', 'w'], ['h'], { strides: [2, 2] }), [
      kernel(3, 4, 3, 3),
    ]),
    'ConvTranspose with bias': network([3, 4], node('ConvTranspose', ['x', 'w', 'b'], ['h']), [
      kernel(3, 4, 2),
      bias(4),
    ]),
    Gemm: network([3], node('Gemm', ['x', 'w'], ['h']), [kernel(3, 4)]),
    'Gemm with transB, alpha and beta': network(
      [3],
      node('Gemm', ['x', 'w', 'b'], ['h'], { transB: 1, alpha: { float: 0.5 }, beta: { float: -2 } }),
      [kernel(4, 3), bias(4)],
    ),
    'Gemm with beta and no bias': network([3], node('Gemm', ['x', 'w'], ['h'], { beta: { float: 3 } }), [kernel(3, 4)]),
    'Gemm with a scalar bias': network([3], node('Gemm', ['x', 'w', 'b'], ['h']), [kernel(3, 4), bias()]),
    'Gemm with a row as bias': network([3], node('Gemm', ['x', 'w', 'b'], ['h']), [kernel(3, 4), bias(1, 4)]),
  };

  it.each(Object.entries(cases))('%s: outputs stay, the node goes', async (_, model) => {
    const before = snapshot(model);
    const { model: folded, changed, notes } = await foldBatchNormalization.run(model, undefined);
    expect(snapshot(model)).toBe(before);
    expect([changed, notes]).toEqual([true, ['n']]);
    expect(folded.graph.nodes.map((n) => n.opType)).toEqual([model.graph.nodes[0]!.opType, 'Relu']);
    expect([...folded.graph.initializers.keys()].filter((name) => STATISTICS.includes(name))).toEqual([]);
    expect(await relativeDifference(model, folded, randomFeeds(model, 3))).toBeLessThan(1e-5);
  });

  it('a chain of them folds node by node, weights in Constant nodes too', async () => {
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 3, 6, 6] }],
      nodes: [
        node('Constant', [], ['w1'], { value: weights('w1', [4, 3, 3, 3]) }),
        node('Conv', ['x', 'w1'], ['c1']),
        normalise('c1', 'n1'),
        node('Relu', ['n1'], ['a1']),
        node('Conv', ['a1', 'w2', 'b2'], ['c2']),
        normalise('c2', 'n2'),
        normalise('n2', 'y'),
      ],
      initializers: [weights('w2', [4, 4, 1, 1]), weights('b2', [4]), ...statistics(4)],
      outputs: [{ name: 'y' }],
    });
    const { model: folded, notes } = await foldBatchNormalization.run(model, undefined);
    expect(notes).toEqual(['n1', 'n2', 'y']);
    expect(folded.graph.nodes.map((n) => n.opType)).toEqual(['Constant', 'Conv', 'Relu', 'Conv']);
    expect(await relativeDifference(model, folded, randomFeeds(model, 3))).toBeLessThan(1e-5);
  });

  it('deletes what only the folded node read, and touches nothing else', async () => {
    const model = network([3, 6], node('Conv', ['x', 'w'], ['h']), [kernel(4, 3, 3), weights('unused', [7])], {
      valueInfo: [
        { name: 'h', shape: ['rows', 4, 4] },
        { name: 'n', shape: ['rows', 4, 4] },
      ],
    });
    // γ is read once more, and must stay.
    model.graph.nodes.push(node('Mul', ['gamma', 'gamma'], ['z']));
    model.graph.outputs.push({ name: 'z', dtype: 'float32', shape: [4] });
    const { model: folded } = await foldBatchNormalization.run(model, undefined);
    expect([...folded.graph.initializers.keys()].sort()).toEqual(['gamma', 'unused', 'w', 'w_bias']);
    expect(folded.graph.valueInfo.map((v) => v.name)).toEqual(['n']);
    expect(folded.graph.initializers.get('gamma')).toBe(model.graph.initializers.get('gamma'));
    expect(folded.graph.nodes.slice(1)).toEqual(model.graph.nodes.slice(2));
    expect(dimsOf(folded, 'w', 'w_bias')).toEqual([[4, 3, 3], [4]]);
    expect(await relativeDifference(model, folded, randomFeeds(model, 3))).toBeLessThan(1e-5);
  });

  it('a branch that nothing reads stays complete', async () => {
    const model = network([3, 6], node('Conv', ['x', 'w'], ['h']), [kernel(4, 3, 3), weights('v', [4, 3, 1])]);
    model.graph.nodes.push(node('Conv', ['x', 'v'], ['g']), normalise('g', 'm'));
    const { model: folded, notes } = await foldBatchNormalization.run(model, undefined);
    expect(notes).toEqual(['n', 'm']);
    expect(folded.graph.initializers.has('v_bias')).toBe(true);
    expect(await relativeDifference(model, folded, randomFeeds(model, 3))).toBeLessThan(1e-5);
  });

  it('a new bias is a graph input where the IR version wants it, under a name that is free', async () => {
    const model = network([3, 6], node('Conv', ['x', 'w'], ['h']), [kernel(4, 3, 3), weights('w_bias', [2])]);
    for (const tensor of model.graph.initializers.values())
      model.graph.inputs.push({ name: tensor.name, dtype: 'float32', shape: tensor.dims });
    const { model: folded } = await foldBatchNormalization.run({ ...model, irVersion: 3 }, undefined);
    expect(folded.graph.inputs.map((i) => i.name).sort()).toEqual(['w', 'w_bias', 'w_bias_1', 'x']);
    expect(await relativeDifference(model, folded, randomFeeds(model, 3))).toBeLessThan(1e-5);
  });
});

describe('BatchNormalization that stays', () => {
  const conv = (attributes: Record<string, AttributeValue> = {}): Node =>
    node('Conv', ['x', 'w', 'b'], ['h'], attributes);
  const plain = (extra: Node[] = [], outputs = ['y'], maker = conv()): Model =>
    network([3, 6], maker, [kernel(4, 3, 3), bias(4)], {
      nodes: [maker, normalise('h', 'n'), node('Relu', ['n'], ['y']), ...extra],
      outputs: outputs.map((name) => ({ name })),
    });
  const reading = (name: string): Node[] => [node('Mul', [name, name], ['z'])];

  const cases: Record<string, Model> = {
    'the raw output is read elsewhere': plain(reading('h'), ['y', 'z']),
    'the raw output is an output of the graph': plain([], ['y', 'h']),
    'the weight is read elsewhere': plain(reading('w'), ['y', 'z']),
    'the bias is read elsewhere': plain(reading('b'), ['y', 'z']),
    'the weight is an output of the graph': plain([], ['y', 'w']),
    'the weight is seen through an Identity': network([3, 6], node('Conv', ['x', 'w1'], ['h']), [kernel(4, 3, 3)], {
      nodes: [
        node('Identity', ['w'], ['w1']),
        node('Conv', ['x', 'w1'], ['h']),
        normalise('h', 'n'),
        node('Relu', ['n'], ['y']),
      ],
    }),
    'training mode': network([3, 6], conv(), [kernel(4, 3, 3), bias(4)], {
      nodes: [
        conv(),
        node('BatchNormalization', ['h', ...STATISTICS], ['n', 'm', 'v'], { training_mode: 1 }),
        node('Relu', ['n'], ['y']),
      ],
    }),
    'statistics computed at run time': network([3, 6], conv(), [kernel(4, 3, 3), bias(4)], {
      nodes: [
        conv(),
        node('Abs', ['mean'], ['fed']),
        node('BatchNormalization', ['h', 'gamma', 'beta', 'fed', 'variance'], ['n']),
        node('Relu', ['n'], ['y']),
      ],
    }),
    'a weight computed at run time': network([3, 6], node('Conv', ['x', 'v'], ['h']), [kernel(4, 3, 3)], {
      nodes: [
        node('Abs', ['w'], ['v']),
        node('Conv', ['x', 'v'], ['h']),
        normalise('h', 'n'),
        node('Relu', ['n'], ['y']),
      ],
    }),
    'ConvTranspose in groups': network([4, 6], node('ConvTranspose', ['x', 'w'], ['h'], { group: 2 }), [
      kernel(4, 2, 3),
    ]),
    'Gemm whose beta is 0 has no place for a bias': network(
      [3],
      node('Gemm', ['x', 'w'], ['h'], { beta: { float: 0 } }),
      [kernel(3, 4)],
    ),
    'Gemm that adds a column': network([3], node('Gemm', ['x', 'w', 'b'], ['h']), [kernel(3, 4), bias(4, 1)]),
    'another operator stands in front': network([4, 6], node('Relu', ['x'], ['h']), []),
    'it stands at the input': network([4, 6], node('Relu', ['n'], ['r']), [], {
      nodes: [normalise('x', 'n'), node('Relu', ['n'], ['y'])],
    }),
  };

  it.each(Object.entries(cases))('%s', async (_, model) => {
    // The case is a model that runs: nothing else than the named reason stands in the way.
    expect(await relativeDifference(model, model, randomFeeds(model, 4))).toBe(0);
    expect(await foldBatchNormalization.run(model, undefined)).toEqual({ model, changed: false, notes: [] });
  });

  it('weights shared by two nodes: neither is folded', async () => {
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 3, 6] }],
      nodes: [
        node('Conv', ['x', 'w'], ['h']),
        normalise('h', 'n'),
        node('Conv', ['x', 'w'], ['g']),
        normalise('g', 'm'),
        node('Add', ['n', 'm'], ['y']),
      ],
      initializers: [kernel(4, 3, 3), ...statistics(4)],
      outputs: [{ name: 'y' }],
    });
    expect((await foldBatchNormalization.run(model, undefined)).changed).toBe(false);
  });
});
