// Owns the scripts that bash, zsh and fish run at every TAB: they hand the words to `tickwire complete` and offer what it
// answers. Completion prints them. Invariant: nothing that was typed or answered is ever evaluated by the shell.

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}

/**
 * Needs no package of completions. Bash cuts words at = and :, which are put together again for the question; of the answer
 * it wants only what stands behind the last cut.
 */
const BASH = `# Completion of tickwire for bash: source <(tickwire completion bash)
_tickwire() {
  local program="$1" piece word prefix line answer joins= i
  local -a words=()
  COMPREPLY=()
  for ((i = 1; i <= COMP_CWORD; i++)); do
    piece="\${COMP_WORDS[i]}"
    if ((\${#words[@]} > 0)) && [[ -n "$joins" || "$piece" == [=:]* ]]; then
      words[\${#words[@]}-1]+="$piece"
    else
      words+=("$piece")
    fi
    if [[ "$piece" == *[=:] ]]; then joins=1; else joins=; fi
  done
  word="\${words[\${#words[@]}-1]}"
  if [[ "$piece" == [=:] ]]; then piece=; fi
  prefix="\${word%"$piece"}"
  answer="$("$program" complete -- "\${words[@]}" 2>/dev/null)" || return 0
  while IFS= read -r line; do
    case "$line" in
      :files) ;;
      :open) compopt -o nospace +o default 2>/dev/null ;;
      :*) compopt +o default 2>/dev/null ;;
      ?*)
        line="\${line%%$'\\t'*}"
        COMPREPLY+=("\${line#"$prefix"}")
        ;;
    esac
  done <<< "$answer"
  return 0
}
complete -o default -F _tickwire tickwire
`;

const ZSH = `#compdef tickwire
# Completion of tickwire for zsh: source <(tickwire completion zsh), after compinit.
_tickwire() {
  local line rule=words value
  local -a offers ending
  while IFS= read -r line; do
    case "$line" in
      :*) rule="\${line#:}" ;;
      ?*)
        value="\${line%%$'\\t'*}"
        offers+=("\${value//:/\\\\:}:\${line#*$'\\t'}")
        ;;
    esac
  done < <("\${words[1]}" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if [[ "$rule" == files ]]; then
    _files
    return
  fi
  if [[ "$rule" == open ]]; then ending=(-S ''); fi
  _describe -t values value offers "\${ending[@]}"
}
if [[ "\${funcstack[1]}" == _tickwire ]]; then
  _tickwire "$@"
else
  compdef _tickwire tickwire
fi
`;

const FISH = `# Completion of tickwire for fish: tickwire completion fish > ~/.config/fish/completions/tickwire.fish
function __tickwire_offers
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] complete -- $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$current"
            case ':*'
            case '*'
                printf '%s\\n' $line
        end
    end
end
complete -c tickwire -f -a '(__tickwire_offers)'
`;

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
