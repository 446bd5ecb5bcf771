//! Refresh tokens: a session's id and generation with a MAC.
//!
//! The key of the MAC is a secret of the installation: records of sessions are not enough to forge a token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The prefix of refresh tokens, which helps to find leaked ones.
const PREFIX: &str = "rrt_";
/// Sixteen bytes of id and four of generation, before the signature.
const SIGNED: usize = 20;

/// Returns the token for a session's generation.
pub(crate) fn write(id: &str, generation: u32, secret: &[u8; 32]) -> String {
    let id = u128::from_str_radix(id, 16).expect("a session id is 32 hexadecimal digits");
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend(generation.to_be_bytes());
    let mut mac = mac(secret);
    mac.update(&bytes);
    bytes.extend(mac.finalize().into_bytes());
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Returns the id and generation of a token, if its signature is valid.
pub(crate) fn read(token: &str, secret: &[u8; 32]) -> Option<(String, u32)> {
    let text = token.strip_prefix(PREFIX).filter(|text| text.len() <= 128)?;
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (signed, tag) = bytes.split_at_checked(SIGNED)?;
    let mut mac = mac(secret);
    mac.update(signed);
    mac.verify_slice(tag).ok()?;
    let (id, generation) = signed.split_at(16);
    let id = u128::from_be_bytes(id.try_into().ok()?);
    Some((format!("{id:032x}"), u32::from_be_bytes(generation.try_into().ok()?)))
}

fn mac(secret: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_altered_or_foreign_refresh_token_is_rejected() {
        let (id, secret) = ("00000000000000000000000000abcdef", [7; 32]);
        let token = write(id, 3, &secret);
        assert_eq!(read(&token, &secret), Some((id.to_owned(), 3)));
        assert_eq!(read(&write(id, 3, &[8; 32]), &secret), None);
        for n in 0..token.len() - 1 {
            let mut altered = token.clone().into_bytes();
            altered[n] = if altered[n] == b'A' { b'B' } else { b'A' };
            assert_eq!(read(std::str::from_utf8(&altered).unwrap(), &secret), None, "altered at {n}");
            assert_eq!(read(&token[..n], &secret), None, "cut at {n}");
        }
        assert_eq!(read(&format!("{token}AAAA"), &secret), None);
    }
}
