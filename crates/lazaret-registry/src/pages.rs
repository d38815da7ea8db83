//! Lists that come in pages: a registry's repositories, a repository's tags, the answers of sites.
//!
//! Whoever pages is told by the other side where to go on, and the other side may lie: a page may
//! lead to itself, to another host, or never end.

use std::collections::HashSet;
use std::time::Instant;

use lazaret_model::ImageRef;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LINK, LOCATION};
use serde::Deserialize;

use crate::client::{Ask, BodyError, Client, Target};
use crate::endpoint::{authority, is_loopback, same_origin};
use crate::refusal::Refusal;
use crate::{RegistryError, redirect};

/// Most pages of one list.
const PAGES: usize = 100_000;
/// Most names of one list.
const NAMES: usize = 2_000_000;
/// Largest page, in bytes.
const PAGE_BYTES: u64 = 16 << 20;
/// What all pages of one list may bring, in bytes.
const LIST_BYTES: u64 = 512 << 20;
/// Pages one after the other that bring nothing new.
const BARREN: usize = 20;
/// Longest address of a next page, in bytes.
const ADDRESS: usize = 8 << 10;
/// Redirects of one request to a site.
const REDIRECTS: usize = 3;

/// What a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    Repositories,
    Tags,
}

impl Listed {
    fn path(self) -> &'static str {
        match self {
            Self::Repositories => "_catalog",
            Self::Tags => "tags/list",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Repositories => "the list of repositories",
            Self::Tags => "the list of tags",
        }
    }
}

/// The names of a registry's list, page by page (distribution-spec, "Listing Tags"; distribution,
/// "Listing Repositories").
#[derive(Debug)]
pub struct Names {
    client: Client,
    target: Target,
    listed: Listed,
    /// The query of the next page.
    next: Option<String>,
    trail: Trail,
    known: HashSet<String>,
    skipped: u64,
    /// Why there is no next page, told after the names of this one.
    lost: Option<RegistryError>,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    repositories: Option<Vec<String>>,
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Client {
    /// The repositories of a registry, `page` at a time, those after the name `after` where it is given.
    ///
    /// # Errors
    /// A name of a registry that is none.
    pub async fn catalogue(
        &self,
        registry: &str,
        page: u32,
        after: Option<&str>,
    ) -> Result<Names, RegistryError> {
        self.names(registry, "", Listed::Repositories, page, after).await
    }

    /// The tags of a repository, `page` at a time.
    ///
    /// # Errors
    /// A name of a registry that is none.
    pub async fn tags_of(&self, registry: &str, repository: &str, page: u32) -> Result<Names, RegistryError> {
        self.names(registry, repository, Listed::Tags, page, None).await
    }

    async fn names(
        &self,
        registry: &str,
        repository: &str,
        listed: Listed,
        page: u32,
        after: Option<&str>,
    ) -> Result<Names, RegistryError> {
        let target = self.target(registry, repository).await?;
        let mut query = Url::parse("http://query.invalid/").expect("a constant that is a URL");
        query.query_pairs_mut().append_pair("n", &page.to_string());
        if let Some(after) = after {
            query.query_pairs_mut().append_pair("last", after);
        }
        let first = query.query().unwrap_or_default().to_owned();
        let mut trail = Trail::default();
        trail.visited.insert(first.clone());
        Ok(Names {
            client: self.clone(),
            target,
            listed,
            next: Some(first),
            trail,
            known: HashSet::new(),
            skipped: 0,
            lost: None,
        })
    }
}

impl Names {
    /// The next names that were not listed before; None at the end. After an error that may pass by
    /// itself the same page is asked for again; after any other there is nothing more: what was listed
    /// until then stands, and the list is not whole.
    ///
    /// # Errors
    /// A registry that lists nothing, refuses, cannot be reached, or whose pages lead nowhere.
    pub async fn next(&mut self) -> Result<Option<Vec<String>>, RegistryError> {
        loop {
            if let Some(error) = self.lost.take() {
                return Err(error);
            }
            let Some(query) = self.next.take() else { return Ok(None) };
            let (names, link) = match self.page(&query).await {
                Ok(page) => page,
                Err(error) => {
                    // The bounds of the whole list hold for however often it breaks off.
                    self.next = Some(query).filter(|_| error.may_pass());
                    return Err(error);
                }
            };
            let mut fresh = Vec::new();
            for name in names {
                // A name that cannot be asked for cannot be hunted, and may be meant to do harm.
                if !self.sound(&name) {
                    self.skipped += 1;
                } else if self.known.contains(&name) {
                    continue;
                } else if self.known.len() == NAMES {
                    self.lost = Some(self.lost(format!("it has more than {NAMES} names")));
                    break;
                } else {
                    self.known.insert(name.clone());
                    fresh.push(name);
                }
            }
            if let (Some(link), None) = (link, &self.lost) {
                match self.following(&query, &link, fresh.is_empty()) {
                    Ok(next) => self.next = Some(next),
                    Err(reason) => self.lost = Some(self.lost(reason)),
                }
            }
            if !fresh.is_empty() {
                return Ok(Some(fresh));
            }
        }
    }

