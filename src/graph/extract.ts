import type { Attribute, Graph, Node } from './ir.js';
import { freeNames, subgraphs } from './uses.js';

/** The part of a graph that computes some values: nodes in the graph's order, and the names it reads from outside. */
export interface Extract {
  readonly nodes: Node[];
  /** Initializers, graph inputs and values of `available` that the nodes (or the wanted values themselves) read. */
  readonly reads: Set<string>;
}

/** The nodes needed for `wanted`, going back until graph inputs, initializers or values in `available`. */
export function extract(graph: Graph, wanted: readonly string[], available: ReadonlySet<string>): Extract {
  const producer = new Map<string, Node>();
  for (const node of graph.nodes) for (const name of node.outputs) if (name !== '') producer.set(name, node);
  const needed = new Set<Node>();
  const reads = new Set<string>();
  const seen = new Set<string>();
  const pending = [...wanted];
  while (pending.length > 0) {
    const name = pending.pop()!;
    if (name === '' || seen.has(name)) continue;
    seen.add(name);
    const node = available.has(name) ? undefined : producer.get(name);
    if (node === undefined) {
      reads.add(name);
      continue;
    }
    if (needed.has(node)) continue;
    needed.add(node);
    pending.push(...node.inputs, ...subgraphs(node).flatMap((g) => [...freeNames(g)]));
  }
  // A node that is needed for one of its outputs makes the others too, even those that are available.
  for (const node of needed) for (const name of node.outputs) reads.delete(name);
  return { nodes: graph.nodes.filter((n) => needed.has(n)), reads };
}

/** A copy of the node with its values renamed, also where its subgraphs capture them. */
export function renameNode(node: Node, rename: (name: string) => string): Node {
  const attributes = new Map<string, Attribute>();
  for (const [key, attribute] of node.attributes) {
    if (attribute.type === 'graph')
      attributes.set(key, { name: key, type: 'graph', value: renameCaptures(attribute.value, rename) });
    else if (attribute.type === 'graphs') {
      attributes.set(key, { name: key, type: 'graphs', value: attribute.value.map((g) => renameCaptures(g, rename)) });
    } else attributes.set(key, attribute);
  }
  const all = (names: readonly string[]): string[] => names.map((n) => (n === '' ? '' : rename(n)));
  return { ...node, name: '', inputs: all(node.inputs), outputs: all(node.outputs), attributes };
}

function renameCaptures(graph: Graph, rename: (name: string) => string): Graph {
  const captured = freeNames(graph);
  const map = (name: string): string => (captured.has(name) ? rename(name) : name);
  return {
    ...graph,
    nodes: graph.nodes.map((n) => ({ ...renameNode(n, map), name: n.name, outputs: n.outputs })),
    outputs: graph.outputs.map((o) => ({ ...o, name: map(o.name) })),
  };
}
