//! Reads the checksum file of a mirror or of the k3s server. The digest in the k3s server's file is
//! used for the bytes of every mirror.

use super::asset::Asset;
use crate::digest::Sha256;
use crate::http::retry::LONGEST_RETRY_AFTER;
use crate::http::{Client, Failure, Request};
use crate::k3s::release::{Arch, Tag, asset_url, digest_in_sums};
use crate::k3s::server::Server;
use anyhow::anyhow;
use std::time::Instant;
use url::Url;

/// The largest checksum file that is read (bytes). Those of k3s have a few hundred bytes.
const SUMS_MAX: u64 = 64 * 1024;

/// Asks the mirror at `base` for its checksum file, and returns the digest of `asset` in it.
pub fn ask(client: &Client, base: &Url, tag: &Tag, asset: Asset) -> Result<Sha256, Failure> {
    let url = asset_url(base, tag, Arch::own().sums());
    let sums = Request::get(client, &url).body(SUMS_MAX)?;
    let asset = asset.name();
    digest_in_sums(&String::from_utf8_lossy(&sums), asset).ok_or_else(|| {
        Failure::permanent(anyhow!(
            "{url}: this checksum file has no digest of {asset}"
        ))
    })
}

/// The checksum file of the k3s server. Its digests are used to check the bytes of every mirror.
pub struct ServerSums {
    base: Url,
    client: Client,
    /// Set after the server sent `Retry-After`: its error message, and the time until which the
    /// server is not asked again.
    busy: Option<(String, Instant)>,
}

impl ServerSums {
    /// Returns `None` when the join token does not pin the server's CA, because then the server is
    /// unauthenticated.
    pub fn new(server: &Server) -> Option<ServerSums> {
        server.pins().then(|| ServerSums {
            base: server.release_url(),
            client: server.client().clone(),
            busy: None,
        })
    }

    /// Asks the server for the digest that `asset` must have. A permanent failure means that a
    /// retry would not help, for example because the server does not have the checksum file of this
    /// release. While the server's `Retry-After` lasts, no request is made, and the last failure is
    /// returned again.
    pub fn ask(&mut self, tag: &Tag, asset: Asset) -> Result<Sha256, Failure> {
        if let Some((why, until)) = &self.busy {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Err(Failure::Transient {
                    error: anyhow!("{why}"),
                    retry_after: Some(left),
                    status: None,
                });
            }
        }
        let answer = ask(&self.client, &self.base, tag, asset);
        if let Err(Failure::Transient {
            error,
            retry_after: Some(wait),
            ..
        }) = &answer
        {
            let until = Instant::now() + (*wait).min(LONGEST_RETRY_AFTER);
            self.busy = Some((format!("{error:#}"), until));
        }
        answer
    }
}