    /// The query of the next page, or why there is none.
    fn following(&mut self, query: &str, link: &str, barren: bool) -> Result<String, String> {
        let here = self.here(query);
        let next = self.trail.follow(&here, link, barren)?;
        if next.path() != here.path() {
            return Err(format!("the next page is at `{}`", shown(next.path())));
        }
        Ok(next.query().unwrap_or_default().to_owned())
    }

    /// How many names were left out because they are none of a repository or tag.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn sound(&self, name: &str) -> bool {
        let text = match self.listed {
            Listed::Repositories => format!("{}/{name}", self.target.registry),
            Listed::Tags => format!("{}/{}:{name}", self.target.registry, self.target.repository),
        };
        // What is listed is put together with its host again where it is hunted.
        let Ok(ImageRef::Registry(parsed)) = text.parse::<ImageRef>() else { return false };
        parsed.digest.is_none()
            && match self.listed {
                Listed::Repositories => parsed.repository == name && parsed.tag.is_none(),
                Listed::Tags => parsed.tag.as_deref() == Some(name),
            }
    }

    fn here(&self, query: &str) -> Url {
        let mut url = self.target.base.clone();
        let repository = &self.target.repository;
        let slash = if repository.is_empty() { "" } else { "/" };
        url.set_path(&format!("/v2/{repository}{slash}{}", self.listed.path()));
        url.set_query(Some(query));
        url
    }

    fn lost(&self, reason: String) -> RegistryError {
        RegistryError::Paging { host: self.target.registry.clone(), what: self.listed.words(), reason }
    }

    async fn page(&mut self, query: &str) -> Result<(Vec<String>, Option<String>), RegistryError> {
        let ask = Ask {
            path: format!("{}?{query}", self.listed.path()),
            accept: None,
            from: 0,
            what: self.listed.words(),
            presence: false,
        };
        let registry = self.target.registry.clone();
        let host = || registry.clone();
        let begun = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let response = match self.client.ask(&self.target, &ask).await {
                Err(
                    RegistryError::CredentialsNeeded { detail, .. } | RegistryError::Denied { detail, .. },
                ) if self.listed == Listed::Repositories => {
                    return Err(RegistryError::CatalogueRefused { host: host(), detail });
                }
                other => other?,
            };
            let status = response.status().as_u16();
            if status != 200 {
                let refusal = Refusal::read(response, self.client.options().stall_timeout).await;
                return Err(match (status, self.listed) {
                    (404 | 405 | 501, Listed::Repositories) => {
                        RegistryError::NoCatalogue { host: host(), status }
                    }
                    (404, Listed::Tags) => RegistryError::NoSuchRepository {
                        host: host(),
                        repository: self.target.repository.clone(),
                    },
                    _ => RegistryError::UnexpectedStatus {
                        host: host(),
                        status,
                        detail: refusal.clause(),
                        what: self.listed.words().to_owned(),
                    },
                });
            }
            let link = next_link(response.headers());
            match self.client.body(response, PAGE_BYTES).await {
                Ok(text) => {
                    self.trail.weigh(text.len()).map_err(|reason| self.lost(reason))?;
                    let body: Body = serde_json::from_slice(&text)
                        .map_err(|_| self.lost("a page is no list in JSON".to_owned()))?;
                    let names = match self.listed {
                        Listed::Repositories => body.repositories,
                        Listed::Tags => body.tags,
                    };
                    return Ok((names.unwrap_or_default(), link));
                }
                Err(BodyError::TooLarge(limit)) => {
                    return Err(self.lost(format!("a page is larger than {limit} bytes")));
                }
                Err(BodyError::Broken(reason))
                    if self.client.options().retry.ends(tries, begun.elapsed()) =>
                {
                    return Err(RegistryError::Unreachable { host: host(), reason, tries });
                }
                Err(BodyError::Broken(_)) => {
                    tokio::time::sleep(self.client.options().retry.wait(tries)).await;
                }
            }
        }
    }
}

/// Where a list was followed to, so that it ends.
#[derive(Debug, Default)]
struct Trail {
    /// Queries of the pages so far.
    visited: HashSet<String>,
    barren: usize,
    /// What they brought, in bytes.
    bytes: u64,
}

