/**
 * Option values as the library takes them, written the way that they stand on a command line: what parse.ts reads. Each gives undefined for an
 * object that is no such value.
 */
import { formatScoreChange } from '../verify/user-metric.js';

/** What one value of an option is in text; several texts for an option that is repeated. */
export type Written = string | readonly string[] | undefined;

/** A list whose entries are repeated options. */
export function list(value: object): Written {
  return Array.isArray(value) && value.every(isPlain) ? value.map(String) : undefined;
}

/** A list in one text. */
export function commaList(value: object): Written {
  return Array.isArray(value) && value.every(isPlain) ? value.join(',') : undefined;
}

/** `{ fc1: 64, fc2: '50%', fc3: { ratio: 0.5 } }`, or a list of such texts. */
export function widths(value: object): Written {
  if (Array.isArray(value)) return list(value);
  return all(Object.entries(value), ([node, width]: [string, unknown]) => {
    const text = isPlain(width) ? String(width) : percentOf(width);
    return text && `${node}=${text}`;
  });
}

/** `{ epochs: 20 }` */
export function trainingLengthText(value: object): Written {
  const [[unit, count] = [], ...more] = Object.entries(value) as [string, unknown][];
  return unit !== undefined && isPlain(count) && more.length === 0 ? `${count}${unit}` : undefined;
}

/** `{ key: 'trajectory' }` */
export function groupText(value: object): Written {
  return 'key' in value && isPlain(value.key) ? String(value.key) : undefined;
}

/** `[192, 256]` */
export function imageSizeText(value: object): Written {
  return Array.isArray(value) && value.every(isPlain) ? value.join('x') : undefined;
}

/** `{ flip: true, shift: 0.1 }` */
export function augmentationText(value: object): Written {
  const entries = Object.entries(value).filter(([, amount]) => amount !== false);
  return all(entries, ([name, amount]: [string, unknown]) =>
    amount === true ? name : isPlain(amount) ? `${name}=${amount}` : undefined,
  )?.join(',');
}

/** `{ score: -0.5 }` or `{ score: { ratio: -0.005 } }` */
export function maxErrorText(value: object): Written {
  if (!('score' in value)) return undefined;
  const { score } = value;
  if (isPlain(score)) return `score=${score}`;
  const ratio = ratioOf(score);
  return ratio === undefined ? undefined : `score=${formatScoreChange({ ratio })}`;
}

/** `{ repository: 'models', name: 'net' }` */
export function emitText(value: object): Written {
  if (!('repository' in value && 'name' in value && isPlain(value.repository) && isPlain(value.name))) return undefined;
  return `triton:${value.repository}/${value.name}`;
}

export function isPlain(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}

function ratioOf(value: unknown): number | undefined {
  return typeof value === 'object' && value !== null && 'ratio' in value && typeof value.ratio === 'number'
    ? value.ratio
    : undefined;
}

function percentOf(value: unknown): string | undefined {
  const ratio = ratioOf(value);
  return ratio === undefined ? undefined : `${Number((100 * ratio).toPrecision(12))}%`;
}

/** The texts of all entries; undefined where one has none. */
function all<T>(entries: readonly T[], text: (entry: T) => string | undefined): string[] | undefined {
  const texts = entries.map(text);
  return texts.every((t) => t !== undefined && t !== '') ? (texts as string[]) : undefined;
}
