import type { Attribute, Graph, Model, Node, ValueInfo } from './ir.js';
import { elementCount, isFloat, type Tensor } from './tensor.js';
import { freeNames, subgraphs } from './uses.js';

/** A copy that can be edited without touching the original: nodes and lists are copied, tensors and attributes (immutable) are shared. */
export function cloneModel(model: Model): Model {
  return {
    ...model,
    metadata: model.metadata.map((entry) => ({ ...entry })),
    graph: cloneGraph(model.graph),
  };
}

function cloneGraph(graph: Graph): Graph {
  return {
    ...graph,
    nodes: graph.nodes.map(cloneNode),
    initializers: new Map(graph.initializers),
    inputs: [...graph.inputs],
    outputs: [...graph.outputs],
    valueInfo: [...graph.valueInfo],
  };
}

/** A copy of a node whose lists can be edited; its attributes are shared. */
export function cloneNode(node: Node): Node {
  return { ...node, inputs: [...node.inputs], outputs: [...node.outputs], attributes: new Map(node.attributes) };
}

/**
 * Puts `tensor` in the place of the constant held under `holder` (an initializer's name, or a Constant node's output).
 * It takes over the origin, so that the doc string and whatever else the file says about the constant stays. A graph input that lists the
 * initializer (old exporters) gets the new shape.
 * @throws Error when nothing is held under that name: a bug of the caller.
 */
export function replaceConstant(graph: Graph, holder: string, tensor: Tensor): void {
  const initializer = graph.initializers.get(holder);
  if (initializer !== undefined) {
    graph.initializers.set(holder, { ...tensor, name: holder, origin: initializer.origin });
    graph.inputs = graph.inputs.map((i) => (i.name === holder ? withShape(i, tensor.dims) : i));
    return;
  }
  const node = graph.nodes.find((n) => n.opType === 'Constant' && n.outputs[0] === holder);
  const old = node?.attributes.get('value');
  if (node === undefined || old?.type !== 'tensor') throw new Error(`no constant is held under '${holder}'`);
  const { name, origin } = old.value;
  node.attributes.set('value', { ...old, value: { ...tensor, name, origin } });
}

/** Adds an initializer under its own name, which must be free. Before IR version 4 it has to be a graph input as well. */
export function addInitializer({ graph, irVersion }: Model, tensor: Tensor): void {
  const { name, dtype, dims } = tensor;
  graph.initializers.set(name, tensor);
  if (irVersion < 4) graph.inputs.push({ name, dtype, shape: dims });
}

/** The value info with another shape; an unchanged one is returned as it is, so that it is written back untouched. */
export function withShape(info: ValueInfo, shape: ValueInfo['shape']): ValueInfo {
  const same =
    info.shape !== undefined &&
    shape !== undefined &&
    info.shape.length === shape.length &&
    info.shape.every((d, i) => d === shape[i]);
  return same ? info : { ...info, shape };
}

/** Every name that is defined or read in any scope of the model: graph, subgraphs; values, initializers and nodes alike. */
export function allNames(model: Model): Set<string> {
  const names = new Set<string>();
  const visit = (graph: Graph): void => {
    for (const info of [...graph.inputs, ...graph.outputs, ...graph.valueInfo]) names.add(info.name);
    for (const name of graph.initializers.keys()) names.add(name);
    for (const name of graph.sparseInitializers) names.add(name);
    for (const node of graph.nodes) {
      names.add(node.name);
      for (const name of [...node.inputs, ...node.outputs]) names.add(name);
      subgraphs(node).forEach(visit);
    }
  };
  visit(model.graph);
  return names;
}

/** `wanted`, or `wanted_1`, `wanted_2`, ... : the first that is not in `taken`; it is added there. */
export function uniqueName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let i = 1; taken.has(name); i++) name = `${wanted}_${i}`;
  taken.add(name);
  return name;
}

