import protobuf from 'protobufjs/light.js';
import { descriptor, type Schema } from './generated/schema.js';

/** Name of a message of the ONNX format, e.g. 'GraphProto' or 'TypeProto.Tensor'. */
export type MessageName = keyof Schema;

/** Fields of a message whose type is one of `T`. */
export type FieldName<M extends MessageName, T = unknown> = {
  [K in keyof Schema[M]]: Schema[M][K] extends T ? K : never;
}[keyof Schema[M]] &
  string;

/** The message that a field holds. */
export type SubMessage<M extends MessageName, K extends keyof Schema[M]> = Schema[M][K] & MessageName;

/** What the format says of one field. */
export interface FieldFacts {
  readonly name: string;
  readonly id: number;
  /** The message it holds; undefined for scalars. */
  readonly message: MessageName | undefined;
}

interface MessageFacts {
  readonly byName: ReadonlyMap<string, FieldFacts>;
  readonly byId: ReadonlyMap<number, FieldFacts>;
}

const messages = loadMessages();
const holdingTensors = closureOver('TensorProto');

function loadMessages(): ReadonlyMap<MessageName, MessageFacts> {
  const found = new Map<MessageName, MessageFacts>();
  const shortName = (type: protobuf.Type): MessageName => type.fullName.replace(/^\.onnx\./, '') as MessageName;
  const visit = (namespace: protobuf.NamespaceBase): void => {
    for (const entry of namespace.nestedArray) {
      if (!(entry instanceof protobuf.Namespace)) continue;
      visit(entry);
      if (!(entry instanceof protobuf.Type)) continue;
      const facts = entry.fieldsArray.map(({ name, id, resolvedType }): FieldFacts => {
        return { name, id, message: resolvedType instanceof protobuf.Type ? shortName(resolvedType) : undefined };
      });
      found.set(shortName(entry), {
        byName: new Map(facts.map((f) => [f.name, f])),
        byId: new Map(facts.map((f) => [f.id, f])),
      });
    }
  };
  visit(protobuf.Root.fromJSON(descriptor).resolveAll());
  return found;
}

/** The messages that are, or may hold at any depth, the message `inner`. */
function closureOver(inner: MessageName): ReadonlySet<MessageName> {
  const closure = new Set<MessageName>([inner]);
  for (let size = 0; size !== closure.size;) {
    size = closure.size;
    for (const [name, { byId }] of messages) {
      if ([...byId.values()].some((f) => f.message !== undefined && closure.has(f.message))) closure.add(name);
    }
  }
  return closure;
}

/** Field number of a named field. */
export function fieldId<M extends MessageName>(message: M, field: FieldName<M>): number {
  return messages.get(message)!.byName.get(field)!.id;
}

/** The field with that number; undefined for one that the schema does not know. */
export function fieldById(message: MessageName, id: number): FieldFacts | undefined {
  return messages.get(message)!.byId.get(id);
}

/** Whether a TensorProto may lie at or below this message. */
export function mayHoldTensors(message: MessageName): boolean {
  return holdingTensors.has(message);
}
