use super::*;
use crate::host::Mode;
use crate::k3s::release::Arch;
use crate::paths::{self, K3S};
use std::fs::Permissions;

#[test]
fn the_files_of_a_target_are_in_its_folder() {
    let target = Path::new(K3S.path);
    assert_eq!(target, Path::new(paths::BIN_DIR).join("k3s"));
    assert_eq!(part_path(target), Path::new(K3S_PART.path));
    assert_eq!(note_path(target), Path::new(paths::K3S_NOTE.path));
    let images = Path::new(paths::DATA_DIR).join(paths::IMAGES_FOLDER);
    let images = images.join(Arch::Arm64.images());
    assert_eq!(images, Path::new(paths::IMAGES.path));
    assert_eq!(part_path(&images), Path::new(paths::IMAGES_PART.path));
    assert_eq!(note_path(&images), Path::new(paths::IMAGES_NOTE.path));
}

#[test]
fn only_a_file_with_the_installed_mode_counts_as_installed() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let target = Path::new("/k3s");
    assert_eq!(installed(&host, target, K3S.mode).unwrap(), None);
    fs::write(host.path(target), "x").unwrap();
    for (mode, digest) in [(0o644, None), (0o755, Some(Sha256::of(b"x")))] {
        fs::set_permissions(host.path(target), Permissions::from_mode(mode)).unwrap();
        assert_eq!(
            installed(&host, target, K3S.mode).unwrap(),
            digest,
            "{mode:o}"
        );
    }
}

#[test]
fn a_symbolic_link_does_not_count_as_installed() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    fs::write(host.path("/other"), "x").unwrap();
    fs::set_permissions(host.path("/other"), Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(host.path("/other"), host.path("/k3s")).unwrap();
    assert_eq!(installed(&host, Path::new("/k3s"), K3S.mode).unwrap(), None);
}

#[test]
fn a_partial_file_in_use_is_not_removed() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let target = Path::new("/k3s");
    clear(&host, target).unwrap();
    let locked = lock(&part_path(&host.path(target))).unwrap();
    let error = clear(&host, target).unwrap_err().to_string();
    assert!(error.contains("another muster is downloading"), "{error}");
    drop(locked);
    clear(&host, target).unwrap();
    assert_eq!(host.list("/"), Vec::<String>::new());
}
