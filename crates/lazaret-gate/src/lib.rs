//! The doors at which images come in, over one judge.
//!
//! [`Gate`] is a registry that judges as it passes on (OCI distribution specification): it
//! resolves a tag once, judges the manifest behind it, and serves that digest or refuses with a
//! sentence that the client shows. It fails closed: what could not be judged does not come in.

mod admin;
mod audit;
mod authority;
mod blobs;
mod bucket;
mod credential;
mod documents;
mod doors;
mod gate;
mod holders;
mod http;
mod journal;
mod judge;
mod listen;
mod lists;
mod manifests;
mod metrics;
mod name;
mod origins;
mod policy;
mod privileges;
mod refusal;
mod rejudge;
mod request_id;
mod shelf;
mod statements;
mod tls;
mod transparent;
mod trial;
mod turns;

pub use admin::{AdminToken, serve_admin};
pub use audit::{Audit, Entry};
pub use authority::{Authority, AuthorityError, CERTIFICATE};
pub use bucket::{Bucket, BucketError};
pub use credential::Credential;
pub use doors::admission::serve_admission;
pub use doors::docker_authz::DockerAuthz;
pub use doors::{Admitted, Knock, held_name, here};
pub use gate::{Gate, GateError, GateSettings};
pub use http::serve;
pub use judge::{AT_ONCE, Judge, Judged, Named, Underway};
pub use listen::{LEAST, Limits};
pub use metrics::Metrics;
pub use name::{Asked, Upstreams};
pub use policy::{
    Action, Decision, DockerDoor, Explanation, Mode, Platforms, Policy, PolicyError, Rule, Step, Verdicts,
};
pub use privileges::Privileges;
pub use refusal::Refusal;
pub use shelf::{Arriving, Shelf};
pub use tls::{Tls, TlsError};
pub use transparent::{host_name, serve_proxy};
pub use trial::trial_names;
