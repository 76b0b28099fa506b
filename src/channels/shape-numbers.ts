/**
 * Whole numbers that a graph computes from shapes (Shape → Gather, Slice, Mul, Concat, … → Reshape, Slice, Resize). What counts channels comes
 * out right by itself after a cut as long as it only names their own axis; where it names another one, or was computed with, a constant takes
 * its place (`shape-places.ts`). Whatever else it flows into (a scale, a range) would change the result: those channels stay.
 */
import { intAttribute, intsAttribute } from '../graph/attributes.js';
import type { Node } from '../graph/ir.js';
import { toIntegers } from '../graph/tensor-data.js';
import { refusal } from './refusal.js';
import { label, type Tracker } from './tracker.js';
import type { NumberPlace } from './types.js';

/** One element of a vector of whole numbers. */
export type ShapeNumber =
  /** A number that nothing changes. */
  | { readonly kind: 'number'; readonly value: number; readonly place?: NumberPlace | undefined }
  /** The length of an axis with channels. */
  | { readonly kind: 'count'; readonly channels: Int32Array; readonly place?: NumberPlace | undefined }
  /** Computed from such lengths: `value` as long as none of them changes. */
  | {
      readonly kind: 'computed';
      readonly value: number;
      readonly counts: readonly Int32Array[];
      readonly place?: NumberPlace | undefined;
    }
  /** Anything else. */
  | { readonly kind: 'unknown' };

/** A number whose value is known. `place` is where it can be changed for the one reader of what it flows into. */
export type KnownNumber = Exclude<ShapeNumber, { readonly kind: 'unknown' }>;

/** A vector (or a scalar) of such numbers. */
export interface ShapeVector {
  readonly dtype: 'int64' | 'int32' | 'float';
  readonly numbers: readonly ShapeNumber[];
}

const UNKNOWN: ShapeNumber = { kind: 'unknown' };

/** What a node makes of such numbers. */
const OPERATORS: ReadonlyMap<string, (node: Node, tracker: Tracker) => ShapeVector | undefined> = new Map([
  ['Shape', shapeOf],
  ...['Identity', 'Unsqueeze', 'Squeeze', 'Reshape'].map((name) => [name, first] as const),
  ['Cast', cast],
  ['Gather', gather],
  ['Slice', slice],
  ['Concat', concat],
  ['Add', arithmetic((a, b) => a + b)],
  ['Sub', arithmetic((a, b) => a - b)],
  ['Mul', arithmetic((a, b) => a * b)],
  ['Div', arithmetic((a, b) => (b === 0 ? NaN : Math.trunc(a / b)))],
]);

/** Operators that read lengths at these inputs, and look after what they count themselves. */
const READERS: ReadonlyMap<string, readonly number[]> = new Map([
  ['Reshape', [1]],
  ['Resize', [3]],
  ['Slice', [1, 2]],
  ['Split', [1]],
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
    if (node.domain === '' && READERS.get(node.opType)?.includes(i) === true) return;
    for (const n of tracker.numbers.get(value)?.numbers ?? []) {
      for (const channels of countsOf(n))
        tracker.pin(
          channels,
          refusal('OPERATOR_MIXES', [label(node)], `${node.opType} computes with the number of channels`),
        );
    }
  });
}

/** The axis maps whose lengths a number depends on. */
export function countsOf(n: ShapeNumber): readonly Int32Array[] {
  return n.kind === 'count' ? [n.channels] : n.kind === 'computed' ? n.counts : [];
}

/** What a number is in the model as it came. */
export function valueOf(n: KnownNumber): number {
  return n.kind === 'count' ? n.channels.length : n.value;
}

/** Whether all numbers of a vector are known. */
export function allKnown(numbers: readonly ShapeNumber[]): numbers is readonly KnownNumber[] {
  return numbers.every((n) => n.kind !== 'unknown');
}

/** The numbers that a node reads as its input number `input`: constants or followed ones; undefined where nothing is known. */
export function numbersRead(node: Node, input: number, tracker: Tracker): ShapeVector | undefined {
  const value = node.inputs[input] ?? '';
  const followed = tracker.numbers.get(value);
  const constant = followed === undefined ? tracker.constant(value)?.tensor : undefined;
  const vector =
    constant?.dtype === 'int64' || constant?.dtype === 'int32'
      ? { dtype: constant.dtype, numbers: toIntegers(constant).map((n): ShapeNumber => ({ kind: 'number', value: n })) }
      : followed;
  if (vector === undefined || !allKnown(vector.numbers)) return vector;
  // All of it is known: it can be changed right where it is read, and a constant can take the place of what is computed.
  const output = node.outputs[0]!;
  const { dtype, numbers } = vector;
  if (dtype === 'float') return vector;
  const instead = constant === undefined ? { dtype, values: numbers.map(valueOf) } : undefined;
  return {
    dtype,
    numbers: numbers.map((n, entry) => ({ ...n, place: { kind: 'constant', output, input, entry, instead } })),
  };
}

