/** docs/coverage.md from the results of bench/coverage.mjs. */
import { REFUSALS } from '../dist/src/channels/refusal.js';

const percent = (v, digits = 1) => (v === null || v === undefined ? '-' : `${(100 * v).toFixed(digits)} %`);
const figure = (v) => (v === null || v === undefined ? '-' : v === 0 ? '0' : v.toPrecision(2));
const table = (heading, rows) => {
  const lines = [heading, heading.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
};

/** Errors and verdict of a run at a ratio. */
function runCells(run) {
  if (run === undefined) return ['-', '-', '-', 'not measured'];
  if (run.status === 'crash') return ['-', '-', '-', `crash: ${run.message.split('\n')[0]}`];
  if (run.status === 'too-large') return ['-', '-', '-', 'no plan'];
  return [percent(run.ratio), figure(run.nrmse), percent(run.agreement), run.passed ? 'passed' : 'failed'];
}

function exactCell(run) {
  if (run === undefined) return '-';
  if (run.status === 'unchanged') return 'nothing found';
  if (run.status === 'crash') return `crash: ${run.message.split('\n')[0]}`;
  return `${percent(run.ratio)}, relative ${figure(run.relative)}${run.passed ? '' : ' (failed)'}`;
}

function smallestCell({ smallestPassing, finished, stoppedAfter }) {
  if (!finished) return stoppedAfter === undefined ? '-' : `stopped after ${stoppedAfter} min`;
  return smallestPassing === null ? 'none' : String(smallestPassing);
}

/** Refusals by reason: how many nodes of which models, and for each sentence the nodes that it was said of. */
function byReason(results) {
  const reasons = new Map();
  for (const { name, nodes } of results) {
    for (const { node, refusal } of nodes) {
      if (refusal === undefined) continue;
      const models = reasons.get(refusal.code) ?? new Map();
      const sentences = models.get(name) ?? new Map();
      const others = refusal.culprits.filter((c) => c !== node);
      const sentence = others.length === 0 ? refusal.message : `${refusal.message} (${others.map(code).join(', ')})`;
      sentences.set(sentence, [...(sentences.get(sentence) ?? []), node]);
      models.set(name, sentences);
      reasons.set(refusal.code, models);
    }
  }
  return [...reasons]
    .map(([reason, models]) => {
      const counts = [...models].map(([name, s]) => [
        name,
        [...s.values()].reduce((sum, list) => sum + list.length, 0),
      ]);
      return { reason, models, counts, total: counts.reduce((sum, [, n]) => sum + n, 0) };
    })
    .sort((a, b) => b.total - a.total);
}

/** Whether a node is refused for a reason that is no true limit. */
const isOpen = ({ refusal }) => refusal !== undefined && REFUSALS[refusal.code]?.limit !== 'true';

const code = (name) => `\`${name}\``;
/** Long lists of nodes say how many more there are. */
const listed = (nodes) =>
  nodes.slice(0, 6).map(code).join(', ') + (nodes.length > 6 ? ` and ${nodes.length - 6} more` : '');

export function coverageDocument(results, all) {
  const share = (r) => r.condensable / r.folded;
  const total = results.reduce((sum, r) => sum + r.nodes.length, 0);
  const reasons = byReason(results);
  const refused = reasons.reduce((sum, r) => sum + r.total, 0);
  const open = results.reduce((sum, r) => sum + r.nodes.filter(isOpen).length, 0);
  const checked = results.flatMap((r) => [r.runs['0.7']?.checker ?? []]).flat();
  const capped = results.filter((r) => r.maxRows !== null);
  const rows = results.map((r) => [
    r.name,
    r.folded.toLocaleString('en'),
    percent(share(r)),
    `${r.nodes.filter((n) => n.refusal !== undefined).length} / ${r.nodes.length}`,
    String(r.nodes.filter(isOpen).length),
    figure(r.unexplained),
    ...runCells(r.runs['0.7']),
    smallestCell(r),
    exactCell(r.runs.exact),
    r.runs['0.7'] === undefined ? '-' : r.runs['0.7'].seconds.toFixed(0),
  ]);
  const heading = [
    'model',
    'parameters',
    'condensable',
    'refused',
    'open',
    'unexplained',
    'kept at 0.7',
    'NRMSE',
    'agreement',
    'gate',
    'smallest that passes',
    'exact',
    'seconds',
  ];
  return `<!-- Made by \`node bench/coverage.mjs\` from what it measured. -->

# What can be condensed of real models

${results.length} of the ${all} models of the collection beside the checkout, with the rows that come with each (calibration rows to fit, test rows to check). No retraining, no labels.

- **parameters**: with BatchNormalization folded into the weights; **condensable**: the share of them in tensors that lose something when a channel of a space goes.
- **refused**: Gemm, MatMul, Conv and ConvTranspose nodes (subgraphs included) that are left as they are, of all; the reasons are below. **open**: those among them whose reason is no true limit, so that a later version may lift it ([which is which](refusals.md)).
- **unexplained**: the share of a channel's variance that no linear combination of all the other channels at the same input explains on the calibration rows; the median over channels and sites. Near 0 there is much to condense; where half of the variance is each channel's own, every channel that goes costs accuracy, however many rows there are. With few rows it is too small.
- **kept at 0.7** to **gate**: \`--keep-params 0.7 --no-gate\`, method span: parameters kept of the input's, NRMSE of the worst output, top-1 agreement where an output holds class scores, and what the default gate says (agreement ≥ 95 % for class scores, NRMSE ≤ 0.05 otherwise, 95 % of the elements equal for integers). "no plan": the budget is below what the refusals leave.
- **smallest that passes**: of 0.9, 0.8, … 0.3 of the parameters, by halving.
- **seconds**: of the reduction at 0.7, two cores shared with other work.
${capped.length === 0 ? '' : `- Capped at ${[...new Set(capped.map((r) => r.maxRows))].join(', ')} calibration rows: ${capped.map((r) => `${r.name} (of ${r.rows.calib})`).join(', ')}.\n`}
${table(heading, rows)}

**In all**: ${results.filter((r) => share(r) >= 0.8).length} of ${results.length} models have at least 80 % of their parameters in condensable spaces; ${refused} of ${total} nodes are refused (${percent(refused / total)}), ${open} of them (${percent(open / total)} of all nodes) for a reason that is no true limit; ${results.filter((r) => r.runs['0.7']?.status === 'crash').length} crash; ${results.filter((r) => r.runs['0.7']?.passed).length} pass the gate at 0.7. Of ${checked.length} reduced models that \`onnx.checker\` of the onnx package for Python was asked about, it finds ${checked.filter((v) => v === '').length} valid.

## Refusals by reason

${table(
  ['reason', 'true limit', 'nodes', 'models'],
  reasons.map(({ reason, total, counts }) => [
    code(reason),
    REFUSALS[reason]?.limit === 'true' ? 'yes' : 'no',
    String(total),
    counts.map((c) => c.join(' ')).join(', '),
  ]),
)}

[refusals.md](refusals.md) says what each reason means, and why it is a true limit or what lifting it would take.

## Every refusal

${reasons
  .map(
    ({ reason, models }) =>
      `### ${code(reason)}\n\n${[...models]
        .flatMap(([name, sentences]) =>
          [...sentences].map(([sentence, nodes]) => `- ${name}: ${sentence}: ${listed(nodes)}`),
        )
        .join('\n')}`,
  )
  .join('\n\n')}
`;
}
