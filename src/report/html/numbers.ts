/** Figures as people read them. */
const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 489,208 */
export function whole(value: number): string {
  return WHOLE.format(value);
}

/** 489k, 6.8M: for places where digits do not fit. */
export function brief(value: number): string {
  for (const [size, unit] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const)
    if (value >= size) return `${Number((value / size).toPrecision(3))}${unit}`;
  return String(value);
}

/** Three digits: 0.00131, 1.2e-7. */
export function short(value: number | null): string {
  if (value === null) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e6 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}

/** 41.7 % */
export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`;
}

/** A share as people say it: 99.9 %. */
export function spoken(share: number): string {
  return `${Number((100 * share).toPrecision(6))} %`;
}

/** 1.36 MB */
export function bytes(value: number): string {
  return value < 1000 ? `${value} B` : `${brief(value)}B`.replace(/([kMG])B$/, ' $1B');
}

/** One coordinate with as many digits as can be seen. */
export function at(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** A path with no more digits than can be seen. */
export function tidy(path: string | null): string {
  return (path ?? '').replace(/-?\d+\.\d+/g, (number) => at(Number(number)));
}
