# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_svctl_global_optspecs
    string join \n h/help V/version
end

function __fish_svctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_svctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_svctl_using_subcommand
    set -l cmd (__fish_svctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c svctl -n "__fish_svctl_needs_command" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_needs_command" -s V -l version -d 'Print version'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "list" -d 'Show services and their states'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "ls" -d 'Show services and their states'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "status" -d 'Show services in detail, with their last lines of output'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "why" -d 'Show why services are not up: what they wait for, down to the cause, and what to do'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "explain" -d 'Explain the id of a message (S1505) or an exit code (78)'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "tree" -d 'Show services and their processes'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "top" -d 'Show services live: their states, what they use, and the last lines of one of them'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "deps" -d 'Show what services depend on'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "graph" -d 'Draw the dependencies of services, for Graphviz or Mermaid'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "is-active" -d 'Tell whether services are up, or done: the exit code is 0 if all of them are, else 1'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "is-failed" -d 'Tell whether services have failed: the exit code is 0 if any of them has, else 1'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "history" -d 'Show the last changes of services\' states, with times and reasons'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "show" -d 'Show the definition of services, and which file, line and variables each key comes from'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "diff" -d 'Show what `svctl reload` would change'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "report" -d 'Print a report for a ticket: states, what is wrong, history, processes, the boot, without secrets'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "start" -d 'Start services, and all that they require and want'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "stop" -d 'Stop services, after all that requires them'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "restart" -d 'Stop services and start them again; what requires them stays up'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "scale" -d 'Run as many instances of a template, until the next boot'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "set" -d 'Give a service other keys of its definition, until the next boot'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "hold" -d 'Let nothing happen to services by itself, for a debugger: no checks, no timeouts, no restarts'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "release" -d 'End `svctl hold`'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "run" -d 'Run a command as a service would: its user, groups, environment, directory, limits and capabilities'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "timer" -d 'Run oneshots at times of day, or in intervals: a service of its own'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "serve" -d 'Serve metrics for Prometheus, and a page: a service of its own'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "ship" -d 'Send the output of services, and changes of their states, elsewhere: a service of its own'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "signal" -d 'Send a signal to the main process of each service'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "kill" -d 'Send a signal to the main process of each service'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "reload" -d 'Make services reload their configuration, or init its service definitions'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "apply" -d 'Put changed service definitions in force, and go back if they do not work'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "reexec" -d 'Let another version of init\'s program take the place of the running one'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "wait" -d 'Wait until services are ready or down'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "logs" -d 'Show the output of services'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "events" -d 'Show every change of a service\'s state from now on'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "blame" -d 'Show how long each service took to start at boot, the slowest first'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "critical-chain" -d 'Show the chain of services that the boot had to wait for'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "plot" -d 'Draw the boot: an SVG picture of services over time'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "health" -d 'Tell whether all services are well, for a HEALTHCHECK'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "shutdown" -d 'Shut the container down'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "import-s6" -d 'Translate services of s6-overlay into service definitions'
complete -c svctl -n "__fish_svctl_needs_command" -f -a "completions" -d 'Print shell completions'
complete -c svctl -n "__fish_svctl_using_subcommand list" -s a -l all -d 'Show every service'
complete -c svctl -n "__fish_svctl_using_subcommand list" -l failed -d 'Show only services that failed, wait for their next start, or are unhealthy'
complete -c svctl -n "__fish_svctl_using_subcommand list" -s u -l usage -d 'Show how many processes each has, their time on a processor, and their resident memory'
complete -c svctl -n "__fish_svctl_using_subcommand list" -l json -d 'Print a JSON array with every service'
complete -c svctl -n "__fish_svctl_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand ls" -s a -l all -d 'Show every service'
complete -c svctl -n "__fish_svctl_using_subcommand ls" -l failed -d 'Show only services that failed, wait for their next start, or are unhealthy'
complete -c svctl -n "__fish_svctl_using_subcommand ls" -s u -l usage -d 'Show how many processes each has, their time on a processor, and their resident memory'
complete -c svctl -n "__fish_svctl_using_subcommand ls" -l json -d 'Print a JSON array with every service'
complete -c svctl -n "__fish_svctl_using_subcommand ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand status" -s n -l lines -d 'Show this many lines of output' -r
complete -c svctl -n "__fish_svctl_using_subcommand status" -l json -d 'Print a JSON array'
complete -c svctl -n "__fish_svctl_using_subcommand status" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand why" -s n -l lines -d 'Show this many lines of output of each service that has a part in it' -r
complete -c svctl -n "__fish_svctl_using_subcommand why" -l json -d 'Print a JSON array'
complete -c svctl -n "__fish_svctl_using_subcommand why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand explain" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand tree" -l json -d 'Print a JSON array'
complete -c svctl -n "__fish_svctl_using_subcommand tree" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand top" -s i -l interval -d 'How long to wait between two looks; 100ms at least' -r
complete -c svctl -n "__fish_svctl_using_subcommand top" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand deps" -s r -l reverse -d 'Show what depends on them instead'
complete -c svctl -n "__fish_svctl_using_subcommand deps" -l json -d 'Print a JSON array of the services that are shown'
complete -c svctl -n "__fish_svctl_using_subcommand deps" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand graph" -s f -l format -d 'The language of the picture' -r -f -a "dot\t'Graphviz'
mermaid\t'Mermaid'"
complete -c svctl -n "__fish_svctl_using_subcommand graph" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand is-active" -s q -l quiet -d 'Print nothing: the exit code is the answer'
complete -c svctl -n "__fish_svctl_using_subcommand is-active" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand is-failed" -s q -l quiet -d 'Print nothing: the exit code is the answer'
complete -c svctl -n "__fish_svctl_using_subcommand is-failed" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand history" -s n -l lines -d 'Show at most this many of the last changes' -r
complete -c svctl -n "__fish_svctl_using_subcommand history" -l since -d 'Leave out changes that are older than this (30s, 5m, 1d)' -r
complete -c svctl -n "__fish_svctl_using_subcommand history" -l json -d 'Print one JSON object a line'
complete -c svctl -n "__fish_svctl_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand show" -l secrets -d 'Show values that look secret, too'
complete -c svctl -n "__fish_svctl_using_subcommand show" -l json -d 'Print a JSON array'
complete -c svctl -n "__fish_svctl_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand diff" -l exit-code -d 'End with exit code 1 if a reload would change something'
complete -c svctl -n "__fish_svctl_using_subcommand diff" -l json -d 'Print a JSON array'
complete -c svctl -n "__fish_svctl_using_subcommand diff" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand report" -s n -l lines -d 'Show this many lines of output of each service that has a part in what is wrong' -r
complete -c svctl -n "__fish_svctl_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand start" -s t -l timeout -d 'Stop waiting after this time (30s, 5m); init still carries out the request' -r
complete -c svctl -n "__fish_svctl_using_subcommand start" -l all -d 'Start everything that starts at boot'
complete -c svctl -n "__fish_svctl_using_subcommand start" -l no-wait -d 'Return at once instead of when it is done'
complete -c svctl -n "__fish_svctl_using_subcommand start" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand stop" -s t -l timeout -d 'Stop waiting after this time (30s, 5m); init still carries out the request' -r
complete -c svctl -n "__fish_svctl_using_subcommand stop" -l no-wait -d 'Return at once instead of when it is done'
complete -c svctl -n "__fish_svctl_using_subcommand stop" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand restart" -s t -l timeout -d 'Stop waiting after this time (30s, 5m); init still carries out the request' -r
complete -c svctl -n "__fish_svctl_using_subcommand restart" -l with-dependents -d 'Stop what requires them first, and start it again afterwards'
complete -c svctl -n "__fish_svctl_using_subcommand restart" -l changed -d 'Restart those whose definition on disk is newer than the one they run with: of these, or of all'
complete -c svctl -n "__fish_svctl_using_subcommand restart" -l no-wait -d 'Return at once instead of when it is done'
complete -c svctl -n "__fish_svctl_using_subcommand restart" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand scale" -s t -l timeout -d 'Stop waiting after this time (30s, 5m); init still carries out the request' -r
complete -c svctl -n "__fish_svctl_using_subcommand scale" -l no-wait -d 'Return at once instead of when it is done'
complete -c svctl -n "__fish_svctl_using_subcommand scale" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand set" -l reset -d 'Take back all that was set before'
complete -c svctl -n "__fish_svctl_using_subcommand set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand hold" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand release" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand timer" -l every -d 'So often: 1h, 1d. The first time comes that long after the start, or after the time in the stamp' -r
complete -c svctl -n "__fish_svctl_using_subcommand timer" -l at -d 'At this time of each day, of the time zone in TZ; may be given several times' -r
complete -c svctl -n "__fish_svctl_using_subcommand timer" -l stamp -d 'Keep in this file when they were due last' -r -F
complete -c svctl -n "__fish_svctl_using_subcommand timer" -s t -l timeout -d 'Stop waiting after this time (30s, 5m); init still carries out the request' -r
complete -c svctl -n "__fish_svctl_using_subcommand timer" -l no-wait -d 'Return at once instead of when it is done'
complete -c svctl -n "__fish_svctl_using_subcommand timer" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand serve" -l listen -d 'Where to listen: ADDRESS:PORT, or unix:/PATH for a socket of its owner' -r
complete -c svctl -n "__fish_svctl_using_subcommand serve" -l token-file -d 'A file with the token that lets its holder read output and change services; only its owner may read it' -r -F
complete -c svctl -n "__fish_svctl_using_subcommand serve" -l host -d 'Another name by which it may be asked, such as that of a proxy before it; may be given several times' -r
complete -c svctl -n "__fish_svctl_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand ship" -l position -d 'Keep in this file how far it is, so that another start does not send the same again' -r -F
complete -c svctl -n "__fish_svctl_using_subcommand ship" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand signal" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand kill" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand reload" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand apply" -s t -l timeout -d 'How long it may take until all that changed is ready; otherwise the definitions of before come back' -r
complete -c svctl -n "__fish_svctl_using_subcommand apply" -l dry-run -d 'Show what it would do, and do nothing'
complete -c svctl -n "__fish_svctl_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand reexec" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand wait" -s t -l timeout -d 'Stop waiting after this time (30s, 5m)' -r
complete -c svctl -n "__fish_svctl_using_subcommand wait" -l ready -d 'Wait until they are ready, complete or skipped (the default)'
complete -c svctl -n "__fish_svctl_using_subcommand wait" -l down -d 'Wait until none of their processes is left'
complete -c svctl -n "__fish_svctl_using_subcommand wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand logs" -s n -l lines -d 'Show at most this many of the lines that init kept' -r
complete -c svctl -n "__fish_svctl_using_subcommand logs" -l since -d 'Leave out lines that are older than this (30s, 5m, 1d)' -r
complete -c svctl -n "__fish_svctl_using_subcommand logs" -s g -l grep -d 'Leave out lines that this regular expression does not match' -r
complete -c svctl -n "__fish_svctl_using_subcommand logs" -s f -l follow -d 'Keep running, and show new lines as they come'
complete -c svctl -n "__fish_svctl_using_subcommand logs" -l failed -d 'Show only the output of services that failed, wait for their next start, or are unhealthy'
complete -c svctl -n "__fish_svctl_using_subcommand logs" -s p -l previous -d 'Show what services wrote before their last start, since the start before that'
complete -c svctl -n "__fish_svctl_using_subcommand logs" -s t -l timestamps -d 'Print the time (UTC) before each line'
complete -c svctl -n "__fish_svctl_using_subcommand logs" -l json -d 'Print one JSON object a line'
complete -c svctl -n "__fish_svctl_using_subcommand logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand events" -l json -d 'Print one JSON object a line'
complete -c svctl -n "__fish_svctl_using_subcommand events" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand blame" -l json -d 'Print a JSON array'
complete -c svctl -n "__fish_svctl_using_subcommand blame" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand critical-chain" -l json -d 'Print a JSON array'
complete -c svctl -n "__fish_svctl_using_subcommand critical-chain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand plot" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand health" -s q -l quiet -d 'Print nothing: the exit code is the answer'
complete -c svctl -n "__fish_svctl_using_subcommand health" -l json -d 'Print a JSON object'
complete -c svctl -n "__fish_svctl_using_subcommand health" -l live -d 'Whether to kill the container: a boot that goes on counts as healthy'
complete -c svctl -n "__fish_svctl_using_subcommand health" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand shutdown" -l code -d 'The exit code of init, and so of the container' -r
complete -c svctl -n "__fish_svctl_using_subcommand shutdown" -s h -l help -d 'Print help'
complete -c svctl -n "__fish_svctl_using_subcommand import-s6" -l into -d 'Write a file for each service into this directory instead of printing them' -r -F
complete -c svctl -n "__fish_svctl_using_subcommand import-s6" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_svctl_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c svctl -n "__fish_seen_subcommand_from list status why tree top deps graph is-active is-failed history show start stop restart hold release timer signal reload wait logs critical-chain ls kill" -f -a "(svctl names 2>/dev/null)"
complete -c svctl -n "__fish_seen_subcommand_from signal kill" -f -a "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
