/** `mandate completion`: scripts made from the command's own description, so that they cannot differ from it. */
import type { Command } from 'commander'

/** Prints the script for a shell. */
export function completion(program: Command, shell: string): void {
  const words = program.commands.map((command) => ({
    name: command.name(),
    about: command.description(),
    options: command.options.map(({ long }) => long ?? '').filter(Boolean),
  }))
  process.stdout.write(scripts[shell]?.(words) ?? '')
}

interface Word {
  readonly name: string
  readonly about: string
  readonly options: readonly string[]
}

const bash = (words: readonly Word[]) => `_mandate() {
  local word="\${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=( $(compgen -W "${words.map(({ name }) => name).join(' ')} --help --version" -- "$word") )
    return
  fi
  case "\${COMP_WORDS[1]}" in
${words.map(({ name, options }) => `    ${name}) COMPREPLY=( $(compgen -W "${[...options, '--help'].join(' ')}" -- "$word") $(compgen -f -- "$word") ) ;;`).join('\n')}
  esac
}
complete -F _mandate mandate
`

const scripts: Readonly<Record<string, (words: readonly Word[]) => string>> = {
  bash,
  zsh: (words) => `autoload -U +X bashcompinit && bashcompinit\n${bash(words)}`,
  fish: (words) =>
    words
      .flatMap(({ name, about, options }) => [
        `complete -c mandate -n __fish_use_subcommand -a ${name} -d '${about.replaceAll("'", '')}'`,
        ...options.map((option) => `complete -c mandate -n '__fish_seen_subcommand_from ${name}' -l ${option.replace(/^--/, '')}`),
      ])
      .join('\n')
      .concat('\n'),
}
