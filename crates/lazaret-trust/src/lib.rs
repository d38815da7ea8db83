//! What is signed: packs of indicators and digests, and the keys that an operator pins.
