//! How pictures are shown: by which protocol, and how large a cell is. The terminal's replies, tmux, the environment
//! and the user's setting decide. Nothing but half blocks is sent to a terminal that did not say that it can show it.

use super::super::terminal::replies::Reply;
use super::super::terminal::tmux::Tmux;
use super::super::theme::{Depth, Theme};

/// Size of a cell in pixels where half blocks are drawn: what counts is that it is twice as high as wide.
const BLOCK: (u16, u16) = (10, 20);
/// The first version of kitty with letters that stand for the parts of a picture.
const LETTERS: (u32, u32) = (0, 28);
/// Largest size of a cell that is believed.
const LARGEST_CELL: (u16, u16) = (64, 128);

/// A way to show pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// kitty's, with letters that stand for the parts of a picture.
    Kitty,
    Sixel,
    Iterm2,
    /// Half blocks: two points a cell, as coloured letters.
    Blocks,
    /// Left blank: a screenshot draws them in its own format.
    Screenshot,
}

/// How pictures are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Graphics {
    pub protocol: Protocol,
    /// Width and height of a cell in pixels.
    pub cell: (u16, u16),
    /// Sequences are passed through tmux.
    pub through_tmux: bool,
    /// Colours of half blocks.
    pub depth: Depth,
    /// kitty's numbers of pictures may have 24 bits, else 8: a colour carries them.
    pub wide_ids: bool,
}

impl Graphics {
    /// Half blocks in these colours.
    #[must_use]
    pub const fn blocks(depth: Depth) -> Self {
        Self { protocol: Protocol::Blocks, cell: BLOCK, through_tmux: false, depth, wide_ids: false }
    }

    /// Places for a screenshot's pictures. Its cells are of this size.
    #[must_use]
    pub const fn screenshot(cell: (u16, u16)) -> Self {
        Self { protocol: Protocol::Screenshot, cell, ..Self::blocks(Depth::True) }
    }
}

/// The user's setting (`YOSEGI_PICTURES`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Setting {
    /// The best that the terminal says it can show; nothing with `NO_COLOR` or in ASCII.
    #[default]
    Auto,
    Off,
    /// This one, whatever the terminal says.
    Always(Protocol),
}

impl Setting {
    /// The values of the setting.
    pub const NAMES: [(&str, Self); 6] = [
        ("auto", Self::Auto),
        ("kitty", Self::Always(Protocol::Kitty)),
        ("sixel", Self::Always(Protocol::Sixel)),
        ("iterm2", Self::Always(Protocol::Iterm2)),
        ("blocks", Self::Always(Protocol::Blocks)),
        ("off", Self::Off),
    ];

    /// Reads the setting from the environment; the error is the value that it does not know.
    ///
    /// # Errors
    /// The variable holds another value.
    pub fn from_env() -> Result<Self, String> {
        let value = std::env::var("YOSEGI_PICTURES").unwrap_or_default();
        if value.is_empty() {
            return Ok(Self::Auto);
        }
        let known = Self::NAMES.iter().find(|(name, _)| value.eq_ignore_ascii_case(name));
        known.map(|(_, setting)| *setting).ok_or(value)
    }
}

/// What is known of the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// `TERM`, and the names that terminals leave in the environment.
    pub names: Vec<String>,
    pub attributes: Vec<u16>,
    /// How many colours a sixel picture may have, if the terminal says it.
    pub colours: Option<u16>,
    pub kitty: bool,
    /// Size of a cell in pixels, by the terminal's reply.
    pub cell: Option<(u16, u16)>,
    /// The same by the size of its window.
    pub window_cell: Option<(u16, u16)>,
    /// What tmux says, if it is around.
    pub tmux: Option<Tmux>,
}

impl Known {
    /// What the environment says.
    #[must_use]
    pub fn from_env() -> Self {
        let names = ["TERM", "TERM_PROGRAM", "LC_TERMINAL"];
        Self { names: names.into_iter().filter_map(|n| std::env::var(n).ok()).collect(), ..Self::default() }
    }

    /// Whether the terminal can be asked: the simplest ones would show the questions as text.
    #[must_use]
    pub fn answers(&self) -> bool {
        !matches!(self.names.first().map_or("", String::as_str), "" | "dumb" | "linux")
    }

