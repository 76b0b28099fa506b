import type { Model } from '../graph/ir.js';
import type { TrainingReport } from '../report/training-report.js';
import type { LearningOptions } from '../train/options.js';
import type { VerificationReport } from '../verify/report-types.js';
import { VERSION } from '../version.js';
import type { Plan } from '../plan/plan.js';
import type { CondenseOptions } from './options.js';

/** Namespace of the metadata that is written into reduced models. */
export const NAMESPACE = 'onnx_condense';

/**
 * The model with a record of how it was made in its metadata: version, options that change the result, hash of the input, figures of the
 * check. No path, time or host, so that the same inputs give the same bytes.
 */
export function withProvenance(
  model: Model,
  options: CondenseOptions,
  check: VerificationReport | null,
  facts: { readonly parametersBefore: number; readonly parametersAfter: number; readonly verified: boolean },
): Model {
  const {
    data: _data,
    test: _test,
    onProgress: _progress,
    memory: _memory,
    provider: _provider,
    latencyCache: _cache,
    metric: _metric,
    rollout: _rollout,
    feedback: _feedback,
    checkpoint: _checkpoint,
    signal: _signal,
    details: _details,
    ...rest
  } = options;
  const settings = Object.fromEntries(
    Object.entries(rest)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, settingOf(key, value)]),
  );
  const entries: [string, string][] = [
    ['version', VERSION],
    // A model made in memory has no file to name.
    ...(model.source === undefined ? [] : [['input_sha256', model.source.sha256] satisfies [string, string]]),
    ['options', JSON.stringify(settings)],
    ['parameters', `${facts.parametersBefore} -> ${facts.parametersAfter}`],
    ['verified', String(facts.verified)],
    ['check', JSON.stringify(checkFigures(check))],
  ];
  const others = model.metadata.filter((entry) => !entry.key.startsWith(`${NAMESPACE}.`));
  return { ...model, metadata: [...others, ...entries.map(([key, value]) => ({ key: `${NAMESPACE}.${key}`, value }))] };
}

/** Hashes of the models that one was made from, as its record says: the input of the reduction, and the student of the training. */
export function madeFrom({ metadata }: Model): string[] {
  const recorded = (key: string): string | undefined => metadata.find((m) => m.key === `${NAMESPACE}.${key}`)?.value;
  const student = /"student_sha256":"([0-9a-f]+)"/.exec(recorded('distilled') ?? '')?.[1];
  return [recorded('input_sha256'), student].filter((hash) => hash !== undefined);
}

/** What the metadata keep of a check. */
function checkFigures(check: VerificationReport | null): object {
  const outputs = check?.outputs.map((o) => ({
    output: o.output,
    ...(o.nrmse === null ? {} : { nrmse: Number(o.nrmse.toPrecision(4)) }),
    ...(o.agreement === null ? {} : { agreement: Number(o.agreement.toPrecision(4)) }),
    maxAbs: Number(o.maxAbs.toPrecision(4)),
  }));
  const score = check?.score ?? null;
  return {
    rows: check?.rows ?? 0,
    outputs: outputs ?? [],
    ...(score === null ? {} : { score: { name: score.name, original: score.original, reduced: score.reduced } }),
  };
}

/** An option's value as it is recorded; of a plan the widths. */
function settingOf(key: string, value: unknown): unknown {
  if (key === 'plan') return (value as Plan).spaces.map((s) => s.keep);
  return value instanceof Map ? Object.fromEntries(value as Map<string, unknown>) : value;
}

/** The record of a training, beside that of how the student was made: length, seed, and the figures of the last check. */
export function withTraining(
  model: Model,
  student: Model,
  { weightDecay, clip, seed, augment }: LearningOptions,
  facts: { readonly training: TrainingReport; readonly verification: VerificationReport },
): Model {
  const replaced = new Set(['verified', 'check', 'distilled'].map((key) => `${NAMESPACE}.${key}`));
  const { training, verification } = facts;
  const { steps, bestStep, batch, learningRate, losses } = training;
  const entries: [string, string][] = [
    [
      'distilled',
      JSON.stringify({
        student_sha256: student.source?.sha256,
        steps,
        bestStep,
        batch,
        learningRate,
        weightDecay,
        clip,
        seed,
        augment,
        losses,
      }),
    ],
    ['verified', String(verification.verdict.passed)],
    ['check', JSON.stringify(checkFigures(verification))],
  ];
  return {
    ...model,
    metadata: [
      ...model.metadata.filter((m) => !replaced.has(m.key)),
      ...entries.map(([key, value]) => ({ key: `${NAMESPACE}.${key}`, value })),
    ],
  };
}
