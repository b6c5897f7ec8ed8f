# bash completion for mailweir. Made by `mailweir manual completion bash`: do not edit.
_mailweir() {
    local current=${COMP_WORDS[COMP_CWORD]} options=''
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W 'run check simulate test explain replay view sink rules version help' -- "$current"))
        return
    fi
    if [ "$COMP_CWORD" -eq 2 ] && [ "${COMP_WORDS[1]}" = rules ]; then
        COMPREPLY=($(compgen -W 'lint fmt bench import unused slow top syntax manual help' -- "$current"))
        return
    fi
    case ${COMP_WORDS[1]} in
        run) options='--config --help' ;;
        check) options='--config --stages --cost --upstream --help' ;;
        simulate) options='--config --client --name --listener --server --tls --user --show-message --annotate --raw --help' ;;
        test) options='--config --coverage --help' ;;
        explain) options='--config --client --name --helo --user --from --to --listener --help' ;;
        replay) options='--config --against --client --from --to --json --jobs --help' ;;
        view) options='--json --help' ;;
        sink) options='--listen --maildir --help' ;;
        rules) options='--check --mail --as --control --counters --filter --count --help' ;;
        version) options='--help' ;;
        help) options='--help' ;;
    esac
    case $current in
        -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
        *) COMPREPLY=($(compgen -f -- "$current")) ;;
    esac
}
complete -o filenames -F _mailweir mailweir
