import { shapeText, type ConstantDifference, type ConstantShape, type Difference } from '../graph/diff.js';
import type { DiffedNode, DiffReport } from './diff-report.js';
import { formatSizes, painter, type FormatOptions } from './format.js';
import { modelNames } from './model-names.js';
import { cutToWidth } from './table.js';

const SIGNS = { removed: '-', added: '+', changed: '~' } as const;
const COLOURS = { removed: 'red', added: 'green', changed: 'yellow' } as const;
type Kind = keyof typeof SIGNS;

/** The differences as lines that begin with -, + or ~, then the totals. */
export function formatDiff(report: DiffReport, { colour, width }: FormatOptions): string[] {
  const { before, after, model, nodes, unchangedNodes, constants, warnings } = report;
  const paint = painter(colour);
  const line = (kind: Kind, text: string, indent = ''): string =>
    paint(COLOURS[kind], cutToWidth(`${SIGNS[kind]} ${indent}${text}`, width));
  const [a, b] = modelNames([before, after]);
  const shown = new Set(nodes.flatMap((node) => node.constants.map(({ name }) => name)));
  const rest = constants.filter(({ name }) => !shown.has(name));
  const same = model.length === 0 && nodes.length === 0 && constants.length === 0;
  return [
    paint('red', `--- ${a!}`),
    paint('green', `+++ ${b!}`),
    ...(same ? ['no differences'] : []),
    ...model.map((difference) => line(kindOf(difference), differenceText(difference))),
    ...nodes.flatMap((node) => [
      line(node.kind, nodeText(node)),
      ...node.differences.map((difference) => line(kindOf(difference), differenceText(difference), '  ')),
      ...node.constants.map((constant) => line(kindOf(constant), constantText(constant), '  ')),
    ]),
    ...rest.map((constant) => line(kindOf(constant), constantText(constant))),
    ...(unchangedNodes === 0 ? [] : [`  ${unchangedNodes === 1 ? '1 node' : `${unchangedNodes} nodes`} unchanged`]),
    '',
    ...formatSizes(
      [
        ['nodes', before.nodes, after.nodes],
        ['parameters', before.parameters, after.parameters],
        ['MACs per row', before.macs, after.macs],
        ['bytes', before.bytes, after.bytes],
      ],
      width,
    ),
    ...warnings.map(({ message }) => paint('yellow', `warning: ${message}`)),
  ];
}

function kindOf({ before, after }: { readonly before: unknown; readonly after: unknown }): Kind {
  return after === null ? 'removed' : before === null ? 'added' : 'changed';
}

function nodeText({ node, opType, macs: { before, after } }: DiffedNode): string {
  const macs = before === after ? [] : [before, after].filter((value) => value !== null);
  return `${opType} ${node}${macs.length === 0 ? '' : `, MACs ${macs.join(' → ')}`}`;
}

function differenceText({ what, before, after }: Difference): string {
  return `${what}: ${[before, after].filter((text) => text !== null).join(' → ')}`;
}

function constantText({ name, before, after }: ConstantDifference): string {
  if (before === null || after === null) return `${name} ${constantShape((before ?? after)!)}`;
  const [old, now] = [constantShape(before), constantShape(after)];
  if (old === now) return `${name} ${now}, other values`;
  // The type is worth repeating only where it changes.
  return `${name} ${old} → ${before.dtype === after.dtype ? shapeText(after.dims) : now}`;
}

function constantShape({ dtype, dims }: ConstantShape): string {
  return `${dtype} ${shapeText(dims)}`;
}