function shapeOf(node: Node, tracker: Tracker): ShapeVector | undefined {
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
  return { dtype: 'int64', numbers: all.slice(start, end) };
}

function first(node: Node, tracker: Tracker): ShapeVector | undefined {
  return tracker.numbers.get(node.inputs[0] ?? '');
}

/** Cast to int32 (6), int64 (7), or something that counts no further than to be cast back. */
function cast(node: Node, tracker: Tracker): ShapeVector | undefined {
  const numbers = first(node, tracker)?.numbers;
  const to = intAttribute(node, 'to', 1);
  const dtype = to === 6 ? 'int32' : to === 7 ? 'int64' : 'float';
  return numbers && { dtype, numbers: numbers.map((n) => (n.kind === 'unknown' ? n : { ...n, place: undefined })) };
}

function gather(node: Node, tracker: Tracker): ShapeVector | undefined {
  const from = first(node, tracker);
  const indices = tracker.constant(node.inputs[1] ?? '');
  if (from === undefined || indices === undefined || indices.tensor.dims.length > 1) return undefined;
  const { dtype, numbers } = from;
  return {
    dtype,
    numbers: toIntegers(indices.tensor).map((i) => numbers[i < 0 ? i + numbers.length : i] ?? UNKNOWN),
  };
}

function slice(node: Node, tracker: Tracker): ShapeVector | undefined {
  const from = first(node, tracker);
  if (from === undefined) return undefined;
  const part = (attribute: string, input: number): readonly number[] | undefined => {
    const constant = tracker.constant(node.inputs[input] ?? '');
    return intsAttribute(node, attribute) ?? (constant === undefined ? undefined : toIntegers(constant.tensor));
  };
  const [starts, ends, steps] = [part('starts', 1), part('ends', 2), part('steps', 4)];
  if (starts?.length !== 1 || ends?.length !== 1 || (steps?.[0] ?? 1) !== 1) return undefined;
  return { ...from, numbers: from.numbers.slice(starts[0], Math.min(ends[0]!, from.numbers.length)) };
}

function concat(node: Node, tracker: Tracker): ShapeVector | undefined {
  const vectors = node.inputs.map((value) => tracker.numbers.get(value));
  const dtype = vectors.find((v) => v !== undefined)?.dtype;
  if (dtype === undefined) return undefined;
  const parts: ShapeNumber[] = [];
  for (let i = 0; i < node.inputs.length; i++) {
    const length = tracker.shape(node.inputs[i]!)?.[0];
    const numbers = numbersRead(node, i, tracker)?.numbers;
    if (numbers === undefined && length === undefined) return undefined;
    parts.push(...(numbers ?? new Array<ShapeNumber>(length!).fill(UNKNOWN)));
  }
  return { dtype, numbers: parts };
}

/** Arithmetic on known numbers, element by element; where one of two is not known, nothing is. */
function arithmetic(compute: (a: number, b: number) => number) {
  return (node: Node, tracker: Tracker): ShapeVector | undefined => {
    if (!node.inputs.some((value) => tracker.numbers.has(value))) return undefined;
    const [left, right] = [numbersRead(node, 0, tracker), numbersRead(node, 1, tracker)];
    if (left === undefined || right === undefined || left.dtype === 'float' || right.dtype === 'float')
      return undefined;
    if (!allKnown(left.numbers) || !allKnown(right.numbers)) return undefined;
    const [a, b] = [left.numbers, right.numbers];
    const length = Math.max(a.length, b.length);
    if ([a, b].some((n) => n.length !== length && n.length !== 1)) return undefined;
    const numbers = Array.from({ length }, (_, i): ShapeNumber => {
      const [x, y] = [a[a.length === 1 ? 0 : i]!, b[b.length === 1 ? 0 : i]!];
      const value = compute(valueOf(x), valueOf(y));
      return { kind: 'computed', value, counts: [...countsOf(x), ...countsOf(y)] };
    });
    return numbers.some((n) => n.kind === 'computed' && Number.isNaN(n.value)) ? undefined : { ...left, numbers };
  };
}
