/**
 * Channels through a change of shape that keeps the row-major order of the elements.
 *
 * Element f of the flattened tensor belongs to channel index ⌊f / inner⌋ mod n of the input (n channels, inner elements behind them) and to
 * position ⌊f / stride⌋ mod length of an output axis. One is a function of the other when its range of digits lies within the other's.
 */
import type { AxisMap } from './tracker.js';

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/**
 * The output axis that carries the channels whole; it may repeat them (C·H·W folded into features, C outer or inner).
 * @returns the axis and its map, or undefined when no single axis carries the channels.
 */
export function carryThroughReshape(from: readonly number[], map: AxisMap, to: readonly number[]): AxisMap | undefined {
  const n = map.channels.length;
  const total = product(from);
  if (total === 0 || total !== product(to)) return undefined;
  const inner = product(from.slice(map.axis + 1));
  for (let axis = 0; axis < to.length; axis++) {
    const length = to[axis]!;
    const stride = product(to.slice(axis + 1));
    if (length % n !== 0 || inner % stride !== 0 || (stride * length) % (inner * n) !== 0) continue;
    return {
      axis,
      channels: Int32Array.from({ length }, (_, i) => map.channels[Math.floor((i * stride) / inner) % n]!),
    };
  }
  return undefined;
}

/**
 * Where a reshape divides the channels among several output axes (heads, shuffle groups): the longest axis that a channel's number determines.
 * Channels at the same position of it have to stay or go together.
 * @returns the axis and the position along it of each channel, or undefined when there is none.
 */
export function divideByReshape(
  from: readonly number[],
  map: AxisMap,
  to: readonly number[],
): { readonly axis: number; readonly positions: Int32Array } | undefined {
  const n = map.channels.length;
  const total = product(from);
  if (total === 0 || total !== product(to)) return undefined;
  const inner = product(from.slice(map.axis + 1));
  let best: { axis: number; positions: Int32Array } | undefined;
  for (let axis = 0; axis < to.length; axis++) {
    const length = to[axis]!;
    const stride = product(to.slice(axis + 1));
    if (length < 2 || stride % inner !== 0 || (inner * n) % (stride * length) !== 0) continue;
    if (best !== undefined && to[best.axis]! >= length) continue;
    best = { axis, positions: Int32Array.from({ length: n }, (_, c) => Math.floor((c * inner) / stride) % length) };
  }
  return best;
}
