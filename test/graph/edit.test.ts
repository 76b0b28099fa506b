import { describe, expect, it } from 'vitest';
import {
  allNames,
  cloneModel,
  deleteNewlyDead,
  parameterCount,
  replaceConstant,
  uniqueName,
} from '../../src/graph/edit.js';
import { held } from '../../src/channels/weights.js';
import { buildGraph, buildModel, node } from '../build-model.js';
import { constant, integers, snapshot } from '../dense.js';

const zeros = (name: string, ...dims: number[]) =>
  constant(name, dims, new Array<number>(dims.reduce((a, b) => a * b, 1)).fill(0));

describe('a clone', () => {
  it('can be edited without touching the original', () => {
    const model = buildModel({
      inputs: [{ name: 'x' }],
      nodes: [node('Gemm', ['x', 'w'], ['y'])],
      initializers: [zeros('w', 2, 2)],
      outputs: [{ name: 'y' }],
      metadata: { key: 'old' },
    });
    const before = snapshot(model);
    const copy = cloneModel(model);
    copy.graph.nodes[0]!.inputs[0] = 'z';
    copy.graph.nodes[0]!.attributes.clear();
    copy.graph.nodes.push(node('Relu', ['y'], ['z']));
    copy.graph.initializers.delete('w');
    copy.graph.inputs.pop();
    copy.metadata[0]!.value = 'new';
    expect(snapshot(model)).toBe(before);
    expect(model.graph.initializers.has('w')).toBe(true);
  });
});

describe('names', () => {
  it('are collected over all scopes, those of nodes and unread values included', () => {
    const inner = buildGraph({
      name: 'inner',
      nodes: [node('Add', ['h', 'inside'], ['r'], {}, { name: 'innerNode' })],
      initializers: [zeros('inside', 1)],
      outputs: [{ name: 'r' }],
    });
    const model = buildModel({
      inputs: [{ name: 'c' }],
      nodes: [node('If', ['c'], ['y'], { then_branch: inner, else_branch: inner }, { name: 'outerNode' })],
      initializers: [zeros('unread', 1)],
      valueInfo: [{ name: 'stray' }],
      outputs: [{ name: 'y' }],
    });
    const names = allNames(model);
    for (const name of ['c', 'y', 'h', 'r', 'inside', 'innerNode', 'outerNode', 'unread', 'stray']) {
      expect(names, name).toContain(name);
    }
  });

  it('are made unique by counting, and taken at once', () => {
    const taken = new Set(['a', 'a_1']);
    expect([uniqueName('a', taken), uniqueName('a', taken), uniqueName('b', taken)]).toEqual(['a_2', 'a_3', 'b']);
  });
});

describe('replacing a constant', () => {
  it('goes for initializers, also those listed as graph inputs, and for Constant nodes', () => {
    const { graph } = buildModel({
      inputs: [{ name: 'x' }, { name: 'listed', shape: [4] }],
      nodes: [node('Constant', [], ['held'], { value: zeros('', 4) }), node('Sum', ['x', 'listed', 'held'], ['y'])],
      initializers: [zeros('listed', 4)],
      outputs: [{ name: 'y' }],
    });
    replaceConstant(graph, 'listed', zeros('listed', 3));
    replaceConstant(graph, 'held', zeros('other', 2));
    expect(graph.inputs.map((i) => i.shape)).toEqual([undefined, [3]]);
    expect(held(graph, 'listed').dims).toEqual([3]);
    expect(held(graph, 'held').dims).toEqual([2]);
    expect(held(graph, 'held').name).toBe('');
    expect(() => replaceConstant(graph, 'y', zeros('y', 1))).toThrow("no constant is held under 'y'");
  });
});

