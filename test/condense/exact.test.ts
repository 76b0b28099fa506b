import { afterAll, describe, expect, it } from 'vitest';
import { exactReduction } from '../../src/condense/exact.js';
import type { Model, Node } from '../../src/graph/ir.js';
import type { Tensor } from '../../src/graph/tensor.js';
import { Blas } from '../../src/runtime/blas.js';
import { cutChannels } from '../../passes/cut-channels.js';
import { buildModel, node, type IoSpec } from '../build-model.js';
import { analyse, constant, integers, momentsOf, randomFeeds, relativeDifference, summary, weights } from '../dense.js';

const blas = new Blas();
afterAll(() => blas.release());

/** One round of `exact`: the reduced model, the width that each producer keeps, and how far the outputs moved. */
async function reduce(model: Model, evidence: 'weights' | 'data' = 'weights', rows = 50) {
  const analysis = await analyse(model);
  const moments = await momentsOf(model, analysis, randomFeeds(model, rows, 5));
  const { model: reduced } = await cutChannels.run(
    model,
    await exactReduction(model, analysis, moments, evidence, blas),
  );
  const error = await relativeDifference(model, reduced, randomFeeds(model, 40, 6));
  return { error, widths: summary(await analyse(reduced)) };
}

/** Columns side by side: the weight of a layer, one column for each neuron. */
function columns(name: string, ...neurons: number[][]): Tensor {
  const inputs = neurons[0]!.length;
  return constant(
    name,
    [inputs, neurons.length],
    Array.from(
      { length: inputs * neurons.length },
      (_, i) => neurons[i % neurons.length]![Math.floor(i / neurons.length)]!,
    ),
  );
}

const a = [0.3, -0.7, 0.5];
const b = [-0.2, 0.4, 0.9];
const zero = [0, 0, 0];
const times = (c: number, v: number[]): number[] => v.map((x) => c * x);

interface Extra {
  readonly constants?: Tensor[];
  readonly inputs?: IoSpec[];
}

/** x → Gemm (w, bias) → between → Gemm. */
function network(w: Tensor, bias: number[], between: Node[], extra: Extra = {}): Model {
  const n = bias.length;
  return buildModel({
    inputs: [{ name: 'x', shape: ['rows', 3] }, ...(extra.inputs ?? [])],
    nodes: [node('Gemm', ['x', w.name, 'b'], ['h']), ...between, node('Gemm', ['a', 'v', 'c'], ['y'])],
    initializers: [w, constant('b', [n], bias), ...(extra.constants ?? []), weights('v', [n, 2]), weights('c', [2])],
    outputs: [{ name: 'y', shape: ['rows', 2] }],
  });
}
const through = (opType: string, attributes = {}): Node[] => [node(opType, ['h'], ['a'], attributes)];

