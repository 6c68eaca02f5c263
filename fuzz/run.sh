#!/bin/sh
# Fuzzes each parser in turn: fuzz/run.sh [SECONDS] [TARGET...]. The default is 60 seconds for each
# target. cargo-fuzz must be in the PATH. A run stops at the first input that fails, and leaves it
# in fuzz/artifacts.
set -eu
cd "$(dirname "$0")/.."
# The flags of the sanitizer are unstable. With this, the stable compiler accepts them, so that no
# second toolchain is needed.
export RUSTC_BOOTSTRAP=1
seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- sums token kernel conf mac tag version location retry range mounts datagram config
target=${CARGO_TARGET_DIR:-target}/fuzz
for name in "$@"; do
	mkdir -p "fuzz/corpus/$name"
	# The agent reads at most 64 KiB into these parsers, and 4 KiB reach all of their branches.
	cargo fuzz run --target-dir "$target" "$name" "fuzz/corpus/$name" "fuzz/seeds/$name" -- \
		-max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=512 -print_final_stats=1
done
