import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { PAGES, readPage, repoRoot, withoutBlocks } from './pages.js';

/** A page without its code, which holds no links. */
const prose = (page: string): string => withoutBlocks(readPage(page)).replace(/`[^`\n]*`/g, '');

/** Anchors as GitHub makes them from headings. */
function anchors(page: string): string[] {
  return [...withoutBlocks(readPage(page)).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

it.each(PAGES)('every link of %s leads somewhere', (page) => {
  for (const [, target] of prose(page).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^https?:/.test(target!)) continue;
    const [file, anchor] = target!.split('#') as [string, string | undefined];
    const other = file === '' ? page : path.posix.normalize(path.posix.join(path.posix.dirname(page), file));
    expect(existsSync(path.join(repoRoot, other)), `${target!} in ${page}`).toBe(true);
    if (anchor !== undefined) expect(anchors(other), `${target!} in ${page}`).toContain(anchor);
  }
});

it('the README leads to every page of docs', () => {
  const readme = prose('README.md');
  for (const page of PAGES.filter((p) => p.startsWith('docs/'))) expect(readme).toContain(`](${page}`);
});
