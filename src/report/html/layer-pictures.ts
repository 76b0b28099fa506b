/** Pictures of one layer: cosines between its neurons, spectrum, error by width, and which neurons stayed. */
import { line } from 'd3-shape';
import type { CosineMatrix, LayerDetail } from '../details.js';
import { chart, domainOf, plotOf, rule, type Axis } from './chart.js';
import { html, type Markup } from './markup.js';
import { at, spoken, tidy } from './numbers.js';

/** Cells are drawn on a canvas by the page's script: as elements they would be thousands for each layer. */
export function matrixFigure(
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
const DRAWN = 72;

export function spectrumChart({ spectrum: { shares }, effectiveRank, nodes }: LayerDetail): Markup {
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
      describe: `Variance of the principal directions of ${nodes.join(', ')}: ${effectiveRank.map((r) => `${spoken(r.energy)} in ${r.rank}`).join(', ')}`,
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
              ><title>${rank} directions hold ${spoken(energy)} of the variance</title></circle
            >`,
        )}`,
  );
}

export function curveChart({ curve, outcome, nodes, channels }: LayerDetail): Markup | undefined {
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
  );
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

/** Width of a grid of neurons, and the side of a cell by how many there are. */
const GRID = 336;
const CELLS = [
  { most: 500, size: 14 },
  { most: 2000, size: 8 },
  { most: Infinity, size: 5 },
];

/** Every neuron in a grid, row by row; drawn on a canvas like the matrix. */
export function neuronsFigure({ channels, outcome }: LayerDetail): Markup {
  const { kept, turned } = outcome!;
  const bits = Buffer.alloc(Math.ceil(channels / 8));
  for (const neuron of kept) bits[neuron >> 3] = bits[neuron >> 3]! | (1 << (neuron & 7));
  const cell = CELLS.find(({ most }) => channels <= most)!.size;
  const columns = Math.min(channels, Math.floor(GRID / cell));
  const rows = Math.ceil(channels / columns);
  return html`<figure class="chart neurons">
    <figcaption>${turned ? 'Directions that stayed' : 'Neurons that stayed'}</figcaption>
    <canvas
      width="${columns * cell}"
      height="${rows * cell}"
      tabindex="0"
      role="img"
      aria-label="${kept.length} of ${channels} stayed. Arrow keys read single ones."
      data-kept="${bits.toString('base64')}"
      data-count="${channels}"
      data-columns="${columns}"
      data-cell="${cell}"
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

/** As many points as can be told apart, closer together at the beginning, where curves bend. */
function thinned<T>(points: readonly T[]): readonly T[] {
  if (points.length <= DRAWN) return points;
  const last = points.length - 1;
  const chosen = Array.from({ length: DRAWN }, (_, i) => Math.round(last * (i / (DRAWN - 1)) ** 1.7));
  return [...new Set(chosen)].map((i) => points[i]!);
}
