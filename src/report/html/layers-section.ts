/** The network, and for the layer that is chosen in it: cosines, spectrum, error by width, and what became of its neurons. */
import { curveMonotoneX, line } from 'd3-shape';
import type { CosineMatrix, LayerDetail, NetworkOutline, OutlineNode } from '../details.js';
import { chart, domainOf, plotOf, rule, type Axis } from './chart.js';
import { html, type Markup } from './markup.js';
import { networkDrawing, panelOf, widths } from './network-section.js';
import { at, percent, whole } from './numbers.js';
import type { ReportData } from './report-data.js';

/** One layer in one or several checkpoints. */
interface Pictured {
  readonly name: string;
  readonly layer: LayerDetail;
}

export function layersSection({ details, checkpoints }: ReportData): Markup | undefined {
  const { network, layers = [] } = details;
  if (network === undefined) return undefined;
  const several = checkpoints.length > 1;
  const pictured = layers.map((layer, i): readonly Pictured[] =>
    several
      ? checkpoints.flatMap(({ name, details: { layers: its = [] } }) =>
          its[i] === undefined ? [] : [{ name, layer: its[i] }],
        )
      : [{ name: '', layer }],
  );
  const panels = [
    ...layers.map((layer, i) => ({ id: `layer-${i}`, name: layerName(layer) })),
    ...network.nodes.flatMap((node, i) =>
      node.kind === 'layer' && node.layers[0] === undefined ? [{ id: `node-${i}`, name: node.name }] : [],
    ),
  ];
  return html`<section id="network" aria-labelledby="network-title">
    <h2 id="network-title">Layers</h2>
    <div class="columns">
      <div>${networkDrawing(network)}</div>
      <div>
        <div class="tools">
          <label for="choose">Layer</label>
          <select id="choose">
            ${panels.map(({ id, name }) => html`<option value="${id}">${name}</option>`)}
          </select>
        </div>
        <div id="panel" class="panel" aria-live="polite">
          <noscript>Pictures of single layers need JavaScript.</noscript>
        </div>
      </div>
    </div>
    ${pictured.map((pictures, i) => html`<template id="layer-${i}">${layerPanel(pictures, network, i)}</template>`)}
    ${network.nodes.map((node, i) =>
      node.kind === 'layer' && node.layers[0] === undefined
        ? html`<template id="${panelOf(node, i)}">${nodePanel(node)}</template>`
        : undefined,
    )}
  </section>`;
}

function layerName({ nodes: [first = '', ...others], outcome, channels }: LayerDetail): string {
  const width = outcome === undefined ? String(channels) : `${channels} → ${outcome.width}`;
  return `${first}${others.length === 0 ? '' : ` +${others.length}`} (${width})`;
}

function layerPanel(pictures: readonly Pictured[], { nodes }: NetworkOutline, position: number): Markup {
  const { layer } = pictures.at(-1)!;
  const { outcome } = layer;
  const makers = nodes.filter((node) => node.layers.includes(position));
  return html`<h3>${layer.nodes.join(', ')}</h3>
    ${makers.map(
      (node) =>
        html`<p class="small">
          ${node.opType} ${node.name}: width ${widths(node)}, parameters ${whole(node.parameters.before)} →
          ${whole(node.parameters.after)}${node.layers.length > 1 && `; makes channels of ${node.layers.length} layers`}
        </p>`,
    )}
    <ul class="facts">
      <li>
        ${whole(layer.channels)}
        neurons${
          outcome !== undefined && `, ${whole(outcome.width)} stayed (${percent(outcome.width / layer.channels)})`
        }.
      </li>
      <li>
        ${layer.effectiveRank.map(
          ({ energy, rank }, i) => html`${i > 0 && ', '}${percent(energy, 2)} of the variance in ${rank} directions`,
        )}${layer.spectrum.of < layer.channels && ` (of a sample of ${whole(layer.spectrum.of)} neurons)`}.
      </li>
      <li>
        ${layer.collinear.map(
          ({ cosine, share }, i) => html`${i > 0 && ', '}${percent(share)} have a partner of cosine ≥ ${cosine}`,
        )}.
      </li>
    </ul>
    <div class="charts">
      ${pictures.map(({ name, layer: { cosines, outcome: fate, channels } }) =>
        matrixFigure(cosines, channels, fate?.turned === true ? undefined : fate?.kept, name),
      )}
      ${spectrumChart(layer)} ${curveChart(layer)} ${outcome !== undefined && neuronsFigure(layer)}
    </div>
    ${outcome !== undefined && foldedTable(layer)}`;
}

