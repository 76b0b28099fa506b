import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { codeBlocks, readPage, repoRoot } from './pages.js';

const blocks = codeBlocks(readPage('docs/adding-an-operator.md')).filter(({ language }) => language === 'ts');

it.each(blocks.map(({ text }) => [text.split('\n')[0]!.replace('// ', ''), text] as const))(
  'docs/adding-an-operator.md shows what stands in %s',
  (file, text) => {
    const shown = text.slice(text.indexOf('\n') + 1);
    expect(readFileSync(path.join(repoRoot, file), 'utf8')).toContain(shown);
  },
);

it('the page goes through rules and tests', () => {
  expect(blocks.length).toBe(8);
});
