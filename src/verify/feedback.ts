/** Which output of a model becomes which input of its next step: what a user says, and how it is done. */
import { convertElements } from '../calibration/convert.js';
import { takeRows } from '../calibration/rows.js';
import { raise } from '../diagnostics/diagnostic.js';
import { outputUnknown } from '../diagnostics/plan.js';
import { feedbackDoesNotFit, feedbackInvalid, inputUnknown } from '../diagnostics/rollout.js';
import type { NumericArray } from '../graph/feeds.js';
import { elementCount } from '../graph/tensor.js';
import { standardised } from './standardisation.js';

/**
 * How an output becomes an input of the next step: input ← scale · output + offset, or with `add` input ← input + scale · output + offset.
 *
 * Columns lie along the first axis that is not that of the rows: the numbers of a row, the channels of an image (NCHW). In every other axis
 * input and output have the same length.
 */
export interface Feedback {
  /** Name of the output. */
  readonly output: string;
  /** Name of the input. */
  readonly input: string;
  /** The output is a change that is added to what the input held. Default false: it takes its place. */
  readonly add?: boolean;
  /** Columns of the input, from 0, one for each column of the output, in its order. Default: the first ones. The others stay as they are. */
  readonly columns?: readonly number[];
  /** One number, or one for each column of the output. Default 1. */
  readonly scale?: number | readonly number[];
  /** One number, or one for each column of the output. Default 0. */
  readonly offset?: number | readonly number[];
  /**
   * Where input and output are standardised: an .npz file with `x_mean`, `x_std`, `y_mean` and `y_std` (or the names of input and output in the
   * place of x and y), one number for each column or one for all. The equation then holds in physical units.
   */
  readonly scaling?: string;
}

/** A feedback that fits a model. */
export interface FittedFeedback {
  readonly output: string;
  readonly input: string;
  readonly add: boolean;
  /** Columns of the input. */
  readonly columns: readonly number[];
  /** For each column of the output. */
  readonly scale: Float64Array;
  readonly offset: Float64Array;
  /** The axis of columns; of an array without it each row is one column. */
  readonly axis: number;
  /** The axis of rows; undefined where the graph takes one row without a batch axis. */
  readonly rowAxis: number | undefined;
}

const NUMBER = String.raw`[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?`;
/** No axis is longer than this; a range that ends beyond it is a slip. */
const MOST_COLUMNS = 1e7;
/** What follows the name of the output: a factor, and whether it is added. */
const BEHIND_OUTPUT = new RegExp(String.raw`^(?:\*(${NUMBER}))?(\+)?:`, 'i');
/** What follows the name of the input: columns, and the file of a scaling. */
const BEHIND_INPUT = /^(?:\[([\d,:\s]+)\])?(?:@(.+))?$/;

/**
 * Parses `output:input`, `output+:input`, `rate*0.01+:state[0,2:10]`, `change+:state@scaling.npz`. Names may hold any of the marks: the longest
 * ones that the model has count.
 * @throws CondenseError for a name that the model does not have, and for anything else that is not understood
 */
export function parseFeedback(text: string, outputs: readonly string[], inputs: readonly string[]): Feedback {
  let rest: string | undefined;
  for (const output of longestFirst(outputs, text)) {
    const behind = BEHIND_OUTPUT.exec(text.slice(output.length));
    if (behind === null) continue;
    rest = text.slice(output.length + behind[0].length);
    for (const input of longestFirst(inputs, rest)) {
      const found = BEHIND_INPUT.exec(rest.slice(input.length));
      if (found === null) continue;
      const columns = found[1] === undefined ? undefined : (columnsIn(found[1]) ?? raise(feedbackInvalid(text)));
      return {
        output,
        input,
        add: behind[2] !== undefined,
        ...(behind[1] === undefined ? {} : { scale: Number(behind[1]) }),
        ...(columns === undefined ? {} : { columns }),
        ...(found[2] === undefined ? {} : { scaling: found[2] }),
      };
    }
  }
  return raise(whatIsWrong(text, rest, outputs, inputs));
}

/** @param rest what follows the name of an output; undefined where none was found */
function whatIsWrong(text: string, rest: string | undefined, outputs: readonly string[], inputs: readonly string[]) {
  if (rest !== undefined) {
    const name = rest.replace(/(?:\[[^\]]*\])?(?:@.*)?$/, '');
    return name === '' || inputs.includes(name) ? feedbackInvalid(text) : inputUnknown('--feedback', name, inputs);
  }
  const name = new RegExp(String.raw`^(.+?)(?:\*${NUMBER})?\+?:.`, 'i').exec(text)?.[1];
  const misspelt = name !== undefined && !outputs.some((o) => name === o || name.startsWith(`${o}*`));
  return misspelt ? outputUnknown('--feedback', name, outputs) : feedbackInvalid(text);
}

function longestFirst(names: readonly string[], text: string): string[] {
  return names.filter((name) => text.startsWith(name)).sort((a, b) => b.length - a.length);
}

