//! The objects of the Kubernetes API that a kubelet writes: its node, and the lease that it renews as
//! a heartbeat. Each is a file under `<data-dir>/server`, so that `k3s kubectl`, another process, can
//! read and watch them.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A collection of objects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Collection {
    Nodes,
    Leases,
}

impl Collection {
    /// Where the API has this collection.
    pub fn path(self) -> &'static str {
        match self {
            Self::Nodes => "/api/v1/nodes",
            Self::Leases => "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
        }
    }

    /// The name of the collection: for kubectl, and of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Leases => "leases",
        }
    }

    /// The collection and the object that a path names; the object is `None` for all of them. The
    /// status of a node is a part of it.
    pub fn of_path(path: &str) -> Option<(Self, Option<&str>)> {
        [Self::Nodes, Self::Leases].into_iter().find_map(|kind| {
            let rest = path.strip_prefix(kind.path())?;
            let rest = rest.strip_suffix("/status").unwrap_or(rest);
            match rest.strip_prefix('/') {
                None if rest.is_empty() => Some((kind, None)),
                Some(name) if !name.contains('/') => Some((kind, Some(name))),
                _ => None,
            }
        })
    }
}

/// A collection in its folder.
pub struct Objects {
    kind: Collection,
    folder: PathBuf,
}

impl Objects {
    pub fn open(server: &Path, kind: Collection) -> Result<Self> {
        let folder = server.join(kind.name());
        fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
        Ok(Self { kind, folder })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds an object. Returns false if there is one of this name.
    pub fn create(&self, name: &str, object: &Value) -> Result<bool> {
        if self.get(name)?.is_some() {
            return Ok(false);
        }
        let mut object = object.clone();
        let uid = crate::server::random_hex()?;
        let known = json!({"uid": uid, "creationTimestamp": crate::log::now()});
        merge(&mut object, &json!({"metadata": known}));
        self.write(name, object)?;
        Ok(true)
    }

    /// Changes an object by a merge patch (RFC 7396). Returns false if there is none of this name.
    pub fn patch(&self, name: &str, patch: &Value) -> Result<bool> {
        let Some(mut object) = self.get(name)? else {
            return Ok(false);
        };
        merge(&mut object, patch);
        self.write(name, object)?;
        Ok(true)
    }

    /// Deletes an object. Returns false if there was none of this name.
    pub fn delete(&self, name: &str) -> Result<bool> {
        remove(&self.folder.join(name))
    }

    pub fn get(&self, name: &str) -> Result<Option<Value>> {
        let file = self.folder.join(name);
        match fs::read(&file) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{}", file.display())),
        }
    }

    /// The names of all objects, in order. A temporary file has a name that no object has.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            names.extend(Some(name).filter(|name| crate::nodes::is_name(name)));
        }
        names.sort();
        Ok(names)
    }

    /// How long ago an object was written; nothing if there is none of this name.
    pub fn age(&self, name: &str) -> Option<Duration> {
        let metadata = fs::metadata(self.folder.join(name)).ok()?;
        let age = SystemTime::now().duration_since(metadata.modified().ok()?);
        Some(age.unwrap_or_default())
    }

    fn write(&self, name: &str, mut object: Value) -> Result<()> {
        if self.kind == Collection::Leases {
            // A kubelet sends its own time. That of an emulated board may be another one.
            merge(
                &mut object,
                &json!({"spec": {"renewTime": crate::log::now()}}),
            );
        }
        write_whole(&self.folder.join(name), &object.to_string())
    }
}

/// Merges a patch into a value (RFC 7396).
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in patch {
        match value {
            Value::Null => _ = into.as_object_mut().map(|object| object.remove(key)),
            value => merge(&mut into[key], value),
        }
    }
}

/// Writes a file whole or not at all.
pub fn write_whole(file: &Path, text: &str) -> Result<()> {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    // Several threads write the same file, so each uses its own temporary file.
    let temporary = file.with_file_name(format!(".{name}.{:?}", std::thread::current().id()));
    fs::write(&temporary, text)?;
    fs::rename(&temporary, file).with_context(|| format!("{}", file.display()))
}

/// Deletes a file. Returns false if there was none.
pub fn remove(file: &Path) -> Result<bool> {
    match fs::remove_file(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_collection_or_an_object() {
        let leases = Collection::Leases.path();
        for (path, expected) in [
            ("/api/v1/nodes", Some((Collection::Nodes, None))),
            ("/api/v1/nodes/n1", Some((Collection::Nodes, Some("n1")))),
            (
                "/api/v1/nodes/n1/status",
                Some((Collection::Nodes, Some("n1"))),
            ),
            (
                &*format!("{leases}/n1"),
                Some((Collection::Leases, Some("n1"))),
            ),
            ("/api/v1/nodes/n1/proxy/x", None),
            ("/api/v1/pods", None),
        ] {
            assert_eq!(Collection::of_path(path), expected, "{path}");
        }
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let mut object = json!({"a": {"b": 1, "c": 2}, "d": 3});
        merge(&mut object, &json!({"a": {"b": null, "e": [4]}, "d": 5}));
        assert_eq!(object, json!({"a": {"c": 2, "e": [4]}, "d": 5}));
    }
}
