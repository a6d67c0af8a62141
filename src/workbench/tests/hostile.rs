//! Text with terminal control sequences passes through everything that is drawn, and no sequence reaches the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fixture;
use crate::checkpoint::Fit;
use crate::session::protocol::{Answers, ImageRef, Live, Message, Split, WatchedQuestion};
use crate::workbench::app::{App, Pane};
use crate::workbench::overlays::{Overlay, Prompt, Purpose};
use crate::workbench::panes;
use crate::workbench::panes::answers::state::FetchedAnswers;

const EVIL: &str = "\x1b[2J\x1b]0;owned\x07\x1b]52;c;AAAA\x07\u{9b}31m\r\n\u{202e}drawkcab\u{200b}\u{feff}\x00\x7f\u{85}\u{2028}\u{e0041}終\t";

fn evil_answers(base: &Answers) -> Answers {
    let mut out = base.clone();
    out.label = EVIL.to_owned();
    for answer in &mut out.answers {
        answer.id = EVIL.to_owned();
        answer.question = EVIL.repeat(3);
        answer.gold = EVIL.to_owned();
        answer.text = EVIL.repeat(20);
        answer.number = Some(EVIL.to_owned());
        answer.language = EVIL.to_owned();
    }
    out
}

fn evil_app() -> App {
    let mut app = fixture::evolving();
    let answers = evil_answers(&fixture::answers("", 0..5, |_| 0));
    for model in app.models.list.iter_mut().flatten() {
        model.reference.push_str(EVIL);
        model.family = EVIL.to_owned();
        model.dtype = EVIL.to_owned();
        model.about = EVIL.repeat(30);
        model.fit = Fit::No(EVIL.to_owned());
    }
    app.preview.now = Some(answers.clone());
    app.preview.before = Some(answers.clone());
    app.preview.error = Some(EVIL.to_owned());
    app.editor.recipe.base = Some(EVIL.to_owned());
    app.editor.recipe.sources[0].model = EVIL.to_owned();
    app.editor.path = Some(EVIL.into());
    app.editor.began_as = EVIL.to_owned();
    if let Some(run) = &mut app.run {
        run.state.name = EVIL.to_owned();
        run.state.device = EVIL.to_owned();
        run.state.reason = Some(EVIL.to_owned());
        for entry in &mut run.state.entries {
            entry.candidate.label = EVIL.to_owned();
        }
        run.live(Live::Watching {
            questions: vec![WatchedQuestion {
                index: 0,
                question: EVIL.to_owned(),
                gold: EVIL.to_owned(),
                images: vec![ImageRef { path: format!("/{EVIL}"), width: 640, height: 480 }],
            }],
        });
        run.live(Live::Token { candidate: 3, question: 0, text: EVIL.repeat(9) });
    }
    for id in 0..6 {
        app.answers.fetched.insert((id, Split::Train), FetchedAnswers::Here(answers.clone()));
    }
    app.sessions = vec![app.run.as_ref().unwrap().state.row()];
    app.receive(Message::Live {
        session: None,
        live: Live::Log { level: "error".to_owned(), text: EVIL.to_owned(), at_ms: 1 },
    });
    app
}

fn assert_clean(app: &App) {
    for (width, height) in [(80, 24), (200, 60), (40, 12)] {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        panes::draw(app, &mut buffer);
        for cell in buffer.content() {
            let bad = |c: char| {
                c.is_control()
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
            };
            assert!(!cell.symbol().chars().any(bad), "{:?} in {:?}", cell.symbol(), app.pane);
        }
    }
}

#[test]
fn nothing_that_a_model_wrote_steers_the_terminal() {
    let mut app = evil_app();
    for pane in Pane::ALL {
        app.pane = pane;
        assert_clean(&app);
    }
    for overlay in [
        Overlay::Log { up: 0 },
        Overlay::Sessions { cursor: 0 },
        Overlay::Prompt(Prompt::new(Purpose::Save, EVIL.to_owned())),
    ] {
        app.overlay = Some(overlay);
        assert_clean(&app);
    }
    app.overlay = None;
    app.complain(EVIL);
    assert_clean(&app);
}

#[test]
fn visible_text_remains() {
    let app = evil_app();
    let text = super::snapshots::screen(&app, 120, 40);
    assert!(text.contains("␛[2J"), "the sequence shows as text:\n{text}");
}
