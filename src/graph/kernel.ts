import { intsAttribute } from './attributes.js';
import type { Node } from './ir.js';

/** How the window of a convolution or pool moves, one number for each spatial axis. */
export interface KernelGeometry {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Zeros in front and behind. */
  readonly padsBegin: readonly number[];
  readonly padsEnd: readonly number[];
}

/**
 * The geometry that a node's attributes say; padding that is left to the runtime (SAME_UPPER, SAME_LOWER) is worked out from the lengths.
 * @param shape of the kernel; input and output: spatial lengths. For a transposed convolution they are in each other's place: its geometry is that
 * of the convolution which it turns round.
 */
export function kernelGeometry(
  node: Node,
  shape: readonly number[],
  input: readonly number[],
  output: readonly number[],
): KernelGeometry {
  const n = shape.length;
  const all = (length: number, value: number): number[] => new Array<number>(length).fill(value);
  const strides = intsAttribute(node, 'strides') ?? all(n, 1);
  const dilations = intsAttribute(node, 'dilations') ?? all(n, 1);
  const mode = node.attributes.get('auto_pad');
  const autoPad = mode?.type === 'string' ? mode.value : 'NOTSET';
  if (autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER') {
    const total = shape.map((k, i) =>
      Math.max(0, (output[i]! - 1) * strides[i]! + (k - 1) * dilations[i]! + 1 - input[i]!),
    );
    const padsBegin = total.map((t) => (autoPad === 'SAME_UPPER' ? Math.floor(t / 2) : Math.ceil(t / 2)));
    return { shape, strides, dilations, padsBegin, padsEnd: total.map((t, i) => t - padsBegin[i]!) };
  }
  const pads = (autoPad === 'VALID' ? undefined : intsAttribute(node, 'pads')) ?? all(2 * n, 0);
  return { shape, strides, dilations, padsBegin: pads.slice(0, n), padsEnd: pads.slice(n) };
}
