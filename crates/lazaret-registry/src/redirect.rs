use reqwest::Url;
use reqwest::header::HeaderValue;

use crate::endpoint::is_local_only;

/// The next address of a redirect, or why it is not followed (a clause after "redirects the
/// request"). `registry` is where the user sent the client; `from` is the address that redirects.
pub(crate) fn next(registry: &Url, from: &Url, location: Option<&HeaderValue>) -> Result<Url, String> {
    let text =
        location.and_then(|value| value.to_str().ok()).ok_or_else(|| "without saying where to".to_owned())?;
    let next = from.join(text).map_err(|_| "to something that is no URL".to_owned())?;
    let host = next.host_str().ok_or_else(|| "to an address without a host".to_owned())?;
    match (from.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => {}
        ("https", "http") => return Err(format!("from TLS to plain HTTP on {host}")),
        (_, scheme) => return Err(format!("to the scheme `{scheme}`")),
    }
    // A registry elsewhere must not make this machine ask its own services or its cloud's.
    if is_local_only(host) && !registry.host_str().is_some_and(is_local_only) {
        return Err(format!("to {host}, an address of this machine or its link"));
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shown(from: &str, location: &str) -> String {
        let from = Url::parse(from).unwrap();
        let location = HeaderValue::from_str(location).unwrap();
        next(&from, &from, Some(&location)).map_or_else(|why| why, |url| url.to_string())
    }

    #[test]
    fn a_redirect_leads_to_tls_and_never_away_from_it() {
        let from = "https://reg.example/v2/a/blobs/x";
        assert_eq!(shown(from, "https://storage.example/x?s=1"), "https://storage.example/x?s=1");
        assert_eq!(shown(from, "/elsewhere"), "https://reg.example/elsewhere");
        assert_eq!(shown(from, "http://reg.example/x"), "from TLS to plain HTTP on reg.example");
        assert_eq!(shown("http://reg.example/x", "https://reg.example/x"), "https://reg.example/x");
        assert_eq!(shown("http://reg.example/x", "http://storage.example/x"), "http://storage.example/x");
    }

    #[test]
    fn a_registry_elsewhere_cannot_send_the_client_to_this_machine() {
        for host in
            ["127.0.0.1:2375", "localhost", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
        {
            let said = shown("https://reg.example/x", &format!("https://{host}/x"));
            assert!(said.contains("this machine or its link"), "{host}: {said}");
        }
        assert_eq!(shown("http://127.0.0.1:5000/x", "http://127.0.0.1:5001/x"), "http://127.0.0.1:5001/x");
    }
}
