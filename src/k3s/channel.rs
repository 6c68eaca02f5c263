//! Asks a release channel of k3s, which is a URL that redirects to the page of a release.

use super::release::Tag;
use crate::http::{Clients, Failure, Request};
use anyhow::anyhow;
use url::Url;

/// Asks a channel for its release, without retries (k3s documentation, "channels").
pub fn ask_channel(clients: &Clients, url: &Url) -> Result<Tag, Failure> {
    let answer = Request::get(&clients.public_without_redirects()?, url).response()?;
    if !answer.status().is_redirection() {
        return Err(Failure::of_status(&answer));
    }
    tag_of_location(answer.header("location").unwrap_or_default())
        .ok_or_else(|| Failure::transient(anyhow!("{url}: the answer names no k3s release")))
}

/// Reads the release tag at the end of the URL of a release page.
pub fn tag_of_location(location: &str) -> Option<Tag> {
    let last = location.rsplit('/').next()?;
    Tag::parse(&last.replace("%2B", "+").replace("%2b", "+"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "https://github.com/k3s-io/k3s/releases/tag";

    #[test]
    fn channels_name_a_tag() {
        let tag = |location: &str| tag_of_location(location).map(|tag| tag.to_string());
        for text in ["v1.34.1+k3s1", "v1.34.1%2Bk3s1"] {
            let location = format!("{PAGE}/{text}");
            assert_eq!(tag(&location).as_deref(), Some("v1.34.1+k3s1"));
        }
        for location in ["", &format!("{PAGE}/stable"), "v1.34.1/"] {
            assert_eq!(tag(location), None, "{location}");
        }
    }
}
