
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'svctl' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'svctl'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'svctl' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'Show services and their states')
            [CompletionResult]::new('ls', 'ls', [CompletionResultType]::ParameterValue, 'Show services and their states')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show one service at length, with its last lines of output')
            [CompletionResult]::new('start', 'start', [CompletionResultType]::ParameterValue, 'Start services, and whatever they require and want')
            [CompletionResult]::new('stop', 'stop', [CompletionResultType]::ParameterValue, 'Stop services, after whatever requires them')
            [CompletionResult]::new('restart', 'restart', [CompletionResultType]::ParameterValue, 'Stop services and start them again; what requires them stays up')
            [CompletionResult]::new('signal', 'signal', [CompletionResultType]::ParameterValue, 'Send a signal to the main process of services')
            [CompletionResult]::new('kill', 'kill', [CompletionResultType]::ParameterValue, 'Send a signal to the main process of services')
            [CompletionResult]::new('reload', 'reload', [CompletionResultType]::ParameterValue, 'Make services reload their configuration, or init its plan')
            [CompletionResult]::new('wait', 'wait', [CompletionResultType]::ParameterValue, 'Wait until services are ready or down')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Show the output of services')
            [CompletionResult]::new('events', 'events', [CompletionResultType]::ParameterValue, 'Show every change of a service''s state from now on')
            [CompletionResult]::new('health', 'health', [CompletionResultType]::ParameterValue, 'Say whether all is well: for HEALTHCHECK')
            [CompletionResult]::new('shutdown', 'shutdown', [CompletionResultType]::ParameterValue, 'Shut the container down')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completions for a shell')
            break
        }
        'svctl;list' {
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'Every service')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Every service')
            [CompletionResult]::new('--failed', '--failed', [CompletionResultType]::ParameterName, 'Only services that failed, wait for their next try, or are unhealthy')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'A JSON array with every service')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'svctl;ls' {
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'Every service')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Every service')
            [CompletionResult]::new('--failed', '--failed', [CompletionResultType]::ParameterName, 'Only services that failed, wait for their next try, or are unhealthy')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'A JSON array with every service')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'svctl;status' {
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Lines of output to show')
            [CompletionResult]::new('--lines', '--lines', [CompletionResultType]::ParameterName, 'Lines of output to show')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'A JSON array')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'svctl;start' {
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Wait so long at most, as 30s or 5m; what was asked for goes on')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Wait so long at most, as 30s or 5m; what was asked for goes on')
            [CompletionResult]::new('--no-wait', '--no-wait', [CompletionResultType]::ParameterName, 'Do not wait until it is done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'svctl;stop' {
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Wait so long at most, as 30s or 5m; what was asked for goes on')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Wait so long at most, as 30s or 5m; what was asked for goes on')
            [CompletionResult]::new('--no-wait', '--no-wait', [CompletionResultType]::ParameterName, 'Do not wait until it is done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'svctl;restart' {
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Wait so long at most, as 30s or 5m; what was asked for goes on')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Wait so long at most, as 30s or 5m; what was asked for goes on')
            [CompletionResult]::new('--no-wait', '--no-wait', [CompletionResultType]::ParameterName, 'Do not wait until it is done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'svctl;signal' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'svctl;kill' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'svctl;reload' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'svctl;wait' {
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Wait so long at most, as 30s or 5m')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Wait so long at most, as 30s or 5m')
            [CompletionResult]::new('--ready', '--ready', [CompletionResultType]::ParameterName, 'Until they are ready, complete or skipped (the default)')
            [CompletionResult]::new('--down', '--down', [CompletionResultType]::ParameterName, 'Until nothing of them runs')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'svctl;logs' {
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show at most so many of the lines that were kept')
            [CompletionResult]::new('--lines', '--lines', [CompletionResultType]::ParameterName, 'Show at most so many of the lines that were kept')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Stay, and show what comes')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Stay, and show what comes')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Begin each line with its time (UTC)')
            [CompletionResult]::new('--timestamps', '--timestamps', [CompletionResultType]::ParameterName, 'Begin each line with its time (UTC)')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'One JSON object a line')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'svctl;events' {
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'One JSON object a line')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'svctl;health' {
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only the exit code')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only the exit code')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'A JSON object')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'svctl;shutdown' {
            [CompletionResult]::new('--code', '--code', [CompletionResultType]::ParameterName, 'The container''s exit code')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'svctl;completions' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
