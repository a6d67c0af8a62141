//! Stories without a language: who has what, what happens to it, and what is left.
//!
//! A [`Story`] is drawn once and can then be told in English or in Japanese (see `render`), which is
//! what makes translation pairs, code-switched texts and one and the same arithmetic possible.

use rand::Rng;

/// A person, in English and in Japanese.
pub struct Name {
    pub en: &'static str,
    pub ja: &'static str,
}

/// A thing that can be counted. `counter` is the Japanese counter word.
pub struct Item {
    pub one: &'static str,
    pub many: &'static str,
    pub ja: &'static str,
    pub counter: &'static str,
}

/// Something that changes how many things a person has.
pub struct Verb {
    pub en: &'static str,
    /// The verb as in "did Ken ...?".
    pub en_plain: &'static str,
    /// Polite past.
    pub ja: &'static str,
    /// True if the count goes up.
    pub gains: bool,
}

const fn name(en: &'static str, ja: &'static str) -> Name {
    Name { en, ja }
}

const fn item(one: &'static str, many: &'static str, ja: &'static str, counter: &'static str) -> Item {
    Item { one, many, ja, counter }
}

const fn verb(en: &'static str, en_plain: &'static str, ja: &'static str, gains: bool) -> Verb {
    Verb { en, en_plain, ja, gains }
}

pub const NAMES: [Name; 12] = [
    name("Ken", "ケン"),
    name("Yumi", "ユミ"),
    name("Taro", "タロウ"),
    name("Hana", "ハナ"),
    name("Jiro", "ジロウ"),
    name("Mika", "ミカ"),
    name("Sora", "ソラ"),
    name("Emi", "エミ"),
    name("Leo", "レオ"),
    name("Anna", "アンナ"),
    name("Tom", "トム"),
    name("Mary", "メアリー"),
];

pub const ITEMS: [Item; 14] = [
    item("apple", "apples", "リンゴ", "個"),
    item("orange", "oranges", "オレンジ", "個"),
    item("egg", "eggs", "卵", "個"),
    item("ball", "balls", "ボール", "個"),
    item("stone", "stones", "石", "個"),
    item("cake", "cakes", "ケーキ", "個"),
    item("pen", "pens", "ペン", "本"),
    item("flower", "flowers", "花", "本"),
    item("pencil", "pencils", "鉛筆", "本"),
    item("card", "cards", "カード", "枚"),
    item("stamp", "stamps", "切手", "枚"),
    item("coin", "coins", "コイン", "枚"),
    item("notebook", "notebooks", "ノート", "冊"),
    item("magazine", "magazines", "雑誌", "冊"),
];

pub const VERBS: [Verb; 8] = [
    verb("bought", "buy", "買いました", true),
    verb("got", "get", "もらいました", true),
    verb("found", "find", "見つけました", true),
    verb("made", "make", "作りました", true),
    verb("gave away", "give away", "あげました", false),
    verb("lost", "lose", "なくしました", false),
    verb("sold", "sell", "売りました", false),
    verb("used", "use", "使いました", false),
];

/// How a story starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Have(u32),
    Boxes { boxes: u32, each: u32 },
}

/// Something happens: `amount` things come or go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub verb: usize,
    pub amount: u32,
}

impl Event {
    pub fn gains(self) -> bool {
        VERBS[self.verb].gains
    }

    pub fn apply(self, count: u32) -> u32 {
        if self.gains() { count + self.amount } else { count - self.amount }
    }
}

/// One little story about one person and one kind of thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    pub name: usize,
    pub item: usize,
    pub start: Start,
    pub events: Vec<Event>,
}

impl Story {
    pub fn name(&self) -> &'static Name {
        &NAMES[self.name]
    }

    pub fn item(&self) -> &'static Item {
        &ITEMS[self.item]
    }

    /// How many things there are before anything happens.
    pub fn first_count(&self) -> u32 {
        match self.start {
            Start::Have(n) => n,
            Start::Boxes { boxes, each } => boxes * each,
        }
    }

    /// How many things there are at the end.
    pub fn answer(&self) -> u32 {
        self.events.iter().fold(self.first_count(), |count, event| event.apply(count))
    }
}

