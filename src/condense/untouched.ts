import { raise } from '../diagnostics/diagnostic.js';
import { budgetTooSmall } from '../diagnostics/plan.js';
import { unreachable, type Limit } from '../plan/limits.js';
import type { Prepared } from './prepare.js';
import type { Reduced } from './reduced.js';

/**
 * Where no channel goes the model stays as it came, unless a limit wants what folding saves.
 * @throws CondenseError when the limits cannot be met by that
 */
export function untouched({ input, original, analysis }: Prepared, limits: readonly Limit[]): Reduced {
  const folded = limits.some((limit) => limit.full > limit.most);
  const missed = folded
    ? unreachable(
        limits,
        analysis.spaces.map((s) => s.channels.length),
      )
    : undefined;
  if (missed !== undefined) raise(budgetTooSmall(missed.limit, missed.cost));
  return { model: folded ? original : input, passes: [], warnings: [] };
}
