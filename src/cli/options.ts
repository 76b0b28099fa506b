import { DATA_FORMATS } from '../calibration/sources/formats.js';
import type { ImageOptions } from '../calibration/sources/images.js';
import type { CondenseOptions } from '../condense/options.js';
import type { TritonTarget } from '../emit/triton.js';
import { PROVIDERS } from '../runtime/providers.js';
import type { TrainingLength } from '../train/schedule.js';
import {
  augmentation,
  bytes,
  collect,
  emitTarget,
  group,
  imageSize,
  integers,
  keepWidth,
  maxError,
  numbers,
  oneOf,
  pick,
  positiveInteger,
  positiveNumber,
  roundTo,
  share,
  threshold,
  trainingLength,
  wholeNumber,
} from './parse.js';
import {
  augmentationText,
  commaList,
  emitText,
  groupText,
  imageSizeText,
  list,
  maxErrorText,
  trainingLengthText,
  widths,
  type Written,
} from './write.js';

/** What the CLI adds to the library's options. */
export interface CliOptions {
  readonly gate: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  /** The configuration file; false for none. */
  readonly config?: string | false;
  readonly printConfig?: boolean;
  readonly inPlace?: boolean;
  readonly externalData?: string | true;
  readonly externalThreshold?: number;
  readonly emit?: TritonTarget;
  readonly sidecar?: boolean;
  /** The file that `--plan` names; the library takes the plan itself. */
  readonly plan?: string;
  readonly planOut?: string;
  readonly seconds?: number;
  readonly points?: number;
  readonly pick?: 'knee' | number;
  readonly csv?: string | true;
  /** Where the page about the run goes. */
  readonly report?: string;
  readonly train?: TrainingLength;
  readonly imageSize?: readonly [number, number];
  readonly layout?: ImageOptions['layout'];
  readonly scale?: readonly number[];
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly crop?: ImageOptions['crop'];
  readonly colours?: ImageOptions['colours'];
}

/** What the commands themselves read; the rest is the library's. */
const COMMAND_KEYS = [
  'gate',
  'json',
  'quiet',
  'config',
  'printConfig',
  'inPlace',
  'externalData',
  'externalThreshold',
  'emit',
  'sidecar',
  'plan',
  'planOut',
  'csv',
  'report',
] as const satisfies readonly (keyof CliOptions)[];

/** The options that the library takes. */
export function forLibrary<T extends CliOptions>(options: T): Omit<T, (typeof COMMAND_KEYS)[number]> {
  const own: readonly string[] = COMMAND_KEYS;
  return Object.fromEntries(Object.entries(options).filter(([key]) => !own.includes(key))) as Omit<
    T,
    (typeof COMMAND_KEYS)[number]
  >;
}

/** Keys of the options on images. */
export const IMAGE_KEYS = [
  'imageSize',
  'layout',
  'scale',
  'mean',
  'std',
  'crop',
  'colours',
] as const satisfies readonly (keyof CliOptions)[];

/** The options on images gathered into the one of the library; without it where none is given. */
export function withImages<T extends Partial<CliOptions>>(options: T): T & { readonly images?: ImageOptions } {
  const { imageSize, layout, scale, mean, std, crop, colours, ...rest } = options;
  const given = Object.entries({ size: imageSize, layout, scale, mean, std, crop, colours }).filter(
    ([, v]) => v !== undefined,
  );
  return { ...rest, ...(given.length === 0 ? {} : { images: Object.fromEntries(given) }) } as T;
}

type ReduceKey = Exclude<keyof CondenseOptions, 'onProgress' | 'plan' | 'signal' | 'details'> | keyof CliOptions;

/** What options are about, in the order in which the help and the docs have it. */
export const OPTION_GROUPS = {
  data: 'Data',
  images: 'Images and sounds',
  size: 'How small',
  method: 'How it is reduced',
  learning: 'Learning',
  check: 'The check',
  running: 'Running',
  files: 'Files',
  report: 'Report and configuration',
} as const;
export type OptionGroup = keyof typeof OPTION_GROUPS;

