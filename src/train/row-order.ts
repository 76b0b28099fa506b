import { randomNumbers } from '../calibration/random.js';

/** Rows of each step: every row once in an epoch, in another order each time. What a step gets depends on its number and the seed alone. */
export class RowOrder {
  private epoch = -1;
  private readonly order: Int32Array;

  constructor(
    readonly rows: Int32Array,
    readonly batch: number,
    private readonly seed: number,
  ) {
    this.order = new Int32Array(rows.length);
  }

  private get steps(): number {
    return Math.floor(this.rows.length / this.batch);
  }

  /** @param step from 0 */
  epochOf(step: number): number {
    return Math.floor(step / this.steps);
  }

  /** @param step from 0 */
  of(step: number): Int32Array {
    const epoch = this.epochOf(step);
    if (epoch !== this.epoch) this.shuffle(epoch);
    const at = (step - epoch * this.steps) * this.batch;
    return this.order.slice(at, at + this.batch);
  }

  private shuffle(epoch: number): void {
    const { order } = this;
    const next = randomNumbers(Math.imul(this.seed, 0x9e3779b1) ^ epoch);
    order.set(this.rows);
    for (let i = order.length - 1; i > 0; i--) {
      const j = Math.floor(next() * (i + 1));
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    this.epoch = epoch;
  }
}
