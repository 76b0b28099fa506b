import type { Graph, Node } from './ir.js';
import type { Tensor } from './tensor.js';

/** A place where a value is read. `input` is -1 where a subgraph of the node captures it. */
export interface Use {
  readonly node: Node;
  readonly input: number;
}

/** Subgraphs held by a node's attributes. */
export function subgraphs(node: Node): Graph[] {
  const graphs: Graph[] = [];
  for (const attribute of node.attributes.values()) {
    if (attribute.type === 'graph') graphs.push(attribute.value);
    else if (attribute.type === 'graphs') graphs.push(...attribute.value);
  }
  return graphs;
}

/** Names that a graph's nodes and outputs read but that it does not define itself: what it captures from the scopes around it. */
export function freeNames(graph: Graph): Set<string> {
  const defined = new Set<string>([
    ...graph.inputs.map((i) => i.name),
    ...graph.initializers.keys(),
    ...graph.sparseInitializers,
    ...graph.nodes.flatMap((n) => n.outputs),
  ]);
  const free = new Set<string>();
  const read = (name: string): void => {
    if (name !== '' && !defined.has(name)) free.add(name);
  };
  for (const node of graph.nodes) {
    node.inputs.forEach(read);
    for (const inner of subgraphs(node)) freeNames(inner).forEach(read);
  }
  graph.outputs.forEach((o) => read(o.name));
  return free;
}

/** Definitions and uses of one graph's values, as they stand when it is made; make a new one after an edit. */
export class UseIndex {
  private readonly producers = new Map<string, { node: Node; output: number }>();
  private readonly usesOf = new Map<string, Use[]>();
  private readonly outputs: ReadonlySet<string>;

  constructor(readonly graph: Graph) {
    this.outputs = new Set(graph.outputs.map((o) => o.name));
    const use = (name: string, node: Node, input: number): void => {
      if (name === '') return;
      const list = this.usesOf.get(name);
      if (list === undefined) this.usesOf.set(name, [{ node, input }]);
      else list.push({ node, input });
    };
    for (const node of graph.nodes) {
      node.outputs.forEach((name, output) => {
        if (name !== '') this.producers.set(name, { node, output });
      });
      node.inputs.forEach((name, input) => {
        use(name, node, input);
      });
      for (const inner of subgraphs(node)) {
        for (const name of freeNames(inner)) use(name, node, -1);
      }
    }
  }

  /** The node that computes `value`; undefined for graph inputs and initializers. */
  producer(value: string): { readonly node: Node; readonly output: number } | undefined {
    return this.producers.get(value);
  }

  /** Every place that reads `value`, captures by subgraphs included; graph outputs are not in this list. */
  uses(value: string): readonly Use[] {
    return this.usesOf.get(value) ?? [];
  }

  isGraphOutput(value: string): boolean {
    return this.outputs.has(value);
  }

  /**
   * The constant behind `value`, or undefined. Initializers (also those that old exporters list as graph inputs), Constant nodes and
   * Identity nodes over either look the same to the caller.
   */
  constant(value: string): Tensor | undefined {
    return constantAt(this, value)?.tensor;
  }
}

/** Where a constant is held, so that it can be replaced: the initializer's name, or the Constant node. */
export interface ConstantHolder {
  /** The name that identifies the holder: the initializer's, or the Constant node's output. Unique within the graph. */
  readonly name: string;
  readonly tensor: Tensor;
}

/** The holder of the constant behind `value`, seen through Identity nodes; undefined where `value` is computed or fed. */
export function constantAt(index: UseIndex, value: string): ConstantHolder | undefined {
  let name = value;
  for (;;) {
    const initializer = index.graph.initializers.get(name);
    if (initializer !== undefined) return { name, tensor: initializer };
    const producer = index.producer(name);
    if (producer === undefined) return undefined;
    const { node } = producer;
    if (node.domain !== '') return undefined;
    if (node.opType === 'Constant') {
      const attribute = node.attributes.get('value');
      return attribute?.type === 'tensor' ? { name, tensor: attribute.value } : undefined;
    }
    if (node.opType !== 'Identity') return undefined;
    name = node.inputs[0] ?? '';
  }
}
