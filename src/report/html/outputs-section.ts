/** Each output: original against reduced, errors of the rows, the worst rows, and decisions that changed. */
import { scaleSequential } from 'd3-scale';
import { line } from 'd3-shape';
import type { ChangedDecisions, OutputDetail, WorstRow } from '../../verify/output-sampler.js';
import type { OutputFigures } from '../../verify/output-comparison.js';
import { chart, CHART, domainOf, plotOf, rule, type Axis } from './chart.js';
import { figuresList } from './figures-list.js';
import { html, type Markup } from './markup.js';
import { at, percent, short, tidy, whole } from './numbers.js';
import type { ReportData } from './report-data.js';

/** Outputs that are shown at once; the others open when they are asked for. */
const OPEN = 2;
/** More classes than this make a list, not a matrix. */
const MATRIX_CLASSES = 12;
const LISTED_PAIRS = 12;

export function outputsSection({ verification, details: { outputs = [] } }: ReportData): Markup | undefined {
  if (verification === undefined) return undefined;
  const tolerance = verification.sample?.rowTolerance;
  return html`<section id="outputs" aria-labelledby="outputs-title">
    <h2 id="outputs-title">Outputs</h2>
    ${verification.outputs.map((figures, i) => {
      const detail = outputs.find(({ output }) => output === figures.output);
      return html`<details class="output" ${i < OPEN ? html` open` : undefined}>
        <summary><h3>${figures.output}</h3></summary>
        ${outputFigures(figures)} ${detail !== undefined && pictures(detail, tolerance)}
      </details>`;
    })}
  </section>`;
}

function outputFigures(figures: OutputFigures): Markup {
  const { nrmse, maxAbs, maxRel, cosine, agreement, equal, nonFinite, classScores, integer, shapeMismatch } = figures;
  const list: readonly (readonly [string, string])[] = [
    ['NRMSE', short(nrmse)],
    ['largest error', short(maxAbs)],
    ['largest relative error', short(maxRel)],
    ['cosine', cosine === null ? '–' : cosine.toFixed(6)],
    ...(classScores && agreement !== null ? [['same decision', percent(agreement, 2)] as const] : []),
    ...(integer ? [['equal', percent(equal, 2)] as const] : []),
    ...(nonFinite > 0 ? [['NaN or infinite', whole(nonFinite)] as const] : []),
    ...(shapeMismatch === null ? [] : [['shapes differ', shapeMismatch] as const]),
  ];
  return figuresList(list);
}

function pictures(detail: OutputDetail, tolerance: number | undefined): Markup {
  return html`<div class="charts">
      ${scatter(detail)} ${histogram(detail, tolerance)} ${detail.decisions !== null && decisions(detail.decisions)}
    </div>
    ${worstTable(detail.worst)}`;
}

function scatter({ output, points, worst, standardised }: OutputDetail): Markup | undefined {
  const marked = worst.filter(({ point }) => point.every(Number.isFinite));
  const all = [...points, ...marked.map(({ point }) => point)];
  if (all.length === 0) return undefined;
  const unit = standardised ? ' (standard deviations)' : '';
  const domain = domainOf(all.flat());
  const x: Axis = { label: `original${unit}`, domain };
  const y: Axis = { label: `reduced${unit}`, domain };
  const plot = plotOf(x, y);
  // One path with a dot for each point: elements of their own would be ten times as many bytes.
  const dots = points.map(([a, b]) => `M${at(plot.x(a))},${at(plot.y(b))}h0`).join('');
  const [low, high] = domain;
  const diagonal = line()([
    [plot.x(low), plot.y(low)],
    [plot.x(high), plot.y(high)],
  ]);
  return chart(
    {
      title: 'Original against reduced',
      describe: `${points.length} values of ${output}, and the worst value of each of the worst ${marked.length} rows`,
      x,
      y,
    },
    plot,
    html`<path class="diagonal" d="${tidy(diagonal)}" /><path
        class="dots"
        data-points="${points.length}"
        d="${dots}"
      />${marked.map(
        ({ row, point: [a, b], original, reduced }) =>
          html`<circle class="mark worst" cx="${at(plot.x(a))}" cy="${at(plot.y(b))}" r="3.5"
            ><title>row ${row}: ${short(original)} → ${short(reduced)}</title></circle
          >`,
      )}`,
  );
}

