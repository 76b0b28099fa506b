/**
 * Values that no weight makes but constants do (a class token, learned positions, repeated to the batch's shape): where they join channels along
 * an axis, everything that they are made of is cut along it.
 */
import type { Node } from '../graph/ir.js';
import { toFloat64 } from '../graph/tensor-data.js';
import { numbersRead } from './shape-numbers.js';
import { canSettle, settleLength } from './shape-places.js';
import type { Tracker } from './tracker.js';

/**
 * Lets a value join channels.
 * @param axis of the value, as long as there are channels
 * @returns false, and nothing is done, where something in it cannot be cut
 */
export function adopt(value: string, axis: number, channels: Int32Array, tracker: Tracker): boolean {
  const adoption = new Adoption(channels, tracker);
  return adoption.plan(value, axis) && adoption.carryOut();
}

/** What has to be done to everything that a value is made of, done only once all of it is possible. */
class Adoption {
  private readonly steps: (() => void)[] = [];

  constructor(
    private readonly channels: Int32Array,
    private readonly tracker: Tracker,
  ) {}

  plan(value: string, axis: number): boolean {
    const { tracker, channels } = this;
    const rank = tracker.shape(value)?.length;
    if (rank === undefined || tracker.map(value) !== undefined) return false;
    const constant = tracker.constant(value);
    if (constant !== undefined) {
      this.steps.push(() => {
        tracker.cut({ holder: constant.name, axis, channels, role: 'produce' });
      });
      return true;
    }
    const node = tracker.uses.producer(value)?.node;
    // Whoever else reads the value has been passed already, and would find it narrower.
    if (node?.domain !== '' || tracker.uses.uses(value).length !== 1 || tracker.uses.isGraphOutput(value)) return false;
    this.steps.push(() => {
      tracker.setMap(value, axis, channels);
    });
    return this.planNode(node, axis, rank);
  }

  carryOut(): true {
    for (const step of this.steps) step();
    return true;
  }

  private planNode(node: Node, axis: number, rank: number): boolean {
    const operand = (value: string): boolean => this.planOperand(value, axis, rank);
    switch (node.opType) {
      case 'Identity':
      case 'Add':
      case 'Sub':
        return node.inputs.every(operand);
      case 'ConstantOfShape': {
        const fill = node.attributes.get('value');
        const zero = fill?.type !== 'tensor' || toFloat64(fill.value).every((v) => v === 0);
        return this.planLength(node, 0, axis) && (zero || this.unscaled());
      }
      case 'Expand': {
        const wanted = numbersRead(node, 1, this.tracker)?.numbers;
        const at = axis - rank + (wanted?.length ?? 0);
        const length = wanted?.[at];
        const repeats = at < 0 || (length?.kind === 'number' && length.value === 1);
        return wanted !== undefined && operand(node.inputs[0]!) && (repeats || this.planLength(node, 1, at));
      }
      default:
        return false;
    }
  }

  /** An operand of a broadcasting operator whose result has the channels on `axis` of `rank` axes. */
  private planOperand(value: string, axis: number, rank: number): boolean {
    const shape = this.tracker.shape(value);
    if (shape === undefined) return false;
    const at = axis - rank + shape.length;
    const length = shape[at] ?? 1;
    if (length === this.channels.length) return this.plan(value, at);
    return length === 1 && this.unscaled();
  }

  private planLength(node: Node, input: number, entry: number): boolean {
    if (!canSettle(node, input, entry, this.tracker)) return false;
    this.steps.push(() => {
      settleLength(node, input, entry, this.channels, this.tracker);
    });
    return true;
  }

  /** A part that is the same for all channels does not scale with one of them. */
  private unscaled(): true {
    this.steps.push(() => {
      this.tracker.weakenHomogeneity(this.channels, 'none');
    });
    return true;
  }
}
