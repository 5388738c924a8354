//! The files of batches, kept byte for byte until they are sent, and afterwards as evidence.
//!
//! Owns: where each file is, that it is complete. Must never know: what it contains.
//!
//! The files hold what the provider is to charge, card tokens included. Only the service's user can read them.

use std::fs;
use std::path::PathBuf;

use crate::files::{self, FileError, Readers};
use crate::payments::object::AccountName;

/// The folder of all files.
pub(super) struct Archive {
    folder: PathBuf,
}

impl Archive {
    pub(super) fn new(folder: PathBuf) -> Archive {
        Archive { folder }
    }

    /// Keeps a file: when this returns, the file is complete and survives a power cut. Keeping it again replaces it.
    pub(super) async fn keep(
        &self,
        account: &AccountName,
        name: &str,
        bytes: impl AsRef<[u8]> + Send + 'static,
    ) -> Result<(), FileError> {
        // The directory entry of the folder itself must survive too.
        let root = self.folder.parent().unwrap_or(&self.folder).to_owned();
        let path = self.path(account, name);
        files::at(path, move |path| files::write_whole(&root, path, bytes.as_ref(), Readers::Owner)).await
    }

    /// The bytes of a file. They are verified before they are sent.
    pub(super) async fn bytes(&self, account: &AccountName, name: &str) -> Result<Vec<u8>, FileError> {
        files::at(self.path(account, name), |path| fs::read(path)).await
    }

    /// The bytes of a file, or `None` when it does not exist.
    pub(super) async fn bytes_if_there(
        &self,
        account: &AccountName,
        name: &str,
    ) -> Result<Option<Vec<u8>>, FileError> {
        files::at(self.path(account, name), files::read_if_there).await
    }

    /// Removes a file. A missing file is not an error.
    pub(super) async fn remove(&self, account: &AccountName, name: &str) -> Result<(), FileError> {
        files::at(self.path(account, name), files::remove).await
    }

    fn path(&self, account: &AccountName, name: &str) -> PathBuf {
        // The prefix keeps account names such as `.` and `..` from naming another folder.
        self.folder.join(format!("account-{account}")).join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    #[tokio::test]
    async fn files_are_kept_whole_for_the_owner_alone_and_twice_is_once() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::new(folder.path().join("batches"));
        let account: AccountName = "shop".parse().unwrap();
        for bytes in [b"first".to_vec(), b"second".to_vec()] {
            archive.keep(&account, "rcd-1.csv", bytes.clone()).await.unwrap();
            assert_eq!(archive.bytes(&account, "rcd-1.csv").await.unwrap(), bytes);
        }
        let kept = folder.path().join("batches/account-shop");
        let names: Vec<_> = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["rcd-1.csv"]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&kept), mode(&kept.join("rcd-1.csv"))), (0o700, 0o600));
        assert!(archive.bytes(&account, "rcd-2.csv").await.is_err());
    }
}
