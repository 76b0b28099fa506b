/** Parsers of option values. Each throws a CondenseError that names the option. */
import type { MaxError } from '../condense/options.js';
import { ExitCode, raise, type Diagnostic } from '../diagnostics/diagnostic.js';
import type { Augmentation } from '../train/augmentation.js';
import type { TritonTarget } from '../emit/triton.js';
import type { TrainingLength } from '../train/schedule.js';
import { parseScoreChange } from '../verify/user-metric.js';

export function optionInvalid(option: string, value: string, wanted: string): Diagnostic {
  return {
    code: 'OPTION_INVALID',
    message: `'${value}' is not what ${option} takes`,
    where: option,
    advice: `Give ${wanted}.`,
    exitCode: ExitCode.Usage,
  };
}

export function positiveInteger(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    return Number.isSafeInteger(value) && value > 0
      ? value
      : raise(optionInvalid(option, text, 'a whole number above 0'));
  };
}

/** `1,16`: one or several. */
export function integers(option: string): (text: string) => number[] {
  return (text) => text.split(',').map((part) => positiveInteger(option)(part));
}

export function wholeNumber(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    return text.trim() !== '' && Number.isSafeInteger(value) && value >= 0
      ? value
      : raise(optionInvalid(option, text, 'a whole number, 0 or above'));
  };
}

export function positiveNumber(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    return text.trim() !== '' && Number.isFinite(value) && value > 0
      ? value
      : raise(optionInvalid(option, text, 'a number above 0'));
  };
}

export function share(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    return text.trim() !== '' && value > 0 && value < 1
      ? value
      : raise(optionInvalid(option, text, 'a number between 0 and 1'));
  };
}

/** `auto` or a whole number. */
export function roundTo(text: string): number | 'auto' {
  const value = Number(text);
  if (text === 'auto') return text;
  return Number.isSafeInteger(value) && value > 0
    ? value
    : raise(optionInvalid('--round-to', text, 'a whole number above 0, or auto'));
}

/** `knee` or a number of the table. */
export function pick(text: string): 'knee' | number {
  const value = Number(text);
  if (text === 'knee') return text;
  return Number.isSafeInteger(value) && value > 0
    ? value
    : raise(optionInvalid('--pick', text, 'knee or a number of the table'));
}

/** `20epochs` or `500steps`. */
export function trainingLength(option: string): (text: string) => TrainingLength {
  return (text) => {
    const found = /^(\d+(?:\.\d+)?)\s*(epochs?|steps?|min(?:utes?)?)$/.exec(text);
    const count = Number(found?.[1]);
    const unit = found?.[2]?.[0];
    if (!(count > 0) || (unit === 's' && !Number.isSafeInteger(count)))
      return raise(optionInvalid(option, text, 'a length like 20epochs, 500steps or 10min'));
    return unit === 's' ? { steps: count } : unit === 'e' ? { epochs: count } : { minutes: count };
  };
}

/** What an augmentation is worth that is named without a number, and whether a number may stand with it. */
const AUGMENTATIONS: Readonly<Record<keyof Augmentation, { readonly value: number | true; readonly most?: number }>> = {
  flip: { value: true },
  shift: { value: 0.125, most: 1 },
  zoom: { value: 0.3, most: 1 },
  turn: { value: 10, most: 180 },
  light: { value: 0.3, most: 1 },
  cut: { value: true },
  noise: { value: 0.01, most: 1 },
  mix: { value: 64, most: Infinity },
};

/** A list like `flip,shift=0.1`. */
export function augmentation(text: string): Augmentation {
  const wrong = (): never =>
    raise(
      optionInvalid(
        '--augment',
        text,
        'a list of flip, cut, shift[=share], zoom[=share], turn[=degrees], light[=share], noise[=share] and mix[=rows]',
      ),
    );
  const entries = text.split(',').map((part) => {
    const [name = '', written] = part.split('=') as [string, string | undefined];
    if (!Object.hasOwn(AUGMENTATIONS, name)) return wrong();
    const { value, most } = AUGMENTATIONS[name as keyof Augmentation];
    if (written === undefined) return [name, value] as const;
    const number = Number(written);
    if (most === undefined || !(number > 0 && number < most)) return wrong();
    return name === 'mix' && !Number.isSafeInteger(number) ? wrong() : ([name, number] as const);
  });
  return Object.fromEntries(entries);
}

