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
  /** How the error grows when outputs are fed back; null where that was not asked for, or shapes of the models differ. */
  readonly rollout: RolloutReport | null;
}

/** Two models stepped from the same rows, each on its own outputs. */
export interface RolloutReport {
  readonly steps: number;
  /** Rows that were stepped. */
  readonly rows: number;
  /** What was fed back; `add` where it was added to `columns` of the input, else it took their place. */
  readonly feedback: readonly {
    readonly output: string;
    readonly input: string;
    readonly add: boolean;
    readonly columns: readonly number[];
  }[];
  /** After steps 1, 2, 4, 8, … and the last one. */
  readonly points: readonly {
    readonly step: number;
    /** Rows that are compared: those that are finite in both models up to this step. */
    readonly rows: number;
    /** Rows that have become NaN or infinite. */
    readonly nonFinite: { readonly original: number; readonly reduced: number };
    /** For each feedback, the output of this step, and the columns of the input that it made for the next one. */
    readonly values: readonly { readonly output: RolloutFigures; readonly input: RolloutFigures }[];
  }[];
}

/** The distance of two models at one step, relative to how the original's values spread over the rows at that step. */
export interface RolloutFigures {
  /** Null where the values do not spread, or no row is left. */
  readonly nrmse: number | null;
  /** Null where no row is left. */
  readonly maxAbs: number | null;
}

export const SAMPLE_ASSUMPTION = 'rows are independent and drawn like future inputs';
