// Messages to IR. Every IR object keeps its message as origin, so that the encoder can write back untouched what nobody edited.
import type { Attribute, Dimension, FunctionInfo, Graph, Model, Node, ValueInfo } from '../graph/ir.js';
import { parameterCount } from '../graph/edit.js';
import type { Tensor } from '../graph/tensor.js';
import { raise } from '../diagnostics/diagnostic.js';
import { modelNestedTooDeeply, modelWithoutGraph } from '../diagnostics/onnx.js';
import { dataTypeOf } from './element-types.js';
import type { ExternalFolder } from './external-folder.js';
import { AttributeType } from './generated/schema.js';
import { Origin } from './origin.js';
import { readTensor } from './tensor-storage.js';
import { decodeText, openMessage, type Field, type Message } from './wire.js';

/** protobuf's own limit in other languages is 100 messages, about 33 subgraphs; this only guards the call stack. */
const MAX_SUBGRAPH_DEPTH = 64;

/** Where the model comes from, as far as decoding needs it. */
export interface DecodeContext {
  readonly path: string | undefined;
  readonly external: ExternalFolder;
}

/** What {@link decodeModelMessage} attaches to a model. */
export interface ModelOrigin {
  readonly graph: Graph;
  readonly irVersion: number;
  readonly opsets: ReadonlyMap<string, number>;
  readonly metadata: readonly { readonly key: string; readonly value: string }[];
  readonly functions: readonly FunctionInfo[];
  readonly producer: { readonly name: string; readonly version: string };
  readonly external: ExternalFolder;
}

/**
 * A model from its message.
 * @throws CondenseError or WireError when it is no valid model.
 */
export function decodeModelMessage(message: Message<'ModelProto'>, context: DecodeContext): Model {
  const graphField = message.all('graph').at(-1);
  if (graphField === undefined) return raise(modelWithoutGraph(context.path));
  const graph = decodeGraph(graphField, context, 0);
  const read = {
    irVersion: message.integer('ir_version'),
    opsets: new Map(
      message
        .messages('opset_import', 'OperatorSetIdProto')
        .map((entry) => [normaliseDomain(entry.string('domain')), entry.integer('version')]),
    ),
    functions: message.all('functions').map((f) => decodeFunction(f, context)),
    producer: { name: message.string('producer_name'), version: message.string('producer_version') },
  };
  const metadata = message
    .messages('metadata_props', 'StringStringEntryProto')
    .map((entry) => ({ key: entry.string('key'), value: entry.string('value') }));
  const snapshot: ModelOrigin = {
    ...read,
    graph,
    metadata: metadata.map((m) => ({ ...m })),
    external: context.external,
  };
  return {
    ...read,
    graph,
    metadata,
    origin: new Origin(message, snapshot, undefined),
  };
}

/** The default domain has two spellings; the IR knows one. */
export function normaliseDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

function decodeGraph(field: Field, context: DecodeContext, depth: number): Graph {
  if (depth > MAX_SUBGRAPH_DEPTH) raise(modelNestedTooDeeply(context.path, MAX_SUBGRAPH_DEPTH));
  const message = openMessage(field, 'GraphProto');
  const read = {
    name: message.string('name'),
    nodes: message.all('node').map((f) => decodeNode(f, context, depth)),
    initializers: message.all('initializer').map((f) => decodeTensor(f, context)),
    inputs: message.all('input').map(decodeValueInfo),
    outputs: message.all('output').map(decodeValueInfo),
    valueInfo: message.all('value_info').map(decodeValueInfo),
  };
  return {
    name: read.name,
    nodes: [...read.nodes],
    initializers: new Map(read.initializers.map((t) => [t.name, t])),
    inputs: [...read.inputs],
    outputs: [...read.outputs],
    valueInfo: [...read.valueInfo],
    // The name of a sparse initializer is that of its values.
    sparseInitializers: message
      .messages('sparse_initializer', 'SparseTensorProto')
      .map((sparse) => sparse.message('values', 'TensorProto')?.string('name') ?? ''),
    origin: new Origin(message, read, field),
  };
}

function decodeNode(field: Field, context: DecodeContext, depth: number): Node {
  const message = openMessage(field, 'NodeProto');
  const attributes = message.all('attribute').map((f) => decodeAttribute(f, context, depth));
  const node = {
    name: message.string('name'),
    opType: message.string('op_type'),
    domain: normaliseDomain(message.string('domain')),
    inputs: message.strings('input'),
    outputs: message.strings('output'),
  };
  const read = { ...node, inputs: [...node.inputs], outputs: [...node.outputs], attributes };
  return { ...node, attributes: new Map(attributes.map((a) => [a.name, a])), origin: new Origin(message, read, field) };
}

