import type { Dimension, ValueInfo } from '../graph/ir.js';
import { Edits } from './edits.js';
import { onnxTypeOf } from './element-types.js';
import { originOf } from './origin.js';
import { fieldId } from './schema.js';
import { Message, openMessage, type Field } from './wire.js';

/** A graph input, output or value info as field `id` of a GraphProto; doc strings, metadata and denotations stay. */
export function encodeValueInfo(info: ValueInfo, id: number): Field {
  const origin = originOf<Omit<ValueInfo, 'origin'>, 'ValueInfoProto'>(info, 'ValueInfoProto');
  const before = origin?.read;
  const edits = new Edits(origin?.message ?? new Message('ValueInfoProto', []));
  if (info.name !== (before?.name ?? '')) edits.string('name', info.name);
  if (info.dtype !== before?.dtype || info.shape !== before?.shape) {
    const type = origin?.message.message('type', 'TypeProto') ?? new Message('TypeProto', []);
    if (info.dtype !== undefined) edits.message('type', encodeType(info, before, type));
  }
  const message = edits.apply();
  return message === origin?.message && origin.field?.id === id ? origin.field : { kind: 'message', id, message };
}

function encodeType(
  info: Omit<ValueInfo, 'origin'>,
  before: Omit<ValueInfo, 'origin'> | undefined,
  base: Message<'TypeProto'>,
): Message<'TypeProto'> {
  const tensor = new Edits(base.message('tensor_type', 'TypeProto.Tensor') ?? new Message('TypeProto.Tensor', []));
  if (info.dtype !== undefined && info.dtype !== before?.dtype) tensor.integer('elem_type', onnxTypeOf(info.dtype));
  if (info.shape === undefined) {
    tensor.remove('shape');
  } else if (info.shape !== before?.shape) {
    const old = base.message('tensor_type', 'TypeProto.Tensor')?.message('shape', 'TensorShapeProto');
    tensor.message('shape', encodeShape(info.shape, before?.shape, old ?? new Message('TensorShapeProto', [])));
  }
  const type = new Edits(base);
  type.remove('sequence_type', 'map_type', 'optional_type', 'sparse_tensor_type', 'opaque_type');
  type.message('tensor_type', tensor.apply());
  return type.apply();
}

/** Dimensions that did not change keep their fields, as long as the rank is the same. */
function encodeShape(
  shape: readonly Dimension[],
  before: readonly Dimension[] | undefined,
  base: Message<'TensorShapeProto'>,
): Message<'TensorShapeProto'> {
  const old = before?.length === shape.length ? base.all('dim') : [];
  const edits = new Edits(base);
  edits.fields(
    'dim',
    shape.map((dimension, i) => {
      const field = old[i];
      if (field !== undefined && dimension === before![i]) return field;
      const dim = new Edits(
        field === undefined
          ? new Message('TensorShapeProto.Dimension', [])
          : openMessage(field, 'TensorShapeProto.Dimension'),
      );
      dim.remove('dim_value', 'dim_param');
      if (typeof dimension === 'number') dim.integer('dim_value', dimension);
      else if (dimension !== undefined) dim.string('dim_param', dimension);
      return { kind: 'message', id: fieldId('TensorShapeProto', 'dim'), message: dim.apply() };
    }),
  );
  return edits.apply();
}
