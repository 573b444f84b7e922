#compdef svctl

autoload -U is-at-least

_svctl() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_svctl_commands" \
"*::: :->svctl" \
&& ret=0
    case $state in
    (svctl)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:svctl-command-$line[1]:"
        case $line[1] in
            (list)
_arguments "${_arguments_options[@]}" : \
'-a[Every service]' \
'--all[Every service]' \
'--failed[Only services that failed, wait for their next try, or are unhealthy]' \
'--json[A JSON array with every service]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Services and bundles:_svctl_names' \
&& ret=0
;;
(ls)
_arguments "${_arguments_options[@]}" : \
'-a[Every service]' \
'--all[Every service]' \
'--failed[Only services that failed, wait for their next try, or are unhealthy]' \
'--json[A JSON array with every service]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Services and bundles:_svctl_names' \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
'-n+[Lines of output to show]:N:_default' \
'--lines=[Lines of output to show]:N:_default' \
'--json[A JSON array]' \
'-h[Print help]' \
'--help[Print help]' \
'*::names -- Services and bundles:_svctl_names' \
&& ret=0
;;
(start)
_arguments "${_arguments_options[@]}" : \
'(--no-wait)-t+[Wait so long at most, as 30s or 5m; what was asked for goes on]:TIME:_default' \
'(--no-wait)--timeout=[Wait so long at most, as 30s or 5m; what was asked for goes on]:TIME:_default' \
'--no-wait[Do not wait until it is done]' \
'-h[Print help]' \
'--help[Print help]' \
'*::names -- Services and bundles:_svctl_names' \
&& ret=0
;;
(stop)
_arguments "${_arguments_options[@]}" : \
'(--no-wait)-t+[Wait so long at most, as 30s or 5m; what was asked for goes on]:TIME:_default' \
'(--no-wait)--timeout=[Wait so long at most, as 30s or 5m; what was asked for goes on]:TIME:_default' \
'--no-wait[Do not wait until it is done]' \
'-h[Print help]' \
'--help[Print help]' \
'*::names -- Services and bundles:_svctl_names' \
&& ret=0
;;
(restart)
_arguments "${_arguments_options[@]}" : \
'(--no-wait)-t+[Wait so long at most, as 30s or 5m; what was asked for goes on]:TIME:_default' \
'(--no-wait)--timeout=[Wait so long at most, as 30s or 5m; what was asked for goes on]:TIME:_default' \
'--no-wait[Do not wait until it is done]' \
'-h[Print help]' \
'--help[Print help]' \
'*::names -- Services and bundles:_svctl_names' \
&& ret=0
;;
(signal)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
':signal -- Its name or number, as HUP, SIGUSR1 or 15:(HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS)' \
'*::names -- Services and bundles:_svctl_names' \
&& ret=0
;;
(kill)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
':signal -- Its name or number, as HUP, SIGUSR1 or 15:(HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS)' \
'*::names -- Services and bundles:_svctl_names' \
&& ret=0
;;
(reload)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
'*::names -- Services and bundles; without any, init reads its service definitions again:_svctl_names' \
&& ret=0
;;
(wait)
_arguments "${_arguments_options[@]}" : \
'-t+[Wait so long at most, as 30s or 5m]:TIME:_default' \
'--timeout=[Wait so long at most, as 30s or 5m]:TIME:_default' \
'--ready[Until they are ready, complete or skipped (the default)]' \
'(--ready)--down[Until nothing of them runs]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Services and bundles:_svctl_names' \
&& ret=0
;;
(logs)
_arguments "${_arguments_options[@]}" : \
'-n+[Show at most so many of the lines that were kept]:N:_default' \
'--lines=[Show at most so many of the lines that were kept]:N:_default' \
'-f[Stay, and show what comes]' \
'--follow[Stay, and show what comes]' \
'-t[Begin each line with its time (UTC)]' \
'--timestamps[Begin each line with its time (UTC)]' \
'--json[One JSON object a line]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Services and bundles; without any, all:_svctl_names' \
&& ret=0
;;
(events)
_arguments "${_arguments_options[@]}" : \
'--json[One JSON object a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(blame)
_arguments "${_arguments_options[@]}" : \
'--json[A JSON array]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(critical-chain)
_arguments "${_arguments_options[@]}" : \
'--json[A JSON array]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Services and bundles; without any, the whole boot:_svctl_names' \
&& ret=0
;;
(plot)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(health)
_arguments "${_arguments_options[@]}" : \
'-q[Only the exit code]' \
'--quiet[Only the exit code]' \
'(-q --quiet)--json[A JSON object]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(shutdown)
_arguments "${_arguments_options[@]}" : \
'--code=[The container'\''s exit code]:N:_default' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':shell -- Which shell:((bash\:"bash"
fish\:"fish"
zsh\:"zsh"))' \
&& ret=0
;;
        esac
    ;;
