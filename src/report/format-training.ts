import { formatTable } from './table.js';
import type { TrainingReport } from './training-report.js';

const ENDS: Record<TrainingReport['end'], string> = {
  length: '',
  patience: '; ended early, since nothing better came for long',
  interrupted: '; ended early by an interrupt',
  diverged: '; ended early, since the weights went astray again and again: try a smaller --learning-rate',
};

/** The curve of the loss, and what was trained and what not. */
export function formatTraining(report: TrainingReport, width: number): string[] {
  const { curve, bestStep, trained, rows, steps, batch, learningRate, rangeTest, stops, end, seconds, losses } = report;
  const right = (title: string) => ({ title, align: 'right' as const });
  // About ten points of the curve say enough.
  const every = Math.max(1, Math.ceil((curve.length - 1) / 10));
  const shown = curve.filter((p, i) => i % every === 0 || i === curve.length - 1 || p.step === bestStep);
  const kinds = [...new Set(losses.map((l) => l.kind))].join(' and ');
  const how = rangeTest.length === 0 ? '' : ' (by the range test)';
  return [
    ...formatTable(
      [right('step'), right('loss'), right('on validation rows'), right('rate'), { title: '' }],
      shown.map((p) => [
        String(p.step),
        p.training.toExponential(2),
        p.validation.toExponential(2),
        p.rate.toExponential(1),
        p.step === bestStep ? '← kept' : '',
      ]),
      width,
    ),
    `${trained} parameters trained on ${rows.fit} rows, ${steps} steps of ${batch} at rates up to ${learningRate.toPrecision(2)}${how}, ${kinds} loss, ${seconds} s${ENDS[end]}`,
    ...stops.map((s) => `no gradient passes ${s.node}: ${s.reason} (${s.opType})`),
  ];
}