impl Trail {
    /// Counts what a page brought, or says why that is too much.
    fn weigh(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        match self.bytes > LIST_BYTES {
            true => Err(format!("its pages bring more than {LIST_BYTES} bytes")),
            false => Ok(()),
        }
    }

    /// The next page, or why it is none.
    fn follow(&mut self, from: &Url, next: &str, barren: bool) -> Result<Url, String> {
        self.barren = if barren { self.barren + 1 } else { 0 };
        if next.len() > ADDRESS {
            return Err(format!("the link to the next page is longer than {ADDRESS} bytes"));
        }
        let url = from.join(next).map_err(|_| "the link to the next page is no address".to_owned())?;
        if !same_origin(from, &url) {
            return Err(format!("the next page is at another host, {}", shown(&authority(&url))));
        }
        let query = url.query().unwrap_or_default().to_owned();
        if !self.visited.insert(format!("{}{query}", if url.path() == from.path() { "" } else { url.path() }))
        {
            return Err("its pages lead round in a circle".to_owned());
        }
        if self.barren >= BARREN {
            return Err(format!("{BARREN} pages one after the other brought nothing new"));
        }
        if self.visited.len() > PAGES {
            return Err(format!("it has more than {PAGES} pages"));
        }
        Ok(url)
    }
}

fn shown(text: &str) -> String {
    lazaret_model::one_line(text, 120)
}

/// A site's list that leads nowhere.
fn paging(host: String, reason: String) -> RegistryError {
    RegistryError::Paging { host, what: "a list", reason }
}

/// The target of `Link: <…>; rel="next"` (RFC 8288).
fn next_link(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(|value| {
        let mut rest = value;
        while let Some((_, after)) = rest.split_once('<') {
            let (target, parameters) = after.split_once('>')?;
            let own = parameters.split(['<']).next().unwrap_or_default();
            let is_next = own.split([';', ',']).any(|parameter| {
                parameter.trim().split_once('=').is_some_and(|(name, value)| {
                    name.trim().eq_ignore_ascii_case("rel")
                        && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
                })
            });
            if is_next {
                return Some(target.to_owned());
            }
            rest = parameters;
        }
        None
    })
}

/// An answer of a site's interface for programs.
#[derive(Debug, Clone)]
pub struct SiteAnswer {
    /// The HTTP status; of those that are no success only 401, 403 and 404 come as an answer.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// Where the next page is, as `Link` says it.
    pub link: Option<String>,
}

/// A site's interface for programs, beside its registry: what it says of accounts and repositories.
/// One list after the other is asked for; its pages stay with the host that the user named.
#[derive(Debug)]
pub struct Site {
    client: Client,
    base: Url,
    token: Option<HeaderValue>,
    here: Url,
    trail: Trail,
}

impl Client {
    /// The site at this address (`https://hub.docker.com`), asked with this token where there is one,
    /// which goes to no other host.
    ///
    /// # Errors
    /// An address that is none, or that would send a token without TLS elsewhere than to this machine.
    pub fn site(&self, address: &str, token: Option<&str>) -> Result<Site, RegistryError> {
        let bad = |reason: &str| RegistryError::BadName { name: shown(address), reason: reason.to_owned() };
        let base = Url::parse(address).map_err(|_| bad("it is no address"))?;
        let host = base.host_str().ok_or_else(|| bad("it has no host"))?;
        let listed =
            self.options().plain_http.iter().any(|listed| listed.eq_ignore_ascii_case(&authority(&base)));
        match base.scheme() {
            "https" => {}
            "http" if is_loopback(host) || listed => {}
            _ => return Err(bad("it does not begin with https://")),
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(bad("it carries a user name or password"));
        }
        let token = match token {
            None => None,
            Some(token) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                    .map_err(|_| bad("the token for it is no text for a header"))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Site { client: self.clone(), here: base.clone(), base, token, trail: Trail::default() })
    }
}

impl Site {
    /// Host and port.
    pub fn host(&self) -> String {
        authority(&self.base)
    }

    /// Begins a list: the segments of its path, then the pairs of its query.
    ///
    /// # Errors
    /// As [`Site::next`].
    pub async fn begin(
        &mut self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<SiteAnswer, RegistryError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.trail = Trail::default();
        self.trail.visited.insert(url.query().unwrap_or_default().to_owned());
        self.here = url;
        self.get().await
    }

