use std::collections::HashMap;
use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RANGE,
};
use reqwest::redirect::Policy;
use reqwest::{Method, Request, Response, Url};
use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::auth::{self, Challenge};
use crate::credentials::{self, Credential, Found, Lookup};
use crate::endpoint::{self, Transport, authority, is_loopback, same_origin};
use crate::error::{clause, seconds};
use crate::redirect;
use crate::refusal::Refusal;
use crate::retry::{may_pass, retry_after};
use crate::tls::{self, SystemRoots};
use crate::{ClientOptions, CredentialFiles, Login, RegistryError};

/// Redirects followed for one request.
const REDIRECTS: usize = 5;
/// How many times the longest wait for the next bytes a whole document may take.
const DOCUMENT_STALLS: u32 = 5;
/// Largest answer of a token server, in bytes.
const TOKEN_LIMIT: u64 = 256 << 10;

/// A client for registries. Cheap to clone; clones share connections and tokens.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    options: ClientOptions,
    /// For hosts elsewhere; goes through the proxies that the environment names.
    outside: reqwest::Client,
    /// For loopback, which no proxy can reach.
    local: reqwest::Client,
    /// Base addresses of registries, found out once.
    bases: Mutex<HashMap<String, Url>>,
    /// What each repository last accepted.
    grants: Mutex<HashMap<(String, String), HeaderValue>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

/// A repository of a registry, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The registry as it was typed; credentials belong to this name.
    pub(crate) registry: String,
    /// Empty where the registry itself is asked.
    pub(crate) repository: String,
    pub(crate) base: Url,
}

/// A request within a repository.
pub(crate) struct Ask<'a> {
    /// What follows `/v2/REPOSITORY/`, or `/v2/` where there is no repository.
    pub(crate) path: String,
    /// The `Accept` header, if one is sent.
    pub(crate) accept: Option<&'static str>,
    /// First byte wanted, for a download that goes on.
    pub(crate) from: u64,
    /// What it is, for messages.
    pub(crate) what: &'a str,
    /// Whether it is only asked if it is there: nothing is sent then, and a redirect says yes.
    pub(crate) presence: bool,
}

