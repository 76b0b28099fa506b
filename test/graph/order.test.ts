import { describe, expect, it } from 'vitest';
import { topologicalOrder } from '../../src/graph/order.js';
import { buildGraph, node } from '../build-model.js';

const names = (graph: Parameters<typeof topologicalOrder>[0]): string[] | undefined =>
  topologicalOrder(graph)?.map((n) => n.name);

describe('topological order', () => {
  it('leaves a graph that is in order exactly as it is', () => {
    const nodes = [node('Relu', ['x'], ['b']), node('Relu', ['x'], ['a']), node('Add', ['a', 'b'], ['y'])];
    const order = topologicalOrder(buildGraph({ nodes, outputs: [{ name: 'y' }] }))!;
    expect(order).toHaveLength(3);
    order.forEach((n, i) => expect(n).toBe(nodes[i]));
  });

  it('puts every node behind what it reads, omitted inputs skipped', () => {
    const nodes = [
      node('Add', ['a', 'b'], ['y']),
      node('Clip', ['a', '', 'top'], ['b']),
      node('Relu', ['x'], ['a']),
      node('Relu', ['x'], ['top']),
    ];
    expect(names(buildGraph({ nodes, outputs: [{ name: 'y' }] }))).toEqual(['a', 'top', 'b', 'y']);
  });

  it('counts what a subgraph captures as read', () => {
    const branch = buildGraph({ nodes: [node('Relu', ['a'], ['r'])], outputs: [{ name: 'r' }] });
    const nodes = [node('If', ['c'], ['y'], { then_branch: branch, else_branch: branch }), node('Relu', ['x'], ['a'])];
    expect(names(buildGraph({ nodes, outputs: [{ name: 'y' }] }))).toEqual(['a', 'y']);
  });

  it('finds cycles', () => {
    const nodes = [node('Relu', ['x'], ['a']), node('Add', ['a', 'c'], ['b']), node('Relu', ['b'], ['c'])];
    expect(topologicalOrder(buildGraph({ nodes, outputs: [{ name: 'c' }] }))).toBeUndefined();
    expect(
      topologicalOrder(buildGraph({ nodes: [node('Relu', ['a'], ['a'])], outputs: [{ name: 'a' }] })),
    ).toBeUndefined();
  });

  it('copes with chains far deeper than the call stack', () => {
    const nodes = Array.from({ length: 50_000 }, (_, i) => node('Relu', [`v${i}`], [`v${i + 1}`])).reverse();
    expect(topologicalOrder(buildGraph({ nodes, outputs: [{ name: 'v50000' }] }))?.[0]?.name).toBe('v1');
  });
});