function decodeAttribute(field: Field, context: DecodeContext, depth: number): Attribute {
  const message = openMessage(field, 'AttributeProto');
  const name = message.string('name');
  const value = decodeAttributeValue(message, context, depth);
  return { name, ...value, origin: new Origin(message, { name, ...value }, field) } as Attribute;
}

type AttributeContent = Pick<Attribute, 'type' | 'value'>;

const OPAQUE: AttributeContent = { type: 'opaque', value: undefined };

function decodeAttributeValue(
  message: Message<'AttributeProto'>,
  context: DecodeContext,
  depth: number,
): AttributeContent {
  if (message.string('ref_attr_name') !== '') return OPAQUE;
  switch (attributeType(message)) {
    case AttributeType.FLOAT:
      return { type: 'float', value: message.float('f') };
    case AttributeType.INT:
      return { type: 'int', value: message.integer('i') };
    case AttributeType.STRING:
      return { type: 'string', value: decodeText(message.byteStrings('s').at(-1) ?? new Uint8Array(0)) };
    case AttributeType.TENSOR: {
      const tensor = message.all('t').at(-1);
      return tensor === undefined ? OPAQUE : { type: 'tensor', value: decodeTensor(tensor, context) };
    }
    case AttributeType.GRAPH: {
      const graph = message.all('g').at(-1);
      return graph === undefined ? OPAQUE : { type: 'graph', value: decodeGraph(graph, context, depth + 1) };
    }
    case AttributeType.FLOATS:
      return { type: 'floats', value: message.floats('floats') };
    case AttributeType.INTS:
      return { type: 'ints', value: message.integers('ints') };
    case AttributeType.STRINGS:
      return { type: 'strings', value: message.byteStrings('strings').map(decodeText) };
    case AttributeType.GRAPHS:
      return { type: 'graphs', value: message.all('graphs').map((f) => decodeGraph(f, context, depth + 1)) };
    default:
      return OPAQUE;
  }
}

/** The declared type; files of IR version 1 do not declare one, there the field that is present tells. */
function attributeType(message: Message<'AttributeProto'>): number {
  const declared = message.integer('type');
  if (declared !== AttributeType.UNDEFINED) return declared;
  if (message.has('f')) return AttributeType.FLOAT;
  if (message.has('i')) return AttributeType.INT;
  if (message.has('s')) return AttributeType.STRING;
  if (message.has('t')) return AttributeType.TENSOR;
  if (message.has('g')) return AttributeType.GRAPH;
  if (message.has('floats')) return AttributeType.FLOATS;
  if (message.has('ints')) return AttributeType.INTS;
  if (message.has('strings')) return AttributeType.STRINGS;
  if (message.has('graphs')) return AttributeType.GRAPHS;
  return AttributeType.UNDEFINED;
}

function decodeTensor(field: Field, context: DecodeContext): Tensor {
  const message = openMessage(field, 'TensorProto');
  const read = readTensor(message, context.external);
  return { ...read, origin: new Origin(message, read, field) };
}

function decodeValueInfo(field: Field): ValueInfo {
  const message = openMessage(field, 'ValueInfoProto');
  const type = message.message('type', 'TypeProto')?.message('tensor_type', 'TypeProto.Tensor');
  const read = {
    name: message.string('name'),
    dtype: type === undefined ? undefined : dataTypeOf(type.integer('elem_type')),
    shape: type
      ?.message('shape', 'TensorShapeProto')
      ?.messages('dim', 'TensorShapeProto.Dimension')
      .map(decodeDimension),
  };
  return { ...read, origin: new Origin(message, read, field) };
}

function decodeDimension(dim: Message<'TensorShapeProto.Dimension'>): Dimension {
  if (dim.has('dim_value')) return dim.integer('dim_value');
  // An empty symbol says nothing; some exporters write it.
  return dim.string('dim_param') || undefined;
}

function decodeFunction(field: Field, context: DecodeContext): FunctionInfo {
  const message = openMessage(field, 'FunctionProto');
  const nodes = message.all('node').map((f) => decodeNode(f, context, 0));
  return {
    domain: normaliseDomain(message.string('domain')),
    name: message.string('name'),
    parameterCount: countParameters(nodes),
    origin: new Origin(message, undefined, field),
  };
}

/** Counts as the main graph does, with the body in its place. */
function countParameters(nodes: Node[]): number {
  const graph: Graph = {
    name: '',
    nodes,
    initializers: new Map(),
    inputs: [],
    outputs: [],
    valueInfo: [],
    sparseInitializers: [],
  };
  return parameterCount({
    graph,
    irVersion: 0,
    opsets: new Map(),
    metadata: [],
    functions: [],
    producer: { name: '', version: '' },
  });
}
