import type { ChannelAnalysis, ChannelSpace, Consumer } from './types.js';

/** A distinct consumer input: consumers that read the same features of the same value share its moments. */
export interface Site {
  /** Key of the moments. */
  readonly key: string;
  readonly input: string;
  readonly featureAxis: number;
  readonly rank: number;
  readonly features: Int32Array;
  readonly consumers: readonly Consumer[];
  /** Whether every consumer has a place for a constant, so that means can be absorbed. */
  readonly centred: boolean;
}

/** The distinct consumer inputs among some consumers, in order of first appearance. */
export function sitesOf(consumers: readonly Consumer[]): Site[] {
  const groups = new Map<string, Consumer[]>();
  for (const consumer of consumers) {
    const key = `${consumer.input}@${consumer.featureAxis}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [consumer]);
    else group.push(consumer);
  }
  return [...groups].map(([key, members]) => {
    const { input, featureAxis, rank, features } = members[0]!;
    return {
      key,
      input,
      featureAxis,
      rank,
      features,
      consumers: members,
      centred: members.every((c) => c.bias.kind !== 'none'),
    };
  });
}

/** The sites that read removable channels, over the whole model. */
export function condensingSites(analysis: ChannelAnalysis): Site[] {
  const reading = new Set<Consumer>(analysis.spaces.flatMap((s) => s.consumers));
  return sitesOf(analysis.consumers.filter((c) => reading.has(c)));
}

/** The sites of one space. */
export function sitesOfSpace(space: ChannelSpace): Site[] {
  return sitesOf(space.consumers);
}
