//! The files of the pictures. Their names are made here, never taken from a request.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use aquatint_checkpoint::atomic;

use super::{Picture, Store, StoreError};

impl Store {
    /// Writes the file, flushes it to the disk, and then puts the picture into the gallery.
    pub(crate) fn keep_picture(&self, picture: &Picture, png: &[u8]) -> Result<(), StoreError> {
        atomic::write_file(self.path(&picture.made.id), png)?;
        self.add_picture(picture)
    }

    /// The bytes of the file of a picture that the gallery knows.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read_picture(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        // Only names that are in the database become names of files.
        match self.picture(id)? {
            Some(picture) => Ok(Some(fs::read(self.path(&picture.made.id))?)),
            None => Ok(None),
        }
    }

    pub(super) fn remove_file(&self, id: &str) {
        // A file without a row is removed at the next start.
        let _ = fs::remove_file(self.path(id));
    }

    fn path(&self, id: &str) -> PathBuf {
        self.pictures.join(format!("{id}.png"))
    }

    /// Removes files that no row names, and rows that have no file.
    pub(super) fn mend(&self) -> Result<(), StoreError> {
        atomic::remove_leftovers(&self.pictures)?;
        let mut files = BTreeSet::new();
        for entry in fs::read_dir(&self.pictures)? {
            let name = entry?.file_name();
            if let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".png")) {
                files.insert(id.to_owned());
            }
        }
        for id in self.picture_ids()? {
            if !files.remove(&id) {
                self.forget_picture(&id)?;
            }
        }
        files.iter().for_each(|id| self.remove_file(id));
        Ok(())
    }
}
