import type { DistillReport } from './distill-report.js';
import { formatVerification, type FormatOptions } from './format.js';
import { formatTable } from './table.js';

/** The curve of the loss, the errors before and after, and what was not trained. */
export function formatDistill(report: DistillReport, format: FormatOptions): string[] {
  const { curve, before, verification, stops, parameters, steps, batch, bestStep, rows, status, seconds, warnings } =
    report;
  const right = (title: string) => ({ title, align: 'right' as const });
  // About ten points of the curve say enough.
  const every = Math.max(1, Math.ceil((curve.length - 1) / 10));
  const shown = curve.filter((p, i) => i % every === 0 || i === curve.length - 1 || p.step === bestStep);
  const nrmse = before.outputs.map((o) => `${o.output} ${o.nrmse === null ? '-' : o.nrmse.toPrecision(3)}`).join(', ');
  const verdicts: Record<DistillReport['status'], string> = {
    trained: 'checked: the trained model is within tolerance',
    'check-failed': 'the check failed',
    unverified: 'written without passing the check (--no-gate); the file is marked as unverified',
  };
  return [
    ...formatTable(
      [right('step'), right('loss'), right('on validation rows'), { title: '' }],
      shown.map((p) => [
        String(p.step),
        p.training.toExponential(2),
        p.validation.toExponential(2),
        p.step === bestStep ? '← kept' : '',
      ]),
      format.width,
    ),
    `${parameters.trained} of ${parameters.student} parameters trained on ${rows.fit} rows, ${steps} steps of ${batch}`,
    ...stops.map((s) => `no gradient passes ${s.node}: ${s.reason} (${s.opType})`),
    '',
    `nrmse before: ${nrmse}`,
    ...formatVerification(verification, format),
    ...warnings.map(({ message }) => `warning: ${message}`),
    `${verdicts[status]} (${seconds['total'] ?? 0} s)`,
  ];
}
