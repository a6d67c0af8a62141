//! Valid files of every kind, to be changed.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use yosegi::session::Home;
use yosegi::session::journal::Journal;
use yosegi::session::protocol::Event;

/// All of them, by what reads them.
pub struct Seeds {
    pub recipes: Vec<Vec<u8>>,
    pub yaml: Vec<Vec<u8>>,
    pub configs: Vec<Vec<u8>>,
    pub tasks: Vec<Vec<u8>>,
    pub suites: Vec<Vec<u8>>,
    pub keys: Vec<Vec<u8>>,
    pub jsonl: Vec<Vec<u8>>,
    pub tables: Vec<Vec<u8>>,
    pub parquet: Vec<Vec<u8>>,
    /// Questions with the bytes of pictures.
    pub seen: Vec<Vec<u8>>,
    /// `config.json`.
    pub models: Vec<Vec<u8>>,
    pub indices: Vec<Vec<u8>>,
    pub safetensors: Vec<Vec<u8>>,
    pub tokenizers: Vec<Vec<u8>>,
    /// `tokenizer.model`.
    pub pieces: Vec<Vec<u8>>,
    /// `tokenizer_config.json`, `generation_config.json`, `chat_template.jinja`.
    pub words: Vec<Vec<u8>>,
    /// `pytorch_model.bin`.
    pub pickles: Vec<Vec<u8>>,
    /// `adapter_config.json`.
    pub adapters: Vec<Vec<u8>>,
    pub adapter_weights: Vec<Vec<u8>>,
    pub pictures: Vec<Vec<u8>>,
    /// A journal's database, and the text of each of its events.
    pub journal: Vec<u8>,
    pub events: Vec<Vec<u8>>,
}

