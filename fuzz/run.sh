#!/bin/sh
# Fuzzes each parser in turn: fuzz/run.sh [SECONDS for each, 60] [TARGET...]. Needs cargo-fuzz in the PATH.
# What is found is left in fuzz/artifacts, and the run ends there.
set -eu
cd "$(dirname "$0")/.."
# The sanitizer's flags are unstable: this lets the pinned stable compiler take them, so that no second toolchain is needed.
export RUSTC_BOOTSTRAP=1
seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- sums token kernel conf mac tag version location retry range mounts
target=${CARGO_TARGET_DIR:-target}/fuzz
for name in "$@"; do
    mkdir -p "fuzz/corpus/$name"
    # No input of these parsers is longer than 64 KiB, and none of their branches needs more than 4.
    cargo fuzz run --target-dir "$target" "$name" "fuzz/corpus/$name" "fuzz/seeds/$name" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=512 -print_final_stats=1
done
