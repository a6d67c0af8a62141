//! Every thing as a handful of filled shapes in its colour, and the pictures of scenes.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::canvas::{Canvas, Drawn, Pen, Rgb, SIDE, mix};
use super::world::{Scene, Thing};

const PAINTS: [Rgb; 6] =
    [[216, 36, 40], [36, 84, 220], [36, 150, 60], [236, 204, 24], [146, 52, 186], [246, 128, 24]];
const PAPERS: [Rgb; 5] =
    [[252, 248, 240], [232, 243, 252], [240, 250, 236], [252, 238, 244], [241, 241, 241]];
const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [30, 28, 34];

/// Points on a circle, from the top on; every second one nearer by `inner`.
fn points(count: usize, radius: f32, inner: f32) -> Vec<(f32, f32)> {
    let point = |i: usize| {
        let angle = std::f32::consts::TAU * i as f32 / count as f32;
        let radius = if i % 2 == 1 { radius * inner } else { radius };
        (radius * angle.sin(), -radius * angle.cos())
    };
    (0..count).map(point).collect()
}

/// Draws one thing.
fn thing(pen: &mut Pen, what: usize, paint: Rgb) {
    match what {
        0..=5 => shape(pen, what, paint),
        6..=13 => japanese_thing(pen, what, paint),
        _ => western_thing(pen, what, paint),
    }
}

/// A darker and a lighter paint.
fn shades(paint: Rgb) -> (Rgb, Rgb) {
    (mix(paint, BLACK, 0.45), mix(paint, WHITE, 0.6))
}

fn shape(pen: &mut Pen, what: usize, paint: Rgb) {
    match what {
        0 => pen.ellipse(0.0, 0.0, 0.9, 0.9, paint),
        1 => pen.rect(-0.8, -0.8, 0.8, 0.8, paint),
        2 => pen.polygon(&[(0.0, -0.9), (0.95, 0.8), (-0.95, 0.8)], paint),
        3 => pen.polygon(&points(10, 1.05, 0.42), paint),
        4 => {
            pen.ellipse(-0.43, -0.35, 0.48, 0.48, paint);
            pen.ellipse(0.43, -0.35, 0.48, 0.48, paint);
            pen.polygon(&[(-0.86, -0.12), (0.86, -0.12), (0.0, 0.95)], paint);
        }
        _ => {
            pen.rect(-0.32, -0.95, 0.32, 0.95, paint);
            pen.rect(-0.95, -0.32, 0.95, 0.32, paint);
        }
    }
}

fn japanese_thing(pen: &mut Pen, what: usize, paint: Rgb) {
    let (dark, light) = shades(paint);
    match what {
        6 => {
            pen.rect(-0.65, -0.6, -0.4, 1.0, paint);
            pen.rect(0.4, -0.6, 0.65, 1.0, paint);
            pen.polygon(&[(-1.1, -1.0), (1.1, -1.0), (0.9, -0.65), (-0.9, -0.65)], dark);
            pen.rect(-0.85, -0.35, 0.85, -0.12, paint);
        }
        7 => {
            pen.polygon(&[(-0.25, -0.75), (0.25, -0.75), (1.1, 0.8), (-1.1, 0.8)], paint);
            let snow = [
                (-0.25, -0.75),
                (0.25, -0.75),
                (0.55, -0.2),
                (0.2, -0.35),
                (0.0, -0.1),
                (-0.2, -0.35),
                (-0.55, -0.2),
            ];
            pen.polygon(&snow, WHITE);
        }
        8 => {
            pen.ellipse(-0.15, 0.0, 0.8, 0.45, paint);
            pen.polygon(&[(0.5, 0.0), (1.1, -0.55), (1.1, 0.55)], dark);
            pen.ellipse(-0.6, -0.1, 0.13, 0.13, BLACK);
            pen.ellipse(-0.05, 0.0, 0.22, 0.25, light);
        }
        9 => {
            pen.rect(-0.08, -1.05, 0.08, 1.05, [130, 92, 52]);
            pen.ellipse(0.0, -0.65, 0.4, 0.38, light);
            pen.ellipse(0.0, 0.0, 0.4, 0.38, paint);
            pen.ellipse(0.0, 0.65, 0.4, 0.38, dark);
        }
        10 => {
            pen.ellipse(0.0, 0.1, 0.85, 0.9, paint);
            pen.ellipse(0.0, -0.15, 0.55, 0.42, [250, 230, 208]);
            pen.ellipse(-0.25, -0.2, 0.14, 0.16, BLACK);
            pen.ellipse(0.25, -0.2, 0.14, 0.16, BLACK);
        }
        11 => {
            pen.rect(-0.4, -1.0, 0.4, -0.75, BLACK);
            pen.ellipse(0.0, 0.0, 0.7, 0.8, paint);
            pen.rect(-0.68, -0.28, 0.68, -0.12, light);
            pen.rect(-0.68, 0.16, 0.68, 0.32, light);
            pen.rect(-0.4, 0.75, 0.4, 1.0, BLACK);
        }
        12 => {
            for (x, y) in points(5, 0.55, 1.0) {
                pen.ellipse(x, y, 0.42, 0.42, paint);
            }
            pen.ellipse(0.0, 0.0, 0.28, 0.28, WHITE);
        }
        _ => {
            let fan = [(0.0, 0.9), (-1.1, -0.2), (-0.65, -0.75), (0.0, -0.92), (0.65, -0.75), (1.1, -0.2)];
            pen.polygon(&fan, paint);
            pen.polygon(&[(0.0, 0.9), (-0.5, -0.8), (-0.3, -0.86)], light);
            pen.polygon(&[(0.0, 0.9), (0.5, -0.8), (0.3, -0.86)], light);
            pen.polygon(&[(0.0, 0.95), (-0.3, 0.55), (0.3, 0.55)], BLACK);
        }
    }
}

