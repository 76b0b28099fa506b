import type { GateCheck } from '../../verify/gate.js';
import { failureText, scoreText } from '../../verify/score-text.js';
import { html, type Markup } from './markup.js';
import { bytes, percent, short, whole } from './numbers.js';
import type { ReportData } from './report-data.js';

const SIGNS = { good: '✓', bad: '✗', neutral: '•' } as const;

/** The answer first: equivalent or not, how much smaller, how much faster, and every error beside its limit. */
export function verdictSection(data: ReportData): Markup {
  const { verdict, verification, warnings, details } = data;
  return html`<section id="verdict" aria-labelledby="verdict-title">
    <div class="verdict ${verdict.tone}">
      <span class="sign" aria-hidden="true">${SIGNS[verdict.tone]}</span>
      <div>
        <h2 id="verdict-title">${verdict.headline}</h2>
        <p>${verdict.sentence}</p>
      </div>
    </div>
    ${cards(data)} ${checksTable(details.checks ?? [])} ${verification !== undefined && proof(verification)}
    ${
      warnings.length > 0 &&
      html`<div class="note">
        <h3>Warnings</h3>
        <ul>
          ${warnings.map((warning) => html`<li>${warning.message}</li>`)}
        </ul>
      </div>`
    }
  </section>`;
}

function cards({ sizes, latency }: ReportData): Markup {
  const { before, after } = sizes ?? {};
  const size = (title: string, a: number | undefined, b: number | undefined, text: (value: number) => string) =>
    a !== undefined &&
    b !== undefined &&
    card(title, text(a), text(b), a === 0 ? 1 : b / a, a === 0 ? '' : `${percent(b / a)} is left`);
  return html`<div class="cards">
    ${size('Parameters', before?.parameters, after?.parameters, whole)}
    ${size('MACs per row', before?.macs, after?.macs, whole)} ${size('File size', before?.bytes, after?.bytes, bytes)}
    ${
      latency !== undefined &&
      card(
        `Latency, batch ${latency.batch}`,
        `${short(latency.before)} ms`,
        `${short(latency.after)} ms`,
        latency.after / latency.before,
        `${latency.speedup.toFixed(2)} times as fast, measured in turn`,
      )
    }
  </div>`;
}

function card(title: string, before: string, after: string, share: number, note: string): Markup {
  const width = Math.min(100, 100 * share).toFixed(1);
  return html`<div class="card">
    <h3>${title}</h3>
    <p class="figures">${before} <span aria-label="to">→</span> <strong>${after}</strong></p>
    <div class="bar" aria-hidden="true"><span style="width:${width}%"></span></div>
    <p class="small">${note}</p>
  </div>`;
}

function checksTable(checks: readonly GateCheck[]): Markup | undefined {
  if (checks.length === 0) return undefined;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Errors and their limits">
    <table class="checks">
      <caption>
        Errors and their limits
      </caption>
      <thead>
        <tr>
          <th scope="col">output</th>
          <th scope="col">measure</th>
          <th scope="col" class="number">value</th>
          <th scope="col" class="number">limit</th>
          <th scope="col" class="share">share of the limit</th>
          <th scope="col">check</th>
        </tr>
      </thead>
      <tbody>
        ${checks.map(checkRow)}
      </tbody>
    </table>
  </div>`;
}

function checkRow({ output, measure, value, limit, kind, passed }: GateCheck): Markup {
  // Of a likeness what is missing to 1, so that for both a full bar is the limit.
  const used = kind === 'at-most' ? value / limit : (1 - value) / (1 - limit);
  const width = Number.isFinite(used) ? Math.max(0, Math.min(100, 100 * used)) : passed ? 0 : 100;
  return html`<tr>
    <th scope="row">${output}</th>
    <td>${measure}</td>
    <td class="number">${short(value)}</td>
    <td class="number">${kind === 'at-most' ? '≤' : '≥'} ${limit}</td>
    <td class="share">
      <div class="bar ${passed ? 'good' : 'bad'}" aria-hidden="true">
        <span style="width:${width.toFixed(1)}%"></span>
      </div>
      <span class="small">${Number.isFinite(used) ? percent(used, 0) : '–'}</span>
    </td>
    <td class="${passed ? 'good' : 'bad'}">${passed ? '✓ within' : '✗ beyond'}</td>
  </tr>`;
}

/** What else the check says: the user's score, what the sample proves, the farthest rows, what failed. */
function proof({ score, sample, farthest, verdict, batchOne }: NonNullable<ReportData['verification']>): Markup {
  const alone = batchOne !== null && !batchOne.consistent;
  return html`<ul class="facts">
    ${score !== null && html`<li><strong>${score.name}</strong>: ${scoreText(score)}</li>`}
    ${verdict.failures.map((failure) => html`<li class="bad">Beyond tolerance: ${failureText(failure)}</li>`)}
    ${
      verdict.smallestPassing !== '' &&
      html`<li>Smallest tolerance that passes: <code>--tolerance ${verdict.smallestPassing}</code></li>`
    }
    ${
      sample !== null &&
      html`<li>
        ${whole(sample.exceeded)} of ${whole(sample.rows)} check rows exceed the row tolerance ${sample.rowTolerance}.
        With 99&nbsp;% confidence at most ${short(100 * sample.bound)} % of inputs would, if ${sample.assumption}.
      </li>`
    }
    ${
      farthest !== null &&
      html`<li>
        RMS on the ${whole(farthest.rows)} check rows farthest from the fitted ones: ${short(farthest.rms)} (all:
        ${short(farthest.rmsOfAll)}).
      </li>`
    }
    ${alone && html`<li class="bad">Rows alone differ from rows in a batch by ${short(batchOne.largestDifference)}.</li>`}
  </ul>`;
}