/** A node whose channels stay: why. */
function nodePanel(node: OutlineNode): Markup {
  const { refusal } = node;
  return html`<h3>${node.name}</h3>
    <p class="small">
      ${node.opType}, width ${widths(node)}, parameters ${whole(node.parameters.before)} →
      ${whole(node.parameters.after)}
    </p>
    ${
      refusal !== undefined &&
      html`<div class="note">
        <p><strong>⚠ Left as it is:</strong> ${refusal.message}.</p>
        ${refusal.culprits.length > 0 && html`<p>In the way: ${refusal.culprits.join(', ')}</p>`}
        ${refusal.advice !== undefined && html`<p>What you can do: ${refusal.advice}.</p>`}
        <p class="small"><code>${refusal.code}</code></p>
      </div>`
    }`;
}

/** Cells are drawn on a canvas by the page's script: as elements they would be thousands for each layer. */
function matrixFigure(
  { neurons, values }: CosineMatrix,
  channels: number,
  kept: Int32Array | undefined,
  name: string,
): Markup {
  const stays = new Set(kept);
  const marks = kept === undefined ? [] : neurons.map((neuron, i) => (stays.has(neuron) ? `M${i},0h1` : ''));
  const of = neurons.length < channels ? `${neurons.length} of ${channels} neurons` : `${channels} neurons`;
  return html`<figure class="chart matrix">
    <figcaption>Cosines between neurons${name !== '' && `, ${name}`}</figcaption>
    <canvas
      width="${neurons.length}"
      height="${neurons.length}"
      tabindex="0"
      role="img"
      aria-label="Cosine matrix of ${of}, reordered so that like ones stand together. Arrow keys read single values."
      data-neurons="${neurons.join(' ')}"
      data-cosines="${Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64')}"
    ></canvas>
    ${
      kept !== undefined &&
      html`<svg class="strip" viewBox="0 0 ${neurons.length} 1" preserveAspectRatio="none" aria-hidden="true">
        <path d="${marks.join('')}" />
      </svg>`
    }
    <p class="small readout" role="status">
      ${of}, like ones together${kept !== undefined && '; marked below: those that stayed'}
    </p>
    <p class="ramp small"><span>−1</span><span class="gradient" aria-hidden="true"></span><span>1</span></p>
  </figure>`;
}

/** Points of a line that are drawn. */
const DRAWN = 96;

function spectrumChart({ spectrum: { shares }, effectiveRank, nodes }: LayerDetail): Markup {
  const points = shares.map((share, i) => ({ x: i + 1, y: share })).filter(({ y }) => y > 1e-14);
  const x: Axis = { label: 'direction', domain: [1, Math.max(2, shares.length)] };
  const y: Axis = {
    label: 'share of the variance',
    domain: domainOf(
      points.map((p) => p.y),
      true,
    ),
    log: true,
  };
  const plot = plotOf(x, y);
  const path = line<{ x: number; y: number }>(
    (p) => plot.x(p.x),
    (p) => plot.y(p.y),
  );
  return chart(
    {
      title: 'Spectrum',
      describe: `Variance of the principal directions of ${nodes.join(', ')}: ${effectiveRank.map((r) => `${percent(r.energy, 2)} in ${r.rank}`).join(', ')}`,
      x,
      y,
    },
    plot,
    html`<path class="line" d="${tidy(path(thinned(points)))}" /> ${effectiveRank
        .filter((r, i, all) => r.rank > 0 && all.findIndex((o) => o.rank === r.rank) === i)
        .map(
          ({ rank, energy }) =>
            html`<circle
              class="mark"
              cx="${at(plot.x(rank))}"
              cy="${at(plot.y(Math.max(shares[rank - 1] ?? 0, y.domain[0])))}"
              r="4"
              ><title>${rank} directions hold ${percent(energy, 2)} of the variance</title></circle
            >`,
        )}`,
  );
}