/**
 * Deletes the nodes, initializers and value infos that became useless since `before`: those that nothing reads any more now but something
 * did then. What was dead already stays: nothing is cleaned up behind the user's back.
 * @returns the names of the deleted nodes and initializers.
 */
export function deleteNewlyDead(graph: Graph, before: Graph): { nodes: string[]; initializers: string[] } {
  const deadBefore = new Set(findDead(before));
  const wasThere = new Set([...before.initializers.keys(), ...before.nodes.flatMap((n) => n.outputs)]);
  // What is new and dead can only be read by what was dead already.
  const dead = new Set(findDead(graph).filter((name) => wasThere.has(name) && !deadBefore.has(name)));
  const nodes = graph.nodes.filter((n) => n.outputs.length > 0 && n.outputs.every((o) => o === '' || dead.has(o)));
  const doomed = new Set(nodes);
  graph.nodes = graph.nodes.filter((n) => !doomed.has(n));
  const initializers = [...graph.initializers.keys()].filter((name) => dead.has(name));
  for (const name of initializers) graph.initializers.delete(name);
  if (initializers.length > 0) {
    const gone = new Set(initializers);
    graph.inputs = graph.inputs.filter((i) => !gone.has(i.name));
  }
  const defined = new Set(graph.nodes.flatMap((n) => n.outputs));
  const wasDefined = new Set(before.nodes.flatMap((n) => n.outputs));
  graph.valueInfo = graph.valueInfo.filter((v) => defined.has(v.name) || !wasDefined.has(v.name));
  return { nodes: nodes.map((n) => n.name), initializers };
}

/** Values and initializers from which no graph output is reached. */
function findDead(graph: Graph): string[] {
  const producer = new Map<string, Node>();
  for (const node of graph.nodes) for (const name of node.outputs) producer.set(name, node);
  const live = new Set<string>();
  const pending = graph.outputs.map((o) => o.name);
  while (pending.length > 0) {
    const name = pending.pop()!;
    if (name === '' || live.has(name)) continue;
    live.add(name);
    const node = producer.get(name);
    if (node === undefined) continue;
    // All outputs of a live node are alive: they cannot be dropped one by one.
    for (const other of node.outputs) live.add(other);
    pending.push(...node.inputs, ...subgraphs(node).flatMap((g) => [...freeNames(g)]));
  }
  return [...producer.keys(), ...graph.initializers.keys()].filter((name) => name !== '' && !live.has(name));
}

/**
 * Parameters of a model: floating-point elements of initializers and of Constant nodes, in all scopes (functions included), in tensors of
 * more than one element; a shared tensor counts once, BatchNormalization statistics are included.
 */
export function parameterCount(model: Model): number {
  const inTensor = (tensor: Tensor): number => {
    const count = elementCount(tensor.dims);
    return isFloat(tensor.dtype) && count > 1 ? count : 0;
  };
  const inAttribute = (attribute: Attribute): number => {
    switch (attribute.type) {
      case 'tensor':
        return inTensor(attribute.value);
      case 'graph':
        return inGraph(attribute.value);
      case 'graphs':
        return attribute.value.reduce((sum, g) => sum + inGraph(g), 0);
      case 'floats':
        return attribute.value.length > 1 ? attribute.value.length : 0;
      default:
        return 0;
    }
  };
  const inNode = (node: Node): number => {
    let sum = 0;
    for (const attribute of node.attributes.values()) {
      if (attribute.type === 'graph' || attribute.type === 'graphs' || node.opType === 'Constant')
        sum += inAttribute(attribute);
    }
    return sum;
  };
  const inGraph = (graph: Graph): number => {
    let sum = 0;
    for (const tensor of graph.initializers.values()) sum += inTensor(tensor);
    for (const node of graph.nodes) sum += inNode(node);
    return sum;
  };
  return inGraph(model.graph) + model.functions.reduce((sum, f) => sum + f.parameterCount, 0);
}
