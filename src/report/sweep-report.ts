import type { Plan } from '../plan/plan.js';
import type { LatencyReport } from './report.js';

/** One model of a sweep. */
export interface SweepPoint {
  /** From 1: what `--pick` takes. */
  readonly index: number;
  readonly parameters: number;
  /** Of the input's parameters. */
  readonly ratio: number;
  /** Multiply-accumulates for one row. */
  readonly macs: number;
  /** Of the model as one file. */
  readonly bytes: number;
  readonly predictedNrmse: number | null;
  /** Of the worst output, on the check rows. */
  readonly nrmse: number;
  /** Of the worst output that holds class scores; null where none does. */
  readonly agreement: number | null;
  /** Whether it passes the check. */
  readonly passed: boolean;
  /** The smallest tolerance that would pass, as `--tolerance` takes it. */
  readonly smallestPassing: string;
  /** Against the input, where it was asked for. */
  readonly latency?: LatencyReport;
  /** What `reduce --plan` makes the same model from. */
  readonly plan: Plan;
}

/** The curve of size against error: the document that `sweep --json` prints. */
export interface SweepReport {
  readonly schemaVersion: 1;
  readonly input: { readonly sha256: string | null; readonly parameters: number };
  readonly rows: { readonly fit: number; readonly check: number };
  /** From the largest model to the smallest. */
  readonly points: readonly SweepPoint[];
  /** Index of the point that was picked. */
  readonly picked: number | null;
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  readonly seconds: Readonly<Record<string, number>>;
}

/** A figure of a point: in the table under `title`, in CSV under `name`. */
interface Column {
  readonly title: string;
  readonly name: string;
  readonly value: (point: SweepPoint) => number | string | null;
  readonly shown?: (value: number) => string;
}

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
const short = (value: number): string => value.toPrecision(3);

/** Everything that table and CSV show of a point, in their order. */
export const SWEEP_COLUMNS: readonly Column[] = [
  { title: '#', name: 'index', value: (p) => p.index },
  { title: 'parameters', name: 'parameters', value: (p) => p.parameters },
  { title: 'kept', name: 'ratio', value: (p) => p.ratio, shown: percent },
  { title: 'MACs per row', name: 'macs', value: (p) => p.macs },
  { title: 'bytes', name: 'bytes', value: (p) => p.bytes },
  { title: 'predicted', name: 'predicted_nrmse', value: (p) => p.predictedNrmse, shown: short },
  { title: 'nrmse', name: 'nrmse', value: (p) => p.nrmse, shown: short },
  { title: 'agreement', name: 'agreement', value: (p) => p.agreement, shown: percent },
  { title: 'times as fast', name: 'speedup', value: (p) => p.latency?.speedup ?? null, shown: (v) => v.toFixed(2) },
  { title: 'check', name: 'check', value: (p) => (p.passed ? 'passed' : 'failed') },
];