function curveChart({ curve, outcome, nodes, channels }: LayerDetail): Markup | undefined {
  if (curve.length < 2) return undefined;
  const positive = curve.filter((p) => p.nrmse > 0);
  if (positive.length < 2) return undefined;
  const x: Axis = { label: 'neurons that stay', domain: [0, channels] };
  const y: Axis = {
    label: 'predicted NRMSE',
    domain: domainOf(
      positive.map((p) => p.nrmse),
      true,
    ),
    log: true,
  };
  const plot = plotOf(x, y);
  const path = line<{ width: number; nrmse: number }>(
    (p) => plot.x(p.width),
    (p) => plot.y(p.nrmse),
  ).curve(curveMonotoneX);
  return chart(
    {
      title: 'Error against width',
      describe: `Predicted NRMSE of the outputs when ${nodes.join(', ')} alone is narrowed${outcome === undefined ? '' : `; chosen: ${outcome.width} of ${channels}`}`,
      x,
      y,
    },
    plot,
    html`<path class="line" d="${tidy(path(thinned(positive)))}" />${
        outcome !== undefined && rule(plot, 'x', outcome.width, `chosen: ${outcome.width}`)
      }`,
  );
}

/** Every neuron in a grid, row by row; drawn on a canvas like the matrix. */
function neuronsFigure({ channels, outcome }: LayerDetail): Markup {
  const { kept, turned } = outcome!;
  const bits = Buffer.alloc(Math.ceil(channels / 8));
  for (const neuron of kept) bits[neuron >> 3] = bits[neuron >> 3]! | (1 << (neuron & 7));
  const columns = Math.ceil(Math.sqrt(channels * 1.6));
  const rows = Math.ceil(channels / columns);
  return html`<figure class="chart neurons">
    <figcaption>${turned ? 'Directions that stayed' : 'Neurons that stayed'}</figcaption>
    <canvas
      width="${columns * 6}"
      height="${rows * 6}"
      tabindex="0"
      role="img"
      aria-label="${kept.length} of ${channels} stayed. Arrow keys read single ones."
      data-kept="${bits.toString('base64')}"
      data-count="${channels}"
      data-columns="${columns}"
    ></canvas>
    <p class="small readout" role="status">filled: stayed, hollow: folded into others; from neuron 0, row by row</p>
    ${
      turned &&
      html`<p class="small">
        This stream was turned into another basis first: what stayed are directions, no neurons of the original.
      </p>`
    }
  </figure>`;
}

function foldedTable({ channels, outcome }: LayerDetail): Markup | undefined {
  const { folded, kept, turned } = outcome!;
  const removed = channels - kept.length;
  if (folded.length === 0) return undefined;
  const what = turned ? 'direction' : 'neuron';
  return html`<details class="folded" open>
    <summary>
      Who was folded into whom (${folded.length < removed && `${whole(folded.length)} of `}${whole(removed)})
    </summary>
    <div class="scroll tall" tabindex="0" role="region" aria-label="Who was folded into whom">
      <table>
        <thead>
          <tr>
            <th scope="col" class="number">${what}</th>
            <th scope="col">most of it is taken over by</th>
          </tr>
        </thead>
        <tbody>
          ${folded.map(
            ({ neuron, into }) =>
              html`<tr>
                <th scope="row" class="number">${neuron}</th>
                <td>
                  ${
                    into.length === 0
                      ? 'nobody: it added nothing but a constant'
                      : into.map(({ neuron: heir, share }, i) => `${i > 0 ? ', ' : ''}${heir} (${percent(share, 0)})`)
                  }
                </td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}

/** As many points as can be told apart, closer together at the beginning, where curves bend. */
function thinned<T>(points: readonly T[]): readonly T[] {
  if (points.length <= DRAWN) return points;
  const last = points.length - 1;
  const chosen = Array.from({ length: DRAWN }, (_, i) => Math.round(last * (i / (DRAWN - 1)) ** 1.7));
  return [...new Set(chosen)].map((i) => points[i]!);
}

/** A path with no more digits than can be seen. */
export function tidy(path: string | null): string {
  return (path ?? '').replace(/-?\d+\.\d+/g, (number) => at(Number(number)));
}
