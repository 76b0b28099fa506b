import { formatFeedback } from '../verify/feedback.js';
import type { RolloutFigures, RolloutReport } from '../verify/report-types.js';
import { formatTable } from './table.js';

/** How the error grows from step to step: of every output that is fed back, and of what it is added to. */
export function formatRollout({ steps, rows, feedback, points }: RolloutReport, width: number): string[] {
  const right = (title: string) => ({ title, align: 'right' as const });
  const number = ({ nrmse }: RolloutFigures): string =>
    nrmse === null ? '-' : nrmse === 0 ? '0' : nrmse.toPrecision(3);
  // What takes the place of an input differs from it by scale alone.
  const columns = feedback.flatMap(({ output, input, add }, i) => [
    { title: `${output} nrmse`, of: i, figures: 'output' as const },
    ...(add ? [{ title: `${input} nrmse`, of: i, figures: 'input' as const }] : []),
  ]);
  const times = steps === 1 ? 'once' : `${steps} times`;
  return [
    `rollout: ${rows} check rows, fed back ${times} (${feedback.map(formatFeedback).join(', ')})`,
    ...formatTable(
      [right('step'), ...columns.map(({ title }) => right(title)), right('rows with NaN/Inf')],
      points.map((point) => [
        String(point.step),
        ...columns.map(({ of, figures }) => number(point.values[of]![figures])),
        String(rows - point.rows),
      ]),
      width,
    ),
  ];
}