export function oneOf<T extends string>(option: string, choices: readonly T[]): (text: string) => T {
  return (text) =>
    choices.find((c) => c === text) ?? raise(optionInvalid(option, text, `one of ${choices.join(', ')}`));
}

/** Appends to a repeatable option. */
export function collect(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/** `nrmse=1e-3`, a bare number, or `score=-0.5%`. */
export function maxError(text: string): MaxError {
  if (text.startsWith('score=')) {
    const score = parseScoreChange(text.slice('score='.length).trim());
    return score === undefined ? raise(optionInvalid('--max-error', text, 'score=-0.5% or score=-0.005')) : { score };
  }
  const digits = text.startsWith('nrmse=') ? text.slice('nrmse='.length) : text;
  const value = Number(digits);
  return digits !== '' && Number.isFinite(value) && value > 0
    ? value
    : raise(optionInvalid('--max-error', text, 'nrmse=<number>, a number, or score=-0.5%'));
}

/** `2GB`, `500MB`, or bytes. Decimal units. */
export function bytes(option: string): (text: string) => number {
  return (text) => {
    const match = /^(\d+(?:\.\d+)?)\s*([kMGT]?)B?$/i.exec(text);
    const unit = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 }[(match?.[2] ?? '').toLowerCase()];
    return match === null || unit === undefined || Number(match[1]) === 0
      ? raise(optionInvalid(option, text, 'a size like 2GB or 500MB'))
      : Number(match[1]) * unit;
  };
}

/** `node=64` or `node=50%`, split at the last `=`. */
export function keepWidth(
  text: string,
  before: Map<string, number | { ratio: number }> | undefined,
): Map<string, number | { ratio: number }> {
  const at = text.lastIndexOf('=');
  const width = text.slice(at + 1);
  const percent = width.endsWith('%');
  const value = Number(percent ? width.slice(0, -1) : width);
  const valid =
    at > 0 && width !== '' && (percent ? value > 0 && value <= 100 : Number.isSafeInteger(value) && value > 0);
  if (!valid) raise(optionInvalid('--keep', text, 'node=64 or node=50%'));
  return new Map([...(before ?? []), [text.slice(0, at), percent ? { ratio: value / 100 } : value]]);
}

/** `0.99` for all nodes (key `*`), or `node=0.95`. */
export function threshold(text: string, before: Map<string, number> | undefined): Map<string, number> {
  const at = text.lastIndexOf('=');
  const value = Number(text.slice(at + 1));
  if (text.slice(at + 1) === '' || !(value >= 0 && value <= 1))
    raise(optionInvalid('--threshold', text, 'a cosine between 0 and 1, or node=cosine'));
  return new Map([...(before ?? []), [at < 0 ? '*' : text.slice(0, at), value]]);
}

/** `blocks`, or the key of an array in the data. */
export function group(text: string): 'blocks' | { key: string } {
  return text === 'blocks' ? 'blocks' : { key: text };
}

/** `224` or `192x256` (height x width). */
export function imageSize(text: string): [number, number] {
  const match = /^(\d+)(?:x(\d+))?$/.exec(text);
  const [height, width] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  return match !== null && height > 0 && width > 0
    ? [height, width]
    : raise(optionInvalid('--image-size', text, 'a size like 224 or 192x256'));
}

/** `0.5`, `1/127.5` or a list of one number for each channel. */
export function numbers(option: string): (text: string) => number[] {
  return (text) => {
    const values = text.split(',').map((part) => {
      const [top, bottom, more] = part.split('/').map((n) => (n.trim() === '' ? NaN : Number(n)));
      return more === undefined ? top! / (bottom ?? 1) : NaN;
    });
    return values.every(Number.isFinite) && (values.length === 1 || values.length === 3)
      ? values
      : raise(optionInvalid(option, text, 'a number, a fraction like 1/127.5, or three of them separated by commas'));
  };
}

/** `triton:<repository>/<name>` */
export function emitTarget(text: string): TritonTarget {
  const found = /^triton:(.*[^/])?\/+([^/]+)\/*$/s.exec(text);
  const name = found?.[2] ?? '';
  return name === '' || name === '.' || name === '..'
    ? raise(optionInvalid('--emit', text, 'triton:<repository>/<name>'))
    : { repository: found?.[1] ?? '/', name };
}
