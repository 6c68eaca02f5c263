//! Parses the settings that say which release of k3s is installed, and from which mirrors it is
//! downloaded.

use super::checked::{Mirror, Version};
use super::given::Given;
use super::value::Value;
use crate::http::below;
use crate::k3s::release::Tag;
use anyhow::Result;
use url::Url;

/// Reads which release is asked for.
pub(super) fn version(given: &Given) -> Result<Version> {
    let base = given.or_default("INSTALL_K3S_CHANNEL_URL");
    let base_url = base.url(&base.text, &["https"])?;
    if let Some(value) = given.get("INSTALL_K3S_VERSION") {
        return tag(&value).map(Version::Tag);
    }
    let Some(value) = given.get("INSTALL_K3S_CHANNEL") else {
        return Ok(Version::Server);
    };
    if !value
        .text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
    {
        return Err(value.bad("must be the name of a release channel, such as stable or v1.34"));
    }
    Ok(Version::Channel(below(&base_url, &[&value.text])))
}

/// Reads `INSTALL_K3S_VERSION`. All releases of k3s have `+k3s` and a number in their tags.
fn tag(value: &Value) -> Result<Tag> {
    let tag = Tag::parse(&value.text)
        .ok_or_else(|| value.bad("must be a release tag, such as v1.34.1+k3s1"))?;
    match tag.as_str().contains("+k3s") {
        true => Ok(tag),
        false => Err(value.bad(format_args!(
            "must be a whole release tag, such as {tag}+k3s1"
        ))),
    }
}

/// Reads the mirrors in their order. `INSTALL_K3S_ARTIFACT_URL` takes the place of `github`.
pub(super) fn mirrors(given: &Given) -> Result<Vec<Mirror>> {
    let value = given.or_default("MUSTER_MIRRORS");
    let github = match given.get("INSTALL_K3S_ARTIFACT_URL") {
        Some(artifacts) => Mirror::Base(base(&artifacts, &artifacts.text)?),
        None => Mirror::Github,
    };
    let mirror = |word: &str| match word {
        "server" => Ok(Mirror::Server),
        "github" => Ok(github.clone()),
        _ if !word.contains("://") => {
            Err(value.bad(format_args!("{word} is neither server, github nor a URL")))
        }
        _ => base(&value, word).map(Mirror::Base),
    };
    let words = value.text.split([' ', ',']);
    let words = words.filter(|word| !word.is_empty());
    let mirrors: Vec<Mirror> = words.map(mirror).collect::<Result<_>>()?;
    match mirrors.is_empty() {
        true => Err(value.bad("names no mirror")),
        false => Ok(mirrors),
    }
}

/// Parses `word` as a base URL. `word` is the value of the setting, or one word of the value. For a
/// download, the tag and the name of the asset are added to the URL. Plain http is accepted,
/// because muster never uses a digest that came over plain http.
fn base(value: &Value, word: &str) -> Result<Url> {
    value.url(word, &["https", "http"])
}
