/** How long a training takes. Minutes depend on the machine, and so does what comes of them. */
export type TrainingLength = { readonly steps: number } | { readonly epochs: number } | { readonly minutes: number };

/** Steps that the rate rises for, at most. */
const WARM_UP = 100;
/** That share of the steps, where it is less. */
const WARM_UP_SHARE = 1 / 20;

/**
 * The rate at a step: up from 0 during the first steps, then down to 0 along half a cosine.
 * @param step that is taken next, from 0
 * @param done share of the training that lies behind, 0 … 1
 * @param steps expected in all
 */
export function rateAt(step: number, done: number, steps: number, rate: number): number {
  const warmUp = Math.max(1, Math.min(WARM_UP, Math.floor(steps * WARM_UP_SHARE)));
  return rate * Math.min(1, (step + 1) / warmUp) * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, done)));
}

/** How far a training is. */
export class Progress {
  private readonly started = performance.now();

  /** @param steps of the whole training, where its length is given in steps; before: seconds that former runs of it took */
  constructor(
    private readonly length: { readonly steps: number } | { readonly minutes: number },
    readonly before = 0,
  ) {}

  /** Seconds of training so far, those of former runs included. */
  get seconds(): number {
    return this.before + (performance.now() - this.started) / 1000;
  }

  /** Share that lies behind after some steps. */
  done(steps: number): number {
    return 'steps' in this.length ? steps / this.length.steps : this.seconds / (60 * this.length.minutes);
  }

  /** Steps in all, as far as can be told after some of them. */
  total(steps: number): number {
    if ('steps' in this.length) return this.length.steps;
    const done = this.done(steps);
    return steps === 0 || done === 0 ? Infinity : Math.max(steps, Math.round(steps / done));
  }

  /** Seconds that are left, as far as can be told. */
  left(steps: number): number {
    const done = this.done(steps);
    return done === 0 ? Infinity : Math.max(0, (this.seconds * (1 - done)) / done);
  }
}
