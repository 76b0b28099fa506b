import { describe, expect, it } from 'vitest';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import { probeShapes } from '../../src/runtime/shapes.js';
import { buildGraph, buildModel, node } from '../build-model.js';
import { constant, CPU, integers, randomFeeds, weights } from '../dense.js';
import { floats } from '../calibration/arrays.js';

describe('shapes asked of the runtime', () => {
  const model = buildModel({
    inputs: [{ name: 'x', shape: ['rows', 2, 3] }],
    nodes: [
      node('MatMul', ['x', 'w'], ['h']),
      // A name that a probe would take.
      node('Relu', ['h'], ['shape_of_h']),
      node('Reshape', ['shape_of_h', 'shape'], ['r']),
      node('Dropout', ['r'], ['d', '']),
      node('ReduceSum', ['d'], ['scalar'], { keepdims: 0 }),
      node('SequenceConstruct', ['d', 'd'], ['sequence']),
      node('SequenceLength', ['sequence'], ['length']),
      node('Add', ['d', 'scalar'], ['y']),
    ],
    initializers: [weights('w', [3, 4]), integers('shape', [0, -1])],
    outputs: [{ name: 'y' }, { name: 'length', dtype: 'int64' }],
  });

  it('cover every tensor that the main graph computes', async () => {
    const shapes = await probeShapes(model, randomFeeds(model, 3), CPU);
    expect(Object.fromEntries(shapes)).toEqual({
      x: [3, 2, 3],
      h: [3, 2, 4],
      shape_of_h: [3, 2, 4],
      r: [3, 8],
      d: [3, 8],
      scalar: [],
      length: [],
      y: [3, 8],
    });
  });

  it('leave the model alone', async () => {
    const before = model.graph.nodes.length;
    await probeShapes(model, randomFeeds(model, 3), CPU);
    expect(model.graph.nodes).toHaveLength(before);
    expect(model.graph.outputs.map((o) => o.name)).toEqual(['y', 'length']);
  });

  it('do not look into subgraphs', async () => {
    const branch = buildGraph({ nodes: [node('Neg', ['x'], ['inside'])], outputs: [{ name: 'inside' }] });
    const choice = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 2] }],
      nodes: [
        node('Constant', [], ['zero'], { value: constant('', [], [0]) }),
        node('Cast', ['zero'], ['c'], { to: 9 }),
        node('If', ['c'], ['y'], { then_branch: branch, else_branch: branch }),
      ],
      outputs: [{ name: 'y' }],
    });
    const shapes = await probeShapes(choice, randomFeeds(choice, 3), CPU);
    expect([shapes.get('y'), shapes.has('inside')]).toEqual([[3, 2], false]);
  });

  it('are those of the feeds alone where the runtime cannot load the model', async () => {
    const foreign = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 2] }],
      nodes: [node('Fancy', ['x'], ['y'], {}, { domain: 'com.example' })],
      outputs: [{ name: 'y' }],
    });
    expect(Object.fromEntries(await probeShapes(foreign, randomFeeds(foreign, 3), CPU))).toEqual({ x: [3, 2] });
  });

  it('data that do not fit the model are an error', async () => {
    const probe = probeShapes(model, new Map([['x', floats([1, 2], [1, 2])]]), CPU);
    await expect(probe).rejects.toBeInstanceOf(CondenseError);
  });
});