/// The name of an index's only shard.
pub const SHARD: &str = "model-00001-of-00001.safetensors";

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> Vec<u8> {
    fs::read(repository().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn all(paths: &[&str]) -> Vec<Vec<u8>> {
    paths.iter().map(|path| read(path)).collect()
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

impl Seeds {
    pub fn make() -> Self {
        let mut recipes = all(&[
            "configs/recipes/by-hand.toml",
            "configs/recipes/zoo-dare-ties.toml",
            "configs/recipes/zoo-layers.toml",
            "configs/recipes/zoo-uniform.toml",
        ]);
        recipes.extend(texts(&[SLICES, PATH, BOOK]));
        let mut configs = all(&[
            "configs/zoo.toml",
            "configs/zoo-dfs.toml",
            "configs/zoo-hybrid.toml",
            "configs/zoo-race.toml",
            "configs/evollm-jp.toml",
            "configs/evovlm-jp.toml",
        ]);
        configs.extend(texts(&[CONFIG]));
        let mut tokenizers = all(&[
            "tests/golden/tokenizer/models/a/tokenizer.json",
            "tests/golden/tokenizer/models/base/tokenizer.json",
        ]);
        tokenizers.extend(texts(&[PIECES, WORDS, &UNIGRAM.replace("TABLE", &replacements())]));
        let (journal, events) = journal();
        Self {
            recipes,
            yaml: texts(&[LINEAR, GRADIENTS, FRANKEN]),
            configs,
            tasks: texts(&[TASK, CHOICE, SHOTS]),
            suites: all(&["configs/suites/ja8.toml"]),
            keys: all(&["configs/keys.toml"]),
            jsonl: texts(&[JSONL, LIST, SQUAD]),
            tables: texts(&[CSV, TSV]),
            parquet: vec![parquet(true), parquet(false)],
            seen: all(&["tests/golden/vqa/wild.parquet"]),
            models: all(&[
                "tests/golden/tokenizer/models/base/config.json",
                "tests/golden/lora/tied-bf16/config.json",
            ]),
            indices: vec![index()],
            safetensors: all(&["tests/golden/tokenizer/models/base/model.safetensors"]),
            tokenizers,
            pieces: all(&["tests/golden/sentencepiece/models/llama/tokenizer.model"]),
            words: all(&[
                "tests/golden/tokenizer/models/a/tokenizer_config.json",
                "tests/golden/tokenizer/models/a/generation_config.json",
                "tests/golden/tokenizer/models/a/chat_template.jinja",
            ]),
            pickles: all(&["tests/golden/pickle/one/pytorch_model.bin"]),
            adapters: all(&["tests/golden/lora/tied-bf16/plain/adapter_config.json"]),
            adapter_weights: all(&["tests/golden/lora/tied-bf16/plain/adapter_model.safetensors"]),
            pictures: all(&[
                "tests/golden/pictures/files/baseline-420.jpg",
                "tests/golden/pictures/files/progressive-444.jpg",
                "tests/golden/pictures/files/cmyk.jpg",
                "tests/golden/pictures/files/rgb-16.png",
                "tests/golden/pictures/files/palette-alpha.png",
                "tests/golden/pictures/files/animated.gif",
                "tests/golden/pictures/files/larger-screen.gif",
                "tests/golden/pictures/files/lossy.webp",
                "tests/golden/pictures/files/rgba.webp",
                "tests/golden/pictures/files/animated-alpha.webp",
                "tests/golden/pictures/files/palette.bmp",
            ]),
            journal,
            events,
        }
    }
}

/// The start of the recorded session as a journal.
fn journal() -> (Vec<u8>, Vec<Vec<u8>>) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let mut journal = Journal::create(&home, "s").unwrap();
    let text = String::from_utf8(read("screenshots/session.jsonl")).unwrap();
    let records = text.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line.get("record").map(|record| record["event"].clone())
    });
    let mut events = Vec::new();
    for event in records.take(60) {
        events.push(event.to_string().into_bytes());
        let event: Event = serde_json::from_value(event).unwrap();
        journal.append(&event, None).unwrap();
    }
    drop(journal);
    let path = home.session("s").unwrap().join("journal.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(db);
    (fs::read(path).unwrap(), events)
}

/// The index of a model in one shard.
fn index() -> Vec<u8> {
    let bytes = read("tests/golden/tokenizer/models/base/model.safetensors");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let map: serde_json::Map<String, serde_json::Value> =
        tensors.names().into_iter().map(|name| (name.to_owned(), SHARD.into())).collect();
    serde_json::json!({ "metadata": { "total_size": bytes.len() }, "weight_map": map })
        .to_string()
        .into_bytes()
}

/// A sentencepiece table that replaces nothing, in base64: the length of its trie, the trie, its texts.
fn replacements() -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes = [1024_u32.to_le_bytes().as_slice(), &[0; 1024], b"abc\0de\0"].concat();
    let digit = |bits: u32| char::from(DIGITS[(bits & 63) as usize]);
    let three = |c: &[u8]| u32::from(c[0]) << 16 | u32::from(c[1]) << 8 | u32::from(c[2]);
    bytes.chunks_exact(3).map(three).flat_map(|n| [n >> 18, n >> 12, n >> 6, n].map(digit)).collect()
}

