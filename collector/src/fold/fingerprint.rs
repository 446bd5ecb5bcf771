//! A stable 64-bit hash of text: SipHash-1-3 with a fixed key.
//!
//! Checkpoints store these numbers, and the standard library does not promise to keep its hasher. They also identify
//! calls: among ten million calls of a campaign within the dedupe horizon, the chance of any collision is one in 370,000.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

const KEY: (u64, u64) = (0x7269_6e67_7369_6465, 0x666f_6c64_2e76_3031);

/// Hashes parts, separated so that `("a", "bc")` is not `("ab", "c")`.
pub(super) fn fingerprint(parts: &[&str]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(KEY.0, KEY.1);
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hasher.write(&[0xff]);
        }
        hasher.write(part.as_bytes());
    }
    hasher.finish()
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

    /// Numbers of the hand-written hasher that came before the crate.
    #[test]
    fn every_length_up_to_two_words_has_its_old_fingerprint() {
        let old = [
            0x280e_27ba_bbbe_8c16,
            0x15d8_9b86_3a6f_3651,
            0x2185_4998_5ae8_d2dc,
            0x71f9_5219_62e2_9047,
            0xa5a6_95e9_db97_cb98,
            0xae34_3127_1e08_7108,
            0x0534_6bae_5581_7277,
            0xc5b2_c136_4b86_b75b,
            0x4ecf_01b3_b5c8_0334,
            0x9024_13df_fa9f_0745,
            0xb333_fe11_6f4c_5699,
            0xa556_0396_4d08_7349,
            0x521d_1aa7_d20f_f030,
            0x5db0_f127_2ced_76d8,
            0x4cfd_9205_e018_1bd5,
            0x452a_8c16_a96e_ed56,
            0xc472_ca97_9218_11f6,
            0xb321_c71e_77a8_479a,
        ];
        for (length, old) in old.into_iter().enumerate() {
            assert_eq!(fingerprint(&[&"0123456789abcdefg"[..length]]), old, "{length}");
        }
    }

    #[test]
    fn several_parts_have_their_old_fingerprint() {
        for (parts, old) in [
            (&[][..], 0x280e_27ba_bbbe_8c16),
            (&["", ""], 0xc5f2_e91e_c10e_76bc),
            (&["a", "bc"], 0x6dfe_2526_d506_dfcb),
            (&["ab", "c"], 0xa37c_252b_279f_2432),
            (&["latency", "host", "db1", "region", "eu-west-1"], 0x3eb7_e198_4d75_cb2e),
            (&["é", "日本", "\u{1f600}"], 0x245d_8272_fdcb_de96),
        ] {
            assert_eq!(fingerprint(parts), old, "{parts:?}");
        }
    }
}
