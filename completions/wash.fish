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
complete -c wash -n "__fish_wash_needs_command" -f -a "inspect" -d 'See, compare and judge a component without running it'
complete -c wash -n "__fish_wash_needs_command" -f -a "new" -d 'Create a project from a template'
complete -c wash -n "__fish_wash_needs_command" -f -a "oci" -d 'Push, pull, copy, sign and serve WebAssembly components in OCI registries'
complete -c wash -n "__fish_wash_needs_command" -f -a "wit" -d 'Manage the WIT dependencies of a project'
complete -c wash -n "__fish_wash_needs_command" -f -a "drain" -d 'Clean the caches that tools keep'
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
complete -c wash -n "__fish_wash_using_subcommand dev" -l port -d 'The port to listen on, instead of that of `dev.address`; 0 takes any free one' -r
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
complete -c wash -n "__fish_wash_using_subcommand dev" -l once -d 'Build, put the project into service, and end: exit code 0 says that it starts'
complete -c wash -n "__fish_wash_using_subcommand dev" -l no-watch -d 'Build and serve, and look for no changes'
complete -c wash -n "__fish_wash_using_subcommand dev" -l poll -d 'Look for changes twice in a second, where the file system tells of none'
complete -c wash -n "__fish_wash_using_subcommand dev" -l open -d 'Open the project in a browser as soon as it is served'
complete -c wash -n "__fish_wash_using_subcommand dev" -l no-ui -d 'Leave out the page at /__wash/'
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
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l pull-policy -d 'When a registry is asked what an image is; by default if the cache does not know it' -r -f -a "always\t'Each time'
if-not-present\t'If the cache does not know the image'
never\t'Not at all: the image has to be in the cache'"
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
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l request-timeout -d 'How long a response may keep one waiting, such as 500ms or 30s: for its beginning, and for each next part of its body [default: 60s]' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l allow-host-path -d 'Let documents use this directory and what is below it (`hostPath` volumes, `root` of a backend)' -r -F
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l image -d 'Take a file for an image that documents name' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l keyvalue -d 'Where `wasi:keyvalue` keeps data unless a document says otherwise: `in-memory`, `filesystem:DIR`, `redis`, `postgres` or `nats`' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l blobstore -d 'Where `wasi:blobstore` keeps data unless a document says otherwise: `in-memory`, `filesystem:DIR`, `postgres` or `nats`' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l data-nats-url -d 'A NATS server for messages and data: `nats://user:password@host:port`, or `tls://` for TLS' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l postgres-url -d 'A PostgreSQL database for data: `postgres://user:password@host/database`' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l redis-url -d 'A Redis server for `wasi:keyvalue`: `redis://user:password@host:port/database`, or `rediss://` for TLS' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l host-name -l friendly-name -d 'A name for people' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l max-instances -d 'How many instances may live at once' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l drain-timeout -d 'How long requests in flight may take to finish when the host stops' -r
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l cache-dir -d 'Where compiled code is kept, instead of `wash/code` in the user\'s cache folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l unload-after -d 'With --lazy, unload workloads that had no request for so long, or `never`' -r
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
complete -c wash -n "__fish_wash_using_subcommand host; and __fish_seen_subcommand_from run" -l lazy -d 'Load each workload when a request first wants it'
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
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -l summary -d 'Print the summary alone'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -l wit -d 'Print the WIT alone, on a terminal too'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -a "diff" -d 'Compare two components or WIT packages, and tell whom the change breaks'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -a "check" -d 'Tell whether a host can run a component, and what to add'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -a "size" -d 'Tell what a component\'s bytes are made of'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -a "deps" -d 'List the crates and packages that a component was made of'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -a "metadata" -d 'Show or set what a component says of itself'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -a "validate" -d 'Check that a file is a valid component or module'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -a "strip" -d 'Remove what a component does not need to run'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -a "wat" -d 'Print a component in the text format'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff check size deps metadata validate strip wat graph" -a "graph" -d 'Draw which instances a component consists of, and what satisfies what'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l world -d 'The world of a package to compare' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -l host -d 'The host: a known one\'s name, or a file that describes one' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -l world -d 'The world that the component must fit: `namespace:package/world`, or a world\'s name alone; with `--host`, the one of a WIT package that the host is to run' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -l wit -d 'Where the world is defined: a folder of WIT, a file, a reference or a package [default: the project\'s WIT folder]' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -l list-hosts -d 'List the known hosts'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -l diff -d 'Show what changed since another build' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -l treemap -d 'Write a page with a map of the bytes, which needs no other file; `-` is standard output' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -l top -d 'How many functions and crates to list' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from size" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from deps" -l sbom -d 'Print a bill of materials' -r -f -a "cyclonedx\t'CycloneDX 1.6'
spdx\t'SPDX 2.3'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from deps" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from deps" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from deps" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from deps" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from deps" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from deps" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from deps" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from deps" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from deps" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from deps" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from deps" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from deps" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from deps" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l name -d 'Its name' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l set-version -d 'Its own version' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l authors -d 'Who is responsible' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l description -d 'What it is for' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l licenses -d 'Its licences, as an SPDX expression' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l source -d 'Where its source is' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l homepage -d 'Where to read more' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l revision -d 'The revision of its source' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l to -d 'The file to write, or `-` for standard output' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l in-place -d 'Replace the file that was read'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from metadata" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from validate" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from validate" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from validate" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from validate" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from validate" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from validate" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from validate" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from validate" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from validate" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from validate" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from validate" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from validate" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -l delete -d 'Remove custom sections of this name alone; `*` at its end stands for any ending' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -l to -d 'The file to write, or `-` for standard output' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -l all -d 'Remove all custom sections, names too'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -l in-place -d 'Replace the file that was read'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from strip" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from wat" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from wat" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from wat" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from wat" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from wat" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from wat" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from wat" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from wat" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from wat" -l skeleton -d 'Leave out function bodies and data'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from wat" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from wat" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from wat" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from wat" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from wat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from graph" -l format -d 'The language of the drawing' -r -f -a "dot\t'Graphviz'
mermaid\t'Mermaid, which many Markdown viewers draw'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from graph" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from graph" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from graph" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from graph" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from graph" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from graph" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from graph" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from graph" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from graph" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from graph" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from graph" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from graph" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from graph" -s h -l help -d 'Print help (see more with \'--help\')'
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
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "push" -d 'Push a component, a WIT package or a core module to a registry'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "pull" -d 'Pull a component from a registry'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "copy" -d 'Copy an artifact between repositories, registries and image layouts'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "tag" -d 'Give an artifact more tags, without pulling it'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "list" -d 'List the tags of a repository, the newest version first'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "info" -d 'Show what an artifact is: manifest, configuration, annotations and what refers to it'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "delete" -d 'Delete a tag, or with a digest the artifact and all its tags'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "login" -d 'Log in to a registry'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "logout" -d 'Log out of a registry: forget its credentials'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "attach" -d 'Attach a document to an artifact, such as a bill of materials'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "referrers" -d 'List what refers to an artifact'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "sign" -d 'Sign an artifact with a private key, in a form that cosign verifies'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "verify" -d 'Verify that an artifact is signed'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "generate-key" -d 'Make a key pair for signing'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "serve" -d 'Serve a registry on this machine'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "cache" -d 'Look after the cache that all tools share'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull copy tag list info delete login logout attach referrers sign verify generate-key serve cache help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s t -l tag -d 'Push under this tag too; can be given several times' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s a -l annotation -d 'Note this in the manifest; can be given several times. An empty value removes what the component says' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l author -d 'Who made it, if the component does not say it' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l profile -d 'How to pack it' -r -f -a "standard\t'As the CNCF describes it: for wash, wkg, containerd and others'
envoy\t'As Envoy and Istio expect it, for registries that refuse the standard media types'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l layout -d 'Write into an OCI image layout in this folder instead of sending' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l dry-run -d 'Send nothing; print what the digest would be'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l policy -d 'When to ask the registry [default: always; with `--offline` never]' -r -f -a "always\t'Each time'
if-not-present\t'When the cache does not have it'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l verify -d 'Pull only what the owner of this public key has signed; can be given several times, and one must have' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l layer -d 'The layer to take: its place from 0, its title or its media type' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l offline -d 'Use the cache alone'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l raw -d 'Take the layer as it is, whatever it is'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -s t -l tag -d 'Give the copy this tag too; can be given several times' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l referrers -d 'Copy what refers to it too: signatures, provenance, bills of materials'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tag" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tag" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tag" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tag" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tag" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tag" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tag" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tag" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tag" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tag" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tag" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tag" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tag" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -l limit -d 'List so many at most' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -l all -d 'List tags of signatures and the like too'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from info" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from info" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from info" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from info" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from info" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from info" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from info" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from info" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from info" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from info" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from info" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from info" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from info" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from delete" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from delete" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from delete" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from delete" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from delete" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from delete" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from delete" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from delete" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from delete" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from delete" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from delete" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from delete" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -l type -d 'What it is, such as `application/spdx+json` [default: by the file\'s content or name, where that is known]' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -s a -l annotation -d 'Note this in its manifest; can be given several times' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from attach" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l type -d 'Only of this type' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -l key -d 'The private key: encrypted as `generate-key` and cosign do it, or in PKCS #8' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -l format -d 'In which form; can be given several times' -r -f -a "bundle\t'A Sigstore bundle that refers to the artifact: for cosign 3'
tag\t'Under a tag of its own: for cosign 2, skopeo and Podman'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from sign" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from verify" -l key -d 'The public key; can be given several times, and one must have signed [default: the rules of the configuration]' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from verify" -s u -l user -d 'The user to log in as' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from verify" -s p -l password -d 'The password; others on this machine can see it, so prefer `--password-stdin` or `WASH_REG_PASSWORD`' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from verify" -l ca-path -d 'Trust the authorities whose certificates, in PEM, are in this file too; can be given several times' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from verify" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from verify" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from verify" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from verify" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from verify" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from verify" -l insecure -d 'Speak plain HTTP to the registries that the command names'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from verify" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from verify" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from verify" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from generate-key" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from generate-key" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from generate-key" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from generate-key" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from generate-key" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from generate-key" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from generate-key" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from generate-key" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from serve" -l addr -d 'Where to listen; port 0 takes any free port' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from serve" -l auth -d 'Let only this user in. The shell remembers what is typed here: `--auth-file` and `WASH_OCI_SERVE_AUTH` do not show a password' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from serve" -l auth-file -d 'Let only these users in: a file of `user:password` lines, or `-` for standard input' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from serve" -l tls-cert -d 'Serve HTTPS with this certificate chain (PEM)' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from serve" -l tls-key -d 'The private key of the certificate (PEM)' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from serve" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from serve" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from serve" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from serve" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from serve" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from serve" -l allow-remote -d 'Listen where other machines can reach it; somebody must be named who is let in'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from serve" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from serve" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from cache" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from cache" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from cache" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from cache" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from cache" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from cache" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from cache" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from cache" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from cache" -f -a "list" -d 'List what is in it, the last used first'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from cache" -f -a "prune" -d 'Remove what was not used for long, and what interrupted pulls have left'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from cache" -f -a "clean" -d 'Remove everything'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from cache" -f -a "path" -d 'Print where it is'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from cache" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "push" -d 'Push a component, a WIT package or a core module to a registry'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "pull" -d 'Pull a component from a registry'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "copy" -d 'Copy an artifact between repositories, registries and image layouts'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "tag" -d 'Give an artifact more tags, without pulling it'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the tags of a repository, the newest version first'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "info" -d 'Show what an artifact is: manifest, configuration, annotations and what refers to it'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Delete a tag, or with a digest the artifact and all its tags'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "login" -d 'Log in to a registry'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "logout" -d 'Log out of a registry: forget its credentials'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "attach" -d 'Attach a document to an artifact, such as a bill of materials'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "referrers" -d 'List what refers to an artifact'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "sign" -d 'Sign an artifact with a private key, in a form that cosign verifies'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Verify that an artifact is signed'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "generate-key" -d 'Make a key pair for signing'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "serve" -d 'Serve a registry on this machine'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "cache" -d 'Look after the cache that all tools share'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -l wit-dir -d 'The folder of the project\'s `.wit` files, relative to the project [default: ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -l offline -d 'Send no packet: use what is in `wit/deps` and on this machine'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -l locked -d 'Fail if `wkg.lock` would change'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -l frozen -d '`--offline` and `--locked` in one'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -f -a "fetch" -d 'Fetch what the sources refer to into `wit/deps`'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -f -a "add" -d 'Add an interface or a world to the project\'s world, and fetch it'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -f -a "remove" -d 'Remove a dependency from the sources'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -f -a "update" -d 'Write newer versions into the sources, and fetch them'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -f -a "clean" -d 'Remove fetched dependencies from `wit/deps`'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -f -a "build" -d 'Build the project\'s WIT into a package in the binary form'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -f -a "check" -d 'Check that sources, lock and `wit/deps` agree; changes nothing'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -f -a "tree" -d 'Show the packages and where they come from'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -f -a "outdated" -d 'List dependencies that have newer versions'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -f -a "why" -d 'Show how the project comes to depend on a package'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -f -a "vendor" -d 'Copy the locked packages into a folder that `wash` and `wkg` can use as a registry'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -f -a "publish" -d 'Build the project\'s WIT and publish it to a registry'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -f -a "cache" -d 'Look after the cache of packages, which all projects share'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from fetch add remove update clean build check tree outdated why vendor publish cache help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l wit-dir -d 'The folder of the project\'s `.wit` files, relative to the project [default: ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l clean -d 'Remove fetched dependencies first: what `wkg.lock` owns of `wit/deps` does not count'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l offline -d 'Send no packet: use what is in `wit/deps` and on this machine'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l locked -d 'Fail if `wkg.lock` would change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l frozen -d '`--offline` and `--locked` in one'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l world -d 'The world of the project to add to, if it has several' -r
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l wit-dir -d 'The folder of the project\'s `.wit` files, relative to the project [default: ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l export -d 'Export the interface instead of importing it'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l offline -d 'Send no packet: use what is in `wit/deps` and on this machine'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l locked -d 'Fail if `wkg.lock` would change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l frozen -d '`--offline` and `--locked` in one'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -l wit-dir -d 'The folder of the project\'s `.wit` files, relative to the project [default: ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -l offline -d 'Send no packet: use what is in `wit/deps` and on this machine'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -l locked -d 'Fail if `wkg.lock` would change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -l frozen -d '`--offline` and `--locked` in one'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l precise -d 'The version to change to, whatever others there are' -r
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l wit-dir -d 'The folder of the project\'s `.wit` files, relative to the project [default: ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l breaking -d 'Change to versions that are not compatible, too'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l offline -d 'Send no packet: use what is in `wit/deps` and on this machine'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l locked -d 'Fail if `wkg.lock` would change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l frozen -d '`--offline` and `--locked` in one'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -l wit-dir -d 'The folder of the project\'s `.wit` files, relative to the project [default: ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -l offline -d 'Send no packet: use what is in `wit/deps` and on this machine'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -l locked -d 'Fail if `wkg.lock` would change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -l frozen -d '`--offline` and `--locked` in one'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l output-file -d 'The file to write [default: <namespace>:<name>@<version>.wasm with dashes, in the project]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l wit-dir -d 'The folder of the project\'s `.wit` files, relative to the project [default: ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l offline -d 'Send no packet: use what is in `wit/deps` and on this machine'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l locked -d 'Fail if `wkg.lock` would change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l frozen -d '`--offline` and `--locked` in one'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -l wit-dir -d 'The folder of the project\'s `.wit` files, relative to the project [default: ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -l offline -d 'Send no packet: use what is in `wit/deps` and on this machine'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -l locked -d 'Fail if `wkg.lock` would change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -l frozen -d '`--offline` and `--locked` in one'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -s i -l invert -d 'Show who refers to a package instead of what it refers to' -r
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -l wit-dir -d 'The folder of the project\'s `.wit` files, relative to the project [default: ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -l offline -d 'Send no packet: use what is in `wit/deps` and on this machine'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -l locked -d 'Fail if `wkg.lock` would change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -l frozen -d '`--offline` and `--locked` in one'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from outdated" -l wit-dir -d 'The folder of the project\'s `.wit` files, relative to the project [default: ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from outdated" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from outdated" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from outdated" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from outdated" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from outdated" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from outdated" -l offline -d 'Send no packet: use what is in `wit/deps` and on this machine'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from outdated" -l locked -d 'Fail if `wkg.lock` would change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from outdated" -l frozen -d '`--offline` and `--locked` in one'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from outdated" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from outdated" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from outdated" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from why" -l wit-dir -d 'The folder of the project\'s `.wit` files, relative to the project [default: ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from why" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from why" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from why" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from why" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from why" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from why" -l offline -d 'Send no packet: use what is in `wit/deps` and on this machine'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from why" -l locked -d 'Fail if `wkg.lock` would change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from why" -l frozen -d '`--offline` and `--locked` in one'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from why" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from why" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from vendor" -l wit-dir -d 'The folder of the project\'s `.wit` files, relative to the project [default: ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from vendor" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from vendor" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from vendor" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from vendor" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from vendor" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from vendor" -l offline -d 'Send no packet: use what is in `wit/deps` and on this machine'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from vendor" -l locked -d 'Fail if `wkg.lock` would change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from vendor" -l frozen -d '`--offline` and `--locked` in one'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from vendor" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from vendor" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from vendor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from publish" -l registry -d 'The registry, instead of the one that is configured for the namespace' -r
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from publish" -l wit-dir -d 'The folder of the project\'s `.wit` files, relative to the project [default: ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from publish" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from publish" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from publish" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from publish" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from publish" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from publish" -l dry-run -d 'Check everything, publish nothing'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from publish" -l offline -d 'Send no packet: use what is in `wit/deps` and on this machine'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from publish" -l locked -d 'Fail if `wkg.lock` would change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from publish" -l frozen -d '`--offline` and `--locked` in one'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from publish" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from publish" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from publish" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -l wit-dir -d 'The folder of the project\'s `.wit` files, relative to the project [default: ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -l offline -d 'Send no packet: use what is in `wit/deps` and on this machine'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -l locked -d 'Fail if `wkg.lock` would change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -l frozen -d '`--offline` and `--locked` in one'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -f -a "prune" -d 'Remove what was not used for long'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -f -a "clean" -d 'Remove everything'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -f -a "path" -d 'Print where it is'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from cache" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from help" -f -a "fetch" -d 'Fetch what the sources refer to into `wit/deps`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add an interface or a world to the project\'s world, and fetch it'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove a dependency from the sources'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from help" -f -a "update" -d 'Write newer versions into the sources, and fetch them'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from help" -f -a "clean" -d 'Remove fetched dependencies from `wit/deps`'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from help" -f -a "build" -d 'Build the project\'s WIT into a package in the binary form'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from help" -f -a "check" -d 'Check that sources, lock and `wit/deps` agree; changes nothing'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from help" -f -a "tree" -d 'Show the packages and where they come from'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from help" -f -a "outdated" -d 'List dependencies that have newer versions'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from help" -f -a "why" -d 'Show how the project comes to depend on a package'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from help" -f -a "vendor" -d 'Copy the locked packages into a folder that `wash` and `wkg` can use as a registry'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from help" -f -a "publish" -d 'Build the project\'s WIT and publish it to a registry'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from help" -f -a "cache" -d 'Look after the cache of packages, which all projects share'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c wash -n "__fish_wash_using_subcommand drain" -s C -d 'Run as if started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand drain" -s o -l output -d 'How to print the result' -r -f -a "text\t'Text for people'
json\t'One JSON document, or JSON Lines from a command that keeps running'"
complete -c wash -n "__fish_wash_using_subcommand drain" -s l -l log-level -d 'The least important messages to show on stderr (`RUST_LOG` overrides it for log records)' -r -f -a "error\t'Errors alone'
warn\t'Warnings too'
info\t'What is being done'
debug\t'How it is being done'
trace\t'Everything'"
complete -c wash -n "__fish_wash_using_subcommand drain" -l user-config -d 'The user configuration to read instead of the one in the configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand drain" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c wash -n "__fish_wash_using_subcommand drain" -l verbose -d 'Show what happens in more detail: the same as `--log-level debug`'
complete -c wash -n "__fish_wash_using_subcommand drain" -l non-interactive -d 'Never ask: every question is answered with its safe default (the default when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand drain" -s h -l help -d 'Print help (see more with \'--help\')'
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
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host inspect new oci wit drain completion help" -f -a "build" -d 'Build a WebAssembly component from a project'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host inspect new oci wit drain completion help" -f -a "dev" -d 'Build a component, serve it, and swap it in when its source changes'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host inspect new oci wit drain completion help" -f -a "host" -d 'Run WebAssembly components as a host on this machine'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host inspect new oci wit drain completion help" -f -a "inspect" -d 'See, compare and judge a component without running it'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host inspect new oci wit drain completion help" -f -a "new" -d 'Create a project from a template'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host inspect new oci wit drain completion help" -f -a "oci" -d 'Push, pull, copy, sign and serve WebAssembly components in OCI registries'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host inspect new oci wit drain completion help" -f -a "wit" -d 'Manage the WIT dependencies of a project'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host inspect new oci wit drain completion help" -f -a "drain" -d 'Clean the caches that tools keep'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host inspect new oci wit drain completion help" -f -a "completion" -d 'Print the completion script of a shell'
complete -c wash -n "__fish_wash_using_subcommand help; and not __fish_seen_subcommand_from build dev host inspect new oci wit drain completion help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from host" -f -a "run" -d 'Run components, projects or Kubernetes documents, and serve them'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from host" -f -a "cache" -d 'Look after the compiled code that hosts keep'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from inspect" -f -a "diff" -d 'Compare two components or WIT packages, and tell whom the change breaks'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from inspect" -f -a "check" -d 'Tell whether a host can run a component, and what to add'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from inspect" -f -a "size" -d 'Tell what a component\'s bytes are made of'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from inspect" -f -a "deps" -d 'List the crates and packages that a component was made of'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from inspect" -f -a "metadata" -d 'Show or set what a component says of itself'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from inspect" -f -a "validate" -d 'Check that a file is a valid component or module'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from inspect" -f -a "strip" -d 'Remove what a component does not need to run'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from inspect" -f -a "wat" -d 'Print a component in the text format'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from inspect" -f -a "graph" -d 'Draw which instances a component consists of, and what satisfies what'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "push" -d 'Push a component, a WIT package or a core module to a registry'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "pull" -d 'Pull a component from a registry'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "copy" -d 'Copy an artifact between repositories, registries and image layouts'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "tag" -d 'Give an artifact more tags, without pulling it'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "list" -d 'List the tags of a repository, the newest version first'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "info" -d 'Show what an artifact is: manifest, configuration, annotations and what refers to it'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "delete" -d 'Delete a tag, or with a digest the artifact and all its tags'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "login" -d 'Log in to a registry'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "logout" -d 'Log out of a registry: forget its credentials'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "attach" -d 'Attach a document to an artifact, such as a bill of materials'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "referrers" -d 'List what refers to an artifact'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "sign" -d 'Sign an artifact with a private key, in a form that cosign verifies'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "verify" -d 'Verify that an artifact is signed'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "generate-key" -d 'Make a key pair for signing'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "serve" -d 'Serve a registry on this machine'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from oci" -f -a "cache" -d 'Look after the cache that all tools share'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from wit" -f -a "fetch" -d 'Fetch what the sources refer to into `wit/deps`'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from wit" -f -a "add" -d 'Add an interface or a world to the project\'s world, and fetch it'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from wit" -f -a "remove" -d 'Remove a dependency from the sources'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from wit" -f -a "update" -d 'Write newer versions into the sources, and fetch them'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from wit" -f -a "clean" -d 'Remove fetched dependencies from `wit/deps`'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from wit" -f -a "build" -d 'Build the project\'s WIT into a package in the binary form'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from wit" -f -a "check" -d 'Check that sources, lock and `wit/deps` agree; changes nothing'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from wit" -f -a "tree" -d 'Show the packages and where they come from'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from wit" -f -a "outdated" -d 'List dependencies that have newer versions'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from wit" -f -a "why" -d 'Show how the project comes to depend on a package'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from wit" -f -a "vendor" -d 'Copy the locked packages into a folder that `wash` and `wkg` can use as a registry'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from wit" -f -a "publish" -d 'Build the project\'s WIT and publish it to a registry'
complete -c wash -n "__fish_wash_using_subcommand help; and __fish_seen_subcommand_from wit" -f -a "cache" -d 'Look after the cache of packages, which all projects share'
