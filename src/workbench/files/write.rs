//! Writes the files that the user names. A file is written whole or not at all, and another file is never overwritten
//! without a question. The event loop's threads call it; desks are stored through [`write_over`].

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::checkpoint::write_beside;
use crate::limits;
use crate::recipe::Recipe;
use crate::workbench::messages;

/// What the user writes to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The recipe in the editor.
    Recipe,
    /// The table of answers.
    Answers,
}

/// The content to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A recipe in TOML. If the file exists, its comments stay.
    Toml(Box<Recipe>),
    Text(String),
}

/// Which existing file may be overwritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// Nothing.
    Nothing,
    /// A file that holds exactly this text: this workbench read or wrote it, and it is unchanged since.
    This(String),
    /// Any file: the user has confirmed it.
    Anything,
}

/// Why a file was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwritten {
    /// The file exists already. The user is asked.
    Exists,
    /// Another program has changed the file. The user is asked.
    Changed,
    /// The path is a folder.
    Folder,
    /// The path is a device, a pipe or a socket.
    Odd,
    Failed(String),
}

impl Unwritten {
    /// The reason to show; `None` if the user is asked instead.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        match self {
            Self::Exists | Self::Changed => None,
            Self::Folder => Some(messages::it_is_a_folder().to_owned()),
            Self::Odd => Some(messages::it_is_no_file().to_owned()),
            Self::Failed(why) => Some(why.clone()),
        }
    }
}

impl From<io::Error> for Unwritten {
    fn from(why: io::Error) -> Self {
        Self::Failed(why.to_string())
    }
}

/// Writes the file, and returns the text that it now holds.
///
/// # Errors
/// The path holds something that may not be overwritten, or the file can't be written.
pub fn write(path: &Path, content: &Content, over: &Over) -> Result<String, Unwritten> {
    let there = match fs::metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => false,
        Err(e) => return Err(e.into()),
        Ok(found) if found.is_dir() => return Err(Unwritten::Folder),
        Ok(found) if !found.is_file() => return Err(Unwritten::Odd),
        Ok(_) => true,
    };
    let before = || limits::read_text(path, limits::TEXT_FILE);
    match over {
        Over::Nothing if there => return Err(Unwritten::Exists),
        Over::This(text) if there && before().ok().as_ref() != Some(text) => return Err(Unwritten::Changed),
        Over::Anything | Over::Nothing | Over::This(_) => {}
    }
    let text = match content {
        Content::Toml(recipe) if there => {
            before().map_or_else(|_| recipe.to_toml(), |before| recipe.write_back(&before))
        }
        Content::Toml(recipe) => recipe.to_toml(),
        Content::Text(text) => text.clone(),
    };
    if !there && *over != Over::Anything {
        // Another program may create the file in the meantime.
        return match write_beside(path, text.as_bytes())?.persist_noclobber(path).map_err(|e| e.error) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(Unwritten::Exists),
            // Not every file system can rename without replacing.
            Err(e) if e.kind() != ErrorKind::NotFound => {
                write_over(path, text.as_bytes()).map_err(|_| e)?;
                Ok(text)
            }
            done => Ok(done.map(|_| text)?),
        };
    }
    write_over(path, text.as_bytes())?;
    Ok(text)
}

/// Replaces a file's content atomically: a reader sees the old text or the new one, never a part. If `path` is a
/// symbolic link, its target is written.
///
/// # Errors
/// The file can't be written; its old content is unchanged.
pub fn write_over(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let file = write_beside(path, bytes)?;
    if let Ok(before) = fs::metadata(path) {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.persist(path).map(drop).map_err(|e| e.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Content {
        Content::Text(text.to_owned())
    }

    #[test]
    fn files_are_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        write(&path, &text("a = 1\n"), &Over::Nothing).unwrap();
        write_over(&path, b"a = 2\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a = 2\n");
        let none = folder.path().join("none/recipe.toml");
        assert!(matches!(write(&none, &text(""), &Over::Nothing), Err(Unwritten::Failed(_))));
        assert_eq!(write(folder.path(), &text(""), &Over::Anything), Err(Unwritten::Folder));
        assert_eq!(write(Path::new("/dev/null"), &text(""), &Over::Anything), Err(Unwritten::Odd));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_written_over_without_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.csv");
        let first = write(&path, &text("one"), &Over::Nothing).unwrap();
        assert_eq!(write(&path, &text("two"), &Over::Nothing), Err(Unwritten::Exists));
        // A file that this workbench wrote may be overwritten until another program changes it.
        let second = write(&path, &text("two"), &Over::This(first.clone())).unwrap();
        assert_eq!(write(&path, &text("three"), &Over::This(first)), Err(Unwritten::Changed));
        fs::remove_file(&path).unwrap();
        write(&path, &text("three"), &Over::This(second)).unwrap();
        write(&path, &text("four"), &Over::Anything).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "four");
    }

    #[test]
    fn a_link_stays_one_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("r.toml"), folder.path().join("link.toml"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        write(&link, &text("new"), &Over::Anything).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
