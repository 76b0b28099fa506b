import { describe, expect, it } from 'vitest';
import type { Model } from '../../src/graph/ir.js';
import { toIntegers } from '../../src/graph/tensor-data.js';
import { keptIndices } from '../../src/channels/keep.js';
import { held } from '../../src/channels/weights.js';
import { cutChannels } from '../../passes/cut-channels.js';
import { buildModel, node } from '../build-model.js';
import {
  analyse,
  constant,
  cutOnly,
  dimsOf,
  integers,
  keepFirst,
  outputsOf,
  randomFeeds,
  relativeDifference,
  snapshot,
  weights,
} from '../dense.js';

/** A weight that reads the first three of its four features alone. */
const readsThree = (name: string, outputs: number) =>
  constant(
    name,
    [4, outputs],
    Array.from({ length: 4 * outputs }, (_, i) => (i >= 3 * outputs ? 0 : Math.cos(5 * i))),
  );

/**
 * Every way in which a file can name the width of a layer: Reshape constants, value infos, initializers that are inputs too, Constant nodes
 * and what their outputs are said to be.
 */
function network(): Model {
  return buildModel({
    inputs: [
      { name: 'x', shape: ['rows', 2, 3] },
      { name: 'w1', shape: [3, 4] },
      { name: 'b1', shape: [4] },
    ],
    nodes: [
      node('MatMul', ['x', 'w1'], ['m']),
      node('Add', ['m', 'b1'], ['h']),
      node('Reshape', ['h', 'flat'], ['f']),
      node('PRelu', ['f', 'slope'], ['p']),
      node('Constant', [], ['k'], { value: weights('kernel', [1, 4]) }),
      node('Identity', ['k'], ['k1']),
      node('Mul', ['p', 'k1'], ['q']),
      node('BatchNormalization', ['q', 'one', 'b2', 'b3', 'one2'], ['n']),
      node('Unsqueeze', ['n', 'axis'], ['u']),
      node('Reshape', ['u', 'deep'], ['d']),
      node('Transpose', ['d'], ['t'], { perm: [3, 0, 1, 2] }),
      node('Transpose', ['t'], ['e'], { perm: [1, 2, 3, 0] }),
      node('Squeeze', ['e', 'axes'], ['a']),
      node('Gemm', ['a', 'w2'], ['y']),
    ],
    initializers: [
      weights('w1', [3, 4]),
      weights('b1', [4]),
      integers('flat', [-1, 4]),
      constant('slope', [4], [0.1, 0.2, 0.3, 0.4]),
      constant('one', [4], [1, 2, 3, 4]),
      weights('b2', [4]),
      weights('b3', [4]),
      constant('one2', [4], [4, 3, 2, 1]),
      integers('axis', [1]),
      integers('deep', [0, 1, -1, 4]),
      integers('axes', [1, 2]),
      readsThree('w2', 2),
    ],
    valueInfo: [
      { name: 'm', shape: ['rows', 2, 4] },
      { name: 'p', shape: [undefined, 4] },
      { name: 't', shape: [4, 'n', 1, 1] },
      { name: 'a', shape: ['n', 'width'] },
      { name: 'k', shape: [1, 4] },
      { name: 'k1', shape: [1, 4] },
      { name: 'w2', shape: [4, 2] },
      { name: 'flat', dtype: 'int64', shape: [2] },
      { name: 'y', shape: ['n', 2] },
    ],
    outputs: [{ name: 'y', shape: ['n', 2] }],
  });
}

