import { describe, expect, it } from 'vitest';
import { shareEqualConstants, unshareConstants } from '../../passes/unshare-constants.js';
import { deleteNewlyDead, parameterCount } from '../../src/graph/edit.js';
import type { Model } from '../../src/graph/ir.js';
import { encodeModel } from '../../src/onnx/index.js';
import { buildGraph, buildModel, node, type GraphSpec } from '../build-model.js';
import {
  analyse,
  constant,
  cutOnly,
  dimsOf,
  outputsOf,
  randomFeeds,
  relativeDifference,
  snapshot,
  summary,
  weights,
} from '../dense.js';

/** Two layers of four neurons that share a bias, the second one through an Identity; `w3` reads what both make. */
function twins(change: Partial<GraphSpec> & { irVersion?: number } = {}): Model {
  const bias = constant('b', [4], [0.1, 0.2, 0.3, 0.4]);
  return buildModel({
    inputs: [{ name: 'x', shape: ['rows', 3] }],
    nodes: [
      node('Identity', ['b'], ['same']),
      node('MatMul', ['x', 'w1'], ['h']),
      node('Add', ['h', 'b'], ['h1']),
      node('MatMul', ['x', 'w2'], ['g']),
      node('Add', ['same', 'g'], ['g1']),
      node('Concat', ['h1', 'g1'], ['j'], { axis: 1 }),
      node('Relu', ['j'], ['r']),
      node('Gemm', ['r', 'w3'], ['y']),
      ...(change.nodes ?? []),
    ],
    initializers: [weights('w1', [3, 4]), weights('w2', [3, 4]), weights('w3', [8, 2]), bias],
    outputs: [{ name: 'y' }, ...(change.outputs ?? [])],
    ...(change.irVersion === undefined ? {} : { irVersion: change.irVersion }),
  });
}

const bytes = (model: Model): Buffer => Buffer.concat(encodeModel(model));

/** The model with each reader of the constants that the analysis names on its own. */
async function unshared(model: Model) {
  const { shared } = await analyse(model);
  return { shared, ...unshareConstants.run(model, shared) };
}

/** A mask by channel number: those listed go. */
async function without(model: Model, dropped: Readonly<Record<string, readonly number[]>>): Promise<Model> {
  const analysis = await analyse(model);
  const keep = new Uint8Array(analysis.channelCount).fill(1);
  for (const { node: made, channels } of analysis.targets)
    for (const i of dropped[made.name] ?? []) keep[channels![i]!] = 0;
  const cut = await cutOnly(model, analysis, keep);
  deleteNewlyDead(cut.graph, model.graph);
  return cut;
}

