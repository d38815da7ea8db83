//! Lists that hold no content: tags, and what refers to a manifest. The registry's own answer, with its
//! next page asked for at the gate.

use axum::http::Uri;

/// The query that a registry is sent: `ns` is between the client and the gate.
pub(crate) fn query(asked: Option<&str>) -> String {
    pairs(asked).filter(|pair| !pair.starts_with("ns=")).collect::<Vec<_>>().join("&")
}

/// The `Link` to the next page (distribution specification, "Listing Tags"; RFC 8288), as the client
/// can follow it: the path is the one that it asked for, the query the registry's. None where the
/// registry's cannot be understood: a client must not be led past the gate.
pub(crate) fn next_page(asked: &Uri, link: &str) -> Option<String> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let next = parameters.split(';').map(|part| part.trim().replace('"', ""));
    if !next.into_iter().any(|part| part.eq_ignore_ascii_case("rel=next")) {
        return None;
    }
    let (_, query) = target.split_once('?')?;
    let own = pairs(asked.query()).filter(|pair| pair.starts_with("ns="));
    let all: Vec<&str> = pairs(Some(query)).filter(|pair| !pair.starts_with("ns=")).chain(own).collect();
    Some(format!("<{}?{}>; rel=\"next\"", asked.path(), all.join("&")))
}

fn pairs(query: Option<&str>) -> impl Iterator<Item = &str> {
    query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_next_page_is_asked_for_at_the_gate_and_of_the_same_registry() {
        let follow = |asked: &str, link: &str| next_page(&asked.parse().unwrap(), link);
        for (asked, link, meant) in [
            (
                "/v2/a/tags/list?n=2",
                "</v2/a/tags/list?n=2&last=b>; rel=\"next\"",
                "</v2/a/tags/list?n=2&last=b>; rel=\"next\"",
            ),
            (
                "/v2/ghcr.io/a/tags/list?n=2",
                "</v2/a/tags/list?n=2&last=b>; rel=\"next\"",
                "</v2/ghcr.io/a/tags/list?n=2&last=b>; rel=\"next\"",
            ),
            (
                "/v2/a/tags/list?n=2&ns=ghcr.io",
                "</v2/a/tags/list?n=2&last=b>; rel=next",
                "</v2/a/tags/list?n=2&last=b&ns=ghcr.io>; rel=\"next\"",
            ),
            (
                "/v2/a/tags/list",
                "<https://registry.example/v2/a/tags/list?last=b>; rel=\"next\"",
                "</v2/a/tags/list?last=b>; rel=\"next\"",
            ),
        ] {
            assert_eq!(follow(asked, link).as_deref(), Some(meant), "{asked} {link}");
        }
        for link in ["", "x", "<x", "</v2/a/tags/list>; rel=\"next\"", "</v2/a?last=b>; rel=\"prev\""] {
            assert_eq!(follow("/v2/a/tags/list", link), None, "{link}");
        }
        assert_eq!(query(Some("ns=ghcr.io&n=2&last=a")), "n=2&last=a");
        assert_eq!(query(None), "");
    }
}
