//! The section fetch: mirrors, and where k3s is installed.

use super::Row::{Lab, OnBoard, Own};
use super::{
    Rows, WITH_NET, answer, answer_from_file, boot_with_failing, dnsmasq, downloading, mirror,
    put_token, restart, restart_as, short_token, slow_mirror, while_held, write,
};
use crate::{Case, FAULT, Fault, ON_BOARD, Seen, set};
use muster_labs::{
    ADDRESS, Board, Kind, NamespaceBoard, Output, PATIENCE, Service, Site, muster, wait_for,
};
use std::fs::{self, File};
use std::path::PathBuf;

pub const ROWS: Rows = &[
    (&["no mirror could supply"], Lab(Fault {
        site: |site, _| fs::rename(on_mirror(site, "k3s"), site.path("aside")).expect("k3s"),
        remedy: |site, board| {
            copy_release(site, board);
            site.fill_server();
            fs::remove_file(on_mirror(site, "k3s")).expect("k3s");
        },
        // It has the remedy and the reason of each mirror, in lines of their own.
        checked: false,
        ..FAULT
    })),
    (&["the node joins without these images"], Lab(Fault {
        overlay: |_, board| {
            board.size = "1200m".into();
            board.overlay.set("MUSTER_AIRGAP_IMAGES", "yes");
        },
        remedy: |site, _| site.add_images(b"images"),
        seen: Seen::Warns,
        checked: false,
        ..FAULT
    })),
    (&["SHA-256 mismatch"], Lab(Fault {
        site: |site, _| {
            keep_release(site);
            let mut bytes = fs::read(site.path("aside")).expect("k3s");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(on_mirror(site, "k3s"), bytes).expect("k3s");
        },
        remedy: copy_release,
        checked: false,
        ..FAULT
    })),
    (&["has no digest of"], Lab(Fault {
        site: |site, _| {
            keep_release(site);
            fs::write(on_mirror(site, site.assets().1), "nothing\n").expect("the sums");
        },
        remedy: copy_release,
        ..FAULT
    })),
    (&["plain http is used only with a digest from a trusted place"], Lab(Fault {
        options: || mirror(&format!("listen {ADDRESS}:8080;")),
        overlay: |_, board| board.overlay.set("MUSTER_MIRRORS", &format!("http://{ADDRESS}:8080/k3s")),
        remedy: |site, _| {
            fs::create_dir_all(site.release(true)).expect("a folder");
            let sums = site.assets().1;
            fs::copy(on_mirror(site, sums), site.release(true).join(sums)).expect("the sums");
        },
        ..FAULT
    })),
    (&["so this server's checksum file is not trusted"], Lab(Fault {
        overlay: |site, board| {
            site.fill_server();
            board.overlay.token = Some(short_token(site));
        },
        remedy: put_token,
        seen: Seen::Warns,
        ..FAULT
    })),
    (&["this mirror has another digest than the download in progress"], Own(|| slow_mirror("3m"), |case| {
        let (boot, [first, other]) = half_a_download(case);
        let script = "cd \"$0\" && echo >>k3s && sha256sum k3s >$1";
        let release = case.site.path(&format!("mirror/{other}/{}", case.site.tag()));
        muster_labs::run(&["sh", "-c", script, release.to_str().expect("a path"), case.site.assets().1]);
        let busy = mirror(&format!("location /{first}/ {{ return 503; }}"));
        while_held(case, || restart_as(case.site, Service::Mirror, &busy));
        case.wait_for_lines(&boot);
        restart(case.site, Service::Mirror);
        case.joined(&boot);
    })),
    (&["this mirror cannot resume a partial download"], Own(|| slow_mirror("3m"), |case| {
        let (boot, _) = half_a_download(case);
        while_held(case, || restart_as(case.site, Service::Mirror, &mirror("max_ranges 0;")));
        case.wait_for_lines(&boot);
        case.joined(&boot);
    })),
    (&["holds only a piece of the requested range"], Own(WITH_NET, |case| {
        case.site.fill_server();
        let request = format!("GET /static/k3s/{}/k3s", case.site.tag());
        let file = answer_from_file(case.site, &request);
        let k3s = fs::read(on_mirror(case.site, "k3s")).expect("k3s");
        let (all, half) = (k3s.len(), k3s.len() / 2);
        let length = format!("Content-Length: {all}\r\n");
        write(&file, &answer("200 OK", &length, &k3s[..half]));
        case.board.overlay.set("MUSTER_MIRRORS", "server");
        case.board.power_on_without_muster();
        let boot = case.board.boot(&["--supervised"]);
        boot.wait_for("the connection was closed early");
        let piece = &k3s[half..half + 100];
        let range = format!(
            "Content-Range: bytes {half}-{}/{all}\r\nContent-Length: {}\r\n",
            half + piece.len() - 1,
            piece.len()
        );
        write(&file, &answer("206 Partial Content", &range, piece));
        case.wait_for_lines(&boot);
        fs::remove_file(file).expect("the answer");
        case.joined(&boot);
    })),
    (&["which was not requested"], Lab(Fault {
        options: || mirror("add_header Content-Encoding gzip always;"),
        remedy: |site, _| restart(site, Service::Mirror),
        checked: false,
        ..FAULT
    })),
    (&["so it cannot be"], Lab(Fault {
        site: |site, _| grow_release(site, 300 << 20),
        remedy: copy_release,
        checked: false,
        ..FAULT
    })),
    (&["of a file of unknown length"], Lab(Fault {
        // Where nginx looks for includes it does not know the length.
        options: || mirror("ssi on; ssi_types *;"),
        overlay: |_, board| board.size = "120m".into(),
        site: |site, _| grow_release(site, 200 << 20),
        remedy: |site, board| {
            copy_release(site, board);
            restart(site, Service::Mirror);
        },
        checked: false,
        ..FAULT
    })),
    (&["too slow"], Own(|| slow_mirror("500"), |case| {
        let mirror = case.site.mirror_url();
        case.board.overlay.set("MUSTER_MIRRORS", &mirror);
        case.board.power_on_without_muster();
        let boot = case.board.boot(&["--supervised"]);
        case.wait_for_lines(&boot);
        case.site.fill_server();
        set(&case.board, &format!("MUSTER_MIRRORS=\"server {mirror}\""));
        case.joined(&boot);
    })),
    (&["another mirror may be faster"], Own(|| slow_mirror("40k"), |case| {
        let mirrors = format!("{} server", case.site.mirror_url());
        case.board.overlay.set("MUSTER_MIRRORS", &mirrors);
        case.site.fill_server();
        case.board.power_on_without_muster();
        let boot = case.board.boot(&["--supervised"]);
        case.wait_for_lines(&boot);
        case.joined(&boot);
    })),
    (&["INSTALL_K3S_SKIP_DOWNLOAD is set, and there is no"], Lab(Fault {
        overlay: |_, board| board.overlay.set("INSTALL_K3S_SKIP_DOWNLOAD", "true"),
        checked: false,
        ..ON_BOARD
    })),
    (&["is a directory: remove it"], Lab(Fault {
        script: "mkdir -p /usr/local/bin/k3s",
        checked: false,
        ..ON_BOARD
    })),
    (&["another muster is downloading to"], Own(|| slow_mirror("4m"), |case| {
        case.board.power_on_without_muster();
        case.board.shell("muster identity network");
        let mut by_hand = case.board.boot(&["fetch"]);
        by_hand.wait_for("downloading");
        let boot = case.board.boot(&["--supervised"]);
        case.wait_for_lines(&boot);
        by_hand.end();
        case.joined(&boot);
    })),
    (&["cannot write"], Lab(Fault {
        script: "rm -rf /etc/rancher; touch /etc/rancher",
        remedy: |_, board| _ = board.shell("rm /etc/rancher"),
        checked: false,
        ..ON_BOARD
    })),
    (&["cannot read", "larger than … MiB"], Lab(Fault {
        script: "head -c 2000000 /dev/zero >/etc/hosts",
        remedy: |_, board| _ = board.shell("rm /etc/hosts"),
        checked: false,
        ..ON_BOARD
    })),
    (&["cannot install"], Lab(Fault {
        script: "touch /run/k3s /usr/local/bin/k3s; mount --bind /run/k3s /usr/local/bin/k3s",
        remedy: |_, board| _ = board.shell("umount /usr/local/bin/k3s"),
        checked: false,
        ..ON_BOARD
    })),
    (&["cannot make"], Lab(Fault {
        script: "touch /opt; echo INSTALL_K3S_BIN_DIR=/opt/bin >>/etc/conf.d/muster",
        remedy: |_, board| _ = board.shell("rm /opt"),
        checked: false,
        ..ON_BOARD
    })),
    (&["cannot lock"], OnBoard(|case| {
        case.board.power_on_without_muster();
        // As on NFS without locks.
        let boot = boot_with_failing(case, "flock:error=ENOLCK", "usr/local/bin/.k3s.part");
        case.wait_for_lines(&boot);
        set(&case.board, "INSTALL_K3S_BIN_DIR=\"/opt/bin\"");
        case.joined(&boot);
    })),
    (&["cannot remove"], Lab(Fault {
        script: "d=/etc/rancher/k3s/config.yaml.d; mkdir -p $d; ln -s /etc/muster/nodes/other.yaml $d/50-node.yaml
                 mount --bind $d $d; mount -o remount,bind,ro $d",
        remedy: |_, board| writable(board, "/etc/rancher/k3s/config.yaml.d"),
        checked: false,
        ..ON_BOARD
    })),
    (&["cannot open"], Lab(Fault {
        script: "f=/sys/fs/cgroup/cgroup.subtree_control; echo cpu >$f; mount -o remount,bind,ro $f",
        remedy: |_, board| writable(board, "/sys/fs/cgroup/cgroup.subtree_control"),
        checked: false,
        ..ON_BOARD
    })),
    (&["cannot link"], Lab(Fault {
        overlay: |_, board| {
            let file = format!("etc/muster/nodes/{}.yaml", board.name());
            board.overlay.add(&file, "debug: true\n", 0o600);
        },
        script: "d=/etc/rancher/k3s/config.yaml.d; mkdir -p $d; mount --bind $d $d; mount -o remount,bind,ro $d",
        remedy: |_, board| writable(board, "/etc/rancher/k3s/config.yaml.d"),
        checked: false,
        ..ON_BOARD
    })),
    (&["it is not a regular file"], Own(|| dnsmasq(&format!("dhcp-option=option:log-server,{ADDRESS}")), |case| {
        // `muster watch` says it, which runs beside the site's server.
        let picture = case.site.path("desk/rack.svg");
        fs::create_dir_all(&picture).expect("a folder in the way");
        let mut refused = watch(case.site);
        assert!(!refused.end().success(), "{}", refused.text());
        case.assert_lines(&refused.text());
        fs::remove_dir(&picture).expect("the folder");
        let watch = watch(case.site);
        watch.wait_for("listening on");
        case.board.power_on_without_muster();
        case.joined(&case.board.boot(&["--supervised"]));
        wait_for("the board in the picture", PATIENCE, || {
            let picture = fs::read_to_string(&picture).unwrap_or_default();
            picture.contains(&case.board.name()).then_some(())
        });
    })),
];

