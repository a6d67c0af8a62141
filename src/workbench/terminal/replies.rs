//! Takes a terminal's replies out of its input. Bytes come in, what was typed goes out, and beside it the replies to
//! [`QUERY`]. `input.rs` reads the terminal through it while replies are expected.

/// The number under which the terminal is asked whether it shows pictures by kitty's protocol.
const ASKED_AS: &str = "i=31";
/// Longest reply, in bytes. What is longer was typed.
const LONGEST: usize = 512;

/// The questions: the terminal's name (XTVERSION), the size of a cell in pixels, the number of colours that a sixel
/// picture may have (XTSMGRAPHICS), and its attributes (DA1), which every terminal answers, after all earlier questions.
pub const QUERY: &str = "\x1b[>q\x1b[16t\x1b[?1;1;0S\x1b[c";
/// Whether the terminal shows pictures by kitty's protocol: a picture of one point that is not to be shown.
pub const KITTY_QUERY: &str = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";

/// A reply of the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Its attributes. 4 stands for sixel graphics.
    Attributes(Vec<u16>),
    /// Its name and version.
    Version(String),
    /// Width and height of a cell in pixels.
    Cell(u16, u16),
    /// How many colours a sixel picture may have.
    Colours(u16),
    /// Whether it shows pictures by kitty's protocol.
    Kitty(bool),
}

/// The bytes held back because they may be the beginning of a reply.
#[derive(Debug, Default)]
pub struct Replies {
    held: Vec<u8>,
}

/// What the bytes at one place are.
enum Found {
    /// A reply of this many bytes; `None` for one that says nothing.
    Reply(usize, Option<Reply>),
    /// Perhaps the beginning of a reply.
    Unfinished,
    Typed,
}

impl Replies {
    /// Takes in bytes. Returns what was typed, and the replies between it.
    pub fn take(&mut self, bytes: &[u8]) -> (Vec<u8>, Vec<Reply>) {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let (mut typed, mut replies) = (Vec::with_capacity(all.len()), Vec::new());
        let mut at = 0;
        while at < all.len() {
            match look(&all[at..]) {
                Found::Reply(length, reply) => {
                    replies.extend(reply);
                    at += length;
                }
                Found::Unfinished => {
                    self.held = all.split_off(at);
                    break;
                }
                Found::Typed => {
                    typed.push(all[at]);
                    at += 1;
                }
            }
        }
        (typed, replies)
    }

