//! The files of batches, kept byte for byte until they are sent, and afterwards as evidence.
//!
//! Owns: where each lies, that it is whole. Must never know: what stands in it.
//!
//! They hold what the provider must charge, card tokens included: readable by the service's user alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::BatchError;
use crate::payments::object::AccountName;

/// The folder of all files.
pub(super) struct Vault {
    folder: PathBuf,
}

impl Vault {
    pub(super) fn new(folder: PathBuf) -> Vault {
        Vault { folder }
    }

    /// Keeps a file: when this returns it is there whole and survives a power cut. Twice is the same as once.
    pub(super) async fn keep(
        &self,
        account: &AccountName,
        name: &str,
        bytes: impl AsRef<[u8]> + Send + 'static,
    ) -> Result<(), BatchError> {
        let path = self.path(account, name);
        self.blocking(path, move |path| keep(path, bytes.as_ref())).await
    }

    /// The bytes of a file. Whether they are the right ones is checked before they are sent.
    pub(super) async fn bytes(&self, account: &AccountName, name: &str) -> Result<Vec<u8>, BatchError> {
        let path = self.path(account, name);
        self.blocking(path, |path| fs::read(path)).await
    }

    /// The bytes of a file, or none when it is not there.
    pub(super) async fn bytes_if_there(
        &self,
        account: &AccountName,
        name: &str,
    ) -> Result<Option<Vec<u8>>, BatchError> {
        let path = self.path(account, name);
        self.blocking(path, |path| match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        })
        .await
    }

    /// Removes a file; one that is not there is removed already.
    pub(super) async fn remove(&self, account: &AccountName, name: &str) -> Result<(), BatchError> {
        let path = self.path(account, name);
        self.blocking(path, |path| match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }

    fn path(&self, account: &AccountName, name: &str) -> PathBuf {
        // A folder name of its own beside each account's name: `.` and `..` are names too.
        self.folder.join(format!("account-{account}")).join(name)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        path: PathBuf,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, BatchError> {
        let shown = path.clone();
        let failed = |what: String| BatchError::File { path: shown, what };
        match crate::blocking::run(move || work(&path)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("the path has no folder"))?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let temporary = path.with_extension("new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    // The names of the new folders must survive as well.
    for folder in folder.ancestors().take(3).filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn files_are_kept_whole_for_the_owner_alone_and_twice_is_once() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::new(folder.path().join("batches"));
        let account: AccountName = "shop".parse().unwrap();
        for bytes in [b"first".to_vec(), b"second".to_vec()] {
            vault.keep(&account, "rcd-1.csv", bytes.clone()).await.unwrap();
            assert_eq!(vault.bytes(&account, "rcd-1.csv").await.unwrap(), bytes);
        }
        let kept = folder.path().join("batches/account-shop");
        let names: Vec<_> = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["rcd-1.csv"]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&kept), mode(&kept.join("rcd-1.csv"))), (0o700, 0o600));
        assert!(vault.bytes(&account, "rcd-2.csv").await.is_err());
    }
}
