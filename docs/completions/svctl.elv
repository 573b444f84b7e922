
use builtin;
use str;

set edit:completion:arg-completer[svctl] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'svctl'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'svctl'= {
            cand -h 'Print help'
            cand --help 'Print help'
            cand -V 'Print version'
            cand --version 'Print version'
            cand list 'Show services and their states'
            cand ls 'Show services and their states'
            cand status 'Show one service at length, with its last lines of output'
            cand start 'Start services, and whatever they require and want'
            cand stop 'Stop services, after whatever requires them'
            cand restart 'Stop services and start them again; what requires them stays up'
            cand signal 'Send a signal to the main process of services'
            cand kill 'Send a signal to the main process of services'
            cand reload 'Make services reload their configuration, or init its plan'
            cand wait 'Wait until services are ready or down'
            cand logs 'Show the output of services'
            cand events 'Show every change of a service''s state from now on'
            cand health 'Say whether all is well: for HEALTHCHECK'
            cand shutdown 'Shut the container down'
            cand completions 'Print the completions for a shell'
        }
        &'svctl;list'= {
            cand -a 'Every service'
            cand --all 'Every service'
            cand --failed 'Only services that failed, wait for their next try, or are unhealthy'
            cand --json 'A JSON array with every service'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'svctl;ls'= {
            cand -a 'Every service'
            cand --all 'Every service'
            cand --failed 'Only services that failed, wait for their next try, or are unhealthy'
            cand --json 'A JSON array with every service'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'svctl;status'= {
            cand -n 'Lines of output to show'
            cand --lines 'Lines of output to show'
            cand --json 'A JSON array'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'svctl;start'= {
            cand -t 'Wait so long at most, as 30s or 5m; what was asked for goes on'
            cand --timeout 'Wait so long at most, as 30s or 5m; what was asked for goes on'
            cand --no-wait 'Do not wait until it is done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'svctl;stop'= {
            cand -t 'Wait so long at most, as 30s or 5m; what was asked for goes on'
            cand --timeout 'Wait so long at most, as 30s or 5m; what was asked for goes on'
            cand --no-wait 'Do not wait until it is done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'svctl;restart'= {
            cand -t 'Wait so long at most, as 30s or 5m; what was asked for goes on'
            cand --timeout 'Wait so long at most, as 30s or 5m; what was asked for goes on'
            cand --no-wait 'Do not wait until it is done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'svctl;signal'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'svctl;kill'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'svctl;reload'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'svctl;wait'= {
            cand -t 'Wait so long at most, as 30s or 5m'
            cand --timeout 'Wait so long at most, as 30s or 5m'
            cand --ready 'Until they are ready, complete or skipped (the default)'
            cand --down 'Until nothing of them runs'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'svctl;logs'= {
            cand -n 'Show at most so many of the lines that were kept'
            cand --lines 'Show at most so many of the lines that were kept'
            cand -f 'Stay, and show what comes'
            cand --follow 'Stay, and show what comes'
            cand -t 'Begin each line with its time (UTC)'
            cand --timestamps 'Begin each line with its time (UTC)'
            cand --json 'One JSON object a line'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'svctl;events'= {
            cand --json 'One JSON object a line'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'svctl;health'= {
            cand -q 'Only the exit code'
            cand --quiet 'Only the exit code'
            cand --json 'A JSON object'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'svctl;shutdown'= {
            cand --code 'The container''s exit code'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'svctl;completions'= {
            cand -h 'Print help'
            cand --help 'Print help'
        }
    ]
    $completions[$command]
}
