/** How long the steps of a run take. */
export class Clock {
  private readonly started = performance.now();
  private readonly milliseconds: Record<string, number> = {};

  /** Times of the same name add up. */
  async timed<T>(name: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work();
    this.milliseconds[name] = (this.milliseconds[name] ?? 0) + performance.now() - start;
    return result;
  }

  /** Seconds by step, and those since the beginning as `total`. */
  seconds(): Readonly<Record<string, number>> {
    const all = { ...this.milliseconds, total: performance.now() - this.started };
    return Object.fromEntries(Object.entries(all).map(([name, ms]) => [name, rounded(ms)]));
  }
}

function rounded(milliseconds: number): number {
  return Number((milliseconds / 1000).toFixed(2));
}
