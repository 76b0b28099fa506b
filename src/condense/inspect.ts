import type { Moments } from '../calibration/moments.js';
import { meaningOf } from '../channels/refusal.js';
import { condensingSites, type Site } from '../channels/sites.js';
import { label } from '../channels/tracker.js';
import type { ChannelAnalysis } from '../channels/types.js';
import type { DataNote } from '../diagnostics/calibration.js';
import { raise } from '../diagnostics/diagnostic.js';
import { layersDiffer } from '../diagnostics/verify.js';
import { parameterCount } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { readModel } from '../onnx/index.js';
import type { WidthCurve } from '../plan/search.js';
import type { LayerDetail, ReportDetails } from '../report/details.js';
import type { InspectedLayer, InspectedModel, InspectReport, RefusedNode } from '../report/inspect-report.js';
import { Blas } from '../runtime/blas.js';
import { VERSION } from '../version.js';
import { Clock } from './clock.js';
import { warningsOf } from './finish.js';
import { layerDetail } from './layer-details.js';
import { layerFigures, layerStatistics } from './layer-figures.js';
import { collectModelMoments } from './model-moments.js';
import type { CondenseOptions } from './options.js';
import { networkOutline } from './outline.js';
import { ALL_FOLDS, batchesOf, prepare, type Prepared } from './prepare.js';
import { countExact } from './reduce-exact.js';
import { viewedForSpan } from './reduce-span.js';
import { SpanModel } from './span-model.js';

/** Options of {@link inspect}, with the meaning that they have for {@link condense}. No row is set aside for a check: nothing is made. */
export type InspectOptions = Pick<
  CondenseOptions,
  | 'data'
  | 'group'
  | 'maxRows'
  | 'images'
  | 'include'
  | 'exclude'
  | 'provider'
  | 'batch'
  | 'positions'
  | 'memory'
  | 'onProgress'
>;

/** What {@link inspectInDetail} gives back. */
export interface Inspected {
  readonly report: InspectReport;
  /** What {@link htmlReport} shows beside the report, of each model. */
  readonly details: readonly ReportDetails[];
}

/** Shares of a layer's width for which its error is predicted. */
const WIDTHS = [0.75, 0.5, 0.25];

/**
 * Shows how condensed the layers of a model are on data like `options.data`, what could be removed from each, and why others are left alone.
 *
 * Several models must have the same layers, as checkpoints of one training have: how their figures change shows how condensation grows. No
 * errors are predicted for them.
 * @param models models or their paths
 * @throws CondenseError for wrong options, data or models, and where layers differ (exit codes 2 and 4)
 */
export async function inspect(models: readonly (Model | string)[], options: InspectOptions): Promise<InspectReport> {
  return (await inspectModels(models, options, false)).report;
}

/** The same with what {@link htmlReport} draws: cosines, spectra and errors by width of every layer, and the network. */
export function inspectInDetail(models: readonly (Model | string)[], options: InspectOptions): Promise<Inspected> {
  return inspectModels(models, options, true);
}

async function inspectModels(
  models: readonly (Model | string)[],
  options: InspectOptions,
  wanted: boolean,
): Promise<Inspected> {
  const clock = new Clock();
  const blas = new Blas();
  const inspected: InspectedModel[] = [];
  const details: ReportDetails[] = [];
  const warnings = new Map<string, DataNote>();
  let rows = { fit: 0, validation: 0 };
  let provider = '';
  try {
    for (const given of models) {
      const model = typeof given === 'string' ? await readModel(given) : given;
      const prepared = await clock.timed('prepare', () => prepare(model, options, blas, { check: false }));
      const name = model.source?.path ?? `model ${inspected.length + 1}`;
      checkLayers(prepared.analysis, inspected[0], name);
      const layers: InspectedLayer[] = [];
      const drawn: LayerDetail[] = [];
      await inspectLayers(prepared, options, models.length === 1, clock, (layer, draw) => {
        layers.push(layer);
        if (wanted) drawn.push(draw());
      });
      const { original, shapes, analysis } = prepared;
      if (wanted)
        details.push({ network: networkOutline({ model: original, shapes }, undefined, analysis), layers: drawn });
      const { fitData, folds } = prepared.data;
      const fit = folds.reduce((sum, f) => sum + f.length, 0);
      rows = { fit, validation: folds.at(-1)!.length };
      provider = prepared.session.provider;
      for (const note of [...fitData.notes, ...warningsOf(prepared, fit)]) warnings.set(note.message, note);
      inspected.push({
        file: model.source?.path ?? null,
        sha256: model.source?.sha256 ?? null,
        parameters: parameterCount(model),
        layers,
        refused: refusedNodes(prepared.analysis),
      });
    }
  } finally {
    await blas.release();
  }
  return {
    report: {
      schemaVersion: 1,
      tool: { name: 'onnx-condense', version: VERSION },
      provider,
      rows,
      models: inspected,
      warnings: [...warnings.values()],
      seconds: clock.seconds(),
    },
    details,
  };
}

