/** What becomes of the numbers that an operator reads as lengths or bounds when channels go. */
import type { Node } from '../graph/ir.js';
import { refusal } from './refusal.js';
import { allKnown, countsOf, numbersRead, valueOf, type KnownNumber } from './shape-numbers.js';
import { label, type Tracker } from './tracker.js';
import { FIXED, type NumberPlace } from './types.js';

/** What a number that is read names, as an axis map: it has to be (minus) the length of that. */
export interface Named {
  readonly channels: Int32Array;
  readonly fromEnd?: boolean;
}

/**
 * Sees to it that the numbers at an input stay right: one that names channels follows them, and one that was computed from the number of other
 * channels keeps its value, by a constant in its place. Channels of which that cannot be said are pinned.
 * @param named what entry i names; undefined where that does not change with the channels
 * @returns false where channels that an entry names were pinned
 */
export function settleNumbers(
  node: Node,
  input: number,
  tracker: Tracker,
  named: (entry: number, number: KnownNumber | undefined) => Named | undefined,
): boolean {
  const numbers = numbersRead(node, input, tracker)?.numbers;
  if (numbers === undefined) return true;
  let settled = true;
  numbers.forEach((n, entry) => {
    const name = named(entry, n.kind === 'unknown' ? undefined : n);
    const counts = countsOf(n);
    if (name === undefined && counts.length === 0) return;
    // The length of the very axis comes out right by itself.
    if (name !== undefined && n.kind === 'count' && name.fromEnd !== true && tracker.same(name.channels, n.channels))
      return;
    const place = n.kind === 'unknown' ? undefined : n.place;
    if (n.kind !== 'unknown' && place !== undefined && mayChange(node, input, place, tracker)) {
      tracker.shapeEntries.push({ place, ...(name ?? fixed(valueOf(n))), ...(counts.length > 0 ? { counts } : {}) });
      return;
    }
    const why = refusal('SHAPE_NAMED', [label(node)]);
    for (const channels of [...(name === undefined ? [] : [name.channels]), ...counts]) tracker.pinLater(channels, why);
    settled &&= name === undefined;
  });
  return settled;
}

/**
 * The same for an input of lengths, one of which is that of the axis with the channels.
 * @param adapts numbers that come out right by themselves
 */
export function settleLength(
  node: Node,
  input: number,
  axis: number,
  channels: Int32Array,
  tracker: Tracker,
  adapts: (number: number) => boolean = () => false,
): boolean {
  let found = false;
  const settled = settleNumbers(node, input, tracker, (entry, n) => {
    if (entry !== axis) return undefined;
    found = true;
    return n?.kind === 'number' && adapts(n.value) ? undefined : { channels };
  });
  if (!found) tracker.pinLater(channels, refusal('SHAPE_NAMED', [label(node)]));
  return found && settled;
}

/** Whether a length that is read is known and can be changed. */
export function canSettle(node: Node, input: number, entry: number, tracker: Tracker): boolean {
  const n = numbersRead(node, input, tracker)?.numbers[entry];
  return n?.kind === 'number' && n.place !== undefined && mayChange(node, input, n.place, tracker);
}

/** The numbers at an input, where each of them is known. */
export function knownNumbers(node: Node, input: number, tracker: Tracker): readonly KnownNumber[] | undefined {
  const numbers = numbersRead(node, input, tracker)?.numbers;
  return numbers !== undefined && allKnown(numbers) ? numbers : undefined;
}

/** Notes a number of an attribute. */
export function settleAttribute(node: Node, attribute: string, entry: number, named: Named, tracker: Tracker): void {
  const place: NumberPlace = { kind: 'attribute', output: node.outputs[0]!, attribute, entry };
  tracker.shapeEntries.push({ place, ...named });
}

/** A length that stays. */
function fixed(value: number): Named {
  return { channels: new Int32Array(Math.abs(value)).fill(FIXED), ...(value < 0 ? { fromEnd: true } : {}) };
}

/** A number may be changed where the node itself reads it, or in the Concat in front of it that nobody else reads. */
function mayChange(node: Node, input: number, place: NumberPlace, tracker: Tracker): boolean {
  const value = node.inputs[input] ?? '';
  const alone = tracker.uses.uses(value).length === 1 && !tracker.uses.isGraphOutput(value);
  return place.output === node.outputs[0] || (alone && place.output === value);
}
