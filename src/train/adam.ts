/**
 * Adam with decoupled weight decay:
 *
 *     m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,   w ← w − η (m̂ / (√v̂ + ε) + λ w)
 *
 * with m̂ and v̂ corrected for their start at 0. Kingma & Ba, Adam (2015); Loshchilov & Hutter, Decoupled Weight Decay Regularization (2019).
 */
export interface AdamOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly weightDecay?: number;
  /** Whether each array decays; all do by default. */
  readonly decays?: readonly boolean[];
  /** Gradients whose norm over all weights is larger are scaled down to it. */
  readonly clip?: number;
}

/** Weights and their moments, in float32. */
export class Adam {
  /** Means of gradients and of their squares. */
  readonly first: readonly Float32Array[];
  readonly second: readonly Float32Array[];
  private taken = 0;

  /** @param weights changed in place by every step */
  constructor(
    readonly weights: readonly Float32Array[],
    private readonly options: AdamOptions = {},
  ) {
    this.first = weights.map((w) => new Float32Array(w.length));
    this.second = weights.map((w) => new Float32Array(w.length));
  }

  /** Steps since the start, or since it last started anew. */
  get steps(): number {
    return this.taken;
  }

  /** Goes back to how it was after some steps. */
  restore(
    weights: readonly Float32Array[],
    first: readonly Float32Array[],
    second: readonly Float32Array[],
    steps: number,
  ): void {
    weights.forEach((w, k) => {
      this.weights[k]!.set(w);
      this.first[k]!.set(first[k]!);
      this.second[k]!.set(second[k]!);
    });
    this.taken = steps;
  }

  /** Starts anew from other weights. */
  restart(weights: readonly Float32Array[]): void {
    weights.forEach((w, k) => {
      this.weights[k]!.set(w);
      this.first[k]!.fill(0);
      this.second[k]!.fill(0);
    });
    this.taken = 0;
  }

  /** One step. @param gradients in the order and lengths of the weights */
  step(gradients: readonly Float32Array[], rate: number): void {
    const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, decays, clip = Infinity } = this.options;
    this.taken++;
    let square = 0;
    if (clip < Infinity) for (const g of gradients) for (let i = 0; i < g.length; i++) square += g[i]! ** 2;
    const scale = clip < Infinity ? Math.min(1, clip / Math.max(Math.sqrt(square), 1e-30)) : 1;
    const [c1, c2] = [1 - beta1 ** this.taken, 1 - beta2 ** this.taken];
    this.weights.forEach((w, k) => {
      const [m, v, g] = [this.first[k]!, this.second[k]!, gradients[k]!];
      const decay = (decays?.[k] ?? true) ? weightDecay : 0;
      for (let i = 0; i < w.length; i++) {
        const x = g[i]! * scale;
        m[i] = beta1 * m[i]! + (1 - beta1) * x;
        v[i] = beta2 * v[i]! + (1 - beta2) * x * x;
        w[i] = w[i]! - rate * (m[i]! / c1 / (Math.sqrt(v[i]! / c2) + epsilon) + decay * w[i]!);
      }
    });
  }
}