    /// Goes on with the next page of the list, at the address that the page before names; `barren`
    /// says that that page brought nothing new. `is_alias` says of another path, without that of the
    /// site, whether it is the same list: it is asked for at its own path then.
    ///
    /// # Errors
    /// A page that leads to another host or list, to one that was there before, or on without end; a
    /// site that cannot be reached or refuses.
    pub async fn next(
        &mut self,
        link: &str,
        barren: bool,
        is_alias: impl Fn(&str) -> bool,
    ) -> Result<SiteAnswer, RegistryError> {
        let host = self.host();
        let following = self.trail.follow(&self.here, link, barren);
        let mut url = following.map_err(|reason| paging(host.clone(), reason))?;
        if url.path().trim_end_matches('/') != self.here.path().trim_end_matches('/') {
            // What is another list is not this account's, whatever the site says.
            let below = url.path().strip_prefix(self.base.path().trim_end_matches('/'));
            if !below.is_some_and(is_alias) {
                return Err(paging(host, format!("the next page is at `{}`", shown(url.path()))));
            }
            let path = self.here.path().to_owned();
            url.set_path(&path);
        }
        self.here = url;
        self.get().await
    }

    async fn get(&mut self) -> Result<SiteAnswer, RegistryError> {
        let what = "what it says of an account";
        let mut url = self.here.clone();
        for _ in 0..=REDIRECTS {
            let mut headers = HeaderMap::new();
            headers.insert(reqwest::header::ACCEPT, HeaderValue::from_static("application/json"));
            if let Some(token) = &self.token {
                headers.insert(AUTHORIZATION, token.clone());
            }
            let response = self.client.get_from(&url, headers).await?;
            let status = response.status().as_u16();
            let host = self.host();
            match status {
                301 | 302 | 307 | 308 => {
                    let refuse = |reason| RegistryError::Redirect { host, what: what.to_owned(), reason };
                    let next = redirect::next(&self.base, &url, response.headers().get(LOCATION));
                    let next = next.map_err(refuse.clone())?;
                    // Its token is for this host, and nothing that it says sends the client elsewhere.
                    if !same_origin(&self.base, &next) {
                        return Err(refuse(format!("to another host, {}", shown(&authority(&next)))));
                    }
                    url = next;
                }
                200 | 401 | 403 | 404 => {
                    let link = next_link(response.headers());
                    let body = self.client.body(response, PAGE_BYTES).await.map_err(|error| match error {
                        BodyError::TooLarge(limit) => RegistryError::DocumentTooLarge {
                            what: what.to_owned(),
                            host: host.clone(),
                            limit,
                        },
                        BodyError::Broken(reason) => {
                            RegistryError::Unreachable { host: host.clone(), reason, tries: 1 }
                        }
                    })?;
                    self.trail.weigh(body.len()).map_err(|reason| paging(host, reason))?;
                    return Ok(SiteAnswer { status, body, link });
                }
                _ => {
                    let refusal = Refusal::read(response, self.client.options().stall_timeout).await;
                    return Err(RegistryError::UnexpectedStatus {
                        host,
                        status,
                        detail: refusal.clause(),
                        what: what.to_owned(),
                    });
                }
            }
        }
        Err(RegistryError::Redirect {
            host: self.host(),
            what: what.to_owned(),
            reason: format!("more than {REDIRECTS} times"),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(link: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(LINK, link.parse().unwrap());
        headers
    }

    #[test]
    fn the_next_page_is_found_among_links() {
        for (link, next) in [
            (r#"</v2/_catalog?last=a&n=1>; rel="next""#, Some("/v2/_catalog?last=a&n=1")),
            ("<x>; rel=next", Some("x")),
            (r#"<a>; rel="prev", <b>; rel="next", <c>; rel="last""#, Some("b")),
            (r#"<a>; rel="last""#, None),
            ("nonsense", None),
            ("<unclosed", None),
        ] {
            assert_eq!(next_link(&headers(link)).as_deref(), next, "{link}");
        }
    }

    #[test]
    fn a_trail_ends_where_it_turns_back_leaves_or_brings_nothing() {
        let from = Url::parse("http://r.example/v2/_catalog?n=1").unwrap();
        let mut trail = Trail::default();
        trail.visited.insert("n=1".to_owned());
        assert!(trail.follow(&from, "?n=1", false).unwrap_err().contains("circle"));
        assert!(
            trail.follow(&from, "http://other.example/v2/_catalog?n=2", false).unwrap_err().contains("host")
        );
        assert!(trail.follow(&from, "http://r.example:81/v2/_catalog?n=2", false).is_err());
        assert!(
            trail.follow(&from, &format!("?n={}", "9".repeat(9_000)), false).unwrap_err().contains("longer")
        );
        assert!(trail.weigh(LIST_BYTES as usize).is_ok() && trail.weigh(1).unwrap_err().contains("bytes"));
        for n in 2..2 + BARREN {
            let followed = trail.follow(&from, &format!("?n={n}"), true);
            assert_eq!(followed.is_ok(), n < 1 + BARREN, "{n}");
        }
    }
}
