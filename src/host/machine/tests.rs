use super::*;

#[test]
fn mounts_are_parsed_and_the_mount_of_a_path_is_found() {
    let mounts = parse_mounts(
        "22 1 0:21 / / rw,relatime shared:1 - tmpfs tmpfs rw\n\
         garbage\n\
         24 22 0:23 / /var/lib/rancher rw master:2 - nfs4 10.0.0.1:/x rw\n\
         25 22 0:24 / / rw - overlay overlay rw\n",
    );
    assert_eq!(
        mounts[0],
        Mount {
            point: "/".into(),
            kind: "tmpfs".into(),
            shared: true
        }
    );
    assert!(!mounts[1].shared);
    assert_eq!(
        mount_of(&mounts, Path::new("/etc")).unwrap().kind,
        "overlay"
    );
    assert_eq!(
        mount_of(&mounts, Path::new("/var/lib/rancher/k3s"))
            .unwrap()
            .kind,
        "nfs4"
    );
    assert_eq!(
        mount_of(&mounts, Path::new("/var/lib/rancher2"))
            .unwrap()
            .kind,
        "overlay"
    );
}

#[test]
fn memory_is_parsed_in_bytes() {
    let memory =
        Memory::parse("MemTotal:        2048 kB\nMemFree: 1 kB\nMemAvailable:    1024 kB\n");
    assert_eq!(
        memory,
        Memory {
            total: Some(2 << 20),
            available: Some(1 << 20)
        }
    );
    assert_eq!(Memory::parse("garbage"), Memory::default());
}
