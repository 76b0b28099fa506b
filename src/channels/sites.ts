import { FIXED, type ChannelAnalysis, type ChannelSpace, type Consumer, type Kernel } from './types.js';
import { tapsOf } from './weights.js';

/** A distinct consumer input: consumers that read the same features of the same value share its moments. */
export interface Site {
  /** Key of the moments. */
  readonly key: string;
  readonly input: string;
  readonly featureAxis: number;
  readonly rank: number;
  /** Which channel each feature belongs to, or FIXED: for patches every channel once for each tap of the kernel, taps innermost. */
  readonly features: Int32Array;
  /** The patches that are features here; undefined where the features are the channels themselves. */
  readonly patch: Kernel | undefined;
  readonly consumers: readonly Consumer[];
  /** Whether every consumer has a place for a constant, so that means can be absorbed. */
  readonly centred: boolean;
}

/** The distinct consumer inputs among some consumers, in order of first appearance. */
export function sitesOf(consumers: readonly Consumer[]): Site[] {
  const groups = new Map<string, Consumer[]>();
  for (const consumer of consumers) {
    const key = siteKey(consumer);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [consumer]);
    else group.push(consumer);
  }
  return [...groups].map(([key, members]) => {
    const first = members[0]!;
    const { input, featureAxis, rank } = first;
    return {
      key,
      input,
      featureAxis,
      rank,
      features: featuresOf(first),
      patch: first.view === 'patches' ? first.kernel : undefined,
      consumers: members,
      centred: members.every(takesConstant),
    };
  });
}

/** The features of each channel at a site, in order. */
export function featuresByChannel({ features }: Pick<Site, 'features'>): ReadonlyMap<number, readonly number[]> {
  const found = new Map<number, number[]>();
  features.forEach((c, f) => {
    if (c === FIXED) return;
    const list = found.get(c);
    if (list === undefined) found.set(c, [f]);
    else list.push(f);
  });
  return found;
}

/** For each channel of a space how often every site reads it: channels can only stand in for each other where these agree. */
export function presence(space: ChannelSpace): string[] {
  const counts = sitesOfSpace(space).map(featuresByChannel);
  return Array.from(space.channels, (c) => counts.map((site) => site.get(c)?.length ?? 0).join());
}

/** Which channel each column of the consumer's W reads, in its view. */
export function featuresOf(consumer: Consumer): Int32Array {
  const taps = consumer.view === 'patches' ? tapsOf(consumer) : 1;
  return Int32Array.from(
    { length: consumer.features.length * taps },
    (_, i) => consumer.features[Math.floor(i / taps)]!,
  );
}

/**
 * Whether a constant part of the input can move into the bias. At a zero-padded border a convolution sees zeros, not the constant, and the
 * positions of a transposed one get different sums of taps; patches hold the padding, so there it can always.
 */
export function takesConstant({ bias, kernel, view }: Consumer): boolean {
  if (bias.kind === 'none') return false;
  if (kernel === undefined || view === 'patches') return true;
  return !kernel.transposed && [...kernel.padsBegin, ...kernel.padsEnd].every((p) => p === 0);
}

function siteKey({ input, featureAxis, kernel, view }: Consumer): string {
  if (view === 'channels' || kernel === undefined) return `${input}@${featureAxis}`;
  const { shape, strides, dilations, padsBegin, padsEnd } = kernel;
  return `${input}@${featureAxis}:${[shape, strides, dilations, padsBegin, padsEnd].map((l) => l.join('x')).join(',')}`;
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

/**
 * The analysis with the convolutions that are small enough read as patches: what they compute is then fitted exactly, borders included. A
 * site of N features needs two N × N sums; the narrowest sites come first until `bytes` are used up.
 */
export function chooseViews(analysis: ChannelAnalysis, bytes: number): ChannelAnalysis {
  const candidates = analysis.consumers
    .filter((c) => c.kernel !== undefined && !c.kernel.transposed)
    .map((consumer) => ({ consumer, size: consumer.features.length * tapsOf(consumer) }))
    .sort((a, b) => a.size - b.size);
  const patched = new Map<Consumer, Consumer>();
  let left = bytes;
  for (const { consumer, size } of candidates) {
    const need = 2 * size * size * Float64Array.BYTES_PER_ELEMENT;
    if (need > left || size > MOST_PATCH_FEATURES) break;
    left -= need;
    patched.set(consumer, { ...consumer, view: 'patches' });
  }
  return withConsumers(analysis, patched);
}

/** The analysis with some consumers replaced by another reading of theirs. */
export function withConsumers(analysis: ChannelAnalysis, replaced: ReadonlyMap<Consumer, Consumer>): ChannelAnalysis {
  const swap = (list: readonly Consumer[]): Consumer[] => list.map((c) => replaced.get(c) ?? c);
  return {
    ...analysis,
    consumers: swap(analysis.consumers),
    spaces: analysis.spaces.map((s) => ({ ...s, consumers: swap(s.consumers) })),
  };
}

/** Selection by blocks of wider patches takes minutes; their consumers are still refitted on patches. */
const MOST_PATCH_FEATURES = 1152;
