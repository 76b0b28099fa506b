import { stripVTControlCharacters } from 'node:util';

/** A column: its heading, and whether its cells are numbers (set to the right). */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Plain text columns, two spaces apart. Cells may hold colour codes. The last column is cut to fit `width`. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[], width = 120): string[] {
  const plain = (text: string): number => stripVTControlCharacters(text).length;
  const widths = columns.map((c, i) => Math.max(c.title.length, ...rows.map((r) => plain(r[i] ?? ''))));
  const line = (cells: readonly string[]): string => {
    let text = '';
    cells.forEach((cell, i) => {
      const gap = ' '.repeat(Math.max(0, widths[i]! - plain(cell)));
      const last = i === cells.length - 1;
      if (last && columns[i]!.align !== 'right') text += cell;
      else text += (columns[i]!.align === 'right' ? gap + cell : cell + gap) + (last ? '' : '  ');
    });
    return text === stripVTControlCharacters(text) ? cutToWidth(text, width) : text;
  };
  return [line(columns.map((c) => c.title)), ...rows.map(line)];
}

/** A line without colour codes in at most `width` columns, of which there are at least 40. */
export function cutToWidth(text: string, width: number): string {
  const limit = Math.max(width, 40);
  return text.length > limit ? `${text.slice(0, limit - 1)}…` : text;
}
