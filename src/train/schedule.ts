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
  private first = { steps: 0, seconds: 0 };

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

  /** Begins with the steps: what came before them says nothing of how long one takes. @param steps those of former runs */
  begin(steps: number): void {
    this.first = { steps, seconds: this.seconds };
  }

  /** Steps in all, as far as can be told after some of them. */
  total(steps: number): number {
    if ('steps' in this.length) return this.length.steps;
    const left = Math.max(0, 60 * this.length.minutes - this.seconds);
    const pace = (this.seconds - this.first.seconds) / (steps - this.first.steps);
    return steps === this.first.steps ? Infinity : Math.round(steps + left / pace);
  }

  /** Seconds that are left, as far as can be told. */
  left(steps: number): number {
    if ('minutes' in this.length) return Math.max(0, 60 * this.length.minutes - this.seconds);
    const taken = steps - this.first.steps;
    return taken === 0 ? Infinity : ((this.seconds - this.first.seconds) / taken) * (this.length.steps - steps);
  }
}
