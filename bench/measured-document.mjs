// docs/measured.md: a section for each bench that measures reductions of real networks. A bench replaces its own section only.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

const file = fileURLToPath(new URL('../docs/measured.md', import.meta.url));
const SECTIONS = ['models', 'compare', 'quantise', 'planning', 'max-error', 'speed', 'distill', 'training-step'];
const HEAD = `<!-- Made by the scripts that are named with each table. -->

# What was measured on real networks

No labels: unlabelled rows to fit, other rows to check; no training either, apart from the section on learning. Two cores; times are for orientation.
`;
const percent = (v) => `${(100 * v).toFixed(1)} %`;
const short = (v) => (v === null ? '-' : Math.abs(v) < 1e-3 ? v.toExponential(1) : v.toPrecision(3));
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const MAKERS = {
  models: (results) => `## Convolutional networks

\`node bench/models.mjs\`. mobilenetv2-imagenet is fitted on 600 images and judged on 400 of other classes, one of each class.

${table(
  [
    'model',
    'parameters',
    'MACs',
    'measure',
    'before',
    'after',
    'same decision',
    'NRMSE',
    'fit rows',
    'seconds',
    'memory',
  ],
  results.map((r) => [
    r.name,
    percent(r.parameters[1] / r.parameters[0]),
    percent(r.macs[1] / r.macs[0]),
    r.kind === 'none' ? '-' : r.kind,
    ...r.metric.map((m) => (m === null ? '-' : percent(m))),
    r.agreement === null ? '-' : percent(r.agreement),
    short(r.nrmse),
    r.rows.fit,
    r.seconds.toFixed(0),
    `${(r.memory / 1e9).toFixed(2)} GB`,
  ]),
)}
`,
  compare: (results) => `## Ways to remove channels

\`node bench/compare.mjs\`: half of the channels of every space, chosen and made up for in different ways, none of which trains; the last row of each
network plans how many stay where, at the same number of parameters. _Group norm_ keeps the channels with the largest weights before and
behind them, _activations_ those that contribute most to what is read, E[x²] ‖W‖². In the residual networks only the channels inside
blocks are removed. NRMSE and agreement with the original are on rows that no fit saw, the task's own measure is on the test file.

${table(
  ['model', 'way', 'parameters', 'NRMSE', 'same decision', 'measure', 'before', 'after', 'seconds'],
  results.map((r, i) => [
    results[i - 1]?.name === r.name ? '' : r.name,
    r.way,
    percent(r.parameters),
    short(r.nrmse),
    r.agreement === null ? '-' : percent(r.agreement),
    r.measure[0] === null ? '-' : r.kind,
    ...r.measure.map((m) => (m === null ? '-' : r.kind === 'mae' ? short(m) : percent(m))),
    r.seconds.toFixed(0),
  ]),
)}
`,
};

MAKERS.planning = ({ gains: results, correlations }) => {
  const gains = results.map((r) => r.uniform.nrmse / r.planned.nrmse);
  const mean = Math.exp(gains.reduce((sum, g) => sum + Math.log(g), 0) / gains.length);
  return `## Planned widths against uniform ones

\`node bench/planning.mjs\`: at equal parameters, with the same selection and refit. Uniform: the same share of every space. NRMSE of the worst
output on rows that no fit saw, of the scores before a Softmax. Geometric mean of the gain: ${mean.toFixed(2)}. Where true answers are known: by which factor the mean absolute error
against them grows.

${table(
  [
    'model',
    'parameters',
    'uniform',
    'planned',
    'gain',
    'predicted',
    'same decision (uniform, planned)',
    'true error (uniform, planned)',
    'trials and search, s',
  ],
  results.map((r, i) => [
    r.name,
    percent(r.planned.parameters / r.full),
    short(r.uniform.nrmse),
    short(r.planned.nrmse),
    gains[i].toFixed(2),
    short(r.predicted),
    r.planned.agreement === null ? '-' : `${percent(r.uniform.agreement)}, ${percent(r.planned.agreement)}`,
    r.planned.trueError === undefined
      ? '-'
      : `× ${r.uniform.trueError.toFixed(3)}, × ${r.planned.trueError.toFixed(3)}`,
    (r.seconds.curves + r.seconds.search).toFixed(0),
  ]),
)}

Predictions against what models really err by, over random plans from 15 % to all of the widths (\`node bench/planning.mjs --plans 40\`): rank
correlation by Spearman.

${table(
  ['model', 'plans', 'rank correlation'],
  correlations.map((r) => [r.name, r.plans, r.correlation.toFixed(3)]),
)}
`;
};

MAKERS['max-error'] = (results) => `## The smallest model within an error

\`node bench/max-error.mjs\`: what \`--max-error nrmse=1e-2\` finds on validation rows, against the smallest size in steps of 2.5 % at which a
planned model is within the limit on the check rows, which choose nothing else.

${table(
  [
    'model',
    'found',
    'NRMSE on check rows',
    'on validation rows',
    'smallest of the sweep',
    'found / smallest',
    'seconds',
  ],
  results.map(({ name, full, found, smallest, seconds }) => [
    name,
    percent(found.parameters / full),
    short(found.nrmse),
    short(found.validation),
    percent(smallest / full),
    (found.parameters / smallest).toFixed(3),
    seconds.toFixed(0),
  ]),
)}
`;

