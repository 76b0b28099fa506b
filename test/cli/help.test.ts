import { describe, expect, it } from 'vitest';
import { INSTALLATION, SHELLS } from '../../src/cli/completion.js';
import { COMMAND_SPECS } from '../../src/cli/commands.js';
import { COMMANDS, OPTION_GROUPS, OPTIONS, optionsOf } from '../../src/cli/options.js';
import { runHere } from './cli.js';

/** What is printed on stdout, and nothing else. */
async function help(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runHere(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

const flagOf = (flags: string): string => flags.split(' ')[0]!;

describe.each(COMMANDS)('%s', (command) => {
  it('--help fits on a screen, with the options that are wanted often and examples', async () => {
    const text = await help(command, '--help');
    expect(text.split('\n').length).toBeLessThanOrEqual(42);
    for (const example of COMMAND_SPECS[command].examples) expect(text).toContain(`  ${example}\n`);
    const named = optionsOf(command).filter(({ flags }) => new RegExp(`^  ${flagOf(flags)}[ \\n]`, 'm').test(text));
    expect(named).toEqual(optionsOf(command).filter((o) => o.common === true));
    expect(text).toContain(`onnx-condense ${command} --help --all`);
  });

  it('--help --all names every option, in its group; so does help --all', async () => {
    const text = await help(command, '--help', '--all');
    expect(await help('help', command, '--all')).toBe(text);
    let at = 0;
    for (const { flags, group } of optionsOf(command)) {
      expect(text).toContain(`\n${OPTION_GROUPS[group]}:\n`);
      const found = text.indexOf(`  ${flags} `);
      expect(found).toBeGreaterThan(at);
      at = found;
    }
  });
});

it('the examples of the commands have options that exist', () => {
  for (const command of COMMANDS) {
    const flags = optionsOf(command).map((o) => flagOf(o.flags));
    for (const example of COMMAND_SPECS[command].examples)
      for (const [flag] of example.matchAll(/--[a-z-]+/g)) expect(flags).toContain(flag);
  }
  expect(OPTIONS.every((o) => o.group in OPTION_GROUPS)).toBe(true);
});

it('completion --help has an example for each shell', async () => {
  const text = await help('completion', '--help');
  for (const shell of SHELLS) expect(text).toContain(`  ${INSTALLATION[shell]}\n`);
});

it('the program itself names the commands', async () => {
  const text = await help('--help');
  expect(text.split('\n').length).toBeLessThanOrEqual(42);
  for (const command of [...COMMANDS, 'completion']) expect(text).toMatch(new RegExp(`^  ${command} `, 'm'));
});
