/**
 * What differs between two graphs. Nodes are the same where an output has the same name, else where they are called the same; constants are the same
 * by their names, wherever they are held. Everything is compared as it is stored: nothing is simplified first.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Attribute, Dimension, Graph, Model, Node, ValueInfo } from './ir.js';
import type { DataType, Tensor } from './tensor.js';
import { freeNames, subgraphs } from './uses.js';

/** A property as text, before and after; null where it is not there. */
export interface Difference {
  /** For example `operator`, `input 1`, `attribute alpha`, `opset ai.onnx`. */
  readonly what: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** A constant: an initializer, or what a Constant node holds. */
export interface ConstantShape {
  readonly dtype: DataType;
  readonly dims: readonly number[];
}

/** A constant that is gone, new, or not what it was. Where both sides are alike, the values differ. */
export interface ConstantDifference {
  readonly name: string;
  readonly before: ConstantShape | null;
  readonly after: ConstantShape | null;
}

/** A node that is gone (no `after`), new (no `before`), or not what it was. */
export interface NodePair {
  readonly before: Node | undefined;
  readonly after: Node | undefined;
  readonly differences: readonly Difference[];
  /** What differs among the constants that it reads. */
  readonly constants: readonly ConstantDifference[];
}

export interface GraphDifference {
  /** In the order of the second graph; those that are gone stand where they were. */
  readonly nodes: readonly NodePair[];
  /** Nodes that both have and that read the same constants. */
  readonly unchanged: number;
  /** In the order of the first graph, then those that are new. */
  readonly constants: readonly ConstantDifference[];
}

/** The differences between two graphs, subgraphs included: those count as attributes of their nodes. Constant nodes are constants, not nodes. */
export function diffGraphs(a: Graph, b: Graph): GraphDifference {
  const constants = diffConstants(constantsOf(a), constantsOf(b));
  const byName = new Map(constants.map((c) => [c.name, c]));
  const [old, now] = [computing(a), computing(b)];
  const partner = matchNodes(old, now);
  const matched = new Set(partner.values());

  const nodes: NodePair[] = [];
  let unchanged = 0;
  const add = (before: Node | undefined, after: Node | undefined): void => {
    const differences = before === undefined || after === undefined ? [] : diffNodes(before, after);
    const read = new Set([before, after].flatMap((node) => (node === undefined ? [] : readBy(node))));
    const own = [...read].flatMap((name) => byName.get(name) ?? []);
    if (before !== undefined && after !== undefined && differences.length === 0 && own.length === 0) unchanged++;
    else nodes.push({ before, after, differences, constants: own });
  };
  let at = 0;
  const addGone = (end: number): void => {
    for (; at < end; at++) if (!matched.has(old[at]!)) add(old[at], undefined);
  };
  const position = new Map(old.map((node, i) => [node, i]));
  for (const node of now) {
    const before = partner.get(node);
    if (before !== undefined) addGone(position.get(before)!);
    add(before, node);
  }
  addGone(old.length);
  return { nodes, unchanged, constants };
}

/** The differences between two models outside of their nodes and constants. */
export function diffModels(a: Model, b: Model): Difference[] {
  const infos = (list: readonly ValueInfo[]): [string, string][] => list.map((info) => [info.name, valueText(info)]);
  const opsets = ({ opsets }: Model): [string, string][] =>
    [...opsets].map(([domain, version]) => [domain === '' ? 'ai.onnx' : domain, String(version)]);
  const functions = (model: Model): [string, string][] =>
    model.functions.map((f) => [`${f.domain}.${f.name}`, `${f.parameterCount} parameters`]);
  const metadata = (model: Model): [string, string][] => model.metadata.map(({ key, value }) => [key, value]);
  return [
    ...changesOf('', [['IR version', String(a.irVersion)]], [['IR version', String(b.irVersion)]]),
    ...changesOf('opset ', opsets(a), opsets(b)),
    ...changesOf('input ', infos(fedInputs(a.graph)), infos(fedInputs(b.graph))),
    ...changesOf('output ', infos(a.graph.outputs), infos(b.graph.outputs)),
    ...changesOf('function ', functions(a), functions(b)),
    ...changesOf('metadata ', metadata(a), metadata(b)),
  ];
}

/** Old exporters list initializers among the inputs: they are compared as constants. */
function fedInputs({ inputs, initializers }: Graph): ValueInfo[] {
  return inputs.filter(({ name }) => !initializers.has(name));
}

/** Named texts that are not the same on both sides. */
function changesOf(
  prefix: string,
  before: readonly (readonly [string, string])[],
  after: readonly (readonly [string, string])[],
): Difference[] {
  const [old, now] = [new Map(before), new Map(after)];
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((name) =>
    old.get(name) === now.get(name)
      ? []
      : [{ what: `${prefix}${name}`, before: old.get(name) ?? null, after: now.get(name) ?? null }],
  );
}

/** Nodes of `b` by what they were in `a`. */
function matchNodes(a: readonly Node[], b: readonly Node[]): Map<Node, Node> {
  const output = (node: Node): string => node.outputs.find((name) => name !== '') ?? '';
  const operator = (node: Node): string => `${node.domain}:${node.opType}`;
  // An operator that was replaced by another must not stand in for one that only got another output: equal operators come first.
  const keys: ((node: Node) => string | undefined)[] = [
    (node) => `${operator(node)} ${output(node)}`,
    (node) => (node.name === '' ? undefined : `${operator(node)} ${node.name}`),
    output,
  ];
  const partner = new Map<Node, Node>();
  const taken = new Set<Node>();
  for (const key of keys) {
    const unique = (nodes: readonly Node[]): Map<string, Node> => {
      const found = new Map<string, Node>();
      const twice = new Set<string>();
      for (const node of nodes) {
        const own = key(node);
        if (own === undefined) continue;
        if (found.has(own)) twice.add(own);
        found.set(own, node);
      }
      for (const name of twice) found.delete(name);
      return found;
    };
    const old = unique(a.filter((node) => !taken.has(node)));
    for (const [own, node] of unique(b.filter((n) => !partner.has(n)))) {
      const before = old.get(own);
      if (before === undefined) continue;
      partner.set(node, before);
      taken.add(before);
    }
  }
  return partner;
}

function diffNodes(a: Node, b: Node): Difference[] {
  const operator = ({ domain, opType }: Node): string => (domain === '' ? opType : `${domain}.${opType}`);
  const numbered = (what: string, names: readonly string[]): [string, string][] =>
    names.flatMap((name, i) => (name === '' ? [] : [[`${what} ${i}`, name]]));
  const attributes = [...new Set([...a.attributes.keys(), ...b.attributes.keys()])].flatMap((name) => {
    const [old, now] = [a.attributes.get(name), b.attributes.get(name)];
    if (old !== undefined && now !== undefined && sameAttribute(old, now)) return [];
    const text = (attribute: Attribute | undefined): string | null =>
      attribute === undefined ? null : attributeText(attribute);
    return [{ what: `attribute ${name}`, before: text(old), after: text(now) }];
  });
  return [
    ...changesOf('', [['operator', operator(a)]], [['operator', operator(b)]]),
    ...changesOf('', [['name', a.name]], [['name', b.name]]),
    ...changesOf('', numbered('input', a.inputs), numbered('input', b.inputs)),
    ...changesOf('', numbered('output', a.outputs), numbered('output', b.outputs)),
    ...attributes,
  ];
}

function sameAttribute(a: Attribute, b: Attribute): boolean {
  if (a.type === 'tensor' && b.type === 'tensor') return sameTensor(a.value, b.value);
  if (a.type === 'graph' && b.type === 'graph') return sameGraph(a.value, b.value);
  if (a.type === 'graphs' && b.type === 'graphs')
    return a.value.length === b.value.length && a.value.every((graph, i) => sameGraph(graph, b.value[i]!));
  // What nobody here looks into is compared as it lies in the file.
  if (a.type === 'opaque' && b.type === 'opaque') return isDeepStrictEqual(a.origin, b.origin);
  return a.type === b.type && isDeepStrictEqual(a.value, b.value);
}

function sameGraph(a: Graph, b: Graph): boolean {
  const { nodes, constants } = diffGraphs(a, b);
  const ends = (graph: Graph): string[] =>
    [...fedInputs(graph), ...graph.outputs].map((i) => `${i.name} ${valueText(i)}`);
  return nodes.length === 0 && constants.length === 0 && isDeepStrictEqual(ends(a), ends(b));
}

function sameTensor(a: Tensor, b: Tensor): boolean {
  return sameShape(a, b) && (a.storage === b.storage || Buffer.compare(a.storage.bytes(), b.storage.bytes()) === 0);
}

function sameShape(a: ConstantShape, b: ConstantShape): boolean {
  return a.dtype === b.dtype && a.dims.length === b.dims.length && a.dims.every((d, i) => d === b.dims[i]);
}

function diffConstants(a: ReadonlyMap<string, Tensor>, b: ReadonlyMap<string, Tensor>): ConstantDifference[] {
  const shape = (tensor: Tensor | undefined): ConstantShape | null =>
    tensor === undefined ? null : { dtype: tensor.dtype, dims: tensor.dims };
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((name) => {
    const [old, now] = [a.get(name), b.get(name)];
    if (old !== undefined && now !== undefined && sameTensor(old, now)) return [];
    return [{ name, before: shape(old), after: shape(now) }];
  });
}

function constantsOf(graph: Graph): Map<string, Tensor> {
  const constants = new Map(graph.initializers);
  for (const node of graph.nodes) {
    const tensor = heldBy(node);
    if (tensor !== undefined) constants.set(node.outputs[0]!, tensor);
  }
  return constants;
}

/** The nodes that compute something. */
function computing({ nodes }: Graph): Node[] {
  return nodes.filter((node) => heldBy(node) === undefined);
}

/** The tensor of a Constant node. */
function heldBy(node: Node): Tensor | undefined {
  const value = node.opType === 'Constant' && node.domain === '' ? node.attributes.get('value') : undefined;
  return value?.type === 'tensor' && node.outputs[0] !== undefined ? value.value : undefined;
}

function readBy(node: Node): string[] {
  return [...node.inputs, ...subgraphs(node).flatMap((graph) => [...freeNames(graph)])];
}

/** A shape as people write it: `[3, 4]`. */
export function shapeText(dims: readonly Dimension[]): string {
  return `[${dims.map((d) => d ?? '?').join(', ')}]`;
}

function valueText({ dtype, shape }: ValueInfo): string {
  return `${dtype ?? 'no tensor'}${shape === undefined ? '' : ` ${shapeText(shape)}`}`;
}

function attributeText(attribute: Attribute): string {
  switch (attribute.type) {
    case 'int':
    case 'float':
      return String(attribute.value);
    case 'string':
      return JSON.stringify(attribute.value);
    case 'ints':
    case 'floats':
      return shapeText(attribute.value);
    case 'strings':
      return JSON.stringify(attribute.value);
    case 'tensor':
      return `${attribute.value.dtype} ${shapeText(attribute.value.dims)}`;
    case 'graph':
      return `graph of ${attribute.value.nodes.length} nodes`;
    case 'graphs':
      return `${attribute.value.length} graphs`;
    case 'opaque':
      return 'a value of another kind';
  }
}