fn western_thing(pen: &mut Pen, what: usize, paint: Rgb) {
    let (dark, light) = shades(paint);
    match what {
        14 => {
            pen.rect(-0.2, -0.2, 0.95, 0.95, light);
            pen.rect(-0.85, -0.35, -0.2, 0.95, paint);
            pen.polygon(&[(-1.0, -0.35), (-0.52, -1.1), (-0.05, -0.35)], dark);
            pen.rect(0.25, 0.4, 0.55, 0.95, BLACK);
        }
        15 => {
            pen.ellipse(0.0, -0.25, 0.9, 0.6, paint);
            pen.rect(-0.9, -0.2, 0.9, 0.1, [70, 130, 50]);
            pen.rect(-0.9, 0.1, 0.9, 0.38, [96, 54, 34]);
            pen.rect(-0.85, 0.38, 0.85, 0.75, paint);
        }
        16 => {
            pen.rect(-0.15, 0.6, 0.15, 1.05, [120, 80, 44]);
            pen.polygon(&[(0.0, -1.05), (0.5, -0.35), (-0.5, -0.35)], paint);
            pen.polygon(&[(0.0, -0.6), (0.7, 0.15), (-0.7, 0.15)], dark);
            pen.polygon(&[(0.0, -0.1), (0.9, 0.7), (-0.9, 0.7)], paint);
        }
        17 => {
            pen.ellipse(0.55, 0.05, 0.48, 0.48, dark);
            pen.ellipse(0.55, 0.05, 0.24, 0.24, light);
            pen.rect(-0.8, -0.7, 0.5, 0.85, paint);
            pen.rect(-0.8, -0.7, 0.5, -0.5, WHITE);
        }
        18 => {
            pen.polygon(&[(-1.0, 0.45), (1.0, 0.45), (0.6, 0.95), (-0.6, 0.95)], dark);
            pen.polygon(&[(0.05, -1.05), (0.05, 0.35), (0.95, 0.35)], paint);
            pen.polygon(&[(-0.1, -0.7), (-0.1, 0.35), (-0.75, 0.35)], light);
        }
        _ => {
            pen.ellipse(-0.45, 0.15, 0.5, 0.68, paint);
            pen.ellipse(0.45, 0.15, 0.5, 0.68, paint);
            pen.ellipse(0.0, 0.15, 0.45, 0.75, mix(paint, BLACK, 0.2));
            pen.rect(-0.12, -0.95, 0.14, -0.5, [70, 110, 40]);
            pen.polygon(&[(-0.4, 0.0), (-0.1, 0.0), (-0.25, -0.25)], BLACK);
            pen.polygon(&[(0.1, 0.0), (0.4, 0.0), (0.25, -0.25)], BLACK);
        }
    }
}

/// Where things of one kind stand: anywhere, none over another.
fn spread(rng: &mut ChaCha8Rng, count: u32, size: f32) -> Vec<(f32, f32)> {
    let (low, high) = (size + 1.5, SIDE as f32 - size - 1.5);
    loop {
        let mut places: Vec<(f32, f32)> = Vec::new();
        for _ in 0..200 {
            let (x, y) = (rng.random_range(low..high), rng.random_range(low..high));
            if places.iter().all(|(a, b)| (a - x).abs().max((b - y).abs()) > 2.2 * size) {
                places.push((x, y));
            }
            if places.len() == count as usize {
                return places;
            }
        }
    }
}

/// The places and sizes of a scene's things.
fn layout(scene: Scene, rng: &mut ChaCha8Rng) -> Vec<(Thing, f32, f32, f32)> {
    match scene {
        Scene::One(thing) => {
            let size = rng.random_range(10.0..15.0);
            vec![(thing, rng.random_range(18.0..30.0), rng.random_range(18.0..30.0), size)]
        }
        Scene::Pair { first, second, upright } => {
            let mut place = |thing: Thing, along: f32| {
                let along = along + rng.random_range(-1.5..1.5);
                let across = 24.0 + rng.random_range(-6.0..6.0);
                let (x, y) = if upright { (across, along) } else { (along, across) };
                (thing, x, y, rng.random_range(8.0..10.0))
            };
            vec![place(first, 12.5), place(second, 35.5)]
        }
        Scene::Some { thing, count } => {
            let size = rng.random_range(5.8..6.8);
            spread(rng, count, size).into_iter().map(|(x, y)| (thing, x, y, size)).collect()
        }
    }
}

/// The scene as a picture, and the thing behind each owner of its pixels.
pub fn draw(scene: Scene, rng: &mut ChaCha8Rng) -> (Drawn, Vec<Thing>) {
    let above = PAPERS[rng.random_range(0..PAPERS.len())];
    let below = if rng.random_bool(0.5) { above } else { PAPERS[rng.random_range(0..PAPERS.len())] };
    let mut canvas = Canvas::new(above, below, rng.random_range(0.3..0.8));
    let mut things = Vec::new();
    for (what, x, y, size) in layout(scene, rng) {
        let paint =
            PAINTS[what.colour].map(|c| (i32::from(c) + rng.random_range(-10..=10)).clamp(0, 255) as u8);
        things.push(what);
        canvas.owner = things.len() as u8;
        thing(&mut Pen { canvas: &mut canvas, x, y, size }, what.what, paint);
    }
    (canvas.finish(), things)
}