esac
}

(( $+functions[_svctl_commands] )) ||
_svctl_commands() {
    local commands; commands=(
'list:Show services and their states' \
'ls:Show services and their states' \
'status:Show one service at length, with its last lines of output' \
'start:Start services, and whatever they require and want' \
'stop:Stop services, after whatever requires them' \
'restart:Stop services and start them again; what requires them stays up' \
'signal:Send a signal to the main process of services' \
'kill:Send a signal to the main process of services' \
'reload:Make services reload their configuration, or init its plan' \
'wait:Wait until services are ready or down' \
'logs:Show the output of services' \
'events:Show every change of a service'\''s state from now on' \
'blame:Show how long each service took to start at boot, the slowest first' \
'critical-chain:Show which services the boot had to wait for, one after the other' \
'plot:Draw the boot\: an SVG picture of services over time' \
'health:Say whether all is well\: for HEALTHCHECK' \
'shutdown:Shut the container down' \
'completions:Print the completions for a shell' \
    )
    _describe -t commands 'svctl commands' commands "$@"
}
(( $+functions[_svctl__subcmd__blame_commands] )) ||
_svctl__subcmd__blame_commands() {
    local commands; commands=()
    _describe -t commands 'svctl blame commands' commands "$@"
}
(( $+functions[_svctl__subcmd__completions_commands] )) ||
_svctl__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'svctl completions commands' commands "$@"
}
(( $+functions[_svctl__subcmd__critical-chain_commands] )) ||
_svctl__subcmd__critical-chain_commands() {
    local commands; commands=()
    _describe -t commands 'svctl critical-chain commands' commands "$@"
}
(( $+functions[_svctl__subcmd__events_commands] )) ||
_svctl__subcmd__events_commands() {
    local commands; commands=()
    _describe -t commands 'svctl events commands' commands "$@"
}
(( $+functions[_svctl__subcmd__health_commands] )) ||
_svctl__subcmd__health_commands() {
    local commands; commands=()
    _describe -t commands 'svctl health commands' commands "$@"
}
(( $+functions[_svctl__subcmd__list_commands] )) ||
_svctl__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'svctl list commands' commands "$@"
}
(( $+functions[_svctl__subcmd__logs_commands] )) ||
_svctl__subcmd__logs_commands() {
    local commands; commands=()
    _describe -t commands 'svctl logs commands' commands "$@"
}
(( $+functions[_svctl__subcmd__plot_commands] )) ||
_svctl__subcmd__plot_commands() {
    local commands; commands=()
    _describe -t commands 'svctl plot commands' commands "$@"
}
(( $+functions[_svctl__subcmd__reload_commands] )) ||
_svctl__subcmd__reload_commands() {
    local commands; commands=()
    _describe -t commands 'svctl reload commands' commands "$@"
}
(( $+functions[_svctl__subcmd__restart_commands] )) ||
_svctl__subcmd__restart_commands() {
    local commands; commands=()
    _describe -t commands 'svctl restart commands' commands "$@"
}
(( $+functions[_svctl__subcmd__shutdown_commands] )) ||
_svctl__subcmd__shutdown_commands() {
    local commands; commands=()
    _describe -t commands 'svctl shutdown commands' commands "$@"
}
(( $+functions[_svctl__subcmd__signal_commands] )) ||
_svctl__subcmd__signal_commands() {
    local commands; commands=()
    _describe -t commands 'svctl signal commands' commands "$@"
}
(( $+functions[_svctl__subcmd__start_commands] )) ||
_svctl__subcmd__start_commands() {
    local commands; commands=()
    _describe -t commands 'svctl start commands' commands "$@"
}
(( $+functions[_svctl__subcmd__status_commands] )) ||
_svctl__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'svctl status commands' commands "$@"
}
(( $+functions[_svctl__subcmd__stop_commands] )) ||
_svctl__subcmd__stop_commands() {
    local commands; commands=()
    _describe -t commands 'svctl stop commands' commands "$@"
}
(( $+functions[_svctl__subcmd__wait_commands] )) ||
_svctl__subcmd__wait_commands() {
    local commands; commands=()
    _describe -t commands 'svctl wait commands' commands "$@"
}

_svctl_names() {
    local -a names
    names=(${(f)"$(svctl names 2>/dev/null)"})
    compadd -a names
}

if [ "$funcstack[1]" = "_svctl" ]; then
    _svctl "$@"
else
    compdef _svctl svctl
fi
