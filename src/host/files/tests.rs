use super::*;
use crate::host::Mode;

const FILE: NodeFile = NodeFile {
    path: "/etc/example",
    mode: 0o640,
};

fn host() -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    (root, host)
}

#[test]
fn a_file_gets_its_content_and_mode_and_no_temporary_file_stays() {
    let (_root, host) = host();
    host.ensure_file(FILE, Content::Secret("one")).unwrap();
    host.ensure_file(FILE, Content::Public("two")).unwrap();
    assert_eq!(host.read_text(FILE.path).unwrap(), "two");
    let mode = host.metadata(FILE.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, FILE.mode);
    assert_eq!(host.list("/etc"), ["example"]);
}

#[test]
fn a_file_that_is_right_already_is_not_written_again() {
    use std::os::unix::fs::MetadataExt;
    let (_root, host) = host();
    host.ensure_file(FILE, Content::Public("same")).unwrap();
    let inode = |host: &Host| host.metadata(FILE.path).unwrap().ino();
    let before = inode(&host);
    host.ensure_file(FILE, Content::Public("same")).unwrap();
    assert_eq!(inode(&host), before);
    // The right content with wrong permissions is written again.
    let open = Permissions::from_mode(0o666);
    fs::set_permissions(host.path(FILE.path), open).unwrap();
    host.ensure_file(FILE, Content::Public("same")).unwrap();
    let mode = host.metadata(FILE.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, FILE.mode);
}

#[test]
fn a_dry_run_writes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Plan);
    host.ensure_file(FILE, Content::Public("text")).unwrap();
    host.write_note(FILE, "text").unwrap();
    host.ensure_link("/a", "/etc/link").unwrap();
    assert_eq!(host.list("/"), Vec::<String>::new());
}

#[test]
fn a_file_larger_than_the_limit_is_an_error_that_names_it() {
    let (_root, host) = host();
    fs::create_dir_all(host.path("/etc")).unwrap();
    let largest = vec![0; READ_MAX as usize];
    fs::write(host.path(FILE.path), &largest).unwrap();
    assert!(host.read(FILE.path).unwrap() == Some(largest));
    fs::write(host.path(FILE.path), vec![0; READ_MAX as usize + 1]).unwrap();
    let error = format!("{:#}", host.read(FILE.path).unwrap_err());
    assert_eq!(
        error,
        "cannot read /etc/example: the file is larger than 1 MiB"
    );
    assert_eq!(host.read("/etc/absent").unwrap(), None);
}

#[test]
fn a_file_in_proc_has_no_limit() {
    let (_root, host) = host();
    fs::create_dir(host.path("/proc")).unwrap();
    let text = "x".repeat(READ_MAX as usize + 1);
    fs::write(host.path("/proc/x"), &text).unwrap();
    assert!(host.read_text("/proc/x").unwrap() == text);
}