describe('cutting channels', () => {
  it('corrects everything that names the width, and nothing else', async () => {
    const model = network();
    const analysis = await analyse(model);
    const reduced = await cutOnly(model, analysis, keepFirst(analysis, 3));
    expect(dimsOf(reduced, 'w1', 'b1', 'slope', 'k', 'one', 'b2', 'b3', 'one2', 'w2')).toEqual([
      [3, 3],
      [3],
      [3],
      [1, 3],
      ...[[3], [3], [3], [3]],
      [3, 2],
    ]);
    const shape = (name: string): number[] => toIntegers(reduced.graph.initializers.get(name)!);
    expect([shape('flat'), shape('deep')]).toEqual([
      [-1, 3],
      [0, 1, -1, 3],
    ]);
    expect(Object.fromEntries(reduced.graph.valueInfo.map((v) => [v.name, v.shape]))).toEqual({
      m: ['rows', 2, 3],
      p: [undefined, 3],
      t: [3, 'n', 1, 1],
      a: ['n', 'width'],
      k: [1, 3],
      k1: [1, 3],
      w2: [3, 2],
      flat: [2],
      y: ['n', 2],
    });
    expect(reduced.graph.inputs.map((i) => i.shape)).toEqual([['rows', 2, 3], [3, 3], [3]]);
    expect(reduced.graph.outputs).toEqual(model.graph.outputs);
    expect(reduced.graph.nodes.map((n) => [n.opType, n.inputs, n.outputs])).toEqual(
      model.graph.nodes.map((n) => [n.opType, n.inputs, n.outputs]),
    );
    expect(await relativeDifference(model, reduced, randomFeeds(model, 4))).toBeLessThan(1e-6);
  });

  it('never edits its input, and leaves a model alone that keeps everything', async () => {
    const model = network();
    const analysis = await analyse(model);
    const before = await outputsOf(model, randomFeeds(model, 4));
    const untouched = snapshot(model);
    await cutOnly(model, analysis, keepFirst(analysis, 1));
    expect(snapshot(model)).toBe(untouched);
    expect(await outputsOf(model, randomFeeds(model, 4))).toEqual(before);

    const all = { analysis, keep: keepFirst(analysis, 4), absorbed: new Map() };
    const result = await cutChannels.run(model, all);
    expect(result).toEqual({ model, changed: false, notes: [] });
    expect(result.model).toBe(model);
  });

  it('says how many channels went', async () => {
    const model = network();
    const analysis = await analyse(model);
    const { notes } = await cutChannels.run(model, { analysis, keep: keepFirst(analysis, 1), absorbed: new Map() });
    expect(notes).toEqual(['removed 3 channels']);
  });

  it('a Reshape constant that two nodes read is corrected for the one that needs it', async () => {
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 4] }],
      nodes: [
        node('Gemm', ['x', 'w1'], ['h']),
        node('Reshape', ['h', 'shape'], ['a']),
        node('Gemm', ['a', 'w2'], ['g']),
        node('Reshape', ['x', 'shape'], ['x2']),
        node('Gemm', ['x2', 'w3'], ['k']),
        node('Add', ['g', 'k'], ['y']),
      ],
      initializers: [weights('w1', [4, 4]), weights('w2', [4, 2]), weights('w3', [4, 2]), integers('shape', [-1, 4])],
      outputs: [{ name: 'y' }],
    });
    const analysis = await analyse(model);
    const keep = keepFirst(analysis, 3);
    const reduced = await cutOnly(model, analysis, keep);
    expect(dimsOf(reduced, 'w1', 'w2', 'w3')).toEqual([
      [4, 3],
      [3, 2],
      [4, 2],
    ]);
    const shapes = reduced.graph.nodes
      .filter((n) => n.opType === 'Reshape')
      .map((n) => toIntegers(held(reduced.graph, n.inputs[1]!)));
    expect(shapes).toEqual([
      [-1, 3],
      [-1, 4],
    ]);
    expect((await outputsOf(reduced, randomFeeds(model, 5))).get('y')!.dims).toEqual([5, 2]);
  });

  it('indices that stay are those of kept and of fixed channels', () => {
    expect([...keptIndices(Int32Array.of(0, -1, 1, 0, 2), Uint8Array.of(1, 0, 1))]).toEqual([0, 1, 3, 4]);
  });
});
