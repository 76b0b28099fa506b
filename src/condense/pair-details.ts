/** What the report shows of two models that were given rather than made: how they differ layer by layer, their sizes, how fast they are. */
import { gatherRows, type Dataset } from '../calibration/dataset.js';
import { parameterCount } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { countMacs } from '../graph/macs.js';
import type { ReportDetails } from '../report/details.js';
import type { SizeReport } from '../report/report.js';
import { interleavedLatency, pairedRatio } from '../runtime/latency.js';
import { withSession, type SessionOptions } from '../runtime/session.js';
import { probeShapes } from '../runtime/shapes.js';
import type { OutputSampler } from '../verify/output-sampler.js';
import { fileBytes } from './file-bytes.js';
import { networkOutline, type ShapedModel } from './outline.js';

/** Seconds for timing both models. */
const SECONDS = 1;

/** @param sampler has seen both models on the check rows */
export async function pairDetails(
  before: Model,
  after: Model,
  data: Dataset,
  session: SessionOptions,
  { outputs, checks }: OutputSampler,
): Promise<ReportDetails> {
  const batch = data.fixedBatch ?? 1;
  const feeds = gatherRows(
    data,
    Array.from({ length: batch }, (_, i) => i % data.rows),
  );
  const shaped = async (model: Model): Promise<ShapedModel> => ({
    model,
    shapes: await probeShapes(model, feeds, session),
  });
  const [a, b] = [await shaped(before), await shaped(after)];
  const sizeOf = async ({ model, shapes }: ShapedModel): Promise<SizeReport> => ({
    parameters: parameterCount(model),
    macs: countMacs(model, shapes) / batch,
    ...(model.source === undefined ? {} : { bytes: await fileBytes(model.source) }),
  });
  const purpose = { ...session, purpose: 'latency' } as const;
  const [slow, fast] = await withSession(before, purpose, (first) =>
    withSession(after, purpose, (second) => interleavedLatency([first, second], feeds, { seconds: SECONDS })),
  );
  return {
    network: networkOutline(a, b),
    sizes: { before: await sizeOf(a), after: await sizeOf(b) },
    latency: { batch, before: slow!.median, after: fast!.median, speedup: pairedRatio(slow!, fast!).median },
    outputs,
    checks,
  };
}
