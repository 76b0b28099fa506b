import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parseFeedback } from '../../src/verify/feedback.js';

const page = readFileSync(path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../docs/rollout.md'), 'utf8');

it('every feedback of docs/rollout.md is understood', () => {
  const inTable = [...page.matchAll(/^\| `([^`]+:[^`]+)`/gm)].map((m) => m[1]!);
  const inCommands = [...page.matchAll(/--feedback '?([^\s'`]+:[^\s'`]+)/g)].map((m) => m[1]!);
  expect([inTable.length, inCommands.length]).toEqual([6, 2]);
  for (const text of [...inTable, ...inCommands])
    expect(parseFeedback(text, ['next', 'change', 'rate'], ['state'])).toMatchObject({ input: 'state' });
});
