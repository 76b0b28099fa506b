/**
 * Constants that are read at several places. None can be cut for one reader alone, so their channels stay; but it is the last reason that is
 * looked at, since a bias can be copied (`ChannelAnalysis.shared`, `passes/unshare-constants.ts`). A weight is not: its copy may cost more than
 * the cut saves.
 */
import { refusal } from './refusal.js';
import { label, type Tracker } from './tracker.js';

/**
 * Pins what shared constants hold together, once everything else is pinned. Readers of a shared weight are no consumers: it cannot take over
 * anything for one of them.
 * @returns the shared constants, no weights, of channels that nothing else pins
 */
export function pinShared(tracker: Tracker): string[] {
  const shared = tracker.cuts.filter(({ holder }) => tracker.constantUseCount(holder) > 1);
  for (const { holder, channels } of shared) {
    if (!tracker.weights.has(holder)) continue;
    const message = 'the weight is used at more than one place';
    tracker.pin(channels, refusal('WEIGHT_SHARED', readers(tracker, holder), message));
  }
  const kept = tracker.consumers.filter(({ weight }) => tracker.constantUseCount(weight) <= 1);
  tracker.consumers.splice(0, tracker.consumers.length, ...kept);

  const pinned = new Set([...tracker.pins.keys()].map((c) => tracker.sets.find(c)));
  const alone = new Set<string>();
  for (const { holder, channels } of shared) {
    if (channels.some((c) => c >= 0 && !pinned.has(tracker.sets.find(c)))) alone.add(holder);
    const message = `the constant '${holder}' is used at more than one place`;
    tracker.pin(channels, refusal('WEIGHT_SHARED', readers(tracker, holder), message));
  }
  return [...alone];
}

/** The nodes that read a constant, Identity nodes on the way not counted. */
function readers(tracker: Tracker, constant: string): string[] {
  return tracker.uses.uses(constant).flatMap(({ node }) => {
    const through = node.domain === '' && node.opType === 'Identity' ? node.outputs[0]! : undefined;
    return through === undefined ? [label(node)] : readers(tracker, through);
  });
}
