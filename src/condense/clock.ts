/** How long the steps of a run take. */
export class Clock {
  private readonly started = performance.now();
  private readonly steps: Record<string, number> = {};

  async timed<T>(name: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work();
    this.steps[name] = rounded((this.steps[name] ?? 0) * 1000 + performance.now() - start);
    return result;
  }

  /** Seconds by step, and those since the beginning as `total`. */
  seconds(): Readonly<Record<string, number>> {
    return { ...this.steps, total: rounded(performance.now() - this.started) };
  }
}

function rounded(milliseconds: number): number {
  return Number((milliseconds / 1000).toFixed(2));
}
