/** onnx-condense as a library. Everything that is exported here is public; the rest may change. */
export { condense } from './condense/condense.js';
export type { Condensed } from './condense/finish.js';
export { distill, type Distilled, type DistillOptions } from './condense/distill.js';
export type { TrainingLength } from './train/schedule.js';
export type { LearningOptions, LossChoice } from './train/options.js';
export type { Augmentation } from './train/augmentation.js';
export type { TrainingReport } from './report/training-report.js';
export type { DistillReport } from './report/distill-report.js';
export { sweep, type Sweep, type SweepOptions } from './condense/sweep.js';
export type { SweepPoint, SweepReport } from './report/sweep-report.js';
export { verify, verifyInDetail, type Verified, type VerifyOptions } from './condense/verify.js';
export { bench, type BenchOptions } from './condense/bench.js';
export type { BenchedModel, BenchFigures, BenchReport } from './report/bench-report.js';
export { inspect, inspectInDetail, type Inspected, type InspectOptions } from './condense/inspect.js';
export type { InspectedLayer, InspectedModel, InspectReport, RefusedNode } from './report/inspect-report.js';
export { htmlReport } from './report/html/page.js';
export type { Reported } from './report/html/report-data.js';
export type { RecordedFile, RunRecord } from './report/run-record.js';
export type {
  CosineMatrix,
  FoldedNeuron,
  LayerDetail,
  LayerOutcome,
  NetworkOutline,
  OutlineNode,
  ReportDetails,
} from './report/details.js';
export type { ChangedDecisions, OutputDetail, WorstRow } from './verify/output-sampler.js';
export { diff, type DiffOptions } from './condense/diff.js';
export type { DiffedModel, DiffedNode, DiffReport } from './report/diff-report.js';
export type { ConstantDifference, ConstantShape, Difference } from './graph/diff.js';
export { BudgetError } from './condense/budget-error.js';
export type { CondenseOptions, MaxError, Method, ProgressEvent } from './condense/options.js';
export { readModel, writeModel, decodeModel, encodeModel } from './onnx/index.js';
export type { ExternalDataOptions, WriteOptions, WrittenModel } from './onnx/index.js';
export { CondenseError, ExitCode, formatDiagnostic, type Diagnostic } from './diagnostics/diagnostic.js';
export type { Plan, PlannedSpace } from './plan/plan.js';
export { parameterCount } from './graph/edit.js';
export type { Attribute, Dimension, Graph, Model, ModelSource, Node, ValueInfo } from './graph/ir.js';
export type { DataType, Tensor, TensorStorage } from './graph/tensor.js';
export type { CondenseReport, LatencyReport, NodeReport, SizeReport } from './report/report.js';
export type { OutputFigures } from './verify/output-comparison.js';
export type { RolloutFigures, RolloutReport, VerificationReport } from './verify/report-types.js';
export type { Feedback } from './verify/feedback.js';
export type { RolloutOptions } from './verify/rollout.js';
export type { MetricArray, MetricArrays, ScoreChange, ScoreFigures, UserMetric } from './verify/user-metric.js';
export type { GateCheck, GateFailure, GateVerdict } from './verify/gate.js';
export { VERSION } from './version.js';