/** One command-line option: the same key as in the library, so that a rename shows up as a type error. */
export interface OptionSpec {
  readonly key: ReduceKey;
  readonly flags: string;
  readonly description: string;
  readonly group: OptionGroup;
  /** Whether the short help names it. */
  readonly common?: boolean;
  /** The only values that it takes. */
  readonly choices?: readonly string[];
  /** Turns the text (and what a repeated option held before) into the value. */
  readonly parse?: (text: string, before: never) => unknown;
  /** Writes a value as the library takes it the way that it stands on a command line; several texts for a repeatable option. */
  readonly write?: (value: object) => Written;
  readonly mandatory?: boolean;
  readonly commands: readonly CommandName[];
}

/** The commands that take options from this list. */
export const COMMANDS = ['reduce', 'sweep', 'distill', 'verify', 'bench', 'inspect', 'diff'] as const;
export type CommandName = (typeof COMMANDS)[number];

/** Those that run models on the user's data. */
const RUNNING = ['reduce', 'sweep', 'distill', 'verify', 'bench', 'inspect'] as const;
/** Those that check models. */
const CHECKING = ['reduce', 'sweep', 'distill', 'verify'] as const;
/** Those that compare one model with another. */
const COMPARING = ['reduce', 'distill', 'verify'] as const;
/** Those that make models. */
const MAKING = ['reduce', 'sweep'] as const;
/** Those that write models. */
const WRITING = ['reduce', 'sweep', 'distill'] as const;
const REDUCE = ['reduce'] as const;
/** Those that train. */
const LEARNING = ['reduce', 'distill'] as const;
/** Those that look at channels. */
const ANALYSING = [...MAKING, 'inspect'] as const;

/** What turns an option's text into its value; undefined where the text is the value. */
export function parserOf({
  flags,
  choices,
  parse,
}: OptionSpec): ((text: string, before: unknown) => unknown) | undefined {
  if (choices !== undefined) return oneOf(flags.split(' ')[0]!, choices);
  return parse as ((text: string, before: unknown) => unknown) | undefined;
}

