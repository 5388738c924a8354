//! Canaries, and the search for them.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A value that must not leave its place.
#[derive(Debug, Clone)]
pub struct Canary {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Canary {
    pub fn new(name: &str, bytes: impl AsRef<[u8]>) -> Canary {
        let bytes = bytes.as_ref().to_vec();
        assert!(bytes.len() >= 6, "{name}: so short a value is found everywhere");
        Canary { name: name.to_owned(), bytes }
    }

    /// A text in every encoding in which it could leak.
    pub fn dressed(name: &str, text: &str) -> Vec<Canary> {
        let escaped: String = text.bytes().map(percent).collect();
        let json = serde_json::to_string(text).unwrap();
        let mut found = Canary::bytes(name, text.as_bytes());
        found.push(Canary::new(&format!("{name}, percent-encoded"), escaped));
        found.push(Canary::new(&format!("{name}, as JSON"), json.trim_matches('"')));
        found
    }

    /// Bytes in every encoding in which they could leak.
    pub fn bytes(name: &str, bytes: &[u8]) -> Vec<Canary> {
        let listed = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let encoded = STANDARD.encode(bytes);
        let mut found = vec![
            Canary::new(name, bytes),
            Canary::new(&format!("{name}, as a list"), listed),
            Canary::new(&format!("{name}, in hex"), hex),
        ];
        // The last letters depend on what follows.
        let certain = &encoded[..encoded.len() - 4];
        if certain.len() > 6 {
            found.push(Canary::new(&format!("{name}, in base64"), certain));
        }
        found
    }
}

fn percent(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// The names of the canaries that `hay` contains, each with the text around it.
pub fn hunt(canaries: &[Canary], hay: &[u8]) -> Vec<String> {
    let mut by_start: Vec<Vec<usize>> = vec![Vec::new(); 1 << 16];
    for (place, canary) in canaries.iter().enumerate() {
        by_start[start(&canary.bytes)].push(place);
    }
    let mut found = Vec::new();
    let mut is_found = vec![false; canaries.len()];
    for at in 0..hay.len().saturating_sub(1) {
        for place in &by_start[start(&hay[at..])] {
            let canary = &canaries[*place];
            if !is_found[*place] && hay[at..].starts_with(&canary.bytes) {
                is_found[*place] = true;
                let around = &hay[at.saturating_sub(200)..(at + 200).min(hay.len())];
                found.push(format!("{}: ...{}...", canary.name, String::from_utf8_lossy(around)));
            }
        }
    }
    found
}

fn start(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// Everything in a folder, names included.
pub fn contents(folder: &Path) -> Vec<u8> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        found.extend_from_slice(entry.file_name().as_encoded_bytes());
        found.push(b'\n');
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(contents(&entry.path())),
            kind if kind.is_file() => found.extend(std::fs::read(entry.path()).unwrap()),
            _ => {}
        }
        found.push(b'\n');
    }
    found
}

/// Saves canaries for the process that hunts.
pub fn save(canaries: &[Canary], file: &Path) {
    let rows: Vec<(&str, &[u8])> =
        canaries.iter().map(|canary| (canary.name.as_str(), canary.bytes.as_slice())).collect();
    std::fs::write(file, serde_json::to_vec(&rows).unwrap()).unwrap();
}

/// Reads what [`save`] wrote.
pub fn load(file: &Path) -> Vec<Canary> {
    let rows: Vec<(String, Vec<u8>)> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    rows.into_iter().map(|(name, bytes)| Canary { name, bytes }).collect()
}

#[test]
fn the_hunt_finds_a_canary_in_every_encoding_and_nothing_else() {
    let secret = "Kanarie/+=\n\"vogel\"-1234567890";
    let canaries = Canary::dressed("secret", secret);
    for canary in &canaries {
        let hay = [b"before ", canary.bytes.as_slice(), b" after"].concat();
        assert!(hunt(&canaries, &hay).iter().any(|found| found.starts_with(&canary.name)), "{canary:?}");
    }
    let longer = STANDARD.encode(format!("{secret}, and more"));
    assert_eq!(hunt(&canaries, longer.as_bytes()).len(), 1);
    assert!(hunt(&canaries, format!("{secret:?}").as_bytes()).len() == 1, "a debug print is as JSON");
    assert!(hunt(&canaries, b"nothing but Kanarie and vogel").is_empty());
}
