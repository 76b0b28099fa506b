import { describe, expect, it } from 'vitest';
import { probeShapes } from '../../src/runtime/shapes.js';
import { withSession } from '../../src/runtime/session.js';
import { trainableWeights, trainingGraph, type TrainingGraph } from '../../src/train/training-graph.js';
import type { Model } from '../../src/graph/ir.js';
import { toFloat32 } from '../../src/graph/tensor-data.js';
import type { NumericArray } from '../../src/graph/feeds.js';
import { buildModel, node } from '../build-model.js';
import { constant, CPU, outputsOf, randomFeeds, weights } from '../dense.js';
import { smoothNetwork } from '../networks.js';

const ROWS = 8;

/** The training graph of a model by the squared error of its output y. */
async function squaredErrorGraph(model: Model): Promise<TrainingGraph> {
  const shapes = await probeShapes(model, randomFeeds(model, ROWS), CPU);
  return trainingGraph(model, shapes, [
    { kind: 'squared', output: 'y', of: 'y', deviations: Float64Array.of(1), weight: 1 },
  ]);
}

describe('trainableWeights', () => {
  it('are weights and biases of layers, not what normalises the input', () => {
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['n', 3] }],
      nodes: [
        node('Sub', ['x', 'mean'], ['c']),
        node('MatMul', ['c', 'w1'], ['h']),
        node('Add', ['h', 'b1'], ['z']),
        node('Tanh', ['z'], ['a']),
        node('Gemm', ['a', 'w2', 'b2'], ['y']),
      ],
      initializers: [
        weights('mean', [3]),
        weights('w1', [3, 4]),
        weights('b1', [4]),
        weights('w2', [4, 2]),
        weights('b2', [2]),
      ],
      outputs: [{ name: 'y', shape: ['n', 2] }],
    });
    expect([...trainableWeights(model).keys()]).toEqual(['w1', 'b1', 'w2', 'b2']);
  });
});