/// Which arithmetic a story asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One addition or subtraction.
    Add,
    /// Two of them.
    AddAdd,
    /// Boxes: one multiplication.
    Mul,
    /// Boxes, then one addition or subtraction.
    MulAdd,
    /// Boxes, then two of them.
    Three,
}

impl Kind {
    pub fn label(self) -> &'static str {
        match self {
            Kind::Add => "add",
            Kind::AddAdd => "add-add",
            Kind::Mul => "mul",
            Kind::MulAdd => "mul-add",
            Kind::Three => "three",
        }
    }

    fn boxes(self) -> bool {
        matches!(self, Kind::Mul | Kind::MulAdd | Kind::Three)
    }

    fn events(self) -> usize {
        match self {
            Kind::Mul => 0,
            Kind::Add | Kind::MulAdd => 1,
            Kind::AddAdd | Kind::Three => 2,
        }
    }
}

/// The mixture of the task: 25% ±, 20% ±±, 20% ×, 25% ×±, 10% ×±±.
pub const TARGET: [(Kind, u32); 5] =
    [(Kind::Add, 25), (Kind::AddAdd, 20), (Kind::Mul, 20), (Kind::MulAdd, 25), (Kind::Three, 10)];

/// What the addition specialist practises.
pub const SUMS: [(Kind, u32); 2] = [(Kind::Add, 50), (Kind::AddAdd, 50)];

/// What the multiplication specialist practises.
pub const PRODUCTS: [(Kind, u32); 3] = [(Kind::Mul, 40), (Kind::MulAdd, 45), (Kind::Three, 15)];

/// Draws a kind from a weighted list.
pub fn draw_kind(rng: &mut impl Rng, mix: &[(Kind, u32)]) -> Kind {
    let total: u32 = mix.iter().map(|(_, weight)| weight).sum();
    let mut at = rng.random_range(0..total);
    for &(kind, weight) in mix {
        if at < weight {
            return kind;
        }
        at -= weight;
    }
    mix[0].0
}

/// The two factors of a multiplication with a product of at most `limit`.
pub fn draw_factors(rng: &mut impl Rng, limit: u32) -> (u32, u32) {
    loop {
        let (boxes, each) = (rng.random_range(2..=9), rng.random_range(2..=12));
        if boxes * each <= limit {
            return (boxes, each);
        }
    }
}

/// Draws a story of a kind in which no count ever leaves `1..=limit`.
pub fn draw_story(rng: &mut impl Rng, kind: Kind, limit: u32) -> Story {
    let start = if kind.boxes() {
        let (boxes, each) = draw_factors(rng, limit);
        Start::Boxes { boxes, each }
    } else {
        Start::Have(rng.random_range(2..limit))
    };
    let mut story = Story {
        name: rng.random_range(0..NAMES.len()),
        item: rng.random_range(0..ITEMS.len()),
        start,
        events: Vec::new(),
    };
    let mut count = story.first_count();
    while story.events.len() < kind.events() {
        let event = draw_event(rng, count, limit);
        count = event.apply(count);
        story.events.push(event);
    }
    story
}

/// The most things that come or go at once.
pub const MAX_AMOUNT: u32 = 9;

/// Draws an event that is possible at `count` and stays within `1..=limit`.
fn draw_event(rng: &mut impl Rng, count: u32, limit: u32) -> Event {
    loop {
        let verb = rng.random_range(0..VERBS.len());
        let room = if VERBS[verb].gains { limit - count } else { count - 1 };
        if room >= 1 {
            let amount = rng.random_range(1..=room.min(MAX_AMOUNT));
            return Event { verb, amount };
        }
    }
}
