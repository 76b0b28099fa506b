/** The network, and for the layer that is chosen in it: cosines, spectrum, error by width, and what became of its neurons. */
import type { LayerDetail, NetworkOutline, OutlineNode } from '../details.js';
import type { InspectedModel } from '../inspect-report.js';
import { html, Markup } from './markup.js';
import { curveChart, matrixFigure, neuronsFigure, spectrumChart } from './layer-pictures.js';
import { networkDrawing, panelOf, widths } from './network-section.js';
import { percent, short, spoken, whole } from './numbers.js';
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
  const first = mostChanged(layers);
  return html`<section id="network" aria-labelledby="network-title">
    <h2 id="network-title">Layers</h2>
    <div class="columns">
      <div>${networkDrawing(network)}</div>
      <div>
        <div class="tools">
          <label for="choose">Layer</label>
          <select id="choose">
            ${panels.map(({ id, name }) => html`<option value="${id}" ${id === `layer-${first}` && new Markup(' selected')}>${name}</option>`)}
          </select>
        </div>
        <div id="panel" class="panel" aria-live="polite">
          <noscript>Pictures of single layers need JavaScript.</noscript>
        </div>
      </div>
    </div>
    ${overview(layers, network, checkpoints.at(-1)?.model)}
    ${pictured.map((pictures, i) => html`<template id="layer-${i}">${layerPanel(pictures, network, i)}</template>`)}
    ${network.nodes.map((node, i) =>
      node.kind === 'layer' && node.layers[0] === undefined
        ? html`<template id="${panelOf(node, i)}">${nodePanel(node, layers.length > 0)}</template>`
        : undefined,
    )}
  </section>`;
}

/** The layer that is shown first: where most was removed. */
function mostChanged(layers: readonly LayerDetail[]): number {
  const removed = layers.map(({ channels, outcome }) => channels - (outcome?.width ?? channels));
  return Math.max(0, removed.indexOf(Math.max(...removed)));
}

/** Its first node, and how many others make channels of it. */
function shortName({ nodes: [first = '', ...others] }: LayerDetail): string {
  return `${first}${others.length === 0 ? '' : ` +${others.length}`}`;
}

function layerName(layer: LayerDetail): string {
  const { outcome, channels } = layer;
  return `${shortName(layer)} (${outcome === undefined ? channels : `${channels} → ${outcome.width}`})`;
}

function layerPanel(pictures: readonly Pictured[], { nodes }: NetworkOutline, position: number): Markup {
  const { layer } = pictures.at(-1)!;
  const { outcome } = layer;
  const makers = nodes.filter((node) => node.layers.includes(position)).map(nodeLine);
  return html`<h3>${shortName(layer)}</h3>
    ${
      makers.length <= FEW_NODES
        ? makers
        : html`<details>
            <summary class="small">made by ${makers.length} nodes</summary>
            ${makers}
          </details>`
    }
    <ul class="facts">
      <li>
        ${whole(layer.channels)}
        neurons${
          outcome !== undefined && `, ${whole(outcome.width)} stayed (${percent(outcome.width / layer.channels)})`
        }.
      </li>
      <li>
        ${layer.effectiveRank.map(
          ({ energy, rank }, i) => html`${i > 0 && ', '}${spoken(energy)} of the variance in ${rank} directions`,
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

/** More nodes than this are listed only on request. */
const FEW_NODES = 4;

function nodeLine(node: OutlineNode): Markup {
  return html`<p class="small">
    ${node.opType} ${node.name}: width ${widths(node)}, parameters
    ${parameters(node)}${node.layers.length > 1 && `; makes channels of ${node.layers.length} layers`}
  </p>`;
}

function parameters({ parameters: { before, after } }: OutlineNode): string {
  return before === after ? whole(before) : `${whole(before)} → ${whole(after)}`;
}

/** Every layer and every node that was left, as text. */
function overview(
  layers: readonly LayerDetail[],
  { nodes }: NetworkOutline,
  model: InspectedModel | undefined,
): Markup {
  const left = nodes.filter((node) => node.refusal !== undefined);
  const made = layers.some(({ outcome }) => outcome !== undefined);
  const ranks = layers[0]?.effectiveRank ?? [];
  const cosines = layers[0]?.collinear ?? [];
  const figures = model?.layers ?? [];
  const predicted = figures[0]?.predicted ?? [];
  return html`<details>
    <summary>All layers as a table, and what was left alone</summary>
    ${
      layers.length > 0 &&
      html`<div class="scroll tall" tabindex="0" role="region" aria-label="All layers">
        <table>
          <thead>
            <tr>
              <th scope="col">layer</th>
              <th scope="col" class="number">neurons</th>
              ${made && html`<th scope="col" class="number">stayed</th>`}
              ${ranks.map(({ energy }) => html`<th scope="col" class="number">rank at ${spoken(energy)}</th>`)}
              ${cosines.map(({ cosine }) => html`<th scope="col" class="number">cosine ≥ ${cosine}</th>`)}
              ${figures.length > 0 && ['dead', 'constant', 'exact'].map((t) => html`<th scope="col" class="number">${t}</th>`)}
              ${predicted.map(({ width }) => html`<th scope="col" class="number">NRMSE at ${spoken(width)}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${layers.map((layer, i) => {
              const own = figures[i];
              return html`<tr>
                <th scope="row">${shortName(layer)}</th>
                <td class="number">${layer.channels}</td>
                ${made && html`<td class="number">${layer.outcome?.width}</td>`}
                ${layer.effectiveRank.map(({ rank }) => html`<td class="number">${rank}</td>`)}
                ${layer.collinear.map(({ share }) => html`<td class="number">${percent(share)}</td>`)}
                ${own !== undefined && [own.dead, own.constant, own.exact].map((n) => html`<td class="number">${n}</td>`)}
                ${own?.predicted.map(({ nrmse }) => html`<td class="number">${short(nrmse)}</td>`)}
              </tr>`;
            })}
          </tbody>
        </table>
      </div>`
    }
    ${
      left.length > 0 &&
      html`<div class="scroll tall" tabindex="0" role="region" aria-label="Nodes that were left">
        <table>
          <caption>
            Left as they are
          </caption>
          <thead>
            <tr>
              <th scope="col">node</th>
              <th scope="col">operator</th>
              <th scope="col" class="number">width</th>
              <th scope="col">why</th>
            </tr>
          </thead>
          <tbody>
            ${left.map(
              (node) =>
                html`<tr>
                  <th scope="row">${node.name}</th>
                  <td>${node.opType}</td>
                  <td class="number">${node.before}</td>
                  <td>
                    ${node.refusal!.message}${
                      node.refusal!.culprits.length > 0 && ` (${node.refusal!.culprits.join(', ')})`
                    }
                  </td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>`
    }
  </details>`;
}

/** A node without a layer of its own: why its channels stay, where they were looked at. */
function nodePanel(node: OutlineNode, analysed: boolean): Markup {
  const { refusal } = node;
  return html`<h3>${node.name}</h3>
    <p class="small">${node.opType}, width ${widths(node)}, parameters ${parameters(node)}</p>
    ${!analysed && html`<p class="small">Cosines and spectra of neurons are in the reports of reduce and inspect.</p>`}
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