MAKERS.speed = ({ asked, all }) => `## Speed

\`node bench/speed.mjs\`: models run in turn, each first as often as the other; the ratio is the median over neighbouring runs, with the
middle half of the ratios behind it.

What \`--speedup 2\` gives:

${table(
  ['model', 'batch', 'before, ms', 'after, ms', 'times as fast', 'MACs kept', 'speed-up for each saved MAC'],
  asked.map((r) => [
    r.name,
    r.batch,
    short(r.before),
    short(r.after),
    r.speedup.toFixed(2),
    percent(r.macs),
    (r.speedup * r.macs).toFixed(2),
  ]),
)}

Every model at 70 % of its multiply-accumulates or less (\`--keep-macs 0.7\`, widths chosen on 64 rows):

${table(
  ['model', 'MACs kept', 'batch', 'before, ms', 'after, ms', 'times as fast', 'middle half'],
  all.flatMap(({ name, macs, ratios, left }) =>
    left === undefined
      ? ratios.map((r, i) => [
          i === 0 ? name : '',
          i === 0 ? percent(macs) : '',
          r.batch,
          short(r.before),
          short(r.after),
          r.speedup.toFixed(2),
          r.quartiles.map((q) => q.toFixed(2)).join(' to '),
        ])
      : [[name, left, ...Array(5).fill('')]],
  ),
)}
`;

MAKERS.distill = (results) => `## Learning from the original

\`node bench/distill.mjs\`: the reduced network before and after it has learned from the outputs of the original one on the unlabelled rows
(\`--distill\`), by planned subsets (span) or by the paper's merge in rounds (cosine). Agreement with the original is on rows that no fit saw; the
measure of the network's own task (top-1, or the mean absolute error against true answers) is on its test file. The same decision and NRMSE of
cosine before learning are those of one merge without rounds. ${[...new Set(results.map((r) => `${r.date}, ${r.machine}`))].join('; ')}.

${table(
  [
    'model',
    'way',
    'parameters',
    'NRMSE refit',
    'learned',
    'same decision refit',
    'learned',
    'measure original',
    'refit',
    'learned',
    'steps',
    'seconds in all',
  ],
  results.map(({ name, way, full, before, kind, refit, learned, training }) => {
    const measure = (v) =>
      v === null ? '-' : kind === 'mae' ? `${v.toPrecision(4)} (× ${(v / before).toFixed(3)})` : percent(v);
    return [
      name,
      way,
      percent(learned.parameters / full),
      ...[refit, learned].map((f) => short(f.nrmse)),
      ...[refit, learned].map((f) => (f.agreement === null ? '-' : percent(f.agreement))),
      ...[before, refit.measure, learned.measure].map(measure),
      training.reduce((sum, t) => sum + t.steps, 0),
      learned.seconds.toFixed(0),
    ];
  }),
)}
${results
  .filter((r) => r.further !== undefined)
  .map(
    ({ name, further, refit, learned }) =>
      `\n${name}, ${further} further images, harder than those of its test file: the same decision on ${percent(refit.further)} after the refit, ${percent(learned.further)} learned.\n`,
  )
  .join('')}`;

MAKERS['training-step'] = (results) => `## What learning costs

\`node bench/training-step.mjs\`: the time of a step (loss, gradient of every weight, Adam) over that of three plain runs of the same model on the
same rows, in turn; median and middle half of the ratios; and into how many parts, each on a core, a step is shared out. Memory of the process (\`--steps 1000\`) after 50 steps and 1,000 steps later.

${table(
  ['model', 'rows of a step', 'parts', 'step / 3 runs', 'middle half', 'at most', 'memory, MB'],
  results.map((r) => [
    r.name,
    r.batch,
    r.atOnce ?? 1,
    r.ratio?.toFixed(2) ?? '-',
    r.ratio === undefined ? '-' : `${r.low.toFixed(2)} to ${r.high.toFixed(2)}`,
    r.most ?? '-',
    r.memory === undefined ? '-' : [r.memory.start, r.memory.end].map((b) => (b / 1e6).toFixed(0)).join(' → '),
  ]),
)}
`;

MAKERS.quantise = (results) => `## Beside and together with other tools

\`node bench/quantise.mjs\`: onnxsim, static quantisation to 8 bits by onnxruntime for Python (QDQ, per channel), this program, and both one after the
other. NRMSE (worst output) and agreement with the original on the test file; times as fast as the original at two batch sizes, models run in turn.

${table(
  ['model', 'way', 'bytes', 'of the original', 'NRMSE', 'same decision', 'times as fast', 'in a batch'],
  results.map((r, i) => {
    const first = results.find((o) => o.name === r.name);
    return [
      results[i - 1]?.name === r.name ? '' : r.name,
      r.way,
      r.bytes,
      percent(r.bytes / first.bytes),
      short(r.nrmse),
      r.agreement === null ? '-' : percent(r.agreement),
      ...r.times.map((t) => `${t.speedup.toFixed(2)} (${t.batch})`),
    ];
  }),
)}
`;

/** Writes the section of one bench. */
export async function writeMeasured(section, results) {
  const mark = (name) => `<!-- ${name} -->`;
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const sections = SECTIONS.flatMap((name) => {
    if (name === section) return [`${mark(name)}\n\n${MAKERS[name](results)}`];
    const start = before.indexOf(mark(name));
    if (start < 0) return [];
    const ends = SECTIONS.map((other) => before.indexOf(mark(other), start + 1)).filter((i) => i > 0);
    return [before.slice(start, Math.min(before.length, ...ends))];
  });
  const text = [HEAD, ...sections].join('\n');
  writeFileSync(file, await format(text, { ...(await resolveConfig(file)), parser: 'markdown' }));
}
