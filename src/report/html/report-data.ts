/** What the page shows, whichever command it comes from. */
import type { CondenseReport, LatencyReport, SizeReport } from '../report.js';
import type { DistillReport } from '../distill-report.js';
import type { InspectedModel, InspectReport } from '../inspect-report.js';
import type { SweepPoint, SweepReport } from '../sweep-report.js';
import type { TrainingReport } from '../training-report.js';
import type { VerificationReport } from '../../verify/report-types.js';
import type { Diagnostic } from '../../diagnostics/diagnostic.js';
import { modelNames } from '../model-names.js';
import type { ReportDetails } from '../details.js';
import type { RunRecord } from '../run-record.js';
import { percent, whole } from './numbers.js';

/** What a command found. */
export type Reported =
  | { readonly command: 'reduce'; readonly report: CondenseReport; readonly details?: ReportDetails }
  | {
      readonly command: 'sweep';
      readonly report: SweepReport;
      readonly picked?: { readonly report: CondenseReport };
      readonly details?: ReportDetails;
    }
  | {
      /** No plan meets the budget, or nothing can be removed: there is no report, but a reason. */
      readonly command: 'reduce' | 'sweep';
      readonly refused: Pick<Diagnostic, 'message' | 'advice'>;
      readonly details?: ReportDetails;
    }
  | { readonly command: 'distill'; readonly report: DistillReport; readonly details?: ReportDetails }
  | { readonly command: 'verify'; readonly report: VerificationReport; readonly details?: ReportDetails }
  | { readonly command: 'inspect'; readonly report: InspectReport; readonly details?: readonly ReportDetails[] };

/** The answer to the question that was asked. */
export interface Verdict {
  readonly tone: 'good' | 'bad' | 'neutral';
  readonly headline: string;
  readonly sentence: string;
}