/** Every option of the commands: the parser, the help and the docs are made from this list. */
export const OPTIONS: readonly OptionSpec[] = [
  {
    key: 'data',
    flags: '--data <spec>',
    group: 'data',
    common: true,
    write: list,
    description: `calibration data, repeatable: ${DATA_FORMATS.map((f) => f.name).join(', ')}`,
    parse: collect,
    mandatory: true,
    commands: RUNNING,
  },
  {
    key: 'data',
    flags: '--data <spec>',
    group: 'data',
    common: true,
    write: list,
    description: 'data with whose shapes MACs are counted (default: one row, and 1 for every other axis that is open)',
    parse: collect,
    commands: ['diff'],
  },
  {
    key: 'test',
    flags: '--test <spec>',
    group: 'data',
    common: true,
    write: list,
    description: 'other data for the check, repeatable; then every --data row is fitted',
    parse: collect,
    commands: WRITING,
  },
  {
    key: 'holdout',
    flags: '--holdout <share>',
    group: 'data',
    description: 'share of the --data rows that only the check sees (default 0.2)',
    parse: share('--holdout'),
    commands: WRITING,
  },
  {
    key: 'group',
    flags: '--group <blocks|key>',
    group: 'data',
    write: groupText,
    description: 'keep neighbouring rows, or rows with the same value of a key, on one side',
    parse: group,
    commands: [...WRITING, 'inspect'],
  },
  {
    key: 'maxRows',
    flags: '--max-rows <n>',
    group: 'data',
    description: 'use a deterministic sample of n rows',
    parse: positiveInteger('--max-rows'),
    commands: RUNNING,
  },
  {
    key: 'imageSize',
    flags: '--image-size <n|HxW>',
    group: 'images',
    write: imageSizeText,
    description: 'for a folder of images: height and width (default: those of the model)',
    parse: imageSize,
    commands: RUNNING,
  },
  {
    key: 'layout',
    flags: '--layout <nchw|nhwc>',
    group: 'images',
    description: 'for images: the order of the axes (default: as the model shows)',
    choices: ['nchw', 'nhwc'],
    commands: RUNNING,
  },
  {
    key: 'scale',
    flags: '--scale <list>',
    group: 'images',
    write: commaList,
    description:
      'for images and sounds: x = (value * scale - mean) / std, of pixels from 0 to 255 or samples from -1 to 1; one number or one for each channel, fractions like 1/127.5 allowed (default 1)',
    parse: numbers('--scale'),
    commands: RUNNING,
  },
  {
    key: 'mean',
    flags: '--mean <list>',
    group: 'images',
    write: commaList,
    description: 'for images and sounds, see --scale (default 0)',
    parse: numbers('--mean'),
    commands: RUNNING,
  },
  {
    key: 'std',
    flags: '--std <list>',
    group: 'images',
    write: commaList,
    description: 'for images and sounds, see --scale (default 1)',
    parse: numbers('--std'),
    commands: RUNNING,
  },
  {
    key: 'crop',
    flags: '--crop <center|none>',
    group: 'images',
    description: 'for images: fill the size and cut off what is over, or stretch (default center)',
    choices: ['center', 'none'],
    commands: RUNNING,
  },
  {
    key: 'colours',
    flags: '--colours <rgb|bgr>',
    group: 'images',
    description: 'for images: the order of the channels (default rgb)',
    choices: ['rgb', 'bgr'],
    commands: RUNNING,
  },
  {
    key: 'method',
    flags: '--method <exact|cosine|span>',
    group: 'method',
    common: true,
    description: 'how redundancy is found and absorbed (default span)',
    choices: ['exact', 'cosine', 'span'],
    commands: REDUCE,
  },
  {
    key: 'evidence',
    flags: '--evidence <weights|data>',
    group: 'method',
    description: 'what proves redundancy for exact (default weights)',
    choices: ['weights', 'data'],
    commands: REDUCE,
  },
  {
    key: 'threshold',
    flags: '--threshold <[node=]cosine>',
    group: 'method',
    write: widths,
    description: 'merge at this cosine or above, for all or by node, repeatable (cosine)',
    parse: threshold,
    commands: REDUCE,
  },
  {
    key: 'select',
    flags: '--select <eliminate|cholesky>',
    group: 'method',
    description: 'how span chooses channels (default eliminate)',
    choices: ['eliminate', 'cholesky'],
    commands: MAKING,
  },
  {
    key: 'streams',
    flags: '--streams <rotate|select>',
    group: 'method',
    description: 'what span keeps of linear streams: a subspace or a subset of the channels (default rotate)',
    choices: ['rotate', 'select'],
    commands: MAKING,
  },
  {
    key: 'train',
    flags: '--train <length>',
    group: 'learning',
    common: true,
    write: trainingLengthText,
    description: 'how long to learn: 20epochs, 500steps or 10min (default 20epochs)',
    parse: trainingLength('--train'),
    commands: ['distill'],
  },
  {
    key: 'distill',
    flags: '--distill <length>',
    group: 'learning',
    common: true,
    write: trainingLengthText,
    description: 'let the reduced model learn from the original one afterwards: 20epochs, 500steps or 10min',
    parse: trainingLength('--distill'),
    commands: REDUCE,
  },
  {
    key: 'steps',
    flags: '--steps <n>',
    group: 'learning',
    description:
      'rounds of reducing, refitting and learning on the way to the budget, in equal ratios (default 1); Ctrl-C before the last ends the run',
    parse: positiveInteger('--steps'),
    commands: REDUCE,
  },
  {
    key: 'learningRate',
    flags: '--learning-rate <rate>',
    group: 'learning',
    description:
      'the largest one: it rises at first and falls to 0 along half a cosine (default: found by a short range test)',
    parse: positiveNumber('--learning-rate'),
    commands: LEARNING,
  },
  {
    key: 'trainBatch',
    flags: '--train-batch <n>',
    group: 'learning',
    description:
      'rows of a step of learning (default 256, or fewer by --memory); a graph with a fixed batch runs as often as it takes',
    parse: positiveInteger('--train-batch'),
    commands: LEARNING,
  },
  {
    key: 'loss',
    flags: '--loss <auto|squared|huber|kl>',
    group: 'learning',
    description:
      'how errors of outputs count: squared over the variance, huber for heavy tails, kl for class scores (default auto: kl where an output holds class scores)',
    choices: ['auto', 'squared', 'huber', 'kl'],
    commands: LEARNING,
  },
  {
    key: 'temperature',
    flags: '--temperature <t>',
    group: 'learning',
    description: 'what class scores are divided by before they become distributions (default 3)',
    parse: positiveNumber('--temperature'),
    commands: LEARNING,
  },
  {
    key: 'match',
    flags: '--match <weight>',
    group: 'learning',
    description: 'what layers and residual sums inside that kept their shape count beside the outputs (default 0)',
    parse: positiveNumber('--match'),
    commands: LEARNING,
  },
  {
    key: 'augment',
    flags: '--augment <list>',
    group: 'learning',
    write: augmentationText,
    description:
      'changed rows that the original judges as well: flip, shift[=0.125], zoom[=0.3], turn[=10], light[=0.3], mix and cut for images, noise[=0.01] and mix[=64] for rows of numbers',
    parse: augmentation,
    commands: LEARNING,
  },
  {
    key: 'weightDecay',
    flags: '--weight-decay <share>',
    group: 'learning',
    description:
      'share of each weight (not of biases, scales and slopes) that a step takes away, times the rate (default 0)',
    parse: positiveNumber('--weight-decay'),
    commands: LEARNING,
  },
  {
    key: 'clip',
    flags: '--clip <norm>',
    group: 'learning',
    description: 'gradients with a larger norm are scaled down to it (default 1)',
    parse: positiveNumber('--clip'),
    commands: LEARNING,
  },
  {
    key: 'patience',
    flags: '--patience <n>',
    group: 'learning',
    description: 'end when n of the 25 looks at validation rows in a row found nothing better (default: go on)',
    parse: positiveInteger('--patience'),
    commands: LEARNING,
  },
  {
    key: 'checkpoint',
    flags: '--checkpoint <folder>',
    group: 'learning',
    description: 'keep the state of learning there, and go on from it when the same command is run again',
    commands: LEARNING,
  },
  {
    key: 'seed',
    flags: '--seed <n>',
    group: 'learning',
    description: 'decides the order of the rows and how they are changed (default 1)',
    parse: positiveInteger('--seed'),
    commands: LEARNING,
  },
  {
    key: 'points',
    flags: '--points <n>',
    group: 'size',
    common: true,
    description: 'sizes to try, in equal ratios from the full one down (default 12)',
    parse: positiveInteger('--points'),
    commands: ['sweep'],
  },
  {
    key: 'pick',
    flags: '--pick <knee|#>',
    group: 'size',
    common: true,
    description:
      'the model to write: that at the knee of the curve among those that pass the check, or a number of the table',
    parse: pick,
    commands: ['sweep'],
  },
  {
    key: 'csv',
    flags: '--csv [file]',
    group: 'files',
    common: true,
    description: 'the curve as comma-separated values, to the file or to stdout',
    commands: ['sweep'],
  },
  {
    key: 'keepParams',
    flags: '--keep-params <r|n>',
    group: 'size',
    common: true,
    description: 'parameters that may stay: at most 1 a ratio, above a count',
    parse: positiveNumber('--keep-params'),
    commands: REDUCE,
  },
  {
    key: 'keepMacs',
    flags: '--keep-macs <r|n>',
    group: 'size',
    description: 'multiply-accumulates per row that may stay: at most 1 a ratio, above a count',
    parse: positiveNumber('--keep-macs'),
    commands: REDUCE,
  },
  {
    key: 'size',
    flags: '--size <size>',
    group: 'size',
    description: 'bytes that the file may have, like 2MB (10^6 bytes)',
    parse: bytes('--size'),
    commands: REDUCE,
  },
  {
    key: 'speedup',
    flags: '--speedup <x>',
    group: 'size',
    common: true,
    description: 'times as fast as the input, measured on this machine',
    parse: positiveNumber('--speedup'),
    commands: REDUCE,
  },
  {
    key: 'latencyBatch',
    flags: '--latency-batch <n>',
    group: 'size',
    description:
      'rows of a run whose latency --speedup is about (default 1); sweep measures how fast models are where it is given',
    parse: positiveInteger('--latency-batch'),
    commands: MAKING,
  },
  {
    key: 'latencyCache',
    flags: '--no-latency-cache',
    group: 'size',
    description: 'time every layer again instead of keeping the times in the cache folder of the user',
    commands: REDUCE,
  },
  {
    key: 'keep',
    flags: '--keep <node=width>',
    group: 'size',
    write: widths,
    description: 'width of one node, node=64 or node=50%, repeatable',
    parse: keepWidth,
    commands: MAKING,
  },
  {
    key: 'roundTo',
    flags: '--round-to <n|auto>',
    group: 'size',
    description:
      'widths of convolutions are multiples of n where they were, 1 for any; auto: as the kernels of this machine want (default 8; auto with --speedup)',
    parse: roundTo,
    commands: MAKING,
  },
  {
    key: 'plan',
    flags: '--plan <file>',
    group: 'size',
    description: 'apply the widths of a plan, without a search',
    commands: REDUCE,
  },
  {
    key: 'planOut',
    flags: '--plan-out <file>',
    group: 'size',
    description: 'write the widths that were found, to be read, edited and given to --plan',
    commands: REDUCE,
  },
  {
    key: 'maxError',
    flags: '--max-error <measure=e>',
    group: 'size',
    common: true,
    write: maxErrorText,
    description:
      'the smallest model within this error: nrmse=1e-2 (default where no budget is given), or with --metric score=-0.5%',
    parse: maxError,
    commands: REDUCE,
  },
  {
    key: 'trials',
    flags: '--trials <n>',
    group: 'size',
    description:
      'models that the search for widths makes and measures, 0 for none (default: by their cost, at most 24)',
    parse: wholeNumber('--trials'),
    commands: MAKING,
  },
  {
    key: 'include',
    flags: '--include <pattern>',
    group: 'method',
    write: list,
    description: 'only nodes whose name matches (* and ?), repeatable',
    parse: collect,
    commands: ANALYSING,
  },
  {
    key: 'exclude',
    flags: '--exclude <pattern>',
    group: 'method',
    write: list,
    description: 'no node whose name matches, repeatable',
    parse: collect,
    commands: ANALYSING,
  },
  {
    key: 'tolerance',
    flags: '--tolerance <list>',
    group: 'check',
    common: true,
    description: 'limits of the check: nrmse=1e-2,max-abs=0.1,agreement=0.98,…; with --metric score=-0.5%',
    commands: CHECKING,
  },
  {
    key: 'metric',
    flags: '--metric <file.mjs>',
    group: 'check',
    common: true,
    description: 'a module exporting score(outputs, feeds, labels): a measure of your own',
    commands: CHECKING,
  },
  {
    key: 'rollout',
    flags: '--rollout <k>',
    group: 'check',
    description:
      'for models that step in time: how the error grows when outputs are fed back k times (with --feedback)',
    parse: positiveInteger('--rollout'),
    commands: COMPARING,
  },
  {
    key: 'feedback',
    flags: '--feedback <output:input>',
    group: 'check',
    write: list,
    description:
      'the output that becomes an input of the next step, or output+:input for a change that is added; columns, factors and scaling: docs/rollout.md; repeatable',
    parse: collect,
    commands: COMPARING,
  },
  {
    key: 'rowTolerance',
    flags: '--row-tolerance <rms>',
    group: 'check',
    description: 'a check row above this counts as exceeded in the bound (default 0.1)',
    parse: positiveNumber('--row-tolerance'),
    commands: CHECKING,
  },
  {
    key: 'classes',
    flags: '--classes <output>',
    group: 'check',
    write: list,
    description: 'this output holds class scores: judge it by top-1 agreement, repeatable',
    parse: collect,
    commands: CHECKING,
  },
  {
    key: 'provider',
    flags: '--provider <name>',
    group: 'running',
    description: `execution provider: ${PROVIDERS.join(', ')}, auto (default cpu)`,
    choices: [...PROVIDERS, 'auto'],
    commands: RUNNING,
  },
  {
    key: 'batch',
    flags: '--batch <n>',
    group: 'running',
    description: 'rows per run (default: by --memory)',
    parse: positiveInteger('--batch'),
    commands: [...CHECKING, 'inspect'],
  },
  {
    key: 'batch',
    flags: '--batch <n,…>',
    group: 'running',
    common: true,
    write: commaList,
    description: 'rows of a run, several sizes with commas (default 1,64)',
    parse: integers('--batch'),
    commands: ['bench'],
  },
  {
    key: 'seconds',
    flags: '--seconds <s>',
    group: 'running',
    common: true,
    description: 'seconds for each batch size (default 3)',
    parse: positiveNumber('--seconds'),
    commands: ['bench'],
  },
  {
    key: 'positions',
    flags: '--positions <n>',
    group: 'method',
    description:
      'positions of each map that a row contributes at a convolution (default: by rows and features, at least 49)',
    parse: positiveInteger('--positions'),
    commands: ANALYSING,
  },
  {
    key: 'memory',
    flags: '--memory <size>',
    group: 'running',
    description: 'for cached values and batches (default 2GB)',
    parse: bytes('--memory'),
    commands: [...WRITING, 'inspect'],
  },
  {
    key: 'gate',
    flags: '--no-gate',
    group: 'check',
    description: 'write even if the check fails; the file is marked as unverified',
    commands: WRITING,
  },
  {
    key: 'inPlace',
    flags: '--in-place',
    group: 'files',
    common: true,
    description: 'allow the output to replace the input (the student of distill), and --emit another model',
    commands: WRITING,
  },
  {
    key: 'externalData',
    flags: '--external-data [name]',
    group: 'files',
    description: 'write large tensors to a file beside the model (default name: small.onnx.data for small.onnx)',
    commands: WRITING,
  },
  {
    key: 'externalThreshold',
    flags: '--external-threshold <bytes>',
    group: 'files',
    description: 'smallest tensor that goes there (default 1024)',
    parse: positiveInteger('--external-threshold'),
    commands: WRITING,
  },
  {
    key: 'emit',
    flags: '--emit <triton:repository/name>',
    group: 'files',
    description: 'write the model into a model repository of Triton Inference Server as well',
    write: emitText,
    parse: emitTarget,
    commands: WRITING,
  },
  {
    key: 'sidecar',
    flags: '--sidecar',
    group: 'files',
    description: 'write the report beside the model: small.condense.json for small.onnx',
    commands: WRITING,
  },
  {
    key: 'report',
    flags: '--report <file.html>',
    group: 'report',
    common: true,
    description: 'a page about the run: verdict, network, layers, outputs, how to repeat it',
    commands: [...CHECKING, 'inspect'],
  },
  {
    key: 'json',
    flags: '--json',
    group: 'report',
    common: true,
    description: 'print the report as one JSON document on stdout',
    commands: COMMANDS,
  },
  {
    key: 'quiet',
    flags: '--quiet',
    group: 'report',
    common: true,
    description: 'no table and no progress',
    commands: COMMANDS,
  },
  {
    key: 'config',
    flags: '--config <file>',
    group: 'report',
    common: true,
    description: 'take options from a file (default: onnx-condense.config.json or .mjs)',
    commands: COMMANDS,
  },
  {
    key: 'config',
    flags: '--no-config',
    group: 'report',
    description: 'take no options from a file',
    commands: COMMANDS,
  },
  {
    key: 'printConfig',
    flags: '--print-config',
    group: 'report',
    description: 'print the options that hold, those of the file with them, as JSON, and end',
    commands: COMMANDS,
  },
];

/** The options of a command, by what they are about. */
export function optionsOf(command: CommandName): OptionSpec[] {
  const groups = Object.keys(OPTION_GROUPS);
  const own = OPTIONS.filter((o) => o.commands.includes(command));
  return own.toSorted((a, b) => groups.indexOf(a.group) - groups.indexOf(b.group));
}
