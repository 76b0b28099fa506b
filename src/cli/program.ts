import { Argument, Command, CommanderError, Option } from 'commander';
import { CondenseError, ExitCode, formatDiagnostic, type Diagnostic } from '../diagnostics/diagnostic.js';
import type { BenchOptions } from '../condense/bench.js';
import type { DiffOptions } from '../condense/diff.js';
import type { DistillOptions } from '../condense/distill.js';
import type { InspectOptions } from '../condense/inspect.js';
import type { SweepOptions } from '../condense/sweep.js';
import type { VerifyOptions } from '../condense/verify.js';
import { VERSION } from '../version.js';
import { BudgetError } from '../condense/budget-error.js';
import { formatNodes } from '../report/format.js';
import type { NodeReport } from '../report/report.js';
import { benchCommand } from './bench.js';
import { COMMAND_SPECS } from './commands.js';
import { completionScript, INSTALLATION, SHELLS, type Shell } from './completion.js';
import { configFor, configText } from './config.js';
import { diffCommand } from './diff.js';
import { distillCommand } from './distill.js';
import { Interrupts } from './interrupts.js';
import { inspectCommand } from './inspect.js';
import {
  COMMANDS,
  OPTION_GROUPS,
  optionsOf,
  parserOf,
  withImages,
  type CliOptions,
  type CommandName,
} from './options.js';
import { reduceCommand, type ReduceOptions } from './reduce.js';
import { sweepCommand } from './sweep.js';
import type { Streams } from './streams.js';
import { verifyCommand } from './verify.js';

/**
 * Runs the command line. Never throws for a user's mistake.
 * @param interrupts are asked by whoever handles signals
 * @param folder where a configuration file is looked for
 * @returns the exit code
 */
