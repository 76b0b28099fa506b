import { gatherRows, loadDataset } from '../calibration/dataset.js';
import { parameterCount } from '../graph/edit.js';
import type { Feeds } from '../graph/feeds.js';
import { countMacs } from '../graph/macs.js';
import type { Model } from '../graph/ir.js';
import { encodeModel, readModel } from '../onnx/index.js';
import type { BenchedModel, BenchFigures, BenchReport } from '../report/bench-report.js';
import { interleavedLatency, pairedRatio } from '../runtime/latency.js';
import { peakMemory } from '../runtime/peak-memory.js';
import { resolveProvider, type ProviderChoice } from '../runtime/providers.js';
import { Session, type SessionOptions } from '../runtime/session.js';
import { probeShapes } from '../runtime/shapes.js';
import { fileBytes } from './file-bytes.js';
import type { CondenseOptions } from './options.js';
import { dataInputs } from './prepare.js';
import { checkInputs } from './verify.js';

/** Options of {@link bench}. */
export interface BenchOptions {
  /** As for {@link condense}; rows are repeated where a batch wants more than there are. */
  readonly data: readonly string[];
  readonly maxRows?: number;
  readonly images?: CondenseOptions['images'];
  readonly provider?: ProviderChoice;
  /** Rows of a run, one or several sizes. Default 1 and 64; a graph with a fixed batch is run with that. */
  readonly batch?: readonly number[];
  /** Seconds for each batch size. Default 3. */
  readonly seconds?: number;
}

/** Rows of a run when none are asked for. */
const BATCHES = [1, 64];
const SECONDS = 3;

/**
 * Times models that take the same inputs, in turn, so that whatever else the machine does hits all of them alike.
 * @param models models or their paths; all are compared with the first
 * @throws CondenseError when their inputs differ, the data does not fit, or one does not run
 */
export async function bench(models: readonly (Model | string)[], options: BenchOptions): Promise<BenchReport> {
  const read: Model[] = [];
  for (const model of models) read.push(typeof model === 'string' ? await readModel(model) : model);
  for (const model of read) checkInputs(read[0]!, model);
  const { provider, notes } = await resolveProvider(options.provider ?? 'cpu');
  const dataset = await loadDataset(options.data, dataInputs(read[0]!), {
    maxRows: options.maxRows,
    images: options.images,
  });
  const feedsOf = (batch: number): Feeds =>
    gatherRows(
      dataset,
      Array.from({ length: batch }, (_, i) => i % dataset.rows),
    );
  const settings: SessionOptions = { provider, purpose: 'latency' };
  const one = dataset.fixedBatch ?? 1;
  const described: BenchedModel[] = [];
  for (const model of read) described.push(await describe(model, feedsOf(one), one, settings));

  const sizes = dataset.fixedBatch === undefined ? [...new Set(options.batch ?? BATCHES)] : [dataset.fixedBatch];
  const batches: BenchReport['batches'][number][] = [];
  const sessions: Session[] = [];
  try {
    for (const model of read) sessions.push(await Session.open(model, settings));
    for (const batch of sizes) {
      const feeds = feedsOf(batch);
      const latencies = await interleavedLatency(sessions, feeds, { seconds: options.seconds ?? SECONDS });
      const figures: BenchFigures[] = [];
      for (const [i, latency] of latencies.entries()) {
        const { median: speedup, quartiles } = pairedRatio(latencies[0]!, latency);
        figures.push({
          runs: latency.runs,
          median: latency.median,
          p95: latency.p95,
          rowsPerSecond: (1000 * batch) / latency.median,
          speedup,
          quartiles,
          peakMemory: await peakMemory(read[i]!, feeds, provider),
        });
      }
      batches.push({ batch, figures });
    }
  } finally {
    for (const session of sessions) await session.release();
  }
  const warnings = [...dataset.notes, ...notes.map((message) => ({ code: 'PROVIDER_NOT_AVAILABLE', message }))];
  return { schemaVersion: 1, provider, models: described, batches, warnings };
}

async function describe(model: Model, feeds: Feeds, rows: number, session: SessionOptions): Promise<BenchedModel> {
  return {
    file: model.source?.path ?? null,
    bytes:
      model.source === undefined
        ? encodeModel(model).reduce((sum, chunk) => sum + chunk.byteLength, 0)
        : await fileBytes(model.source),
    parameters: parameterCount(model),
    macs: countMacs(model, await probeShapes(model, feeds, session)) / rows,
  };
}
