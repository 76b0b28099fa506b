/** Axes and frame of a chart. Scales, ticks and lines are those of d3; what is left is to put them on paper. */
import { scaleLinear, scaleLog, type ScaleContinuousNumeric } from 'd3-scale';
import { html, type Fragment, type Markup } from './markup.js';
import { at, short } from './numbers.js';

export type Scale = ScaleContinuousNumeric<number, number>;

/** Size of every chart in CSS pixels at full size: narrow enough for a phone, where text is then not scaled down. */
export const CHART = { width: 340, height: 240, left: 62, right: 14, top: 12, bottom: 42 };
const INNER = {
  right: CHART.width - CHART.right,
  bottom: CHART.height - CHART.bottom,
};
/** Ticks nearer to each other than this would overlap. */
const TICK_GAP = { x: 44, y: 22 };

export interface Axis {
  readonly label: string;
  readonly domain: readonly [number, number];
  readonly log?: boolean;
  readonly format?: (value: number) => string;
}

export interface Plot {
  readonly x: Scale;
  readonly y: Scale;
}

/** The scales of a chart. */
export function plotOf(x: Axis, y: Axis): Plot {
  return {
    x: scaleOf(x, [CHART.left, INNER.right]),
    y: scaleOf(y, [INNER.bottom, CHART.top]),
  };
}

function scaleOf({ domain, log }: Axis, range: readonly [number, number]): Scale {
  const [low, high] = domain;
  // An axis of one value has no length.
  const wide: [number, number] =
    low < high ? [low, high] : log === true ? [low / 2, low * 2 || 1] : [low - 0.5, low + 0.5];
  return log === true ? scaleLog(wide, [...range]) : scaleLinear(wide, [...range]);
}

/** A chart as one image with a name and a description for those who do not see it. */
export function chart(
  { title, describe, x: xAxis, y: yAxis }: { title: string; describe: string; x: Axis; y: Axis },
  { x, y }: Plot,
  marks: Fragment,
): Markup {
  const { width, height, left, bottom } = CHART;
  return html`<figure class="chart">
    <figcaption>${title}</figcaption>
    <svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}. ${describe}">
      <g class="grid">
        ${ticksOf(y, yAxis, TICK_GAP.y).map((v) => html`<path d="M${left},${at(y(v))}H${INNER.right}" />`)}
      </g>
      <g class="axis">
        <path d="M${left},${CHART.top}V${INNER.bottom}H${INNER.right}" />
        ${ticksOf(x, xAxis, TICK_GAP.x).map(
          (v) =>
            html`<path d="M${at(x(v))},${INNER.bottom}v4" /><text
                x="${at(x(v))}"
                y="${INNER.bottom + 16}"
                text-anchor="middle"
                >${label(xAxis, v)}</text
              >`,
        )}
        ${ticksOf(y, yAxis, TICK_GAP.y).map(
          (v) => html`<text x="${left - 6}" y="${at(y(v) + 4)}" text-anchor="end">${label(yAxis, v)}</text>`,
        )}
        <text class="name" x="${(left + INNER.right) / 2}" y="${height - 6}" text-anchor="middle">${xAxis.label}</text>
        <text
          class="name"
          transform="translate(12 ${(CHART.top + height - bottom) / 2}) rotate(-90)"
          text-anchor="middle"
        >
          ${yAxis.label}
        </text>
      </g>
      ${marks}
    </svg>
  </figure>`;
}

const label = (axis: Axis, value: number): string => (axis.format ?? tickText)(value);

/** 0.001 as 1e-3: ticks have little room. */
function tickText(value: number): string {
  const size = Math.abs(value);
  return value !== 0 && (size < 1e-2 || size >= 1e5)
    ? Number(value.toPrecision(2)).toExponential().replace('+', '')
    : short(value);
}

/** d3's ticks; of a logarithmic axis the powers of ten, or the leading digits where there are hardly any. */
function ticksOf(scale: Scale, { log }: Axis, gap: number): number[] {
  const [from = 0, to = 0] = scale.range();
  const count = Math.max(2, Math.floor(Math.abs(to - from) / gap));
  const ticks = scale.ticks(count);
  const powers = ticks.filter((v) => Number.isInteger(Math.round(Math.log10(v) * 1e6) / 1e6));
  return spaced(log === true && powers.length >= 2 ? powers : ticks, scale, gap);
}

function spaced(ticks: readonly number[], scale: Scale, gap: number): number[] {
  const chosen: number[] = [];
  for (const tick of ticks) {
    const last = chosen.at(-1);
    if (last === undefined || Math.abs(scale(tick) - scale(last)) >= gap) chosen.push(tick);
  }
  return chosen;
}

/** A domain that holds some values with a little room on both sides; of a logarithmic axis only what is above 0. */
export function domainOf(values: readonly number[], log = false): readonly [number, number] {
  const usable = values.filter((v) => Number.isFinite(v) && (!log || v > 0));
  if (usable.length === 0) return log ? [0.1, 1] : [0, 1];
  const [low, high] = usable.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  if (log) return [low / 1.25, high * 1.25];
  const room = 0.04 * (high - low || Math.abs(high) || 1);
  return [low - room, high + room];
}

/** A vertical or horizontal rule with its name. */
export function rule(plot: Plot, direction: 'x' | 'y', value: number, text: string): Markup {
  const place = plot[direction](value);
  if (direction === 'y')
    return html`<g class="rule">
      <path d="M${CHART.left},${at(place)}H${INNER.right}" /><text
        x="${INNER.right - 2}"
        y="${at(place < CHART.top + 14 ? place + 12 : place - 4)}"
        text-anchor="end"
        >${text}</text
      >
    </g>`;
  const flip = place > (CHART.left + INNER.right) / 2;
  return html`<g class="rule">
    <path d="M${at(place)},${CHART.top}V${INNER.bottom}" /><text
      x="${at(place + (flip ? -6 : 6))}"
      y="${CHART.top + 10}"
      text-anchor="${flip ? 'end' : 'start'}"
      >${text}</text
    >
  </g>`;
}
