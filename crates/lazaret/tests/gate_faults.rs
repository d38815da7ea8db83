//! What goes wrong around a gate, each fault by itself. None of them lets an unjudged byte through, none
//! loses a verdict, and whoever is not concerned goes on.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "gate_faults/clients.rs"]
mod clients;
#[path = "gate_faults/documents.rs"]
mod documents;
#[path = "support/gated.rs"]
mod gated;
#[path = "gate_faults/machine.rs"]
mod machine;
#[path = "support/served.rs"]
mod served;
mod support;
#[path = "gate_faults/upstream.rs"]
mod upstream;
