import { constantAt, UseIndex } from '../graph/uses.js';
import type { Model, Node } from '../graph/ir.js';

/**
 * Multiply-accumulates of the Gemm, MatMul, Conv and ConvTranspose nodes of the main graph, for the shapes given (one row of input for the
 * usual figure). Nodes whose shapes are unknown count as zero.
 */
export function countMacs(model: Model, shapes: ReadonlyMap<string, readonly number[]>): number {
  const index = new UseIndex(model.graph);
  const dims = (value: string | undefined): readonly number[] | undefined =>
    value === undefined ? undefined : (shapes.get(value) ?? constantAt(index, value)?.tensor.dims);
  const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);
  const ofNode = (node: Node): number => {
    const x = dims(node.inputs[0]);
    const w = dims(node.inputs[1]);
    const y = dims(node.outputs[0]);
    if (x === undefined || w === undefined || y === undefined) return 0;
    switch (node.opType) {
      case 'Gemm':
        return product(y) * (product(w) / (y[1] ?? 1));
      case 'MatMul':
        return product(y) * (x.at(-1) ?? 1);
      case 'Conv':
        return product(y) * product(w.slice(1));
      case 'ConvTranspose':
        return product(x) * product(w.slice(1));
      default:
        return 0;
    }
  };
  return model.graph.nodes.reduce((sum, node) => sum + (node.domain === '' ? ofNode(node) : 0), 0);
}