    /// Whether bytes are held back.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// The bytes held back: nothing followed them, so they were typed.
    pub fn let_go(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

/// Looks for a reply at the beginning of `bytes`.
fn look(bytes: &[u8]) -> Found {
    if bytes[0] != 0x1b {
        return Found::Typed;
    }
    let rest = &bytes[1..];
    let found = match rest.first() {
        None => Found::Unfinished,
        Some(b'[') => control(&rest[1..]),
        Some(b'P') => string(&rest[1..], b">|", |text| Some(Reply::Version(text.to_owned()))),
        Some(b'_') => string(&rest[1..], b"G", |text| {
            let (keys, outcome) = text.split_once(';')?;
            keys.split(',').any(|key| key == ASKED_AS).then(|| Reply::Kitty(outcome == "OK"))
        }),
        Some(_) => Found::Typed,
    };
    match found {
        Found::Unfinished if bytes.len() > LONGEST => Found::Typed,
        // Lengths were counted behind the introducer.
        Found::Reply(length, reply) => Found::Reply(length + 2, reply),
        found => found,
    }
}

/// A control sequence: `?…c` gives attributes, `?1;0;number S` the number of colours, `6;height;width t` the size of a
/// cell. No key sends `?`.
fn control(rest: &[u8]) -> Found {
    let Some(end) = rest.iter().position(|b| !(b.is_ascii_digit() || matches!(b, b';' | b'?'))) else {
        let perhaps =
            rest.is_empty() || rest[0] == b'?' || b"6;".starts_with(rest) || rest.starts_with(b"6;");
        return if perhaps { Found::Unfinished } else { Found::Typed };
    };
    // Only digits and signs of ASCII stand before the end.
    let text = String::from_utf8_lossy(&rest[..end]);
    let numbers = |text: &str| text.split(';').map(|n| n.parse().unwrap_or(0)).collect::<Vec<u16>>();
    match (rest[end], text.strip_prefix('?'), text.strip_prefix("6;")) {
        (b'c', Some(list), _) => Found::Reply(end + 1, Some(Reply::Attributes(numbers(list)))),
        (b'S', Some(list), _) => {
            let colours = match numbers(list)[..] {
                [1, 0, number] => Some(Reply::Colours(number)),
                _ => None,
            };
            Found::Reply(end + 1, colours)
        }
        (b't', _, Some(size)) => {
            let cell = match numbers(size)[..] {
                [height, width] if height > 0 && width > 0 => Some(Reply::Cell(width, height)),
                _ => None,
            };
            Found::Reply(end + 1, cell)
        }
        _ => Found::Typed,
    }
}

/// A string that starts with `mark` and ends with ESC and a backslash.
fn string(rest: &[u8], mark: &[u8], read: impl Fn(&str) -> Option<Reply>) -> Found {
    if rest.len() < mark.len() {
        return if mark.starts_with(rest) { Found::Unfinished } else { Found::Typed };
    }
    let Some(text) = rest.strip_prefix(mark) else { return Found::Typed };
    match text.iter().position(u8::is_ascii_control) {
        None => Found::Unfinished,
        Some(end) => match text[end..] {
            [0x1b] => Found::Unfinished,
            [0x1b, b'\\', ..] => {
                Found::Reply(mark.len() + end + 2, read(&String::from_utf8_lossy(&text[..end])))
            }
            _ => Found::Typed,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KITTY: &str =
        "\x1bP>|kitty(0.40.0)\x1b\\\x1b[6;20;10t\x1b_Gi=31;OK\x1b\\\x1b[?1;0;1024S\x1b[?62;4;22c";

    fn split(pieces: &[&[u8]]) -> (String, Vec<Reply>) {
        let (mut replies, mut typed, mut said) = (Replies::default(), Vec::new(), Vec::new());
        for piece in pieces {
            let (keys, found) = replies.take(piece);
            typed.extend(keys);
            said.extend(found);
        }
        typed.extend(replies.let_go());
        (String::from_utf8(typed).unwrap(), said)
    }

    #[test]
    fn replies_are_read_and_keys_are_kept() {
        let (typed, said) = split(&[format!("1{KITTY}q").as_bytes()]);
        assert_eq!(typed, "1q");
        assert_eq!(
            said,
            [
                Reply::Version("kitty(0.40.0)".to_owned()),
                Reply::Cell(10, 20),
                Reply::Kitty(true),
                Reply::Colours(1024),
                Reply::Attributes(vec![62, 4, 22]),
            ]
        );
        let (typed, said) = split(&[b"\x1b_Gi=31;ENOTSUPPORTED:no\x1b\\\x1b_Gi=7;OK\x1b\\"]);
        assert_eq!((typed.as_str(), said), ("", vec![Reply::Kitty(false)]));
        // It has no such number.
        assert_eq!(split(&[b"\x1b[?1;3;0S"]), (String::new(), Vec::new()));
    }

    #[test]
    fn keys_that_begin_like_a_reply_stay_keys() {
        // Escape, Alt-P, Alt-_, Ctrl-PageDown, arrows, a click, a paste.
        for keys in [
            "\x1b",
            "\x1bP",
            "\x1b_",
            "\x1bPx",
            "\x1b[6;5~",
            "\x1b[6~",
            "\x1b[A",
            "\x1b[<0;3;4M",
            "\x1b[200~\x1b]0;t\x07\x1b[201~",
            "\x1b\x1b",
            "日本語",
            "\x1b[?25h",
            "\x1b_G\r",
        ] {
            assert_eq!(split(&[keys.as_bytes()]), (keys.to_owned(), Vec::new()), "{keys:?}");
        }
        let long = format!("\x1b_G{}", "a".repeat(LONGEST));
        assert_eq!(split(&[long.as_bytes()]).0, long);
    }

    proptest! {
        #[test]
        fn wherever_the_line_cuts_it(cuts in prop::collection::vec(0usize..KITTY.len() + 2, 0..6)) {
            let all = format!("a{KITTY}b").into_bytes();
            let mut cuts = cuts;
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([all.len()]);
            let pieces: Vec<&[u8]> =
                [0].iter().chain(&cuts).copied().zip(ends).map(|(from, to)| &all[from..to]).collect();
            let (typed, said) = split(&pieces);
            prop_assert_eq!((typed.as_str(), said.len()), ("ab", 5));
        }

        #[test]
        fn without_a_reply_every_byte_arrives(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut replies = Replies::default();
            let (mut typed, said) = replies.take(&bytes);
            typed.extend(replies.let_go());
            prop_assert_eq!((typed, said), (bytes, Vec::new()));
        }
    }
}
