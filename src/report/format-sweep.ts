import { SWEEP_COLUMNS, type SweepPoint, type SweepReport } from './sweep-report.js';
import { formatTable } from './table.js';

/** Columns that at least one point has a value for. */
function columnsOf(points: readonly SweepPoint[]): typeof SWEEP_COLUMNS {
  return SWEEP_COLUMNS.filter((column) => points.some((p) => column.value(p) !== null));
}

/** The curve as a table; the picked point is marked. */
export function formatSweep({ points, picked, warnings, seconds }: SweepReport, width: number): string[] {
  const columns = columnsOf(points);
  const cell = (value: number | string | null, shown: ((value: number) => string) | undefined): string =>
    value === null ? '-' : typeof value === 'number' && shown !== undefined ? shown(value) : String(value);
  return [
    ...formatTable(
      [...columns.map(({ title }) => ({ title, align: 'right' as const })), { title: '' }],
      points.map((p) => [
        ...columns.map(({ value, shown }) => cell(value(p), shown)),
        p.index === picked ? '← picked' : '',
      ]),
      width,
    ),
    ...warnings.map(({ message }) => `warning: ${message}`),
    `${points.length} models from the same statistics, each checked on the same rows (${seconds['total'] ?? 0} s)`,
  ];
}

/** The curve as comma-separated values (RFC 4180), every figure with all of its digits. */
export function sweepCsv({ points }: SweepReport): string {
  const columns = columnsOf(points);
  const lines = points.map((p) => columns.map(({ value }) => value(p) ?? '').join(','));
  return `${[columns.map(({ name }) => name).join(','), ...lines].join('\r\n')}\r\n`;
}
