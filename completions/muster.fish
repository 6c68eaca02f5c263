# Completion of muster's command line for fish. All words come from `muster --help`, so that they are those of the
# installed program.
function __muster_usage
    muster --help 2>/dev/null | sed -n '/^Usage:/,/^$/p'
end

function __muster_commands
    __muster_usage | sed -n 's/^  muster \([a-z][a-z]*\)\( .*\)*$/\1/p'
end

function __muster_steps
    muster --help 2>/dev/null | sed -n 's/^  \([a-z, ]*\); then .*/\1/p' | string split ', '
end

function __muster_settings
    muster --help 2>/dev/null | sed '1,/^Settings:/d; s/^  \([A-Z0-9_]*\)  *\(.*\)/\1=\t\2/; /^Exit/d; /^$/d'
end

# The options of the command that was given, and those of every command.
function __muster_options
    set -l words (commandline -opc)[2..]
    set -l usage (__muster_usage)
    string match -r -a -- '--(?:root|conf|set)' $usage[2]
    for command in (__muster_commands)
        if contains -- $command $words
            string match -r -a -- '--[a-z-]+' (string match -- "  muster $command*" $usage)
            return
        end
    end
    string match -r -a -- '--[a-z-]+' $usage[2] (string match -- '  muster --*' $usage)
end

# The option before the cursor, if it takes a value.
function __muster_value_of
    set -l word (commandline -opc)[-1]
    test "$word" = "$argv[1]"
end

function __muster_is_first
    set -l words (string match -v -- '-*' (commandline -opc)[2..])
    not contains -- (commandline -opc)[-1] --root --conf --set
    and test (count $words) -eq 0
end

function __muster_takes_steps
    not contains -- (commandline -opc)[-1] --root --conf --set
    or return
    for command in (__muster_commands)
        not contains -- $command (commandline -opc)[2..]
        or return
    end
end

complete -c muster -f
complete -c muster -n __muster_is_first -a '(__muster_commands)'
complete -c muster -n __muster_takes_steps -a '(__muster_steps)'
complete -c muster -n 'not __muster_value_of --set' -a '(__muster_options | sort -u)'
complete -c muster -n '__muster_value_of --set' -a '(__muster_settings)'
complete -c muster -n '__muster_value_of --root; or __muster_value_of --conf; or __muster_value_of --macs; or __muster_value_of --svg; or contains -- name (commandline -opc)' -F
