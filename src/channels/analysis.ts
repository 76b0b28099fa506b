import type { Model } from '../graph/ir.js';
import { freeNames, subgraphs } from '../graph/uses.js';
import { behaviourOf } from './operators.js';
import { REFUSALS, refusal, type Refusal } from './refusal.js';
import { pinShared } from './sharing.js';
import { targetsInSubgraphs } from './subgraph-targets.js';
import { followNumbers } from './shape-numbers.js';
import { label, Tracker, weaker, type KnownShapes } from './tracker.js';
import {
  FIXED,
  type ChannelAnalysis,
  type ChannelSpace,
  type Consumer,
  type Cut,
  type IndexEntry,
  type Homogeneity,
  type TargetNode,
} from './types.js';

/** Which target nodes may be condensed, by the node's label. */
export type NodeFilter = (node: string) => boolean;

/**
 * Finds the channel spaces of a model's main graph: which channels can be removed together with what, who reads them, and why others cannot.
 * This is the one place that decides it.
 * @param model nodes in topological order
 * @param shapes concrete shapes of the values, for one batch size
 */
export function analyseChannels(model: Model, shapes: KnownShapes, filter: NodeFilter = () => true): ChannelAnalysis {
  const tracker = new Tracker(model, shapes);
  for (const node of model.graph.nodes) {
    followNumbers(node, tracker);
    behaviourOf(node.opType, node.domain)(node, tracker);
    for (const inner of subgraphs(node)) {
      for (const name of freeNames(inner)) tracker.pinValue(name, refusal('SUBGRAPH_CAPTURE', [label(node)]));
    }
  }
  for (const output of model.graph.outputs) tracker.pinValue(output.name, refusal('GRAPH_OUTPUT', [output.name]));
  for (const target of tracker.targets) {
    if (!filter(label(target.node))) tracker.pin(target.channels, refusal('EXCLUDED', [label(target.node)]));
  }
  for (const [channels, why] of tracker.laterPins) tracker.pin(channels, why);
  pinUnread(tracker);
  const shared = pinShared(tracker);
  return { ...assemble(tracker), shared };
}

/** A channel whose consumers are none (a dead end) has nobody to take over its part; such nodes are left as they are. */
function pinUnread(tracker: Tracker): void {
  const read = new Set<number>();
  for (const consumer of tracker.consumers)
    for (const c of consumer.features) if (c !== FIXED) read.add(tracker.sets.find(c));
  for (const target of tracker.targets) {
    for (const c of (target.channels ?? []).filter(isChannel)) {
      if (!read.has(tracker.sets.find(c))) tracker.pin(Int32Array.of(c), refusal('NO_CONSUMER', [label(target.node)]));
    }
  }
}

const isChannel = (c: number): boolean => c !== FIXED;

