import type { GateVerdict } from './gate.js';
import type { OutputFigures } from './output-comparison.js';
import type { ScoreFigures } from './user-metric.js';

/** What the check found. */
export interface VerificationReport {
  readonly outputs: readonly OutputFigures[];
  readonly rows: number;
  readonly verdict: GateVerdict;
  /** The user's own measure of both models; null where none was given. */
  readonly score: ScoreFigures | null;
  /** What the sample proves: of n rows, e exceed the row tolerance; with 99 % confidence no larger share of inputs would than `bound`. */
  readonly sample: {
    readonly rowTolerance: number;
    readonly exceeded: number;
    readonly rows: number;
    readonly bound: number;
    readonly assumption: string;
  } | null;
  /** RMS of the rows' standardised errors: all check rows, and the 5 % farthest from the fit rows. */
  readonly farthest: { readonly rows: number; readonly rms: number; readonly rmsOfAll: number } | null;
  /** Rows run one by one give what they give in a full batch. Null where the graph has one batch size. */
  readonly batchOne: { readonly rows: number; readonly largestDifference: number; readonly consistent: boolean } | null;
}

export const SAMPLE_ASSUMPTION = 'rows are independent and drawn like future inputs';
