//! What a picture can show, without a language: coloured things beside or above each other, or some of one kind.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A word in English (one, and several of it) and in Japanese.
pub struct Word {
    pub en: &'static str,
    pub many: &'static str,
    pub ja: &'static str,
    /// A second English name, which texts use and answers about pictures do not.
    pub other: &'static str,
}

const fn word(en: &'static str, many: &'static str, ja: &'static str) -> Word {
    Word { en, many, ja, other: "" }
}

const fn twice(en: &'static str, many: &'static str, ja: &'static str, other: &'static str) -> Word {
    Word { en, many, ja, other }
}

/// Six shapes, eight things of Japan, six of elsewhere. None of the names holds a colour or another name, and none
/// is written in hiragana, which a byte-level vocabulary joins to the particle behind it.
pub const THINGS: [Word; 20] = [
    word("circle", "circles", "丸"),
    word("square", "squares", "四角"),
    word("triangle", "triangles", "三角"),
    word("star", "stars", "星"),
    word("heart", "hearts", "ハート"),
    word("cross", "crosses", "十字"),
    twice("gate", "gates", "鳥居", "torii"),
    twice("mountain", "mountains", "富士山", "Mount Fuji"),
    twice("fish", "fish", "鯉", "koi"),
    twice("sweet", "sweets", "団子", "dango"),
    twice("doll", "dolls", "ダルマ", "daruma"),
    twice("lamp", "lamps", "提灯", "chochin"),
    twice("flower", "flowers", "桜", "sakura"),
    twice("fan", "fans", "扇子", "sensu"),
    word("church", "churches", "教会"),
    word("burger", "burgers", "バーガー"),
    word("tree", "trees", "ツリー"),
    word("mug", "mugs", "カップ"),
    word("boat", "boats", "ヨット"),
    word("pumpkin", "pumpkins", "カボチャ"),
];

pub const COLOURS: [Word; 6] = [
    word("red", "red", "赤"),
    word("blue", "blue", "青"),
    word("green", "green", "緑"),
    word("yellow", "yellow", "黄"),
    word("purple", "purple", "紫"),
    word("orange", "orange", "橙"),
];

/// Left, right, top, bottom.
pub const SIDES: [Word; 4] = [
    word("left", "left", "左"),
    word("right", "right", "右"),
    word("top", "top", "上"),
    word("bottom", "bottom", "下"),
];

pub const COUNTS: std::ops::RangeInclusive<u32> = 2..=5;

/// A thing in its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thing {
    pub what: usize,
    pub colour: usize,
}

impl Thing {
    fn number(self) -> u64 {
        (self.what * COLOURS.len() + self.colour) as u64
    }

    fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self { what: rng.random_range(0..THINGS.len()), colour: rng.random_range(0..COLOURS.len()) }
    }
}

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    One(Thing),
    /// Left and right, or, `upright`, top and bottom: two things that differ in name and colour.
    Pair {
        first: Thing,
        second: Thing,
        upright: bool,
    },
    Some {
        thing: Thing,
        count: u32,
    },
}

/// The question kinds of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    What,
    Side,
    Relation,
    Colour,
    Count,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::What, Kind::Side, Kind::Relation, Kind::Colour, Kind::Count];

    pub fn label(self) -> &'static str {
        match self {
            Kind::What => "what",
            Kind::Side => "side",
            Kind::Relation => "relation",
            Kind::Colour => "colour",
            Kind::Count => "count",
        }
    }
}

/// A question about a scene. `pick` is the thing that it starts from: 0 the first, 1 the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    pub kind: Kind,
    pub pick: usize,
}

/// Spreads the bits of a number.
fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

impl Scene {
    /// A pair (68 of 100), some of one kind (22), or a single thing (10).
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        match rng.random_range(0..100) {
            0..68 => Self::draw_pair(rng),
            68..90 => Self::draw_some(rng),
            _ => Scene::One(Thing::draw(rng)),
        }
    }

    pub fn draw_pair(rng: &mut ChaCha8Rng) -> Self {
        loop {
            let (first, second) = (Thing::draw(rng), Thing::draw(rng));
            if first.what != second.what && first.colour != second.colour {
                return Scene::Pair { first, second, upright: rng.random_bool(0.5) };
            }
        }
    }

    pub fn draw_some(rng: &mut ChaCha8Rng) -> Self {
        Scene::Some { thing: Thing::draw(rng), count: rng.random_range(COUNTS) }
    }

    /// Which of the two things stands where does not count: both orders are reserved together.
    fn number(self) -> u64 {
        match self {
            Scene::One(thing) => thing.number(),
            Scene::Pair { first, second, .. } => {
                let (a, b) = (first.number(), second.number());
                1_000_000 + a.min(b) * 1_000 + a.max(b)
            }
            Scene::Some { thing, count } => 2_000_000 + thing.number() * 10 + u64::from(count),
        }
    }

    /// One text for all scenes with the same things.
    pub fn key(self) -> String {
        self.number().to_string()
    }

    /// Is it kept for the task: a fifth of the pairs and a third of the groups? No training text or picture shows
    /// it. Single things are too few to keep any.
    pub fn reserved(self) -> bool {
        match self {
            Scene::One(_) => false,
            Scene::Pair { .. } => mixed(self.number()).is_multiple_of(5),
            Scene::Some { .. } => mixed(self.number()).is_multiple_of(3),
        }
    }

    /// A scene for training.
    pub fn draw_free(rng: &mut ChaCha8Rng) -> Self {
        loop {
            let scene = Self::draw(rng);
            if !scene.reserved() {
                return scene;
            }
        }
    }

    /// The kinds that can be asked about it.
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Scene::One(_) => &[Kind::What, Kind::Colour],
            Scene::Pair { .. } => {
                &[Kind::What, Kind::Side, Kind::Side, Kind::Relation, Kind::Relation, Kind::Colour]
            }
            Scene::Some { .. } => &[Kind::Count, Kind::Count, Kind::Count, Kind::Colour],
        }
    }

    pub fn query(self, rng: &mut ChaCha8Rng) -> Query {
        let kinds = self.kinds();
        Query { kind: kinds[rng.random_range(0..kinds.len())], pick: rng.random_range(0..2) }
    }
}

/// Rows of [`SIDES`]: where the two things of a pair stand.
pub fn sides(upright: bool) -> [usize; 2] {
    if upright { [2, 3] } else { [0, 1] }
}
