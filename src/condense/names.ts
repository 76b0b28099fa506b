import { label } from '../channels/tracker.js';
import type { ChannelAnalysis } from '../channels/types.js';
import { raise } from '../diagnostics/diagnostic.js';
import { nodeUnknown, outputUnknown } from '../diagnostics/plan.js';
import type { Model } from '../graph/ir.js';
import type { CondenseOptions } from './options.js';

/** A filter over node names from include and exclude patterns: exact names, or globs with `*` and `?`. Exclusion wins. */
export function nameFilter(
  include: readonly string[] | undefined,
  exclude: readonly string[] | undefined,
): (name: string) => boolean {
  const wanted = include?.map(pattern);
  const unwanted = exclude?.map(pattern) ?? [];
  return (name) => (wanted === undefined || wanted.some((p) => p.test(name))) && !unwanted.some((p) => p.test(name));
}

/** A glob as a regular expression over the whole name. */
export function pattern(glob: string): RegExp {
  const escaped = glob.replace(/[.+^${}()|[\]\\/]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
}

/**
 * Whoever misspells a name must hear of it: an option that meets no node would go unnoticed. Patterns may meet none.
 * @throws CondenseError for a name in `include`, `exclude` or `threshold` that no target node has
 */
export function checkNodeNames(
  { targets }: ChannelAnalysis,
  { include, exclude, threshold }: Pick<CondenseOptions, 'include' | 'exclude' | 'threshold'>,
): void {
  const labels = targets.map((t) => label(t.node));
  const plain = (names: readonly string[] | undefined): string[] => names?.filter((n) => !/[*?]/.test(n)) ?? [];
  for (const name of plain(include)) if (!labels.includes(name)) raise(nodeUnknown('--include', name, labels));
  for (const name of plain(exclude)) if (!labels.includes(name)) raise(nodeUnknown('--exclude', name, labels));
  if (threshold === undefined || typeof threshold === 'number') return;
  for (const name of threshold.keys()) {
    if (name !== '*' && !labels.includes(name) && !targets.some((t) => t.node.outputs.includes(name)))
      raise(nodeUnknown('--threshold', name, labels));
  }
}

/** @throws CondenseError for a name in `classes` that no output of the model has */
export function checkOutputNames(model: Model, classes: readonly string[] | undefined): void {
  const outputs = model.graph.outputs.map((o) => o.name);
  for (const name of classes ?? []) if (!outputs.includes(name)) raise(outputUnknown('--classes', name, outputs));
}
