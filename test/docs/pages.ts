import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const repoRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** What people read of this project, by its path in the repository. */
export const PAGES: readonly string[] = [
  'README.md',
  'models/README.md',
  ...readdirSync(path.join(repoRoot, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export function readPage(name: string): string {
  return readFileSync(path.join(repoRoot, name), 'utf8');
}

/** A fenced block of a page. */
export interface CodeBlock {
  readonly language: string;
  readonly text: string;
}

/** Every fenced block of a page, in order. */
export function codeBlocks(page: string): CodeBlock[] {
  return [...page.matchAll(/^```(\S*)\n([^]*?)^```$/gm)].map((found) => ({ language: found[1]!, text: found[2]! }));
}

/** A page without its blocks. */
export function withoutBlocks(page: string): string {
  return page.replace(/^```[^]*?^```$/gm, '');
}
