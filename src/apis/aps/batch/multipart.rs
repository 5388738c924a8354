//! The body of an upload: `multipart/form-data` (docs/src/reference/aps.md, section 2.6).
//!
//! Owns: boundaries and parts. Must never know: what the parts mean.

use crate::text::sha256;

/// A boundary that does not occur in the file. The same file always has the same boundary.
pub fn boundary(file: &[u8]) -> String {
    let mut candidate = format!("reconciled-{}", &sha256(file)[..32]);
    while contains(file, candidate.as_bytes()) {
        candidate = format!("reconciled-{}", &sha256(candidate.as_bytes())[..32]);
    }
    candidate
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

/// The body: text parts in this order, then the file.
pub fn body(boundary: &str, fields: &[(&str, &str)], file_name: &str, file: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(file.len() + 1024);
    for (name, value) in fields {
        let part =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
         Content-Type: text/csv\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_never_stands_in_the_file() {
        let first = boundary(b"command\n");
        assert_eq!(first, boundary(b"command\n"));
        assert_ne!(first, boundary(b"other\n"));
        assert!(first.len() <= 70 && first.is_ascii());
        assert!(contains(b"xxabcxx", b"abc") && !contains(b"xxabxcx", b"abc") && !contains(b"ab", b"abc"));
    }
}
