
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
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'See, compare and judge a component without running it')
            [CompletionResult]::new('new', 'new', [CompletionResultType]::ParameterValue, 'Create a project from a template')
            [CompletionResult]::new('oci', 'oci', [CompletionResultType]::ParameterValue, 'Push, pull, copy, sign and serve WebAssembly components in OCI registries')
            [CompletionResult]::new('wit', 'wit', [CompletionResultType]::ParameterValue, 'Manage the WIT dependencies of a project')
            [CompletionResult]::new('drain', 'drain', [CompletionResultType]::ParameterValue, 'Clean the caches that tools keep')
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
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'The port to listen on, instead of that of `dev.address`; 0 takes any free one')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--once', '--once', [CompletionResultType]::ParameterName, 'Build, put the project into service, and end: exit code 0 says that it starts')
            [CompletionResult]::new('--no-watch', '--no-watch', [CompletionResultType]::ParameterName, 'Build and serve, and look for no changes')
            [CompletionResult]::new('--poll', '--poll', [CompletionResultType]::ParameterName, 'Look for changes twice in a second, where the file system tells of none')
            [CompletionResult]::new('--open', '--open', [CompletionResultType]::ParameterName, 'Open the project in a browser as soon as it is served')
            [CompletionResult]::new('--no-ui', '--no-ui', [CompletionResultType]::ParameterName, 'Leave out the page at /__wash/')
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
            [CompletionResult]::new('--pull-policy', '--pull-policy', [CompletionResultType]::ParameterName, 'When a registry is asked what an image is; by default if the cache does not know it')
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
            [CompletionResult]::new('--request-timeout', '--request-timeout', [CompletionResultType]::ParameterName, 'How long a response may keep one waiting, such as 500ms or 30s: for its beginning, and for each next part of its body [default: 60s]')
            [CompletionResult]::new('--allow-host-path', '--allow-host-path', [CompletionResultType]::ParameterName, 'Let documents use this directory and what is below it (`hostPath` volumes, `root` of a backend)')
            [CompletionResult]::new('--image', '--image', [CompletionResultType]::ParameterName, 'Take a file for an image that documents name')
            [CompletionResult]::new('--keyvalue', '--keyvalue', [CompletionResultType]::ParameterName, 'Where `wasi:keyvalue` keeps data unless a document says otherwise: `in-memory`, `filesystem:DIR`, `redis`, `postgres` or `nats`')
            [CompletionResult]::new('--blobstore', '--blobstore', [CompletionResultType]::ParameterName, 'Where `wasi:blobstore` keeps data unless a document says otherwise: `in-memory`, `filesystem:DIR`, `postgres` or `nats`')
            [CompletionResult]::new('--data-nats-url', '--data-nats-url', [CompletionResultType]::ParameterName, 'A NATS server for messages and data: `nats://user:password@host:port`, or `tls://` for TLS')
            [CompletionResult]::new('--postgres-url', '--postgres-url', [CompletionResultType]::ParameterName, 'A PostgreSQL database for data: `postgres://user:password@host/database`')
            [CompletionResult]::new('--redis-url', '--redis-url', [CompletionResultType]::ParameterName, 'A Redis server for `wasi:keyvalue`: `redis://user:password@host:port/database`, or `rediss://` for TLS')
            [CompletionResult]::new('--host-name', '--host-name', [CompletionResultType]::ParameterName, 'A name for people')
            [CompletionResult]::new('--friendly-name', '--friendly-name', [CompletionResultType]::ParameterName, 'A name for people')
            [CompletionResult]::new('--max-instances', '--max-instances', [CompletionResultType]::ParameterName, 'How many instances may live at once')
            [CompletionResult]::new('--drain-timeout', '--drain-timeout', [CompletionResultType]::ParameterName, 'How long requests in flight may take to finish when the host stops')
            [CompletionResult]::new('--cache-dir', '--cache-dir', [CompletionResultType]::ParameterName, 'Where compiled code is kept, instead of `wash/code` in the user''s cache folder')
            [CompletionResult]::new('--unload-after', '--unload-after', [CompletionResultType]::ParameterName, 'With --lazy, unload workloads that had no request for so long, or `never`')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--skip-build', '--skip-build', [CompletionResultType]::ParameterName, 'Serve what the last build of a project left, without building it')
            [CompletionResult]::new('--lazy', '--lazy', [CompletionResultType]::ParameterName, 'Load each workload when a request first wants it')
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
        'wash;inspect' {
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--summary', '--summary', [CompletionResultType]::ParameterName, 'Print the summary alone')
            [CompletionResult]::new('--wit', '--wit', [CompletionResultType]::ParameterName, 'Print the WIT alone, on a terminal too')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Compare two components or WIT packages, and tell whom the change breaks')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Tell whether a host can run a component, and what to add')
            [CompletionResult]::new('size', 'size', [CompletionResultType]::ParameterValue, 'Tell what a component''s bytes are made of')
            [CompletionResult]::new('deps', 'deps', [CompletionResultType]::ParameterValue, 'List the crates and packages that a component was made of')
            [CompletionResult]::new('metadata', 'metadata', [CompletionResultType]::ParameterValue, 'Show or set what a component says of itself')
            [CompletionResult]::new('validate', 'validate', [CompletionResultType]::ParameterValue, 'Check that a file is a valid component or module')
            [CompletionResult]::new('strip', 'strip', [CompletionResultType]::ParameterValue, 'Remove what a component does not need to run')
            [CompletionResult]::new('wat', 'wat', [CompletionResultType]::ParameterValue, 'Print a component in the text format')
            [CompletionResult]::new('graph', 'graph', [CompletionResultType]::ParameterValue, 'Draw which instances a component consists of, and what satisfies what')
            break
        }
        'wash;inspect;diff' {
            [CompletionResult]::new('--world', '--world', [CompletionResultType]::ParameterName, 'The world of a package to compare')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;inspect;check' {
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'The host: a known one''s name, or a file that describes one')
            [CompletionResult]::new('--world', '--world', [CompletionResultType]::ParameterName, 'The world that the component must fit: `namespace:package/world`, or a world''s name alone; with `--host`, the one of a WIT package that the host is to run')
            [CompletionResult]::new('--wit', '--wit', [CompletionResultType]::ParameterName, 'Where the world is defined: a folder of WIT, a file, a reference or a package [default: the project''s WIT folder]')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--list-hosts', '--list-hosts', [CompletionResultType]::ParameterName, 'List the known hosts')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;inspect;size' {
            [CompletionResult]::new('--diff', '--diff', [CompletionResultType]::ParameterName, 'Show what changed since another build')
            [CompletionResult]::new('--treemap', '--treemap', [CompletionResultType]::ParameterName, 'Write a page with a map of the bytes, which needs no other file; `-` is standard output')
            [CompletionResult]::new('--top', '--top', [CompletionResultType]::ParameterName, 'How many functions and crates to list')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;inspect;deps' {
            [CompletionResult]::new('--sbom', '--sbom', [CompletionResultType]::ParameterName, 'Print a bill of materials')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;inspect;metadata' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Its name')
            [CompletionResult]::new('--set-version', '--set-version', [CompletionResultType]::ParameterName, 'Its own version')
            [CompletionResult]::new('--authors', '--authors', [CompletionResultType]::ParameterName, 'Who is responsible')
            [CompletionResult]::new('--description', '--description', [CompletionResultType]::ParameterName, 'What it is for')
            [CompletionResult]::new('--licenses', '--licenses', [CompletionResultType]::ParameterName, 'Its licences, as an SPDX expression')
            [CompletionResult]::new('--source', '--source', [CompletionResultType]::ParameterName, 'Where its source is')
            [CompletionResult]::new('--homepage', '--homepage', [CompletionResultType]::ParameterName, 'Where to read more')
            [CompletionResult]::new('--revision', '--revision', [CompletionResultType]::ParameterName, 'The revision of its source')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'The file to write, or `-` for standard output')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--in-place', '--in-place', [CompletionResultType]::ParameterName, 'Replace the file that was read')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;inspect;validate' {
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;inspect;strip' {
            [CompletionResult]::new('--delete', '--delete', [CompletionResultType]::ParameterName, 'Remove custom sections of this name alone; `*` at its end stands for any ending')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'The file to write, or `-` for standard output')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Remove all custom sections, names too')
            [CompletionResult]::new('--in-place', '--in-place', [CompletionResultType]::ParameterName, 'Replace the file that was read')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;inspect;wat' {
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--skeleton', '--skeleton', [CompletionResultType]::ParameterName, 'Leave out function bodies and data')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;inspect;graph' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'The language of the drawing')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
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
        'wash;oci' {
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
            [CompletionResult]::new('push', 'push', [CompletionResultType]::ParameterValue, 'Push a component, a WIT package or a core module to a registry')
            [CompletionResult]::new('pull', 'pull', [CompletionResultType]::ParameterValue, 'Pull a component from a registry')
            [CompletionResult]::new('copy', 'copy', [CompletionResultType]::ParameterValue, 'Copy an artifact between repositories, registries and image layouts')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Give an artifact more tags, without pulling it')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the tags of a repository, the newest version first')
            [CompletionResult]::new('info', 'info', [CompletionResultType]::ParameterValue, 'Show what an artifact is: manifest, configuration, annotations and what refers to it')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete a tag, or with a digest the artifact and all its tags')
            [CompletionResult]::new('login', 'login', [CompletionResultType]::ParameterValue, 'Log in to a registry')
            [CompletionResult]::new('logout', 'logout', [CompletionResultType]::ParameterValue, 'Log out of a registry: forget its credentials')
            [CompletionResult]::new('attach', 'attach', [CompletionResultType]::ParameterValue, 'Attach a document to an artifact, such as a bill of materials')
            [CompletionResult]::new('referrers', 'referrers', [CompletionResultType]::ParameterValue, 'List what refers to an artifact')
            [CompletionResult]::new('sign', 'sign', [CompletionResultType]::ParameterValue, 'Sign an artifact with a private key, in a form that cosign verifies')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Verify that an artifact is signed')
            [CompletionResult]::new('generate-key', 'generate-key', [CompletionResultType]::ParameterValue, 'Make a key pair for signing')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Serve a registry on this machine')
            [CompletionResult]::new('cache', 'cache', [CompletionResultType]::ParameterValue, 'Look after the cache that all tools share')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'wash;oci;push' {
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Push under this tag too; can be given several times')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'Push under this tag too; can be given several times')
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'Note this in the manifest; can be given several times. An empty value removes what the component says')
            [CompletionResult]::new('--annotation', '--annotation', [CompletionResultType]::ParameterName, 'Note this in the manifest; can be given several times. An empty value removes what the component says')
            [CompletionResult]::new('--author', '--author', [CompletionResultType]::ParameterName, 'Who made it, if the component does not say it')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'How to pack it')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'Write into an OCI image layout in this folder instead of sending')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Send nothing; print what the digest would be')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;oci;pull' {
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'When to ask the registry [default: always; with `--offline` never]')
            [CompletionResult]::new('--verify', '--verify', [CompletionResultType]::ParameterName, 'Pull only what the owner of this public key has signed; can be given several times, and one must have')
            [CompletionResult]::new('--layer', '--layer', [CompletionResultType]::ParameterName, 'The layer to take: its place from 0, its title or its media type')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Use the cache alone')
            [CompletionResult]::new('--raw', '--raw', [CompletionResultType]::ParameterName, 'Take the layer as it is, whatever it is')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;oci;copy' {
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Give the copy this tag too; can be given several times')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'Give the copy this tag too; can be given several times')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--referrers', '--referrers', [CompletionResultType]::ParameterName, 'Copy what refers to it too: signatures, provenance, bills of materials')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;oci;tag' {
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;oci;list' {
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'List so many at most')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'List tags of signatures and the like too')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;oci;info' {
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;oci;delete' {
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;oci;login' {
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;oci;logout' {
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
        'wash;oci;attach' {
            [CompletionResult]::new('--type', '--type', [CompletionResultType]::ParameterName, 'What it is, such as `application/spdx+json` [default: by the file''s content or name, where that is known]')
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'Note this in its manifest; can be given several times')
            [CompletionResult]::new('--annotation', '--annotation', [CompletionResultType]::ParameterName, 'Note this in its manifest; can be given several times')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;oci;referrers' {
            [CompletionResult]::new('--type', '--type', [CompletionResultType]::ParameterName, 'Only of this type')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;oci;sign' {
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'The private key: encrypted as `generate-key` and cosign do it, or in PKCS #8')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'In which form; can be given several times')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;oci;verify' {
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'The public key; can be given several times, and one must have signed [default: the rules of the configuration]')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'The user to log in as')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Speak plain HTTP to the registries that the command names')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;oci;generate-key' {
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
        'wash;oci;serve' {
            [CompletionResult]::new('--addr', '--addr', [CompletionResultType]::ParameterName, 'Where to listen; port 0 takes any free port')
            [CompletionResult]::new('--auth', '--auth', [CompletionResultType]::ParameterName, 'Let only this user in. The shell remembers what is typed here: `--auth-file` and `WASH_OCI_SERVE_AUTH` do not show a password')
            [CompletionResult]::new('--auth-file', '--auth-file', [CompletionResultType]::ParameterName, 'Let only these users in: a file of `user:password` lines, or `-` for standard input')
            [CompletionResult]::new('--tls-cert', '--tls-cert', [CompletionResultType]::ParameterName, 'Serve HTTPS with this certificate chain (PEM)')
            [CompletionResult]::new('--tls-key', '--tls-key', [CompletionResultType]::ParameterName, 'The private key of the certificate (PEM)')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--allow-remote', '--allow-remote', [CompletionResultType]::ParameterName, 'Listen where other machines can reach it; somebody must be named who is let in')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;oci;cache' {
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
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List what is in it, the last used first')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove what was not used for long, and what interrupted pulls have left')
            [CompletionResult]::new('clean', 'clean', [CompletionResultType]::ParameterValue, 'Remove everything')
            [CompletionResult]::new('path', 'path', [CompletionResultType]::ParameterValue, 'Print where it is')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'wash;oci;cache;list' {
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
        'wash;oci;cache;prune' {
            [CompletionResult]::new('--unused-for', '--unused-for', [CompletionResultType]::ParameterName, 'Remove what was not used for so long, such as `30days`')
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'Then remove what was used longest ago, until so many mebibytes are left')
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
        'wash;oci;cache;clean' {
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
        'wash;oci;cache;path' {
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
        'wash;oci;cache;help' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List what is in it, the last used first')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove what was not used for long, and what interrupted pulls have left')
            [CompletionResult]::new('clean', 'clean', [CompletionResultType]::ParameterValue, 'Remove everything')
            [CompletionResult]::new('path', 'path', [CompletionResultType]::ParameterValue, 'Print where it is')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'wash;oci;cache;help;list' {
            break
        }
        'wash;oci;cache;help;prune' {
            break
        }
        'wash;oci;cache;help;clean' {
            break
        }
        'wash;oci;cache;help;path' {
            break
        }
        'wash;oci;cache;help;help' {
            break
        }
        'wash;oci;help' {
            [CompletionResult]::new('push', 'push', [CompletionResultType]::ParameterValue, 'Push a component, a WIT package or a core module to a registry')
            [CompletionResult]::new('pull', 'pull', [CompletionResultType]::ParameterValue, 'Pull a component from a registry')
            [CompletionResult]::new('copy', 'copy', [CompletionResultType]::ParameterValue, 'Copy an artifact between repositories, registries and image layouts')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Give an artifact more tags, without pulling it')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the tags of a repository, the newest version first')
            [CompletionResult]::new('info', 'info', [CompletionResultType]::ParameterValue, 'Show what an artifact is: manifest, configuration, annotations and what refers to it')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete a tag, or with a digest the artifact and all its tags')
            [CompletionResult]::new('login', 'login', [CompletionResultType]::ParameterValue, 'Log in to a registry')
            [CompletionResult]::new('logout', 'logout', [CompletionResultType]::ParameterValue, 'Log out of a registry: forget its credentials')
            [CompletionResult]::new('attach', 'attach', [CompletionResultType]::ParameterValue, 'Attach a document to an artifact, such as a bill of materials')
            [CompletionResult]::new('referrers', 'referrers', [CompletionResultType]::ParameterValue, 'List what refers to an artifact')
            [CompletionResult]::new('sign', 'sign', [CompletionResultType]::ParameterValue, 'Sign an artifact with a private key, in a form that cosign verifies')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Verify that an artifact is signed')
            [CompletionResult]::new('generate-key', 'generate-key', [CompletionResultType]::ParameterValue, 'Make a key pair for signing')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Serve a registry on this machine')
            [CompletionResult]::new('cache', 'cache', [CompletionResultType]::ParameterValue, 'Look after the cache that all tools share')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'wash;oci;help;push' {
            break
        }
        'wash;oci;help;pull' {
            break
        }
        'wash;oci;help;copy' {
            break
        }
        'wash;oci;help;tag' {
            break
        }
        'wash;oci;help;list' {
            break
        }
        'wash;oci;help;info' {
            break
        }
        'wash;oci;help;delete' {
            break
        }
        'wash;oci;help;login' {
            break
        }
        'wash;oci;help;logout' {
            break
        }
        'wash;oci;help;attach' {
            break
        }
        'wash;oci;help;referrers' {
            break
        }
        'wash;oci;help;sign' {
            break
        }
        'wash;oci;help;verify' {
            break
        }
        'wash;oci;help;generate-key' {
            break
        }
        'wash;oci;help;serve' {
            break
        }
        'wash;oci;help;cache' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List what is in it, the last used first')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove what was not used for long, and what interrupted pulls have left')
            [CompletionResult]::new('clean', 'clean', [CompletionResultType]::ParameterValue, 'Remove everything')
            [CompletionResult]::new('path', 'path', [CompletionResultType]::ParameterValue, 'Print where it is')
            break
        }
        'wash;oci;help;cache;list' {
            break
        }
        'wash;oci;help;cache;prune' {
            break
        }
        'wash;oci;help;cache;clean' {
            break
        }
        'wash;oci;help;cache;path' {
            break
        }
        'wash;oci;help;help' {
            break
        }
        'wash;wit' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('fetch', 'fetch', [CompletionResultType]::ParameterValue, 'Fetch what the sources refer to into `wit/deps`')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add an interface or a world to the project''s world, and fetch it')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Remove a dependency from the sources')
            [CompletionResult]::new('update', 'update', [CompletionResultType]::ParameterValue, 'Write newer versions into the sources, and fetch them')
            [CompletionResult]::new('clean', 'clean', [CompletionResultType]::ParameterValue, 'Remove fetched dependencies from `wit/deps`')
            [CompletionResult]::new('build', 'build', [CompletionResultType]::ParameterValue, 'Build the project''s WIT into a package in the binary form')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Check that sources, lock and `wit/deps` agree; changes nothing')
            [CompletionResult]::new('tree', 'tree', [CompletionResultType]::ParameterValue, 'Show the packages and where they come from')
            [CompletionResult]::new('outdated', 'outdated', [CompletionResultType]::ParameterValue, 'List dependencies that have newer versions')
            [CompletionResult]::new('why', 'why', [CompletionResultType]::ParameterValue, 'Show how the project comes to depend on a package')
            [CompletionResult]::new('vendor', 'vendor', [CompletionResultType]::ParameterValue, 'Copy the locked packages into a folder that `wash` and `wkg` can use as a registry')
            [CompletionResult]::new('publish', 'publish', [CompletionResultType]::ParameterValue, 'Build the project''s WIT and publish it to a registry')
            [CompletionResult]::new('cache', 'cache', [CompletionResultType]::ParameterValue, 'Look after the cache of packages, which all projects share')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'wash;wit;fetch' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--clean', '--clean', [CompletionResultType]::ParameterName, 'Remove fetched dependencies first: what `wkg.lock` owns of `wit/deps` does not count')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;add' {
            [CompletionResult]::new('--world', '--world', [CompletionResultType]::ParameterName, 'The world of the project to add to, if it has several')
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--export', '--export', [CompletionResultType]::ParameterName, 'Export the interface instead of importing it')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;remove' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;update' {
            [CompletionResult]::new('--precise', '--precise', [CompletionResultType]::ParameterName, 'The version to change to, whatever others there are')
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--breaking', '--breaking', [CompletionResultType]::ParameterName, 'Change to versions that are not compatible, too')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;clean' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;build' {
            [CompletionResult]::new('--output-file', '--output-file', [CompletionResultType]::ParameterName, 'The file to write [default: <namespace>:<name>@<version>.wasm with dashes, in the project]')
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;check' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;tree' {
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Show who refers to a package instead of what it refers to')
            [CompletionResult]::new('--invert', '--invert', [CompletionResultType]::ParameterName, 'Show who refers to a package instead of what it refers to')
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;outdated' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;why' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;vendor' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;publish' {
            [CompletionResult]::new('--registry', '--registry', [CompletionResultType]::ParameterName, 'The registry, instead of the one that is configured for the namespace')
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Check everything, publish nothing')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;cache' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove what was not used for long')
            [CompletionResult]::new('clean', 'clean', [CompletionResultType]::ParameterValue, 'Remove everything')
            [CompletionResult]::new('path', 'path', [CompletionResultType]::ParameterValue, 'Print where it is')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'wash;wit;cache;prune' {
            [CompletionResult]::new('--unused-for', '--unused-for', [CompletionResultType]::ParameterName, 'Remove what was not used for so long, such as `30days`')
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'Then remove what was used longest ago, until so many mebibytes are left')
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;cache;clean' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;cache;path' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user configuration to read instead of the one in the configuration folder')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Send no packet: use what is in `wit/deps` and on this machine')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if `wkg.lock` would change')
            [CompletionResult]::new('--frozen', '--frozen', [CompletionResultType]::ParameterName, '`--offline` and `--locked` in one')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show what happens in more detail: the same as `--log-level debug`')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'wash;wit;cache;help' {
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove what was not used for long')
            [CompletionResult]::new('clean', 'clean', [CompletionResultType]::ParameterValue, 'Remove everything')
            [CompletionResult]::new('path', 'path', [CompletionResultType]::ParameterValue, 'Print where it is')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'wash;wit;cache;help;prune' {
            break
        }
        'wash;wit;cache;help;clean' {
            break
        }
        'wash;wit;cache;help;path' {
            break
        }
        'wash;wit;cache;help;help' {
            break
        }
        'wash;wit;help' {
            [CompletionResult]::new('fetch', 'fetch', [CompletionResultType]::ParameterValue, 'Fetch what the sources refer to into `wit/deps`')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add an interface or a world to the project''s world, and fetch it')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Remove a dependency from the sources')
            [CompletionResult]::new('update', 'update', [CompletionResultType]::ParameterValue, 'Write newer versions into the sources, and fetch them')
            [CompletionResult]::new('clean', 'clean', [CompletionResultType]::ParameterValue, 'Remove fetched dependencies from `wit/deps`')
            [CompletionResult]::new('build', 'build', [CompletionResultType]::ParameterValue, 'Build the project''s WIT into a package in the binary form')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Check that sources, lock and `wit/deps` agree; changes nothing')
            [CompletionResult]::new('tree', 'tree', [CompletionResultType]::ParameterValue, 'Show the packages and where they come from')
            [CompletionResult]::new('outdated', 'outdated', [CompletionResultType]::ParameterValue, 'List dependencies that have newer versions')
            [CompletionResult]::new('why', 'why', [CompletionResultType]::ParameterValue, 'Show how the project comes to depend on a package')
            [CompletionResult]::new('vendor', 'vendor', [CompletionResultType]::ParameterValue, 'Copy the locked packages into a folder that `wash` and `wkg` can use as a registry')
            [CompletionResult]::new('publish', 'publish', [CompletionResultType]::ParameterValue, 'Build the project''s WIT and publish it to a registry')
            [CompletionResult]::new('cache', 'cache', [CompletionResultType]::ParameterValue, 'Look after the cache of packages, which all projects share')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'wash;wit;help;fetch' {
            break
        }
        'wash;wit;help;add' {
            break
        }
        'wash;wit;help;remove' {
            break
        }
        'wash;wit;help;update' {
            break
        }
        'wash;wit;help;clean' {
            break
        }
        'wash;wit;help;build' {
            break
        }
        'wash;wit;help;check' {
            break
        }
        'wash;wit;help;tree' {
            break
        }
        'wash;wit;help;outdated' {
            break
        }
        'wash;wit;help;why' {
            break
        }
        'wash;wit;help;vendor' {
            break
        }
        'wash;wit;help;publish' {
            break
        }
        'wash;wit;help;cache' {
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove what was not used for long')
            [CompletionResult]::new('clean', 'clean', [CompletionResultType]::ParameterValue, 'Remove everything')
            [CompletionResult]::new('path', 'path', [CompletionResultType]::ParameterValue, 'Print where it is')
            break
        }
        'wash;wit;help;cache;prune' {
            break
        }
        'wash;wit;help;cache;clean' {
            break
        }
        'wash;wit;help;cache;path' {
            break
        }
        'wash;wit;help;help' {
            break
        }
        'wash;drain' {
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
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'See, compare and judge a component without running it')
            [CompletionResult]::new('new', 'new', [CompletionResultType]::ParameterValue, 'Create a project from a template')
            [CompletionResult]::new('oci', 'oci', [CompletionResultType]::ParameterValue, 'Push, pull, copy, sign and serve WebAssembly components in OCI registries')
            [CompletionResult]::new('wit', 'wit', [CompletionResultType]::ParameterValue, 'Manage the WIT dependencies of a project')
            [CompletionResult]::new('drain', 'drain', [CompletionResultType]::ParameterValue, 'Clean the caches that tools keep')
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
        'wash;help;inspect' {
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Compare two components or WIT packages, and tell whom the change breaks')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Tell whether a host can run a component, and what to add')
            [CompletionResult]::new('size', 'size', [CompletionResultType]::ParameterValue, 'Tell what a component''s bytes are made of')
            [CompletionResult]::new('deps', 'deps', [CompletionResultType]::ParameterValue, 'List the crates and packages that a component was made of')
            [CompletionResult]::new('metadata', 'metadata', [CompletionResultType]::ParameterValue, 'Show or set what a component says of itself')
            [CompletionResult]::new('validate', 'validate', [CompletionResultType]::ParameterValue, 'Check that a file is a valid component or module')
            [CompletionResult]::new('strip', 'strip', [CompletionResultType]::ParameterValue, 'Remove what a component does not need to run')
            [CompletionResult]::new('wat', 'wat', [CompletionResultType]::ParameterValue, 'Print a component in the text format')
            [CompletionResult]::new('graph', 'graph', [CompletionResultType]::ParameterValue, 'Draw which instances a component consists of, and what satisfies what')
            break
        }
        'wash;help;inspect;diff' {
            break
        }
        'wash;help;inspect;check' {
            break
        }
        'wash;help;inspect;size' {
            break
        }
        'wash;help;inspect;deps' {
            break
        }
        'wash;help;inspect;metadata' {
            break
        }
        'wash;help;inspect;validate' {
            break
        }
        'wash;help;inspect;strip' {
            break
        }
        'wash;help;inspect;wat' {
            break
        }
        'wash;help;inspect;graph' {
            break
        }
        'wash;help;new' {
            break
        }
        'wash;help;oci' {
            [CompletionResult]::new('push', 'push', [CompletionResultType]::ParameterValue, 'Push a component, a WIT package or a core module to a registry')
            [CompletionResult]::new('pull', 'pull', [CompletionResultType]::ParameterValue, 'Pull a component from a registry')
            [CompletionResult]::new('copy', 'copy', [CompletionResultType]::ParameterValue, 'Copy an artifact between repositories, registries and image layouts')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Give an artifact more tags, without pulling it')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the tags of a repository, the newest version first')
            [CompletionResult]::new('info', 'info', [CompletionResultType]::ParameterValue, 'Show what an artifact is: manifest, configuration, annotations and what refers to it')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete a tag, or with a digest the artifact and all its tags')
            [CompletionResult]::new('login', 'login', [CompletionResultType]::ParameterValue, 'Log in to a registry')
            [CompletionResult]::new('logout', 'logout', [CompletionResultType]::ParameterValue, 'Log out of a registry: forget its credentials')
            [CompletionResult]::new('attach', 'attach', [CompletionResultType]::ParameterValue, 'Attach a document to an artifact, such as a bill of materials')
            [CompletionResult]::new('referrers', 'referrers', [CompletionResultType]::ParameterValue, 'List what refers to an artifact')
            [CompletionResult]::new('sign', 'sign', [CompletionResultType]::ParameterValue, 'Sign an artifact with a private key, in a form that cosign verifies')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Verify that an artifact is signed')
            [CompletionResult]::new('generate-key', 'generate-key', [CompletionResultType]::ParameterValue, 'Make a key pair for signing')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Serve a registry on this machine')
            [CompletionResult]::new('cache', 'cache', [CompletionResultType]::ParameterValue, 'Look after the cache that all tools share')
            break
        }
        'wash;help;oci;push' {
            break
        }
        'wash;help;oci;pull' {
            break
        }
        'wash;help;oci;copy' {
            break
        }
        'wash;help;oci;tag' {
            break
        }
        'wash;help;oci;list' {
            break
        }
        'wash;help;oci;info' {
            break
        }
        'wash;help;oci;delete' {
            break
        }
        'wash;help;oci;login' {
            break
        }
        'wash;help;oci;logout' {
            break
        }
        'wash;help;oci;attach' {
            break
        }
        'wash;help;oci;referrers' {
            break
        }
        'wash;help;oci;sign' {
            break
        }
        'wash;help;oci;verify' {
            break
        }
        'wash;help;oci;generate-key' {
            break
        }
        'wash;help;oci;serve' {
            break
        }
        'wash;help;oci;cache' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List what is in it, the last used first')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove what was not used for long, and what interrupted pulls have left')
            [CompletionResult]::new('clean', 'clean', [CompletionResultType]::ParameterValue, 'Remove everything')
            [CompletionResult]::new('path', 'path', [CompletionResultType]::ParameterValue, 'Print where it is')
            break
        }
        'wash;help;oci;cache;list' {
            break
        }
        'wash;help;oci;cache;prune' {
            break
        }
        'wash;help;oci;cache;clean' {
            break
        }
        'wash;help;oci;cache;path' {
            break
        }
        'wash;help;wit' {
            [CompletionResult]::new('fetch', 'fetch', [CompletionResultType]::ParameterValue, 'Fetch what the sources refer to into `wit/deps`')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Add an interface or a world to the project''s world, and fetch it')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Remove a dependency from the sources')
            [CompletionResult]::new('update', 'update', [CompletionResultType]::ParameterValue, 'Write newer versions into the sources, and fetch them')
            [CompletionResult]::new('clean', 'clean', [CompletionResultType]::ParameterValue, 'Remove fetched dependencies from `wit/deps`')
            [CompletionResult]::new('build', 'build', [CompletionResultType]::ParameterValue, 'Build the project''s WIT into a package in the binary form')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Check that sources, lock and `wit/deps` agree; changes nothing')
            [CompletionResult]::new('tree', 'tree', [CompletionResultType]::ParameterValue, 'Show the packages and where they come from')
            [CompletionResult]::new('outdated', 'outdated', [CompletionResultType]::ParameterValue, 'List dependencies that have newer versions')
            [CompletionResult]::new('why', 'why', [CompletionResultType]::ParameterValue, 'Show how the project comes to depend on a package')
            [CompletionResult]::new('vendor', 'vendor', [CompletionResultType]::ParameterValue, 'Copy the locked packages into a folder that `wash` and `wkg` can use as a registry')
            [CompletionResult]::new('publish', 'publish', [CompletionResultType]::ParameterValue, 'Build the project''s WIT and publish it to a registry')
            [CompletionResult]::new('cache', 'cache', [CompletionResultType]::ParameterValue, 'Look after the cache of packages, which all projects share')
            break
        }
        'wash;help;wit;fetch' {
            break
        }
        'wash;help;wit;add' {
            break
        }
        'wash;help;wit;remove' {
            break
        }
        'wash;help;wit;update' {
            break
        }
        'wash;help;wit;clean' {
            break
        }
        'wash;help;wit;build' {
            break
        }
        'wash;help;wit;check' {
            break
        }
        'wash;help;wit;tree' {
            break
        }
        'wash;help;wit;outdated' {
            break
        }
        'wash;help;wit;why' {
            break
        }
        'wash;help;wit;vendor' {
            break
        }
        'wash;help;wit;publish' {
            break
        }
        'wash;help;wit;cache' {
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove what was not used for long')
            [CompletionResult]::new('clean', 'clean', [CompletionResultType]::ParameterValue, 'Remove everything')
            [CompletionResult]::new('path', 'path', [CompletionResultType]::ParameterValue, 'Print where it is')
            break
        }
        'wash;help;wit;cache;prune' {
            break
        }
        'wash;help;wit;cache;clean' {
            break
        }
        'wash;help;wit;cache;path' {
            break
        }
        'wash;help;drain' {
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
