
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'wash' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'wash'
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
        'wash' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--list', '--list', [CompletionResultType]::ParameterName, 'List the commands found')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('build', 'build', [CompletionResultType]::ParameterValue, 'Build a WebAssembly component from a project')
            [CompletionResult]::new('dev', 'dev', [CompletionResultType]::ParameterValue, 'Build a component, serve it, and swap it in when its source changes')
            [CompletionResult]::new('host', 'host', [CompletionResultType]::ParameterValue, 'Run WebAssembly components as a host on this machine')
            [CompletionResult]::new('new', 'new', [CompletionResultType]::ParameterValue, 'Create a project from a template')
            [CompletionResult]::new('completion', 'completion', [CompletionResultType]::ParameterValue, 'Print the completion script of a shell')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'wash;build' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--skip-fetch', '--skip-fetch', [CompletionResultType]::ParameterName, 'Use the WIT dependencies in `wit/deps` as they are')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;dev' {
            [CompletionResult]::new('--address', '--address', [CompletionResultType]::ParameterName, 'The address to listen on, instead of `dev.address`; port 0 takes any free port')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;host' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('run', 'run', [CompletionResultType]::ParameterValue, 'Run components, projects or Kubernetes documents, and serve them')
            [CompletionResult]::new('cache', 'cache', [CompletionResultType]::ParameterValue, 'Look after the compiled code that hosts keep')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'wash;host;run' {
            [CompletionResult]::new('--invoke', '--invoke', [CompletionResultType]::ParameterName, 'Call one function, print its result, and end: `iface#func(args)`, with arguments as WAVE writes values')
            [CompletionResult]::new('--http-addr', '--http-addr', [CompletionResultType]::ParameterName, 'Where to serve HTTP; port 0 takes any free port')
            [CompletionResult]::new('--tls-cert-path', '--tls-cert-path', [CompletionResultType]::ParameterName, 'Serve HTTPS with this certificate chain (PEM); it is read again when it changes')
            [CompletionResult]::new('--tls-key-path', '--tls-key-path', [CompletionResultType]::ParameterName, 'The private key of the certificate (PEM)')
            [CompletionResult]::new('--tls-ca-path', '--tls-ca-path', [CompletionResultType]::ParameterName, 'Serve only clients with a certificate from these authorities (PEM)')
            [CompletionResult]::new('--admin-addr', '--admin-addr', [CompletionResultType]::ParameterName, 'Where to serve `/livez`, `/readyz` and Prometheus'' `/metrics`; nowhere by default')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Set an environment variable; NAME alone hands on the host''s own')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read environment variables from a file, one `NAME=VALUE` per line; --env comes first')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Set a value of `wasi:config`')
            [CompletionResult]::new('--volume', '--volume', [CompletionResultType]::ParameterName, 'Let the component see a directory of this machine')
            [CompletionResult]::new('--allowed-host', '--allowed-host', [CompletionResultType]::ParameterName, 'Allow HTTP requests to this host, such as api.example.com or *.example.com; without any, all are allowed')
            [CompletionResult]::new('--memory-limit', '--memory-limit', [CompletionResultType]::ParameterName, 'The linear memory of an instance in MiB; no limit by default')
            [CompletionResult]::new('--pool-size', '--pool-size', [CompletionResultType]::ParameterName, 'How many instances to keep ready')
            [CompletionResult]::new('--max-invocations', '--max-invocations', [CompletionResultType]::ParameterName, 'How many requests may be in flight at once; further ones are told to come back')
            [CompletionResult]::new('--instance-reuse', '--instance-reuse', [CompletionResultType]::ParameterName, 'How many requests an instance may answer, one after another; by default each gets a fresh one')
            [CompletionResult]::new('--request-timeout', '--request-timeout', [CompletionResultType]::ParameterName, 'How long a request may take, such as 500ms or 30s')
            [CompletionResult]::new('--allow-host-path', '--allow-host-path', [CompletionResultType]::ParameterName, 'Let documents use this directory and what is below it (`hostPath` volumes, `root` of a backend)')
            [CompletionResult]::new('--image', '--image', [CompletionResultType]::ParameterName, 'Take a file for an image that documents name')
            [CompletionResult]::new('--keyvalue', '--keyvalue', [CompletionResultType]::ParameterName, 'Where `wasi:keyvalue` keeps data unless a document says otherwise: `in-memory` or `filesystem:DIR`')
            [CompletionResult]::new('--blobstore', '--blobstore', [CompletionResultType]::ParameterName, 'Where `wasi:blobstore` keeps data unless a document says otherwise: `in-memory` or `filesystem:DIR`')
            [CompletionResult]::new('--host-name', '--host-name', [CompletionResultType]::ParameterName, 'A name for people')
            [CompletionResult]::new('--friendly-name', '--friendly-name', [CompletionResultType]::ParameterName, 'A name for people')
            [CompletionResult]::new('--max-instances', '--max-instances', [CompletionResultType]::ParameterName, 'How many instances may live at once')
            [CompletionResult]::new('--drain-timeout', '--drain-timeout', [CompletionResultType]::ParameterName, 'How long requests in flight may take to finish when the host stops')
            [CompletionResult]::new('--cache-dir', '--cache-dir', [CompletionResultType]::ParameterName, 'Where compiled code is kept, instead of `wash/code` in the user''s cache folder')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--skip-build', '--skip-build', [CompletionResultType]::ParameterName, 'Serve what the last build of a project left, without building it')
            [CompletionResult]::new('--no-cache', '--no-cache', [CompletionResultType]::ParameterName, 'Neither use nor keep compiled code')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;host;cache' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List what is kept, the latest used first')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove what has not been used for long')
            [CompletionResult]::new('clear', 'clear', [CompletionResultType]::ParameterValue, 'Remove everything')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check everything that is kept, and remove what is damaged')
            [CompletionResult]::new('path', 'path', [CompletionResultType]::ParameterValue, 'Print the folder')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'wash;host;cache;list' {
            [CompletionResult]::new('--cache-dir', '--cache-dir', [CompletionResultType]::ParameterName, 'Where compiled code is kept, instead of `wash/code` in the user''s cache folder')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;host;cache;prune' {
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'How much may stay, in MiB: what has not been used for longest goes first')
            [CompletionResult]::new('--max-age', '--max-age', [CompletionResultType]::ParameterName, 'Remove what has not been used for so long, such as 30days')
            [CompletionResult]::new('--cache-dir', '--cache-dir', [CompletionResultType]::ParameterName, 'Where compiled code is kept, instead of `wash/code` in the user''s cache folder')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;host;cache;clear' {
            [CompletionResult]::new('--cache-dir', '--cache-dir', [CompletionResultType]::ParameterName, 'Where compiled code is kept, instead of `wash/code` in the user''s cache folder')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;host;cache;verify' {
            [CompletionResult]::new('--cache-dir', '--cache-dir', [CompletionResultType]::ParameterName, 'Where compiled code is kept, instead of `wash/code` in the user''s cache folder')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;host;cache;path' {
            [CompletionResult]::new('--cache-dir', '--cache-dir', [CompletionResultType]::ParameterName, 'Where compiled code is kept, instead of `wash/code` in the user''s cache folder')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;host;cache;help' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List what is kept, the latest used first')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove what has not been used for long')
            [CompletionResult]::new('clear', 'clear', [CompletionResultType]::ParameterValue, 'Remove everything')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check everything that is kept, and remove what is damaged')
            [CompletionResult]::new('path', 'path', [CompletionResultType]::ParameterValue, 'Print the folder')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'wash;host;cache;help;list' {
            break
        }
        'wash;host;cache;help;prune' {
            break
        }
        'wash;host;cache;help;clear' {
            break
        }
        'wash;host;cache;help;verify' {
            break
        }
        'wash;host;cache;help;path' {
            break
        }
        'wash;host;cache;help;help' {
            break
        }
        'wash;host;help' {
            [CompletionResult]::new('run', 'run', [CompletionResultType]::ParameterValue, 'Run components, projects or Kubernetes documents, and serve them')
            [CompletionResult]::new('cache', 'cache', [CompletionResultType]::ParameterValue, 'Look after the compiled code that hosts keep')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'wash;host;help;run' {
            break
        }
        'wash;host;help;cache' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List what is kept, the latest used first')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove what has not been used for long')
            [CompletionResult]::new('clear', 'clear', [CompletionResultType]::ParameterValue, 'Remove everything')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check everything that is kept, and remove what is damaged')
            [CompletionResult]::new('path', 'path', [CompletionResultType]::ParameterValue, 'Print the folder')
            break
        }
        'wash;host;help;cache;list' {
            break
        }
        'wash;host;help;cache;prune' {
            break
        }
        'wash;host;help;cache;clear' {
            break
        }
        'wash;host;help;cache;verify' {
            break
        }
        'wash;host;help;cache;path' {
            break
        }
        'wash;host;help;help' {
            break
        }
        'wash;new' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'The name of the project and its folder [default: that of the subfolder, repository, folder or template]')
            [CompletionResult]::new('--subfolder', '--subfolder', [CompletionResultType]::ParameterName, 'The folder inside the source that is the template')
            [CompletionResult]::new('--git-ref', '--git-ref', [CompletionResultType]::ParameterName, 'The branch, tag or commit of the repository [default: its default branch]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--list', '--list', [CompletionResultType]::ParameterName, 'List the built-in templates')
            [CompletionResult]::new('--allow-commands', '--allow-commands', [CompletionResultType]::ParameterName, 'Run the template''s own set-up command without asking')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;completion' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;help' {
            [CompletionResult]::new('build', 'build', [CompletionResultType]::ParameterValue, 'Build a WebAssembly component from a project')
            [CompletionResult]::new('dev', 'dev', [CompletionResultType]::ParameterValue, 'Build a component, serve it, and swap it in when its source changes')
            [CompletionResult]::new('host', 'host', [CompletionResultType]::ParameterValue, 'Run WebAssembly components as a host on this machine')
            [CompletionResult]::new('new', 'new', [CompletionResultType]::ParameterValue, 'Create a project from a template')
            [CompletionResult]::new('completion', 'completion', [CompletionResultType]::ParameterValue, 'Print the completion script of a shell')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'wash;help;build' {
            break
        }
        'wash;help;dev' {
            break
        }
        'wash;help;host' {
            [CompletionResult]::new('run', 'run', [CompletionResultType]::ParameterValue, 'Run components, projects or Kubernetes documents, and serve them')
            [CompletionResult]::new('cache', 'cache', [CompletionResultType]::ParameterValue, 'Look after the compiled code that hosts keep')
            break
        }
        'wash;help;host;run' {
            break
        }
        'wash;help;host;cache' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List what is kept, the latest used first')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove what has not been used for long')
            [CompletionResult]::new('clear', 'clear', [CompletionResultType]::ParameterValue, 'Remove everything')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check everything that is kept, and remove what is damaged')
            [CompletionResult]::new('path', 'path', [CompletionResultType]::ParameterValue, 'Print the folder')
            break
        }
        'wash;help;host;cache;list' {
            break
        }
        'wash;help;host;cache;prune' {
            break
        }
        'wash;help;host;cache;clear' {
            break
        }
        'wash;help;host;cache;verify' {
            break
        }
        'wash;help;host;cache;path' {
            break
        }
        'wash;help;new' {
            break
        }
        'wash;help;completion' {
            break
        }
        'wash;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
