import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { completionScript, SHELLS, type Shell } from '../../src/cli/completion.js';
import { COMMANDS, OPTIONS } from '../../src/cli/options.js';
import { temporaryFolders } from '../temporary-folder.js';
import { runHere } from './cli.js';

const newFolder = temporaryFolders();

/** Whether a shell is installed; says so where it is not. */
function has(shell: Shell): boolean {
  const found = spawnSync(shell, ['-c', 'true']).status === 0;
  if (!found) console.warn(`the completion script of ${shell} is not run: ${shell} is not installed`);
  return found;
}

function run(shell: Shell, script: string): string {
  const { status, stdout, stderr } = spawnSync(shell, ['-c', script], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

it.each(SHELLS)('%s: the command prints a script that names every command and option', async (shell) => {
  const { code, stdout } = await runHere(['completion', shell]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: completionScript(shell) });
  for (const name of COMMANDS) expect(stdout).toContain(name);
  for (const { flags } of OPTIONS) {
    const flag = flags.split(' ')[0]!;
    expect(stdout).toContain(shell === 'fish' ? ` -l ${flag.slice(2)} ` : flag);
  }
});

describe.skipIf(!has('bash'))('bash', () => {
  /** What is offered for the last of some words. */
  const offered = (...words: string[]): string[] => {
    const file = path.join(newFolder(), 'completion');
    writeFileSync(file, completionScript('bash'));
    const line = ['onnx-condense', ...words].map((w) => `'${w}'`).join(' ');
    const script = `compopt() { :; }; source ${file}; COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _onnx_condense; echo "\${COMPREPLY[@]}"`;
    return run('bash', script).trim().split(' ');
  };

  it.each([
    [['s'], ['sweep']],
    [
      ['net.onnx', '--keep-'],
      ['--keep-params', '--keep-macs'],
    ],
    [['verify', 'a', 'b', '--tol'], ['--tolerance']],
    [['verify', 'a', 'b', '--keep'], ['']],
    [
      ['net.onnx', '--method', ''],
      ['exact', 'cosine', 'span'],
    ],
    [['net.onnx', '--data', 'da'], ['']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
  ])('%j', (words, wanted) => {
    expect(offered(...words)).toEqual(wanted);
  });
});

describe.skipIf(!has('fish'))('fish', () => {
  it.each([
    ['net.onnx --keep-', ['--keep-macs', '--keep-params']],
    ['sw', ['sweep']],
    ['net.onnx --method ', ['cosine', 'exact', 'span']],
  ])('%s', (line, wanted) => {
    const file = path.join(newFolder(), 'completion.fish');
    writeFileSync(file, completionScript('fish'));
    const lines = run('fish', `source ${file}; complete -C 'onnx-condense ${line}'`).trim().split('\n');
    expect(lines.map((l) => l.split('\t')[0]).sort()).toEqual(wanted);
  });
});

it.skipIf(!has('zsh'))('zsh reads its script', () => {
  const file = path.join(newFolder(), 'completion');
  writeFileSync(file, completionScript('zsh'));
  expect(spawnSync('zsh', ['-n', file], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});
