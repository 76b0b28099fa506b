/** What a model learned, one curve for each round. */
import { line } from 'd3-shape';
import type { TrainingReport } from '../training-report.js';
import { chart, domainOf, plotOf, rule, type Axis } from './chart.js';
import { html, type Markup } from './markup.js';
import { short, tidy, whole } from './numbers.js';
import type { ReportData } from './report-data.js';

const ENDS: Readonly<Record<TrainingReport['end'], string>> = {
  length: 'it ran its length',
  patience: 'nothing better was found for long',
  interrupted: 'it was interrupted',
  diverged: 'the weights went astray',
};

export function trainingSection({ training, student }: ReportData): Markup | undefined {
  if (training.length === 0) return undefined;
  return html`<section id="training" aria-labelledby="training-title">
    <h2 id="training-title">Training</h2>
    ${
      student !== undefined &&
      html`<p>
        The student as it came: NRMSE
        ${student.outputs.map((o, i) => `${i > 0 ? ', ' : ''}${o.output} ${short(o.nrmse)}`)}.
      </p>`
    }
    ${training.map((round, i) => trained(round, training.length > 1 ? `Round ${i + 1}` : ''))}
  </section>`;
}

function trained(report: TrainingReport, name: string): Markup {
  const { steps, batch, bestStep, end, learningRate, rows, seconds, losses, stops, rangeTest } = report;
  return html`${name !== '' && html`<h3>${name}</h3>`}
    <div class="charts">${lossChart(report)} ${rangeTest.length > 1 && rangeChart(report)}</div>
    <ul class="facts">
      <li>
        ${whole(steps)} steps of ${batch} rows in ${short(seconds)} s (${ENDS[end]}); ${whole(rows.fit)} rows to learn
        from, ${whole(rows.validation)} for validation.
      </li>
      <li>
        ${bestStep === 0 ? 'No step was better than the student as it came.' : `The weights of step ${whole(bestStep)} were kept.`}
      </li>
      <li>
        Largest learning rate ${short(learningRate)}; losses:
        ${losses.map(({ output, kind }) => `${kind} of ${output}`).join(', ')}.
      </li>
      ${stops.map(({ node, opType, reason }) => html`<li>No gradient passes ${opType} ${node}: ${reason}.</li>`)}
    </ul>`;
}

function lossChart({ curve, bestStep }: TrainingReport): Markup | undefined {
  if (curve.length < 2) return undefined;
  const x: Axis = { label: 'step', domain: [0, curve.at(-1)!.step] };
  const losses = curve.flatMap((p) => [p.training, p.validation]);
  const y: Axis = { label: 'loss', domain: domainOf(losses, true), log: true };
  const plot = plotOf(x, y);
  const of = (which: 'training' | 'validation'): string =>
    tidy(
      line<TrainingReport['curve'][number]>(
        (p) => plot.x(p.step),
        (p) => plot.y(p[which]),
      ).defined((p) => Number.isFinite(p[which]) && p[which] > 0)([...curve]),
    );
  return html`<div>
    ${chart(
      { title: 'Loss', describe: `Loss on training and validation rows; the best step is ${bestStep}`, x, y },
      plot,
      html`<path class="line faint" d="${of('training')}" /><path
          class="line"
          d="${of('validation')}"
        />${bestStep > 0 && rule(plot, 'x', bestStep, `kept: ${bestStep}`)}`,
    )}
    <p class="small legend">solid: validation rows; dashed: rows learned from</p>
  </div>`;
}

function rangeChart({ rangeTest, learningRate }: TrainingReport): Markup {
  const x: Axis = {
    label: 'learning rate',
    domain: domainOf(
      rangeTest.map((p) => p.rate),
      true,
    ),
    log: true,
  };
  const y: Axis = {
    label: 'loss after a few steps',
    domain: domainOf(
      rangeTest.map((p) => p.loss),
      true,
    ),
    log: true,
  };
  const plot = plotOf(x, y);
  const path = line<TrainingReport['rangeTest'][number]>(
    (p) => plot.x(p.rate),
    (p) => plot.y(p.loss),
  ).defined((p) => Number.isFinite(p.loss) && p.loss > 0);
  return chart(
    { title: 'Choice of the learning rate', describe: `Chosen: ${short(learningRate)}`, x, y },
    plot,
    html`<path class="line" d="${tidy(path([...rangeTest]))}" />${rule(plot, 'x', learningRate, short(learningRate))}`,
  );
}
