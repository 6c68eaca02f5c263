//! The release's archive of container images (`MUSTER_AIRGAP_IMAGES`).

use muster_labs::{Board, NamespaceBoard, Options, Output, Site};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

const MAC: &str = "52:54:00:12:34:56";
/// The folder from which k3s imports images.
const FOLDER: &str = "/var/lib/rancher/k3s/agent/images";
/// How the line ends that says why there are no images.
const WITHOUT: &str = "the node joins without these images";

/// A site with this image archive, and a board that asks for it.
fn board(site: &Site) -> NamespaceBoard<'_> {
    let mut board = NamespaceBoard::new(site, MAC);
    board.overlay.set("MUSTER_AIRGAP_IMAGES", "yes");
    // What 80 MB of images and k3s need: a RAM file system takes no memory before it is written to.
    board.size = "1200m".into();
    board
}

/// The image archive as the board has it.
fn archive(board: &NamespaceBoard) -> PathBuf {
    board.path(FOLDER).join(board.site().images())
}

/// The names in the folder of images.
fn files(board: &NamespaceBoard) -> Vec<String> {
    let names = board.shell(&format!("ls -A {FOLDER} 2>/dev/null || true"));
    names.lines().map(String::from).collect()
}

/// How many times the mirror was asked for an image archive.
fn asked(site: &Site) -> usize {
    let requests = site.mirror_requests().into_iter();
    requests
        .filter(|(path, ..)| path.ends_with(site.images()))
        .count()
}

/// The line about images that did not come.
fn reason(boot: &Output) -> String {
    let line = boot.wait_for(WITHOUT).text;
    assert!(line.contains("muster: WARN: fetch: "), "{line}");
    assert_eq!(boot.text().matches(WITHOUT).count(), 1, "{}", boot.text());
    line
}

#[test]
fn the_images_arrive_verified_and_a_restart_leaves_them() {
    let site = Site::new(Options::default());
    let images = vec![7; 3_000_000];
    site.add_images(&images);
    let mut board = board(&site);
    board.power_on_without_muster();
    let mut boot = board.boot_to_joined();
    let file = archive(&board);
    assert_eq!(fs::read(&file).unwrap(), images);
    assert_eq!(files(&board), [site.images()]);
    let meta = fs::metadata(&file).unwrap();
    assert_eq!(meta.permissions().mode() & 0o7777, 0o644);
    let agent = board.run(&["stat", "-c", "%a", "/var/lib/rancher/k3s/agent"]);
    assert_eq!(agent, "700\n");
    boot.wait_for(&format!(
        "installed the image archive of k3s {} as ",
        site.tag()
    ));
    assert_eq!(asked(&site), 1);
    // Nothing is asked for what this boot has verified.
    let requests = site.mirror_requests().len();
    let again = board.run_muster(&["fetch"]);
    assert!(
        again.contains(&format!(
            "the image archive of k3s {} is already installed",
            site.tag()
        )),
        "{again}"
    );
    assert_eq!(site.mirror_requests().len(), requests);

    board.signal_muster("KILL");
    boot.end();
    fs::remove_file(&file).unwrap();
    let restarted = board.boot_to_joined();
    assert!(
        restarted.text().contains("without a network request"),
        "{}",
        restarted.text()
    );
    assert_eq!(site.mirror_requests().len(), requests);
    assert!(files(&board).is_empty());
}

