//! A 64-bit name for a text, the same on every machine and in every version: SipHash-1-3 with fixed keys.
//!
//! Checkpoints hold these numbers, and the standard hasher does not promise to stay as it is. Calls of a campaign are
//! told apart by them: among ten million calls within the dedupe horizon the chance that any two are taken for one is
//! one in 370,000.

const KEY: (u64, u64) = (0x7269_6e67_7369_6465, 0x666f_6c64_2e76_3031);

/// The fingerprint of some parts, kept apart, so that `("a", "bc")` is not `("ab", "c")`.
pub(super) fn fingerprint(parts: &[&str]) -> u64 {
    let mut state = Sip::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            state.write(&[0xff]);
        }
        state.write(part.as_bytes());
    }
    state.finish()
}

struct Sip {
    v: [u64; 4],
    tail: u64,
    len: u64,
}

impl Sip {
    fn new() -> Self {
        Self {
            v: [
                KEY.0 ^ 0x736f_6d65_7073_6575,
                KEY.1 ^ 0x646f_7261_6e64_6f6d,
                KEY.0 ^ 0x6c79_6765_6e65_7261,
                KEY.1 ^ 0x7465_6462_7974_6573,
            ],
            tail: 0,
            len: 0,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.tail |= u64::from(*byte) << (8 * (self.len % 8));
            self.len += 1;
            if self.len.is_multiple_of(8) {
                let word = self.tail;
                self.tail = 0;
                self.v[3] ^= word;
                self.round();
                self.v[0] ^= word;
            }
        }
    }

    fn finish(mut self) -> u64 {
        let word = self.tail | (self.len << 56);
        self.v[3] ^= word;
        self.round();
        self.v[0] ^= word;
        self.v[2] ^= 0xff;
        for _ in 0..3 {
            self.round();
        }
        self.v.iter().fold(0, |all, v| all ^ v)
    }

    fn round(&mut self) {
        let [a, b, c, d] = &mut self.v;
        *a = a.wrapping_add(*b);
        *c = c.wrapping_add(*d);
        *b = b.rotate_left(13) ^ *a;
        *d = d.rotate_left(16) ^ *c;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*b);
        *a = a.wrapping_add(*d);
        *b = b.rotate_left(17) ^ *c;
        *d = d.rotate_left(21) ^ *a;
        *c = c.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_fingerprints_stay_what_they_were() {
        // Checkpoints depend on these numbers: if this test fails, the function is wrong and not the test.
        assert_eq!(fingerprint(&[""]), 0x280e_27ba_bbbe_8c16);
        assert_eq!(fingerprint(&["call-1"]), 0x9dd1_a771_d587_d814);
        assert_eq!(fingerprint(&["source", "event-0000001"]), 0x277d_7f8a_eb25_1ecb);
        assert_ne!(fingerprint(&["a", "bc"]), fingerprint(&["ab", "c"]));
        let all: std::collections::BTreeSet<u64> = (0..10_000).map(|n| fingerprint(&[&format!("call-{n}")])).collect();
        assert_eq!(all.len(), 10_000);
    }
}
