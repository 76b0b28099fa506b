/** What a training did. */
export interface TrainingReport {
  /** Elements of the weights and biases that the gradient reached. */
  readonly trained: number;
  readonly rows: { readonly fit: number; readonly validation: number };
  readonly steps: number;
  /** Rows of a step. */
  readonly batch: number;
  /** How the error of each value counts. */
  readonly losses: readonly { readonly output: string; readonly kind: string; readonly weight: number }[];
  /** Largest learning rate. */
  readonly learningRate: number;
  /** The loss on validation rows after a few steps at each of several rates, where the rate was chosen by it. */
  readonly rangeTest: readonly { readonly rate: number; readonly loss: number }[];
  /** Why it ended: its length, nothing better for long, somebody who interrupted it, or weights that went astray. */
  readonly end: 'length' | 'patience' | 'interrupted' | 'diverged';
  /** The step whose weights were kept; 0 for the student as it came. */
  readonly bestStep: number;
  /** The loss, on the rows of the steps since the last point and on validation rows. */
  readonly curve: readonly {
    readonly step: number;
    readonly training: number;
    readonly validation: number;
    readonly rate: number;
  }[];
  /** Nodes that no gradient passes. */
  readonly stops: readonly { readonly node: string; readonly opType: string; readonly reason: string }[];
  readonly seconds: number;
}
