/** `mandate completion`: scripts made from the command's own description, so that they cannot differ from it. */
import type { Command } from 'commander'

/** Prints the script for a shell. */
export function completion(program: Command, shell: string): void {
  const words = program.commands.map((command) => ({
    name: command.name(),
    about: command.description(),
    options: command.options.map(({ short, long, argChoices = [] }) => ({ short, long: long ?? '', choices: argChoices })),
    choices:
      command.name() === 'help'
        ? program.commands.map((one) => one.name())
        : command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
  }))
  process.stdout.write(scripts[shell]?.(words) ?? '')
}

interface OptionWord {
  readonly short: string | undefined
  readonly long: string
  /** What it may be given; empty for anything. */
  readonly choices: readonly string[]
}

interface Word {
  readonly name: string
  readonly about: string
  readonly options: readonly OptionWord[]
  /** What its argument may be; empty for a file, or for none. */
  readonly choices: readonly string[]
}

const spelt = ({ short, long }: OptionWord) => (short === undefined ? [long] : [long, short])

const bashCommand = ({ name, options, choices }: Word) => {
  const limited = options.filter((option) => option.choices.length > 0)
  const offered = [...options.flatMap(spelt), '--help', ...choices].join(' ')
  return [
    `    ${name})`,
    '      case "$before" in',
    ...limited.map(
      (option) => `        ${spelt(option).join('|')}) COMPREPLY=( $(compgen -W "${option.choices.join(' ')}" -- "$word") ); return ;;`,
    ),
    '      esac',
    `      COMPREPLY=( $(compgen -W "${offered}" -- "$word")${choices.length === 0 ? ' $(compgen -f -- "$word")' : ''} ) ;;`,
  ].join('\n')
}

const bash = (words: readonly Word[]) => `_mandate() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=( $(compgen -W "${words.map(({ name }) => name).join(' ')} --help --version" -- "$word") )
    return
  fi
  case "\${COMP_WORDS[1]}" in
${words.map(bashCommand).join('\n')}
  esac
}
complete -F _mandate mandate
`

/** Text in single quotes, as fish reads it. */
const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

const fishCommand = ({ name, about, options, choices }: Word) => [
  `complete -c mandate -n __fish_use_subcommand -a ${name} -d ${quoted(about)}`,
  ...(choices.length === 0 ? [] : [`complete -c mandate -n '__fish_seen_subcommand_from ${name}' -f -a ${quoted(choices.join(' '))}`]),
  ...options.map(({ short, long, choices: some }) =>
    [
      `complete -c mandate -n '__fish_seen_subcommand_from ${name}' -l ${long.replace(/^--/, '')}`,
      ...(short === undefined ? [] : [`-s ${short.replace(/^-/, '')}`]),
      ...(some.length === 0 ? [] : [`-x -a ${quoted(some.join(' '))}`]),
    ].join(' '),
  ),
]

const scripts: Readonly<Record<string, (words: readonly Word[]) => string>> = {
  bash,
  zsh: (words) => `autoload -U +X bashcompinit && bashcompinit\n${bash(words)}`,
  fish: (words) => words.flatMap(fishCommand).join('\n').concat('\n'),
}
