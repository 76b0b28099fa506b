import { FIXED, type ChannelAnalysis } from './types.js';

/** The keep mask (1 for channels that stay, by channel number) of a choice of channels by space; a space without a choice stays whole. */
export function keepMask(analysis: ChannelAnalysis, kept: ReadonlyMap<number, Int32Array>): Uint8Array {
  const keep = new Uint8Array(analysis.channelCount).fill(1);
  for (const space of analysis.spaces) {
    const stay = new Set(kept.get(space.id) ?? space.channels);
    for (const c of space.channels) if (!stay.has(c)) keep[c] = 0;
  }
  return keep;
}

/** Indices of an axis map that stay. */
export function keptIndices(channels: Int32Array, keep: Uint8Array): Int32Array {
  const kept: number[] = [];
  channels.forEach((c, i) => {
    if (c === FIXED || keep[c] === 1) kept.push(i);
  });
  return Int32Array.from(kept);
}
