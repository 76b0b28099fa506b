/** What of two models is compared while one of them learns from the other, and how its error counts. */
import { raise } from '../diagnostics/diagnostic.js';
import { outputsNotTrainable, shapesDiffer } from '../diagnostics/train.js';
import type { Model } from '../graph/ir.js';
import { LAYERS } from '../graph/layers.js';
import { scoresBehind } from '../graph/scores.js';
import type { LearningOptions } from '../train/options.js';
import type { WantedLoss } from '../train/train.js';
import type { CondenseOptions } from './options.js';

const TEMPERATURE = 3;

type Shapes = ReadonlyMap<string, readonly number[]>;

export interface WantedLosses {
  readonly losses: readonly WantedLoss[];
  /** How many of them are of values inside. */
  readonly matched: number;
}

/**
 * What counts: every float32 output, class scores by the values before the Softmax, and layers and sums inside where that was asked for.
 * @param shapes of the values of the teacher and of the student, on the same rows
 * @throws CondenseError where no output can be compared
 */
export function wantedLosses(
  teacher: Model,
  student: Model,
  shapes: readonly [Shapes, Shapes],
  options: LearningOptions & Pick<CondenseOptions, 'classes'>,
): WantedLosses {
  const names = teacher.graph.outputs.filter(({ dtype = 'float32' }) => dtype === 'float32').map((o) => o.name);
  if (names.length === 0) raise(outputsNotTrainable());
  const outputs = names.map((name) =>
    outputLoss(teacher, student, name, shapes, { ...options, weight: 1 / names.length }),
  );
  const { match = 0 } = options;
  const losses = joined(outputs);
  const inside = match === 0 ? [] : sharedInside(student, shapes, new Set(losses.map((l) => l.output)));
  const each = match / inside.length;
  return {
    losses: [...losses, ...inside.map((output): WantedLoss => ({ kind: 'squared', output, of: output, weight: each }))],
    matched: inside.length,
  };
}

/** How one output counts, by the values behind its Softmax where both models have one. */
function outputLoss(
  teacher: Model,
  student: Model,
  name: string,
  [ofTeacher, ofStudent]: readonly [Shapes, Shapes],
  {
    classes = [],
    loss = 'auto',
    temperature = TEMPERATURE,
    weight,
  }: LearningOptions & Pick<CondenseOptions, 'classes'> & { readonly weight: number },
): WantedLoss {
  const [wanted, made] = [ofTeacher.get(name), ofStudent.get(name)];
  if (wanted?.join() !== made?.join()) raise(shapesDiffer(name, wanted ?? [], made ?? []));
  const behind = [scoresBehind(teacher, name), scoresBehind(student, name)] as const;
  const both =
    behind.every((value) => value !== name) && ofTeacher.get(behind[0])?.join() === ofStudent.get(behind[1])?.join();
  const [of, output] = both ? behind : [name, name];
  const axis = classAxis(teacher, name, wanted?.length ?? 2);
  const scores = both || classes.includes(name);
  if (axis !== undefined && (loss === 'kl' || (loss === 'auto' && scores)))
    return { kind: 'kl', output, of, axis, temperature, weight };
  return { kind: loss === 'huber' ? 'huber' : 'squared', output, of, weight };
}

/** Outputs that lie on the same values (scores and what a Softmax makes of them) are one, and as class scores if one of them is. */
function joined(losses: readonly WantedLoss[]): WantedLoss[] {
  const found = new Map<string, WantedLoss>();
  for (const loss of losses) {
    const other = found.get(loss.output);
    const kept = other === undefined || (loss.kind === 'kl' && other.kind !== 'kl') ? loss : other;
    found.set(loss.output, { ...kept, weight: loss.weight + (other?.weight ?? 0) });
  }
  return [...found.values()];
}

/** Outputs of layers and of sums of computed values, by the names and shapes that both models have. */
function sharedInside(student: Model, [of, to]: readonly [Shapes, Shapes], known: ReadonlySet<string>): string[] {
  const { nodes, initializers } = student.graph;
  return nodes.flatMap(({ opType, inputs, outputs: [value = ''] }) => {
    const same = of.has(value) && of.get(value)!.join() === to.get(value)?.join();
    // What a branch adds to is matched too, so that later branches make up for what earlier ones are short of.
    const sum = opType === 'Add' && inputs.every((i) => !initializers.has(i));
    return (sum || LAYERS.has(opType)) && same && !known.has(value) ? [value] : [];
  });
}

/** The axis that classes lie on; undefined for a Softmax of an old operator set that takes several axes as one. */
function classAxis(model: Model, output: string, rank: number): number | undefined {
  const maker = model.graph.nodes.find((n) => n.outputs.includes(output));
  if (maker === undefined || scoresBehind(model, output) === output) return rank === 4 ? 1 : -1;
  const attribute = maker.attributes.get('axis');
  const old = (model.opsets.get('') ?? 1) < 13;
  const axis = attribute?.type === 'int' ? attribute.value : old ? 1 : -1;
  return old && axis !== -1 && axis !== rank - 1 ? undefined : axis;
}
