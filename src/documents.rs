//! What a room stores beside objects: a value as JSON under a name, durable when it is written.
//!
//! Owns: the way from a value to the store and back. Must never know: what any value means.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::{Store, StoreError};

/// Why a document cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is there and cannot be read, or cannot be written as JSON.
    #[error("what is stored under {name} cannot be read: {what}")]
    Unreadable {
        /// The name that it is stored under.
        name: String,
        /// Why.
        what: String,
    },
}

/// A value that is stored under a name of its own.
pub trait Document: Serialize + DeserializeOwned {
    /// Begins the names of all documents of this type, up to the first `/`.
    const TYPE: &'static str;

    /// The rest of its name.
    fn name(&self) -> String;
}

/// All documents of one type.
pub struct Documents<T> {
    store: Store,
    of: PhantomData<fn() -> T>,
}

impl<T: Document> Documents<T> {
    /// Those in `store`.
    pub fn new(store: Store) -> Documents<T> {
        Documents { store, of: PhantomData }
    }

    /// Where they are.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Writes one, in the place of the one of the same name; returns when that is durable.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn write(&self, document: &T) -> Result<(), DocumentError> {
        write(&self.store, &Documents::<T>::stored_as(&document.name()), document).await
    }

    /// The one of this name.
    ///
    /// # Errors
    /// When the store fails, or it cannot be read.
    pub async fn find(&self, name: &str) -> Result<Option<T>, DocumentError> {
        read(&self.store, &Documents::<T>::stored_as(name)).await
    }

    /// All whose names begin so, by name.
    ///
    /// # Errors
    /// When the store fails, or one of them cannot be read.
    pub async fn list(&self, beginning: &str) -> Result<Vec<T>, DocumentError> {
        let found = read_all(&self.store, &Documents::<T>::stored_as(beginning)).await?;
        Ok(found.into_iter().map(|(_, document)| document).collect())
    }

    fn stored_as(name: &str) -> String {
        format!("{}/{name}", T::TYPE)
    }
}

/// Writes a value under a name; returns when that is durable.
///
/// # Errors
/// When the store fails.
pub async fn write<T: Serialize>(store: &Store, name: &str, value: &T) -> Result<(), DocumentError> {
    let text = serde_json::to_string(value).map_err(|error| unreadable(name, &error))?;
    Ok(store.remember(name, &text).await?)
}

/// The value under a name.
///
/// # Errors
/// When the store fails, or it cannot be read.
pub async fn read<T: DeserializeOwned>(store: &Store, name: &str) -> Result<Option<T>, DocumentError> {
    let text = store.recall(name).await?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| unreadable(name, &error))).transpose()
}

/// The values whose names begin so, with their names, by name.
///
/// # Errors
/// When the store fails, or one of them cannot be read.
pub async fn read_all<T: DeserializeOwned>(
    store: &Store,
    beginning: &str,
) -> Result<Vec<(String, T)>, DocumentError> {
    let stored = store.recall_all(beginning).await?;
    let read = |(name, text): (String, String)| match serde_json::from_str(&text) {
        Ok(value) => Ok((name, value)),
        Err(error) => Err(unreadable(&name, &error)),
    };
    stored.into_iter().map(read).collect()
}

/// The value under a name that is a convenience only: one that cannot be read is as good as none.
///
/// # Errors
/// When the store fails.
pub async fn read_if_sound<T: DeserializeOwned>(store: &Store, name: &str) -> Result<Option<T>, StoreError> {
    match read(store, name).await {
        Ok(value) => Ok(value),
        Err(DocumentError::Store(error)) => Err(error),
        Err(error @ DocumentError::Unreadable { .. }) => {
            tracing::warn!(%error, "it is taken as not there");
            Ok(None)
        }
    }
}

fn unreadable(name: &str, error: &serde_json::Error) -> DocumentError {
    DocumentError::Unreadable { name: name.to_owned(), what: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        about: String,
        text: String,
    }

    impl Document for Note {
        const TYPE: &'static str = "note";

        fn name(&self) -> String {
            self.about.clone()
        }
    }

    fn note(about: &str, text: &str) -> Note {
        Note { about: about.to_owned(), text: text.to_owned() }
    }

    #[tokio::test]
    async fn documents_are_found_by_type_and_name_and_the_newest_counts() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { folder: folder.path().to_owned(), ..Options::default() };
        let (store, _) = Store::open(options, jiff::Timestamp::UNIX_EPOCH).await.unwrap();
        let notes: Documents<Note> = Documents::new(store.clone());
        for written in [note("shop/b", "1"), note("shop/a", "2"), note("market/a", "3"), note("shop/b", "4")]
        {
            notes.write(&written).await.unwrap();
        }
        store.remember("notes/shop/a", "another type").await.unwrap();
        assert_eq!(notes.find("shop/b").await.unwrap(), Some(note("shop/b", "4")));
        assert_eq!(notes.find("shop/c").await.unwrap(), None);
        assert_eq!(notes.list("shop/").await.unwrap(), [note("shop/a", "2"), note("shop/b", "4")]);
        assert_eq!(notes.list("").await.unwrap().len(), 3);
        store.remember("note/shop/c", "{").await.unwrap();
        let broken = notes.find("shop/c").await.unwrap_err();
        assert!(
            broken.to_string().starts_with("what is stored under note/shop/c cannot be read"),
            "{broken}"
        );
        assert!(notes.list("").await.is_err());
        assert_eq!(read_if_sound::<Note>(&store, "note/shop/c").await, Ok(None));
    }
}