/** @param found is told of each layer, in their order, and may draw it */
async function inspectLayers(
  prepared: Prepared,
  options: InspectOptions,
  predict: boolean,
  clock: Clock,
  found: (layer: InspectedLayer, draw: () => LayerDetail) => void,
): Promise<void> {
  const { spaces } = prepared.analysis;
  if (spaces.length === 0) return;
  const exact = await clock.timed('exact', () => countExact(prepared, options));
  const { moments, curves } = await (predict ? withCurves : withoutCurves)(prepared, options, clock);
  await clock.timed('layers', () => {
    for (const [i, space] of spaces.entries()) {
      options.onProgress?.({
        stage: 'inspect',
        message: space.producers.map(label).join(', '),
        done: i,
        total: spaces.length,
      });
      const curve = curves[i];
      const statistics = layerStatistics(space, moments);
      found(
        {
          nodes: space.producers.map(label),
          channels: space.channels.length,
          ...layerFigures(statistics),
          exact: exact[i]!,
          predicted: curve === undefined ? [] : predictions(curve),
        },
        () => layerDetail(statistics, spaces.length, curve),
      );
    }
    return Promise.resolve();
  });
}

/** What a method knows of the layers: their moments, and the error by width where it was asked for. */
interface Statistics {
  readonly moments: (site: Site) => Moments;
  readonly curves: readonly WidthCurve[];
}

async function withoutCurves(prepared: Prepared, options: InspectOptions, clock: Clock): Promise<Statistics> {
  const batches = batchesOf(prepared.data, ALL_FOLDS, () => 0);
  const { all } = await clock.timed('statistics', () => collectModelMoments(prepared, batches, options));
  return { moments: all, curves: [] };
}

/** `span` reads convolutions as patches where it can; the layers are looked at channel by channel, from the same pass over the data. */
async function withCurves(plain: Prepared, options: InspectOptions, clock: Clock): Promise<Statistics> {
  const { prepared } = viewedForSpan(plain);
  const span = await clock.timed('statistics', () =>
    SpanModel.open(prepared, options, new Map(), condensingSites(plain.analysis)),
  );
  return { moments: span.moments.all, curves: await clock.timed('curves', () => span.curves()) };
}

function predictions({ size, minimum, error }: WidthCurve): InspectedLayer['predicted'] {
  return WIDTHS.map((width) => {
    const channels = Math.max(minimum, Math.round(width * size));
    return { width, channels, nrmse: Math.sqrt(error[channels]!) };
  });
}

function refusedNodes({ targets }: ChannelAnalysis): RefusedNode[] {
  return targets.flatMap(({ node, width, refusal }) => {
    if (refusal === undefined) return [];
    const { limit, why, advice } = meaningOf(refusal.code);
    return [
      {
        node: label(node),
        opType: node.opType,
        ...(width === undefined ? {} : { width }),
        ...refusal,
        limit,
        why,
        ...(advice === undefined ? {} : { advice }),
      },
    ];
  });
}

/** @throws CondenseError where a model does not have the layers of the first one */
function checkLayers({ spaces }: ChannelAnalysis, first: InspectedModel | undefined, name: string): void {
  if (first === undefined) return;
  const own = spaces.map((space) => space.producers.map(label).join(', '));
  const its = first.layers.map(({ nodes }) => nodes.join(', '));
  const at = Array.from({ length: Math.max(own.length, its.length) }, (_, i) => i).find((i) => own[i] !== its[i]);
  if (at !== undefined) raise(layersDiffer(name, at + 1, own[at], its[at]));
}
