import type { MessageName } from './schema.js';
import type { AnyMessage, Field, Message } from './wire.js';

/**
 * What an IR object was read from. The encoder compares the object with `read`, writes `field` as it stands where nothing differs, and
 * replaces only the fields that do where something does; what the IR does not model (doc strings, metadata, unknown fields) stays.
 */
export class Origin<T, M extends MessageName> {
  /**
   * @param message the parsed message
   * @param read the values that were read from it; lists are copies, since passes edit the object's own
   * @param field the field of the enclosing message that holds it; undefined for the model
   */
  constructor(
    readonly message: Message<M>,
    readonly read: T,
    readonly field: Field | undefined,
  ) {}
}

/** The origin of an IR object, if it has one of that message type. */
export function originOf<T, M extends MessageName>(
  object: { readonly origin?: unknown },
  type: M,
): Origin<T, M> | undefined {
  const { origin } = object;
  return origin instanceof Origin && (origin.message as AnyMessage).type === type
    ? (origin as Origin<T, M>)
    : undefined;
}
