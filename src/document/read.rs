//! Bytes to text: files, gzip, UTF-8.

#![allow(clippy::disallowed_methods, reason = "input files are read here, before the core starts")]

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::{Code, Issue, Issues, Node, Span, limits, parse};

/// The text of one file under the name that messages use.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Its text, decompressed.
    pub text: String,
}

/// Reads a file, decompressing gzip (recognised by its first bytes, not by its name).
///
/// # Errors
/// One issue when the file is missing, unreadable, damaged or larger than [`limits::FILE_BYTES`].
pub fn read_bytes(path: &Path, file: &Arc<str>) -> Result<Vec<u8>, Issue> {
    let unreadable = |error: io::Error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "no such file".to_string(),
            io::ErrorKind::PermissionDenied => "no permission to read this file".to_string(),
            io::ErrorKind::IsADirectory => "is a directory, not a file".to_string(),
            _ => format!("cannot be read: {error}"),
        };
        Issue::new(Code::FileUnreadable, file, Span::default(), why)
    };
    let handle = File::open(path).map_err(unreadable)?;
    let expected = handle.metadata().map_or(0, |metadata| metadata.len()).min(limits::FILE_BYTES);
    let mut bytes = Vec::with_capacity(expected as usize + 1);
    handle.take(limits::FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.starts_with(&[0x1f, 0x8b]) { decompress(&bytes, file) } else { within_limit(bytes, file) }
}

fn within_limit(bytes: Vec<u8>, file: &Arc<str>) -> Result<Vec<u8>, Issue> {
    if bytes.len() as u64 > limits::FILE_BYTES {
        let message = format!("holds more than {} MiB", limits::FILE_BYTES >> 20);
        return Err(Issue::new(Code::TooLarge, file, Span::default(), message));
    }
    Ok(bytes)
}

fn decompress(bytes: &[u8], file: &Arc<str>) -> Result<Vec<u8>, Issue> {
    let mut text = Vec::new();
    match flate2::bufread::MultiGzDecoder::new(bytes).take(limits::FILE_BYTES + 1).read_to_end(&mut text) {
        Ok(_) => within_limit(text, file),
        Err(error) => {
            let why = if error.kind() == io::ErrorKind::UnexpectedEof { "ends too early" } else { "is damaged" };
            let message = format!("the gzip data {why}, after {} bytes of text", text.len());
            Err(Issue::new(Code::GzipDamaged, file, place_of(&text, text.len()), message)
                .with_hint("copy or download the file again; `gzip -t FILE` checks it"))
        }
    }
}

/// Line and column of a byte.
fn place_of(bytes: &[u8], position: usize) -> Span {
    let before = String::from_utf8_lossy(&bytes[..position]);
    let (count, last) = parse::lines(&before).fold((0, ""), |(count, _), line| (count + 1, line));
    if before.is_empty() || before.ends_with(['\n', '\r']) {
        Span::new(count + 1, 1)
    } else {
        Span::new(count, last.chars().count() as u32 + 1)
    }
}

/// Checks that bytes are text: UTF-8 without control characters.
///
/// # Errors
/// One issue at the first byte that cannot be part of a text.
pub(super) fn to_text(bytes: Vec<u8>, file: &Arc<str>) -> Result<String, Issue> {
    let refuse = |position: usize, message: String| {
        let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        let hint =
            if utf16 { "save the file as UTF-8, not UTF-16" } else { "a YAML, JSON or CSV file in UTF-8 is expected" };
        Issue::new(Code::NotText, file, place_of(&bytes, position), message).with_hint(hint)
    };
    // Testing whole blocks without branches keeps this at memory speed.
    let is_control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    let suspicious =
        bytes.chunks(256).position(|block| block.iter().fold(false, |found, byte| found | is_control(byte)));
    let control =
        suspicious.and_then(|block| bytes[block * 256..].iter().position(is_control).map(|at| block * 256 + at));
    match (std::str::from_utf8(&bytes), control) {
        (Err(error), control) if control.is_none_or(|at| error.valid_up_to() <= at) => {
            let position = error.valid_up_to();
            Err(refuse(position, format!("byte 0x{:02x} is not UTF-8 text", bytes[position])))
        }
        (_, Some(position)) => {
            Err(refuse(position, format!("control character 0x{:02x}: the file is binary", bytes[position])))
        }
        (_, None) => String::from_utf8(bytes)
            .map_err(|_| Issue::new(Code::NotText, file, Span::default(), "the file is not UTF-8 text")),
    }
}

/// Reads a file as text, decompressing gzip.
///
/// # Errors
/// See [`read_bytes`]; and when the content is not text.
pub fn read_text(path: &Path, file: &Arc<str>) -> Result<Source, Issue> {
    let mut text = to_text(read_bytes(path, file)?, file)?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(Source { file: file.clone(), text })
}

/// Reads a file and parses all its documents; what is wrong goes to `issues`. Documents that are sound are returned
/// even when others in the file are not.
pub fn read_documents(path: &Path, file: &Arc<str>, issues: &mut Issues) -> (Option<Source>, Vec<Node>) {
    match read_text(path, file) {
        Ok(source) => {
            let documents = parse::parse(&source, issues);
            (Some(source), documents)
        }
        Err(issue) => {
            issues.push(issue);
            (None, Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<String, (&'static str, u32, u32)> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        let refused = |issue: Issue| (issue.code.id(), issue.span.line, issue.span.column);
        read_text(&path, &"file".into()).map(|source| source.text).map_err(refused)
    }

    #[test]
    fn files_are_read_plain_or_compressed() {
        assert_eq!(read(b"a: 1\n"), Ok("a: 1\n".to_string()));
        assert_eq!(read(&gzip(b"a: 1\n")), Ok("a: 1\n".to_string()));
        assert_eq!(read(&[gzip(b"a: 1\n"), gzip(b"b: 1\n")].concat()), Ok("a: 1\nb: 1\n".to_string()));
        assert_eq!(read("\u{feff}a".as_bytes()), Ok("a".to_string()));
    }

    #[test]
    fn damaged_files_are_refused_with_their_place() {
        let whole = gzip(b"a: 1\nb: 2\n");
        let mut flipped = whole.clone();
        let checksum = whole.len() - 8;
        flipped[checksum] ^= 1;
        for (bytes, expected) in [
            (&whole[..whole.len() - 3], ("W0002", 3, 1)),
            (&flipped[..], ("W0002", 3, 1)),
            (&whole[..5], ("W0002", 1, 1)),
            (b"a: 1\nb: \xff", ("W0003", 2, 4)),
            (b"a: 1\r\n\x00", ("W0003", 2, 1)),
            (b"\xff\xfea\x00", ("W0003", 1, 1)),
        ] {
            assert_eq!(read(bytes), Err(expected), "{bytes:x?}");
        }
    }

    #[test]
    fn missing_files_and_directories_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path().join("nothing"), directory.path().to_path_buf()] {
            assert_eq!(read_text(&path, &"x".into()).unwrap_err().code, Code::FileUnreadable);
        }
    }
}
