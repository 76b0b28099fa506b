/**
 * Whole numbers that a graph computes from shapes (Shape → Gather, Slice, Concat, … → Reshape, Resize). What counts channels comes out right by
 * itself after a cut as long as it only names lengths; whatever else it flows into (a division, a scale) would change the result.
 */
import { intAttribute, intsAttribute } from '../graph/attributes.js';
import type { Node } from '../graph/ir.js';
import { toIntegers } from '../graph/tensor-data.js';
import { refusal } from './refusal.js';
import { label, type Tracker } from './tracker.js';
import type { NumberPlace } from './types.js';

/** One element of a vector of whole numbers. */
export type ShapeNumber =
  /** A constant, with the place where it can be changed. */
  | { readonly kind: 'number'; readonly value: number; readonly place: NumberPlace | undefined }
  /** The length of an axis with channels. */
  | { readonly kind: 'count'; readonly channels: Int32Array }
  /** Anything else. */
  | { readonly kind: 'unknown' };

const UNKNOWN: ShapeNumber = { kind: 'unknown' };

/** What a node makes of such numbers. */
const OPERATORS: ReadonlyMap<string, (node: Node, tracker: Tracker) => readonly ShapeNumber[] | undefined> = new Map([
  ['Shape', shapeOf],
  ...['Identity', 'Cast', 'Unsqueeze', 'Squeeze'].map((name) => [name, first] as const),
  ['Gather', gather],
  ['Slice', slice],
  ['Concat', concat],
]);

/** Operators that read a vector of lengths at this input, and look after what it counts themselves. */
const READERS: ReadonlyMap<string, number> = new Map([
  ['Reshape', 1],
  ['Resize', 3],
]);

/** Follows the numbers through a node; where they flow into something that is not followed, the channels that they count have to stay. */
export function followNumbers(node: Node, tracker: Tracker): void {
  const follow = node.domain === '' ? OPERATORS.get(node.opType) : undefined;
  const result = follow?.(node, tracker);
  if (result !== undefined && node.outputs[0] !== undefined) {
    tracker.numbers.set(node.outputs[0], result);
    return;
  }
  node.inputs.forEach((value, i) => {
    if (node.domain === '' && READERS.get(node.opType) === i) return;
    for (const n of tracker.numbers.get(value) ?? []) {
      if (n.kind === 'count')
        tracker.pin(
          n.channels,
          refusal('OPERATOR_MIXES', [label(node)], `${node.opType} computes with the number of channels`),
        );
    }
  });
}

/** The numbers that a node reads as its input number `input`: constants or followed ones; undefined where nothing is known. */
export function numbersRead(node: Node, input: number, tracker: Tracker): readonly ShapeNumber[] | undefined {
  const value = node.inputs[input] ?? '';
  const followed = tracker.numbers.get(value);
  if (followed !== undefined) return followed;
  const constant = tracker.constant(value);
  if (constant === undefined || !['int64', 'int32'].includes(constant.tensor.dtype)) return undefined;
  const output = node.outputs[0]!;
  return toIntegers(constant.tensor).map((n, entry) => ({
    kind: 'number',
    value: n,
    place: { kind: 'constant', output, input, entry },
  }));
}

/**
 * Whether the number at a place may be rewritten for this one reader: the place is the reader's own input, or belongs to the node in front of it
 * that nobody else reads.
 */
export function ownPlace(
  node: Node,
  input: number,
  place: NumberPlace | undefined,
  tracker: Tracker,
): NumberPlace | undefined {
  if (place === undefined || place.output === node.outputs[0]) return place;
  const value = node.inputs[input] ?? '';
  const alone = tracker.uses.uses(value).length === 1 && !tracker.uses.isGraphOutput(value);
  return alone && place.output === value ? place : undefined;
}

function shapeOf(node: Node, tracker: Tracker): readonly ShapeNumber[] | undefined {
  const value = node.inputs[0] ?? '';
  const rank = tracker.shape(value)?.length;
  const map = tracker.map(value);
  if (rank === undefined) {
    tracker.pinValue(value, refusal('SHAPE_UNKNOWN', [label(node)]));
    return undefined;
  }
  const all = Array.from({ length: rank }, (_, axis): ShapeNumber =>
    axis === map?.axis ? { kind: 'count', channels: map.channels } : UNKNOWN,
  );
  const start = intAttribute(node, 'start', 0);
  const end = intAttribute(node, 'end', rank);
  return all.slice(start, end);
}

function first(node: Node, tracker: Tracker): readonly ShapeNumber[] | undefined {
  return tracker.numbers.get(node.inputs[0] ?? '');
}

function gather(node: Node, tracker: Tracker): readonly ShapeNumber[] | undefined {
  const from = first(node, tracker);
  const indices = tracker.constant(node.inputs[1] ?? '');
  if (from === undefined || indices === undefined || indices.tensor.dims.length > 1) return undefined;
  return toIntegers(indices.tensor).map((i) => from[i < 0 ? i + from.length : i] ?? UNKNOWN);
}

function slice(node: Node, tracker: Tracker): readonly ShapeNumber[] | undefined {
  const from = first(node, tracker);
  if (from === undefined) return undefined;
  const part = (attribute: string, input: number): readonly number[] | undefined => {
    const constant = tracker.constant(node.inputs[input] ?? '');
    return intsAttribute(node, attribute) ?? (constant === undefined ? undefined : toIntegers(constant.tensor));
  };
  const [starts, ends, steps] = [part('starts', 1), part('ends', 2), part('steps', 4)];
  if (starts?.length !== 1 || ends?.length !== 1 || (steps?.[0] ?? 1) !== 1) return undefined;
  return from.slice(starts[0], Math.min(ends[0]!, from.length));
}

function concat(node: Node, tracker: Tracker): readonly ShapeNumber[] | undefined {
  if (!node.inputs.some((value) => tracker.numbers.has(value))) return undefined;
  const parts: ShapeNumber[] = [];
  for (let i = 0; i < node.inputs.length; i++) {
    const length = tracker.shape(node.inputs[i]!)?.[0];
    const numbers = numbersRead(node, i, tracker);
    if (numbers === undefined && length === undefined) return undefined;
    parts.push(...(numbers ?? new Array<ShapeNumber>(length!).fill(UNKNOWN)));
  }
  return parts;
}
