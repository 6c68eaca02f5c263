//! The program for boards: `make aarch64` builds it, and qemu-user runs it here.

use std::fs;
use std::path::{Path, PathBuf};

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The most bytes that the program may have: 1.75 MiB.
const SIZE_MAX: u64 = (1 << 20) + (3 << 18);
/// The most bytes that the program may have in a gzipped overlay: 1.1 MiB.
const GZIPPED_MAX: u64 = (1 << 20) + (1 << 20) / 10;
const ROOT_FILES: [(&str, &str); 4] = [
    ("sys/class/net/eth0/address", "52:54:00:12:34:56\n"),
    ("sys/class/net/lo/address", "00:00:00:00:00:00\n"),
    ("etc/conf.d/muster", "K3S_URL=\"https://10.0.0.2:6443\"\n"),
    (
        "etc/muster/token",
        "K100000000000000000000000000000000000000000000000000000000000000000::server:sekret-password\n",
    ),
];

fn program() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or(Path::new(WORKSPACE).join("target"), PathBuf::from);
    let path = target.join("aarch64-unknown-linux-musl/release/muster");
    assert!(
        path.exists(),
        "{}: run `make aarch64` first",
        path.display()
    );
    path
}

#[test]
fn dry_run_prints_the_same_plan_as_on_a_pc() {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in ROOT_FILES {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let (root, program) = (root.path().to_str().unwrap(), program());
    let plan = muster_labs::run(&[
        "env",
        "-i",
        &format!("PATH={}", std::env::var("PATH").unwrap()),
        "qemu-aarch64-static",
        program.to_str().unwrap(),
        "--root",
        root,
        "--dry-run",
    ]);
    // The command-line tests compare the plan of a PC to the same file.
    let expected = fs::read_to_string(Path::new(WORKSPACE).join("tests/cli/plan.txt")).unwrap();
    let expected = expected
        .replace("{root}", root)
        .replace("{asset}", "k3s-arm64")
        .replace("{sums}", "sha256sum-arm64.txt");
    assert_eq!(plan, expected);
}

#[test]
fn it_is_one_small_static_stripped_file() {
    let path = program();
    let size = fs::metadata(&path).unwrap().len();
    assert!(
        size <= SIZE_MAX,
        "{size} bytes: the budget is {SIZE_MAX} (docs/performance.md)"
    );
    // A board loads it gzipped, in its overlay.
    let zipped = muster_labs::run(&[
        "sh",
        "-c",
        &format!("gzip -9 -c '{}' | wc -c", path.display()),
    ]);
    let zipped: u64 = zipped.trim().parse().unwrap();
    assert!(
        zipped <= GZIPPED_MAX,
        "{zipped} bytes gzipped: the budget is {GZIPPED_MAX} (docs/performance.md)"
    );
    let readelf = |flag| muster_labs::run(&["readelf", flag, "--wide", path.to_str().unwrap()]);
    assert!(readelf("--file-header").contains("AArch64"));
    let segments = readelf("--program-headers");
    assert!(
        !segments.contains("INTERP") && !readelf("--dynamic").contains("NEEDED"),
        "it is not static:\n{segments}"
    );
    assert!(
        !readelf("--section-headers").contains(".symtab"),
        "it is not stripped"
    );
}
