
use builtin;
use str;

set edit:completion:arg-completer[wash] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'wash'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'wash'= {
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --list 'List the commands found'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand build 'Build a WebAssembly component from a project'
            cand dev 'Build a component, serve it, and swap it in when its source changes'
            cand host 'Run WebAssembly components as a host on this machine'
            cand new 'Create a project from a template'
            cand completion 'Print the completion script of a shell'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;build'= {
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --skip-fetch 'Use the WIT dependencies in `wit/deps` as they are'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'wash;dev'= {
            cand --address 'The address to listen on, instead of `dev.address`; port 0 takes any free port'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'wash;host'= {
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand run 'Run components, projects or Kubernetes documents, and serve them'
            cand cache 'Look after the compiled code that hosts keep'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;host;run'= {
            cand --invoke 'Call one function, print its result, and end: `iface#func(args)`, with arguments as WAVE writes values'
            cand --http-addr 'Where to serve HTTP; port 0 takes any free port'
            cand --tls-cert-path 'Serve HTTPS with this certificate chain (PEM); it is read again when it changes'
            cand --tls-key-path 'The private key of the certificate (PEM)'
            cand --tls-ca-path 'Serve only clients with a certificate from these authorities (PEM)'
            cand --admin-addr 'Where to serve `/livez`, `/readyz` and Prometheus'' `/metrics`; nowhere by default'
            cand --env 'Set an environment variable; NAME alone hands on the host''s own'
            cand --env-file 'Read environment variables from a file, one `NAME=VALUE` per line; --env comes first'
            cand --config 'Set a value of `wasi:config`'
            cand --volume 'Let the component see a directory of this machine'
            cand --allowed-host 'Allow HTTP requests to this host, such as api.example.com or *.example.com; without any, all are allowed'
            cand --memory-limit 'The linear memory of an instance in MiB; no limit by default'
            cand --pool-size 'How many instances to keep ready'
            cand --max-invocations 'How many requests may be in flight at once; further ones are told to come back'
            cand --instance-reuse 'How many requests an instance may answer, one after another; by default each gets a fresh one'
            cand --request-timeout 'How long a request may take, such as 500ms or 30s'
            cand --allow-host-path 'Let documents use this directory and what is below it (`hostPath` volumes, `root` of a backend)'
            cand --image 'Take a file for an image that documents name'
            cand --keyvalue 'Where `wasi:keyvalue` keeps data unless a document says otherwise: `in-memory` or `filesystem:DIR`'
            cand --blobstore 'Where `wasi:blobstore` keeps data unless a document says otherwise: `in-memory` or `filesystem:DIR`'
            cand --host-name 'A name for people'
            cand --friendly-name 'A name for people'
            cand --max-instances 'How many instances may live at once'
            cand --drain-timeout 'How long requests in flight may take to finish when the host stops'
            cand --cache-dir 'Where compiled code is kept, instead of `wash/code` in the user''s cache folder'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --skip-build 'Serve what the last build of a project left, without building it'
            cand --no-cache 'Neither use nor keep compiled code'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;host;cache'= {
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand list 'List what is kept, the latest used first'
            cand prune 'Remove what has not been used for long'
            cand clear 'Remove everything'
            cand verify 'Check everything that is kept, and remove what is damaged'
            cand path 'Print the folder'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;host;cache;list'= {
            cand --cache-dir 'Where compiled code is kept, instead of `wash/code` in the user''s cache folder'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;host;cache;prune'= {
            cand --max-size 'How much may stay, in MiB: what has not been used for longest goes first'
            cand --max-age 'Remove what has not been used for so long, such as 30days'
            cand --cache-dir 'Where compiled code is kept, instead of `wash/code` in the user''s cache folder'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;host;cache;clear'= {
            cand --cache-dir 'Where compiled code is kept, instead of `wash/code` in the user''s cache folder'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;host;cache;verify'= {
            cand --cache-dir 'Where compiled code is kept, instead of `wash/code` in the user''s cache folder'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;host;cache;path'= {
            cand --cache-dir 'Where compiled code is kept, instead of `wash/code` in the user''s cache folder'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;host;cache;help'= {
            cand list 'List what is kept, the latest used first'
            cand prune 'Remove what has not been used for long'
            cand clear 'Remove everything'
            cand verify 'Check everything that is kept, and remove what is damaged'
            cand path 'Print the folder'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;host;cache;help;list'= {
        }
        &'wash;host;cache;help;prune'= {
        }
        &'wash;host;cache;help;clear'= {
        }
        &'wash;host;cache;help;verify'= {
        }
        &'wash;host;cache;help;path'= {
        }
        &'wash;host;cache;help;help'= {
        }
        &'wash;host;help'= {
            cand run 'Run components, projects or Kubernetes documents, and serve them'
            cand cache 'Look after the compiled code that hosts keep'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;host;help;run'= {
        }
        &'wash;host;help;cache'= {
            cand list 'List what is kept, the latest used first'
            cand prune 'Remove what has not been used for long'
            cand clear 'Remove everything'
            cand verify 'Check everything that is kept, and remove what is damaged'
            cand path 'Print the folder'
        }
        &'wash;host;help;cache;list'= {
        }
        &'wash;host;help;cache;prune'= {
        }
        &'wash;host;help;cache;clear'= {
        }
        &'wash;host;help;cache;verify'= {
        }
        &'wash;host;help;cache;path'= {
        }
        &'wash;host;help;help'= {
        }
        &'wash;new'= {
            cand --name 'The name of the project and its folder [default: that of the subfolder, repository, folder or template]'
            cand --subfolder 'The folder inside the source that is the template'
            cand --git-ref 'The branch, tag or commit of the repository [default: its default branch]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --list 'List the built-in templates'
            cand --allow-commands 'Run the template''s own set-up command without asking'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'wash;completion'= {
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;help'= {
            cand build 'Build a WebAssembly component from a project'
            cand dev 'Build a component, serve it, and swap it in when its source changes'
            cand host 'Run WebAssembly components as a host on this machine'
            cand new 'Create a project from a template'
            cand completion 'Print the completion script of a shell'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;help;build'= {
        }
        &'wash;help;dev'= {
        }
        &'wash;help;host'= {
            cand run 'Run components, projects or Kubernetes documents, and serve them'
            cand cache 'Look after the compiled code that hosts keep'
        }
        &'wash;help;host;run'= {
        }
        &'wash;help;host;cache'= {
            cand list 'List what is kept, the latest used first'
            cand prune 'Remove what has not been used for long'
            cand clear 'Remove everything'
            cand verify 'Check everything that is kept, and remove what is damaged'
            cand path 'Print the folder'
        }
        &'wash;help;host;cache;list'= {
        }
        &'wash;help;host;cache;prune'= {
        }
        &'wash;help;host;cache;clear'= {
        }
        &'wash;help;host;cache;verify'= {
        }
        &'wash;help;host;cache;path'= {
        }
        &'wash;help;new'= {
        }
        &'wash;help;completion'= {
        }
        &'wash;help;help'= {
        }
    ]
    $completions[$command]
}
