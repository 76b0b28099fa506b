import type { Graph, Node } from './ir.js';
import { freeNames, subgraphs } from './uses.js';

/**
 * The nodes of `graph` so that every value is defined before it is read (ONNX demands it, some exporters do not deliver it).
 * A graph that is in order keeps its order exactly. Returns undefined when the graph has a cycle.
 */
export function topologicalOrder(graph: Graph): Node[] | undefined {
  const definedBy = new Map<string, Node>();
  for (const node of graph.nodes) for (const name of node.outputs) if (name !== '') definedBy.set(name, node);

  const state = new Map<Node, 'open' | 'done'>();
  const order: Node[] = [];
  // Depth first from each node in file order, with an explicit stack: a deep chain must not exhaust the call stack.
  for (const root of graph.nodes) {
    if (state.has(root)) continue;
    const stack: { node: Node; inputs: Iterator<string> }[] = [{ node: root, inputs: reads(root) }];
    state.set(root, 'open');
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const next = top.inputs.next();
      if (next.done === true) {
        state.set(top.node, 'done');
        order.push(top.node);
        stack.pop();
        continue;
      }
      const before = definedBy.get(next.value);
      if (before === undefined) continue;
      const known = state.get(before);
      if (known === 'open') return undefined;
      if (known === undefined) {
        state.set(before, 'open');
        stack.push({ node: before, inputs: reads(before) });
      }
    }
  }
  return order;
}

function* reads(node: Node): Generator<string, undefined> {
  yield* node.inputs;
  for (const inner of subgraphs(node)) yield* freeNames(inner);
  return undefined;
}