    /// Takes in a reply of the terminal.
    pub fn take(&mut self, reply: Reply) {
        match reply {
            Reply::Attributes(list) => self.attributes = list,
            Reply::Version(name) => self.names.push(name),
            Reply::Cell(width, height) => self.cell = Some((width, height)),
            Reply::Colours(number) => self.colours = Some(number),
            Reply::Kitty(can) => self.kitty = can,
        }
    }

    /// The terminal's names, without `xterm-` and in small letters.
    fn plain_names(&self) -> impl Iterator<Item = String> {
        let behind = self.tmux.iter().map(|tmux| &tmux.terminal);
        let plain = |name: &String| name.strip_prefix("xterm-").unwrap_or(name).to_lowercase();
        self.names.iter().chain(behind).map(plain)
    }

    /// Whether a name of the terminal begins like one of these.
    fn is_named(&self, starts: &[&str]) -> bool {
        self.plain_names().any(|name| starts.iter().any(|start| name.starts_with(start)))
    }

    /// Whether it is a kitty (`kitty(0.40.0)`) that knows the letters.
    fn is_kitty(&self) -> bool {
        let version = |name: String| {
            let mut numbers = name.strip_prefix("kitty(")?.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
            Some((numbers.next()?, numbers.next()?))
        };
        self.plain_names().filter_map(version).any(|version| version >= LETTERS)
    }

    /// How pictures are shown; `None` for not at all.
    #[must_use]
    pub fn graphics(&self, setting: Setting, theme: Theme) -> Option<Graphics> {
        let plain = theme.ascii || theme.depth == Depth::Mono;
        let wanted = match setting {
            Setting::Off => return None,
            Setting::Auto if plain => return None,
            Setting::Auto => self.best(),
            Setting::Always(protocol) => protocol,
        };
        let blocks = Graphics::blocks(theme.depth);
        let of_tmux = self.tmux.as_ref().and_then(|tmux| tmux.cell);
        let believed =
            |(w, h): &(u16, u16)| (1..=LARGEST_CELL.0).contains(w) && (1..=LARGEST_CELL.1).contains(h);
        let cell = [self.cell, of_tmux, self.window_cell].into_iter().flatten().find(believed);
        let through_tmux = self.tmux.is_some() && wanted == Protocol::Kitty;
        let allowed = match (wanted, &self.tmux) {
            // Their letters are not ASCII.
            (Protocol::Kitty | Protocol::Blocks, _) if theme.ascii => return None,
            (Protocol::Blocks, _) if theme.depth == Depth::Mono => return None,
            (Protocol::Kitty, Some(tmux)) => tmux.passthrough,
            // A picture that tmux does not know of would stay behind when its window is left.
            (Protocol::Iterm2, Some(_)) => false,
            _ => true,
        };
        match cell {
            Some(cell) if allowed && wanted != Protocol::Blocks => {
                let wide_ids = match &self.tmux {
                    Some(tmux) => tmux.true_colour,
                    None => true,
                };
                Some(Graphics { protocol: wanted, cell, through_tmux, wide_ids, ..blocks })
            }
            _ if plain => None,
            _ => Some(blocks),
        }
    }

