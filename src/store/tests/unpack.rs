// Unpacks stores of earlier versions from `tests/fixtures` (its README.md explains the files). The integration tests
// include this file, too.

use std::fs;
use std::path::{Path, PathBuf};

/// The path of a fixture.
pub(super) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn number(bytes: &mut &[u8]) -> usize {
    let (number, rest) = bytes.split_first_chunk::<8>().unwrap();
    *bytes = rest;
    usize::try_from(u64::from_le_bytes(*number)).unwrap()
}

fn part<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (part, rest) = bytes.split_at(length);
    *bytes = rest;
    part
}

/// Writes the files of a fixture (see `tests/fixtures/README.md`).
pub(super) fn unpack(commit: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(fixture(&format!("store-{commit}.bin"))).unwrap();
    let mut bytes = bytes.as_slice();
    while !bytes.is_empty() {
        let length = number(&mut bytes);
        let path = folder.path().join(std::str::from_utf8(part(&mut bytes, length)).unwrap());
        let length = number(&mut bytes);
        let mut content = Vec::with_capacity(length);
        while content.len() < length {
            let is_as_it_is = part(&mut bytes, 1) == [1];
            let run = number(&mut bytes);
            match is_as_it_is {
                true => content.extend_from_slice(part(&mut bytes, run)),
                false => content.resize(content.len() + run, part(&mut bytes, 1)[0]),
            }
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}
