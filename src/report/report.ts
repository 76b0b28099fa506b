import type { Plan } from '../plan/plan.js';
import type { TrainingReport } from './training-report.js';
import type { RefusalCode } from '../channels/refusal.js';
import type { VerificationReport } from '../verify/report-types.js';

/** One Gemm, MatMul or Conv of the input. */
export interface NodeReport {
  /** The node's name, else the name of its first output. */
  readonly node: string;
  readonly opType: string;
  /** Width of its output axis before; absent where it is not known. */
  readonly before?: number;
  readonly after?: number;
  /** Why it was left as it is; absent when it was condensed or had nothing to lose. */
  readonly refusal?: { readonly code: RefusalCode; readonly message: string; readonly culprits: readonly string[] };
}

/** Size figures of one model. */
export interface SizeReport {
  readonly parameters: number;
  /** Multiply-accumulates of Gemm, MatMul and Conv for one row of input. */
  readonly macs: number;
  /** Bytes of the file(s); absent for a model that was not written. */
  readonly bytes?: number;
}

/** How long runs take, measured in turn. */
export interface LatencyReport {
  /** Rows of a run. */
  readonly batch: number;
  /** Median milliseconds of the input. */
  readonly before: number;
  readonly after: number;
  /** Median of the ratios of runs side by side. */
  readonly speedup: number;
}

/** What a reduction did: the document that `--json` prints. */
export interface CondenseReport {
  readonly schemaVersion: 1;
  readonly tool: { readonly name: 'onnx-condense'; readonly version: string };
  readonly status: 'reduced' | 'unchanged' | 'check-failed' | 'unverified';
  readonly input: { readonly sha256: string | null; readonly size: SizeReport };
  readonly output: {
    readonly size: SizeReport;
    readonly files?: readonly string[];
    /** What was written into a model repository, relative to it. */
    readonly emitted?: readonly string[];
  };
  readonly method: string;
  readonly provider: string;
  readonly rows: { readonly fit: number; readonly validation: number; readonly check: number };
  readonly nodes: readonly NodeReport[];
  readonly passes: readonly { readonly name: string; readonly changed: boolean; readonly notes: readonly string[] }[];
  /** Widths of all spaces with the error that was predicted, where there was a plan: what `--plan` takes. */
  readonly plan?: Plan;
  /** What the reduced model learned, one for each round, where that was asked for. */
  readonly training?: readonly TrainingReport[];
  /** Where a speed-up was asked for. Never the same twice, so no file records it. */
  readonly latency?: LatencyReport;
  readonly verification: VerificationReport | null;
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  readonly seconds: Readonly<Record<string, number>>;
}
