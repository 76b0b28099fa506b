/**
 * Effective rank: the fewest principal directions that hold a share of the variance,
 *
 *     min { k : Σ_{i≤k} λ_i ≥ share · Σ_i λ_i },   λ the eigenvalues of a covariance, descending.
 */

/** @param values eigenvalues, descending; negative ones are what rounding left of 0. @returns 0 where there is no variance */
export function effectiveRank(values: ArrayLike<number>, share: number): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += Math.max(0, values[i]!);
  if (total === 0) return 0;
  let sum = 0;
  for (let k = 0; k < values.length; k++) {
    sum += Math.max(0, values[k]!);
    if (sum >= share * total) return k + 1;
  }
  return values.length;
}