describe('each reader of a shared constant gets its own', () => {
  it('then both layers can be cut, and the outputs are the same to the bit', async () => {
    const model = twins();
    const before = snapshot(model);
    expect(summary(await analyse(model))).toMatchObject({ h: 'WEIGHT_SHARED', g: 'WEIGHT_SHARED' });
    const result = await unshared(model);
    expect(result).toMatchObject({ shared: ['b'], changed: true, notes: ['b'] });
    expect(result.copies).toEqual([{ name: 'b_copy', holder: 'b', value: 'b' }]);
    expect(summary(await analyse(result.model))).toMatchObject({ h: 4, g: 4 });
    expect(await relativeDifference(model, result.model, randomFeeds(model, 5))).toBe(0);
    expect(snapshot(model)).toBe(before);
  });

  it('nothing is copied where it would free nothing: weights, and layers that stay for another reason', async () => {
    const output = twins({ outputs: [{ name: 'h' }, { name: 'g' }] });
    expect(await unshared(output)).toMatchObject({ shared: [], changed: false, model: output });
    const towers = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 3] }],
      nodes: [
        node('Gemm', ['x', 'w', 'b'], ['h']),
        node('Sin', ['x'], ['s']),
        node('Gemm', ['s', 'w', 'b'], ['g']),
        node('Sub', ['h', 'g'], ['d']),
        node('Gemm', ['d', 'v'], ['y']),
      ],
      initializers: [weights('w', [3, 4]), weights('b', [4]), weights('v', [4, 2])],
      outputs: [{ name: 'y' }],
    });
    expect((await analyse(towers)).targets[0]!.refusal).toMatchObject({ code: 'WEIGHT_SHARED', culprits: ['h', 'g'] });
    expect(await unshared(towers)).toMatchObject({ shared: [], changed: false });
  });

  it.each<[string, Model]>([
    ['an output of the model', twins({ outputs: [{ name: 'b' }] })],
    [
      'read in a subgraph',
      twins({
        nodes: [
          node('ReduceSum', ['x'], ['sum'], { keepdims: 0 }),
          node('Cast', ['sum'], ['which'], { to: 9 }),
          node('If', ['which'], ['z'], {
            then_branch: buildGraph({ nodes: [node('Identity', ['b'], ['t'])], outputs: [{ name: 't' }] }),
            else_branch: buildGraph({ nodes: [node('Neg', ['b'], ['e'])], outputs: [{ name: 'e' }] }),
          }),
        ],
        outputs: [{ name: 'z' }],
      }),
    ],
  ])('a constant that is also %s stays for that', async (_, model) => {
    const result = await unshared(model);
    expect(result.copies.map((c) => c.name)).toEqual(['b_copy', 'b_copy_1']);
    const cut = await without(result.model, { h: [0], g: [0] });
    const { model: reduced } = shareEqualConstants(cut, result.copies, model);
    expect(dimsOf(reduced, 'b', 'b_copy')).toEqual([[4], [3]]);
    expect(reduced.graph.initializers.has('b_copy_1')).toBe(false);
    expect((await outputsOf(reduced, randomFeeds(model, 5))).get('y')!.dims).toEqual([5, 2]);
  });
});

describe('what came out equal is shared again', () => {
  it('without a cut the model is what it was, byte for byte', async () => {
    for (const model of [twins(), twins({ irVersion: 3 })]) {
      const { model: apart, copies } = await unshared(model);
      expect(bytes(apart).equals(bytes(model))).toBe(false);
      const { model: again, notes } = shareEqualConstants(apart, copies, model);
      expect(notes).toEqual([]);
      expect(bytes(again).equals(bytes(model))).toBe(true);
    }
  });

  it('equal cuts share one constant, different ones do not', async () => {
    const model = twins();
    const { model: apart, copies } = await unshared(model);
    const together = shareEqualConstants(await without(apart, { h: [1], g: [1] }), copies, model);
    expect(together.notes).toEqual([]);
    expect(dimsOf(together.model, 'b')).toEqual([[3]]);
    expect(parameterCount(together.model)).toBe(3 * 3 * 2 + 6 * 2 + 3);

    const separate = shareEqualConstants(await without(apart, { h: [1], g: [2] }), copies, model);
    expect(separate.notes).toEqual(['b']);
    expect(dimsOf(separate.model, 'b', 'b_copy')).toEqual([[3], [3]]);
  });

  it('a layer that was not cut keeps the constant that it had', async () => {
    const model = twins();
    const { model: apart, copies } = await unshared(model);
    const first = shareEqualConstants(await without(apart, { g: [3] }), copies, model).model;
    expect(parameterCount(first)).toBe(3 * 4 + 3 * 3 + 7 * 2 + 4 + 3);
    expect((await outputsOf(first, randomFeeds(model, 5))).get('y')!.dims).toEqual([5, 2]);
    // Nothing is left behind of what nobody reads any more.
    const read = new Set(first.graph.nodes.flatMap((n) => n.inputs));
    for (const { outputs } of first.graph.nodes) expect(read.has(outputs[0]!) || outputs[0] === 'y').toBe(true);
    for (const name of first.graph.initializers.keys()) expect(read.has(name)).toBe(true);
  });
});
