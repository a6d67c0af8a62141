//! Colours and marks. Texts use the terminal's own palette by meaning ([`Tone`]); heat maps use as many colours as
//! the terminal has; with `NO_COLOR` only bold, dim and reverse are left. All drawing code gets its styles here.

use ratatui::style::{Color, Modifier, Style};

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// `NO_COLOR`: bold, dim and reverse only.
    Mono,
    /// The terminal's palette.
    Ansi16,
    Ansi256,
    True,
}

impl Depth {
    /// The nearest colour that the terminal has.
    #[must_use]
    pub fn nearest(self, rgb: Rgb) -> Color {
        match self {
            Self::True | Self::Mono => Color::Rgb(rgb.0, rgb.1, rgb.2),
            Self::Ansi256 => Color::Indexed(nearest256(rgb)),
            Self::Ansi16 => nearest16(rgb),
        }
    }
}

/// Colours and glyphs of the whole workbench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    pub depth: Depth,
    /// Draw borders and marks with ASCII only.
    pub ascii: bool,
}

/// The meaning of a text or a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Dim,
    Strong,
    /// Keys, and names that need attention.
    Accent,
    Good,
    Warn,
    Bad,
}

impl Theme {
    /// The theme that the environment sets.
    #[must_use]
    pub fn from_env() -> Self {
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        let depth = if !var("NO_COLOR").is_empty() {
            Depth::Mono
        } else if matches!(var("COLORTERM").as_str(), "truecolor" | "24bit") {
            Depth::True
        } else if var("TERM").contains("256color") {
            Depth::Ansi256
        } else {
            Depth::Ansi16
        };
        Self { depth, ascii: !crate::locale::speaks_unicode() }
    }

    /// Style of a text.
    #[must_use]
    pub fn tone(&self, tone: Tone) -> Style {
        let style = Style::reset();
        if self.depth == Depth::Mono {
            return match tone {
                Tone::Plain => style,
                Tone::Dim => style.add_modifier(Modifier::DIM),
                _ => style.add_modifier(Modifier::BOLD),
            };
        }
        match tone {
            Tone::Plain => style,
            Tone::Dim => style.add_modifier(Modifier::DIM),
            Tone::Strong => style.add_modifier(Modifier::BOLD),
            Tone::Accent => style.fg(Color::Cyan),
            Tone::Good => style.fg(Color::Green),
            Tone::Warn => style.fg(Color::Yellow),
            Tone::Bad => style.fg(Color::Red),
        }
    }

    /// Frame of a pane or an overlay.
    #[must_use]
    pub fn border(&self, focused: bool) -> Style {
        self.tone(if focused { Tone::Accent } else { Tone::Dim })
    }

    /// Style of the row or cell under the cursor.
    #[must_use]
    pub fn chosen(&self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Style of a chart's line: 0 the best, 1 the mean, 2 held out.
    #[must_use]
    pub fn series(&self, index: usize) -> Style {
        match self.depth {
            Depth::Mono => self.tone(if index == 0 { Tone::Strong } else { Tone::Dim }),
            Depth::True => {
                let (r, g, b) = [(226, 152, 64), (138, 122, 104), (92, 166, 190)][index.min(2)];
                Style::reset().fg(Color::Rgb(r, g, b))
            }
            _ => Style::reset().fg([Color::Yellow, Color::DarkGray, Color::Cyan][index.min(2)]),
        }
    }

    /// A cell of a heat map, from teal (below zero) over walnut (zero) to pale gold (`high`).
    /// Both colours are set, so it reads the same on light and dark.
    #[must_use]
    pub fn heat(&self, value: f64, low: f64, high: f64) -> Style {
        match self.depth {
            Depth::Mono => Style::reset(),
            Depth::Ansi16 => heat16(value, high),
            Depth::Ansi256 => {
                let rgb = heat_rgb(value, low, high);
                Style::reset().bg(Color::Indexed(nearest256(rgb))).fg(Color::Indexed(ink256(rgb)))
            }
            Depth::True => {
                let rgb = heat_rgb(value, low, high);
                let (r, g, b) = rgb;
                let ink = if is_bright(rgb) { Color::Rgb(24, 18, 12) } else { Color::Rgb(244, 236, 222) };
                Style::reset().bg(Color::Rgb(r, g, b)).fg(ink)
            }
        }
    }

    /// The glyph of a heat cell that shows no number: a space, or, without colours, a digit or a sign.
    #[must_use]
    pub fn heat_mark(&self, value: f64, high: f64) -> char {
        if self.depth != Depth::Mono {
            return ' ';
        }
        if value < -0.02 {
            return '-';
        }
        let tenth = (value / high.max(1e-9) * 10.0).clamp(0.0, 9.0) as u32;
        char::from_digit(tenth, 10).unwrap_or('?')
    }

    /// Mark of a right and a wrong answer.
    #[must_use]
    pub fn verdict(&self, right: bool) -> &'static str {
        match (self.ascii, right) {
            (true, true) => "+",
            (true, false) => "x",
            (false, true) => "✓",
            (false, false) => "✗",
        }
    }
}

/// Red, green, blue.
type Rgb = (u8, u8, u8);

const ZERO: Rgb = (58, 50, 44);
const ABOVE: [Rgb; 5] = [ZERO, (122, 74, 40), (190, 118, 48), (232, 180, 92), (252, 236, 196)];
const BELOW: [Rgb; 3] = [ZERO, (42, 84, 104), (70, 150, 176)];

