use proptest::prelude::*;

use super::super::sign::tests::{PUBLIC_KEY, new_key, pem};
use super::*;

fn refused(text: &str) -> BadKey {
    SigningKey::from_pem(text.as_bytes()).unwrap_err()
}

#[test]
fn what_can_be_understood_is_read() {
    let (pkcs8, pkcs1, _) = new_key();
    let one_line = |text: &str| text.replace('\n', " ");
    for text in [
        pkcs8.clone(),
        pkcs1.clone(),
        format!("\u{feff}{pkcs8}"),
        pkcs8.replace(" PRIVATE KEY-----", " RSA PRIVATE KEY-----"),
        pkcs1.replace(" RSA PRIVATE KEY-----", " PRIVATE KEY-----"),
        one_line(&pkcs8),
        pkcs8.replace('\n', ""),
        pkcs8.replace('\n', "\\n"),
        pkcs8.replace('\n', "\\r\\n"),
        pkcs8.replace('\n', "\n\n"),
        pkcs8.replace('\n', "\r"),
        pkcs8.replace('\n', "\n  "),
        format!("\"{}\"", one_line(&pkcs8)),
        format!("# no ENCRYPTED backups of this key\n{pkcs8}"),
        format!("{}{pkcs8}", pem("CERTIFICATE", b"1234")),
    ] {
        let key = SigningKey::from_pem(text.as_bytes()).unwrap_or_else(|bad| panic!("{bad}: {text:.60}"));
        assert!(key.sign(Algorithm::PssV2, "text").is_ok());
    }
}

#[test]
fn what_is_no_key_is_refused_by_name_and_with_the_command_that_mends_it() {
    let (pkcs8, _, _) = new_key();
    let without = |number: usize| -> String {
        let lines = pkcs8.lines().enumerate().filter(|(at, _)| *at != number);
        lines.map(|(_, line)| format!("{line}\n")).collect()
    };
    let elliptic = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let utf16: String = pkcs8.chars().flat_map(|letter| [letter, '\0']).collect();
    for (text, bad, remedy) in [
        (PUBLIC_KEY.to_owned(), BadKey::Public, "private key"),
        (pem("CERTIFICATE", b"1234"), BadKey::Public, "private key"),
        ("ssh-rsa AAAAB3NzaC1yc2E me@host".to_owned(), BadKey::Public, "private key"),
        (pem("ENCRYPTED PRIVATE KEY", b"1234"), BadKey::Encrypted, "openssl pkey -in FILE -out FILE.new"),
        (
            pkcs8.replacen("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1),
            BadKey::Encrypted,
            "openssl pkey",
        ),
        (pem("OPENSSH PRIVATE KEY", b"openssh-key-v1"), BadKey::OpenSsh, "ssh-keygen -p -m PEM"),
        ("PuTTY-User-Key-File-3: ssh-rsa\n".to_owned(), BadKey::Putty, "puttygen"),
        (utf16, BadKey::Utf16, "iconv -f UTF-16 -t UTF-8"),
        ("wJalrXUtnFEMI".to_owned(), BadKey::NotPem, "first and last line"),
        (pkcs8.replace("-----END PRIVATE KEY-----", ""), BadKey::NoEnd, "copy the file again"),
        (pkcs8.replacen("\nMI", "\nM*", 1), BadKey::NotBase64, "copy the file again"),
        (without(1), BadKey::Damaged, "-check -noout"),
        (without(14), BadKey::Damaged, "-check -noout"),
        (pem("PRIVATE KEY", b"1234"), BadKey::Damaged, "-check -noout"),
        (pem("EC PRIVATE KEY", b"1234"), BadKey::NotRsa, "openssl genrsa"),
        (elliptic, BadKey::NotRsa, "openssl genrsa"),
    ] {
        assert_eq!(refused(&text), bad, "{text:.80}");
        assert!(bad.remedy().contains(remedy), "{bad}: {}", bad.remedy());
    }
    assert_eq!(SigningKey::from_pem(&[0x30, 0x82, 0x04, 0xbe]).unwrap_err(), BadKey::Binary);
    assert!(BadKey::Binary.remedy().contains("-inform DER"));
}

proptest! {
    #[test]
    fn any_bytes_are_a_key_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(SigningKey::from_pem(&bytes).is_err());
    }
}
