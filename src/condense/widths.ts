import { label } from '../channels/tracker.js';
import type { ChannelAnalysis } from '../channels/types.js';
import { raise } from '../diagnostics/diagnostic.js';
import { nodeUnknown, widthConflict, widthImpossible } from '../diagnostics/plan.js';
import type { CondenseOptions } from './options.js';

/**
 * The widths that `--keep` sets, by space: how many removable channels stay.
 * @throws CondenseError for a node that is not there or cannot be set, and for two widths of one space that differ
 */
export function fixedWidths(analysis: ChannelAnalysis, keep: CondenseOptions['keep']): Map<number, number> {
  const widths = new Map<number, number>();
  const setBy = new Map<number, { node: string; width: number }>();
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
    if (target.space === undefined) return raise(widthImpossible(node, target.refusal?.message ?? 'its channels stay'));
    const space = analysis.spaces[target.space]!;
    const width = typeof wanted === 'number' ? wanted : Math.round(wanted.ratio * space.width);
    const free = width - (space.width - space.channels.length);
    if (width > space.width || width < 1 || free < 0)
      raise(
        widthImpossible(
          node,
          `it has ${space.width} channels, ${space.width - space.channels.length} of which must stay`,
        ),
      );
    const before = setBy.get(space.id);
    if (before !== undefined && before.width !== width) raise(widthConflict(before.node, before.width, node, width));
    setBy.set(space.id, { node, width });
    widths.set(space.id, free);
  }
  return widths;
}
