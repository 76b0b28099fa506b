import type { ProgressEvent } from '../condense/options.js';
import type { Streams } from './streams.js';

/** What an interrupt ends: while a model learns, at first the learning alone, whose best weights are worth keeping; else everything. */
export class Interrupts {
  private learning: AbortController | undefined;

  /** @returns false where nothing ends by itself, so that the process has to */
  take(): boolean {
    if (this.learning === undefined || this.learning.signal.aborted) return false;
    this.learning.abort();
    return true;
  }

  /**
   * What a command hands to the library so that the first interrupt of its learning is a gentle one.
   * @param onProgress is told of all that goes on
   * @param rounds of learning: only what the last one learned is worth keeping
   */
  gentle(
    streams: Streams,
    onProgress?: (event: ProgressEvent) => void,
    rounds = 1,
  ): { readonly signal: AbortSignal; readonly onProgress: (event: ProgressEvent) => void } {
    const controller = new AbortController();
    controller.signal.addEventListener('abort', () => {
      const then = rounds > 1 ? 'in a round before the last the run does too' : 'the best weights so far are checked';
      streams.stderr.write(`\nonnx-condense: learning ends here, and ${then}; interrupt again to end at once\n`);
    });
    return {
      signal: controller.signal,
      onProgress: (event) => {
        this.learning = event.stage === 'distill' ? controller : undefined;
        onProgress?.(event);
      },
    };
  }
}
