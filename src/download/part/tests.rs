use super::*;
use crate::download::asset::Asset::K3s;
use crate::download::target::installed;
use crate::host::Mode;

#[test]
fn a_partial_file_is_resumed_only_for_the_same_object() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let target = Path::new("/bin/k3s");
    let whole = Sha256::of(b"hello world");
    let mut part = PartialFile::open(&host, K3s, target, whole).unwrap();
    part.restart("https://a/k3s", Some("\"1\"".into())).unwrap();
    part.write(b"hello ").unwrap();
    drop(part);

    let mut part = PartialFile::open(&host, K3s, target, whole).unwrap();
    assert_eq!(
        (part.len(), part.origin().validator.as_deref()),
        (6, Some("\"1\""))
    );
    part.write(b"world").unwrap();
    assert!(part.is_complete());
    drop(part);

    let part = PartialFile::open(&host, K3s, target, Sha256::of(b"another")).unwrap();
    assert!(part.is_empty());
    drop(part);
    assert!(
        PartialFile::open(&host, K3s, target, whole)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn nothing_is_executable_before_it_is_installed() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let target = Path::new("/bin/k3s");
    let mut part = PartialFile::open(&host, K3s, target, Sha256::of(b"x")).unwrap();
    part.restart("https://a/k3s", None).unwrap();
    part.write(b"x").unwrap();
    let mode = |path| host.metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("/bin/.k3s.part"), K3S_PART.mode);
    assert_eq!(mode("/bin/.k3s.part.json"), K3S_NOTE.mode);
    assert_eq!(installed(&host, target, K3s.mode()).unwrap(), None);
    part.install().unwrap();
    assert_eq!(
        installed(&host, target, K3s.mode()).unwrap(),
        Some(Sha256::of(b"x"))
    );
    assert_eq!(mode("/bin/k3s"), K3s.mode());
    assert_eq!(host.list("/bin"), ["k3s"]);
}

/// The first process is a boot in the background, and the second is an operator's `muster fetch` at
/// the console.
#[test]
fn two_musters_do_not_write_one_partial_file() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let target = Path::new("/bin/k3s");
    let whole = Sha256::of(b"hello world");
    let mut boot = PartialFile::open(&host, K3s, target, whole).unwrap();
    boot.restart("https://a/k3s", None).unwrap();
    boot.write(b"hello ").unwrap();
    for digest in [whole, Sha256::of(b"another")] {
        let error = PartialFile::open(&host, K3s, target, digest)
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(error.contains("another muster is downloading"), "{error}");
    }
    boot.write(b"world").unwrap();
    boot.install().unwrap();
    assert_eq!(installed(&host, target, K3s.mode()).unwrap(), Some(whole));
    // The installed file is not taken for a partial file.
    assert!(
        PartialFile::open(&host, K3s, target, whole)
            .unwrap()
            .is_empty()
    );
    assert_eq!(installed(&host, target, K3s.mode()).unwrap(), Some(whole));
}

/// A user who can write to the folder must not be able to redirect root's writes to another file.
#[test]
fn no_symbolic_link_is_followed() {
    use std::os::unix::fs::symlink;
    for name in [".k3s.part", ".k3s.part.muster", ".k3s.part.json"] {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        let other = host.path("/other");
        fs::write(&other, "other").unwrap();
        fs::create_dir(host.path("/bin")).unwrap();
        symlink(&other, host.path("/bin").join(name)).unwrap();
        let open = PartialFile::open(&host, K3s, Path::new("/bin/k3s"), Sha256::of(b"x"));
        let installed = open.and_then(|mut part| {
            part.restart("https://a/k3s", None)?;
            part.write(b"x")?;
            part.install()
        });
        assert_eq!(installed.is_err(), name == ".k3s.part", "{name}");
        assert_eq!(fs::read_to_string(&other).unwrap(), "other", "{name}");
        let mode = fs::metadata(&other).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0, "{name}");
    }
}