/** Turns the tracker's sets into spaces with channels numbered by set. */
function assemble(tracker: Tracker): Omit<ChannelAnalysis, 'shared'> {
  const { sets } = tracker;
  const pinned = new Map<number, Refusal>();
  for (const [channel, why] of tracker.pins) {
    const root = sets.find(channel);
    // The first cause in channel order is reported; it is the one nearest to the producer.
    if (!pinned.has(root)) pinned.set(root, why);
  }
  const resolve = (channels: Int32Array): Int32Array =>
    channels.map((c) => {
      if (c === FIXED) return FIXED;
      const root = sets.find(c);
      return pinned.has(root) ? FIXED : root;
    });

  const consumers: Consumer[] = tracker.consumers.map((c) => ({ ...c, features: resolve(c.features) }));
  const homogeneity = new Map<number, Homogeneity>();
  for (const [channel, level] of tracker.homogeneityOf) {
    const root = sets.find(channel);
    homogeneity.set(root, weaker(level, homogeneity.get(root) ?? 'any'));
  }

  const uneven = new Set([...tracker.uneven].map((c) => sets.find(c)));

  const spaceOf = new Int32Array(sets.size).fill(-1);
  const groups = groupBySignature(tracker, (root) => !pinned.has(root));
  groups.forEach((channels, id) => {
    for (const c of channels) spaceOf[c] = id;
  });
  const must = spacesThatMayNotVanish(tracker.cuts, resolve, spaceOf, groups.length);
  const order = new Map(tracker.model.graph.nodes.map((node, i) => [node, i] as const));
  const spaces = groups.map((channels, id): ChannelSpace => {
    const producers = tracker.targets.filter((t) =>
      t.channels?.some((c) => isChannel(c) && spaceOf[sets.find(c)] === id),
    );
    return {
      id,
      producers: producers.map((t) => t.node).sort((a, b) => order.get(a)! - order.get(b)!),
      channels: Int32Array.from(channels),
      least: must[id]!,
      consumers: consumers.filter((c) => c.features.some((f) => f !== FIXED && spaceOf[f] === id)),
      uneven: channels.some((c) => uneven.has(c)),
      homogeneity: channels.reduce<Homogeneity>((level, c) => weaker(level, homogeneity.get(c) ?? 'any'), 'any'),
    };
  });

  const targets = tracker.targets.map((target): TargetNode => {
    if (target.channels === undefined) return target;
    const channels = resolve(target.channels);
    const own = [...new Set([...channels].flatMap((c) => (c === FIXED || spaceOf[c]! < 0 ? [] : [spaceOf[c]!])))];
    if (own.length > 0) return { ...target, channels, spaces: own };
    const first = target.channels.find(isChannel);
    const why = first === undefined ? undefined : pinned.get(sets.find(first));
    // A single channel stays whatever holds it.
    const narrow = why === undefined || (channels.length === 1 && REFUSALS[why.code].limit === 'open');
    return { ...target, channels, refusal: narrow ? refusal('TOO_NARROW', [label(target.node)]) : why };
  });

  const withChannels = <T extends Cut | IndexEntry>(items: readonly T[]): T[] =>
    items
      .map((item) => ({ ...item, channels: resolve(item.channels) }))
      .filter((item) => item.channels.some((c) => c !== FIXED));
  const values = new Map(
    [...tracker.maps]
      .map(([name, map]) => [name, { axis: map.axis, channels: resolve(map.channels) }] as const)
      .filter(([, map]) => map.channels.some((c) => c !== FIXED)),
  );
  targets.push(...targetsInSubgraphs(tracker.model));
  return {
    channelCount: sets.size,
    spaces,
    targets,
    consumers,
    cuts: withChannels(tracker.cuts),
    shapeEntries: tracker.shapeEntries
      .map((entry) => ({
        ...entry,
        channels: resolve(entry.channels),
        ...(entry.counts === undefined ? {} : { counts: entry.counts.map(resolve) }),
      }))
      .filter(({ channels, counts = [] }) => [channels, ...counts].some((map) => map.some(isChannel))),
    indexEntries: withChannels(tracker.indexEntries),
    values,
    spaceOf,
  };
}

/**
 * Channels that stand in the same tensors the same number of times form a space: each of them costs the same and may take the place of any
 * other. In the order of their first channel.
 */
function groupBySignature(tracker: Tracker, free: (root: number) => boolean): number[][] {
  const { sets } = tracker;
  // A depthwise layer may carry fixed channels beside others.
  const made = new Set(
    tracker.targets.flatMap((t) => [...(t.channels ?? [])].filter(isChannel).map((c) => sets.find(c))),
  );
  const signatures = new Map<number, string[]>([...made].filter(free).map((root) => [root, []]));
  tracker.cuts.forEach(({ channels }, i) => {
    const counts = new Map<number, number>();
    for (const c of channels) if (c !== FIXED) counts.set(sets.find(c), (counts.get(sets.find(c)) ?? 0) + 1);
    for (const [root, count] of counts) signatures.get(root)?.push(`${i}:${count}`);
  });
  const groups = new Map<string, number[]>();
  for (const root of [...signatures.keys()].sort((a, b) => a - b)) {
    const key = signatures.get(root)!.join();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [root]);
    else group.push(root);
  }
  return [...groups.values()];
}

/** For each space 1 where one of its channels has to stay, because some axis would be empty without, else 0. */
function spacesThatMayNotVanish(
  cuts: readonly Cut[],
  resolve: (channels: Int32Array) => Int32Array,
  spaceOf: Int32Array,
  count: number,
): (0 | 1)[] {
  const least = new Array<0 | 1>(count).fill(0);
  const axes = cuts.map(
    ({ channels }) => new Set([...resolve(channels)].map((c) => (c === FIXED ? FIXED : spaceOf[c]!))),
  );
  // The narrowest axes decide first: what stays there holds the wider ones open as well.
  for (const spaces of axes.sort((a, b) => a.size - b.size)) {
    const list = [...spaces];
    if (list.some((s) => s < 0 || least[s] === 1)) continue;
    least[Math.min(...list)] = 1;
  }
  return least;
}
