import { describe, expect, it } from 'vitest';
import { orderNodes } from '../../passes/order-nodes.js';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import type { Node } from '../../src/graph/ir.js';
import { buildModel, node } from '../build-model.js';

const model = (nodes: Node[]) => buildModel({ inputs: [{ name: 'x' }], nodes, outputs: [{ name: 'b' }] });
const [first, second] = [node('Relu', ['x'], ['a']), node('Neg', ['a'], ['b'])];

describe('ordering nodes', () => {
  it('hands back a model in order as it is', async () => {
    const ordered = model([first, second]);
    expect((await orderNodes.run(ordered, undefined)).model).toBe(ordered);
  });

  it('restores the order in a copy, and says so', async () => {
    const unordered = model([second, first]);
    const result = await orderNodes.run(unordered, undefined);
    expect(result.changed).toBe(true);
    expect(result.notes[0]).toContain('topological order');
    expect(result.model.graph.nodes.map((n) => n.outputs[0])).toEqual(['a', 'b']);
    expect(unordered.graph.nodes.map((n) => n.outputs[0])).toEqual(['b', 'a']);
  });

  it("a cycle is the file's fault, named with the file", () => {
    const cyclic = {
      ...model([node('Neg', ['b'], ['b'])]),
      source: { path: 'bad.onnx', byteLength: 0, sha256: '', externalFiles: [] },
    };
    let error: unknown;
    try {
      void orderNodes.run(cyclic, undefined);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(CondenseError);
    expect((error as CondenseError).diagnostic).toMatchObject({ code: 'GRAPH_HAS_CYCLE', where: 'bad.onnx' });
  });
});
