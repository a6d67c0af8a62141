//! Long work of the engine shows at the right of the last line, and can be given up.

use super::fixture;
use super::japanese::Speaking;
use super::keys::{press, sent};
use super::snapshots::screen;
use crate::progress::{Headway, What};
use crate::session::protocol::{Command, Live, Message, Reply};
use crate::workbench::app::App;
use crate::workbench::effect::Ask;
use crate::workbench::text::width;

fn told(app: &mut App, what: What, done: u64, left_s: Option<u64>) {
    let live = Live::Headway(Headway { what, done, of: 14_480_000_000, left_s });
    app.receive(Message::Live { session: None, live });
}

fn loading(app: &mut App, done: u64) {
    told(app, What::Loading("org/mistral".to_owned()), done, Some(118));
}

fn last_line(app: &App, cells: u16, rows: u16) -> String {
    screen(app, cells, rows).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn loading_shows_bytes_and_the_time_left_until_it_ends() {
    let mut app = fixture::evolving();
    app.notice = None;
    let before = last_line(&app, 80, 24);
    loading(&mut app, 3_249_000_000);
    // The session's own work ends with the session.
    assert!(!last_line(&app, 120, 40).contains("give up"));
    app.sent(9, Ask::Start);
    for (cells, rows) in [(80, 24), (120, 40)] {
        let line = last_line(&app, cells, rows);
        assert!(line.ends_with("loading mistral 3.0/13.5 GB, 1:58 left"), "{line}");
        assert!(line.contains("X give up") && line.contains("? help") && line.contains("q quit"), "{line}");
        assert!(width(&line) < usize::from(cells), "{line}");
    }
    // On a narrow screen the bytes alone, beside the way out.
    let line = last_line(&app, 60, 18);
    assert!(line.ends_with("3.0/13.5 GB") && line.contains("q quit"), "{line}");
    // A notice stands beside it.
    app.say("exported");
    let line = last_line(&app, 80, 24);
    assert!(line.contains("exported") && line.ends_with("1:58 left"), "{line}");
    app.notice = None;
    // Of two the older one shows; each ends by itself.
    told(&mut app, What::Distances, 100_000_000, None);
    assert!(last_line(&app, 80, 24).ends_with("1:58 left"));
    loading(&mut app, 14_480_000_000);
    assert!(last_line(&app, 80, 24).ends_with("measuring distances 0.1/13.5 GB"));
    told(&mut app, What::Distances, 14_480_000_000, None);
    app.asked.clear();
    assert_eq!(last_line(&app, 80, 24), before);
}

#[test]
fn long_work_is_told_of_in_japanese() {
    let _japanese = Speaking::japanese();
    let mut app = fixture::evolving();
    app.notice = None;
    app.sent(9, Ask::Start);
    loading(&mut app, 3_249_000_000);
    for (cells, rows) in [(80, 24), (120, 40)] {
        let line = last_line(&app, cells, rows);
        assert!(line.ends_with("mistralを読み込み中 3.0/13.5 GB、残り1:58"), "{line}");
        assert!(line.contains("X やめる") && width(&line) < usize::from(cells), "{line}");
    }
}

#[test]
fn what_is_waited_for_is_given_up_by_a_key() {
    let mut app = fixture::fresh();
    app.asked.clear();
    sent(&mut app);
    press(&mut app, "X");
    assert!(sent(&mut app).is_empty());
    assert!(app.notice.as_ref().is_some_and(|n| n.text.contains("Nothing loads")));
    app.sent(7, Ask::Start);
    press(&mut app, "X");
    assert_eq!(sent(&mut app), [Command::GiveUp]);
    app.sent(8, Ask::Order("Given up".to_owned()));
    app.receive(Message::Reply { id: 7, reply: Reply::Superseded });
    app.receive(Message::Reply { id: 8, reply: Reply::Done });
    assert!(app.asked.is_empty() && app.run.is_none());
    assert!(app.notice.as_ref().is_some_and(|n| n.text == "Given up" && !n.bad));
}
