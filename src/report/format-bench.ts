import type { BenchReport } from './bench-report.js';
import { modelNames } from './model-names.js';
import { formatTable } from './table.js';

/** The tables of `bench`: the models, and how they ran. */
export function formatBench({ models, batches, provider, warnings }: BenchReport, width: number): string[] {
  const right = (title: string) => ({ title, align: 'right' as const });
  const names = modelNames(models);
  const megabytes = (bytes: number | null): string => (bytes === null ? '-' : (bytes / 1e6).toPrecision(3));
  const ratio = (value: number): string => value.toFixed(2);
  return [
    ...formatTable(
      [{ title: 'model' }, right('parameters'), right('MACs per row'), right('MB')],
      models.map((m, i) => [names[i]!, String(m.parameters), String(m.macs), megabytes(m.bytes)]),
      width,
    ),
    '',
    ...formatTable(
      [
        right('batch'),
        { title: 'model' },
        ...['median ms', 'p95 ms', 'rows/s', 'times as fast', 'middle half', 'memory MB'].map(right),
      ],
      batches.flatMap(({ batch, figures }) =>
        figures.map((f, i) => [
          i === 0 ? String(batch) : '',
          names[i]!,
          f.median.toPrecision(3),
          f.p95.toPrecision(3),
          f.rowsPerSecond.toPrecision(3),
          i === 0 ? '' : ratio(f.speedup),
          i === 0 ? '' : f.quartiles.map(ratio).join(' to '),
          megabytes(f.peakMemory),
        ]),
      ),
      width,
    ),
    ...warnings.map(({ message }) => `warning: ${message}`),
    `on ${provider}, run in turn`,
  ];
}
