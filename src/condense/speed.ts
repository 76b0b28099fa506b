import { gatherRows } from '../calibration/dataset.js';
import { raise } from '../diagnostics/diagnostic.js';
import { speedNotReached } from '../diagnostics/plan.js';
import { keepMask } from '../channels/keep.js';
import type { Feeds } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import type { WidthCost } from '../plan/cost.js';
import { cacheFolder, LatencyCache } from '../plan/latency-cache.js';
import { blockOfConvolutions, LatencyModel } from '../plan/latency-model.js';
import type { Limit } from '../plan/limits.js';
import { interleavedLatency, pairedRatio } from '../runtime/latency.js';
import { withSession, type SessionOptions } from '../runtime/session.js';
import { probeShapes } from '../runtime/shapes.js';
import { cutChannels } from '../../passes/cut-channels.js';
import type { LatencyReport } from '../report/report.js';
import type { CondenseOptions } from './options.js';
import type { Prepared } from './prepare.js';
import type { WidthSearch } from './width-search.js';

/** Models that are cut to see how fast they are, and seconds for comparing each with the original. */
const LOOPS = 6;
const LOOP_SECONDS = 1.5;
/** The search aims at a speed-up this much above what was asked for, and is content with one up to twice that above. */
const ABOVE = 1.02;
/** Seconds for measuring the final model. */
const FINAL_SECONDS = 4;
/** What was asked for counts as reached from this share on: measured times scatter by as much. */
export const REACHED = 0.9;

/** Feeds of the batch whose latency counts. */
function latencyFeeds({ data: { fitData } }: Prepared, options: CondenseOptions): { feeds: Feeds; batch: number } {
  const batch = fitData.fixedBatch ?? options.latencyBatch ?? 1;
  const rows = Array.from({ length: batch }, (_, i) => i % fitData.rows);
  return { feeds: gatherRows(fitData, rows), batch };
}

/** Sessions as people run them: with every optimisation, and threads that wait for work. */
function latencySession({ session }: Prepared): SessionOptions {
  return { ...session, purpose: 'latency' };
}

/** How many times as fast as the input a model is, run in turn with it. */
export async function measureSpeed(
  prepared: Prepared,
  reduced: Model,
  options: CondenseOptions,
  seconds = FINAL_SECONDS,
): Promise<LatencyReport> {
  const { feeds, batch } = latencyFeeds(prepared, options);
  const session = latencySession(prepared);
  const [before, after] = await withSession(prepared.input, session, (a) =>
    withSession(reduced, session, (b) => interleavedLatency([a, b], feeds, { seconds })),
  );
  return { batch, before: before!.median, after: after!.median, speedup: pairedRatio(before!, after!).median };
}

/** The cache of measured times that the options ask for. */
export function latencyCache({ latencyCache: kept = true }: CondenseOptions): Promise<LatencyCache> {
  return LatencyCache.open(kept ? cacheFolder() : undefined);
}

/** Channels that convolution kernels compute at a time on this machine. */
export async function convolutionBlock(options: CondenseOptions): Promise<number> {
  const cache = await latencyCache(options);
  const block = await blockOfConvolutions(cache);
  await cache.save();
  return block;
}

/** The search for widths that make the model faster by a factor that is measured. */
export class SpeedSearch {
  /** Cuts that were measured: latency that was predicted, and that it had, as shares of the original's. */
  private readonly measured: { readonly predicted: number; readonly real: number }[] = [{ predicted: 1, real: 1 }];

  private constructor(
    private readonly prepared: Prepared,
    private readonly options: CondenseOptions,
    private readonly speedup: number,
    private readonly latency: (widths: ArrayLike<number>) => number,
  ) {}

  /** Measures the model and, layer by layer, what its widths cost. Elsewhere than on the CPU multiply-accumulates stand for the latter. */
  static async open(
    prepared: Prepared,
    options: CondenseOptions,
    speedup: number,
    cost: WidthCost,
  ): Promise<SpeedSearch> {
    const { input, original, analysis, session } = prepared;
    if (session.provider !== 'cpu') return new SpeedSearch(prepared, options, speedup, (w) => cost.macs(w));
    const { feeds } = latencyFeeds(prepared, options);
    const shapes = await probeShapes(original, feeds, session);
    const [full] = await withSession(input, latencySession(prepared), (a) =>
      interleavedLatency([a], feeds, { seconds: LOOP_SECONDS }),
    );
    const cache = await latencyCache(options);
    const model = await LatencyModel.measure(original, analysis, shapes, full!.median, cache);
    await cache.save();
    return new SpeedSearch(prepared, options, speedup, (w) => model.latency(w));
  }

  /**
   * Moves the limit on the predicted latency until the model cut to the planned widths is as fast as was asked; how long a model takes does
   * not depend on what its weights are.
   * @throws CondenseError where even the narrowest model is too slow
   */
  async limitFor(search: WidthSearch, limits: readonly Limit[]): Promise<Limit> {
    let limit = this.limit();
    const narrowest = search.smallestWidths();
    for (let i = 0; i < LOOPS; i++) {
      if (limit.cost(narrowest) > limit.most) return this.narrowestLimit(narrowest, limit);
      const widths = search.planned([...limits, limit]);
      const { speedup } = await measureSpeed(this.prepared, await this.cut(widths), this.options, LOOP_SECONDS);
      if (speedup >= this.speedup && speedup <= this.speedup * ABOVE ** 2) break;
      this.measured.push({ predicted: limit.cost(widths), real: 1 / speedup });
      const next = this.limit();
      if (Math.abs(next.most - limit.most) < 0.002 * limit.most) break;
      limit = next;
    }
    return limit;
  }

  /** Where the narrowest model is predicted to be too slow, it is measured. */
  private async narrowestLimit(widths: Int32Array, limit: Limit): Promise<Limit> {
    const narrow = await this.cut(widths);
    const { speedup, batch } = await measureSpeed(this.prepared, narrow, this.options, LOOP_SECONDS);
    if (speedup < this.speedup) raise(speedNotReached(this.speedup, speedup, batch));
    return { ...limit, most: limit.cost(widths) };
  }

  /** The limit on predicted latency at which, by what was measured, the real one is right. */
  private limit(): Limit {
    const full = this.latency(this.prepared.analysis.spaces.map((s) => s.channels.length));
    const wanted = 1 / (this.speedup * ABOVE);
    // The line through the nearest measurements on both sides, or from the last one to nothing.
    const sorted = [...this.measured].sort((a, b) => a.real - b.real);
    const above = sorted.find((m) => m.real >= wanted) ?? { predicted: 1, real: 1 };
    const below = sorted.findLast((m) => m.real < wanted) ?? { predicted: 0, real: 0 };
    const share =
      above.real === below.real
        ? above.predicted
        : below.predicted + ((wanted - below.real) / (above.real - below.real)) * (above.predicted - below.predicted);
    return {
      option: '--speedup',
      unit: 'of the latency',
      most: Math.max(share, 1e-3),
      full: 1,
      cost: (widths) => this.latency(widths) / full,
    };
  }

  private async cut(widths: Int32Array): Promise<Model> {
    const { original, analysis } = this.prepared;
    const kept = new Map(analysis.spaces.map((s, i) => [s.id, s.channels.slice(0, widths[i])]));
    return (await cutChannels.run(original, { analysis, keep: keepMask(analysis, kept), absorbed: new Map() })).model;
  }
}