/// A file of the release on the mirror.
fn on_mirror(site: &Site, name: &str) -> PathBuf {
    site.release(false).join(name)
}

/// Copies the release to the mirror again, with its checksum file.
fn copy_release(site: &Site, _: &NamespaceBoard) {
    fs::copy(site.path("aside"), on_mirror(site, "k3s")).expect("a copy of k3s");
    site.write_sums();
}

fn keep_release(site: &Site) {
    fs::copy(on_mirror(site, "k3s"), site.path("aside")).expect("a copy of k3s");
}

/// Makes k3s on the mirror as long as this (bytes). The checksum file stays as it is.
fn grow_release(site: &Site, length: u64) {
    keep_release(site);
    let file = File::options().write(true).open(on_mirror(site, "k3s"));
    file.and_then(|file| file.set_len(length)).expect("k3s");
}

/// A `muster watch` at a desk beside the site's server, which draws `/rack.svg`.
fn watch(site: &Site) -> Output {
    let mut command = site.command("env");
    command.arg("-i").arg(muster(Kind::Namespace));
    command.arg("--root").arg(site.path("desk"));
    let listen = format!("{ADDRESS}:514");
    Output::follow(command.args(["watch", "--listen", &listen, "--svg", "/rack.svg"]))
}

/// Mounts it read-write.
fn writable(board: &NamespaceBoard, path: &str) {
    board.shell(&format!("mount -o remount,bind,rw {path}"));
}

/// A boot that resumes k3s from one of two mirrors, `a` and `b`, after the other one was busy. Returns also
/// which mirror that is, and the other one.
fn half_a_download(case: &mut Case) -> (Output, [String; 2]) {
    let script = "cd \"$0\" && cp -r k3s a && cp -r k3s b";
    let folder = case.site.path("mirror");
    muster_labs::run(&["sh", "-c", script, folder.to_str().expect("a path")]);
    let url = case.site.mirror_url();
    let base = url.strip_suffix("k3s").expect("the path");
    case.board
        .overlay
        .set("MUSTER_MIRRORS", &format!("{base}a {base}b"));
    case.board.power_on_without_muster();
    let (boot, line) = downloading(case);
    let (first, other) = match line.contains(&format!("{base}a/")) {
        true => ("a", "b"),
        false => ("b", "a"),
    };
    let busy = mirror(&format!(
        "limit_rate 3m; location /{other}/ {{ return 503; }}"
    ));
    while_held(case, || restart_as(case.site, Service::Mirror, &busy));
    boot.wait_for("resuming https://");
    (boot, [first.into(), other.into()])
}
