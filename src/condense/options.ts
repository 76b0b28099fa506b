import type { ImageOptions } from '../calibration/sources/images.js';
import type { Plan } from '../plan/plan.js';
import type { ProviderChoice } from '../runtime/providers.js';
import type { LearningOptions } from '../train/options.js';
import type { TrainingLength } from '../train/schedule.js';
import type { RolloutOptions } from '../verify/rollout.js';
import type { ScoreChange, UserMetric } from '../verify/user-metric.js';

/** How redundant channels are found and absorbed; see docs/how-it-works.md. */
export type Method = 'exact' | 'cosine' | 'span';

/** What bounds the error of the smallest model: an NRMSE, or a change of the score of the user's metric. */
export type MaxError = number | { readonly score: ScoreChange };

/** Options of {@link condense}. Every one has the same meaning as the CLI option of that name. */
export interface CondenseOptions extends LearningOptions, RolloutOptions {
  /** Calibration data, one or more specifications (`file.npz`, `file.npy`, `name=file.npy`, `table.csv`, a folder, a module, `random:`). */
  readonly data: readonly string[];
  /** Other data for the check; then every row of `data` may be fitted. */
  readonly test?: readonly string[];
  /** Share of the rows of `data` that only the check sees. Default 0.2. */
  readonly holdout?: number;
  /** Keeps related rows on one side of every split: neighbouring ones, or those with the same value of a key in the data. */
  readonly group?: 'blocks' | { readonly key: string };
  /** Use at most this many rows of `data`: a deterministic sample. */
  readonly maxRows?: number;
  /** How the images of a folder become values; its scaling holds for sounds as well. */
  readonly images?: ImageOptions;
  /** Default `span`. */
  readonly method?: Method;
  /** For `exact`: what counts as proof of redundancy. Default `weights`. */
  readonly evidence?: 'weights' | 'data';
  /** For `cosine`: a neuron joins another at this cosine or above; one for all, or by node. Without it, found for the budget. */
  readonly threshold?: number | ReadonlyMap<string, number>;
  /** For `span`: how channels are chosen. Default `eliminate`. */
  readonly select?: 'eliminate' | 'cholesky';
  /**
   * What `span` keeps of a linear stream (nothing but additions and the like between producers and consumers): its best subspace, by a
   * change of basis, or a subset of its channels. Default `rotate`.
   */
  readonly streams?: 'rotate' | 'select';
  /** Budget: parameters that may stay; at most 1 is a ratio of the input's, above it a count. Never exceeded. */
  readonly keepParams?: number;
  /** Budget: multiply-accumulates for one row that may stay; at most 1 is a ratio of the input's. Never exceeded. */
  readonly keepMacs?: number;
  /** Budget: bytes that the written file may have, external data included. Never exceeded. */
  readonly size?: number;
  /**
   * Budget: how many times as fast as the input the result shall be, measured on this machine with the chosen provider. What comes of it depends
   * on the machine and scatters with its load, unlike every other budget.
   */
  readonly speedup?: number;
  /** Rows of the batch whose latency `speedup` is about. Default 1; a graph with a fixed batch has only that. */
  readonly latencyBatch?: number;
  /** Whether times of single layers are kept in the user's cache folder from one run to the next. Default true. */
  readonly latencyCache?: boolean;
  /** Widths by node (its name, else the name of its output): a count, or a share of its width as `{ ratio }`. */
  readonly keep?: ReadonlyMap<string, number | { readonly ratio: number }>;
  /**
   * Widths of convolutions are multiples of this where the original's are; 1 for any width. `auto`: by what the kernels of this machine compute
   * at a time, which is measured. Default 8, or less where the budget needs it; `auto` with `speedup`.
   */
  readonly roundTo?: number | 'auto';
  /** Widths of all spaces as a former run reported them (`report.plan`): applied as they are, without a search. */
  readonly plan?: Plan;
  /**
   * Budget: the smallest model whose NRMSE on validation rows is at most this, or as `{ score }` the one whose score (see `metric`) changes by no
   * more than that. Without a `tolerance`, such a limit on the score is also what the check is judged by.
   */
  readonly maxError?: MaxError;
  /**
   * Most models that a search for widths makes from the fit rows and measures on validation rows, to improve on what predictions alone choose;
   * 0 for none. Found from what a model costs to make when absent.
   */
  readonly trials?: number;
  /** After the reduction: how long the reduced model learns from the original's outputs on the fit rows. Not at all when absent. */
  readonly distill?: TrainingLength;
  /**
   * Rounds in which the model is reduced, refitted, distilled and measured again, in equal ratios of the budget (or at the same `threshold`); each
   * gets an equal part of the training. Default 1.
   */
  readonly steps?: number;
  /** Only nodes whose name matches one of these (exact, or with `*` and `?`). */
  readonly include?: readonly string[];
  /** No node whose name matches one of these. */
  readonly exclude?: readonly string[];
  /** Tolerance of the check in the CLI's syntax, for example `nrmse=1e-2,max-abs=0.1` or, with a `metric`, `score=-0.5%`. */
  readonly tolerance?: string;
  /** A measure of the user's own that the check reports: the path of an ES module that exports it, or an object with the same members. */
  readonly metric?: string | UserMetric;
  /** Outputs that hold class scores, judged by top-1 agreement, where their values do not show it (logits). */
  readonly classes?: readonly string[];
  /** A check row whose RMS over the standardised outputs exceeds this counts as exceeded in the bound. */
  readonly rowTolerance?: number;
  /** Execution provider. Default `cpu`. */
  readonly provider?: ProviderChoice;
  /** Rows per run; found from `memory` when absent. */
  readonly batch?: number;
  /** Positions of each row that are sampled from a map of a convolution; found from the number of rows when absent. */
  readonly positions?: number;
  /** Bytes that calibration may use for cached values and batches. Default 2e9. */
  readonly memory?: number;
  /** Gathers what {@link htmlReport} shows beyond the report, and times both models for a second. It changes nothing of the result. */
  readonly details?: boolean;
  /** Told what is going on, for progress displays. */
  readonly onProgress?: (event: ProgressEvent) => void;
}

/** One step of the work. `done` and `total` count rows or nodes where they are there. */
export interface ProgressEvent {
  readonly stage: 'calibrate' | 'plan' | 'select' | 'refit' | 'verify' | 'sweep' | 'distill' | 'inspect';
  readonly message: string;
  readonly done?: number;
  readonly total?: number;
  /** Where the work itself knows better than its pace so far how long this stage takes. */
  readonly secondsLeft?: number;
}

/** Default for `memory`: 2 GB. */
export const DEFAULT_MEMORY = 2e9;
