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
  const energy = energiesOf(G);
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
      const cosine = absoluteCosine(G, energy, j, r);
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

/**
 * |s| of each channel with the one that is nearest to collinear with it; 0 for a channel that is silent, or alone.
 * @param G n × n, uncentred
 */
export function partnerCosines(G: Matrix): Float64Array {
  const energy = energiesOf(G);
  const best = new Float64Array(G.rows);
  for (let i = 0; i < G.rows; i++) {
    for (let j = 0; j < i; j++) {
      const cosine = absoluteCosine(G, energy, i, j);
      best[i] = Math.max(best[i]!, cosine);
      best[j] = Math.max(best[j]!, cosine);
    }
  }
  return best;
}

function energiesOf(G: Matrix): Float64Array {
  return Float64Array.from({ length: G.rows }, (_, i) => Math.max(0, G.data[i * G.cols + i]!));
}

function absoluteCosine(G: Matrix, energy: Float64Array, i: number, j: number): number {
  const product = energy[i]! * energy[j]!;
  return product > 0 ? Math.abs(G.data[i * G.cols + j]!) / Math.sqrt(product) : 0;
}
