import type { ProgressEvent } from '../condense/options.js';

/** How long a line stays before the next one is drawn, in milliseconds. */
const REDRAW = 80;
/** Characters of a bar. */
const BAR = 20;

/** What is known of a stage of the work from the events of it. */
interface Stage {
  readonly name: ProgressEvent['stage'];
  readonly started: number;
  /** What had been done before the first event, which tells nothing of the pace. */
  readonly before: number;
  /** How often it began: a search makes many models. */
  times: number;
  done: number;
  total: number | undefined;
}

/**
 * Progress for a person: on a terminal one line with a bar, the pace and the time left; elsewhere, so that logs stay readable, one line for each
 * stage when it has ended.
 */
export class ProgressDisplay {
  private stage: Stage | undefined;
  private shown = false;
  private drawn = -Infinity;

  /** @param now milliseconds that have passed since some moment */
  constructor(
    private readonly stream: Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  update(event: ProgressEvent): void {
    // The models of a sweep each have stages of their own: what counts is how many there are.
    if (this.stage?.name === 'sweep' && event.stage !== 'sweep') {
      this.draw(this.stage, event);
      return;
    }
    if (this.stage?.name !== event.stage) {
      this.endStage();
      this.stage = {
        name: event.stage,
        started: this.now(),
        before: event.done ?? 0,
        times: 1,
        done: 0,
        total: event.total,
      };
    } else if ((event.done ?? 0) < this.stage.done) this.stage.times++;
    this.stage.done = event.done ?? 0;
    this.stage.total = event.total;
    this.draw(this.stage, event);
  }

  /** The work is done, its last stage with it. */
  end(): void {
    this.endStage();
    this.clear();
  }

  /** Takes the line of a terminal away. */
  clear(): void {
    if (this.shown) this.stream.write('\r\u001b[2K');
    this.shown = false;
  }

  private draw(stage: Stage, event: ProgressEvent): void {
    if (!this.stream.isTTY || this.now() - this.drawn < REDRAW) return;
    this.drawn = this.now();
    const line = progressLine(stage, event, this.now());
    this.stream.write(`\r\u001b[2K${line.slice(0, Math.max(0, (this.stream.columns || 80) - 1))}`);
    this.shown = true;
  }

  private endStage(): void {
    if (this.stage !== undefined && !this.stream.isTTY) this.stream.write(`${endedLine(this.stage, this.now())}\n`);
    this.stage = undefined;
  }
}

/** `refit: 3 (4 times), 1.2 s`. A training may have ended before its last step; all other stages do what they set out to. */
function endedLine({ name, started, times, done, total }: Stage, now: number): string {
  const count = name === 'distill' ? done : (total ?? done);
  return `${name}: ${count}${times > 1 ? ` (${times} times)` : ''}, ${((now - started) / 1000).toFixed(1)} s`;
}

/** `verify [=====>      ] 160/320, 1250/s, 3 s left  check rows` */
function progressLine({ name, started, before, done, total }: Stage, event: ProgressEvent, now: number): string {
  const seconds = (now - started) / 1000;
  const pace = seconds > 0 ? (done - before) / seconds : 0;
  const left = event.secondsLeft ?? (total !== undefined && pace > 0 ? (total - done) / pace : undefined);
  const count = total === undefined ? '' : `${bar(done / Math.max(total, 1))} ${done}/${total}`;
  const figures = [
    ...(count === '' ? [] : [count]),
    ...(pace > 0 ? [`${pace >= 10 ? Math.round(pace) : pace.toPrecision(2)}/s`] : []),
    ...(left === undefined || !Number.isFinite(left) ? [] : [`${timeText(left)} left`]),
  ];
  return `${name} ${figures.join(', ')}  ${event.message}`;
}

function bar(share: number): string {
  const full = Math.round(BAR * Math.min(1, share));
  return `[${'='.repeat(full)}${full < BAR ? `>${' '.repeat(BAR - full - 1)}` : ''}]`;
}

function timeText(seconds: number): string {
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

/** Does work while people see how far it is. @param quiet shows nothing */
export async function withProgress<T>(
  stream: NodeJS.WriteStream,
  quiet: boolean | undefined,
  work: (shown: { readonly onProgress?: (event: ProgressEvent) => void }) => Promise<T>,
): Promise<T> {
  if (quiet === true) return work({});
  const display = new ProgressDisplay(stream);
  try {
    const result = await work({
      onProgress: (event) => {
        display.update(event);
      },
    });
    display.end();
    return result;
  } finally {
    display.clear();
  }
}