/** `0,2:10` as in NumPy: single columns, and ranges without their end. Undefined for a range that is empty or endless, and for what is none. */
function columnsIn(text: string): number[] | undefined {
  const columns: number[] = [];
  for (const part of text.split(',')) {
    const [start, end] = /^(\d+)(?::(\d+))?$/.exec(part.trim())?.slice(1, 3) ?? [];
    if (start === undefined || Number(end ?? Infinity) <= Number(start)) return undefined;
    const behind = Number(end ?? Number(start) + 1);
    if (behind > MOST_COLUMNS) return undefined;
    for (let c = Number(start); c < behind; c++) columns.push(c);
  }
  return columns;
}

/** The feedback in the syntax of `--feedback`, without factors. */
export function formatFeedback({
  output,
  input,
  add,
  columns,
}: Pick<Feedback, 'output' | 'input' | 'add' | 'columns'>): string {
  const runs: [number, number][] = [];
  for (const c of columns ?? []) {
    const last = runs.at(-1);
    if (last?.[1] === c) last[1] = c + 1;
    else runs.push([c, c + 1]);
  }
  const named = runs.map(([start, end]) => (end === start + 1 ? String(start) : `${start}:${end}`)).join();
  return `${output}${add === true ? '+' : ''}:${input}${named === '' ? '' : `[${named}]`}`;
}

/**
 * A feedback with all that follows from the shapes.
 * @param output what the model gave for some rows
 * @param input what it was fed
 * @throws CondenseError where they do not fit together
 */
export function fitted(
  feedback: Feedback,
  output: NumericArray,
  input: NumericArray,
  rowAxis: number | undefined,
): FittedFeedback {
  const { add = false, scale = 1, offset = 0, scaling } = feedback;
  const fail = (reason: string): never => raise(feedbackDoesNotFit(formatFeedback(feedback), reason));
  for (const [name, { dtype }] of [
    [feedback.output, output],
    [feedback.input, input],
  ] as const)
    if (!FLOATS.has(dtype)) fail(`'${name}' is of type ${dtype}, and only floating-point numbers are fed back`);
  const axis = rowAxis === 0 ? 1 : 0;
  const others = (dims: readonly number[]): string => dims.filter((_, i) => i !== axis).join();
  const shapes = `'${feedback.output}' is [${output.dims.join(', ')}], '${feedback.input}' is [${input.dims.join(', ')}]`;
  if (output.dims.length !== input.dims.length || others(output.dims) !== others(input.dims)) fail(shapes);
  const [has, width] = [output.dims[axis] ?? 1, input.dims[axis] ?? 1];
  const columns = feedback.columns ?? Array.from({ length: has }, (_, i) => i);
  if (columns.length !== has) fail(`${shapes}, and ${columns.length} columns are named`);
  if (columns.some((c) => !Number.isSafeInteger(c) || c < 0 || c >= width)) fail(shapes);
  if (new Set(columns).size < columns.length) fail('a column is fed twice');
  const perColumn = (values: number | readonly number[], what: string): Float64Array => {
    const all = typeof values === 'number' ? columns.map(() => values) : values;
    return all.length === has && all.every(Number.isFinite)
      ? Float64Array.from(all)
      : fail(`${what} has not ${has} finite numbers`);
  };
  const given = { scale: perColumn(scale, 'scale'), offset: perColumn(offset, 'offset') };
  const affine = scaling === undefined ? given : standardised(scaling, given, { ...feedback, add, columns, width });
  return { output: feedback.output, input: feedback.input, add, columns, ...affine, axis, rowAxis };
}

const FLOATS: ReadonlySet<string> = new Set(['float16', 'float32', 'float64']);

/** The input of the next step, rounded to its type once. */
export function fedBack(feedback: FittedFeedback, output: NumericArray, input: NumericArray): NumericArray {
  const { axis, columns, scale, offset, add } = feedback;
  const from = float64(output);
  const to = float64(input);
  const inner = elementCount(input.dims.slice(axis + 1));
  const [has, width] = [columns.length, input.dims[axis] ?? 1];
  const outer = to.length / (width * inner);
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < has; j++) {
      const [source, target] = [(o * has + j) * inner, (o * width + columns[j]!) * inner];
      for (let i = 0; i < inner; i++)
        to[target + i] = (add ? to[target + i]! : 0) + scale[j]! * from[source + i]! + offset[j]!;
    }
  }
  return { ...input, data: convertElements(to, 'float64', input.dtype)! };
}

/** The columns of an input that are fed. */
export function fedColumns({ axis, columns }: FittedFeedback, input: NumericArray): NumericArray {
  return input.dims.length <= axis ? input : takeRows(input, axis, columns);
}

/** The elements as float64, in an array of their own. */
export function float64({ data, dtype }: NumericArray): Float64Array {
  return convertElements(data, dtype, 'float64') as Float64Array;
}