function histogram(
  { output, rowErrors: { bins }, exactRows }: OutputDetail,
  tolerance: number | undefined,
): Markup | undefined {
  if (bins.length === 0) return undefined;
  const edges = bins.flatMap(({ from, to }) => [from, to]);
  const shown = tolerance !== undefined && tolerance < 30 * edges.at(-1)! ? [...edges, tolerance] : edges;
  const x: Axis = { label: 'RMS error of a row, in standard deviations', domain: domainOf(shown, true), log: true };
  const y: Axis = { label: 'rows', domain: [0, Math.max(...bins.map((b) => b.count))] };
  const plot = plotOf(x, y);
  const bottom = CHART.height - CHART.bottom;
  return chart(
    {
      title: `Errors of the rows${exactRows === 0 ? '' : ` (${whole(exactRows)} more without any)`}`,
      describe: `Histogram of the errors of ${output}, from ${short(edges[0]!)} to ${short(edges.at(-1)!)}`,
      x,
      y,
    },
    plot,
    html`${bins
      .filter((b) => b.count > 0)
      .map(
        ({ from, to, count }) =>
          html`<rect
            class="bin"
            x="${at(plot.x(from))}"
            y="${at(plot.y(count))}"
            width="${at(Math.max(1, plot.x(to) - plot.x(from) - 1))}"
            height="${at(bottom - plot.y(count))}"
            ><title>${short(from)} to ${short(to)}: ${count} rows</title></rect
          >`,
      )}${shown.length > edges.length && rule(plot, 'x', tolerance!, 'row tolerance')}`,
  );
}

function worstTable(worst: readonly WorstRow[]): Markup | undefined {
  if (worst.length === 0) return undefined;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Worst rows">
    <table>
      <caption>
        Worst rows, numbered from 0 as in the data
      </caption>
      <thead>
        <tr>
          <th scope="col" class="number">row</th>
          <th scope="col" class="number">RMS error</th>
          <th scope="col" class="number">worst element</th>
          <th scope="col" class="number">original</th>
          <th scope="col" class="number">reduced</th>
        </tr>
      </thead>
      <tbody>
        ${worst.map(
          ({ row, rms, element, original, reduced }) =>
            html`<tr>
              <th scope="row" class="number">${row}</th>
              <td class="number">${short(rms)}</td>
              <td class="number">${element}</td>
              <td class="number">${short(original)}</td>
              <td class="number">${short(reduced)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function decisions({ classes, decisions: total, changed, pairs }: ChangedDecisions): Markup {
  const caption = `Changed decisions: ${whole(changed)} of ${whole(total)}`;
  if (changed === 0) return html`<figure class="chart"><figcaption>${caption}</figcaption></figure>`;
  return classes <= MATRIX_CLASSES
    ? confusion(caption, classes, pairs)
    : html`<figure class="chart">
        <figcaption>${caption}</figcaption>
        <table class="pairs">
          <thead>
            <tr>
              <th scope="col" class="number">from class</th>
              <th scope="col" class="number">to class</th>
              <th scope="col" class="number">times</th>
            </tr>
          </thead>
          <tbody>
            ${pairs.slice(0, LISTED_PAIRS).map(
              ({ from, to, count }) =>
                html`<tr>
                  <td class="number">${from}</td>
                  <td class="number">${to}</td>
                  <td class="number">${count}</td>
                </tr>`,
            )}
          </tbody>
        </table>
        ${
          pairs.length > LISTED_PAIRS &&
          html`<p class="small">and ${whole(pairs.length - LISTED_PAIRS)} other pairs, less often</p>`
        }
      </figure>`;
}

/** From which class (row) to which (column): only what changed counts, so that it is not lost beside what did not. */
function confusion(caption: string, classes: number, pairs: ChangedDecisions['pairs']): Markup {
  const most = Math.max(...pairs.map((p) => p.count));
  const opacity = scaleSequential([0, most], (t: number) => 0.15 + 0.75 * t);
  const count = new Map(pairs.map((p) => [p.from * classes + p.to, p.count]));
  const indices = Array.from({ length: classes }, (_, i) => i);
  return html`<figure class="chart">
    <figcaption>${caption}</figcaption>
    <div class="scroll" tabindex="0" role="region" aria-label="${caption}">
      <table class="confusion">
        <thead>
          <tr>
            <td class="small">from ↓ to →</td>
            ${indices.map((to) => html`<th scope="col">${to}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${indices.map(
            (from) =>
              html`<tr>
                <th scope="row">${from}</th>
                ${indices.map((to) => {
                  const times = count.get(from * classes + to);
                  return times === undefined
                    ? html`<td>${from === to ? '·' : ''}</td>`
                    : html`<td style="--strength:${opacity(times).toFixed(2)}">${times}</td>`;
                })}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </figure>`;
}