export interface ReportData {
  readonly title: string;
  readonly verdict: Verdict;
  readonly sizes?: { readonly before: SizeReport; readonly after: SizeReport };
  readonly latency?: LatencyReport;
  readonly verification?: VerificationReport;
  /** The student before its training. */
  readonly student?: VerificationReport;
  readonly details: ReportDetails;
  /** Checkpoints that were inspected side by side, with the details of each. */
  readonly checkpoints: readonly {
    readonly name: string;
    readonly model: InspectedModel;
    readonly details: ReportDetails;
  }[];
  readonly sweep?: { readonly points: readonly SweepPoint[]; readonly picked: number | null };
  readonly training: readonly TrainingReport[];
  readonly rows: readonly (readonly [part: string, rows: number])[];
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  readonly seconds: Readonly<Record<string, number>>;
  /** Method, provider and the like. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly run: RunRecord;
}

/** What the page shows of a command's result. */
export function reportData(result: Reported, run: RunRecord): ReportData {
  const base = { checkpoints: [], training: [], warnings: [], rows: [], seconds: {}, facts: [], run };
  const named = run.files.filter(({ role }) => NAMED.has(role)).map(({ name }) => baseName(name));
  const title = named.length === 0 ? 'onnx-condense' : named.join(' → ');
  if ('refused' in result) {
    const { message, advice = '' } = result.refused;
    const verdict: Verdict = {
      tone: 'bad',
      headline: result.command === 'reduce' ? 'No plan meets the budget' : 'There is no curve',
      sentence: `${message.charAt(0).toUpperCase()}${message.slice(1)}. Nothing was written. ${advice}`,
    };
    return { ...base, title, verdict, details: result.details ?? {} };
  }
  switch (result.command) {
    case 'reduce': {
      const { report, details = {} } = result;
      return { ...base, title, ...ofReduction(report, details) };
    }
    case 'sweep': {
      const { report, picked, details = {} } = result;
      const { points } = report;
      const passing = points.filter((p) => p.passed);
      const smallest = passing.toSorted((a, b) => a.parameters - b.parameters)[0];
      return {
        ...base,
        title,
        ...(picked === undefined
          ? {
              verdict: {
                tone: smallest === undefined ? ('bad' as const) : ('good' as const),
                headline:
                  smallest === undefined
                    ? 'No size passes the check'
                    : `Down to ${percent(smallest.ratio)} of the parameters within tolerance`,
                sentence: `${points.length} sizes were made and checked on ${report.rows.check} rows; ${passing.length} of them pass.`,
              },
              details,
            }
          : ofReduction(picked.report, details)),
        sweep: { points, picked: report.picked },
        warnings: report.warnings,
        seconds: report.seconds,
        rows: [
          ['fitted', report.rows.fit],
          ['checked', report.rows.check],
        ],
      };
    }
    case 'distill': {
      const { report, details = {} } = result;
      const { verification, before, training, warnings, seconds } = report;
      const moved = [before, verification].map((v) => worstNrmse(v));
      return {
        ...base,
        title,
        verdict: {
          ...verdictOf(verification),
          sentence:
            training.bestStep === 0
              ? 'No step made the student better: it stayed as it was.'
              : `${training.steps} steps took the NRMSE of the worst output from ${moved[0]!} to ${moved[1]!}.`,
        },
        ...(details.sizes === undefined ? {} : { sizes: details.sizes }),
        ...(details.latency === undefined ? {} : { latency: details.latency }),
        verification,
        student: before,
        details,
        training: [training],
        rows: [
          ['learned from', training.rows.fit],
          ['validation', training.rows.validation],
          ['checked', verification.rows],
        ],
        warnings,
        seconds,
      };
    }
    case 'verify': {
      const { report, details = {} } = result;
      return {
        ...base,
        title,
        verdict: verdictOf(report),
        ...(details.sizes === undefined ? {} : { sizes: details.sizes }),
        ...(details.latency === undefined ? {} : { latency: details.latency }),
        verification: report,
        details,
        rows: [['checked', report.rows]],
      };
    }
    case 'inspect': {
      const { report, details = [] } = result;
      const names = modelNames(report.models);
      const { layers = [], refused = [] } = report.models[0] ?? {};
      const neurons = layers.reduce((sum, l) => sum + l.channels, 0);
      const checkpoints = report.models.map((model, i) => ({
        name: names[i]!,
        model,
        details: details[i] ?? {},
      }));
      return {
        ...base,
        title: names.join(', '),
        verdict: {
          tone: 'neutral',
          headline: `${counted(layers.length, 'layer')} can be made narrower`,
          sentence: `Together they have ${whole(neurons)} neurons. ${counted(refused.length, 'node')} left alone.`,
        },
        // Of several checkpoints the last one is where the training has come to.
        details: details.at(-1) ?? {},
        checkpoints,
        rows: [
          ['looked at', report.rows.fit],
          ['of them for predictions', report.rows.validation],
        ],
        warnings: report.warnings,
        seconds: report.seconds,
        facts: [['provider', report.provider]],
      };
    }
  }
}

/** Roles of files that the title names. */
const NAMED: ReadonlySet<string> = new Set(['model', 'teacher', 'student', 'reference', 'candidate', 'output']);

function ofReduction(
  report: CondenseReport,
  details: ReportDetails,
): Pick<
  ReportData,
  'verdict' | 'sizes' | 'latency' | 'verification' | 'details' | 'training' | 'rows' | 'warnings' | 'seconds' | 'facts'
> {
  const { input, output, rows, verification, status, training = [], latency = details.latency } = report;
  const kept = percent(output.size.parameters / input.size.parameters);
  const verdict: Verdict =
    verification === null || status === 'unchanged'
      ? { tone: 'neutral', headline: 'Nothing to remove', sentence: 'The output is a copy of the input.' }
      : verdictOf(verification, `, with ${kept} of the parameters`, aftermathOf(status));
  return {
    verdict,
    sizes: { before: input.size, after: output.size },
    ...(latency === undefined ? {} : { latency }),
    ...(verification === null ? {} : { verification }),
    details,
    training,
    rows: [
      ['fitted', rows.fit],
      ['of them for validation', rows.validation],
      ['checked', rows.check],
    ],
    warnings: report.warnings,
    seconds: report.seconds,
    facts: [
      ['method', report.method],
      ['provider', report.provider],
    ],
  };
}

/** @param what beside the headline; aftermath: what became of a model that failed */
function verdictOf({ verdict, rows }: VerificationReport, what = '', aftermath = ''): Verdict {
  return {
    tone: verdict.passed ? 'good' : 'bad',
    headline: `${verdict.passed ? 'Equivalent within tolerance' : 'Not equivalent'}${what}`,
    sentence: `${verdict.passed ? 'Every output is within its limit' : 'Outputs are beyond their limits'} on ${rows} check rows${verdict.passed ? '' : aftermath}.`,
  };
}

function aftermathOf(status: CondenseReport['status']): string {
  return status === 'unverified' ? '; it was written all the same (--no-gate)' : '; nothing was written';
}

function counted(count: number, what: string): string {
  return `${whole(count)} ${what}${count === 1 ? '' : 's'}`;
}

function worstNrmse({ outputs }: VerificationReport): string {
  const worst = outputs.reduce((most, o) => Math.max(most, o.nrmse ?? 0), 0);
  return worst.toPrecision(3);
}

function baseName(file: string): string {
  return file.split(/[\\/]/).at(-1) ?? file;
}
