import type { VerificationReport } from '../verify/report-types.js';

/** What a distillation did: the document that `distill --json` prints. */
export interface DistillReport {
  readonly schemaVersion: 1;
  readonly tool: { readonly name: 'onnx-condense'; readonly version: string };
  readonly status: 'trained' | 'check-failed' | 'unverified';
  /** `trained`: elements of the weights and biases that the gradient reached. */
  readonly parameters: { readonly teacher: number; readonly student: number; readonly trained: number };
  readonly rows: { readonly fit: number; readonly validation: number; readonly check: number };
  readonly steps: number;
  /** Rows of a step. */
  readonly batch: number;
  /** The step whose weights were kept; 0 for the student as it came. */
  readonly bestStep: number;
  /** Squared error over variance, on the rows of the steps since the last point and on validation rows. */
  readonly curve: readonly { readonly step: number; readonly training: number; readonly validation: number }[];
  /** Nodes that no gradient passes. */
  readonly stops: readonly { readonly node: string; readonly opType: string; readonly reason: string }[];
  /** The student as it came, on the check rows. */
  readonly before: VerificationReport;
  readonly verification: VerificationReport;
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  readonly seconds: Readonly<Record<string, number>>;
}
