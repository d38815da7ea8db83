//! The signed form: DSSE 1.0.2 (github.com/secure-systems-lab/dsse, protocol.md and envelope.md).

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};
use lazaret_model::one_line;
use serde::{Deserialize, Serialize};

use crate::{FeedError, KeyError, KeyId, PublicKey, SigningKey};

/// The payload type of feeds, which names encoding and schema with its version.
pub const PAYLOAD_TYPE: &str = "application/vnd.lazaret.feed.v1+json";

/// Signatures that are looked at. Each costs a pass over the payload for each pinned key.
const MAX_SIGNATURES: usize = 16;

/// An envelope, taken apart and not believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What the payload is.
    pub payload_type: String,
    /// What is signed.
    pub payload: Vec<u8>,
    /// By whom.
    pub signatures: Vec<Signature>,
}

/// A signature in an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// A hint at the key, which nobody signed: nothing is decided by it.
    pub key_id: String,
    /// The signature.
    pub bytes: Vec<u8>,
}

/// As it is written. Further keys of an envelope mean nothing (envelope.md, "Parsing rules").
#[derive(Serialize, Deserialize)]
struct Written {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<WrittenSignature>,
}

#[derive(Serialize, Deserialize)]
struct WrittenSignature {
    #[serde(default)]
    keyid: String,
    sig: String,
}

/// What is signed in place of the payload: `PAE` of protocol.md. It binds the type to the bytes.
pub fn pre_authentication(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}

impl Envelope {
    /// Signs a payload.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn sign(payload_type: &str, payload: Vec<u8>, key: &SigningKey) -> Result<Self, KeyError> {
        let bytes = key.sign(&pre_authentication(payload_type, &payload))?;
        let signatures = vec![Signature { key_id: key.public().id().hex().to_owned(), bytes }];
        Ok(Self { payload_type: payload_type.to_owned(), payload, signatures })
    }

    /// Takes an envelope apart. Nothing in it is believed by that.
    ///
    /// # Errors
    /// It is none, or nobody signed it.
    pub fn parse(text: &[u8]) -> Result<Self, FeedError> {
        let wrong = |reason: &str| FeedError::NoEnvelope(one_line(reason, 120));
        let written: Written = serde_json::from_slice(text).map_err(|e| wrong(&e.to_string()))?;
        let payload = base64(&written.payload).ok_or_else(|| wrong("its payload is not base64"))?;
        if written.signatures.is_empty() {
            return Err(FeedError::Unsigned);
        }
        if written.signatures.len() > MAX_SIGNATURES {
            return Err(wrong("it has more than 16 signatures"));
        }
        let signatures = written.signatures.iter().map(|signature| {
            let bytes = base64(&signature.sig).ok_or_else(|| wrong("a signature is not base64"))?;
            if bytes.is_empty() {
                return Err(FeedError::Unsigned);
            }
            Ok(Signature { key_id: signature.keyid.clone(), bytes })
        });
        Ok(Self {
            payload_type: written.payload_type,
            payload,
            signatures: signatures.collect::<Result<_, _>>()?,
        })
    }

    /// The envelope as a file: one line of JSON.
    pub fn encode(&self) -> String {
        let written = Written {
            payload: BASE64.encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: self
                .signatures
                .iter()
                .map(|signature| WrittenSignature {
                    keyid: signature.key_id.clone(),
                    sig: BASE64.encode(&signature.bytes),
                })
                .collect(),
        };
        // Texts and lists of texts are always JSON.
        let mut text = serde_json::to_string(&written).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Which of `keys` signed it.
    pub fn signed_by<'k>(&self, keys: impl IntoIterator<Item = &'k PublicKey>) -> Vec<&'k PublicKey> {
        let message = pre_authentication(&self.payload_type, &self.payload);
        let signed = |key: &&PublicKey| {
            self.signatures.iter().any(|signature| key.verifies(&message, &signature.bytes))
        };
        keys.into_iter().filter(signed).collect()
    }

    /// What the envelope says of its signers, for a person who looks for the key.
    pub fn named_keys(&self) -> String {
        let named = |signature: &Signature| match signature.key_id.as_str() {
            "" => "without a name".to_owned(),
            id => one_line(id, 64),
        };
        self.signatures.iter().take(3).map(named).collect::<Vec<_>>().join(", ")
    }

    /// Whether the hint of a signature is this key.
    pub fn names(&self, key: &KeyId) -> bool {
        self.signatures.iter().any(|signature| signature.key_id == key.hex())
    }
}

