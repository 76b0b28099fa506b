import type { AxisMap } from './tracker.js';

/**
 * Follows channels through a change of shape that keeps the row-major order of the elements.
 *
 * Element f of the flattened tensor belongs to channel index ⌊f / inner⌋ mod n of the input. An output axis carries the channels when that
 * index depends on the position along this axis alone; it may then repeat a channel (C·H·W folded into features, C outer or inner).
 * @returns the output axis and its map, or undefined when no single axis carries the channels.
 */
export function carryThroughReshape(from: readonly number[], map: AxisMap, to: readonly number[]): AxisMap | undefined {
  const n = map.channels.length;
  const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);
  const total = product(from);
  if (total === 0 || total !== product(to)) return undefined;
  const inner = product(from.slice(map.axis + 1));
  const channelOf = (flat: number): number => map.channels[Math.floor(flat / inner) % n]!;

  for (let axis = 0; axis < to.length; axis++) {
    const length = to[axis]!;
    if (length % n !== 0 || (length === 1 && n > 1)) continue;
    const stride = product(to.slice(axis + 1));
    const channels = Int32Array.from({ length }, (_, i) => channelOf(i * stride));
    let holds = true;
    for (let flat = 0; holds && flat < total; flat++)
      holds = channelOf(flat) === channels[Math.floor(flat / stride) % length];
    if (holds) return { axis, channels };
  }
  return undefined;
}
