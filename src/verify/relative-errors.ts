/**
 * The largest |error| / max(|value|, floor) over elements that stream by, where the floor is known only at the end: for each binary exponent of
 * |value|, the largest error and the largest ratio are kept.
 */
export class RelativeErrors {
  private readonly byExponent = new Map<number, { error: number; ratio: number }>();

  /** @param error above 0; @param size |value|, finite */
  add(error: number, size: number): void {
    const exponent = size > 0 ? Math.floor(Math.log2(size)) : -Infinity;
    const entry = this.byExponent.get(exponent);
    const ratio = error / size;
    if (entry === undefined) this.byExponent.set(exponent, { error, ratio });
    else {
      if (error > entry.error) entry.error = error;
      if (ratio > entry.ratio) entry.ratio = ratio;
    }
  }

  /** Exact but for values within a factor of two of the floor, where it may be up to twice too large. The largest error where the floor is 0. */
  largest(floor: number): number {
    let largest = 0;
    for (const { error, ratio } of this.byExponent.values())
      largest = Math.max(largest, floor > 0 ? Math.min(ratio, error / floor) : error);
    return largest;
  }
}
