//! Every bound on what a file or a flag may ask for, with its reason. A number from outside is checked against one of
//! these bounds before it sizes an allocation or a loop. [`TABLE`] is the source of `docs/limits.md`. All rooms read
//! and map files through the functions here.

mod guard;
mod map;
mod read;
mod shown;

pub use guard::{guarded, is_guarded};
pub use map::Mapped;
pub use read::{File, open, read, read_text, regular_file, take_text};
pub use shown::shown;

/// One bound, for the page of all of them.
pub struct Limit {
    pub name: &'static str,
    /// What it bounds, where that number is written, and the bound in readable units.
    pub what: &'static str,
    pub most: &'static str,
    pub why: &'static str,
}

macro_rules! limits {
    ($($(#[$more:meta])* $name:ident: $type:ty = $value:expr, $most:literal, $what:literal, $why:literal;)*) => {
        $(#[doc = $what] #[doc = ""] #[doc = $why] $(#[$more])* pub const $name: $type = $value;)*

        /// All bounds, in the order of the page.
        pub const TABLE: &[Limit] = &[
            $(Limit { name: stringify!($name), what: $what, most: $most, why: $why }),*
        ];
    };
}

const MIB: u64 = 1 << 20;

limits! {
    TEXT_FILE: u64 = 8 * MIB, "8 MiB",
        "Bytes of a recipe, session config, task, suite or key file",
        "Over 100,000 sources fit; read, a text takes up to some hundred times its size.";
    SMALL_FILE: u64 = 64 * MIB, "64 MiB",
        "Bytes of config.json, an index, an adapter's config, a model card and the like",
        "The largest published index has 10 MB.";
    TOKENIZER_FILE: u64 = 128 * MIB, "128 MiB",
        "Bytes of tokenizer.json, vocab.json, merges.txt, tokenizer.model",
        "The largest published ones have 35 MB.";
    DATA_FILE: u64 = 4096 * MIB, "4 GiB",
        "Bytes of a file of questions, answers, prompts, or of a recorded session",
        "It is held in memory as a whole.";
    MESSAGE: u64 = 256 * MIB, "256 MiB",
        "Bytes of one line that an engine or a worker sends",
        "The answers of a candidate to all questions are one.";
    REQUEST: u64 = 16 * MIB, "16 MiB",
        "Bytes of one line that a client sends to an engine",
        "A config with its recipes is one; many clients may write at once.";
    DEPTH: usize = 128, "128",
        "Brackets within brackets, of JSON, TOML and YAML",
        "Readers and droppers of trees go down one call a level.";
    YAML_VALUES: usize = 100_000, "100,000",
        "Values that the aliases of a YAML text stand for (64 bytes of a text are one), beyond one a byte of it",
        "Ten lines of aliases can stand for 10^10 values.";
    LAYERS: usize = 4096, "4,096",
        "Decoder blocks: of config.json, of a recipe's slices and paths, and the number of one of them",
        "Each costs a list of tensor names; the deepest published models have 126.";
    MODELS: usize = 1024, "1,024",
        "Models of one merge: sources, those of slices and of a path, `pool.sources`, `space.path.models`",
        "Each is a checkpoint of mapped files, of which a process may have some thousands; people merge a dozen.";
    FILTERS: usize = 4096, "4,096",
        "Entries of one list of filters in a recipe",
        "Each is tried on each tensor; a decoder has some dozen kinds of them.";
    RECIPES: usize = 1024, "1,024",
        "Recipes of one text",
        "Each is a whole merge, and is looked for among the others.";
    MODEL_SIZE: u64 = 1 << 28, "268,435,456",
        "Each size in config.json: hidden, heads, vocabulary, positions, window",
        "Products of two fit a machine word with room.";
    PAD_TO_MULTIPLE: usize = 1 << 16, "65,536",
        "`pad_to_multiple_of` of a recipe's tokenizer",
        "Embeddings grow by up to so many rows; accelerators ask for 8 to 512.";
    TOKEN_ID: u32 = 1 << 24, "16,777,216",
        "Ids in tokenizer.json",
        "Rows of embeddings; the largest published vocabularies have a million.";
    TOKEN_GROWTH: usize = 4096, "4,096",
        "Bytes that a tokenizer's normalizers or decoders may make of one byte of text, one after another",
        "NFKC makes 11 of one at most; a chain of replacements multiplies.";
    TOKEN_TEXT: usize = 1 << 16, "65,536",
        "Bytes that a tokenizer puts before a text, and special tokens that it puts around one",
        "Templates write a handful.";
    TOKEN_PATTERNS: usize = 256, "256",
        "Regular expressions in one tokenizer.json",
        "Each may compile to megabytes; published ones have up to ten.";
    WORD: usize = 10_000, "10,000",
        "`max_input_chars_per_word` of a tokenizer",
        "A word is tried against the vocabulary in the square of its length; BERT has 100.";
    TEMPLATE_SOURCE: usize = 4 << 20, "4 MiB",
        "Bytes of a chat template, a prompt template or an expression",
        "Published ones have up to 20 KB.";
    TEMPLATE_STEPS: u64 = 2_000_000, "2,000,000",
        "Steps of one rendering of a template; 64 bytes of text that it makes are one, and so are two items",
        "A chat of a thousand turns takes some ten thousand; an endless loop ends in a second, with 128 MB at most.";
    TEMPLATE_TEXT: usize = 16 << 20, "16 MiB",
        "Bytes of the text that a template gives",
        "A prompt of millions of tokens fits.";
    TEMPLATE_SECONDS: u64 = 10, "10",
        "Seconds of one rendering of a template",
        "Comparing two values that hold the same lists many times takes no step.";
    PARQUET_PAGE: usize = 256 * MIB as usize, "256 MiB",
        "Bytes of one Parquet page, unpacked",
        "Writers aim at 1 MiB; 48 KB can claim 15 GB.";
    CELL_RATIO: u64 = 64, "64 : 1",
        "Bytes that a Parquet file's pages unpack to, and its cells take, against its own size (and 16 MiB more)",
        "snappy packs 21 : 1 at most, but a dictionary or a run can say one cell a million times.";
    PICTURE_FILE: u64 = 64 * MIB, "64 MiB",
        "Bytes of a picture, as a file or in a table",
        "Photographs have 1 to 20 MB.";
    PICTURE_SIDE: u32 = 1 << 15, "32,768",
        "Pixels of a picture's side",
        "A header of a few bytes can claim any.";
    PICTURE_PIXELS: u64 = 1 << 26, "67,108,864",
        "Pixels of a picture",
        "Decoded, each takes 3 bytes and up to 8 more on the way.";
    PICTURE_FREE_PIXELS: u64 = 1 << 21, "2,097,152",
        "Pixels of a picture whose file holds next to nothing",
        "Plain areas pack well; this is a screen of them.";
    PICTURE_PIXELS_A_BYTE: u64 = 512, "512",
        "Pixels of a picture for each byte of its file, beyond the above",
        "Photographs have up to 20; PNG packs a plain area of colours 344 : 1.";
    PICTURE_MEMORY: u64 = 512 * MIB, "512 MiB",
        "Bytes that a decoder of pictures may ask for",
        "The largest picture at 8 bytes a pixel.";
    VISION_PATCHES: usize = 4096, "4,096",
        "Patches that a vision tower cuts a picture into",
        "Every patch attends to every other; published towers have up to 1,024.";
    POPULATION: usize = 10_000, "10,000",
        "`search.population`, also as restarts make it grow",
        "Every candidate is a model that answers all questions; optimisers keep a row for each.";
    SIGMA: f64 = 1e6, "1,000,000",
        "`sigma` and the bounds of a gene",
        "Weights and scales beyond mean nothing, and their squares must stay finite.";
    GENES: usize = 1 << 20, "1,048,576",
        "Genes of a search space",
        "Each has a name, and a number in every candidate of the journal.";
    FULL_GENES: usize = 4096, "4,096",
        "Genes of an optimiser with a full covariance matrix; take a `sep-` one beyond",
        "The matrix holds their square and is decomposed in their cube.";
    GENERATION: usize = 1 << 26, "67,108,864",
        "Numbers of one generation: population times genes",
        "512 MiB of them are held at once.";
    CURVE: usize = 512, "512",
        "Points of `groups = { smooth = N }`",
        "A recipe's way back to them is a system of equations, in the cube of their number.";
    GRID: usize = 10_000, "10,000",
        "Merges of `baselines.grid`: weights to the power of sources",
        "All are evaluated before the search begins.";
    THREADS: usize = 1024, "1,024",
        "`threads`",
        "Each has a stack and a batch of its own.";
    QUESTIONS: usize = 10_000_000, "10,000,000",
        "`train_limit`, `test_limit`, `skip`, `limit`, `racing.block`, `subset` and `full`, numbers in `watch`",
        "More than any task has; sums of them must not overflow.";
    PICTURES: usize = 256, "256",
        "Pictures of one question",
        "Each takes hundreds of a prompt's tokens.";
    FEATURES_HELD: u64 = 1024 * MIB, "1 GiB",
        "Bytes of pictures' features in memory; further ones are written to files and mapped",
        "A picture of LLaVA has 9 MB, and a task has hundreds.";
    SHOTS: usize = 1000, "1,000",
        "`shots.count`",
        "Every question keeps a list of its examples.";
    WATCHED: usize = 1000, "1,000",
        "Questions in `watch`",
        "Each is streamed to everyone who looks.";
    TASKS: usize = 1000, "1,000",
        "`[[task]]` of a session, tasks of a suite, `[[stage]]` of a session",
        "Each is loaded and checked against the others.";
    TOKENS: usize = 1 << 20, "1,048,576",
        "`max_new_tokens`, `--max-tokens`",
        "Room for keys and values is asked for before an answer begins.";
    TOP_K: usize = 1 << 24, "16,777,216",
        "`top_k`",
        "As many as ids.";
    STEPS: usize = 100_000, "100,000",
        "`max_iter` of karcher and other counts among a method's parameters",
        "mergekit's default is 10.";
    TICKS: u32 = 6, "6",
        "Numbers on a chart's y axis",
        "As many as there is room for, whatever the range.";
    SAFETENSORS_HEADER: u64 = 100_000_000, "100 MB",
        "Bytes of a safetensors header",
        "The format's own bound.";
}
