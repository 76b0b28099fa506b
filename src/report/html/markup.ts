/** Markup that cannot be broken by what is put into it: everything but markup itself is escaped. */

/** A piece of finished HTML or SVG. */
export class Markup {
  /** @param text is trusted: only this folder makes markup */
  constructor(readonly text: string) {}
}

/** What a template takes; nothing stands for nothing. */
export type Fragment = Markup | string | number | undefined | null | false | readonly Fragment[];

/** A template whose values are escaped unless they are markup. Fit for text and for attributes in double quotes. */
export function html(parts: TemplateStringsArray, ...values: readonly Fragment[]): Markup {
  return new Markup(parts.reduce((text, part, i) => text + (i === 0 ? '' : textOf(values[i - 1])) + part, ''));
}

function textOf(value: Fragment): string {
  if (value === undefined || value === null || value === false) return '';
  if (value instanceof Markup) return value.text;
  if (typeof value === 'object') return value.map(textOf).join('');
  return escapeText(String(value));
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}
