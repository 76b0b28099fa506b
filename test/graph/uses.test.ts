import { describe, expect, it } from 'vitest';
import { constantAt, freeNames, UseIndex } from '../../src/graph/uses.js';
import { buildGraph, buildModel, node } from '../build-model.js';
import { constant } from '../dense.js';

const scalar = (name: string) => constant(name, [1], [1]);

describe('the index of uses', () => {
  // Both branches read `h` of the outer graph, the inner If of the first one also `deep`.
  const innermost = buildGraph({ nodes: [node('Neg', ['deep'], ['o3'])], outputs: [{ name: 'o3' }] });
  const thenBranch = buildGraph({
    nodes: [
      node('Add', ['h', 'local'], ['o1']),
      node('If', ['c'], ['o4'], { then_branch: innermost, else_branch: innermost }),
    ],
    initializers: [scalar('local')],
    outputs: [{ name: 'o1' }],
  });
  const elseBranch = buildGraph({ nodes: [], outputs: [{ name: 'h' }] });
  const choice = node('If', ['c'], ['y'], { then_branch: thenBranch, else_branch: elseBranch });
  const graph = buildGraph({
    inputs: [{ name: 'x' }, { name: 'c', dtype: 'bool' }],
    nodes: [node('Relu', ['x'], ['h']), node('Relu', ['x'], ['deep']), node('Add', ['h', 'h'], ['twice']), choice],
    outputs: [{ name: 'y' }, { name: 'twice' }],
  });
  const index = new UseIndex(graph);

  it('knows producers and every place that reads a value, captures of nested subgraphs included', () => {
    expect(index.producer('h')).toEqual({ node: graph.nodes[0], output: 0 });
    expect(index.producer('x')).toBeUndefined();
    expect(index.uses('h').map((u) => [u.node.opType, u.input])).toEqual([
      ['Add', 0],
      ['Add', 1],
      ['If', -1],
      ['If', -1],
    ]);
    expect(index.uses('deep').map((u) => [u.node.opType, u.input])).toEqual([['If', -1]]);
    expect(index.uses('local')).toEqual([]);
    expect(index.isGraphOutput('twice')).toBe(true);
    expect(index.isGraphOutput('h')).toBe(false);
  });

  it('a subgraph captures what it reads or returns but does not define', () => {
    expect([...freeNames(thenBranch)].sort()).toEqual(['c', 'deep', 'h']);
    expect([...freeNames(elseBranch)]).toEqual(['h']);
  });
});

describe('constants', () => {
  const graph = buildGraph({
    inputs: [{ name: 'x' }, { name: 'listed', shape: [1] }],
    nodes: [
      node('Constant', [], ['held'], { value: scalar('inside') }),
      node('Identity', ['held'], ['same']),
      node('Identity', ['same'], ['again']),
      node('Identity', ['listed'], ['copy']),
      node('Identity', ['x'], ['fed']),
      node('Constant', [], ['number'], { value_float: { float: 1 } }),
    ],
    initializers: [scalar('plain'), scalar('listed')],
    outputs: [{ name: 'again' }],
  });
  const index = new UseIndex(graph);

  it.each([
    ['plain', 'plain'],
    ['listed', 'listed'],
    ['copy', 'listed'],
    ['held', 'held'],
    ['again', 'held'],
  ])('%s is held by %s', (value, holder) => {
    expect(constantAt(index, value)?.name).toBe(holder);
    expect(index.constant(value)?.dims).toEqual([1]);
  });

  it.each(['x', 'fed', 'nowhere', 'number'])('%s is no tensor constant', (value) => {
    expect(index.constant(value)).toBeUndefined();
  });

  it('an Identity of another domain is not looked through', () => {
    const other = buildModel({
      nodes: [node('Identity', ['plain'], ['copy'], {}, { domain: 'com.example' })],
      initializers: [scalar('plain')],
      outputs: [{ name: 'copy' }],
    });
    expect(new UseIndex(other.graph).constant('copy')).toBeUndefined();
  });
});
