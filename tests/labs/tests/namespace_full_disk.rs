//! Downloads to disks that are full, read-only or fail. Each row has its own mount namespace;
//! strace makes single system calls fail. That needs root.

use fault_harness::row::{Row, Runner, row};
use fault_harness::script::*;

#[test]
fn a_disk_that_fails_ends_as_its_row_says() {
    fault_harness::run_table(rows(), &muster_labs::muster(muster_labs::Kind::Namespace));
}

const SYNC_FAILS: &str = concat!(
    "WITH=\"strace -f -qq -o /dev/null -P $BIN/.k3s.part ",
    "-e inject=fsync:error=ENOSPC\""
);
const RENAME_FAILS: &str = concat!(
    "WITH=\"strace -f -qq -o /dev/null -P $BIN/.k3s.part ",
    "-e inject=?rename,?renameat,?renameat2:error=ENOSPC\""
);
const RENAME_KILLS: &str = concat!(
    "strace -f -qq -o /dev/null -P $BIN/.k3s.part ",
    "-e inject=?rename,?renameat,?renameat2:signal=KILL \"$MUSTER\" \"$@\" && exit 3; ",
    "test -x $BIN/.k3s.part"
);

fn rows() -> Vec<Row> {
    let on =
        |name, mirror: Script, prepare| row(name, [mirror]).runner(Runner::InNamespace(prepare));
    let untold = || mirror().binary([good().length(Length::Chunked)]);
    vec![
        on("no fault, on a tmpfs", mirror(), "mount -t tmpfs none $BIN").installs(SIZE),
        on(
            "disk too small, checked before the download",
            mirror(),
            "mount -t tmpfs -o size=128k none $BIN",
        )
        .fails("make the root file system larger"),
        on(
            "disk full at open",
            mirror(),
            "mount -t tmpfs -o nr_inodes=1 none $BIN",
        )
        .fails("No space left on device"),
        on(
            "disk full at the record",
            mirror(),
            "mount -t tmpfs -o nr_inodes=2 none $BIN",
        )
        .fails("No space left on device"),
        on(
            "disk full at write",
            untold(),
            "mount -t tmpfs -o size=128k none $BIN",
        )
        .fails("cannot write the download"),
        on("disk full at sync", mirror(), SYNC_FAILS)
            .leaves_partial_file()
            .fails("No space left on device"),
        on("disk full at rename", mirror(), RENAME_FAILS)
            .leaves_partial_file()
            .fails("No space left on device"),
        on(
            "disk full while writing the record, another k3s installed",
            mirror(),
            "mount -t tmpfs -o size=4k none $BIN && printf old > $BIN/k3s && chmod 755 $BIN/k3s",
        )
        .existing_file("k3s", 0o755, "old")
        .fails("No space left on device"),
        row(
            "a mirror that claims 200 MiB, and a right one",
            [
                mirror()
                    .binary([good().length(Length::Claims(200 << 20))])
                    .repeat_last(),
                mirror(),
            ],
        )
        .runner(Runner::InNamespace("mount -t tmpfs -o size=8m none $BIN"))
        .installs(2 * SIZE),
        row(
            "a mirror that fills the disk, and a right one",
            [
                mirror()
                    .binary([good().length(Length::Chunked).end(End::Endless)])
                    .repeat_last(),
                mirror(),
            ],
        )
        .runner(Runner::InNamespace("mount -t tmpfs -o size=2m none $BIN"))
        .installs(16 << 20),
        on(
            "read-only target",
            mirror(),
            "mount -t tmpfs -o ro none $BIN",
        )
        .fails("Read-only file system"),
        on(
            "no room for the record of what was verified",
            mirror(),
            "mkdir -p $ROOT/run/muster && mount -t tmpfs -o nr_inodes=1 none $ROOT/run/muster",
        )
        .installs(SIZE)
        .logs("WARN: fetch: cannot write /run/muster/k3s.json: No space left on device"),
        row("killed at the rename", [mirror()])
            .runner(Runner::InNamespace(RENAME_KILLS))
            .installs(SIZE)
            .requests_start_at([0]),
    ]
}
