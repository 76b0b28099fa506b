import { describe, expect, it } from 'vitest';
import { diffGraphs, diffModels, type GraphDifference } from '../../src/graph/diff.js';
import type { Graph, Model, Node } from '../../src/graph/ir.js';
import { buildGraph, buildModel, node, type GraphSpec } from '../build-model.js';
import { constant, integers, weights } from '../dense.js';

const SPEC = {
  inputs: [{ name: 'x', shape: ['rows', 3] }],
  outputs: [{ name: 'y', shape: ['rows', 2] }],
  initializers: [weights('w1', [3, 8]), weights('b1', [8]), weights('w2', [8, 2])],
  nodes: [
    node('Gemm', ['x', 'w1', 'b1'], ['h'], { alpha: { float: 1 } }, { name: 'fc1' }),
    node('Relu', ['h'], ['a'], {}, { name: 'act' }),
    node('Gemm', ['a', 'w2'], ['y'], {}, { name: 'fc2' }),
  ],
} satisfies GraphSpec;

const graph = (change: Partial<GraphSpec> = {}): Graph => buildGraph({ ...SPEC, ...change });
const change = (nodes: Node[]): GraphDifference => diffGraphs(graph(), graph({ nodes }));
const [fc1, act, fc2] = SPEC.nodes as [Node, Node, Node];
/** `- name`, `+ name` or `~ name` of each node, in order. */
const signs = ({ nodes }: GraphDifference): string[] =>
  nodes.map(
    ({ before, after }) => `${after === undefined ? '-' : before === undefined ? '+' : '~'} ${(after ?? before)!.name}`,
  );