    /// The best protocol that the terminal said it can show.
    fn best(&self) -> Protocol {
        // Others that know kitty's protocol lack the letters that stand for a picture, as earlier kitties do.
        if self.kitty && (self.is_named(&["ghostty"]) || self.is_kitty()) {
            return Protocol::Kitty;
        }
        // A sixel picture is sent in 256 colours. With fewer, half blocks are nearer to it.
        let sixel = self.attributes.contains(&4) && self.colours.is_none_or(|n| n >= 256);
        if let Some(tmux) = &self.tmux {
            return if sixel && tmux.sixel { Protocol::Sixel } else { Protocol::Blocks };
        }
        if self.is_named(&["iterm", "wezterm", "mintty", "konsole"]) {
            Protocol::Iterm2
        } else if sixel {
            Protocol::Sixel
        } else {
            Protocol::Blocks
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEME: Theme = Theme { depth: Depth::True, ascii: false };

    fn terminal(name: &str, attributes: &[u16]) -> Known {
        let mut known = Known { names: vec!["xterm-256color".to_owned()], ..Known::default() };
        for reply in
            [Reply::Version(name.to_owned()), Reply::Cell(10, 20), Reply::Attributes(attributes.to_vec())]
        {
            known.take(reply);
        }
        known
    }

    fn shown(known: &Known) -> Option<Protocol> {
        known.graphics(Setting::Auto, THEME).map(|g| g.protocol)
    }

    #[test]
    fn a_terminal_is_sent_what_it_said_it_can_show() {
        let kitty = Known { kitty: true, ..terminal("kitty(0.40.0)", &[62]) };
        assert_eq!(shown(&kitty), Some(Protocol::Kitty));
        assert_eq!(shown(&Known { kitty: false, ..kitty.clone() }), Some(Protocol::Blocks));
        let earlier = Known { kitty: true, ..terminal("kitty(0.27.1)", &[62]) };
        assert_eq!(shown(&earlier), Some(Protocol::Blocks));
        // It knows kitty's protocol, but not the letters.
        let wezterm = Known { kitty: true, ..terminal("WezTerm 20240203", &[65, 4, 6]) };
        assert_eq!(shown(&wezterm), Some(Protocol::Iterm2));
        assert_eq!(shown(&terminal("foot(1.16.2)", &[62, 4, 22])), Some(Protocol::Sixel));
        assert_eq!(shown(&terminal("XTerm(390)", &[64, 1, 2, 6])), Some(Protocol::Blocks));
        let few = Known { colours: Some(16), ..terminal("XTerm(390)", &[63, 1, 2, 4, 6]) };
        assert_eq!(shown(&few), Some(Protocol::Blocks));
        assert_eq!(shown(&Known::default()), Some(Protocol::Blocks));
    }

    #[test]
    fn a_size_that_cannot_be_is_not_believed() {
        let foot = terminal("foot(1.16.2)", &[62, 4]);
        let none = Known { cell: None, ..foot.clone() };
        assert_eq!(shown(&none), Some(Protocol::Blocks));
        let window = Known { cell: Some((60_000, 60_000)), window_cell: Some((9, 18)), ..foot };
        assert_eq!(window.graphics(Setting::Auto, THEME).map(|g| g.cell), Some((9, 18)));
    }

    #[test]
    fn inside_tmux_only_what_tmux_lets_through_or_draws() {
        let inside = |passthrough: bool, sixel: bool| Known {
            kitty: true,
            tmux: Some(Tmux { passthrough, sixel, terminal: "kitty(0.40.0)".to_owned(), ..Tmux::default() }),
            ..terminal("tmux 3.4", &[1, 2, 4])
        };
        assert_eq!(shown(&inside(true, false)), Some(Protocol::Kitty));
        assert_eq!(shown(&inside(false, true)), Some(Protocol::Blocks));
        let foot = Known { kitty: false, ..inside(true, true) };
        assert_eq!(shown(&foot), Some(Protocol::Sixel));
        let forced = inside(true, true).graphics(Setting::Always(Protocol::Iterm2), THEME);
        assert_eq!(forced.map(|g| g.protocol), Some(Protocol::Blocks));
    }

    #[test]
    fn the_setting_no_colour_and_ascii_are_kept() {
        let foot = terminal("foot(1.16.2)", &[62, 4]);
        let with = |setting, depth, ascii| foot.graphics(setting, Theme { depth, ascii }).map(|g| g.protocol);
        assert_eq!(with(Setting::Off, Depth::True, false), None);
        assert_eq!(with(Setting::Auto, Depth::Mono, false), None);
        assert_eq!(with(Setting::Auto, Depth::True, true), None);
        assert_eq!(with(Setting::Always(Protocol::Blocks), Depth::Ansi16, false), Some(Protocol::Blocks));
        assert_eq!(with(Setting::Always(Protocol::Blocks), Depth::Mono, false), None);
        assert_eq!(with(Setting::Always(Protocol::Kitty), Depth::True, true), None);
        assert_eq!(with(Setting::Always(Protocol::Sixel), Depth::Mono, true), Some(Protocol::Sixel));
        assert_eq!(with(Setting::Always(Protocol::Kitty), Depth::True, false), Some(Protocol::Kitty));
    }
}
