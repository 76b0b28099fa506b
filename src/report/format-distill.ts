import type { DistillReport } from './distill-report.js';
import { formatTraining } from './format-training.js';
import { formatVerification, type FormatOptions } from './format.js';

/** The training, and the errors before and after. */
export function formatDistill(report: DistillReport, format: FormatOptions): string[] {
  const { before, verification, training, status, seconds, warnings } = report;
  const nrmse = before.outputs.map((o) => `${o.output} ${o.nrmse === null ? '-' : o.nrmse.toPrecision(3)}`).join(', ');
  const verdicts: Record<DistillReport['status'], string> = {
    trained: 'checked: the trained model is within tolerance',
    'check-failed': 'the check failed',
    unverified: 'written without passing the check (--no-gate); the file is marked as unverified',
  };
  return [
    ...formatTraining(training, format.width),
    '',
    `nrmse before: ${nrmse}`,
    ...formatVerification(verification, format),
    ...warnings.map(({ message }) => `warning: ${message}`),
    `${verdicts[status]} (${seconds['total'] ?? 0} s)`,
  ];
}
