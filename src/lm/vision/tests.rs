//! Pictures as the tower sees them, against transformers and Pillow (`tests/golden/llava/make.py`,
//! `tests/golden/pictures/make.py`).

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::grid::{best_size, fitted};
use super::pixels::Processor;
use super::resample::{Filter, resize};
use super::settings::{self, Keys, Size};
use crate::checkpoint::{Checkpoint, VisionConfig, VisionLayout};
use crate::lm::{Device, LmError, VisionModel};
use crate::picture::PictureSource;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn unpacked(path: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::ZlibDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut out).unwrap();
    out
}

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

const MODELS: [&str; 8] = [
    "clip-llama",
    "clip-mistral",
    "clip-qwen2",
    "siglip-llama",
    "siglip-mistral",
    "siglip-qwen2",
    "next-clip-mistral",
    "next-siglip-qwen2",
];
const PICTURES: [&str; 6] = ["wide.png", "square.png", "tall.webp", "long.png", "palette.gif", "turned.png"];

fn open(model: &str) -> Checkpoint {
    Checkpoint::open(golden().join("llava").join(model).to_str().unwrap()).unwrap()
}

#[test]
fn pixel_values_are_those_of_transformers() {
    for model in MODELS {
        let checkpoint = open(model);
        let config = checkpoint.vision_config().unwrap();
        let processor = Processor::new(settings::read(&checkpoint, config).unwrap(), config).unwrap();
        let folder = golden().join("llava").join(model);
        let values = unpacked(&folder.join("golden.z"));
        let mut values = values.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four));
        let shapes: Vec<[usize; 5]> =
            serde_json::from_value(json_file(&folder.join("golden.json"))["pixels"].clone()).unwrap();
        for [number, tiles, channels, rows, columns] in shapes {
            let source = PictureSource::File(golden().join("llava/pictures").join(PICTURES[number]));
            let squares = processor.squares(&source.read().unwrap()).unwrap();
            assert_eq!((squares.len(), channels), (tiles, 3), "{model}");
            for square in &squares {
                assert_eq!((square.height as usize, square.width as usize), (rows, columns));
                for channel in 0..3 {
                    for pixel in square.rgb.chunks_exact(3) {
                        let value = processor.values()[channel][usize::from(pixel[channel])];
                        let want = values.next().unwrap();
                        assert!(
                            value.to_bits() == want.to_bits(),
                            "{model}, picture {number}: {value}, not {want}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn resized_pictures_are_pillows_to_the_bit() {
    let cases: Vec<(String, u32, u32, u64)> =
        serde_json::from_value(json_file(&golden().join("pictures/resized.json"))).unwrap();
    let pixels = unpacked(&golden().join("pictures/resized.z"));
    let mut rest = pixels.as_slice();
    assert!(cases.len() > 30);
    for (name, width, height, filter) in cases {
        let picture = PictureSource::File(golden().join("pictures/files").join(&name)).read().unwrap();
        let found = resize(&picture, width, height, Filter::of(filter).unwrap());
        let (want, left) = rest.split_at((width * height * 3) as usize);
        rest = left;
        assert!(found.rgb == want, "{name} at {width} × {height} by filter {filter}");
    }
    assert!(rest.is_empty());
}

#[test]
fn sizes_are_those_of_transformers() {
    assert_eq!(Size::Shortest(224).of((480, 640)), (224, 298));
    assert_eq!(Size::Shortest(224).of((640, 480)), (298, 224));
    assert_eq!(Size::Shortest(20).of((37, 37)), (20, 20));
    assert_eq!(Size::ShortestWithin(224, 256).of((480, 640)), (192, 256));
    assert_eq!(Size::ShortestWithin(224, 600).of((480, 640)), (224, 298));
    let sizes = [(336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)];
    assert_eq!(best_size((480, 640), &sizes), (672, 672));
    assert_eq!(best_size((200, 600), &sizes), (336, 672));
    assert_eq!(best_size((1000, 300), &sizes), (1008, 336));
    assert_eq!(best_size((1, 5000), &sizes), (336, 672));
    assert_eq!(fitted((480, 640), (672, 672)), (504, 672));
    assert_eq!(fitted((1000, 333), (672, 336)), (672, 224));
}

fn refused(layout: VisionLayout, edit: impl Fn(&mut Map<String, Value>)) -> String {
    let mut config: VisionConfig = open("clip-llama").vision_config().unwrap().clone();
    config.layout = layout;
    let keys = [
        ("image_processor_type", json!("CLIPImageProcessor")),
        ("size", json!(20)),
        ("crop_size", json!(20)),
    ];
    let mut raw: Map<String, Value> = keys.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
    edit(&mut raw);
    let made = Keys { file: "m: preprocessor_config.json".to_owned(), raw: &raw }.settings(&config);
    made.and_then(|settings| Processor::new(settings, &config)).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let cases: [(&str, Value, &str); 9] = [
        ("size", json!({ "longest_edge": 20 }), "shortest_edge"),
        ("size", json!(1_000_000), "32768"),
        ("crop_size", json!("large"), "height and width"),
        ("crop_size", json!({ "height": 24, "width": 24 }), "24 × 24 pixels, and the tower takes 20 × 20"),
        ("resample", json!(9), "number of a filter"),
        ("image_mean", json!([0.5, 0.5]), "list of three"),
        ("image_std", json!(0.0), "other than zero"),
        ("do_resize", json!("yes"), "true or false"),
        ("image_processor_type", json!("ViTImageProcessor"), "CLIPImageProcessor"),
    ];
    for (key, value, says) in cases {
        let told = refused(VisionLayout::Llava, |raw| drop(raw.insert(key.to_owned(), value.clone())));
        assert!(told.contains("m: preprocessor_config.json") && told.contains(says), "{key}: {told}");
    }
    assert!(refused(VisionLayout::LlavaNext, |_| ()).contains("LlavaNextImageProcessor"));
}

#[test]
fn what_cannot_see_is_named() {
    let text = golden().join("transformers/tied-gqa");
    let checkpoint = Checkpoint::open(text.to_str().unwrap()).unwrap();
    let told = VisionModel::load(&checkpoint, &Device::Cpu).map(|_| ()).unwrap_err();
    assert!(matches!(told, LmError::Files(_)) && told.to_string().contains("no vision part"), "{told}");
    // A strip of which the tower would see nothing is not enlarged to gigabytes.
    let model = VisionModel::load(&open("clip-llama"), &Device::Cpu).unwrap();
    let strip = crate::picture::Picture { width: 30_000, height: 1, rgb: vec![0; 90_000] };
    assert!(model.features(&strip).is_ok());
    let strip = crate::picture::Picture { width: 1, height: 30_000_000, rgb: vec![0; 90_000_000] };
    let told = model.features(&strip).map(|_| ()).unwrap_err().to_string();
    assert!(told.contains("out of bounds") && told.contains("less narrow"), "{told}");
}
