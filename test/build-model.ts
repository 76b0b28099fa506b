import type { Attribute, Dimension, Graph, Model, Node, ValueInfo } from '../src/graph/ir.js';
import type { DataType, Tensor } from '../src/graph/tensor.js';

/** An attribute value: 3 → int, [1, 2] → ints, 'abc' → string, { float: 0.5 }, { floats: [0.5] }, { strings: ['a'] }, a tensor, a graph. */
export type AttributeValue =
  | number
  | readonly number[]
  | string
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  | Tensor
  | Graph;

/** A graph input or output; `dtype` defaults to float32, a missing shape means that the rank is unknown. */
export interface IoSpec {
  name: string;
  dtype?: DataType;
  shape?: readonly Dimension[];
}

/** What a test graph consists of. */
export interface GraphSpec {
  name?: string;
  inputs?: IoSpec[];
  outputs: IoSpec[];
  nodes: Node[];
  initializers?: Tensor[];
  valueInfo?: IoSpec[];
}

/** A node, e.g. `node('Gemm', ['x', 'w', 'b'], ['y'], { transB: 1, alpha: { float: 0.5 } })`. Its name defaults to its first output. */
export function node(
  opType: string,
  inputs: string[],
  outputs: string[],
  attributes: Record<string, AttributeValue> = {},
  options: { name?: string; domain?: string } = {},
): Node {
  return {
    name: options.name ?? outputs[0] ?? opType,
    opType,
    domain: options.domain ?? '',
    inputs,
    outputs,
    attributes: new Map(Object.entries(attributes).map(([name, value]) => [name, attribute(name, value)])),
  };
}

/** A graph, for a model or for an attribute of If, Loop or Scan. */
export function buildGraph(spec: GraphSpec): Graph {
  return {
    name: spec.name ?? 'test',
    nodes: spec.nodes,
    initializers: new Map((spec.initializers ?? []).map((t) => [t.name, t])),
    inputs: (spec.inputs ?? []).map(valueInfo),
    outputs: spec.outputs.map(valueInfo),
    valueInfo: (spec.valueInfo ?? []).map(valueInfo),
    sparseInitializers: [],
  };
}

/** A model that was never in a file. Opset 17 (or `opset`), IR version 8. */
export function buildModel(
  spec: GraphSpec & { opset?: number; irVersion?: number; metadata?: Record<string, string> },
): Model {
  return {
    graph: buildGraph(spec),
    irVersion: spec.irVersion ?? 8,
    opsets: new Map([['', spec.opset ?? 17]]),
    metadata: Object.entries(spec.metadata ?? {}).map(([key, value]) => ({ key, value })),
    functions: [],
    producer: { name: 'test', version: '' },
  };
}

function valueInfo({ name, dtype = 'float32', shape }: IoSpec): ValueInfo {
  return { name, dtype, shape };
}

function attribute(name: string, value: AttributeValue): Attribute {
  if (typeof value === 'number') return { name, type: 'int', value };
  if (typeof value === 'string') return { name, type: 'string', value };
  if (isNumberList(value)) return { name, type: 'ints', value };
  if ('float' in value) return { name, type: 'float', value: value.float };
  if ('floats' in value) return { name, type: 'floats', value: value.floats };
  if ('strings' in value) return { name, type: 'strings', value: value.strings };
  if ('nodes' in value) return { name, type: 'graph', value };
  return { name, type: 'tensor', value };
}

function isNumberList(value: AttributeValue): value is readonly number[] {
  return Array.isArray(value);
}
