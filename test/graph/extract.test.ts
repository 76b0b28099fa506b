import { describe, expect, it } from 'vitest';
import { extract, renameNode } from '../../src/graph/extract.js';
import { gatherAxis } from '../../src/graph/gather.js';
import { toTypedArray } from '../../src/graph/tensor-data.js';
import { subgraphs, freeNames } from '../../src/graph/uses.js';
import { buildGraph, node } from '../build-model.js';
import { constant, integers } from '../dense.js';

const branch = buildGraph({
  nodes: [node('Add', ['h', 'own'], ['r'])],
  initializers: [constant('own', [1], [1])],
  outputs: [{ name: 'r' }],
});
const choice = node('If', ['c'], ['y'], { then_branch: branch, else_branch: branch });

describe('the part of a graph behind some values', () => {
  const graph = buildGraph({
    nodes: [node('Mul', ['x', 'w'], ['h']), node('Neg', ['x'], ['other']), choice],
    outputs: [{ name: 'y' }, { name: 'other' }],
  });

  it('goes back to inputs and constants, through captures', () => {
    const { nodes, reads } = extract(graph, ['y'], new Set());
    expect(nodes.map((n) => n.opType)).toEqual(['Mul', 'If']);
    expect([...reads].sort()).toEqual(['c', 'w', 'x']);
  });

  it('stops at what is available', () => {
    expect(extract(graph, ['y'], new Set(['h'])).nodes.map((n) => n.opType)).toEqual(['If']);
    expect(extract(graph, ['h'], new Set(['h']))).toEqual({ nodes: [], reads: new Set(['h']) });
  });

  it('does not read what a node that is needed anyway makes', () => {
    const parts = buildGraph({
      nodes: [node('Split', ['x'], ['a', 'b'], { axis: 1 }), node('Add', ['a', 'b'], ['y'])],
      outputs: [{ name: 'y' }],
    });
    const { nodes, reads } = extract(parts, ['y'], new Set(['a']));
    expect(nodes.map((n) => n.opType)).toEqual(['Split', 'Add']);
    expect([...reads]).toEqual(['x']);
  });
});

describe('renaming', () => {
  it('reaches what subgraphs capture, and nothing of their own', () => {
    const renamed = renameNode(choice, (name) => `new_${name}`);
    expect([renamed.inputs, renamed.outputs]).toEqual([['new_c'], ['new_y']]);
    const inner = subgraphs(renamed)[0]!;
    expect([...freeNames(inner)]).toEqual(['new_h']);
    expect(inner.nodes[0]!.inputs).toEqual(['new_h', 'own']);
    expect(subgraphs(choice)[0]!.nodes[0]!.inputs).toEqual(['h', 'own']);
  });

  it('leaves omitted inputs omitted', () => {
    expect(renameNode(node('Clip', ['x', '', 'max'], ['y']), (n) => n + n).inputs).toEqual(['xx', '', 'maxmax']);
  });
});

describe('gathering along an axis', () => {
  const cube = constant('t', [2, 3, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  it.each([
    [0, [1], [6, 7, 8, 9, 10, 11]],
    [1, [2, 0], [4, 5, 0, 1, 10, 11, 6, 7]],
    [2, [1], [1, 3, 5, 7, 9, 11]],
    [1, [], []],
  ])('axis %i, indices %j', (axis, indices, values) => {
    const result = gatherAxis(cube, axis, indices);
    expect(result.dims).toEqual([2, 3, 2].map((d, i) => (i === axis ? indices.length : d)));
    expect([...toTypedArray(result)]).toEqual(values);
  });

  it('keeps the element type', () => {
    expect(toTypedArray(gatherAxis(integers('i', [5, 6, 7]), 0, [2, 1]))).toEqual(BigInt64Array.of(7n, 6n));
    expect(() => gatherAxis({ ...cube, dtype: 'string' }, 0, [0])).toThrow('cannot be gathered');
  });
});
