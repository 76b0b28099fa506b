import type { Feeds } from '../graph/feeds.js';
import type { Session } from './session.js';

/** How long runs take, in milliseconds. */
export interface LatencyFigures {
  readonly runs: number;
  readonly median: number;
  readonly p95: number;
  readonly mean: number;
  /** In the order of the runs. */
  readonly samples: Float64Array;
}

export interface LatencyOptions {
  readonly seconds?: number;
  readonly leastRuns?: number;
  readonly mostRuns?: number;
  readonly warmUps?: number;
}

/** Times sessions in turn over the same feeds (a b, b a, ...), so that what else the machine does hits all alike. */
export async function interleavedLatency(
  sessions: readonly Session[],
  feeds: Feeds,
  { seconds = 3, leastRuns = 5, mostRuns = 2000, warmUps = 3 }: LatencyOptions = {},
): Promise<LatencyFigures[]> {
  for (let i = 0; i < warmUps; i++) for (const session of sessions) await session.run(feeds);
  const times = sessions.map((): number[] => []);
  const end = performance.now() + 1000 * seconds;
  const order = sessions.map((_, i) => i);
  for (let round = 0; round < mostRuns && (round < leastRuns || performance.now() < end); round++) {
    for (const i of round % 2 === 0 ? order : order.toReversed()) {
      const start = performance.now();
      await sessions[i]!.run(feeds);
      times[i]!.push(performance.now() - start);
    }
  }
  return times.map(figuresOf);
}

function figuresOf(times: readonly number[]): LatencyFigures {
  const at = (share: number): number => quantile(times, share);
  return {
    samples: Float64Array.from(times),
    runs: times.length,
    median: at(0.5),
    p95: at(0.95),
    mean: times.reduce((a, b) => a + b, 0) / times.length,
  };
}

/**
 * How many times as long the first took as the second: the median of the ratios of runs that stand side by side, and the quarter and three
 * quarters of them, which say how far they scatter.
 */
export function pairedRatio(a: LatencyFigures, b: LatencyFigures): { median: number; quartiles: [number, number] } {
  const ratios = [...a.samples].map((time, i) => time / b.samples[i]!);
  return { median: quantile(ratios, 0.5), quartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)] };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}