describe('deleting what became useless', () => {
  const inner = buildGraph({ nodes: [node('Relu', ['captured'], ['r'])], outputs: [{ name: 'r' }] });
  const model = buildModel({
    inputs: [{ name: 'x' }, { name: 'c', dtype: 'bool' }, { name: 'w2', shape: [1] }],
    nodes: [
      node('Relu', ['x'], ['captured']),
      node('If', ['c'], ['chosen'], { then_branch: inner, else_branch: inner }),
      node('Mul', ['x', 'w2'], ['lost']),
      node('Neg', ['lost'], ['lost2']),
      node('Mul', ['x', 'w3'], ['deadBefore']),
      node('Add', ['chosen', 'lost2'], ['y']),
    ],
    initializers: [zeros('w2', 1), zeros('w3', 1), zeros('unreadBefore', 1)],
    valueInfo: [{ name: 'lost' }, { name: 'captured' }, { name: 'strange' }, { name: 'deadBefore' }],
    outputs: [{ name: 'y' }],
  });

  it('takes chains of nodes, their initializers, inputs and value infos, and keeps what was dead before', () => {
    const after = cloneModel(model);
    after.graph.nodes.at(-1)!.inputs = ['chosen', 'chosen'];
    expect(deleteNewlyDead(after.graph, model.graph)).toEqual({ nodes: ['lost', 'lost2'], initializers: ['w2'] });
    expect(after.graph.nodes.map((n) => n.name)).toEqual(['captured', 'chosen', 'deadBefore', 'y']);
    expect([...after.graph.initializers.keys()]).toEqual(['w3', 'unreadBefore']);
    expect(after.graph.inputs.map((i) => i.name)).toEqual(['x', 'c']);
    expect(after.graph.valueInfo.map((v) => v.name)).toEqual(['captured', 'strange', 'deadBefore']);
  });

  it('takes nothing from a graph that did not change, and what a subgraph reads is alive', () => {
    const after = cloneModel(model);
    expect(deleteNewlyDead(after.graph, model.graph)).toEqual({ nodes: [], initializers: [] });
    expect(after.graph.nodes).toHaveLength(6);
  });

  it('keeps a node as long as one of its outputs is read', () => {
    const split = buildModel({
      nodes: [node('Split', ['x'], ['a', 'b']), node('Add', ['a', 'b'], ['y'])],
      outputs: [{ name: 'y' }],
    });
    const after = cloneModel(split);
    after.graph.nodes[1]!.inputs = ['a', 'a'];
    expect(deleteNewlyDead(after.graph, split.graph).nodes).toEqual([]);
  });
});

describe('the number of parameters', () => {
  it('counts floats in tensors of more than one element, in all scopes, each tensor once', () => {
    const inner = buildGraph({
      nodes: [node('Constant', [], ['k'], { value: zeros('', 7) })],
      initializers: [zeros('inside', 100)],
      outputs: [{ name: 'k' }],
    });
    const model = buildModel({
      nodes: [
        node('Gemm', ['x', 'w'], ['h']),
        node('Gemm', ['h', 'w'], ['g']),
        node('Constant', [], ['list'], { value_floats: { floats: [1, 2, 3] } }),
        node('Constant', [], ['one'], { value_float: { float: 1 } }),
        node('Constant', [], ['shape'], { value: integers('', [1, 2, 3, 4]) }),
        node('If', ['c'], ['y'], { then_branch: inner, else_branch: buildGraph({ nodes: [], outputs: [] }) }),
        // A tensor attribute of another operator is no parameter.
        node('ConstantOfShape', ['shape'], ['filled'], { value: zeros('', 50) }),
      ],
      initializers: [zeros('w', 4, 5), zeros('scalar'), zeros('single', 1), integers('ints', [1, 2])],
      outputs: [{ name: 'y' }],
    });
    expect(parameterCount(model)).toBe(20 + 3 + 7 + 100);
    const withFunction = { ...model, functions: [{ domain: 'd', name: 'f', parameterCount: 9 }] };
    expect(parameterCount(withFunction)).toBe(20 + 3 + 7 + 100 + 9);
  });
});
