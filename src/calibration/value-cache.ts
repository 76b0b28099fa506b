import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { DataType } from '../graph/tensor.js';
import type { Batch } from './stream.js';

/**
 * Values of intermediate tensors for every batch, so that a later step can start there instead of at the model's inputs. Values that would
 * not fit into the budget are not kept: the step then computes them again.
 */
export class ValueCache {
  private readonly values = new Map<string, NumericArray[]>();
  private used = 0;

  /** @param budget bytes */
  constructor(private readonly budget: number) {}

  /** Names that are cached for all batches. */
  get names(): ReadonlySet<string> {
    return new Set(this.values.keys());
  }

  dtype(name: string): DataType | undefined {
    return this.values.get(name)?.[0]?.dtype;
  }

  rank(name: string): number | undefined {
    return this.values.get(name)?.[0]?.dims.length;
  }

  /** The batches with what is cached added to their feeds. */
  attach(batches: readonly Batch[]): Batch[] {
    if (this.values.size === 0) return [...batches];
    const { values } = this;
    return batches.map((batch, i) => ({
      rows: batch.rows,
      fold: batch.fold,
      // Gathered when the batch is run, so that all batches together hold no second copy of the data.
      get feeds(): Feeds {
        const feeds = new Map(batch.feeds);
        for (const [name, arrays] of values) feeds.set(name, arrays[i]!);
        return feeds;
      },
    }));
  }

  /** Whether values of so many bytes in all would fit. */
  fits(bytes: number): boolean {
    return this.used + bytes <= this.budget;
  }

  /** Takes values over, one map per batch, each name only where all of it fits. */
  store(kept: readonly Feeds[]): void {
    for (const name of kept[0]?.keys() ?? []) {
      const arrays = kept.map((feeds) => feeds.get(name)!);
      const bytes = arrays.reduce((sum, a) => sum + byteLength(a), 0);
      if (this.used + bytes > this.budget || this.values.has(name)) continue;
      this.used += bytes;
      this.values.set(name, arrays);
    }
  }

  /** Forgets every name that is not in `names`. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const [name, arrays] of this.values) {
      if (names.has(name)) continue;
      this.used -= arrays.reduce((sum, a) => sum + byteLength(a), 0);
      this.values.delete(name);
    }
  }
}

function byteLength(array: NumericArray): number {
  return Array.isArray(array.data) ? 0 : array.data.byteLength;
}