export async function run(
  argv: readonly string[],
  streams: Streams,
  interrupts: Interrupts = new Interrupts(),
  folder: string = process.cwd(),
): Promise<number> {
  let code: number = ExitCode.Done;
  // Options are parsed one by one and any of them may be wrong: what decides how errors are told is read beforehand.
  let [json, quiet] = [argv.includes('--json'), argv.includes('--quiet')];
  const printing = argv.includes('--print-config');
  const helping = asksForHelp(argv);
  const allOptions = helping && argv.includes('--all');
  const actions: Readonly<Record<CommandName, (files: readonly string[], options: object) => Promise<number>>> = {
    reduce: ([input, output], options) =>
      reduceCommand(input!, output!, tidy(withImages(options as ReduceOptions)), streams, interrupts, argv),
    sweep: ([input, output], options) =>
      sweepCommand(input!, output, withImages(options as SweepOptions & CliOptions), streams, argv),
    distill: ([teacher, student, output], options) =>
      distillCommand(
        teacher!,
        student!,
        output!,
        withImages(options as DistillOptions & CliOptions),
        streams,
        interrupts,
        argv,
      ),
    verify: ([a, b], options) =>
      verifyCommand(a!, b!, withImages(options as VerifyOptions & CliOptions), streams, argv),
    bench: (models, options) => benchCommand(models, withImages(options as BenchOptions & CliOptions), streams),
    inspect: (models, options) =>
      inspectCommand(models, withImages(options as InspectOptions & CliOptions), streams, argv),
    diff: ([a, b], options) => diffCommand(a!, b!, options as DiffOptions & CliOptions, streams),
  };

  try {
    const config = helping ? undefined : await configFor(argv, folder);
    const configured = config?.values.get(COMMANDS.find((name) => name === argv[0]) ?? 'reduce');
    json ||= configured?.get('json') === true;
    quiet ||= configured?.get('quiet') === true;
    if (config !== undefined && !quiet && !printing)
      streams.stderr.write(`options are taken from ${config.file} as well\n`);
    const program = new Command('onnx-condense')
      .description(
        'Make a trained ONNX model smaller with unlabelled sample inputs, and check that it still computes the same thing.',
      )
      .version(VERSION)
      .exitOverride()
      .configureHelp({ subcommandTerm: (command) => command.name() })
      .configureOutput({
        writeOut: (text) => streams.stdout.write(text),
        writeErr: (text) => streams.stderr.write(text),
        outputError: (text, write) => {
          write(text.replace(/^error: /, 'onnx-condense: ').replace(/\n\((Did you mean .*)\)\n$/, '\n  $1\n'));
        },
      })
      .addHelpText('after', '\nThe options of a command: onnx-condense reduce --help, or --help --all for all of them');
    for (const name of COMMANDS) {
      const { description, files, examples } = COMMAND_SPECS[name];
      const command = program
        .command(name, { isDefault: name === 'reduce' })
        .description(description)
        .exitOverride()
        .showHelpAfterError(helpHint(name))
        .addHelpText('after', helpEnd(name, examples, allOptions));
      // Whoever asks for the options alone need not name a model.
      for (const file of files) command.argument(printing ? file.replace(/^<(.*)>$/, '[$1]') : file);
      addOptions(command, name, config?.values.get(name) ?? new Map<string, unknown>(), { printing, allOptions });
      command.action(async () => {
        const options = command.opts<object>();
        if (printing) streams.stdout.write(configText(options));
        else code = await actions[name](command.args, options);
      });
    }
    program
      .command('completion')
      .description('print a script that completes commands and options in a shell')
      .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
      .exitOverride()
      .showHelpAfterError(helpHint('completion'))
      .addHelpText('after', `\nExamples:\n${SHELLS.map((shell) => `  ${INSTALLATION[shell]}\n`).join('')}`)
      .action((shell: Shell) => {
        streams.stdout.write(completionScript(shell));
      });
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return ExitCode.Done;
      // commander has told the person already.
      const message = error.message.replace(/^error: /, '');
      if (json) tellDocument({ code: 'USAGE', message, exitCode: ExitCode.Usage }, undefined, streams);
      return ExitCode.Usage;
    }
    if (error instanceof CondenseError) {
      tellError(error, { json, quiet }, streams);
      return error.diagnostic.exitCode;
    }
    streams.stderr.write(
      `onnx-condense: unexpected error, please report it\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    const message = error instanceof Error ? error.message : String(error);
    if (json) tellDocument({ code: 'UNEXPECTED', message, exitCode: ExitCode.Unexpected }, undefined, streams);
    return ExitCode.Unexpected;
  }
}

/** Whoever wants to know what there is gets it whatever a configuration says. */
function asksForHelp(argv: readonly string[]): boolean {
  return (
    ['--help', '-h', '--version', '-V'].some((flag) => argv.includes(flag)) ||
    ['help', 'completion'].includes(argv[0] ?? '')
  );
}

/** The advice behind a message about the command line itself. */
function helpHint(name: string): string {
  return `  onnx-condense ${name} --help shows the options.`;
}

/** What stands below the options of a command. */
function helpEnd(name: CommandName, examples: readonly string[], allOptions: boolean): string {
  const more = allOptions ? [] : ['', `All options: onnx-condense ${name} --help --all`];
  return ['', examples.length > 1 ? 'Examples:' : 'Example:', ...examples.map((e) => `  ${e}`), ...more].join('\n');
}

/**
 * Adds the options of a command, with what a configuration sets: flags replace that.
 * @param allOptions whether the help shows all of them, by what they are about, or those alone that are wanted often
 */
function addOptions(
  command: Command,
  name: CommandName,
  configured: ReadonlyMap<string, unknown>,
  { printing, allOptions }: { readonly printing: boolean; readonly allOptions: boolean },
): void {
  for (const spec of optionsOf(name)) {
    const option = new Option(spec.flags, spec.description);
    const parse = parserOf(spec);
    const set = configured.get(spec.key);
    // A repeated option adds to what the command line said before, not to what the configuration says.
    if (parse !== undefined)
      option.argParser((text, before: unknown) => parse(text, before === set ? undefined : before));
    if (spec.mandatory === true && !printing) option.makeOptionMandatory();
    if (allOptions) option.helpGroup(`${OPTION_GROUPS[spec.group]}:`);
    else option.hideHelp(spec.common !== true);
    command.addOption(option);
  }
  for (const [key, value] of configured)
    if (value !== undefined) command.setOptionValueWithSource(key, value, 'config');
}

/** The message; where a budget cannot be met, the table of what stands in its way before it. With `--json` the same as one document. */
function tellError(error: CondenseError, { json, quiet }: { json: boolean; quiet: boolean }, streams: Streams): void {
  const nodes = error instanceof BudgetError ? error.nodes : undefined;
  if (nodes !== undefined && !quiet)
    streams.stderr.write(`${formatNodes(nodes, streams.stderr.columns || 160).join('\n')}\n`);
  streams.stderr.write(`onnx-condense: ${formatDiagnostic(error.diagnostic)}\n`);
  if (json) tellDocument(error.diagnostic, nodes, streams);
}

function tellDocument(error: Diagnostic, nodes: readonly NodeReport[] | undefined, streams: Streams): void {
  const document = { schemaVersion: 1, status: 'error', error, ...(nodes && { nodes }) };
  streams.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}

/** One threshold for all nodes is a number, several are by node. */
function tidy(options: ReduceOptions): ReduceOptions {
  const { threshold } = options;
  if (!(threshold instanceof Map) || threshold.size !== 1 || !threshold.has('*')) return options;
  return { ...options, threshold: threshold.get('*') as number };
}
