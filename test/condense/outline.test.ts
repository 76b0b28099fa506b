import { describe, expect, it } from 'vitest';
import { networkOutline } from '../../src/condense/outline.js';
import type { Model } from '../../src/index.js';
import { buildModel, node } from '../build-model.js';
import { weights } from '../dense.js';

/** x → a → Relu → b, with a shortcut around b; the last layer reads the sum. `late` is read by nobody. */
function shortcut(width: number): Model {
  return buildModel({
    inputs: [{ name: 'x', shape: ['rows', 2] }],
    nodes: [
      node('MatMul', ['x', 'wa'], ['ha'], {}, { name: 'a' }),
      node('Relu', ['ha'], ['ra']),
      node('MatMul', ['ra', 'wb'], ['hb'], {}, { name: 'b' }),
      node('Add', ['hb', 'ra'], ['sum'], {}, { name: 'add' }),
      node('Mul', ['hb', 'x2'], ['late']),
      node('Identity', ['x'], ['x2']),
      node('MatMul', ['sum', 'wc'], ['y'], {}, { name: 'c' }),
    ],
    initializers: [weights('wa', [2, width]), weights('wb', [width, width]), weights('wc', [width, 3])],
    outputs: [{ name: 'y', shape: ['rows', 3] }],
  });
}

const shapes = (width: number): Map<string, readonly number[]> =>
  new Map([
    ['ha', [1, width]],
    ['hb', [1, width]],
    ['y', [1, 3]],
  ]);

describe('networkOutline', () => {
  it('draws layers, and what lies between them only where paths meet', () => {
    const { nodes, edges } = networkOutline({ model: shortcut(8), shapes: shapes(8) }, undefined);
    expect(nodes.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'input x',
      'layer a',
      'layer b',
      'join add',
      'layer c',
      'output y',
    ]);
    const named = edges.map(([from, to]) => `${nodes[from]!.name} ${nodes[to]!.name}`);
    expect(named.toSorted()).toEqual(['a add', 'a b', 'add c', 'b add', 'c y', 'x a']);
  });

  it('sets the widths and parameters of the second model beside those of the first', () => {
    const { nodes } = networkOutline(
      { model: shortcut(8), shapes: shapes(8) },
      { model: shortcut(5), shapes: shapes(5) },
    );
    expect(nodes.filter((n) => n.kind === 'layer').map((n) => [n.before, n.after, n.parameters])).toEqual([
      [8, 5, { before: 16, after: 10 }],
      [8, 5, { before: 64, after: 25 }],
      [3, 3, { before: 24, after: 15 }],
    ]);
  });
});
