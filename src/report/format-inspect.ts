import type { InspectedLayer, InspectedModel, InspectReport, RefusedNode } from './inspect-report.js';
import { modelNames } from './model-names.js';
import { formatTable, type Column } from './table.js';

const right = (title: string): Column => ({ title, align: 'right' });
const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
/** A share as people say it: 99.9 %. */
const short = (share: number): string => `${Number((100 * share).toPrecision(6))} %`;

/** The share of the variance and the cosine by which several models are compared. */
const COMPARED = { energy: 0.999, cosine: 0.95 };

/** One model: all figures of its layers. Several: how two of them change from model to model. Then what was left alone, and why. */
export function formatInspect(report: InspectReport, width: number): string[] {
  const { models, rows, warnings, provider, seconds } = report;
  const [first] = models;
  if (first === undefined) return [];
  return [
    ...(models.length === 1 ? formatLayers(first.layers, width) : formatComparison(models, width)),
    ...sharedLayers(first.layers),
    ...models.flatMap((model, i) => {
      // Checkpoints have the same obstacles: they are told once.
      const told = models.slice(0, i).some(({ refused }) => JSON.stringify(refused) === JSON.stringify(model.refused));
      return told || model.refused.length === 0 ? [] : ['', ...formatRefused(model.refused, width)];
    }),
    ...warnings.map(({ message }) => `warning: ${message}`),
    `${rows.fit} rows, ${provider}, ${seconds['total'] ?? 0} s`,
  ];
}

function formatLayers(layers: readonly InspectedLayer[], width: number): string[] {
  const [some] = layers;
  if (some === undefined) return ['no channel of the model can be removed'];
  const headings = (prefix: string, titles: readonly string[]): Column[] =>
    titles.map((title, i) => right(i === 0 ? `${prefix} ${title}` : title));
  return [
    ...formatTable(
      [
        { title: 'layer' },
        right('neurons'),
        ...headings(
          'rank at',
          some.effectiveRank.map((r) => short(r.energy)),
        ),
        ...headings(
          'cosine',
          some.collinear.map((c) => `≥ ${c.cosine}`),
        ),
        ...['dead', 'constant', 'exact'].map(right),
        ...headings(
          'nrmse at',
          some.predicted.map((p) => short(p.width)),
        ),
      ],
      layers.map((layer) => [
        layerName(layer),
        String(layer.channels),
        ...layer.effectiveRank.map((r) => String(r.rank)),
        ...layer.collinear.map((c) => percent(c.share)),
        ...[layer.dead, layer.constant, layer.exact].map(String),
        ...layer.predicted.map((p) => (p.nrmse === 0 ? '0' : p.nrmse.toExponential(2))),
      ]),
      width,
    ),
    '',
    'rank: directions that hold this share of the variance; cosine: share of the neurons with a collinear partner;',
    'exact: neurons that the weights prove redundant; nrmse: predicted for this layer alone at this share of its width',
  ];
}

function formatComparison(models: readonly InspectedModel[], width: number): string[] {
  const layers = models[0]!.layers;
  const names = modelNames(models);
  const table = (title: string, cell: (layer: InspectedLayer) => string): string[] => [
    title,
    ...formatTable(
      [{ title: 'layer' }, ...names.map(right)],
      layers.map((layer, i) => [layerName(layer), ...models.map((model) => cell(model.layers[i]!))]),
      width,
    ),
  ];
  const shareOf = ({ collinear }: InspectedLayer): number =>
    collinear.find(({ cosine }) => cosine === COMPARED.cosine)?.share ?? 0;
  const rankOf = ({ effectiveRank }: InspectedLayer): number =>
    effectiveRank.find(({ energy }) => energy === COMPARED.energy)?.rank ?? 0;
  if (layers.length === 0) return ['no channel of the models can be removed'];
  return [
    ...table(`neurons with a partner of cosine ≥ ${COMPARED.cosine}`, (layer) => percent(shareOf(layer))),
    '',
    ...table(
      `rank at ${short(COMPARED.energy)} of the variance, of all neurons`,
      (layer) => `${rankOf(layer)} of ${layer.channels}`,
    ),
  ];
}

function layerName({ nodes }: InspectedLayer): string {
  return nodes.length > 1 ? `${nodes[0]!} +${nodes.length - 1}` : (nodes[0] ?? '');
}

/** The layers that several nodes make, with all of their names. */
function sharedLayers(layers: readonly InspectedLayer[]): string[] {
  return layers
    .filter(({ nodes }) => nodes.length > 1)
    .map(({ nodes: [first, ...others] }) => `${first!} has its channels in common with ${others.join(', ')}`);
}

function formatRefused(refused: readonly RefusedNode[], width: number): string[] {
  const codes = new Map(refused.map((node) => [node.code, node]));
  return [
    ...formatTable(
      [{ title: 'left alone' }, { title: 'op' }, right('width'), { title: 'code' }, { title: 'why' }],
      refused.map(({ node, opType, width: own, code, message, culprits }) => [
        node,
        opType,
        own === undefined ? '' : String(own),
        code,
        `${message}${culprits.length > 0 ? ` (${culprits.join(', ')})` : ''}`,
      ]),
      width,
    ),
    '',
    ...[...codes].flatMap(([code, { limit, why, advice }]) => [
      limit === 'true' ? `${code} is a true limit: ${why}` : `${code} is open, it would take: ${why}`,
      ...(advice === undefined ? [] : [`  what you can do: ${advice}`]),
    ]),
  ];
}
