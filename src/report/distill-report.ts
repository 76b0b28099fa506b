import type { VerificationReport } from '../verify/report-types.js';
import type { TrainingReport } from './training-report.js';

/** What a distillation did: the document that `distill --json` prints. */
export interface DistillReport {
  readonly schemaVersion: 1;
  readonly tool: { readonly name: 'onnx-condense'; readonly version: string };
  readonly status: 'trained' | 'check-failed' | 'unverified';
  readonly parameters: { readonly teacher: number; readonly student: number };
  readonly training: TrainingReport;
  /** The student as it came, on the check rows. */
  readonly before: VerificationReport;
  readonly verification: VerificationReport;
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  readonly seconds: Readonly<Record<string, number>>;
}
