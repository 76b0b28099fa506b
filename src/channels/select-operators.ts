/** Operators that take channels apart: Slice, Split, Gather with constant indices. */
import { intAttribute, intsAttribute } from '../graph/attributes.js';
import type { Node } from '../graph/ir.js';
import { elementCount } from '../graph/tensor.js';
import { toIntegers } from '../graph/tensor-data.js';
import type { Behaviour } from './behaviours.js';
import { refusal } from './refusal.js';
import { valueOf } from './shape-numbers.js';
import { knownNumbers, settleAttribute, settleNumbers, type Named } from './shape-places.js';
import { label, type Tracker } from './tracker.js';
import { FIXED, type NumberPlace } from './types.js';

/** A list of whole numbers that a node takes as an attribute (older opsets) or as an input, with a way to say what its entries name. */
interface List {
  readonly values: readonly number[];
  /** @returns false where channels that an entry names were pinned */
  readonly settle: (named: (entry: number) => Named | undefined) => boolean;
}

function list(node: Node, attribute: string, input: number, tracker: Tracker): List | undefined {
  const values = intsAttribute(node, attribute);
  if (values !== undefined) {
    const settle: List['settle'] = (named) => {
      values.forEach((_, entry) => {
        const name = named(entry);
        if (name !== undefined) settleAttribute(node, attribute, entry, name, tracker);
      });
      return true;
    };
    return { values, settle };
  }
  const numbers = knownNumbers(node, input, tracker);
  if (numbers === undefined) return undefined;
  return { values: numbers.map(valueOf), settle: (named) => settleNumbers(node, input, tracker, named) };
}

/** Bounds and sizes of what has no channels keep their values, whatever they were computed from. */
function settleOthers(node: Node, inputs: readonly number[], tracker: Tracker): void {
  for (const input of inputs) settleNumbers(node, input, tracker, () => undefined);
}

export const slice: Behaviour = (node, tracker) => {
  const value = node.inputs[0] ?? '';
  const map = tracker.map(value);
  if (map === undefined) {
    settleOthers(node, [1, 2], tracker);
    return;
  }
  const output = node.outputs[0]!;
  const [rank, length] = [tracker.shape(value)?.length, map.channels.length];
  const [starts, ends, steps] = [
    list(node, 'starts', 1, tracker),
    list(node, 'ends', 2, tracker),
    list(node, 'steps', 4, tracker),
  ];
  const axesGiven = (node.inputs[3] ?? '') !== '' || node.attributes.has('axes');
  const axes =
    list(node, 'axes', 3, tracker)?.values ??
    (axesGiven ? undefined : Array.from({ length: starts?.values.length ?? rank ?? 0 }, (_, i) => i));
  if (rank === undefined || axes === undefined) {
    settleOthers(node, [1, 2], tracker);
    tracker.pin(map.channels, refusal('SHAPE_UNKNOWN', [label(node)], 'the axes of the Slice are not constant'));
    return;
  }
  const at = axes.findIndex((a) => (a + rank) % rank === map.axis);
  if (at < 0) {
    settleOthers(node, [1, 2], tracker);
    tracker.setMap(output, map.axis, map.channels);
    return;
  }
  if (
    starts === undefined ||
    ends === undefined ||
    (steps?.values[at] ?? 1) !== 1 ||
    ((node.inputs[4] ?? '') !== '' && steps === undefined)
  ) {
    settleOthers(node, [1, 2], tracker);
    tracker.pin(
      map.channels,
      refusal('OPERATOR_MIXES', [label(node)], 'Slice takes channels at steps, or at places that are not constant'),
    );
    return;
  }
  const index = (bound: List): number => {
    const raw = bound.values[at]!;
    return Math.min(Math.max(raw < 0 ? raw + length : raw, 0), length);
  };
  const named =
    (bound: List) =>
    (entry: number): Named | undefined => {
      const raw = bound.values[entry]!;
      // Zero and "to the end" hold for any number of channels.
      if (entry !== at || raw === 0 || raw > length) return undefined;
      return raw < 0
        ? { channels: map.channels.slice(index(bound)), fromEnd: true }
        : { channels: map.channels.slice(0, index(bound)) };
    };
  if (!starts.settle(named(starts)) || !ends.settle(named(ends))) return;
  tracker.setMap(output, map.axis, map.channels.slice(index(starts), index(ends)));
};