describe('exact, by the weights', () => {
  it.each([
    [
      'Relu: equal, and scaled by a positive factor',
      columns('w', a, b, a, times(2.5, b), times(-1, a)),
      [1, 2, 1, 5, -1],
      'Relu',
      3,
    ],
    ['LeakyRelu: positive factors', columns('w', a, times(3, a), times(-3, a)), [1, 3, -3], 'LeakyRelu', 2],
    ['linear: any factor', columns('w', a, times(3, a), times(-3, a), b), [1, 3, -3, 0], 'Identity', 2],
    ['Tanh: equal only', columns('w', a, a, times(2, a)), [1, 1, 2], 'Tanh', 2],
    ['equal weights with another bias are different', columns('w', a, a), [1, 1.1], 'Relu', 2],
    ['Relu: constant', columns('w', a, zero, b, zero), [1, 0.7, 0, -0.5], 'Relu', 2],
    ['Sigmoid: constant', columns('w', a, zero, b), [1, 0.7, 0], 'Sigmoid', 2],
  ])('%s', async (_, w, bias, opType, kept) => {
    const { error, widths } = await reduce(network(w, bias, through(opType)));
    expect(widths['h']).toBe(kept);
    expect(error).toBeLessThan(1e-5);
  });

  it('an unread neuron goes, at least one stays', async () => {
    const model = network(columns('w', a, b), [1, 2], through('Relu'));
    model.graph.initializers.set('v', constant('v', [2, 2], [1, 2, 0, 0]));
    expect(await reduce(model)).toMatchObject({ widths: { h: 1 } });
    model.graph.initializers.set('v', constant('v', [2, 2], [0, 0, 0, 0]));
    const { widths, error } = await reduce(model);
    expect(widths['h']).toBe(1);
    expect(error).toBeLessThan(1e-5);
  });

  it('a constant stays where the consumer has no place for it', async () => {
    const model = network(columns('w', a, zero), [1, 0.7], through('Sigmoid'));
    model.graph.nodes.splice(-1, 1, node('MatMul', ['a', 'v'], ['y']));
    expect((await reduce(model)).widths['h']).toBe(2);
  });

  it('different factors behind keep duplicates apart', async () => {
    const [w, bias] = [columns('w', a, a, a), [1, 1, 1]];
    const scaled = network(w, bias, [node('Mul', ['h', 'k'], ['a'])], { constants: [constant('k', [3], [2, 2, 3])] });
    const { widths, error } = await reduce(scaled);
    expect(widths['h']).toBe(2);
    expect(error).toBeLessThan(1e-5);
  });

  it('numbers that are equal but read different values are no duplicates', async () => {
    // The stream is [p | q] + r: channels 1 and 3 have equal weights, on different inputs.
    const model = buildModel({
      inputs: [
        { name: 'x', shape: ['rows', 3] },
        { name: 'z', shape: ['rows', 3] },
      ],
      nodes: [
        node('Gemm', ['x', 'wp'], ['p']),
        node('Gemm', ['z', 'wq'], ['q']),
        node('Concat', ['p', 'q'], ['j'], { axis: 1 }),
        node('Gemm', ['x', 'wr'], ['r']),
        node('Add', ['j', 'r'], ['s']),
        node('Gemm', ['s', 'v'], ['y']),
      ],
      initializers: [
        columns('wp', b, a),
        columns('wq', [1, 0, 0], a),
        columns('wr', a, b, [0, 1, 0], b),
        weights('v', [4, 2]),
      ],
      outputs: [{ name: 'y', shape: ['rows', 2] }],
    });
    const { error, widths } = await reduce(model);
    expect(widths).toMatchObject({ r: 4 });
    expect(error).toBeLessThan(1e-5);
  });

  it('whole numbers do not scale', async () => {
    const cast = [node('Cast', ['h'], ['i'], { to: 6 }), node('Cast', ['i'], ['a'], { to: 1 })];
    const { error, widths } = await reduce(network(columns('w', times(4, a), times(10, a)), [0, 0], cast));
    expect(widths['h']).toBe(2);
    expect(error).toBeLessThan(1e-5);
  });

  it.each([
    ['a factor for each row', [node('Mul', ['h', 'g'], ['a'])], { inputs: [{ name: 'g', shape: ['rows', 1] }] }],
    [
      'a term for each row',
      [node('Add', ['g', 'h'], ['s']), node('Relu', ['s'], ['a'])],
      { inputs: [{ name: 'g', shape: ['rows', 1] }] },
    ],
    [
      'a count of rows',
      [node('Exp', ['h'], ['e']), node('ReduceSum', ['e', 'rows'], ['t']), node('Div', ['e', 't'], ['a'])],
      { constants: [integers('rows', [0])] },
    ],
  ] as [string, Node[], Extra][])('a neuron without weights is not constant behind %s', async (_, between, extra) => {
    const { error, widths } = await reduce(network(columns('w', a, zero, b), [1, 0.7, 0], between, extra));
    expect(error).toBeLessThan(1e-5);
    expect(widths['h']).not.toBe(2);
  });

  it('a neuron without weights is not constant where a constant is added for each position', async () => {
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 4, 3] }],
      nodes: [
        node('MatMul', ['x', 'w'], ['h']),
        node('Add', ['h', 'position'], ['a']),
        node('MatMul', ['a', 'v'], ['m']),
        node('Add', ['m', 'c'], ['y']),
      ],
      initializers: [columns('w', a, zero, b), weights('position', [4, 3]), weights('v', [3, 2]), weights('c', [2])],
      outputs: [{ name: 'y', shape: ['rows', 4, 2] }],
    });
    const { error, widths } = await reduce(model);
    expect(error).toBeLessThan(1e-5);
    expect(widths['h']).toBe(3);
  });

  it('nothing is removed from a network that has nothing redundant', async () => {
    const model = network(columns('w', a, b, times(-1, a), [1, 0, 0]), [1, 2, 3, 4], through('Relu'));
    const analysis = await analyse(model);
    const reduction = await exactReduction(
      model,
      analysis,
      await momentsOf(model, analysis, randomFeeds(model, 20)),
      'weights',
      blas,
    );
    expect(reduction.keep.every((k) => k === 1)).toBe(true);
    expect((await cutChannels.run(model, reduction)).model).toBe(model);
  });
});

describe('exact, by the data', () => {
  it('finds what only the sample shows: a Relu that never fires, and one that is always on', async () => {
    // Neuron 1 is dead (bias −50); 2 and 3 are linear on the sample (bias +50), and 3 is twice 2.
    const model = network(columns('w', a, b, b, times(2, b)), [0.1, -50, 50, 100], through('Relu'));
    expect((await reduce(model)).widths['h']).toBe(3);
    const { error, widths } = await reduce(model, 'data');
    expect(widths['h']).toBe(2);
    expect(error).toBeLessThan(1e-5);
  });

  it('finds nothing where the sample shows nothing', async () => {
    const model = network(columns('w', a, b, [1, 0, 0]), [0.1, 0.2, 0.3], through('Tanh'));
    expect((await reduce(model, 'data')).widths['h']).toBe(3);
  });
});
