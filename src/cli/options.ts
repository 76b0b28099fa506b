import { DATA_FORMATS } from '../calibration/sources/formats.js';
import type { ImageOptions } from '../calibration/sources/images.js';
import type { CondenseOptions } from '../condense/options.js';
import { PROVIDERS } from '../runtime/providers.js';
import type { TrainingLength } from '../train/schedule.js';
import {
  augmentation,
  bytes,
  collect,
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

/** What the CLI adds to the library's options. */
export interface CliOptions {
  readonly gate: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly inPlace?: boolean;
  readonly externalData?: string | true;
  readonly externalThreshold?: number;
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
  'inPlace',
  'externalData',
  'externalThreshold',
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

/** One command-line option: the same key as in the library, so that a rename shows up as a type error. */
export interface OptionSpec {
  readonly key: ReduceKey;
  readonly flags: string;
  readonly description: string;
  /** Turns the text (and what a repeated option held before) into the value. */
  readonly parse?: (text: string, before: never) => unknown;
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
/** Those that make models. */
const MAKING = ['reduce', 'sweep'] as const;
/** Those that write models. */
const WRITING = ['reduce', 'sweep', 'distill'] as const;
const REDUCE = ['reduce'] as const;
/** Those that train. */
const LEARNING = ['reduce', 'distill'] as const;
/** Those that look at channels. */
const ANALYSING = [...MAKING, 'inspect'] as const;

/** Every option of the commands: the parser, the help and the docs are made from this list. */
export const OPTIONS: readonly OptionSpec[] = [
  {
    key: 'data',
    flags: '--data <spec>',
    description: `calibration data, repeatable: ${DATA_FORMATS.map((f) => f.name).join(', ')}`,
    parse: collect,
    mandatory: true,
    commands: RUNNING,
  },
  {
    key: 'data',
    flags: '--data <spec>',
    description: 'data with whose shapes MACs are counted (default: one row, and 1 for every other axis that is open)',
    parse: collect,
    commands: ['diff'],
  },
  {
    key: 'test',
    flags: '--test <spec>',
    description: 'other data for the check, repeatable; then every --data row is fitted',
    parse: collect,
    commands: WRITING,
  },
  {
    key: 'holdout',
    flags: '--holdout <share>',
    description: 'share of the --data rows that only the check sees (default 0.2)',
    parse: share('--holdout'),
    commands: WRITING,
  },
  {
    key: 'group',
    flags: '--group <blocks|key>',
    description: 'keep neighbouring rows, or rows with the same value of a key, on one side',
    parse: group,
    commands: [...WRITING, 'inspect'],
  },
  {
    key: 'maxRows',
    flags: '--max-rows <n>',
    description: 'use a deterministic sample of n rows',
    parse: positiveInteger('--max-rows'),
    commands: RUNNING,
  },
  {
    key: 'imageSize',
    flags: '--image-size <n|HxW>',
    description: 'for a folder of images: height and width (default: those of the model)',
    parse: imageSize,
    commands: RUNNING,
  },
  {
    key: 'layout',
    flags: '--layout <nchw|nhwc>',
    description: 'for images: the order of the axes (default: as the model shows)',
    parse: oneOf('--layout', ['nchw', 'nhwc']),
    commands: RUNNING,
  },
  {
    key: 'scale',
    flags: '--scale <list>',
    description:
      'for images: x = (pixel * scale - mean) / std; one number or one for each channel, fractions like 1/127.5 allowed (default 1)',
    parse: numbers('--scale'),
    commands: RUNNING,
  },
  {
    key: 'mean',
    flags: '--mean <list>',
    description: 'for images, see --scale (default 0)',
    parse: numbers('--mean'),
    commands: RUNNING,
  },
  {
    key: 'std',
    flags: '--std <list>',
    description: 'for images, see --scale (default 1)',
    parse: numbers('--std'),
    commands: RUNNING,
  },
  {
    key: 'crop',
    flags: '--crop <center|none>',
    description: 'for images: fill the size and cut off what is over, or stretch (default center)',
    parse: oneOf('--crop', ['center', 'none']),
    commands: RUNNING,
  },
  {
    key: 'colours',
    flags: '--colours <rgb|bgr>',
    description: 'for images: the order of the channels (default rgb)',
    parse: oneOf('--colours', ['rgb', 'bgr']),
    commands: RUNNING,
  },
  {
    key: 'method',
    flags: '--method <exact|cosine|span>',
    description: 'how redundancy is found and absorbed (default span)',
    parse: oneOf('--method', ['exact', 'cosine', 'span']),
    commands: REDUCE,
  },
  {
    key: 'evidence',
    flags: '--evidence <weights|data>',
    description: 'what proves redundancy for exact (default weights)',
    parse: oneOf('--evidence', ['weights', 'data']),
    commands: REDUCE,
  },
  {
    key: 'threshold',
    flags: '--threshold <[node=]cosine>',
    description: 'merge at this cosine or above, for all or by node, repeatable (cosine)',
    parse: threshold,
    commands: REDUCE,
  },
  {
    key: 'select',
    flags: '--select <eliminate|cholesky>',
    description: 'how span chooses channels (default eliminate)',
    parse: oneOf('--select', ['eliminate', 'cholesky']),
    commands: MAKING,
  },
  {
    key: 'streams',
    flags: '--streams <rotate|select>',
    description: 'what span keeps of linear streams: a subspace or a subset of the channels (default rotate)',
    parse: oneOf('--streams', ['rotate', 'select']),
    commands: MAKING,
  },
  {
    key: 'train',
    flags: '--train <length>',
    description: 'how long to learn: 20epochs, 500steps or 10min (default 20epochs)',
    parse: trainingLength('--train'),
    commands: ['distill'],
  },
  {
    key: 'distill',
    flags: '--distill <length>',
    description: 'let the reduced model learn from the original one afterwards: 20epochs, 500steps or 10min',
    parse: trainingLength('--distill'),
    commands: REDUCE,
  },
  {
    key: 'steps',
    flags: '--steps <n>',
    description: 'rounds of reducing, refitting and learning on the way to the budget, in equal ratios (default 1)',
    parse: positiveInteger('--steps'),
    commands: REDUCE,
  },
  {
    key: 'learningRate',
    flags: '--learning-rate <rate>',
    description:
      'the largest one: it rises at first and falls to 0 along half a cosine (default: found by a short range test)',
    parse: positiveNumber('--learning-rate'),
    commands: LEARNING,
  },
  {
    key: 'trainBatch',
    flags: '--train-batch <n>',
    description: 'rows of a step of learning (default 256)',
    parse: positiveInteger('--train-batch'),
    commands: LEARNING,
  },
  {
    key: 'loss',
    flags: '--loss <auto|squared|huber|kl>',
    description:
      'how errors of outputs count: squared over the variance, huber for heavy tails, kl for class scores (default auto: kl where an output holds class scores)',
    parse: oneOf('--loss', ['auto', 'squared', 'huber', 'kl']),
    commands: LEARNING,
  },
  {
    key: 'temperature',
    flags: '--temperature <t>',
    description: 'what class scores are divided by before they become distributions (default 3)',
    parse: positiveNumber('--temperature'),
    commands: LEARNING,
  },
  {
    key: 'match',
    flags: '--match <weight>',
    description: 'what layers inside that kept their shape count beside the outputs (default 0)',
    parse: positiveNumber('--match'),
    commands: LEARNING,
  },
  {
    key: 'augment',
    flags: '--augment <list>',
    description:
      'changed rows that the teacher judges as well: flip and shift[=0.125] for images, noise[=0.01] and mix[=64] for rows of numbers',
    parse: augmentation,
    commands: LEARNING,
  },
  {
    key: 'weightDecay',
    flags: '--weight-decay <share>',
    description: 'share of each weight that a step takes away, times the rate (default 0)',
    parse: positiveNumber('--weight-decay'),
    commands: LEARNING,
  },
  {
    key: 'clip',
    flags: '--clip <norm>',
    description: 'gradients with a larger norm are scaled down to it (default 1)',
    parse: positiveNumber('--clip'),
    commands: LEARNING,
  },
  {
    key: 'patience',
    flags: '--patience <n>',
    description: 'end when n of the 25 looks at validation rows in a row found nothing better (default: go on)',
    parse: positiveInteger('--patience'),
    commands: LEARNING,
  },
  {
    key: 'checkpoint',
    flags: '--checkpoint <folder>',
    description: 'keep the state of learning there, and go on from it when the same command is run again',
    commands: LEARNING,
  },
  {
    key: 'seed',
    flags: '--seed <n>',
    description: 'decides the order of the rows and how they are changed (default 1)',
    parse: positiveInteger('--seed'),
    commands: LEARNING,
  },
  {
    key: 'points',
    flags: '--points <n>',
    description: 'sizes to try, in equal ratios from the full one down (default 12)',
    parse: positiveInteger('--points'),
    commands: ['sweep'],
  },
  {
    key: 'pick',
    flags: '--pick <knee|#>',
    description:
      'the model to write: that at the knee of the curve among those that pass the check, or a number of the table',
    parse: pick,
    commands: ['sweep'],
  },
  {
    key: 'csv',
    flags: '--csv [file]',
    description: 'the curve as comma-separated values, to the file or to stdout',
    commands: ['sweep'],
  },
  {
    key: 'keepParams',
    flags: '--keep-params <r|n>',
    description: 'parameters that may stay: at most 1 a ratio, above a count',
    parse: positiveNumber('--keep-params'),
    commands: REDUCE,
  },
  {
    key: 'keepMacs',
    flags: '--keep-macs <r|n>',
    description: 'multiply-accumulates per row that may stay: at most 1 a ratio, above a count',
    parse: positiveNumber('--keep-macs'),
    commands: REDUCE,
  },
  {
    key: 'size',
    flags: '--size <size>',
    description: 'bytes that the file may have, like 2MB (10^6 bytes)',
    parse: bytes('--size'),
    commands: REDUCE,
  },
  {
    key: 'speedup',
    flags: '--speedup <x>',
    description: 'times as fast as the input, measured on this machine',
    parse: positiveNumber('--speedup'),
    commands: REDUCE,
  },
  {
    key: 'latencyBatch',
    flags: '--latency-batch <n>',
    description:
      'rows of a run whose latency --speedup is about (default 1); sweep measures how fast models are where it is given',
    parse: positiveInteger('--latency-batch'),
    commands: MAKING,
  },
  {
    key: 'latencyCache',
    flags: '--no-latency-cache',
    description: 'time every layer again instead of keeping the times in the cache folder of the user',
    commands: REDUCE,
  },
  {
    key: 'keep',
    flags: '--keep <node=width>',
    description: 'width of one node, node=64 or node=50%, repeatable',
    parse: keepWidth,
    commands: MAKING,
  },
  {
    key: 'roundTo',
    flags: '--round-to <n|auto>',
    description:
      'widths of convolutions are multiples of n where they were, 1 for any; auto: as the kernels of this machine want (default 8; auto with --speedup)',
    parse: roundTo,
    commands: MAKING,
  },
  {
    key: 'plan',
    flags: '--plan <file>',
    description: 'apply the widths of a plan, without a search',
    commands: REDUCE,
  },
  {
    key: 'planOut',
    flags: '--plan-out <file>',
    description: 'write the widths that were found, to be read, edited and given to --plan',
    commands: REDUCE,
  },
  {
    key: 'maxError',
    flags: '--max-error <measure=e>',
    description:
      'the smallest model within this error: nrmse=1e-2 (default where no budget is given), or with --metric score=-0.5%',
    parse: maxError,
    commands: REDUCE,
  },
  {
    key: 'trials',
    flags: '--trials <n>',
    description:
      'models that the search for widths makes and measures, 0 for none (default: by their cost, at most 24)',
    parse: wholeNumber('--trials'),
    commands: MAKING,
  },
  {
    key: 'include',
    flags: '--include <pattern>',
    description: 'only nodes whose name matches (* and ?), repeatable',
    parse: collect,
    commands: ANALYSING,
  },
  {
    key: 'exclude',
    flags: '--exclude <pattern>',
    description: 'no node whose name matches, repeatable',
    parse: collect,
    commands: ANALYSING,
  },
  {
    key: 'tolerance',
    flags: '--tolerance <list>',
    description: 'limits of the check: nrmse=1e-2,max-abs=0.1,agreement=0.98,…; with --metric score=-0.5%',
    commands: CHECKING,
  },
  {
    key: 'metric',
    flags: '--metric <file.mjs>',
    description:
      'an ES module exporting score(outputs, feeds, labels): a measure of your own, reported before and after',
    commands: CHECKING,
  },
  {
    key: 'rowTolerance',
    flags: '--row-tolerance <rms>',
    description: 'a check row above this counts as exceeded in the bound (default 0.1)',
    parse: positiveNumber('--row-tolerance'),
    commands: CHECKING,
  },
  {
    key: 'classes',
    flags: '--classes <output>',
    description: 'this output holds class scores: judge it by top-1 agreement, repeatable',
    parse: collect,
    commands: CHECKING,
  },
  {
    key: 'provider',
    flags: '--provider <name>',
    description: `execution provider: ${PROVIDERS.join(', ')}, auto (default cpu)`,
    parse: oneOf('--provider', [...PROVIDERS, 'auto']),
    commands: RUNNING,
  },
  {
    key: 'batch',
    flags: '--batch <n>',
    description: 'rows per run (default: by --memory)',
    parse: positiveInteger('--batch'),
    commands: [...CHECKING, 'inspect'],
  },
  {
    key: 'batch',
    flags: '--batch <n,…>',
    description: 'rows of a run, several sizes with commas (default 1,64)',
    parse: integers('--batch'),
    commands: ['bench'],
  },
  {
    key: 'seconds',
    flags: '--seconds <s>',
    description: 'seconds for each batch size (default 3)',
    parse: positiveNumber('--seconds'),
    commands: ['bench'],
  },
  {
    key: 'positions',
    flags: '--positions <n>',
    description:
      'positions of each map that a row contributes at a convolution (default: by rows and features, at least 49)',
    parse: positiveInteger('--positions'),
    commands: ANALYSING,
  },
  {
    key: 'memory',
    flags: '--memory <size>',
    description: 'for cached values and batches (default 2GB)',
    parse: bytes('--memory'),
    commands: [...WRITING, 'inspect'],
  },
  {
    key: 'gate',
    flags: '--no-gate',
    description: 'write even if the check fails; the file is marked as unverified',
    commands: WRITING,
  },
  { key: 'inPlace', flags: '--in-place', description: 'allow the output to replace the input', commands: MAKING },
  {
    key: 'externalData',
    flags: '--external-data [name]',
    description: 'write large tensors to a file beside the model',
    commands: WRITING,
  },
  {
    key: 'externalThreshold',
    flags: '--external-threshold <bytes>',
    description: 'smallest tensor that goes there (default 1024)',
    parse: positiveInteger('--external-threshold'),
    commands: WRITING,
  },
  {
    key: 'report',
    flags: '--report <file.html>',
    description: 'a page about the run in one file: verdict, network, every layer, outputs, and how to repeat it',
    commands: [...CHECKING, 'inspect'],
  },
  { key: 'json', flags: '--json', description: 'print the report as one JSON document on stdout', commands: COMMANDS },
  { key: 'quiet', flags: '--quiet', description: 'no table and no progress', commands: COMMANDS },
];
