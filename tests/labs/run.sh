#!/bin/sh
# Runs test files of the labs, several at a time: they wait for boards most of the time, and cargo itself runs one file after the other.
# Usage, from the project's folder:  tests/labs/run.sh JOBS PATTERN     (a pattern of file names in tests/labs/tests, without .rs)
# The output of a file is printed when the file has ended, so that the lines of two files never mix.
set -eu
cd "$(dirname "$0")/../.."
jobs=$1 pattern=$2
# A first call builds all of them; those below would wait for each other's lock.
cargo test --locked -p muster-labs --test "$pattern" --no-run
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export logs
# shellcheck disable=SC2016 # The inner shell expands $1, $logs and $status.
(cd tests/labs/tests && find . -maxdepth 1 -name "$pattern.rs") | sed 's#^\./##; s#\.rs$##' | sort |
	xargs -P "$jobs" -I '{}' sh -c '
		status=0
		cargo test -q --locked -p muster-labs --test "$1" >"$logs/$1" 2>&1 || status=$?
		flock "$logs" cat "$logs/$1"
		exit "$status"' sh '{}' || { echo "tests/labs/run.sh: a test failed; the lines above tell which" >&2; exit 1; }
