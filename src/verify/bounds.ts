/**
 * What a sample proves: the one-sided Clopper-Pearson bound. With e of n rows over the tolerance, the largest share p of inputs that is
 * compatible with it at level α solves P(X ≤ e | n, p) = α. It assumes rows that are independent and drawn like future inputs.
 * Source: Clopper & Pearson, "The use of confidence or fiducial limits" (1934).
 */

/** Chance of being wrong that all bounds of one report share. */
export const ALPHA = 0.01;

/**
 * Upper bound on the share of inputs that exceed the tolerance.
 * @param exceeded e
 * @param rows n
 * @param alpha 0.01 for a 99 % bound; candidates that were checked on the same rows share it
 */
export function exceedanceBound(exceeded: number, rows: number, alpha = ALPHA): number {
  if (rows === 0 || exceeded >= rows) return 1;
  let [low, high] = [exceeded / rows, 1];
  for (let i = 0; i < 200 && high - low > 1e-15; i++) {
    const p = (low + high) / 2;
    if (binomialTail(exceeded, rows, p) > alpha) low = p;
    else high = p;
  }
  return high;
}

/** P(X ≤ e) for X ~ Binomial(n, p), summed in logarithms from the largest term. */
export function binomialTail(e: number, n: number, p: number): number {
  if (p <= 0) return 1;
  if (p >= 1) return e >= n ? 1 : 0;
  const ratio = Math.log(p) - Math.log1p(-p);
  let term = n * Math.log1p(-p);
  const terms = [term];
  for (let i = 1; i <= e; i++) {
    term += Math.log((n - i + 1) / i) + ratio;
    terms.push(term);
  }
  const largest = terms.reduce((a, b) => Math.max(a, b), -Infinity);
  return Math.min(1, Math.exp(largest) * terms.reduce((sum, t) => sum + Math.exp(t - largest), 0));
}
