import type { Graph, Model, Node } from '../graph/ir.js';
import { LAYERS } from '../graph/layers.js';
import { subgraphs } from '../graph/uses.js';
import { refusal } from './refusal.js';
import { label } from './tracker.js';
import type { TargetNode } from './types.js';

/** The layers inside subgraphs (If, Loop, Scan): kept intact, and said so. */
export function targetsInSubgraphs(model: Model): TargetNode[] {
  const found: TargetNode[] = [];
  const visit = (graph: Graph, holder: Node): void => {
    for (const node of graph.nodes) {
      if (node.domain === '' && LAYERS.has(node.opType)) {
        const why = refusal(
          'IN_SUBGRAPH',
          [label(holder)],
          `it lies in a subgraph of ${holder.opType}, which is kept intact`,
        );
        found.push({ node, width: undefined, channels: undefined, spaces: [], refusal: why });
      }
      for (const inner of subgraphs(node)) visit(inner, node);
    }
  };
  for (const node of model.graph.nodes) for (const inner of subgraphs(node)) visit(inner, node);
  return found;
}
