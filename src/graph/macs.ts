import type { Model, Node } from './ir.js';
import { elementCount } from './tensor.js';
import { constantAt, UseIndex } from './uses.js';

type Shapes = ReadonlyMap<string, readonly number[]>;

/**
 * Multiply-accumulates of the Gemm, MatMul, Conv and ConvTranspose nodes of the main graph, for the shapes given (one row of input for the
 * usual figure). Nodes whose shapes are unknown count as zero.
 */
export function countMacs(model: Model, shapes: Shapes): number {
  return [...macsByNode(model, shapes).values()].reduce((sum, macs) => sum + macs, 0);
}

/** The same for each node that has any. */
export function macsByNode(model: Model, shapes: Shapes): ReadonlyMap<Node, number> {
  const index = new UseIndex(model.graph);
  const dims = (value: string | undefined): readonly number[] | undefined =>
    value === undefined ? undefined : (shapes.get(value) ?? constantAt(index, value)?.tensor.dims);
  const ofNode = (node: Node): number => {
    const x = dims(node.inputs[0]);
    const w = dims(node.inputs[1]);
    const y = dims(node.outputs[0]);
    if (x === undefined || w === undefined || y === undefined) return 0;
    switch (node.opType) {
      case 'Gemm':
        return elementCount(y) * (elementCount(w) / (y[1] ?? 1));
      case 'MatMul':
        return elementCount(y) * (x.at(-1) ?? 1);
      case 'Conv':
        return elementCount(y) * elementCount(w.slice(1));
      case 'ConvTranspose':
        return elementCount(x) * elementCount(w.slice(1));
      default:
        return 0;
    }
  };
  const nodes = model.graph.nodes.filter((node) => node.domain === '');
  return new Map(nodes.map((node) => [node, ofNode(node)] as const).filter(([, macs]) => macs > 0));
}
