import type { Model } from '../graph/ir.js';
import { freeNames, subgraphs } from '../graph/uses.js';
import { behaviourOf } from './operators.js';
import { refusal, type Refusal } from './refusal.js';
import { targetsInSubgraphs } from './subgraph-targets.js';
import { label, Tracker, weaker, type KnownShapes } from './tracker.js';
import {
  FIXED,
  type ChannelAnalysis,
  type ChannelSpace,
  type Consumer,
  type Cut,
  type Homogeneity,
  type ShapeEntry,
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
    behaviourOf(node.opType, node.domain)(node, tracker);
    for (const inner of subgraphs(node)) {
      for (const name of freeNames(inner)) tracker.pinValue(name, refusal('SUBGRAPH_CAPTURE', [label(node)]));
    }
  }
  for (const output of model.graph.outputs) tracker.pinValue(output.name, refusal('GRAPH_OUTPUT', [output.name]));
  for (const target of tracker.targets) {
    if (!filter(label(target.node))) tracker.pin(target.channels, refusal('EXCLUDED', [label(target.node)]));
  }
  pinSharedConstants(tracker);
  pinRepeated(tracker);
  pinUnread(tracker);
  return assemble(tracker);
}

/** A carrier's constant that something else reads too cannot be cut for one reader alone. */
function pinSharedConstants(tracker: Tracker): void {
  for (const { holder, channels } of tracker.cuts) {
    if (tracker.constantUseCount(holder) <= 1) continue;
    tracker.pin(
      channels,
      refusal('WEIGHT_SHARED', readers(tracker, holder), `the constant '${holder}' is used at more than one place`),
    );
  }
}

/** The nodes that read a constant, Identity nodes on the way not counted. */
function readers(tracker: Tracker, constant: string): string[] {
  return tracker.uses.uses(constant).flatMap(({ node }) => {
    const through = node.domain === '' && node.opType === 'Identity' ? node.outputs[0]! : undefined;
    return through === undefined ? [label(node)] : readers(tracker, through);
  });
}

/** A consumer that reads several features of one channel (a Flatten folded positions into features) needs selection by blocks. */
function pinRepeated(tracker: Tracker): void {
  for (const { node, features } of tracker.consumers) {
    const roots = [...features].filter((c) => c !== FIXED).map((c) => tracker.sets.find(c));
    if (new Set(roots).size === roots.length) continue;
    tracker.pin(
      features,
      refusal(
        'NOT_SUPPORTED_YET',
        [label(node)],
        `'${label(node)}' reads several features of one channel: not supported yet`,
      ),
    );
  }
}

/** A channel whose consumers are none (a dead end) has nobody to take over its part; such nodes are left as they are. */
function pinUnread(tracker: Tracker): void {
  const read = new Set<number>();
  for (const consumer of tracker.consumers)
    for (const c of consumer.features) if (c !== FIXED) read.add(tracker.sets.find(c));
  for (const target of tracker.targets) {
    for (const c of target.channels ?? []) {
      if (!read.has(tracker.sets.find(c))) tracker.pin(Int32Array.of(c), refusal('NO_CONSUMER', [label(target.node)]));
    }
  }
}

/** Turns the tracker's sets into spaces with channels numbered by set. */
function assemble(tracker: Tracker): ChannelAnalysis {
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

  // Producers that share a channel belong to one space.
  const producers = tracker.targets.filter((t) => t.channels !== undefined);
  const spaceOf = new Int32Array(sets.size).fill(-1);
  const groups: TargetNode[][] = [];
  const groupOfRoot = new Map<number, number>();
  for (const target of producers) {
    const roots = [...new Set([...target.channels!].map((c) => sets.find(c)))];
    const met = [...new Set(roots.flatMap((r) => groupOfRoot.get(r) ?? []))].sort((a, b) => a - b);
    const home = met[0] ?? groups.push([]) - 1;
    for (const other of met.slice(1)) {
      for (const [root, group] of groupOfRoot) if (group === other) groupOfRoot.set(root, home);
      groups[home]!.push(...groups[other]!.splice(0));
    }
    groups[home]!.push(target);
    for (const root of roots) groupOfRoot.set(root, home);
  }

  // Where a space is wider than one of its producers (a Concat joins them), each producer keeps its first channel: no axis may become empty.
  for (const members of groups) {
    const rootsOf = members.map((t) => new Set([...t.channels!].map((c) => sets.find(c))));
    const width = new Set(rootsOf.flatMap((roots) => [...roots])).size;
    rootsOf.forEach((roots, i) => {
      if (roots.size === width || [...roots].some((r) => pinned.has(r))) return;
      pinned.set(
        Math.min(...roots),
        refusal('TOO_NARROW', [label(members[i]!.node)], 'one channel of every layer stays'),
      );
    });
  }

  const consumers: Consumer[] = tracker.consumers.map((c) => ({ ...c, features: resolve(c.features) }));
  const homogeneity = new Map<number, Homogeneity>();
  for (const [channel, level] of tracker.homogeneityOf) {
    const root = sets.find(channel);
    homogeneity.set(root, weaker(level, homogeneity.get(root) ?? 'any'));
  }

  const uneven = new Set([...tracker.uneven].map((c) => sets.find(c)));

  const spaces: ChannelSpace[] = [];
  const order = new Map(tracker.model.graph.nodes.map((node, i) => [node, i] as const));
  groups.forEach((members) => {
    const roots = [...new Set(members.flatMap((t) => [...t.channels!].map((c) => sets.find(c))))];
    const free = roots.filter((r) => !pinned.has(r)).sort((a, b) => a - b);
    if (free.length === 0) return;
    const id = spaces.length;
    for (const channel of free) spaceOf[channel] = id;
    spaces.push({
      id,
      producers: members.map((t) => t.node).sort((a, b) => order.get(a)! - order.get(b)!),
      channels: Int32Array.from(free),
      width: roots.length,
      consumers: consumers.filter((c) => c.features.some((f) => f !== FIXED && spaceOf[f] === id)),
      uneven: free.some((c) => uneven.has(c)),
      homogeneity: free.reduce<Homogeneity>((level, c) => weaker(level, homogeneity.get(c) ?? 'any'), 'any'),
    });
  });

  const targets = tracker.targets.map((target): TargetNode => {
    if (target.channels === undefined) return target;
    const channels = resolve(target.channels);
    const space = channels.reduce((found, c) => (found >= 0 || c === FIXED ? found : spaceOf[c]!), -1);
    if (space >= 0) return { ...target, channels, space };
    const why = pinned.get(sets.find(target.channels[0]!)) ?? refusal('TOO_NARROW', [label(target.node)]);
    return { ...target, channels, refusal: why };
  });

  const withChannels = <T extends Cut | ShapeEntry>(items: readonly T[]): T[] =>
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
    shapeEntries: withChannels(tracker.shapeEntries),
    values,
    spaceOf,
  };
}
