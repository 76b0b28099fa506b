import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { docsPages } from '../../scripts/docs-pages.mjs';
import { DATA_FORMATS } from '../../src/calibration/sources/formats.js';
import { REFUSALS } from '../../src/channels/refusal.js';
import { OPTIONS } from '../../src/cli/options.js';
import { ExitCode } from '../../src/diagnostics/diagnostic.js';
import { PROVIDERS } from '../../src/runtime/providers.js';
import { TOLERANCE_KEYS } from '../../src/verify/tolerance.js';

const repoRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

const pages = await docsPages({
  refusals: REFUSALS,
  options: OPTIONS,
  formats: DATA_FORMATS,
  providers: PROVIDERS,
  tolerances: TOLERANCE_KEYS,
  exitCodes: ExitCode,
});

it.each([...pages])('%s says what the code says (npm run docs)', (file, text) => {
  expect(readFileSync(path.join(repoRoot, file), 'utf8')).toBe(text);
});

it('the pages name every refusal and every option', () => {
  for (const code of Object.keys(REFUSALS)) expect(pages.get('docs/refusals.md')).toContain(`\`${code}\``);
  for (const { flags } of OPTIONS) expect(pages.get('docs/cli.md')).toContain(flags.replaceAll('|', '\\|'));
});
