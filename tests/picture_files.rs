//! Pictures are read as transformers' `load_image` reads them, to the bit, and bad ones are refused in one sentence. The pictures and what Pillow makes of them: `tests/golden/pictures/make.py`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use yosegi::picture::{Picture, PictureSource};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pictures")
}

/// Every picture by name, as Pillow reads it.
fn expected() -> BTreeMap<String, Picture> {
    let sizes: BTreeMap<String, (u32, u32)> =
        serde_json::from_str(&fs::read_to_string(golden().join("expected.json")).unwrap()).unwrap();
    let mut pixels = Vec::new();
    let packed = fs::File::open(golden().join("expected.z")).unwrap();
    flate2::read::ZlibDecoder::new(packed).read_to_end(&mut pixels).unwrap();
    let mut rest = pixels.as_slice();
    let mut next = |(width, height): (u32, u32)| {
        let (rgb, left) = rest.split_at((width * height * 3) as usize);
        rest = left;
        Picture { width, height, rgb: rgb.to_vec() }
    };
    let out = sizes.into_iter().map(|(name, size)| (name, next(size))).collect();
    assert!(rest.is_empty());
    out
}

#[test]
fn pixels_are_those_of_pillow() {
    let expected = expected();
    assert!(expected.len() > 60);
    for (name, want) in expected {
        let source = PictureSource::File(golden().join("files").join(&name));
        let found = source.read().unwrap();
        assert_eq!((found.width, found.height), (want.width, want.height), "{name}");
        assert_eq!(source.check().unwrap(), (want.width, want.height), "{name}");
        let apart = found.rgb.iter().zip(&want.rgb).map(|(a, b)| a.abs_diff(*b)).max();
        assert_eq!(apart, Some(0), "{name}");
    }
}

fn refused(name: &str, bytes: &[u8], says: &[&str]) {
    let source = PictureSource::Bytes { name: name.to_owned(), bytes: bytes.into() };
    let told = source.check().err().or_else(|| source.read().err()).map(|e| e.to_string());
    let told = told.unwrap_or_else(|| panic!("{name} is read"));
    assert!(told.starts_with(&format!("{name}: ")) && !told.contains('\n'), "{told}");
    for word in says {
        assert!(told.contains(word), "{name}: no `{word}` in: {told}");
    }
}

#[test]
fn a_picture_that_is_cut_short_is_refused_before_it_is_decoded() {
    for name in [
        "baseline-420.jpg",
        "progressive-444.jpg",
        "rgb.png",
        "lossy.webp",
        "rgba.webp",
        "rgb.bmp",
        "animated.gif",
    ] {
        let whole = fs::read(golden().join("files").join(name)).unwrap();
        // All of an animation but its first frame is left out of account.
        let end = if name == "animated.gif" { whole.len() / 3 - 40 } else { whole.len() - 16 };
        for length in [end, end / 2, end / 3, 60, 30] {
            let source = PictureSource::Bytes { name: "a".into(), bytes: whole[..length].into() };
            let told =
                source.check().err().unwrap_or_else(|| panic!("{name} of {length} bytes passes")).to_string();
            assert!(told.contains("is cut short"), "{name}, {length} bytes: {told}");
        }
    }
}

/// The first bytes of a PNG of any size.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let whole = fs::read(golden().join("files/rgb.png")).unwrap();
    let mut head = [&whole[12..16], &width.to_be_bytes(), &height.to_be_bytes(), &whole[24..29]].concat();
    let mut sum = flate2::Crc::new();
    sum.update(&head);
    head.extend(sum.sum().to_be_bytes());
    [&whole[..12], &head, &whole[33..]].concat()
}

#[test]
fn what_is_no_picture_or_too_large_is_refused_with_its_name() {
    refused("wide.png", &png_header(100_000, 100_000), &["100000 × 100000", "32768 a side", "smaller"]);
    refused("many.png", &png_header(30_000, 30_000), &["30000 × 30000", "67108864 in all"]);
    refused("dense.png", &png_header(8000, 8000), &["8000 × 8000", "a byte"]);
    refused("short.png", &png_header(300, 300), &["PNG cannot be decoded"]);
    refused("none.png", &png_header(0, 5), &["none.png"]);
    refused("empty.jpg", b"", &["empty file", "save it as PNG"]);
    refused(
        "drawing.svg",
        b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100000\"/>",
        &["an SVG drawing"],
    );
    refused("words.txt", "写真ではない".as_bytes(), &["a text"]);
    refused("scan.tif", b"II*\0\x08\0\0\0", &["a TIFF"]);
    refused("noise", &[0xfe; 64], &["unknown format"]);
    let mut damaged = fs::read(golden().join("files/rgb.png")).unwrap();
    damaged[60] ^= 0xff;
    refused("damaged.png", &damaged, &["PNG cannot be decoded", "save it again"]);
    // A JPEG of arithmetic coding, and one whose samples have 12 bits.
    let whole = fs::read(golden().join("files/baseline-444.jpg")).unwrap();
    let frame = whole.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    for (at, byte, says) in [(1, 0xc9, "arithmetic coding"), (4, 12, "samples of 12 bits")] {
        let mut other = whole.clone();
        other[frame + at] = byte;
        refused("other.jpg", &other, &["JPEG cannot be decoded", says, "save it again"]);
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let told = |name: &str| PictureSource::File(dir.path().join(name)).check().unwrap_err().to_string();
    assert!(told("missing.png").contains("missing.png: ") && told("missing.png").contains("readable"));
    fs::create_dir(dir.path().join("folder.png")).unwrap();
    assert!(told("folder.png").contains("a folder"));
    let long = dir.path().join("long.png");
    fs::File::create(&long).unwrap().set_len(1 << 40).unwrap();
    assert!(told("long.png").contains("64 MiB"));
    let source = PictureSource::from_text("files/rgb.png", &golden()).unwrap();
    assert_eq!(source.check().unwrap(), (23, 17));
    assert_eq!(source.digest().unwrap().len(), 32);
}