/// Either alphabet, with or without padding: verifiers must take all that signers may write.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    let encodings = [&BASE64, &BASE64URL, &BASE64_NOPAD, &BASE64URL_NOPAD];
    encodings.iter().find_map(|encoding| encoding.decode(text).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    /// protocol.md, "Test Vectors".
    const TYPE: &str = "http://example.com/HelloWorld";
    const SIGNATURE: &str =
        "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==";

    #[test]
    fn the_published_example_of_dsse_is_encoded_read_and_verified() {
        let encoded = pre_authentication(TYPE, b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
        let text = format!(
            "{{\"payload\": \"aGVsbG8gd29ybGQ=\",\n \"payloadType\": \"{TYPE}\",\n \"signatures\": [{{\"sig\": \"{SIGNATURE}\"}}]}}"
        );
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        assert_eq!((envelope.payload_type.as_str(), &envelope.payload[..]), (TYPE, &b"hello world"[..]));
        // Its key is one of NIST P-256: X and Y, in decimal there.
        let point = published_point();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point)
            .verify(
                &pre_authentication(&envelope.payload_type, &envelope.payload),
                &envelope.signatures[0].bytes,
            )
            .unwrap();
    }

    fn published_point() -> Vec<u8> {
        let mut point = vec![4];
        for decimal in [
            "46950820868899156662930047687818585632848591499744589407958293238635476079160",
            "5640078356564379163099075877009565129882514886557779369047442380624545832820",
        ] {
            let mut number = [0u8; 32];
            for digit in decimal.bytes() {
                let mut carry = u32::from(digit - b'0');
                for byte in number.iter_mut().rev() {
                    let next = u32::from(*byte) * 10 + carry;
                    *byte = (next & 0xff) as u8;
                    carry = next >> 8;
                }
            }
            point.extend(number);
        }
        point
    }

    #[test]
    fn the_type_is_signed_with_the_payload() {
        let key = SigningKey::generate().unwrap();
        let envelope = Envelope::sign("a", b"1 b".to_vec(), &key).unwrap();
        assert_eq!(envelope.signed_by([&key.public()]), [&key.public()]);
        let other = Envelope { payload_type: "b".to_owned(), ..envelope.clone() };
        assert!(other.signed_by([&key.public()]).is_empty());
        assert!(envelope.signed_by([&SigningKey::generate().unwrap().public()]).is_empty());
    }

    #[test]
    fn both_alphabets_are_read_and_the_name_of_a_key_decides_nothing() {
        let key = SigningKey::generate().unwrap();
        let envelope = Envelope::sign(TYPE, vec![0xfb, 0xff, 0xfe, 0x3f], &key).unwrap();
        let text = envelope.encode();
        assert!(text.contains("+//+Pw=="), "{text}");
        let url = text.replace("+//+Pw==", "-__-Pw");
        let sig = BASE64.encode(&envelope.signatures[0].bytes);
        let url = url.replace(&sig, &BASE64URL.encode(&envelope.signatures[0].bytes));
        assert_eq!(Envelope::parse(url.as_bytes()).unwrap(), envelope);
        let renamed = text.replace(key.public().id().hex(), "somebody else");
        assert_eq!(Envelope::parse(renamed.as_bytes()).unwrap().signed_by([&key.public()]).len(), 1);
        let more = text.replacen('{', "{\"later\": {\"x\": 1}, ", 1);
        assert_eq!(Envelope::parse(more.as_bytes()).unwrap(), envelope);
    }

    #[test]
    fn what_is_no_envelope_or_has_no_signature_is_refused() {
        for (text, reason) in [
            ("", "no signed pack"),
            ("{}", "missing field `payload`"),
            (r#"{"payload":"","payloadType":"x","signatures":[]}"#, "not signed"),
            (r#"{"payload":"","payloadType":"x","signatures":[{"sig":""}]}"#, "not signed"),
            (r#"{"payload":"*","payloadType":"x","signatures":[{"sig":"AA=="}]}"#, "not base64"),
            (
                r#"{"payload":"","payload":"","payloadType":"x","signatures":[{"sig":"AA=="}]}"#,
                "duplicate field",
            ),
            (r#"{"payload":"","payloadType":"x","signatures":[{"sig":"AA=="}]} {}"#, "trailing"),
        ] {
            let said = Envelope::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(reason), "{text}: {said}");
        }
        let many = vec![r#"{"sig":"AA=="}"#; 17].join(",");
        let many = format!(r#"{{"payload":"","payloadType":"x","signatures":[{many}]}}"#);
        assert!(Envelope::parse(many.as_bytes()).unwrap_err().to_string().contains("16 signatures"));
    }
}
