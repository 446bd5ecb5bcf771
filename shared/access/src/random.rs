//! Random identifiers and passwords.

/// Returns 128 random bits in hexadecimal.
pub(crate) fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Returns random letters and digits that are easy to type: none that look alike.
pub(crate) fn random_text(length: usize) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    (0..length).map(|_| char::from(LETTERS[usize::from(rand::random::<u8>() % 32)])).collect()
}
