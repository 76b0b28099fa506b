// Decides where the data of every tensor of a model lies: inside the model's file, or in a data file beside it. Works on messages and by
// the schema, so that tensors in subgraphs, attributes, functions and training info are reached alike.
import type { TensorStorage } from '../graph/tensor.js';
import { Edits } from './edits.js';
import type { ExternalFolder } from './external-folder.js';
import { DataLocation } from './generated/schema.js';
import { fieldById, fieldId, mayHoldTensors } from './schema.js';
import { isExternal, readTensor, TENSOR_DATA_FIELDS } from './tensor-storage.js';
import { Message, openMessage, type AnyMessage, type Field } from './wire.js';

/** How tensors move to a data file. */
export interface ExternalLayoutOptions {
  /** Name of the data file, as the model will spell it. */
  readonly location: string;
  /** Tensors of fewer bytes stay in the model's file. */
  readonly threshold: number;
  /** Offsets are multiples of this, so that a reader can map the file. */
  readonly alignment: number;
  /** Whether tensors in attributes move too. Initializers are what every reader expects outside; the rest only moves when it must. */
  readonly attributes: boolean;
}

/** A model whose large tensors lie in a data file, and what that file holds. */
export interface ExternalLayout {
  readonly message: AnyMessage;
  /** In file order; gaps between them are zero bytes. */
  readonly entries: readonly { readonly storage: TensorStorage; readonly offset: number }[];
  readonly byteLength: number;
}

/**
 * Moves initializers of at least `threshold` bytes to a data file, and whatever else was external already. External tensors below the
 * threshold come back into the model's file.
 * @throws CondenseError when external data of the model is not where it should be.
 */
export function layOutExternally(
  model: AnyMessage,
  external: ExternalFolder,
  options: ExternalLayoutOptions,
): ExternalLayout {
  const entries: { storage: TensorStorage; offset: number }[] = [];
  let end = 0;
  const message = mapTensors(model, (tensor, initializer) => {
    const outside = isExternal(tensor);
    const { storage, dtype } = readTensor(tensor, external);
    const moves =
      dtype !== 'string' && storage.byteLength >= options.threshold && (initializer || outside || options.attributes);
    if (!moves) return outside ? embedded(tensor, storage) : tensor;
    const offset = Math.ceil(end / options.alignment) * options.alignment;
    entries.push({ storage, offset });
    end = offset + storage.byteLength;
    return referring(tensor, {
      location: options.location,
      offset: String(offset),
      length: String(storage.byteLength),
    });
  });
  return { message, entries, byteLength: end };
}

/** Brings every external tensor into the model. A model without any comes back itself. */
export function embedTensors(model: AnyMessage, external: ExternalFolder): AnyMessage {
  return mapTensors(model, (tensor) =>
    isExternal(tensor) ? embedded(tensor, readTensor(tensor, external).storage) : tensor,
  );
}

/** Names of the data files that a model refers to, as it spells them. */
export function externalLocations(model: AnyMessage): Set<string> {
  const locations = new Set<string>();
  mapTensors(model, (tensor) => {
    if (isExternal(tensor)) {
      const entries = tensor.messages('external_data', 'StringStringEntryProto');
      locations.add(entries.find((e) => e.string('key') === 'location')?.string('value') ?? '');
    }
    return tensor;
  });
  return locations;
}

const INITIALIZER = fieldId('GraphProto', 'initializer');

function mapTensors(
  message: AnyMessage,
  map: (tensor: Message<'TensorProto'>, initializer: boolean) => AnyMessage,
  initializer = false,
): AnyMessage {
  if (message.type === 'TensorProto') return map(new Message('TensorProto', message.fields), initializer);
  let changed = false;
  const fields = message.fields.map((field): Field => {
    const type = fieldById(message.type, field.id)?.message;
    if (type === undefined || !mayHoldTensors(type)) return field;
    const before = openMessage(field, type);
    const after = mapTensors(before, map, message.type === 'GraphProto' && field.id === INITIALIZER);
    // A tensor is wrapped anew above, so compare what it consists of.
    if (after.fields === before.fields) return field;
    changed = true;
    return { kind: 'message', id: field.id, message: after };
  });
  return changed ? { type: message.type, fields } : message;
}

function embedded(tensor: Message<'TensorProto'>, storage: TensorStorage): AnyMessage {
  const edits = withoutData(tensor);
  if (storage.byteLength > 0) edits.data('raw_data', storage);
  return edits.apply();
}

function referring(tensor: Message<'TensorProto'>, entries: Readonly<Record<string, string>>): AnyMessage {
  const edits = withoutData(tensor);
  edits.fields(
    'external_data',
    Object.entries(entries).map(([key, value]) => {
      const entry = new Edits(new Message('StringStringEntryProto', []));
      entry.string('key', key);
      entry.string('value', value);
      return { kind: 'message', id: fieldId('TensorProto', 'external_data'), message: entry.apply() };
    }),
  );
  edits.integer('data_location', DataLocation.EXTERNAL);
  return edits.apply();
}

/** Edits of a tensor that has lost its data, in whatever form that was. */
function withoutData(tensor: Message<'TensorProto'>): Edits<'TensorProto'> {
  const edits = new Edits(tensor);
  edits.remove(...TENSOR_DATA_FIELDS);
  return edits;
}