#[test]
fn another_release_takes_the_place_of_the_old_archive() {
    let site = Site::new(Options::default());
    site.add_images(b"old");
    let (old, new) = (site.release(false), "v1.34.2+k3s1");
    let release = old.with_file_name(new);
    fs::create_dir(&release).unwrap();
    for name in [site.assets().0, site.assets().1, site.images()] {
        fs::copy(old.join(name), release.join(name)).unwrap();
    }
    let mut board = board(&site);
    board.power_on_without_muster();
    board.boot_to_joined();
    let inode = fs::metadata(archive(&board)).unwrap().ino();
    let version = format!("INSTALL_K3S_VERSION={new}");
    // The same bytes in the new release are not downloaded again.
    let kept = board.run_muster(&["--set", &version, "fetch"]);
    assert!(
        kept.contains(&format!(
            "the image archive of k3s {new} is already installed"
        )),
        "{kept}"
    );
    assert_eq!(fs::metadata(archive(&board)).unwrap().ino(), inode);

    fs::write(release.join(site.images()), "new").unwrap();
    let script = format!(
        "cd '{}' && sha256sum k3s* >{}",
        release.display(),
        site.assets().1
    );
    muster_labs::run(&["sh", "-c", &script]);
    board.shell("rm /run/muster/images.json");
    board.run_muster(&["--set", &version, "fetch"]);
    assert_eq!(files(&board), [site.images()]);
    assert_eq!(fs::read(archive(&board)).unwrap(), b"new");
    // An archive that cannot be had is not replaced by the old one.
    let third = old.with_file_name("v1.34.3+k3s1");
    fs::rename(&release, &third).unwrap();
    fs::write(third.join(site.images()), "damaged").unwrap();
    let text = fs::read_to_string(third.join(site.assets().1)).unwrap();
    let right = text.lines().find(|line| line.ends_with("zst")).unwrap();
    let zeros = right.replace(&right[..64], &"0".repeat(64));
    fs::write(third.join(site.assets().1), text.replace(right, &zeros)).unwrap();
    let failed = board.run_muster(&["--set", "INSTALL_K3S_VERSION=v1.34.3+k3s1", "fetch"]);
    assert!(
        failed.contains("SHA-256 mismatch") && failed.contains(WITHOUT),
        "{failed}"
    );
    assert!(files(&board).is_empty(), "{:?}", files(&board));
}

#[test]
fn a_board_joins_without_images_that_have_a_wrong_digest_or_are_not_there() {
    let site = Site::new(Options::default());
    site.add_images(b"right");
    let file = site.release(false).join(site.images());
    let mut board = board(&site);
    for (content, why) in [(Some("wrong"), "SHA-256 mismatch"), (None, "answers 404")] {
        match content {
            Some(content) => fs::write(&file, content).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        board.power_on_without_muster();
        let boot = board.boot_to_joined();
        let line = reason(&boot);
        assert!(line.contains(why), "{line}");
        assert!(files(&board).is_empty(), "{:?}", files(&board));
        let status = board.run(&["/usr/sbin/muster", "status", "--json"]);
        assert!(status.contains(WITHOUT), "{status}");
    }
}

#[test]
fn a_board_with_too_little_memory_joins_and_says_so() {
    let site = Site::new(Options::default());
    site.add_images(&vec![7; 130_000_000]);
    let mut board = board(&site);
    // In the second row an archive of 80 MB would fit, and this one does not.
    for (size, needed, requests) in [("300m", "needs 992 MB", 0), ("1200m", "needs 1292 MB", 1)] {
        board.size = size.into();
        board.power_on_without_muster();
        let boot = board.boot_to_joined();
        let line = reason(&boot);
        assert!(
            line.contains(&format!("the image archive of k3s {needed} in {FOLDER}")),
            "{line}"
        );
        assert!(line.contains("rootflags=size=75%"), "{line}");
        assert_eq!(asked(&site), requests);
        assert!(files(&board).is_empty(), "{:?}", files(&board));
    }
}

#[test]
fn without_the_setting_no_images_are_asked_for() {
    let site = Site::new(Options::default());
    site.add_images(b"images");
    let mut board = board(&site);
    board.overlay.set("MUSTER_AIRGAP_IMAGES", "no");
    board.power_on_without_muster();
    board.boot_to_joined();
    assert_eq!(asked(&site), 0);
    assert!(files(&board).is_empty());
}