impl Client {
    /// Sets up a client. Nothing is contacted yet.
    ///
    /// # Errors
    /// A certificate file that cannot be read.
    pub fn new(options: ClientOptions) -> Result<Self, RegistryError> {
        let tls = tls::config(&options.environment, SystemRoots::Trust, options.ca_file.as_deref(), None)?;
        let builder = |tls| {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls)
                .user_agent(concat!("lazaret/", env!("CARGO_PKG_VERSION")))
                .redirect(Policy::none())
                .referer(false)
                .connect_timeout(options.connect_timeout)
        };
        let setup = |e: reqwest::Error| RegistryError::Setup {
            what: "the HTTP client".to_owned(),
            reason: reason(&e),
        };
        let outside = builder(tls.clone()).build().map_err(setup)?;
        let local = builder(tls).no_proxy().build().map_err(setup)?;
        Ok(Self {
            inner: Arc::new(Inner {
                options,
                outside,
                local,
                bases: Mutex::default(),
                grants: Mutex::default(),
            }),
        })
    }

    /// A client for somebody else: it shares the connections and knows nothing of the credentials
    /// and tokens of this one. Credential files are not looked at.
    pub fn on_behalf_of(&self, login: Option<Login>) -> Self {
        let options =
            ClientOptions { login, credential_files: CredentialFiles::Ignore, ..self.inner.options.clone() };
        Self {
            inner: Arc::new(Inner {
                options,
                outside: self.inner.outside.clone(),
                local: self.inner.local.clone(),
                bases: Mutex::default(),
                grants: Mutex::default(),
            }),
        }
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.inner.options
    }

    /// Finds out how a registry is spoken to.
    pub(crate) async fn target(&self, registry: &str, repository: &str) -> Result<Target, RegistryError> {
        let known = self.inner.bases.lock().await.get(registry).cloned();
        let base = match known {
            Some(base) => base,
            None => {
                let base = match endpoint::transport(registry, &self.inner.options.plain_http) {
                    _ if self.inner.options.addresses.contains_key(registry) => {
                        endpoint::given(registry, &self.inner.options.addresses[registry])?
                    }
                    Transport::Tls => endpoint::base("https", registry)?,
                    Transport::Plain => endpoint::base("http", registry)?,
                    Transport::Loopback => self.probe(registry).await?,
                };
                self.inner.bases.lock().await.insert(registry.to_owned(), base.clone());
                base
            }
        };
        Ok(Target { registry: registry.to_owned(), repository: repository.to_owned(), base })
    }

    /// A registry on loopback mostly speaks plain HTTP, but may speak TLS: a TLS server says so
    /// with a 400 or hangs up.
    async fn probe(&self, registry: &str) -> Result<Url, RegistryError> {
        let plain = endpoint::base("http", registry)?;
        let request = Request::new(Method::GET, version_check(&plain));
        let waited =
            tokio::time::timeout(self.inner.options.stall_timeout, self.inner.local.execute(request)).await;
        let speaks_tls = match waited {
            Ok(Ok(response)) => response.status() == 400,
            // Nobody there: the request itself will tell, with its retries.
            Ok(Err(error)) => !error.is_connect(),
            Err(_) => false,
        };
        if speaks_tls {
            let secure = endpoint::base("https", registry)?;
            let request = Request::new(Method::GET, version_check(&secure));
            if let Ok(answer) =
                tokio::time::timeout(self.inner.options.stall_timeout, self.inner.local.execute(request))
                    .await
                && (answer.is_ok()
                    || answer.is_err_and(|e| tls::failure(&e).is_some_and(|f| !is_not_tls(&f))))
            {
                return Ok(secure);
            }
        }
        Ok(plain)
    }

    /// Asks a repository: authenticates when challenged, follows redirects by hand, repeats what
    /// may pass. Gives the answer whatever its status, but for 401 and 403 of the registry itself.
    pub(crate) async fn ask(&self, target: &Target, ask: &Ask<'_>) -> Result<Response, RegistryError> {
        let key = (target.registry.clone(), target.repository.clone());
        let mut granted = self.inner.grants.lock().await.get(&key).cloned();
        let url = self.address(target, &ask.path)?;
        let mut tried_auth = None;
        loop {
            let (response, at_registry) = self.follow(target, ask, url.clone(), granted.as_ref()).await?;
            match response.status().as_u16() {
                401 if at_registry && tried_auth.is_none() => {
                    let (grant, lookup) = self.authorize(target, response).await?;
                    if let Some(grant) = &grant {
                        self.inner.grants.lock().await.insert(key.clone(), grant.clone());
                    }
                    granted = grant;
                    tried_auth = Some(lookup);
                }
                401 | 403 if at_registry => {
                    self.inner.grants.lock().await.remove(&key);
                    let status = response.status().as_u16();
                    let basic = granted.as_ref().is_some_and(|g| g.as_bytes().starts_with(b"Basic "));
                    let refusal = Refusal::read(response, self.inner.options.stall_timeout).await;
                    return Err(refused(target, status, &refusal, tried_auth.as_ref(), basic));
                }
                _ => return Ok(response),
            }
        }
    }

    /// The address of `/v2/REPOSITORY/PATH`.
    fn address(&self, target: &Target, path: &str) -> Result<Url, RegistryError> {
        let mut url = target.base.clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
        let full = match target.repository.as_str() {
            "" => format!("/v2/{path}"),
            repository => format!("/v2/{repository}/{path}"),
        };
        url.set_path(&full);
        url.set_query(query);
        // A repository is checked where it is parsed; this holds for one that was built by hand.
        if url.path() != full {
            let reason = "its repository has characters that no repository has".to_owned();
            return Err(RegistryError::BadName { name: target.repository.clone(), reason });
        }
        Ok(url)
    }

    /// One request with its redirects. The second value is whether the last answer is the
    /// registry's own; what it says about credentials only counts then.
    async fn follow(
        &self,
        target: &Target,
        ask: &Ask<'_>,
        mut url: Url,
        granted: Option<&HeaderValue>,
    ) -> Result<(Response, bool), RegistryError> {
        for _ in 0..=REDIRECTS {
            let at_registry = same_origin(&url, &target.base);
            let mut headers = HeaderMap::new();
            if let Some(accept) = ask.accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            if ask.from > 0 {
                let range = format!("bytes={}-", ask.from);
                headers.insert(RANGE, HeaderValue::from_str(&range).expect("digits are a header value"));
            }
            // Credentials are for the registry's own origin and no other.
            if let (true, Some(granted)) = (at_registry, granted) {
                headers.insert(AUTHORIZATION, granted.clone());
            }
            let method = if ask.presence { Method::HEAD } else { Method::GET };
            let response = self.send(method, &url, headers, None).await?;
            if ask.presence || !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((response, at_registry));
            }
            let next = redirect::next(&target.base, &url, response.headers().get(LOCATION));
            url = next.map_err(|reason| RegistryError::Redirect {
                host: target.registry.clone(),
                what: ask.what.to_owned(),
                reason,
            })?;
        }
        Err(RegistryError::Redirect {
            host: target.registry.clone(),
            what: ask.what.to_owned(),
            reason: format!("more than {REDIRECTS} times"),
        })
    }

    /// What a site beside the registry answers; no redirect is followed.
    pub(crate) async fn get_from(&self, url: &Url, headers: HeaderMap) -> Result<Response, RegistryError> {
        self.send(Method::GET, url, headers, None).await
    }

    /// One request at one address, repeated while what goes wrong may pass.
    async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Option<&str>,
    ) -> Result<Response, RegistryError> {
        let options = &self.inner.options;
        let local = url.host_str().is_some_and(is_loopback);
        let client = if local { &self.inner.local } else { &self.inner.outside };
        let host = authority(url);
        let begun = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            if let Some(pace) = &options.pace {
                pace.turn(&host).await;
            }
            let mut request = Request::new(method.clone(), url.clone());
            *request.headers_mut() = headers.clone();
            *request.body_mut() = body.map(|text| text.to_owned().into());
            let answer = tokio::time::timeout(options.stall_timeout, client.execute(request)).await;
            let own = options.retry.wait(tries);
            let ends = |wait: Duration| options.retry.ends(tries, begun.elapsed().saturating_add(wait));
            let wait = match answer {
                Ok(Ok(response)) if may_pass(response.status().as_u16()) => {
                    let asked = retry_after(response.headers(), OffsetDateTime::now_utc());
                    let too_long = asked.is_some_and(|wait| wait > options.retry.longest_retry_after);
                    // Whoever asks for no wait at all is not asked in a tight loop.
                    let wait = asked.unwrap_or_default().max(own);
                    let ends = too_long || ends(wait);
                    // Also where this request gives up, all others leave the host alone.
                    if let (Some(pace), Some(asked), false) = (&options.pace, asked, too_long) {
                        pace.hold(&host, asked, !ends);
                    }
                    if ends {
                        let status = response.status().as_u16();
                        let refusal = Refusal::read(response, options.stall_timeout).await;
                        let wait =
                            asked.map_or_else(String::new, |w| format!(" and asks to wait {}", seconds(w)));
                        return Err(RegistryError::Busy {
                            host,
                            status,
                            detail: refusal.clause(),
                            tries,
                            wait,
                            retry_after: asked,
                            lasted: begun.elapsed(),
                        });
                    }
                    wait
                }
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => {
                    if let Some(tls) = tls::failure(&error) {
                        return Err(if is_not_tls(&tls) {
                            RegistryError::PlainHttp { host }
                        } else {
                            RegistryError::Untrusted { host, reason: tls::words(&tls) }
                        });
                    }
                    if ends(own) {
                        return Err(RegistryError::Unreachable { host, reason: reason(&error), tries });
                    }
                    own
                }
                Err(_) if ends(own) => {
                    let reason = format!("no answer within {}", seconds(options.stall_timeout));
                    return Err(RegistryError::Unreachable { host, reason, tries });
                }
                Err(_) => own,
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Answers a challenge: what to send as `Authorization`, and what was known about credentials.
    async fn authorize(
        &self,
        target: &Target,
        response: Response,
    ) -> Result<(Option<HeaderValue>, Lookup), RegistryError> {
        let options = &self.inner.options;
        let challenge = auth::challenge(response.headers(), &target.registry)?;
        drop(response);
        let lookup = credentials::look_up(
            &target.registry,
            &target.repository,
            options.login.as_ref(),
            options.credential_files,
            &options.environment,
        )
        .await;
        let credential = lookup.found.as_ref().map(|found| &found.credential);
        let grant = match (&challenge, credential) {
            (_, Some(Credential::Registry(_))) => credential.and_then(auth::header),
            (Challenge::Basic, Some(credential)) => auth::header(credential),
            // Asked again without credentials, the registry says in its own words what it wants.
            (Challenge::Basic, None) => None,
            (Challenge::Bearer { realm, service, scope }, _) => {
                let scope = auth::scope(scope.as_deref(), &target.repository);
                let realm = auth::token_server(realm, &target.base, &target.registry, &options.plain_http)?;
                self.token(target, realm, service.as_deref(), &scope, &lookup).await?
            }
        };
        Ok((grant, lookup))
    }

    /// Asks a token server for the right to pull.
    async fn token(
        &self,
        target: &Target,
        mut realm: Url,
        service: Option<&str>,
        scope: &str,
        lookup: &Lookup,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let mut headers = HeaderMap::new();
        let credential = lookup.found.as_ref().map(|found| &found.credential);
        let response = if let Some(Credential::Identity(token)) = credential {
            let mut pairs = vec![
                ("grant_type", "refresh_token"),
                ("client_id", "lazaret"),
                ("scope", scope),
                ("refresh_token", token.as_str()),
            ];
            pairs.extend(service.map(|service| ("service", service)));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            self.send(Method::POST, &realm, headers, Some(&auth::form(&pairs))).await?
        } else {
            let mut pairs = vec![("scope", scope)];
            pairs.extend(service.map(|service| ("service", service)));
            if let Some(Credential::Basic { username, .. }) = credential {
                pairs.push(("account", username.as_str()));
            }
            realm.query_pairs_mut().extend_pairs(pairs);
            if let Some(value) = credential.and_then(auth::header) {
                headers.insert(AUTHORIZATION, value);
            }
            self.send(Method::GET, &realm, headers, None).await?
        };
        let refuse = |reason: String| RegistryError::TokenServer {
            host: target.registry.clone(),
            realm: authority(&realm),
            reason,
        };
        let status = response.status().as_u16();
        match status {
            200..=299 => {}
            400 | 401 | 403 => {
                let refusal = Refusal::read(response, self.inner.options.stall_timeout).await;
                return Err(match &lookup.found {
                    Some(found) => credentials_refused(target, found, &refusal),
                    None => credentials_needed(target, &refusal, lookup),
                });
            }
            other => return Err(refuse(format!("it answered {other}"))),
        }
        let text = self.body(response, TOKEN_LIMIT).await.map_err(|e| refuse(format!("its answer {e}")))?;
        let answer: auth::TokenAnswer =
            serde_json::from_slice(&text).map_err(|_| refuse("its answer is no token in JSON".to_owned()))?;
        let token = answer.token().ok_or_else(|| refuse("its answer holds no token".to_owned()))?;
        auth::bearer(&token).map(Some).ok_or_else(|| refuse("its token is no text for a header".to_owned()))
    }

    /// The whole body, up to a limit. One that comes so slowly that it never ends is broken too.
    pub(crate) async fn body(&self, mut response: Response, limit: u64) -> Result<Vec<u8>, BodyError> {
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(BodyError::TooLarge(limit));
        }
        let stall = self.inner.options.stall_timeout;
        let whole = stall.saturating_mul(DOCUMENT_STALLS);
        let begun = Instant::now();
        let mut text = Vec::new();
        loop {
            if begun.elapsed() > whole {
                return Err(BodyError::Broken(format!("it did not end within {}", seconds(whole))));
            }
            match tokio::time::timeout(stall, response.chunk()).await {
                Ok(Ok(Some(chunk))) if (text.len() + chunk.len()) as u64 > limit => {
                    return Err(BodyError::TooLarge(limit));
                }
                Ok(Ok(Some(chunk))) => text.extend_from_slice(&chunk),
                Ok(Ok(None)) => return Ok(text),
                Ok(Err(error)) => return Err(BodyError::Broken(reason(&error))),
                Err(_) => {
                    let waited = seconds(stall);
                    return Err(BodyError::Broken(format!("no more bytes within {waited}")));
                }
            }
        }
    }

    /// Whether there is a registry at the address at all: `GET /v2/` answers 200 or 401
    /// (distribution-spec, "Determining Support").
    pub(crate) async fn speaks_the_protocol(&self, target: &Target) -> Result<(), String> {
        let response = self
            .send(Method::GET, &version_check(&target.base), HeaderMap::new(), None)
            .await
            .map_err(|e| e.to_string())?;
        let marked =
            response.headers().contains_key(HeaderName::from_static("docker-distribution-api-version"));
        match response.status().as_u16() {
            401 => Ok(()),
            200 if marked || !is_html(response.headers()) => Ok(()),
            status => Err(format!("it answers {status} at /v2/")),
        }
    }
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
    #[error("broke off: {0}")]
    Broken(String),
}

