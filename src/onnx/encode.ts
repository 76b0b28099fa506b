// IR to messages: an object that equals what was read from the file gives back the very field it was read from.
import type { Attribute, FunctionInfo, Graph, Model, Node } from '../graph/ir.js';
import type { Tensor } from '../graph/tensor.js';
import type { ModelOrigin } from './decode.js';
import { Edits } from './edits.js';
import { onnxTypeOf } from './element-types.js';
import type { ExternalFolder } from './external-folder.js';
import { encodeValueInfo } from './encode-value-info.js';
import { FileRange } from './file-range.js';
import { AttributeType } from './generated/schema.js';
import { originOf } from './origin.js';
import { fieldId, type FieldName, type MessageName } from './schema.js';
import { TENSOR_DATA_FIELDS, type TensorContent } from './tensor-storage.js';
import { Message, type AnyMessage, type Field } from './wire.js';

/** The model as a message. The message that was read comes back itself when nothing was edited. */
export function encodeModelMessage(model: Model): Message<'ModelProto'> {
  const origin = originOf<ModelOrigin, 'ModelProto'>(model, 'ModelProto');
  const base = origin?.message ?? new Message('ModelProto', []);
  const before = origin?.read;
  const context = { external: before?.external };
  const edits = new Edits(base);
  if (model.irVersion !== before?.irVersion) edits.integer('ir_version', model.irVersion);
  if (model.producer.name !== (before?.producer.name ?? '')) edits.string('producer_name', model.producer.name);
  if (model.producer.version !== (before?.producer.version ?? ''))
    edits.string('producer_version', model.producer.version);
  if (!sameOpsets(model.opsets, before?.opsets)) edits.fields('opset_import', encodeOpsets(model.opsets));
  edits.fields('graph', [encodeGraph(model.graph, fieldId('ModelProto', 'graph'), context)]);
  edits.fields('metadata_props', encodeMetadata(model, base, before));
  edits.fields('functions', model.functions.map(functionField));
  return edits.apply();
}

/** What the encoder must know beside the objects. */
interface EncodeContext {
  /** External data of the file that the model was read from. */
  readonly external: ExternalFolder | undefined;
}

function sameOpsets(now: ReadonlyMap<string, number>, before: ReadonlyMap<string, number> | undefined): boolean {
  return before?.size === now.size && [...now].every(([domain, version]) => before.get(domain) === version);
}

function encodeOpsets(opsets: ReadonlyMap<string, number>): Field[] {
  return [...opsets].map(([domain, version]) => {
    const edits = new Edits(new Message('OperatorSetIdProto', []));
    edits.string('domain', domain);
    edits.integer('version', version);
    return asField(edits.apply(), fieldId('ModelProto', 'opset_import'));
  });
}

/** Entries that were there keep their fields, wherever they stand now. */
function encodeMetadata(model: Model, base: Message<'ModelProto'>, before: ModelOrigin | undefined): Field[] {
  const old = base.all('metadata_props').map((field, i) => ({ field, ...before!.metadata[i]! }));
  return model.metadata.map(({ key, value }) => {
    const known = old.findIndex((entry) => entry.key === key && entry.value === value);
    if (known !== -1) return old.splice(known, 1)[0]!.field;
    const edits = new Edits(new Message('StringStringEntryProto', []));
    edits.string('key', key);
    edits.string('value', value);
    return asField(edits.apply(), fieldId('ModelProto', 'metadata_props'));
  });
}

function functionField(info: FunctionInfo): Field {
  const origin = originOf(info, 'FunctionProto');
  if (origin?.field === undefined)
    throw new Error(`the function '${info.name}' was not read from a file: functions are only kept, never made`);
  return origin.field;
}

function encodeGraph(graph: Graph, id: number, context: EncodeContext): Field {
  const origin = originOf<Pick<Graph, 'name'> & { initializers: Tensor[] }, 'GraphProto'>(graph, 'GraphProto');
  const edits = new Edits(origin?.message ?? new Message('GraphProto', []));
  const set = <T>(
    name: FieldName<'GraphProto'>,
    items: Iterable<T>,
    encode: (item: T, fieldNumber: number) => Field,
  ): void => {
    const number = fieldId('GraphProto', name);
    edits.fields(
      name,
      Array.from(items, (item) => encode(item, number)),
    );
  };
  set('node', graph.nodes, (node, number) => encodeNode(node, number, context));
  if (graph.name !== (origin?.read.name ?? '')) edits.string('name', graph.name);
  if (!sameInitializers(graph, origin?.read.initializers)) {
    set('initializer', graph.initializers.values(), (tensor, number) => encodeTensor(tensor, number, context));
  }
  set('input', graph.inputs, encodeValueInfo);
  set('output', graph.outputs, encodeValueInfo);
  set('value_info', graph.valueInfo, encodeValueInfo);
  return keepOrWrap(origin, edits, id);
}

/** Compared as objects: a file that defines a name twice keeps both as long as nobody edits the initializers. */
function sameInitializers(graph: Graph, before: readonly Tensor[] | undefined): boolean {
  if (before === undefined) return false;
  const names = new Map(before.map((t) => [t.name, t]));
  return (
    names.size === graph.initializers.size &&
    [...graph.initializers].every(([name, tensor]) => names.get(name) === tensor)
  );
}

