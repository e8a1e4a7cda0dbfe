
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
            cand new 'Create a project from a template'
            cand completion 'Print the completion script of a shell'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'wash;help;build'= {
        }
        &'wash;help;dev'= {
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
