
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
            cand inspect 'See, compare and judge a component without running it'
            cand new 'Create a project from a template'
            cand oci 'Push, pull, copy, sign and serve WebAssembly components in OCI registries'
            cand wit 'Manage the WIT dependencies of a project'
            cand drain 'Clean the caches that tools keep'
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
            cand --port 'The port to listen on, instead of that of `dev.address`; 0 takes any free one'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --once 'Build, put the project into service, and end: exit code 0 says that it starts'
            cand --no-watch 'Build and serve, and look for no changes'
            cand --poll 'Look for changes twice in a second, where the file system tells of none'
            cand --open 'Open the project in a browser as soon as it is served'
            cand --no-ui 'Leave out the page at /__wash/'
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
            cand --pull-policy 'When a registry is asked what an image is; by default if the cache does not know it'
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
            cand --request-timeout 'How long a response may keep one waiting, such as 500ms or 30s: for its beginning, and for each next part of its body [default: 60s]'
            cand --allow-host-path 'Let documents use this directory and what is below it (`hostPath` volumes, `root` of a backend)'
            cand --image 'Take a file for an image that documents name'
            cand --keyvalue 'Where `wasi:keyvalue` keeps data unless a document says otherwise: `in-memory`, `filesystem:DIR`, `redis`, `postgres` or `nats`'
            cand --blobstore 'Where `wasi:blobstore` keeps data unless a document says otherwise: `in-memory`, `filesystem:DIR`, `postgres` or `nats`'
            cand --data-nats-url 'A NATS server for messages and data: `nats://user:password@host:port`, or `tls://` for TLS'
            cand --postgres-url 'A PostgreSQL database for data: `postgres://user:password@host/database`'
            cand --redis-url 'A Redis server for `wasi:keyvalue`: `redis://user:password@host:port/database`, or `rediss://` for TLS'
            cand --host-name 'A name for people'
            cand --friendly-name 'A name for people'
            cand --max-instances 'How many instances may live at once'
            cand --drain-timeout 'How long requests in flight may take to finish when the host stops'
            cand --cache-dir 'Where compiled code is kept, instead of `wash/code` in the user''s cache folder'
            cand --unload-after 'With --lazy, unload workloads that had no request for so long, or `never`'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --skip-build 'Serve what the last build of a project left, without building it'
            cand --lazy 'Load each workload when a request first wants it'
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
        &'wash;inspect'= {
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --summary 'Print the summary alone'
            cand --wit 'Print the WIT alone, on a terminal too'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand diff 'Compare two components or WIT packages, and tell whom the change breaks'
            cand check 'Tell whether a host can run a component, and what to add'
            cand size 'Tell what a component''s bytes are made of'
            cand deps 'List the crates and packages that a component was made of'
            cand metadata 'Show or set what a component says of itself'
            cand validate 'Check that a file is a valid component or module'
            cand strip 'Remove what a component does not need to run'
            cand wat 'Print a component in the text format'
            cand graph 'Draw which instances a component consists of, and what satisfies what'
        }
        &'wash;inspect;diff'= {
            cand --world 'The world of a package to compare'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;inspect;check'= {
            cand --host 'The host: a known one''s name, or a file that describes one'
            cand --world 'The world that the component must fit: `namespace:package/world`, or a world''s name alone; with `--host`, the one of a WIT package that the host is to run'
            cand --wit 'Where the world is defined: a folder of WIT, a file, a reference or a package [default: the project''s WIT folder]'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --list-hosts 'List the known hosts'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;inspect;size'= {
            cand --diff 'Show what changed since another build'
            cand --treemap 'Write a page with a map of the bytes, which needs no other file; `-` is standard output'
            cand --top 'How many functions and crates to list'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;inspect;deps'= {
            cand --sbom 'Print a bill of materials'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;inspect;metadata'= {
            cand --name 'Its name'
            cand --set-version 'Its own version'
            cand --authors 'Who is responsible'
            cand --description 'What it is for'
            cand --licenses 'Its licences, as an SPDX expression'
            cand --source 'Where its source is'
            cand --homepage 'Where to read more'
            cand --revision 'The revision of its source'
            cand --to 'The file to write, or `-` for standard output'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --in-place 'Replace the file that was read'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;inspect;validate'= {
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;inspect;strip'= {
            cand --delete 'Remove custom sections of this name alone; `*` at its end stands for any ending'
            cand --to 'The file to write, or `-` for standard output'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --all 'Remove all custom sections, names too'
            cand --in-place 'Replace the file that was read'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;inspect;wat'= {
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --skeleton 'Leave out function bodies and data'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;inspect;graph'= {
            cand --format 'The language of the drawing'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
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
        &'wash;oci'= {
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
            cand push 'Push a component, a WIT package or a core module to a registry'
            cand pull 'Pull a component from a registry'
            cand copy 'Copy an artifact between repositories, registries and image layouts'
            cand tag 'Give an artifact more tags, without pulling it'
            cand list 'List the tags of a repository, the newest version first'
            cand info 'Show what an artifact is: manifest, configuration, annotations and what refers to it'
            cand delete 'Delete a tag, or with a digest the artifact and all its tags'
            cand login 'Log in to a registry'
            cand logout 'Log out of a registry: forget its credentials'
            cand attach 'Attach a document to an artifact, such as a bill of materials'
            cand referrers 'List what refers to an artifact'
            cand sign 'Sign an artifact with a private key, in a form that cosign verifies'
            cand verify 'Verify that an artifact is signed'
            cand generate-key 'Make a key pair for signing'
            cand serve 'Serve a registry on this machine'
            cand cache 'Look after the cache that all tools share'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;oci;push'= {
            cand -t 'Push under this tag too; can be given several times'
            cand --tag 'Push under this tag too; can be given several times'
            cand -a 'Note this in the manifest; can be given several times. An empty value removes what the component says'
            cand --annotation 'Note this in the manifest; can be given several times. An empty value removes what the component says'
            cand --author 'Who made it, if the component does not say it'
            cand --profile 'How to pack it'
            cand --layout 'Write into an OCI image layout in this folder instead of sending'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --dry-run 'Send nothing; print what the digest would be'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;oci;pull'= {
            cand --policy 'When to ask the registry [default: always; with `--offline` never]'
            cand --verify 'Pull only what the owner of this public key has signed; can be given several times, and one must have'
            cand --layer 'The layer to take: its place from 0, its title or its media type'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --offline 'Use the cache alone'
            cand --raw 'Take the layer as it is, whatever it is'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;oci;copy'= {
            cand -t 'Give the copy this tag too; can be given several times'
            cand --tag 'Give the copy this tag too; can be given several times'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --referrers 'Copy what refers to it too: signatures, provenance, bills of materials'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;oci;tag'= {
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;oci;list'= {
            cand --limit 'List so many at most'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --all 'List tags of signatures and the like too'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;oci;info'= {
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;oci;delete'= {
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;oci;login'= {
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;oci;logout'= {
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
        &'wash;oci;attach'= {
            cand --type 'What it is, such as `application/spdx+json` [default: by the file''s content or name, where that is known]'
            cand -a 'Note this in its manifest; can be given several times'
            cand --annotation 'Note this in its manifest; can be given several times'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;oci;referrers'= {
            cand --type 'Only of this type'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;oci;sign'= {
            cand --key 'The private key: encrypted as `generate-key` and cosign do it, or in PKCS #8'
            cand --format 'In which form; can be given several times'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;oci;verify'= {
            cand --key 'The public key; can be given several times, and one must have signed [default: the rules of the configuration]'
            cand -u 'The user to log in as'
            cand --user 'The user to log in as'
            cand -p 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --password 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`'
            cand --ca-path 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --insecure 'Speak plain HTTP to the registries that the command names'
            cand --password-stdin 'Read the password from stdin'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;oci;generate-key'= {
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
        &'wash;oci;serve'= {
            cand --addr 'Where to listen; port 0 takes any free port'
            cand --auth 'Let only this user in. The shell remembers what is typed here: `--auth-file` and `WASH_OCI_SERVE_AUTH` do not show a password'
            cand --auth-file 'Let only these users in: a file of `user:password` lines, or `-` for standard input'
            cand --tls-cert 'Serve HTTPS with this certificate chain (PEM)'
            cand --tls-key 'The private key of the certificate (PEM)'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --allow-remote 'Listen where other machines can reach it; somebody must be named who is let in'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;oci;cache'= {
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
            cand list 'List what is in it, the last used first'
            cand prune 'Remove what was not used for long, and what interrupted pulls have left'
            cand clean 'Remove everything'
            cand path 'Print where it is'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;oci;cache;list'= {
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
        &'wash;oci;cache;prune'= {
            cand --unused-for 'Remove what was not used for so long, such as `30days`'
            cand --max-size 'Then remove what was used longest ago, until so many mebibytes are left'
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
        &'wash;oci;cache;clean'= {
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
        &'wash;oci;cache;path'= {
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
        &'wash;oci;cache;help'= {
            cand list 'List what is in it, the last used first'
            cand prune 'Remove what was not used for long, and what interrupted pulls have left'
            cand clean 'Remove everything'
            cand path 'Print where it is'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;oci;cache;help;list'= {
        }
        &'wash;oci;cache;help;prune'= {
        }
        &'wash;oci;cache;help;clean'= {
        }
        &'wash;oci;cache;help;path'= {
        }
        &'wash;oci;cache;help;help'= {
        }
        &'wash;oci;help'= {
            cand push 'Push a component, a WIT package or a core module to a registry'
            cand pull 'Pull a component from a registry'
            cand copy 'Copy an artifact between repositories, registries and image layouts'
            cand tag 'Give an artifact more tags, without pulling it'
            cand list 'List the tags of a repository, the newest version first'
            cand info 'Show what an artifact is: manifest, configuration, annotations and what refers to it'
            cand delete 'Delete a tag, or with a digest the artifact and all its tags'
            cand login 'Log in to a registry'
            cand logout 'Log out of a registry: forget its credentials'
            cand attach 'Attach a document to an artifact, such as a bill of materials'
            cand referrers 'List what refers to an artifact'
            cand sign 'Sign an artifact with a private key, in a form that cosign verifies'
            cand verify 'Verify that an artifact is signed'
            cand generate-key 'Make a key pair for signing'
            cand serve 'Serve a registry on this machine'
            cand cache 'Look after the cache that all tools share'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;oci;help;push'= {
        }
        &'wash;oci;help;pull'= {
        }
        &'wash;oci;help;copy'= {
        }
        &'wash;oci;help;tag'= {
        }
        &'wash;oci;help;list'= {
        }
        &'wash;oci;help;info'= {
        }
        &'wash;oci;help;delete'= {
        }
        &'wash;oci;help;login'= {
        }
        &'wash;oci;help;logout'= {
        }
        &'wash;oci;help;attach'= {
        }
        &'wash;oci;help;referrers'= {
        }
        &'wash;oci;help;sign'= {
        }
        &'wash;oci;help;verify'= {
        }
        &'wash;oci;help;generate-key'= {
        }
        &'wash;oci;help;serve'= {
        }
        &'wash;oci;help;cache'= {
            cand list 'List what is in it, the last used first'
            cand prune 'Remove what was not used for long, and what interrupted pulls have left'
            cand clean 'Remove everything'
            cand path 'Print where it is'
        }
        &'wash;oci;help;cache;list'= {
        }
        &'wash;oci;help;cache;prune'= {
        }
        &'wash;oci;help;cache;clean'= {
        }
        &'wash;oci;help;cache;path'= {
        }
        &'wash;oci;help;help'= {
        }
        &'wash;wit'= {
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand fetch 'Fetch what the sources refer to into `wit/deps`'
            cand add 'Add an interface or a world to the project''s world, and fetch it'
            cand remove 'Remove a dependency from the sources'
            cand update 'Write newer versions into the sources, and fetch them'
            cand clean 'Remove fetched dependencies from `wit/deps`'
            cand build 'Build the project''s WIT into a package in the binary form'
            cand check 'Check that sources, lock and `wit/deps` agree; changes nothing'
            cand tree 'Show the packages and where they come from'
            cand outdated 'List dependencies that have newer versions'
            cand why 'Show how the project comes to depend on a package'
            cand vendor 'Copy the locked packages into a folder that `wash` and `wkg` can use as a registry'
            cand publish 'Build the project''s WIT and publish it to a registry'
            cand cache 'Look after the cache of packages, which all projects share'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;wit;fetch'= {
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --clean 'Remove fetched dependencies first: what `wkg.lock` owns of `wit/deps` does not count'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;add'= {
            cand --world 'The world of the project to add to, if it has several'
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --export 'Export the interface instead of importing it'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;remove'= {
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;update'= {
            cand --precise 'The version to change to, whatever others there are'
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --breaking 'Change to versions that are not compatible, too'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;clean'= {
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;build'= {
            cand --output-file 'The file to write [default: <namespace>:<name>@<version>.wasm with dashes, in the project]'
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;check'= {
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;tree'= {
            cand -i 'Show who refers to a package instead of what it refers to'
            cand --invert 'Show who refers to a package instead of what it refers to'
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;outdated'= {
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;why'= {
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;vendor'= {
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;publish'= {
            cand --registry 'The registry, instead of the one that is configured for the namespace'
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --dry-run 'Check everything, publish nothing'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;cache'= {
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand prune 'Remove what was not used for long'
            cand clean 'Remove everything'
            cand path 'Print where it is'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;wit;cache;prune'= {
            cand --unused-for 'Remove what was not used for so long, such as `30days`'
            cand --max-size 'Then remove what was used longest ago, until so many mebibytes are left'
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;cache;clean'= {
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;cache;path'= {
            cand --wit-dir 'The folder of the project''s `.wit` files, relative to the project [default: ./wit]'
            cand -C 'Run as if started in this folder'
            cand -o 'How to print the result'
            cand --output 'How to print the result'
            cand -l 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --log-level 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)'
            cand --user-config 'The user configuration to read instead of the one in the configuration folder'
            cand --color 'When to colour the output'
            cand --offline 'Send no packet: use what is in `wit/deps` and on this machine'
            cand --locked 'Fail if `wkg.lock` would change'
            cand --frozen '`--offline` and `--locked` in one'
            cand --verbose 'Show what happens in more detail: the same as `--log-level debug`'
            cand --non-interactive 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'wash;wit;cache;help'= {
            cand prune 'Remove what was not used for long'
            cand clean 'Remove everything'
            cand path 'Print where it is'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;wit;cache;help;prune'= {
        }
        &'wash;wit;cache;help;clean'= {
        }
        &'wash;wit;cache;help;path'= {
        }
        &'wash;wit;cache;help;help'= {
        }
        &'wash;wit;help'= {
            cand fetch 'Fetch what the sources refer to into `wit/deps`'
            cand add 'Add an interface or a world to the project''s world, and fetch it'
            cand remove 'Remove a dependency from the sources'
            cand update 'Write newer versions into the sources, and fetch them'
            cand clean 'Remove fetched dependencies from `wit/deps`'
            cand build 'Build the project''s WIT into a package in the binary form'
            cand check 'Check that sources, lock and `wit/deps` agree; changes nothing'
            cand tree 'Show the packages and where they come from'
            cand outdated 'List dependencies that have newer versions'
            cand why 'Show how the project comes to depend on a package'
            cand vendor 'Copy the locked packages into a folder that `wash` and `wkg` can use as a registry'
            cand publish 'Build the project''s WIT and publish it to a registry'
            cand cache 'Look after the cache of packages, which all projects share'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;wit;help;fetch'= {
        }
        &'wash;wit;help;add'= {
        }
        &'wash;wit;help;remove'= {
        }
        &'wash;wit;help;update'= {
        }
        &'wash;wit;help;clean'= {
        }
        &'wash;wit;help;build'= {
        }
        &'wash;wit;help;check'= {
        }
        &'wash;wit;help;tree'= {
        }
        &'wash;wit;help;outdated'= {
        }
        &'wash;wit;help;why'= {
        }
        &'wash;wit;help;vendor'= {
        }
        &'wash;wit;help;publish'= {
        }
        &'wash;wit;help;cache'= {
            cand prune 'Remove what was not used for long'
            cand clean 'Remove everything'
            cand path 'Print where it is'
        }
        &'wash;wit;help;cache;prune'= {
        }
        &'wash;wit;help;cache;clean'= {
        }
        &'wash;wit;help;cache;path'= {
        }
        &'wash;wit;help;help'= {
        }
        &'wash;drain'= {
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
            cand inspect 'See, compare and judge a component without running it'
            cand new 'Create a project from a template'
            cand oci 'Push, pull, copy, sign and serve WebAssembly components in OCI registries'
            cand wit 'Manage the WIT dependencies of a project'
            cand drain 'Clean the caches that tools keep'
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
        &'wash;help;inspect'= {
            cand diff 'Compare two components or WIT packages, and tell whom the change breaks'
            cand check 'Tell whether a host can run a component, and what to add'
            cand size 'Tell what a component''s bytes are made of'
            cand deps 'List the crates and packages that a component was made of'
            cand metadata 'Show or set what a component says of itself'
            cand validate 'Check that a file is a valid component or module'
            cand strip 'Remove what a component does not need to run'
            cand wat 'Print a component in the text format'
            cand graph 'Draw which instances a component consists of, and what satisfies what'
        }
        &'wash;help;inspect;diff'= {
        }
        &'wash;help;inspect;check'= {
        }
        &'wash;help;inspect;size'= {
        }
        &'wash;help;inspect;deps'= {
        }
        &'wash;help;inspect;metadata'= {
        }
        &'wash;help;inspect;validate'= {
        }
        &'wash;help;inspect;strip'= {
        }
        &'wash;help;inspect;wat'= {
        }
        &'wash;help;inspect;graph'= {
        }
        &'wash;help;new'= {
        }
        &'wash;help;oci'= {
            cand push 'Push a component, a WIT package or a core module to a registry'
            cand pull 'Pull a component from a registry'
            cand copy 'Copy an artifact between repositories, registries and image layouts'
            cand tag 'Give an artifact more tags, without pulling it'
            cand list 'List the tags of a repository, the newest version first'
            cand info 'Show what an artifact is: manifest, configuration, annotations and what refers to it'
            cand delete 'Delete a tag, or with a digest the artifact and all its tags'
            cand login 'Log in to a registry'
            cand logout 'Log out of a registry: forget its credentials'
            cand attach 'Attach a document to an artifact, such as a bill of materials'
            cand referrers 'List what refers to an artifact'
            cand sign 'Sign an artifact with a private key, in a form that cosign verifies'
            cand verify 'Verify that an artifact is signed'
            cand generate-key 'Make a key pair for signing'
            cand serve 'Serve a registry on this machine'
            cand cache 'Look after the cache that all tools share'
        }
        &'wash;help;oci;push'= {
        }
        &'wash;help;oci;pull'= {
        }
        &'wash;help;oci;copy'= {
        }
        &'wash;help;oci;tag'= {
        }
        &'wash;help;oci;list'= {
        }
        &'wash;help;oci;info'= {
        }
        &'wash;help;oci;delete'= {
        }
        &'wash;help;oci;login'= {
        }
        &'wash;help;oci;logout'= {
        }
        &'wash;help;oci;attach'= {
        }
        &'wash;help;oci;referrers'= {
        }
        &'wash;help;oci;sign'= {
        }
        &'wash;help;oci;verify'= {
        }
        &'wash;help;oci;generate-key'= {
        }
        &'wash;help;oci;serve'= {
        }
        &'wash;help;oci;cache'= {
            cand list 'List what is in it, the last used first'
            cand prune 'Remove what was not used for long, and what interrupted pulls have left'
            cand clean 'Remove everything'
            cand path 'Print where it is'
        }
        &'wash;help;oci;cache;list'= {
        }
        &'wash;help;oci;cache;prune'= {
        }
        &'wash;help;oci;cache;clean'= {
        }
        &'wash;help;oci;cache;path'= {
        }
        &'wash;help;wit'= {
            cand fetch 'Fetch what the sources refer to into `wit/deps`'
            cand add 'Add an interface or a world to the project''s world, and fetch it'
            cand remove 'Remove a dependency from the sources'
            cand update 'Write newer versions into the sources, and fetch them'
            cand clean 'Remove fetched dependencies from `wit/deps`'
            cand build 'Build the project''s WIT into a package in the binary form'
            cand check 'Check that sources, lock and `wit/deps` agree; changes nothing'
            cand tree 'Show the packages and where they come from'
            cand outdated 'List dependencies that have newer versions'
            cand why 'Show how the project comes to depend on a package'
            cand vendor 'Copy the locked packages into a folder that `wash` and `wkg` can use as a registry'
            cand publish 'Build the project''s WIT and publish it to a registry'
            cand cache 'Look after the cache of packages, which all projects share'
        }
        &'wash;help;wit;fetch'= {
        }
        &'wash;help;wit;add'= {
        }
        &'wash;help;wit;remove'= {
        }
        &'wash;help;wit;update'= {
        }
        &'wash;help;wit;clean'= {
        }
        &'wash;help;wit;build'= {
        }
        &'wash;help;wit;check'= {
        }
        &'wash;help;wit;tree'= {
        }
        &'wash;help;wit;outdated'= {
        }
        &'wash;help;wit;why'= {
        }
        &'wash;help;wit;vendor'= {
        }
        &'wash;help;wit;publish'= {
        }
        &'wash;help;wit;cache'= {
            cand prune 'Remove what was not used for long'
            cand clean 'Remove everything'
            cand path 'Print where it is'
        }
        &'wash;help;wit;cache;prune'= {
        }
        &'wash;help;wit;cache;clean'= {
        }
        &'wash;help;wit;cache;path'= {
        }
        &'wash;help;drain'= {
        }
        &'wash;help;completion'= {
        }
        &'wash;help;help'= {
        }
    ]
    $completions[$command]
}
