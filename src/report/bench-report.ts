import type { DataNote } from '../diagnostics/calibration.js';

/** A model that was timed. */
export interface BenchedModel {
  /** Its file; null for a model in memory. */
  readonly file: string | null;
  /** Of the file and its external data, or of the model as one file. */
  readonly bytes: number;
  readonly parameters: number;
  /** Multiply-accumulates for one row. */
  readonly macs: number;
}

/** How one model ran at one batch size; times in milliseconds for each run. */
export interface BenchFigures {
  readonly runs: number;
  readonly median: number;
  readonly p95: number;
  readonly rowsPerSecond: number;
  /** How many times as fast as the first model: the median over runs side by side, and the middle half of them. */
  readonly speedup: number;
  readonly quartiles: readonly [number, number];
  /** Bytes that loading and running it added to a process of its own; null where that could not be measured. */
  readonly peakMemory: number | null;
}

/** What `bench` found: the document that `--json` prints. */
export interface BenchReport {
  readonly schemaVersion: 1;
  readonly provider: string;
  readonly models: readonly BenchedModel[];
  /** `figures` in the order of the models. */
  readonly batches: readonly { readonly batch: number; readonly figures: readonly BenchFigures[] }[];
  readonly warnings: readonly DataNote[];
}