function encodeNode(node: Node, id: number, context: EncodeContext): Field {
  const origin = originOf<Omit<Node, 'attributes' | 'origin'>, 'NodeProto'>(node, 'NodeProto');
  const before = origin?.read;
  const edits = new Edits(origin?.message ?? new Message('NodeProto', []));
  if (!sameList(node.inputs, before?.inputs ?? [])) edits.strings('input', node.inputs);
  if (!sameList(node.outputs, before?.outputs ?? [])) edits.strings('output', node.outputs);
  if (node.name !== (before?.name ?? '')) edits.string('name', node.name);
  if (node.opType !== (before?.opType ?? '')) edits.string('op_type', node.opType);
  if (node.domain !== (before?.domain ?? '')) edits.string('domain', node.domain);
  const number = fieldId('NodeProto', 'attribute');
  edits.fields(
    'attribute',
    Array.from(node.attributes.values(), (attribute) => encodeAttribute(attribute, number, context)),
  );
  return keepOrWrap(origin, edits, id);
}

const VALUE_FIELDS = [
  ...(['ref_attr_name', 'f', 'i', 's', 't', 'g', 'sparse_tensor', 'tp', 'floats', 'ints', 'strings'] as const),
  ...(['tensors', 'graphs', 'sparse_tensors', 'type_protos'] as const),
];

function encodeAttribute(attribute: Attribute, id: number, context: EncodeContext): Field {
  const origin = originOf<Attribute, 'AttributeProto'>(attribute, 'AttributeProto');
  const before = origin?.read;
  const edits = new Edits(origin?.message ?? new Message('AttributeProto', []));
  if (attribute.name !== (before?.name ?? '')) edits.string('name', attribute.name);
  if (attribute.type !== before?.type) edits.remove(...VALUE_FIELDS);
  const changed = attribute.type !== before?.type || attribute.value !== before.value;
  switch (attribute.type) {
    case 'tensor':
      edits.fields('t', [encodeTensor(attribute.value, fieldId('AttributeProto', 't'), context)]);
      break;
    case 'graph':
      edits.fields('g', [encodeGraph(attribute.value, fieldId('AttributeProto', 'g'), context)]);
      break;
    case 'graphs':
      edits.fields(
        'graphs',
        attribute.value.map((graph) => encodeGraph(graph, fieldId('AttributeProto', 'graphs'), context)),
      );
      break;
    default:
      if (changed) encodePlainValue(attribute, edits);
  }
  if (attribute.type !== before?.type) edits.integer('type', TYPE_NUMBERS[attribute.type]);
  return keepOrWrap(origin, edits, id);
}

const TYPE_NUMBERS = {
  float: AttributeType.FLOAT,
  int: AttributeType.INT,
  string: AttributeType.STRING,
  tensor: AttributeType.TENSOR,
  graph: AttributeType.GRAPH,
  floats: AttributeType.FLOATS,
  ints: AttributeType.INTS,
  strings: AttributeType.STRINGS,
  graphs: AttributeType.GRAPHS,
  opaque: AttributeType.UNDEFINED,
} as const;

function encodePlainValue(
  attribute: Exclude<Attribute, { type: 'tensor' | 'graph' | 'graphs' }>,
  edits: Edits<'AttributeProto'>,
): void {
  switch (attribute.type) {
    case 'float':
      edits.float('f', attribute.value);
      break;
    case 'int':
      edits.integer('i', attribute.value);
      break;
    case 'string':
      edits.strings('s', [attribute.value]);
      break;
    case 'floats':
      edits.floats('floats', attribute.value);
      break;
    case 'ints':
      edits.integers('ints', attribute.value);
      break;
    case 'strings':
      edits.strings('strings', attribute.value);
      break;
    case 'opaque':
      throw new Error(`the attribute '${attribute.name}' is opaque and was not read from a file`);
  }
}

function encodeTensor(tensor: Tensor, id: number, context: EncodeContext): Field {
  const origin = originOf<TensorContent, 'TensorProto'>(tensor, 'TensorProto');
  const before = origin?.read;
  const edits = new Edits(origin?.message ?? new Message('TensorProto', []));
  if (!sameList(tensor.dims, before?.dims ?? [])) edits.integers('dims', tensor.dims);
  if (tensor.dtype !== before?.dtype) edits.integer('data_type', onnxTypeOf(tensor.dtype));
  if (tensor.name !== (before?.name ?? '')) edits.string('name', tensor.name);
  // A tensor out of another file's data cannot be referred to from this one: it is written like a new one.
  const foreign = tensor.storage instanceof FileRange && context.external?.owns(tensor.storage) !== true;
  if (tensor.storage !== before?.storage || tensor.dtype !== before.dtype || foreign) setTensorData(edits, tensor);
  return keepOrWrap(origin, edits, id);
}

function setTensorData(edits: Edits<'TensorProto'>, tensor: Tensor): void {
  edits.remove(...TENSOR_DATA_FIELDS);
  if (tensor.storage.byteLength > 0) edits.data('raw_data', tensor.storage);
}

/** The field that was read, when it has the right number and nothing was edited; a new one otherwise. */
function keepOrWrap<T, M extends MessageName>(
  origin: { readonly message: Message<M>; readonly field: Field | undefined; readonly read: T } | undefined,
  edits: Edits<M>,
  id: number,
): Field {
  const message = edits.apply();
  return message === origin?.message && origin.field?.id === id ? origin.field : asField(message, id);
}

/** A message as a field of its parent. */
function asField(message: AnyMessage, id: number): Field {
  return { kind: 'message', id, message };
}

function sameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a === b || (a.length === b.length && a.every((item, i) => item === b[i]));
}
