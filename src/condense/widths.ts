import { label } from '../channels/tracker.js';
import { FIXED, type ChannelAnalysis, type TargetNode } from '../channels/types.js';
import { raise } from '../diagnostics/diagnostic.js';
import { nodeUnknown, widthConflict, widthImpossible } from '../diagnostics/plan.js';
import type { CondenseOptions } from './options.js';

/**
 * The widths that `--keep` sets, by space: how many removable channels stay.
 * @throws CondenseError for a node that is not there or cannot be set, and for two widths of one space that differ
 */
export function fixedWidths(analysis: ChannelAnalysis, keep: CondenseOptions['keep']): Map<number, number> {
  const widths = new Map<number, number>();
  const setBy = new Map<number, { node: string; width: number; share: number }>();
  for (const [node, wanted] of keep ?? []) {
    const target =
      analysis.targets.find((t) => label(t.node) === node) ??
      analysis.targets.find((t) => t.node.outputs.includes(node));
    if (target === undefined)
      return raise(
        nodeUnknown(
          '--keep',
          node,
          analysis.targets.map((t) => label(t.node)),
        ),
      );
    if (target.spaces.length === 0 || target.channels === undefined)
      return raise(widthImpossible(node, target.refusal?.message ?? 'its channels stay'));
    const { channels } = target;
    const total = channels.length;
    const free = channels.filter((c) => c !== FIXED).length;
    const width = typeof wanted === 'number' ? wanted : Math.round(wanted.ratio * total);
    if (width > total || width < 1 || width < total - free)
      raise(widthImpossible(node, `it has ${total} channels, ${total - free} of which must stay`));
    const least = target.spaces.reduce<number>((sum, id) => sum + analysis.spaces[id]!.least, 0);
    if (width < total - free + least)
      raise(widthImpossible(node, `at least ${total - free + least} of its channels must stay`));
    for (const [space, share] of shares(target, analysis, width - (total - free))) {
      const before = setBy.get(space);
      if (before !== undefined && before.share !== share) raise(widthConflict(before.node, before.width, node, width));
      setBy.set(space, { node, width, share });
      widths.set(space, share);
    }
  }
  return widths;
}

/** Divides the channels that stay among the node's spaces in proportion, so that they add up and none is left without one that needs it. */
function shares(target: TargetNode, analysis: ChannelAnalysis, stay: number): [number, number][] {
  const repeats = (id: number): number =>
    target.channels!.filter((c) => c !== FIXED && analysis.spaceOf[c] === id).length /
    analysis.spaces[id]!.channels.length;
  const sizes = target.spaces.map((id) => analysis.spaces[id]!.channels.length * repeats(id));
  const total = sizes.reduce((a, b) => a + b, 0);
  let [given, seen] = [0, 0];
  const divided = target.spaces.map((id, i): [number, number] => {
    seen += sizes[i]!;
    const upTo = Math.round((stay * seen) / total);
    const own = upTo - given;
    given = upTo;
    return [id, Math.round(own / repeats(id))];
  });
  const spare = ([id, share]: readonly [number, number]): number => share - analysis.spaces[id]!.least;
  for (const entry of divided) {
    if (spare(entry) >= 0) continue;
    const donor = divided.reduce((best, other) => (spare(other) > spare(best) ? other : best));
    if (spare(donor) > 0) donor[1]--;
    entry[1]++;
  }
  return divided;
}