describe('diffGraphs', () => {
  it('finds nothing between a graph and its copy', () => {
    expect(diffGraphs(graph(), graph({ initializers: SPEC.initializers.map((t) => ({ ...t })) }))).toEqual({
      nodes: [],
      unchanged: 3,
      constants: [],
    });
  });

  it('shapes and values of constants belong to the nodes that read them', () => {
    const found = diffGraphs(
      graph(),
      graph({ initializers: [weights('w1', [3, 5]), weights('b1', [8], 99), weights('w2', [8, 2])] }),
    );
    expect(signs(found)).toEqual(['~ fc1']);
    expect(found.unchanged).toBe(2);
    const constants = [
      { name: 'w1', before: { dtype: 'float32', dims: [3, 8] }, after: { dtype: 'float32', dims: [3, 5] } },
      { name: 'b1', before: { dtype: 'float32', dims: [8] }, after: { dtype: 'float32', dims: [8] } },
    ];
    expect(found.nodes[0]).toMatchObject({ differences: [], constants });
    expect(found.constants).toEqual(constants);
  });

  it('attributes, inputs and names', () => {
    const found = change([
      node('Gemm', ['x', 'w1'], ['h'], { alpha: { float: 0.5 }, transB: 1 }, { name: 'first' }),
      act,
      fc2,
    ]);
    expect(signs(found)).toEqual(['~ first']);
    expect(found.nodes[0]!.differences).toEqual([
      { what: 'name', before: 'fc1', after: 'first' },
      { what: 'input 2', before: 'b1', after: null },
      { what: 'attribute alpha', before: '1', after: '0.5' },
      { what: 'attribute transB', before: null, after: '1' },
    ]);
  });

  it('nodes that are gone stand where they were, new ones where they are', () => {
    const found = change([
      fc1,
      node('Gemm', ['h', 'w2'], ['z'], {}, { name: 'fc2' }),
      node('Tanh', ['z'], ['y'], {}, { name: 'end' }),
    ]);
    // fc2 makes another output, and is known by its name.
    expect(signs(found)).toEqual(['- act', '~ fc2', '+ end']);
    expect(found.nodes[1]!.differences.map((d) => d.what)).toEqual(['input 0', 'output 0']);
  });

  it('a node that took over the output of another is itself, not that other one', () => {
    const folded = diffGraphs(
      graph({
        nodes: [
          node('Gemm', ['x', 'w1'], ['c'], {}, { name: 'fc1' }),
          node('Relu', ['c'], ['h'], {}, { name: 'norm' }),
          act,
          fc2,
        ],
      }),
      graph({ nodes: [node('Gemm', ['x', 'w1'], ['h'], {}, { name: 'fc1' }), act, fc2] }),
    );
    expect(signs(folded)).toEqual(['~ fc1', '- norm']);
  });

  it('an operator that was replaced', () => {
    const found = change([fc1, node('Tanh', ['h'], ['a'], {}, { name: 'act' }), fc2]);
    expect(found.nodes[0]!.differences).toEqual([{ what: 'operator', before: 'Relu', after: 'Tanh' }]);
  });

  it('nodes without names, or with one name for two, are known by their outputs', () => {
    const nameless = SPEC.nodes.map((n) => ({ ...n, name: '' }));
    expect(diffGraphs(graph({ nodes: nameless }), graph({ nodes: nameless })).unchanged).toBe(3);
    const twins = [{ ...fc1, name: 'fc' }, act, { ...fc2, name: 'fc' }];
    const moved = (second: string): Node[] => [
      { ...twins[0]!, outputs: ['g'] },
      act,
      { ...twins[2]!, outputs: [second] },
    ];
    // Where one twin is known by its output, the other is the one that is left.
    expect(signs(diffGraphs(graph({ nodes: twins }), graph({ nodes: moved('y') })))).toEqual(['~ fc']);
    const unknown = diffGraphs(graph({ nodes: twins }), graph({ nodes: moved('z') }));
    expect(signs(unknown).sort()).toEqual(['+ fc', '+ fc', '- fc', '- fc']);
  });

  it('a Constant node and an initializer of one name are the same constant', () => {
    const tensor = SPEC.initializers[2]!;
    const held = graph({
      initializers: SPEC.initializers.slice(0, 2),
      nodes: [node('Constant', [], ['w2'], { value: tensor }), ...SPEC.nodes],
    });
    expect(diffGraphs(graph(), held)).toEqual({ nodes: [], unchanged: 3, constants: [] });
  });

  it('constants that nothing reads are listed all the same', () => {
    const found = diffGraphs(graph(), graph({ initializers: [...SPEC.initializers, integers('spare', [1, 2])] }));
    expect(found).toMatchObject({ nodes: [], constants: [{ name: 'spare', before: null, after: { dims: [2] } }] });
  });

  it('looks into subgraphs and tensors of attributes', () => {
    const branch = (value: number): Graph =>
      buildGraph({
        outputs: [{ name: 'o' }],
        nodes: [node('Add', ['h', 'k'], ['o'])],
        initializers: [constant('k', [1], [value])],
      });
    const nodes = (value: number, outer = 'c'): Node[] => [
      fc1,
      node('If', [outer], ['a'], { then_branch: branch(value), else_branch: branch(0) }, { name: 'choose' }),
      fc2,
    ];
    expect(signs(diffGraphs(graph({ nodes: nodes(1) }), graph({ nodes: nodes(1) })))).toEqual([]);
    const found = diffGraphs(graph({ nodes: nodes(1) }), graph({ nodes: nodes(2) }));
    expect(found.nodes.map((n) => n.differences.map((d) => d.what))).toEqual([['attribute then_branch']]);
    const fill = (value: number): Node[] => [
      fc1,
      node('ConstantOfShape', ['h'], ['a'], { value: constant('', [1], [value]) }),
      fc2,
    ];
    expect(signs(diffGraphs(graph({ nodes: fill(1) }), graph({ nodes: fill(1) })))).toEqual([]);
    expect(signs(diffGraphs(graph({ nodes: fill(1) }), graph({ nodes: fill(2) })))).toEqual(['~ a']);
  });
});

describe('diffModels', () => {
  it('opsets, inputs and outputs, metadata', () => {
    const a: Model = buildModel({ ...SPEC, metadata: { author: 'a', same: '1' } });
    const b: Model = buildModel({
      ...SPEC,
      opset: 18,
      inputs: [{ name: 'x', shape: ['batch', 3] }, { name: 'z' }, { name: 'w1', shape: [3, 8] }],
      metadata: { same: '1', made: 'b' },
    });
    expect(diffModels(a, a)).toEqual([]);
    expect(diffModels(a, b)).toEqual([
      { what: 'opset ai.onnx', before: '17', after: '18' },
      { what: 'input x', before: 'float32 [rows, 3]', after: 'float32 [batch, 3]' },
      { what: 'input z', before: null, after: 'float32' },
      { what: 'metadata author', before: 'a', after: null },
      { what: 'metadata made', before: null, after: 'b' },
    ]);
  });
});
