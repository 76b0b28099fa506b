/** Completion scripts for shells, written from the lists of commands and options: the first word is a command or a model of `reduce`. */
import { COMMAND_SPECS } from './commands.js';
import { COMMANDS, OPTIONS, optionsOf, type OptionSpec } from './options.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** Where the script of a shell goes, for the help. */
export const INSTALLATION: Readonly<Record<Shell, string>> = {
  bash: 'onnx-condense completion bash > ~/.local/share/bash-completion/completions/onnx-condense',
  zsh: 'onnx-condense completion zsh > "${fpath[1]}/_onnx-condense"',
  fish: 'onnx-condense completion fish > ~/.config/fish/completions/onnx-condense.fish',
};

export function completionScript(shell: Shell): string {
  return { bash, zsh, fish }[shell]();
}

/** What may follow a flag. */
type Value = 'nothing' | 'file' | 'text' | readonly string[];

function valueOf({ flags, choices }: OptionSpec): Value {
  if (choices !== undefined) return choices;
  const placeholder = /<([^>]*)>/.exec(flags)?.[1];
  if (placeholder === undefined) return 'nothing';
  return /^(spec|file|folder)/.test(placeholder) ? 'file' : 'text';
}

const flagOf = ({ flags }: OptionSpec): string => flags.split(' ')[0]!;
/** Text in single quotes, as bash and zsh read it. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function bash(): string {
  const valued = [...new Map(OPTIONS.map((o) => [flagOf(o), valueOf(o)]))];
  const texts = valued.filter(([, value]) => value === 'text').map(([flag]) => flag);
  const files = valued.filter(([, value]) => value === 'file').map(([flag]) => flag);
  const lists = valued.flatMap(([flag, value]) => (typeof value === 'string' ? [] : [[flag, value] as const]));
  return `# bash completion of onnx-condense
_onnx_condense() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command=reduce words=
  case \${COMP_WORDS[1]} in ${COMMANDS.join('|')}|completion) [[ $COMP_CWORD -gt 1 ]] && command=\${COMP_WORDS[1]} ;; esac
  COMPREPLY=()
  # Where nothing is offered, bash completes names of files.
  case $previous in
    ${files.join('|')}) return ;;
    ${texts.join('|')}) compopt +o default; return ;;
${lists.map(([flag, list]) => `    ${flag}) words=${quoted(list.join(' '))} ;;`).join('\n')}
  esac
  if [[ -z $words && ( $current == -* || $command == completion ) ]]; then
    case $command in
${COMMANDS.map((c) => `      ${c}) words=${quoted([...optionsOf(c).map(flagOf), '--help'].join(' '))} ;;`).join('\n')}
      completion) words=${quoted(SHELLS.join(' '))} ;;
    esac
  elif [[ -z $words && $COMP_CWORD -eq 1 ]]; then
    words=${quoted([...COMMANDS, 'completion', 'help'].join(' '))}
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _onnx_condense onnx-condense
`;
}

function zsh(): string {
  // Brackets end a description, and a colon what stands before it.
  const told = (text: string): string => text.replace(/[[\]:\\]/g, '\\$&');
  const specOf = (option: OptionSpec): string => {
    const value = valueOf(option);
    const action =
      value === 'nothing'
        ? ''
        : value === 'file'
          ? ':file:_files'
          : value === 'text'
            ? ':value: '
            : `:value:(${value.join(' ')})`;
    return quoted(`*${flagOf(option)}[${told(option.description)}]${action}`);
  };
  const described = COMMANDS.map((c) => quoted(`${c}:${told(COMMAND_SPECS[c].description)}`));
  return `#compdef onnx-condense
# zsh completion of onnx-condense
_onnx_condense() {
  local command=reduce
  local -a commands=(
    ${[...described, quoted('completion:a completion script for a shell')].join('\n    ')}
  )
  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    _describe command commands
    _files
    return
  fi
  case $words[2] in ${COMMANDS.join('|')}|completion) command=$words[2] ;; esac
  case $command in
${COMMANDS.map((c) => `    ${c}) _arguments '*:file:_files' \\\n      ${optionsOf(c).map(specOf).join(' \\\n      ')} ;;`).join('\n')}
    completion) _values shell ${SHELLS.join(' ')} ;;
  esac
}
compdef _onnx_condense onnx-condense
[[ $funcstack[1] == _onnx-condense ]] && _onnx_condense "$@"
`;
}

function fish(): string {
  const told = (text: string): string => `'${text.replace(/['\\]/g, '\\$&')}'`;
  const lineOf = (option: OptionSpec): string => {
    const value = valueOf(option);
    const takes =
      value === 'nothing'
        ? ''
        : value === 'file'
          ? ' -r'
          : value === 'text'
            ? ' -x'
            : ` -x -a ${told(value.join(' '))}`;
    return `complete -c onnx-condense -n 'contains (__onnx_condense_command) ${option.commands.join(' ')}' -l ${flagOf(option).slice(2)}${takes} -d ${told(option.description)}`;
  };
  const first = "complete -c onnx-condense -n 'test (count (commandline -opc)) -eq 1'";
  return `# fish completion of onnx-condense
function __onnx_condense_command
  set -l words (commandline -opc)
  if set -q words[2]; and contains -- $words[2] ${COMMANDS.join(' ')} completion
    echo $words[2]
  else
    echo reduce
  end
end
${COMMANDS.map((c) => `${first} -a ${c} -d ${told(COMMAND_SPECS[c].description)}`).join('\n')}
${first} -a completion -d 'a completion script for a shell'
complete -c onnx-condense -n 'contains (__onnx_condense_command) completion' -f -a '${SHELLS.join(' ')}'
${OPTIONS.map(lineOf).join('\n')}
`;
}
