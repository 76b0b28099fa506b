/**
 * The paper's condensation: s_ij = G_ij / √(G_ii G_jj) on uncentred moments; leaders in order of G_ii ‖W_i‖²; a neuron joins its best leader r
 * when |s| reaches the threshold, else it leads itself; T_jr = G_jr / G_rr (may be negative).
 * Source: Chen & Xu, "Efficient and Flexible Method for Reducing Moderate-size Deep Neural Networks with Condensation" (2024).
 */
import type { Matrix } from '../linalg/matrix.js';

export interface CosineMerge {
  /** Leader of each channel; its own index for leaders. */
  readonly leader: Int32Array;
  /** T_jr for each channel j; 1 for leaders. */
  readonly factor: Float64Array;
}

/**
 * @param G n × n, uncentred
 * @param weightNorms ‖W_i‖² of each channel, summed over the consumers
 */
export function mergeByCosine(G: Matrix, weightNorms: Float64Array, threshold: number): CosineMerge {
  const n = G.rows;
  const energy = Float64Array.from({ length: n }, (_, i) => Math.max(0, G.data[i * n + i]!));
  const order = Array.from({ length: n }, (_, i) => i).sort(
    (a, b) => energy[b]! * weightNorms[b]! - energy[a]! * weightNorms[a]! || a - b,
  );
  const leader = Int32Array.from({ length: n }, (_, i) => i);
  const factor = new Float64Array(n).fill(1);
  const leaders: number[] = [];
  for (const j of order) {
    let best = -1;
    let bestCosine = 0;
    for (const r of leaders) {
      const product = energy[j]! * energy[r]!;
      const cosine = product > 0 ? Math.abs(G.data[j * n + r]!) / Math.sqrt(product) : 0;
      if (cosine > bestCosine) {
        best = r;
        bestCosine = cosine;
      }
    }
    // A neuron that is silent on the sample has no direction: it joins any leader with factor 0.
    if (best < 0 && energy[j] === 0 && leaders.length > 0) best = leaders[0]!;
    else if (best < 0 || bestCosine < threshold) {
      leaders.push(j);
      continue;
    }
    leader[j] = best;
    factor[j] = energy[best]! > 0 ? G.data[j * n + best]! / energy[best]! : 0;
  }
  return { leader, factor };
}
