/** onnx-condense as a library. Everything that is exported here is public; the rest may change. */
export { condense, verify, type Condensed, type VerifyOptions } from './condense/condense.js';
export { BudgetError } from './condense/budget-error.js';
export type { CondenseOptions, MaxError, Method, ProgressEvent } from './condense/options.js';
export { readModel, writeModel, decodeModel, encodeModel } from './onnx/index.js';
export type { ExternalDataOptions, WriteOptions, WrittenModel } from './onnx/index.js';
export { CondenseError, ExitCode, formatDiagnostic, type Diagnostic } from './diagnostics/diagnostic.js';
export type { Plan, PlannedSpace } from './plan/plan.js';
export { parameterCount } from './graph/edit.js';
export type { Attribute, Dimension, Graph, Model, ModelSource, Node, ValueInfo } from './graph/ir.js';
export type { DataType, Tensor, TensorStorage } from './graph/tensor.js';
export type { CondenseReport, NodeReport, SizeReport } from './report/report.js';
export type { OutputFigures } from './verify/output-comparison.js';
export type { VerificationReport } from './verify/report-types.js';
export type { MetricArray, MetricArrays, ScoreChange, ScoreFigures, UserMetric } from './verify/user-metric.js';
export type { GateFailure, GateVerdict } from './verify/gate.js';
export { VERSION } from './version.js';
