/** The curve of size against error. */
import { line } from 'd3-shape';
import { SWEEP_COLUMNS, type SweepPoint } from '../sweep-report.js';
import { chart, domainOf, plotOf, type Axis } from './chart.js';
import { html, type Markup } from './markup.js';
import { at, brief, percent, short, tidy } from './numbers.js';
import type { ReportData } from './report-data.js';

export function sweepSection({ sweep }: ReportData): Markup | undefined {
  if (sweep === undefined) return undefined;
  const { points, picked } = sweep;
  const shown = SWEEP_COLUMNS.filter(({ value }) => points.some((p) => value(p) !== null));
  return html`<section id="trade-off" aria-labelledby="trade-off-title">
    <h2 id="trade-off-title">Size against error</h2>
    <div class="charts">${curve(points, picked)}</div>
    <div class="scroll" tabindex="0" role="region" aria-label="Sizes that were tried">
      <table>
        <thead>
          <tr>
            ${shown.map(({ title }) => html`<th scope="col" class="number">${title}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${points.map(
            (point) =>
              html`<tr class="${point.index === picked && 'picked'}">
                ${shown.map(({ value, shown: format }) => {
                  const v = value(point);
                  return html`<td class="number">
                    ${v === null ? '–' : typeof v === 'number' && format !== undefined ? format(v) : v}
                  </td>`;
                })}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}

function curve(points: readonly SweepPoint[], picked: number | null): Markup {
  const predicted = points.flatMap((p) => (p.predictedNrmse === null ? [] : [p.predictedNrmse]));
  const x: Axis = {
    label: 'parameters',
    domain: domainOf(
      points.map((p) => p.parameters),
      true,
    ),
    log: true,
    format: brief,
  };
  const y: Axis = {
    label: 'NRMSE of the worst output',
    domain: domainOf([...points.map((p) => p.nrmse), ...predicted], true),
    log: true,
  };
  const plot = plotOf(x, y);
  const ofFigure = (figure: (p: SweepPoint) => number | null): string =>
    tidy(
      line<SweepPoint>(
        (p) => plot.x(p.parameters),
        (p) => plot.y(figure(p)!),
      ).defined((p) => (figure(p) ?? 0) > 0)([...points]),
    );
  return html`<div>
    ${chart(
      {
        title: 'Size against error',
        describe: `${points.length} models from ${points[0]?.parameters ?? 0} parameters down`,
        x,
        y,
      },
      plot,
      html`<path class="line faint" d="${ofFigure((p) => p.predictedNrmse)}" />
        <path class="line" d="${ofFigure((p) => p.nrmse)}" />
        ${points
          .filter((p) => p.nrmse > 0)
          .map(
            (p) =>
              html`<circle
                class="mark ${p.passed ? 'good' : 'bad'}${p.index === picked && ' picked'}"
                cx="${at(plot.x(p.parameters))}"
                cy="${at(plot.y(p.nrmse))}"
                r="${p.index === picked ? 7 : 4.5}"
                ><title>
                  #${p.index}: ${brief(p.parameters)} parameters (${percent(p.ratio)}), NRMSE ${short(p.nrmse)}, check
                  ${p.passed ? 'passed' : 'failed'}
                </title></circle
              >`,
          )}`,
    )}
    <p class="small legend">
      filled: passes the check; hollow: fails; large: picked; dashed: what was predicted before the model was made
    </p>
  </div>`;
}
