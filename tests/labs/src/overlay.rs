//! The overlay of a board, made by the project's own tool.

use crate::tools::{run, text, top};
use crate::{Kind, Service, Site, muster};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What `overlay/genapkovl-muster.sh` is given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overlay {
    /// The k3s server's URL.
    pub server: String,
    /// The join token; `None`: no such file.
    pub token: Option<String>,
    /// Settings of `/etc/conf.d/muster` beside `K3S_URL`.
    pub settings: BTreeMap<String, String>,
    /// More files: path, text, mode.
    pub files: Vec<(String, String, u32)>,
    /// More of the tool's own options.
    pub options: Vec<String>,
}

impl Overlay {
    /// Gives a setting, in place of what it had.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(name.into(), value.into());
    }

    /// Adds a file.
    pub fn add(&mut self, path: &str, text: &str, mode: u32) {
        self.files.push((path.into(), text.into(), mode));
    }

    /// Makes the archive in `folder`.
    pub(crate) fn build(&self, kind: Kind, folder: &Path) -> PathBuf {
        let output = folder.join("overlay.apkovl.tar.gz");
        let added = folder.join("added");
        let put = |path: &str, text: &str, mode: u32| {
            let path = added.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("the overlay");
            fs::write(&path, text).expect("the overlay");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("the overlay");
        };
        fs::create_dir_all(&added).expect("the overlay");
        let mut argv: Vec<String> = vec![
            text(&top().join("overlay/genapkovl-muster.sh")).into(),
            "--server".into(),
            self.server.clone(),
        ];
        let mut option = |name: &str, value: &str| argv.extend([name.into(), value.into()]);
        match &self.token {
            Some(token) => {
                let file = folder.join("token");
                fs::write(&file, format!("{token}\n")).expect("the token");
                option("--token-file", text(&file));
            }
            None => option("--no-token", "worker"),
        }
        option("--binary", text(&muster(kind)));
        if kind == Kind::Namespace {
            option("--arch", "x86_64");
        }
        let known = fs::read_to_string(top().join("openrc/muster.confd")).expect("muster.confd");
        let by_tool = |name: &String| known.contains(&format!("#{name}="));
        if self.settings.keys().all(by_tool) {
            for (name, value) in &self.settings {
                option("--set", &format!("{name}={value}"));
            }
        } else {
            // The tool refuses what it does not know and a token that everyone could read. muster takes both from the file.
            let lines = self.settings.iter();
            let lines: String = lines.map(|(k, v)| format!("{k}=\"{v}\"\n")).collect();
            let conf = format!("{known}\nK3S_URL=\"{}\"\n{lines}", self.server);
            put("etc/conf.d/muster", &conf, 0o644);
        }
        for (path, text, mode) in &self.files {
            put(path, text, *mode);
        }
        option("--add", text(&added));
        option("--output", text(&output));
        argv.extend(self.options.iter().cloned());
        run(&argv.iter().map(String::as_str).collect::<Vec<_>>());
        output
    }
}

impl Site {
    /// What a board of this site needs in its overlay.
    pub fn overlay(&self) -> Overlay {
        let mut overlay = Overlay {
            server: self.server_url(),
            token: self.runs(Service::Server).then(|| self.token()),
            settings: BTreeMap::new(),
            files: Vec::new(),
            options: Vec::new(),
        };
        match self.kind() {
            Kind::Namespace => {
                let mirrors = format!("server {}", self.mirror_url());
                overlay.set("MUSTER_MIRRORS", &mirrors);
                overlay.set("SSL_CERT_FILE", "/etc/muster/mirror-ca.pem");
                overlay.set("MUSTER_NTP", "no");
                overlay.set("MUSTER_LOG", "effect=debug,info");
                let ca = fs::read_to_string(self.mirror_ca()).expect("the mirror's CA");
                overlay.add("etc/muster/mirror-ca.pem", &ca, 0o644);
            }
            Kind::Machine => overlay.add("etc/inittab", include_str!("inittab"), 0o644),
        }
        overlay
    }

    /// The archive of an overlay; boards with the same one share it.
    pub(crate) fn archive(&self, overlay: &Overlay) -> PathBuf {
        let mut archives = self.archives.lock().unwrap();
        let number = archives.len();
        let build = || {
            let folder = self.path(&format!("overlay{number}"));
            fs::create_dir(&folder).expect("a new folder");
            overlay.build(self.kind(), &folder)
        };
        archives
            .entry(overlay.clone())
            .or_insert_with(build)
            .clone()
    }
}