fn heat_rgb(value: f64, low: f64, high: f64) -> Rgb {
    let value = if value.is_finite() { value } else { 0.0 };
    if value >= 0.0 { ramp(&ABOVE, value / high.max(1e-9)) } else { ramp(&BELOW, value / low.min(-0.3)) }
}

fn ramp(stops: &[Rgb], share: f64) -> Rgb {
    let at = share.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
    let i = (at as usize).min(stops.len() - 2);
    let (a, b) = (stops[i], stops[i + 1]);
    let f = at - i as f64;
    let mix = |x: u8, y: u8| (f64::from(x) + (f64::from(y) - f64::from(x)) * f).round() as u8;
    (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

fn is_bright((r, g, b): Rgb) -> bool {
    299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b) > 128_000
}

fn ink256(rgb: Rgb) -> u8 {
    if is_bright(rgb) { 16 } else { 231 }
}

/// Nearest colour in the 6×6×6 cube and the grey ramp of 256-colour terminals.
fn nearest256(rgb: Rgb) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let near = |v: u8| (0..6u8).min_by_key(|&i| LEVELS[usize::from(i)].abs_diff(v)).unwrap_or(0);
    let (r, g, b) = (near(rgb.0), near(rgb.1), near(rgb.2));
    let level = |i: u8| LEVELS[usize::from(i)];
    let cube = (level(r), level(g), level(b));
    let mean = (u16::from(rgb.0) + u16::from(rgb.1) + u16::from(rgb.2)) / 3;
    let step = (mean.saturating_sub(8) / 10).min(23) as u8;
    let v = 8 + 10 * step;
    if far((v, v, v), rgb) < far(cube, rgb) { 232 + step } else { 16 + 36 * r + 6 * g + b }
}

/// How far two colours are apart.
fn far(a: Rgb, b: Rgb) -> u32 {
    let d = |x: u8, y: u8| u32::from(x.abs_diff(y)).pow(2);
    d(a.0, b.0) + d(a.1, b.1) + d(a.2, b.2)
}

/// Nearest colour of a palette of 16, as xterm has it.
fn nearest16(rgb: Rgb) -> Color {
    const PALETTE: [(Color, Rgb); 16] = [
        (Color::Black, (0, 0, 0)),
        (Color::Red, (205, 0, 0)),
        (Color::Green, (0, 205, 0)),
        (Color::Yellow, (205, 205, 0)),
        (Color::Blue, (0, 0, 238)),
        (Color::Magenta, (205, 0, 205)),
        (Color::Cyan, (0, 205, 205)),
        (Color::Gray, (229, 229, 229)),
        (Color::DarkGray, (127, 127, 127)),
        (Color::LightRed, (255, 0, 0)),
        (Color::LightGreen, (0, 255, 0)),
        (Color::LightYellow, (255, 255, 0)),
        (Color::LightBlue, (92, 92, 255)),
        (Color::LightMagenta, (255, 0, 255)),
        (Color::LightCyan, (0, 255, 255)),
        (Color::White, (255, 255, 255)),
    ];
    PALETTE.into_iter().min_by_key(|(_, own)| far(*own, rgb)).map_or(Color::Reset, |(colour, _)| colour)
}

fn heat16(value: f64, high: f64) -> Style {
    let share = value / high.max(1e-9);
    let style = Style::reset();
    if value < -0.02 {
        style.bg(Color::Blue).fg(Color::White)
    } else if share < 0.08 {
        style
    } else if share < 0.35 {
        style.bg(Color::DarkGray).fg(Color::White)
    } else if share < 0.65 {
        style.bg(Color::Yellow).fg(Color::Black)
    } else {
        style.bg(Color::White).fg(Color::Black)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_colour_means_no_colour() {
        let theme = Theme { depth: Depth::Mono, ascii: false };
        let tones = [Tone::Plain, Tone::Dim, Tone::Strong, Tone::Accent, Tone::Good, Tone::Warn, Tone::Bad];
        let styles = tones.map(|t| theme.tone(t)).into_iter().chain((0..3).map(|i| theme.series(i))).chain([
            theme.heat(0.7, -0.3, 1.8),
            theme.border(true),
            theme.chosen(),
        ]);
        for style in styles {
            assert!(style.fg.is_none_or(|c| c == Color::Reset));
            assert!(style.bg.is_none_or(|c| c == Color::Reset));
        }
        assert_eq!(theme.heat_mark(0.9, 1.8), '5');
    }

    #[test]
    fn heat_runs_from_teal_over_walnut_to_gold() {
        assert_eq!(heat_rgb(0.0, -0.3, 1.8), ZERO);
        assert_eq!(heat_rgb(9.0, -0.3, 1.8), ABOVE[4]);
        assert_eq!(heat_rgb(-9.0, -0.3, 1.8), BELOW[2]);
        assert_eq!(heat_rgb(f64::NAN, -0.3, 1.8), ZERO);
        assert_eq!(nearest256((255, 255, 255)), 231);
    }

    #[test]
    fn colours_are_those_that_the_terminal_has() {
        let orange = (250, 120, 10);
        assert_eq!(Depth::True.nearest(orange), Color::Rgb(250, 120, 10));
        assert_eq!(Depth::Ansi256.nearest(orange), Color::Indexed(208));
        assert_eq!(Depth::Ansi16.nearest((200, 20, 10)), Color::Red);
        assert_eq!(Depth::Ansi16.nearest((240, 240, 240)), Color::Gray);
    }
}