export const split: Behaviour = (node, tracker) => {
  const value = node.inputs[0] ?? '';
  const map = tracker.map(value);
  const rank = tracker.shape(value)?.length;
  if (map === undefined || rank === undefined) {
    settleOthers(node, [1], tracker);
    tracker.pin(map?.channels, refusal('SHAPE_UNKNOWN', [label(node)]));
    return;
  }
  if ((intAttribute(node, 'axis', 0) + rank) % rank !== map.axis) {
    settleOthers(node, [1], tracker);
    for (const output of node.outputs) if (output !== '') tracker.setMap(output, map.axis, map.channels);
    return;
  }
  const sizes = list(node, 'split', 1, tracker);
  const lengths = node.outputs.map((output) => tracker.shape(output)?.[map.axis]).filter((l) => l !== undefined);
  if (lengths.length < node.outputs.length || (sizes === undefined && (node.inputs[1] ?? '') !== '')) {
    settleOthers(node, [1], tracker);
    tracker.pin(map.channels, refusal('SHAPE_UNKNOWN', [label(node)]));
    return;
  }
  let start = 0;
  const parts = lengths.map((l) => map.channels.slice(start, (start += l)));
  if (sizes !== undefined) {
    if (!sizes.settle((i) => ({ channels: parts[i]! }))) return;
  } else {
    // Equal parts need no sizes; once they are not equal any more, they do.
    const output = node.outputs[0]!;
    const isInput = (tracker.model.opsets.get('') ?? 1) >= 13;
    parts.forEach((channels, entry) => {
      const place: NumberPlace = isInput
        ? { kind: 'constant', output, input: 1, entry, instead: { dtype: 'int64', values: lengths } }
        : { kind: 'attribute', output, attribute: 'split', entry, instead: lengths };
      tracker.shapeEntries.push({ place, channels });
    });
  }
  parts.forEach((channels, i) => {
    if (node.outputs[i] !== '') tracker.setMap(node.outputs[i]!, map.axis, channels);
  });
};

export const gather: Behaviour = (node, tracker) => {
  const value = node.inputs[0] ?? '';
  const map = tracker.map(value);
  tracker.pinValue(
    node.inputs[1] ?? '',
    refusal('OPERATOR_MIXES', [label(node)], 'Gather uses the channels as indices'),
  );
  if (map === undefined) return;
  const rank = tracker.shape(value)?.length;
  const indices = tracker.shape(node.inputs[1] ?? '');
  if (rank === undefined || indices === undefined) {
    tracker.pin(map.channels, refusal('SHAPE_UNKNOWN', [label(node)]));
    return;
  }
  const axis = (intAttribute(node, 'axis', 0) + rank) % rank;
  if (axis !== map.axis) {
    tracker.setMap(node.outputs[0]!, axis < map.axis ? map.axis + indices.length - 1 : map.axis, map.channels);
    return;
  }
  const constant = tracker.constant(node.inputs[1] ?? '');
  if (constant === undefined || indices.length !== 1 || elementCount(indices) === 0) {
    tracker.pin(
      map.channels,
      refusal('OPERATOR_MIXES', [label(node)], 'Gather picks channels at places that are not a constant list'),
    );
    return;
  }
  const n = map.channels.length;
  const taken = Int32Array.from(toIntegers(constant.tensor), (i) => map.channels[i < 0 ? i + n : i] ?? FIXED);
  tracker.indexEntries.push({ output: node.outputs[0]!, input: 1, channels: map.channels });
  tracker.setMap(node.outputs[0]!, axis, taken);
};
