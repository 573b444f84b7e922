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
'-a[Show every service]' \
'--all[Show every service]' \
'--failed[Show only services that failed, wait for their next start, or are unhealthy]' \
'-u[Show how many processes each has, their time on a processor, and their resident memory]' \
'--usage[Show how many processes each has, their time on a processor, and their resident memory]' \
'--json[Print a JSON array with every service]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(ls)
_arguments "${_arguments_options[@]}" : \
'-a[Show every service]' \
'--all[Show every service]' \
'--failed[Show only services that failed, wait for their next start, or are unhealthy]' \
'-u[Show how many processes each has, their time on a processor, and their resident memory]' \
'--usage[Show how many processes each has, their time on a processor, and their resident memory]' \
'--json[Print a JSON array with every service]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
'-n+[Show this many lines of output]:N:_default' \
'--lines=[Show this many lines of output]:N:_default' \
'--json[Print a JSON array]' \
'-h[Print help]' \
'--help[Print help]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(why)
_arguments "${_arguments_options[@]}" : \
'-n+[Show this many lines of output of each service that has a part in it]:N:_default' \
'--lines=[Show this many lines of output of each service that has a part in it]:N:_default' \
'--json[Print a JSON array]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(explain)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
'*::ids -- Ids of messages, as they stand in brackets there, or exit codes:_default' \
&& ret=0
;;
(tree)
_arguments "${_arguments_options[@]}" : \
'--json[Print a JSON array]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(top)
_arguments "${_arguments_options[@]}" : \
'-i+[How long to wait between two looks; 100ms at least]:TIME:_default' \
'--interval=[How long to wait between two looks; 100ms at least]:TIME:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(deps)
_arguments "${_arguments_options[@]}" : \
'-r[Show what depends on them instead]' \
'--reverse[Show what depends on them instead]' \
'--json[Print a JSON array of the services that are shown]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(graph)
_arguments "${_arguments_options[@]}" : \
'-f+[The language of the picture]:FORMAT:((dot\:"Graphviz"
mermaid\:"Mermaid"))' \
'--format=[The language of the picture]:FORMAT:((dot\:"Graphviz"
mermaid\:"Mermaid"))' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(is-active)
_arguments "${_arguments_options[@]}" : \
'-q[Print nothing\: the exit code is the answer]' \
'--quiet[Print nothing\: the exit code is the answer]' \
'-h[Print help]' \
'--help[Print help]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(is-failed)
_arguments "${_arguments_options[@]}" : \
'-q[Print nothing\: the exit code is the answer]' \
'--quiet[Print nothing\: the exit code is the answer]' \
'-h[Print help]' \
'--help[Print help]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(history)
_arguments "${_arguments_options[@]}" : \
'-n+[Show at most this many of the last changes]:N:_default' \
'--lines=[Show at most this many of the last changes]:N:_default' \
'--since=[Leave out changes that are older than this (30s, 5m, 1d)]:TIME:_default' \
'--json[Print one JSON object a line]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Names of services and bundles; without any, all services:_svctl_names' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'--secrets[Show values that look secret, too]' \
'--json[Print a JSON array]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(diff)
_arguments "${_arguments_options[@]}" : \
'--exit-code[End with exit code 1 if a reload would change something]' \
'--json[Print a JSON array]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(report)
_arguments "${_arguments_options[@]}" : \
'-n+[Show this many lines of output of each service that has a part in what is wrong]:N:_default' \
'--lines=[Show this many lines of output of each service that has a part in what is wrong]:N:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(start)
_arguments "${_arguments_options[@]}" : \
'(--no-wait)-t+[Stop waiting after this time (30s, 5m); init still carries out the request]:TIME:_default' \
'(--no-wait)--timeout=[Stop waiting after this time (30s, 5m); init still carries out the request]:TIME:_default' \
'()--all[Start everything that starts at boot]' \
'--no-wait[Return at once instead of when it is done]' \
'-h[Print help]' \
'--help[Print help]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(stop)
_arguments "${_arguments_options[@]}" : \
'(--no-wait)-t+[Stop waiting after this time (30s, 5m); init still carries out the request]:TIME:_default' \
'(--no-wait)--timeout=[Stop waiting after this time (30s, 5m); init still carries out the request]:TIME:_default' \
'--no-wait[Return at once instead of when it is done]' \
'-h[Print help]' \
'--help[Print help]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(restart)
_arguments "${_arguments_options[@]}" : \
'(--no-wait)-t+[Stop waiting after this time (30s, 5m); init still carries out the request]:TIME:_default' \
'(--no-wait)--timeout=[Stop waiting after this time (30s, 5m); init still carries out the request]:TIME:_default' \
'(--changed)--with-dependents[Stop what requires them first, and start it again afterwards]' \
'--changed[Restart those whose definition on disk is newer than the one they run with\: of these, or of all]' \
'--no-wait[Return at once instead of when it is done]' \
'-h[Print help]' \
'--help[Print help]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(scale)
_arguments "${_arguments_options[@]}" : \
'(--no-wait)-t+[Stop waiting after this time (30s, 5m); init still carries out the request]:TIME:_default' \
'(--no-wait)--timeout=[Stop waiting after this time (30s, 5m); init still carries out the request]:TIME:_default' \
'--no-wait[Return at once instead of when it is done]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::counts -- Templates and numbers of instances:_default' \
&& ret=0
;;
(set)
_arguments "${_arguments_options[@]}" : \
'--reset[Take back all that was set before]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- The name of a service or template:_default' \
'*::keys -- Keys with the tables that they are in, and their values:_default' \
&& ret=0
;;
(hold)
_arguments "${_arguments_options[@]}" : \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(release)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(run)
_arguments "${_arguments_options[@]}" : \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- The name of a service:_default' \
'*::command -- The command and its arguments:_default' \
&& ret=0
;;
(timer)
_arguments "${_arguments_options[@]}" : \
'(--at)--every=[So often\: 1h, 1d. The first time comes that long after the start, or after the time in the stamp]:TIME:_default' \
'*--at=[At this time of each day, of the time zone in TZ; may be given several times]:HH:MM:_default' \
'--stamp=[Keep in this file when they were due last]:FILE:_files' \
'(--no-wait)-t+[Stop waiting after this time (30s, 5m); init still carries out the request]:TIME:_default' \
'(--no-wait)--timeout=[Stop waiting after this time (30s, 5m); init still carries out the request]:TIME:_default' \
'--no-wait[Return at once instead of when it is done]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(serve)
_arguments "${_arguments_options[@]}" : \
'--listen=[Where to listen\: ADDRESS\:PORT, or unix\:/PATH for a socket of its owner]:WHERE:_default' \
'--token-file=[A file with the token that lets its holder read output and change services; only its owner may read it]:FILE:_files' \
'*--host=[Another name by which it may be asked, such as that of a proxy before it; may be given several times]:NAME:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(ship)
_arguments "${_arguments_options[@]}" : \
'--position=[Keep in this file how far it is, so that another start does not send the same again]:FILE:_files' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::to -- Where to:_default' \
&& ret=0
;;
(signal)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
':signal -- Name or number of the signal\: HUP, SIGUSR1, 15:(HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS)' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(kill)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
':signal -- Name or number of the signal\: HUP, SIGUSR1, 15:(HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS)' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(reload)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
'*::names -- Names of services and bundles; without any, init reads its service definitions again:_svctl_names' \
&& ret=0
;;
(apply)
_arguments "${_arguments_options[@]}" : \
'-t+[How long it may take until all that changed is ready; otherwise the definitions of before come back]:TIME:_default' \
'--timeout=[How long it may take until all that changed is ready; otherwise the definitions of before come back]:TIME:_default' \
'--dry-run[Show what it would do, and do nothing]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(reexec)
_arguments "${_arguments_options[@]}" : \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(wait)
_arguments "${_arguments_options[@]}" : \
'-t+[Stop waiting after this time (30s, 5m)]:TIME:_default' \
'--timeout=[Stop waiting after this time (30s, 5m)]:TIME:_default' \
'--ready[Wait until they are ready, complete or skipped (the default)]' \
'(--ready)--down[Wait until none of their processes is left]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Names of services and bundles:_svctl_names' \
&& ret=0
;;
(logs)
_arguments "${_arguments_options[@]}" : \
'-n+[Show at most this many of the lines that init kept]:N:_default' \
'--lines=[Show at most this many of the lines that init kept]:N:_default' \
'--since=[Leave out lines that are older than this (30s, 5m, 1d)]:TIME:_default' \
'-g+[Leave out lines that this regular expression does not match]:PATTERN:_default' \
'--grep=[Leave out lines that this regular expression does not match]:PATTERN:_default' \
'-f[Keep running, and show new lines as they come]' \
'--follow[Keep running, and show new lines as they come]' \
'--failed[Show only the output of services that failed, wait for their next start, or are unhealthy]' \
'(-f --follow)-p[Show what services wrote before their last start, since the start before that]' \
'(-f --follow)--previous[Show what services wrote before their last start, since the start before that]' \
'-t[Print the time (UTC) before each line]' \
'--timestamps[Print the time (UTC) before each line]' \
'--json[Print one JSON object a line]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Names of services and bundles; without any, all services:_svctl_names' \
&& ret=0
;;
(events)
_arguments "${_arguments_options[@]}" : \
'--json[Print one JSON object a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(blame)
_arguments "${_arguments_options[@]}" : \
'--json[Print a JSON array]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(critical-chain)
_arguments "${_arguments_options[@]}" : \
'--json[Print a JSON array]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Names of services and bundles; without any, the whole boot:_svctl_names' \
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
'-q[Print nothing\: the exit code is the answer]' \
'--quiet[Print nothing\: the exit code is the answer]' \
'(-q --quiet)--json[Print a JSON object]' \
'--live[Whether to kill the container\: a boot that goes on counts as healthy]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(shutdown)
_arguments "${_arguments_options[@]}" : \
'--code=[The exit code of init, and so of the container]:N:_default' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(import-s6)
_arguments "${_arguments_options[@]}" : \
'--into=[Write a file for each service into this directory instead of printing them]:DIR:_files' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::directory -- The root of an image, or a directory of s6-rc'\''s service directories:_files' \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':shell -- The shell to print completions for:((bash\:"bash"
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
'status:Show services in detail, with their last lines of output' \
'why:Show why services are not up\: what they wait for, down to the cause, and what to do' \
'explain:Explain the id of a message (S1505) or an exit code (78)' \
'tree:Show services and their processes' \
'top:Show services live\: their states, what they use, and the last lines of one of them' \
'deps:Show what services depend on' \
'graph:Draw the dependencies of services, for Graphviz or Mermaid' \
'is-active:Tell whether services are up, or done\: the exit code is 0 if all of them are, else 1' \
'is-failed:Tell whether services have failed\: the exit code is 0 if any of them has, else 1' \
'history:Show the last changes of services'\'' states, with times and reasons' \
'show:Show the definition of services, and which file, line and variables each key comes from' \
'diff:Show what \`svctl reload\` would change' \
'report:Print a report for a ticket\: states, what is wrong, history, processes, the boot, without secrets' \
'start:Start services, and all that they require and want' \
'stop:Stop services, after all that requires them' \
'restart:Stop services and start them again; what requires them stays up' \
'scale:Run as many instances of a template, until the next boot' \
'set:Give a service other keys of its definition, until the next boot' \
'hold:Let nothing happen to services by itself, for a debugger\: no checks, no timeouts, no restarts' \
'release:End \`svctl hold\`' \
'run:Run a command as a service would\: its user, groups, environment, directory, limits and capabilities' \
'timer:Run oneshots at times of day, or in intervals\: a service of its own' \
'serve:Serve metrics for Prometheus, and a page\: a service of its own' \
'ship:Send the output of services, and changes of their states, elsewhere\: a service of its own' \
'signal:Send a signal to the main process of each service' \
'kill:Send a signal to the main process of each service' \
'reload:Make services reload their configuration, or init its service definitions' \
'apply:Put changed service definitions in force, and go back if they do not work' \
'reexec:Let another version of init'\''s program take the place of the running one' \
'wait:Wait until services are ready or down' \
'logs:Show the output of services' \
'events:Show every change of a service'\''s state from now on' \
'blame:Show how long each service took to start at boot, the slowest first' \
'critical-chain:Show the chain of services that the boot had to wait for' \
'plot:Draw the boot\: an SVG picture of services over time' \
'health:Tell whether all services are well, for a HEALTHCHECK' \
'shutdown:Shut the container down' \
'import-s6:Translate services of s6-overlay into service definitions' \
'completions:Print shell completions' \
    )
    _describe -t commands 'svctl commands' commands "$@"
}
(( $+functions[_svctl__subcmd__apply_commands] )) ||
_svctl__subcmd__apply_commands() {
    local commands; commands=()
    _describe -t commands 'svctl apply commands' commands "$@"
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
(( $+functions[_svctl__subcmd__deps_commands] )) ||
_svctl__subcmd__deps_commands() {
    local commands; commands=()
    _describe -t commands 'svctl deps commands' commands "$@"
}
(( $+functions[_svctl__subcmd__diff_commands] )) ||
_svctl__subcmd__diff_commands() {
    local commands; commands=()
    _describe -t commands 'svctl diff commands' commands "$@"
}
(( $+functions[_svctl__subcmd__events_commands] )) ||
_svctl__subcmd__events_commands() {
    local commands; commands=()
    _describe -t commands 'svctl events commands' commands "$@"
}
(( $+functions[_svctl__subcmd__explain_commands] )) ||
_svctl__subcmd__explain_commands() {
    local commands; commands=()
    _describe -t commands 'svctl explain commands' commands "$@"
}
(( $+functions[_svctl__subcmd__graph_commands] )) ||
_svctl__subcmd__graph_commands() {
    local commands; commands=()
    _describe -t commands 'svctl graph commands' commands "$@"
}
(( $+functions[_svctl__subcmd__health_commands] )) ||
_svctl__subcmd__health_commands() {
    local commands; commands=()
    _describe -t commands 'svctl health commands' commands "$@"
}
(( $+functions[_svctl__subcmd__history_commands] )) ||
_svctl__subcmd__history_commands() {
    local commands; commands=()
    _describe -t commands 'svctl history commands' commands "$@"
}
(( $+functions[_svctl__subcmd__hold_commands] )) ||
_svctl__subcmd__hold_commands() {
    local commands; commands=()
    _describe -t commands 'svctl hold commands' commands "$@"
}
(( $+functions[_svctl__subcmd__import-s6_commands] )) ||
_svctl__subcmd__import-s6_commands() {
    local commands; commands=()
    _describe -t commands 'svctl import-s6 commands' commands "$@"
}
(( $+functions[_svctl__subcmd__is-active_commands] )) ||
_svctl__subcmd__is-active_commands() {
    local commands; commands=()
    _describe -t commands 'svctl is-active commands' commands "$@"
}
(( $+functions[_svctl__subcmd__is-failed_commands] )) ||
_svctl__subcmd__is-failed_commands() {
    local commands; commands=()
    _describe -t commands 'svctl is-failed commands' commands "$@"
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
(( $+functions[_svctl__subcmd__reexec_commands] )) ||
_svctl__subcmd__reexec_commands() {
    local commands; commands=()
    _describe -t commands 'svctl reexec commands' commands "$@"
}
(( $+functions[_svctl__subcmd__release_commands] )) ||
_svctl__subcmd__release_commands() {
    local commands; commands=()
    _describe -t commands 'svctl release commands' commands "$@"
}
(( $+functions[_svctl__subcmd__reload_commands] )) ||
_svctl__subcmd__reload_commands() {
    local commands; commands=()
    _describe -t commands 'svctl reload commands' commands "$@"
}
(( $+functions[_svctl__subcmd__report_commands] )) ||
_svctl__subcmd__report_commands() {
    local commands; commands=()
    _describe -t commands 'svctl report commands' commands "$@"
}
(( $+functions[_svctl__subcmd__restart_commands] )) ||
_svctl__subcmd__restart_commands() {
    local commands; commands=()
    _describe -t commands 'svctl restart commands' commands "$@"
}
(( $+functions[_svctl__subcmd__run_commands] )) ||
_svctl__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'svctl run commands' commands "$@"
}
(( $+functions[_svctl__subcmd__scale_commands] )) ||
_svctl__subcmd__scale_commands() {
    local commands; commands=()
    _describe -t commands 'svctl scale commands' commands "$@"
}
(( $+functions[_svctl__subcmd__serve_commands] )) ||
_svctl__subcmd__serve_commands() {
    local commands; commands=()
    _describe -t commands 'svctl serve commands' commands "$@"
}
(( $+functions[_svctl__subcmd__set_commands] )) ||
_svctl__subcmd__set_commands() {
    local commands; commands=()
    _describe -t commands 'svctl set commands' commands "$@"
}
(( $+functions[_svctl__subcmd__ship_commands] )) ||
_svctl__subcmd__ship_commands() {
    local commands; commands=()
    _describe -t commands 'svctl ship commands' commands "$@"
}
(( $+functions[_svctl__subcmd__show_commands] )) ||
_svctl__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'svctl show commands' commands "$@"
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
(( $+functions[_svctl__subcmd__timer_commands] )) ||
_svctl__subcmd__timer_commands() {
    local commands; commands=()
    _describe -t commands 'svctl timer commands' commands "$@"
}
(( $+functions[_svctl__subcmd__top_commands] )) ||
_svctl__subcmd__top_commands() {
    local commands; commands=()
    _describe -t commands 'svctl top commands' commands "$@"
}
(( $+functions[_svctl__subcmd__tree_commands] )) ||
_svctl__subcmd__tree_commands() {
    local commands; commands=()
    _describe -t commands 'svctl tree commands' commands "$@"
}
(( $+functions[_svctl__subcmd__wait_commands] )) ||
_svctl__subcmd__wait_commands() {
    local commands; commands=()
    _describe -t commands 'svctl wait commands' commands "$@"
}
(( $+functions[_svctl__subcmd__why_commands] )) ||
_svctl__subcmd__why_commands() {
    local commands; commands=()
    _describe -t commands 'svctl why commands' commands "$@"
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
