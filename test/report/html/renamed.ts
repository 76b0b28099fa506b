import type { Model } from '../../../src/index.js';

/** The model with another name for one node. */
export function renamed(model: Model, node: string, name: string): Model {
  const nodes = model.graph.nodes.map((n) => (n.name === node ? { ...n, name } : n));
  return { ...model, graph: { ...model.graph, nodes } };
}
