/** Means and standard deviations of the columns of a matrix whose rows come in parts. */
export class ColumnSpread {
  private rows = 0;
  private readonly mean: Float64Array;
  /** Sums of squared distances from the mean. */
  private readonly squares: Float64Array;

  constructor(readonly columns: number) {
    this.mean = new Float64Array(columns);
    this.squares = new Float64Array(columns);
  }

  /**
   * Adds rows, one behind the other in `data`. Parts are joined by their means (Chan, Golub & LeVeque, 1979), so that a mean that is large against
   * the spread costs no digits.
   */
  add(data: ArrayLike<number>): void {
    const { columns } = this;
    const rows = data.length / columns;
    if (rows === 0) return;
    const total = this.rows + rows;
    for (let c = 0; c < columns; c++) {
      let sum = 0;
      for (let i = c; i < data.length; i += columns) sum += data[i]!;
      const mean = sum / rows;
      let squares = 0;
      for (let i = c; i < data.length; i += columns) squares += (data[i]! - mean) ** 2;
      const apart = mean - this.mean[c]!;
      this.squares[c]! += squares + (apart * apart * this.rows * rows) / total;
      this.mean[c]! += (apart * rows) / total;
    }
    this.rows = total;
  }

  /** Of the rows so far, as a population. */
  deviations(): Float64Array {
    return this.squares.map((s) => Math.sqrt(s / Math.max(1, this.rows)));
  }
}
