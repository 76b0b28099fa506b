/**
 * An order in which like things stand together: agglomerative clustering with average linkage, where of two clusters that join the ends that are
 * nearest to each other come to meet.
 *
 *     d(A ∪ B, C) = (|A| d(A, C) + |B| d(B, C)) / (|A| + |B|)
 *
 * Source: Sokal & Michener, "A statistical method for evaluating systematic relationships" (1958).
 */

/** @returns 0 … n−1 in that order; O(n³), meant for hundreds */
export function clusterOrder(n: number, distance: (a: number, b: number) => number): number[] {
  const d = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) d[i * n + j] = d[j * n + i] = distance(i, j);
  const between = Float64Array.from(d);
  const clusters = new Map<number, number[]>(Array.from({ length: n }, (_, i) => [i, [i]]));
  while (clusters.size > 1) {
    let [a, b, least] = [-1, -1, Infinity];
    const ids = [...clusters.keys()];
    for (const [x, i] of ids.entries()) {
      for (const j of ids.slice(x + 1)) {
        if (between[i * n + j]! >= least && a >= 0) continue;
        [a, b, least] = [i, j, between[i * n + j]!];
      }
    }
    const [left, right] = [clusters.get(a)!, clusters.get(b)!];
    for (const c of ids) {
      if (c === a || c === b) continue;
      const joined =
        (left.length * between[a * n + c]! + right.length * between[b * n + c]!) / (left.length + right.length);
      between[a * n + c] = between[c * n + a] = joined;
    }
    clusters.set(
      a,
      joinedAtNearestEnds(left, right, (i, j) => d[i * n + j]!),
    );
    clusters.delete(b);
  }
  return [...(clusters.values().next().value ?? [])];
}

function joinedAtNearestEnds(
  left: readonly number[],
  right: readonly number[],
  distance: (a: number, b: number) => number,
): number[] {
  const ways = [
    [left, right],
    [left, right.toReversed()],
    [left.toReversed(), right],
    [left.toReversed(), right.toReversed()],
  ] as const;
  const gaps = ways.map(([a, b]) => distance(a.at(-1)!, b[0]!));
  const best = ways[gaps.indexOf(Math.min(...gaps))] ?? ways[0];
  return [...best[0], ...best[1]];
}
