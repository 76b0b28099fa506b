import { FIXED, type ChannelAnalysis, type ChannelSpace } from './types.js';

/**
 * The spaces that are linear streams: everything between their producers and consumers is linear and treats all channels alike (Add, Identity,
 * average pooling, ...; no activation, no depthwise weights). Any change of basis among their channels passes through, so a subspace can be
 * kept instead of a subset of channels. The bottlenecks of MobileNetV2 are such streams.
 */
export function linearStreams(analysis: ChannelAnalysis): ChannelSpace[] {
  return analysis.spaces.filter(
    (space) =>
      space.channels.length > 1 &&
      space.homogeneity === 'any' &&
      !hasFactors(analysis, space) &&
      movesAsOne(analysis, space),
  );
}

/** Numbers that multiply the channels one by one would have to be equal to commute with a change of basis. */
function hasFactors({ cuts, spaceOf }: ChannelAnalysis, { id }: ChannelSpace): boolean {
  return cuts.some(({ role, channels }) => role === 'factor' && channels.some((c) => c !== FIXED && spaceOf[c] === id));
}

/** Whether every tensor and value that holds channels of the space holds each of them once: what happens to one then happens to all. */
function movesAsOne({ cuts, values, spaceOf }: ChannelAnalysis, { id, channels: own }: ChannelSpace): boolean {
  const complete = (channels: Int32Array): boolean => {
    const here = channels.filter((c) => c !== FIXED && spaceOf[c] === id);
    return here.length === 0 || (here.length === own.length && new Set(here).size === own.length);
  };
  return cuts.every((cut) => complete(cut.channels)) && [...values.values()].every((value) => complete(value.channels));
}