/// A table of questions with a list of answers each.
fn parquet(packed: bool) -> Vec<u8> {
    let schema = "message m { required int64 id; optional binary question (UTF8);
        optional group answers (LIST) { repeated group list { optional binary element (UTF8); } } }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let compression = if packed { Compression::SNAPPY } else { Compression::UNCOMPRESSED };
    let properties = WriterProperties::builder().set_compression(compression).set_dictionary_enabled(packed);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[1, 2, 3], None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let questions = ["2 + 2?", "りんごは?", "3 + 4?"].map(ByteArray::from);
    column.typed::<ByteArrayType>().write_batch(&questions, Some(&[1, 1, 1]), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let answers = ["4", "五", "5", "7"].map(ByteArray::from);
    column.typed::<ByteArrayType>().write_batch(&answers, Some(&[3, 3, 3, 3]), Some(&[0, 0, 1, 0])).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

const SLICES: &str = r#"method = "slerp"
base = "zoo:base"
dtype = "bfloat16"
tokenizer = { source = "union", pad_to_multiple_of = 64, tokens = { "<s>" = { source = "zoo:base", force = true } } }
t = [0.0, 0.5, 1.0]
[[slice]]
[[slice.source]]
model = "zoo:base"
layers = [0, 3]
[[slice.source]]
model = "zoo:ja"
layers = [0, 3]
"#;
const PATH: &str = r#"method = "passthrough"
base = "zoo:base"
[[path]]
model = "zoo:base"
layer = 0
[[path]]
model = "zoo:ja"
layer = 3
scale = 0.75
"#;
const BOOK: &str = r#"[[recipe]]
name = "first"
method = "karcher"
max_iter = 10
[[recipe.source]]
model = "zoo:ja"
weight = 1.0
[[recipe.source]]
model = "zoo:math-add"
weight = 0.5
[[recipe]]
method = "linear"
base = "zoo:base"
chat_template = "chatml"
[[recipe.source]]
model = "first"
weight = [0.0, 1.0]
"#;
const LINEAR: &str = "merge_method: task_arithmetic\nbase_model: org/base\nmodels:\n  - model: org/a\n    parameters: {weight: 0.5}\n  - \
model: org/b+org/lora\n    parameters:\n      weight: 1e-1\ndtype: bfloat16\ntokenizer_source: union\n# yosegi: \
{\"mask\":\"counter\",\"seed\":1}\n";
const GRADIENTS: &str = "slices:\n- sources:\n  - {model: a, layer_range: [0, 4]}\n  - {model: b, layer_range: [0, 4]}\n\
merge_method: slerp\nname: first\nbase_model: a\nparameters:\n  t:\n    - filter: self_attn\n      value: [0, 0.5, 0.3]\n    - value: 0.5\n\
  normalize: yes\n---\nmerge_method: ties\nbase_model: &base a\nmodels: [{model: b, parameters: {weight: 1, density: .5}}, \
{model: c, parameters: {weight: 1, density: 1_0e-1}}]\nout_dtype: float16\n";
const FRANKEN: &str = "slices:\n  - sources:\n      - model: \"a\"\n        layer_range: [0, 2]\n        parameters:\n          \
scale:\n            - {filter: o_proj, value: 0.0}\n            - value: 1.0\n  - sources:\n      - model: b\n        layer_range: \
[1, 3]\nmerge_method: passthrough\ntokenizer:\n  source: \"union\"\n  tokens:\n    \"<|x|>\": {source: {kind: model_token, model: a, \
token_id: 3}, force: true}\n  pad_to_multiple_of: 8\nchat_template: auto\n";
const CONFIG: &str = r#"name = "mine"
seed = 7
threads = 2
[pool]
base = "zoo:base"
sources = ["zoo:ja", "zoo:math-add"]
[[task]]
use = "zoo"
fitness = "acc_ja + 0.1 * acc"
train_limit = 12
watch = [0, 1]
weight = 2.0
[[task]]
use = "mgsm_ja"
at_least = "base"
[space]
method = "ties"
groups = { smooth = 4 }
weight = { min = 0.0, max = 1.0, sigma = 0.2 }
density = { min = 0.1, max = 0.9, groups = "global" }
[baselines]
grid = [0.3, 0.6]
[search]
algorithm = "bipop-cma-es"
population = 8
sigma = 0.25
start = "grid"
options = { factor = 2 }
[budget]
evaluations = 100
seconds = 60.5
stagnation = 5
"#;
const TASK: &str = r#"name = "mine"
version = "1"
prompt = "{{ question }}\nA:"
description = "Sums."
max_new_tokens = 16
stop = ["\n"]
extract = "number"
metrics = ["acc"]
language = "none"
[decoding]
num_beams = 1
[train]
data = "train.jsonl"
limit = 2
[test]
data = "test.jsonl"
skip = 0
"#;
const CHOICE: &str = r#"name = "choose"
kind = "choice"
prompt = "{{ question }}"
choices = ["{{ answer }}", "none"]
gold = "0"
encode = "apart"
[test]
data = ["test.jsonl"]
"#;
const SHOTS: &str = r#"name = "shots"
prompt = "{% for c in question %}{{ c }}{% endfor %}"
question = "{{ question | upper }}"
max_new_tokens = { rule = "longest_gold", plus = 2 }
extract = { regex = "(\\d+)" }
columns = { question = "question", answer = "answer", id = "id" }
[shots]
count = 2
data = "train.jsonl"
draw = "shuffled"
seed = 1
[test]
data = "test.jsonl"
"#;
pub const JSONL: &str = "{\"id\":\"1\",\"question\":\"2 + 2?\",\"answer\":\"4\",\"tags\":[1,2.5,null,{\"a\":true}]}\n\n\
{\"id\":2,\"question\":\"りんごは?\",\"answer\":5}\n{\"id\":\"3\",\"question\":\"3 + 4?\",\"answer\":\"a #### 7\"}\n";
const LIST: &str =
    "[{\"question\":\"a?\",\"answer\":1},\n {\"question\":\"b?\",\"answer\":\"2\",\"x\":[[],{}]}]";
const SQUAD: &str = r#"{"version":"1.1","data":[{"title":"t","paragraphs":[{"context":"c c","qas":[{"id":"q","question":"a?",
"answers":[{"text":"1","answer_start":0}],"answer":"1"}]}]}]}"#;
const CSV: &str = "id,question,answer\n1,\"2 + 2, \"\"sum\"\"?\",4\n2,\"two\nlines\",5\n3,c,6\n";
const TSV: &str = "question\tanswer\n2 + 2?\t4\nりんご\t5\n";
/// As Llama 2's: pieces with ▁, bytes, a chain of decoders.
const PIECES: &str = r#"{"version":"1.0","truncation":{"max_length":512,"strategy":"LongestFirst","stride":0,"direction":"Right"},
"padding":{"strategy":{"Fixed":16},"direction":"Right","pad_to_multiple_of":null,"pad_id":0,"pad_type_id":0,"pad_token":"<s>"},
"added_tokens":[{"id":0,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},
{"type":"Replace","pattern":{"String":" "},"content":"▁"},{"type":"NFKC"}]},
"pre_tokenizer":null,"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
{"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
"special_tokens":{"<s>":{"id":"<s>","ids":[0],"tokens":["<s>"]}}},
"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},
{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,
"fuse_unk":false,"byte_fallback":true,"vocab":{"<s>":0,"▁a":1,"個":2,"▁":3,"b":4,"<0xE3>":5,"a":6,"ab":7},
"merges":[["▁","a"],["a","b"]]}}"#;
const WORDS: &str = r###"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],
"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{N}{1,3}|\\s+(?!\\S)"},
"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false},
{"type":"FixedLength","length":5},{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}]},
"post_processor":{"type":"RobertaProcessing","sep":["b",4],"cls":["a",1],"trim_offsets":true,"add_prefix_space":true},
"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},
"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
"vocab":{"[UNK]":0,"a":1,"##b":2,"c":3,"b":4}}}"###;
/// With a table of replacements as sentencepiece has it.
const UNIGRAM: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],
"normalizer":{"type":"Precompiled","precompiled_charsmap":"TABLE"},
"pre_tokenizer":{"type":"Digits","individual_digits":true},"post_processor":null,"decoder":{"type":"ByteLevel",
"add_prefix_space":true,"trim_offsets":true,"use_regex":true},
"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["▁",-2.5],["a",-3.0],["ab",-3.5]],"byte_fallback":false}}"#;
