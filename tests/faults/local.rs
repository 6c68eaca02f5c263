//! Rows about the board itself: its disk, its names, its power.

use crate::row::{How, Row, row};
use crate::script::*;

pub fn rows() -> Vec<Row> {
    [disks(), names(), kills()].into_iter().flatten().collect()
}

/// File systems that end, in memory or by what strace makes of a call.
fn disks() -> Vec<Row> {
    let on = |name, mirror: Script, prepare| row(name, [mirror]).how(How::Program(prepare));
    let untold = || mirror().binary([good().length(Length::Chunked)]);
    vec![
        on("no fault, on a disk of its own", mirror(), "mount -t tmpfs none $BIN").installs(SIZE),
        on("disk too small, known beforehand", mirror(), "mount -t tmpfs -o size=128k none $BIN")
            .fails("give the root more"),
        on("disk full at open", mirror(), "mount -t tmpfs -o nr_inodes=1 none $BIN").fails("No space left on device"),
        on("disk full at the note", mirror(), "mount -t tmpfs -o nr_inodes=2 none $BIN")
            .fails("No space left on device"),
        on("disk full at write", untold(), "mount -t tmpfs -o size=128k none $BIN").fails("cannot write the download"),
        on(
            "disk full at sync",
            mirror(),
            "WITH=\"strace -f -qq -o /dev/null -P $BIN/.k3s.part -e inject=fsync:error=ENOSPC\"",
        )
        .leaves_a_part()
        .fails("No space left on device"),
        on(
            "disk full at rename",
            mirror(),
            "WITH=\"strace -f -qq -o /dev/null -P $BIN/.k3s.part -e inject=?rename,?renameat,?renameat2:error=ENOSPC\"",
        )
        .leaves_a_part()
        .fails("No space left on device"),
        on(
            "disk full at the note's bytes, an old k3s in place",
            mirror(),
            "mount -t tmpfs -o size=4k none $BIN && printf old > $BIN/k3s && chmod 755 $BIN/k3s",
        )
        .before("k3s", 0o755, "old")
        .fails("No space left on device"),
        row(
            "a mirror that claims 200 MiB, and a right one",
            [mirror().binary([good().length(Length::Lie(200 << 20))]).always(), mirror()],
        )
        .how(How::Program("mount -t tmpfs -o size=8m none $BIN"))
        .installs(2 * SIZE),
        row(
            "a mirror that fills the disk, and a right one",
            [mirror().binary([good().length(Length::Chunked).end(End::Endless)]).always(), mirror()],
        )
        .how(How::Program("mount -t tmpfs -o size=2m none $BIN"))
        .installs(16 << 20),
        on("read-only target", mirror(), "mount -t tmpfs -o ro none $BIN").fails("Read-only file system"),
    ]
}

fn names() -> Vec<Row> {
    vec![
        row("a name that is not known at first", [mirror()])
            .how(How::NameComesLate)
            .installs(SIZE)
            .says("failed to lookup address information"),
        row(
            "an address that changes in the middle",
            [mirror().binary([good().end(End::Stall(HALF))]), mirror()],
        )
        .how(How::NameMoves(HALF))
        .installs(SIZE)
        .asks_from([0, HALF]),
    ]
}

fn kills() -> Vec<Row> {
    let stall = |n| good().end(End::Stall(n));
    let part = "of another k3s".repeat(100);
    let note = format!(
        "{{\"sha256\":\"{}\",\"url\":\"https://gone/k3s\",\"validator\":null}}",
        "0".repeat(64)
    );
    vec![
        row("killed at half", [mirror().binary([stall(HALF)])])
            .how(How::Killed(vec![HALF]))
            .installs(SIZE)
            .asks_from([0, HALF]),
        row("killed at byte 1, at half and at the last byte", [mirror().binary([stall(1), stall(HALF - 1), stall(SIZE - HALF - 1)])])
            .how(How::Killed(vec![1, HALF, SIZE - 1]))
            .installs(SIZE)
            .asks_from([0, 1, HALF, SIZE - 1]),
        row("killed three times in full flow", [mirror().binary(vec![good().end(End::Paced); 3])])
            .how(How::Killed(vec![50_000, 150_000, 300_000]))
            .installs(SIZE + 3 * 64 * 1024),
        row("killed over an executable part of another k3s", [mirror().binary([stall(HALF)])])
            .before(".k3s.part", 0o755, part)
            .before(".k3s.part.json", 0o644, note)
            .how(How::Killed(vec![HALF]))
            .installs(SIZE)
            .asks_from([0, HALF]),
        row(
            "killed over an ETag too long to be noted",
            [mirror().binary([stall(HALF).validators(&[]).header("ETag", &format!("\"{}\"", "x".repeat(20_000)))])],
        )
        .how(How::Killed(vec![HALF]))
        .installs(SIZE)
        .asks_from([0, HALF]),
        row("killed at the rename", [mirror()])
            .how(How::Program(
                "strace -f -qq -o /dev/null -P $BIN/.k3s.part -e inject=?rename,?renameat,?renameat2:signal=KILL \"$MUSTER\" \"$@\" && exit 3; \
                 test -x $BIN/.k3s.part",
            ))
            .installs(SIZE)
            .asks_from([0]),
    ]
}
