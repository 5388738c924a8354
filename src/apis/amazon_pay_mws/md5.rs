//! MD5 as Amazon wants it: base64 of the 16 raw bytes, not of their hexadecimal form
//! (docs/src/reference/amazon-pay-batch.md, section 0, fact 6). It shows that bytes arrived complete, never who sent
//! them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

/// The value of `ContentMD5Value` and `Content-MD5` for these bytes.
pub(in crate::apis::amazon_pay_mws) fn content_md5(bytes: &[u8]) -> String {
    STANDARD.encode(Md5::digest(bytes))
}

/// Whether the bytes match the answer's `Content-MD5`. An answer without that header is accepted (section 5.1).
pub(in crate::apis::amazon_pay_mws) fn is_whole(bytes: &[u8], promised: Option<&str>) -> bool {
    promised.is_none_or(|promised| promised.trim() == content_md5(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that Amazon accepted or produced (docs/src/reference/amazon-pay-batch.md, section 14).
    #[test]
    fn the_recorded_sums_come_out() {
        for (bytes, sum) in [
            ("", "1B2M2Y8AsgTpgAmY7PhCfg=="),
            ("sku\tprice\tquantity\nwidget\t\t0\n", "iUI5qlSDSrZOHRgvj4amUQ=="),
            (
                "Feed Processing Summary:\n\tNumber of records processed\t\t1\n\tNumber of records \
                 successful\t\t1\n\n",
                "rkkx1Xv/k56/onrN0m7E/Q==",
            ),
        ] {
            assert_eq!(content_md5(bytes.as_bytes()), sum);
            assert!(is_whole(bytes.as_bytes(), Some(sum)) && is_whole(bytes.as_bytes(), None));
        }
        assert!(!is_whole(b"x", Some("1B2M2Y8AsgTpgAmY7PhCfg==")));
    }
}
