# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_wash_global_optspecs
    string join \n list C= o/output= l/log-level= verbose non-interactive user-config= color= h/help V/version
end

function __fish_wash_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_wash_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_wash_using_subcommand
    set -l cmd (__fish_wash_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c wash -n "__fish_wash_needs_command" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_needs_command" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_needs_command" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_needs_command" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_needs_command" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_needs_command" -l list -d 'List the commands found'
complete -c wash -n "__fish_wash_needs_command" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_needs_command" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_needs_command" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_needs_command" -f -a "build" -d 'Build a WebAssembly component from a project'
complete -c wash -n "__fish_wash_needs_command" -f -a "dev" -d 'Build a component, serve it, and swap it in when its source changes'
complete -c wash -n "__fish_wash_needs_command" -f -a "host" -d 'Run WebAssembly components as a host on this machine'
complete -c wash -n "__fish_wash_needs_command" -f -a "new" -d 'Create a project from a template'
complete -c wash -n "__fish_wash_needs_command" -f -a "completion" -d 'Print the completion script of a shell'
complete -c wash -n "__fish_wash_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c wash -n "__fish_wash_using_subcommand build" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand build" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand build" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand build" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand build" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand build" -l skip-fetch -d 'Use the WIT dependencies in `wit/deps` as they are'
complete -c wash -n "__fish_wash_using_subcommand build" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand build" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand build" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand build" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand dev" -l address -d 'The address to listen on, instead of `dev.address`; port 0 takes any free port' -r
complete -c wash -n "__fish_wash_using_subcommand dev" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand dev" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand dev" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand dev" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand dev" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand dev" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand dev" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand dev" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand dev" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand host; and not __fish_seen_subcommand_from run cache help" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand host; and not __fish_seen_subcommand_from run cache help" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand host; and not __fish_seen_subcommand_from run cache help" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand host; and not __fish_seen_subcommand_from run cache help" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand host; and not __fish_seen_subcommand_from run cache help" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand host; and not __fish_seen_subcommand_from run cache help" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand host; and not __fish_seen_subcommand_from run cache help" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand host; and not __fish_seen_subcommand_from run cache help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand host; and not __fish_seen_subcommand_from run cache help" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand host; and not __fish_seen_subcommand_from run cache help" -f -a "run" -d 'Run components, projects or Kubernetes documents, and serve them'
complete -c wash -n "__fish_wash_using_subcommand host; and not __fish_seen_subcommand_from run cache help" -f -a "cache" -d 'Look after the compiled code that hosts keep'
complete -c wash -n "__fish_wash_using_subcommand host; and not __fish_seen_subcommand_from run cache help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l invoke -d 'Call one function, print its result, and end: `iface#func(args)`, with arguments as WAVE writes values' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l http-addr -d 'Where to serve HTTP; port 0 takes any free port' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l tls-cert-path -d 'Serve HTTPS with this certificate chain (PEM); it is read again when it changes' -r -F
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l tls-key-path -d 'The private key of the certificate (PEM)' -r -F
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l tls-ca-path -d 'Serve only clients with a certificate from these authorities (PEM)' -r -F
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l admin-addr -d 'Where to serve `/livez`, `/readyz` and Prometheus\' `/metrics`; nowhere by default' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l env -d 'Set an environment variable; NAME alone hands on the host\'s own' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l env-file -d 'Read environment variables from a file, one `NAME=VALUE` per line; --env comes first' -r -F
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l config -d 'Set a value of `wasi:config`' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l volume -d 'Let the component see a directory of this machine' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l allowed-host -d 'Allow HTTP requests to this host, such as api.example.com or *.example.com; without any, all are allowed' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l memory-limit -d 'The linear memory of an instance in MiB; no limit by default' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l pool-size -d 'How many instances to keep ready' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l max-invocations -d 'How many requests may be in flight at once; further ones are told to come back' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l instance-reuse -d 'How many requests an instance may answer, one after another; by default each gets a fresh one' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l request-timeout -d 'How long a request may take, such as 500ms or 30s' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l allow-host-path -d 'Let documents use this directory and what is below it (`hostPath` volumes, `root` of a backend)' -r -F
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l image -d 'Take a file for an image that documents name' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l keyvalue -d 'Where `wasi:keyvalue` keeps data unless a document says otherwise: `in-memory` or `filesystem:DIR`' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l blobstore -d 'Where `wasi:blobstore` keeps data unless a document says otherwise: `in-memory` or `filesystem:DIR`' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l host-name -l friendly-name -d 'A name for people' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l max-instances -d 'How many instances may live at once' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l drain-timeout -d 'How long requests in flight may take to finish when the host stops' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l cache-dir -d 'Where compiled code is kept, instead of `wash/code` in the user\'s cache folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l skip-build -d 'Serve what the last build of a project left, without building it'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l no-cache -d 'Neither use nor keep compiled code'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from cache" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from cache" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from cache" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from cache" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from cache" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from cache" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from cache" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from cache" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from cache" -f -a "list" -d 'List what is kept, the latest used first'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from cache" -f -a "prune" -d 'Remove what has not been used for long'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from cache" -f -a "clear" -d 'Remove everything'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from cache" -f -a "verify" -d 'Check everything that is kept, and remove what is damaged'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from cache" -f -a "path" -d 'Print the folder'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from cache" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from help" -f -a "run" -d 'Run components, projects or Kubernetes documents, and serve them'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from help" -f -a "cache" -d 'Look after the compiled code that hosts keep'
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c wash -n "__fish_wash_using_subcommand new" -l name -d 'The name of the project and its folder [default: that of the subfolder, repository, folder or template]' -r
complete -c wash -n "__fish_wash_using_subcommand new" -l subfolder -d 'The folder inside the source that is the template' -r -F
complete -c wash -n "__fish_wash_using_subcommand new" -l git-ref -d 'The branch, tag or commit of the repository [default: its default branch]' -r
complete -c wash -n "__fish_wash_using_subcommand new" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand new" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand new" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand new" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand new" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand new" -l list -d 'List the built-in templates'
complete -c wash -n "__fish_wash_using_subcommand new" -l allow-commands -d 'Run the template\'s own set-up command without asking'
complete -c wash -n "__fish_wash_using_subcommand new" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand new" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand new" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand completion" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand completion" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand completion" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand completion" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand completion" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand completion" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand completion" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand completion" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host new completion help" -f -a "build" -d 'Build a WebAssembly component from a project'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host new completion help" -f -a "dev" -d 'Build a component, serve it, and swap it in when its source changes'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host new completion help" -f -a "host" -d 'Run WebAssembly components as a host on this machine'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host new completion help" -f -a "new" -d 'Create a project from a template'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host new completion help" -f -a "completion" -d 'Print the completion script of a shell'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host new completion help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from host" -f -a "run" -d 'Run components, projects or Kubernetes documents, and serve them'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from host" -f -a "cache" -d 'Look after the compiled code that hosts keep'
