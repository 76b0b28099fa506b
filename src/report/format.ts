/** Reports as text for people. */
import { styleText } from 'node:util';
import type { VerificationReport } from '../verify/report-types.js';
import type { CondenseReport, LatencyReport, NodeReport } from './report.js';
import { failureText, scoreText } from '../verify/score-text.js';
import { formatRollout } from './format-rollout.js';
import { formatTraining } from './format-training.js';
import { formatTable } from './table.js';

/** Colours only where the stream shows them; `styleText` itself honours NO_COLOR. */
export interface FormatOptions {
  readonly colour: boolean;
  readonly width: number;
}

/** A function that colours text, or leaves it as it is. */
export function painter(colour: boolean): (format: Parameters<typeof styleText>[0], text: string) => string {
  return (format, text) => (colour ? styleText(format, text) : text);
}

/** Figures before and after, with the share that is left. Those that one side lacks are left out. @param more rows of another kind below */
export function formatSizes(
  figures: readonly (readonly [title: string, before: number | null | undefined, after: number | null | undefined])[],
  width: number,
  more: readonly (readonly string[])[] = [],
): string[] {
  const rows = figures.flatMap(([title, a, b]) =>
    typeof a !== 'number' || typeof b !== 'number'
      ? []
      : [[title, String(a), String(b), a === 0 ? '' : `${((100 * b) / a).toFixed(1)} %`]],
  );
  return formatTable(
    [
      { title: '' },
      { title: 'before', align: 'right' },
      { title: 'after', align: 'right' },
      { title: '', align: 'right' },
    ],
    [...rows, ...more],
    width,
  );
}

/** Every Gemm, MatMul and Conv with its width, or the reason why it was left. */
export function formatNodes(nodes: readonly NodeReport[], width: number): string[] {
  return formatTable(
    [
      { title: 'node' },
      { title: 'op' },
      { title: 'before', align: 'right' },
      { title: 'after', align: 'right' },
      { title: 'why it was left' },
    ],
    nodes.map((n) => [
      n.node,
      n.opType,
      n.before === undefined ? '' : String(n.before),
      n.after === undefined ? '' : String(n.after),
      n.refusal === undefined
        ? ''
        : `${n.refusal.message}${n.refusal.culprits.length > 0 ? ` (${n.refusal.culprits.join(', ')})` : ''}`,
    ]),
    width,
  );
}

/** The table of nodes, the sizes and the errors of a reduction. */
export function formatCondenseReport(report: CondenseReport, { colour, width }: FormatOptions): string[] {
  const paint = painter(colour);
  const lines = formatNodes(report.nodes, width);
  const before = report.input.size;
  const after = report.output.size;
  lines.push(
    '',
    ...formatSizes(
      [
        ['parameters', before.parameters, after.parameters],
        ['MACs per row', before.macs, after.macs],
        ['bytes', before.bytes, after.bytes],
      ],
      width,
      report.latency === undefined ? [] : [latencyRow(report.latency)],
    ),
  );
  for (const training of report.training ?? []) lines.push('', ...formatTraining(training, width));
  if (report.verification !== null) lines.push('', ...formatVerification(report.verification, { colour, width }));
  for (const warning of report.warnings) lines.push(paint('yellow', `warning: ${warning.message}`));
  if (report.output.emitted !== undefined) lines.push(`in the model repository: ${report.output.emitted.join(', ')}`);
  const verdicts: Record<CondenseReport['status'], string> = {
    reduced: paint('green', 'checked: the reduced model is within tolerance'),
    unchanged: 'nothing to remove: the output is a copy of the input',
    'check-failed': paint('red', 'the check failed'),
    unverified: paint('yellow', 'written without passing the check (--no-gate); the file is marked as unverified'),
  };
  lines.push(`${verdicts[report.status]} (${report.method}, ${report.provider}, ${report.seconds['total'] ?? 0} s)`);
  return lines;
}

function latencyRow({ batch, before, after, speedup }: LatencyReport): string[] {
  return [`ms, batch ${batch}`, before.toPrecision(3), after.toPrecision(3), `${speedup.toFixed(2)} times as fast`];
}

/** The figures of a check. */
export function formatVerification(report: VerificationReport, { colour, width }: FormatOptions): string[] {
  const paint = painter(colour);
  const number = (value: number | null): string => (value === null ? '-' : value === 0 ? '0' : value.toPrecision(3));
  const share = (value: number | null): string => (value === null ? '-' : `${(100 * value).toFixed(2)} %`);
  const lines = formatTable(
    [
      { title: 'output' },
      ...['nrmse', 'max abs', 'max rel', 'cosine', 'top-1 agreement', 'equal', 'NaN/Inf'].map((title) => ({
        title,
        align: 'right' as const,
      })),
    ],
    report.outputs.map((o) => [
      o.output,
      number(o.nrmse),
      number(o.maxAbs),
      number(o.maxRel),
      o.cosine === null ? '-' : o.cosine.toFixed(6),
      o.classScores ? share(o.agreement) : '-',
      o.integer ? share(o.equal) : '-',
      o.shapeMismatch ?? String(o.nonFinite),
    ]),
    width,
  );
  const { sample, farthest, batchOne, verdict, score, rollout } = report;
  if (score !== null) lines.push(`${score.name}  ${scoreText(score)}`);
  if (sample !== null) {
    lines.push(
      `of ${sample.rows} check rows ${sample.exceeded} exceed the row tolerance ${sample.rowTolerance}: with 99 % confidence at most ` +
        `${(100 * sample.bound).toPrecision(3)} % of inputs would, if ${sample.assumption}`,
    );
  }
  if (farthest !== null) {
    lines.push(
      `rms on the ${farthest.rows} check rows farthest from the fitted ones: ${number(farthest.rms)} (all: ${number(farthest.rmsOfAll)})`,
    );
  }
  if (rollout !== null) lines.push(...formatRollout(rollout, width));
  if (batchOne !== null && !batchOne.consistent)
    lines.push(paint('red', `rows alone differ from rows in a batch by ${number(batchOne.largestDifference)}`));
  for (const f of verdict.failures) {
    lines.push(paint('red', `beyond tolerance: ${failureText(f)}`));
  }
  if (verdict.smallestPassing !== '')
    lines.push(`smallest tolerance that passes: --tolerance ${verdict.smallestPassing}`);
  return lines;
}