describe('trainingGraph', () => {
  it('gives the loss, and a gradient that lowers it', async () => {
    const model = smoothNetwork({ hidden: 8 });
    const feeds = randomFeeds(model, ROWS);
    const shapes = await probeShapes(model, feeds, CPU);
    const deviations = Float64Array.of(1, 2, 0.5);
    const graph = trainingGraph(model, shapes, [{ kind: 'squared', output: 'y', of: 'y', deviations, weight: 1 }]);
    expect(graph.stops).toEqual([]);
    expect([...graph.weights.keys()].sort()).toEqual(['b1', 'b2', 'b3', 'w1', 'w2', 'w3']);
    const y = (await outputsOf(model, feeds)).get('y')!;
    const target: NumericArray = { ...y, data: (y.data as Float32Array).map((v, i) => v + Math.sin(i)) };
    await withSession(graph.model, CPU, async (session) => {
      const names = [...graph.weights.keys()];
      const values = names.map((name) => toFloat32(graph.weights.get(name)!).slice());
      const run = () =>
        session.run(
          new Map([
            ...feeds,
            [[...graph.targets.keys()][0]!, target],
            ...names.map((name, i): [string, NumericArray] => [
              name,
              { dtype: 'float32', dims: graph.weights.get(name)!.dims, data: values[i]! },
            ]),
          ]),
        );
      const first = await run();
      const loss = (result: typeof first): number => (result.get(graph.loss)!.data as Float32Array)[0]!;
      const expected =
        (y.data as Float32Array).reduce((sum, _, i) => sum + (Math.sin(i) / deviations[i % 3]!) ** 2, 0) /
        y.data.length;
      expect(loss(first)).toBeCloseTo(expected, 4);
      names.forEach((name, k) => {
        const g = first.get(graph.gradients.get(name)!)!.data as Float32Array;
        g.forEach((v, i) => (values[k]![i]! -= 1e-3 * v));
      });
      expect(loss(await run())).toBeLessThan(loss(first));
    });
  });

  it('names the nodes that no gradient passes', async () => {
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['n', 3] }],
      nodes: [
        node('Gemm', ['x', 'w1'], ['h'], {}, { name: 'first' }),
        node('Round', ['h'], ['r'], {}, { name: 'step' }),
        node('Gemm', ['r', 'w2'], ['y'], {}, { name: 'second' }),
      ],
      initializers: [weights('w1', [3, 4]), weights('w2', [4, 2]), constant('unused', [1], [0])],
      outputs: [{ name: 'y', shape: ['n', 2] }],
    });
    const graph = await squaredErrorGraph(model);
    expect([...graph.weights.keys()]).toEqual(['w2']);
    expect([...graph.decaying]).toEqual(['w2']);
    expect(graph.stops).toEqual([{ node: 'step', opType: 'Round', reason: 'it has no rule' }]);
  });

  it('has no gradient through whole numbers', async () => {
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['n', 3] }],
      nodes: [
        node('MatMul', ['x', 'w1'], ['h']),
        node('Cast', ['h'], ['i'], { to: 7 }, { name: 'whole' }),
        node('Cast', ['i'], ['r'], { to: 1 }, { name: 'back' }),
        node('MatMul', ['r', 'w2'], ['y']),
      ],
      initializers: [weights('w1', [3, 4]), weights('w2', [4, 2])],
      outputs: [{ name: 'y', shape: ['n', 2] }],
    });
    const graph = await squaredErrorGraph(model);
    expect([...graph.weights.keys()]).toEqual(['w2']);
    expect(graph.stops).toEqual([{ node: 'whole', opType: 'Cast', reason: 'it makes whole numbers or bits' }]);
  });

  it('trains the bias of a single output, and no mask', () => {
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['n', 3] }],
      nodes: [
        node('Gemm', ['x', 'w1', 'b1'], ['h']),
        node('Transpose', ['h'], ['t']),
        node('MatMul', ['h', 't'], ['s']),
        node('Add', ['s', 'mask'], ['m']),
        node('MatMul', ['m', 'w2'], ['r']),
        node('Add', ['r', 'hidden'], ['q']),
        node('MatMul', ['q', 'w3'], ['p']),
        node('Add', ['p', 'b3'], ['y']),
      ],
      initializers: [
        weights('w1', [3, 1]),
        constant('b1', [1], [1]),
        constant('mask', [1], [2]),
        weights('w2', [1, 2]),
        constant('hidden', [2], [0, -Infinity]),
        weights('w3', [2, 1]),
        constant('b3', [1], [1]),
      ],
      outputs: [{ name: 'y', shape: ['n', 1] }],
    });
    expect([...trainableWeights(model).keys()]).toEqual(['w1', 'b1', 'w2', 'w3', 'b3']);
  });

  it('trains what scales, shifts and bends values, and lets matrices alone decay', async () => {
    const positive = (name: string, length: number) => constant(name, [length], Array(length).fill(1));
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['n', 3, 2, 2] }],
      nodes: [
        node('Conv', ['x', 'w1', 'b1'], ['c']),
        node('BatchNormalization', ['c', 'gamma', 'beta', 'mean', 'variance'], ['n']),
        node('PRelu', ['n', 'slope'], ['a']),
        node('Flatten', ['a'], ['f']),
        node('LayerNormalization', ['f', 'scale', 'shift'], ['l']),
        node('MatMul', ['l', 'w2'], ['y']),
      ],
      initializers: [
        weights('w1', [4, 3, 1, 1]),
        weights('b1', [4]),
        weights('gamma', [4]),
        weights('beta', [4]),
        weights('mean', [4]),
        positive('variance', 4),
        weights('slope', [4, 1, 1]),
        weights('scale', [16]),
        weights('shift', [16]),
        weights('w2', [16, 2]),
      ],
      outputs: [{ name: 'y', shape: ['n', 2] }],
    });
    const graph = await squaredErrorGraph(model);
    const trained = ['w1', 'b1', 'gamma', 'beta', 'slope', 'scale', 'shift', 'w2'];
    expect([...graph.weights.keys()]).toEqual(trained);
    expect([...graph.decaying]).toEqual(['w1', 'w2']);
  });
});