/// Whether the content type is that of a page for people.
pub(crate) fn is_html(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

/// What went wrong, without the URL: a signed URL is a credential.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    if error.source().is_none() {
        return if error.is_timeout() { "time-out".to_owned() } else { "the request failed".to_owned() };
    }
    lazaret_model::one_line(&deepest.to_string(), 200)
}

fn version_check(base: &Url) -> Url {
    let mut url = base.clone();
    url.set_path("/v2/");
    url
}

/// Whether TLS failed because the server does not speak it.
fn is_not_tls(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidMessage(_))
}

fn credentials_refused(target: &Target, found: &Found, refusal: &Refusal) -> RegistryError {
    RegistryError::CredentialsRefused {
        host: target.registry.clone(),
        origin: found.origin.clone(),
        detail: refusal.clause(),
    }
}

fn credentials_needed(target: &Target, refusal: &Refusal, lookup: &Lookup) -> RegistryError {
    let mut detail = refusal.clause();
    if !lookup.troubles.is_empty() {
        detail.push_str(&clause(&lookup.troubles.join("; ")));
    }
    RegistryError::CredentialsNeeded {
        host: target.registry.clone(),
        repository: target.repository.clone(),
        detail,
    }
}

/// The registry's own 401 or 403, after an attempt to authenticate or without one.
fn refused(
    target: &Target,
    status: u16,
    refusal: &Refusal,
    lookup: Option<&Lookup>,
    basic: bool,
) -> RegistryError {
    match lookup {
        Some(lookup) if status == 401 => match &lookup.found {
            Some(found) if basic => credentials_refused(target, found, refusal),
            Some(_) => denied(target, refusal),
            None => credentials_needed(target, refusal, lookup),
        },
        _ => denied(target, refusal),
    }
}

fn denied(target: &Target, refusal: &Refusal) -> RegistryError {
    RegistryError::Denied {
        host: target.registry.clone(),
        repository: target.repository.clone(),
        detail: refusal.clause(),
    }
}
