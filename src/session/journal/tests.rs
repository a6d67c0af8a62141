//! A journal reads back what was written, and refuses to write what it could not read back.

use super::*;
use crate::session::protocol::{Candidate, Origin, Score, Target};
use crate::task::LanguageProbability;

fn started(sigma: f64, genome: f64) -> Event {
    let candidate = Candidate {
        id: 0,
        label: "g1 #1".into(),
        origin: Origin::Search,
        genome: vec![genome],
        target: Target::Model("m".into()),
    };
    Event::GenerationStarted { generation: 1, sigma, mean: vec![0.5], candidates: vec![candidate] }
}

fn answer(p: f64) -> Answer {
    serde_json::from_value(serde_json::json!({
        "index": 0, "id": "q", "question": "?", "gold": "1", "text": "1", "number": "1", "correct": true,
        "language": "ja", "p_ja": 0.5, "tokens": 1
    }))
    .map(|a: Answer| Answer { p_language: LanguageProbability::Japanese(p), ..a })
    .unwrap()
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    let mut journal = Journal::create(&home, "s").unwrap();
    journal.append(&started(0.1, 0.2), None).unwrap();
    let fine = Event::Stopped { reason: "x".into() };
    for bad in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        for event in [started(bad, 0.2), started(0.1, bad)] {
            let why = journal.append(&event, None).unwrap_err().to_string();
            assert!(why.contains("event 2 (generation_started)") && why.contains("not finite"), "{why}");
        }
        let cost = Cost { merge_s: bad, ..Cost::default() };
        assert!(journal.append(&fine, Some(cost)).is_err());
        let answers = [answer(bad)];
        assert!(journal.append_with(&fine, None, 0, &[(Split::Train, &answers)]).is_err());
        assert!(journal.begin(&started(bad, 0.2), &[], &[]).is_err());
    }
    // The failed write left nothing, and the journal can be written on.
    assert_eq!((journal.next_seq(), journal.reader().records(1).unwrap().len()), (2, 1));
    let answers = [answer(0.5)];
    journal.append_with(&fine, None, 0, &[(Split::Train, &answers)]).unwrap();
    assert_eq!(journal.reader().records(1).unwrap().len(), 2);
}

#[test]
fn a_questions_pictures_are_read_back_and_earlier_journals_have_none() {
    use crate::evaluate::ImageRef;
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    let image = |path: &str| ImageRef { path: path.into(), width: 640, height: 480 };
    let question = |index, images| StoredQuestion {
        split: Split::Train,
        index,
        id: "q".into(),
        question: "?".into(),
        gold: "1".into(),
        images,
    };
    let asked = [question(0, vec![image("/a b.png"), image("/猫.jpg")]), question(1, Vec::new())];
    let mut journal = Journal::create(&home, "s").unwrap();
    journal.begin(&started(0.1, 0.2), &asked, &[]).unwrap();
    let answers = [answer(0.5)];
    let fine = Event::Stopped { reason: "x".into() };
    journal.append_with(&fine, None, 0, &[(Split::Train, &answers)]).unwrap();
    let reader = journal.reader();
    assert_eq!(reader.questions().unwrap(), asked);
    assert_eq!(reader.question(Split::Train, 0).unwrap().as_ref(), Some(&asked[0]));
    assert_eq!(reader.answers(0, Split::Train).unwrap()[0].images, asked[0].images);
    let path = home.session("s").unwrap().join("journal.db");
    drop(journal);
    let db = Connection::open(path).unwrap();
    db.execute("ALTER TABLE questions DROP COLUMN images", []).unwrap();
    let reader = Reader::open(&home, "s").unwrap();
    assert!(reader.questions().unwrap().iter().all(|q| q.images.is_empty()));
    assert_eq!(reader.answers(0, Split::Train).unwrap().len(), 1);
}

/// Journals of earlier versions may hold a number that was not finite.
#[test]
fn what_comes_before_an_illegible_event_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    let mut journal = Journal::create(&home, "s").unwrap();
    for _ in 0..3 {
        journal.append(&started(0.1, 0.2), None).unwrap();
    }
    drop(journal);
    let db = Connection::open(home.session("s").unwrap().join("journal.db")).unwrap();
    db.execute("UPDATE events SET body = replace(body, '0.1', 'null') WHERE seq = 3", []).unwrap();
    let reader = Reader::open(&home, "s").unwrap();
    let (records, lost) = reader.legible(1).unwrap();
    let lost = lost.unwrap();
    assert_eq!((records.len(), lost.kind), (2, TroubleKind::Damaged));
    for words in ["event 3 cannot be read", "may not have been finite", "2 events from number 1"] {
        assert!(lost.what.contains(words), "{words}: {lost}");
    }
    assert_eq!(reader.legible_state().unwrap().0.seq, 2);
    assert!(reader.state().is_err() && reader.records(3).is_err());
    assert!(reader.state().unwrap_err().is::<Trouble>());
    let row = crate::session::home::session_list::rows(&home).unwrap().remove(0);
    assert_eq!(row.problem.map(|p| p.kind), Some(TroubleKind::Damaged));
}

/// Earlier journals have `p_ja` where today's have `p_language`. Both names are read; the new one is written.
#[test]
fn either_name_of_a_language_figure_is_read() {
    let body = |more: &str| -> StoredAnswer {
        let text = format!(
            "{{\"text\":\"1\",\"number\":\"1\",\"correct\":true,\"language\":\"fr\",\"tokens\":1,{more}\
             \"in_language\":true}}"
        );
        serde_json::from_str(&text).unwrap()
    };
    let both = body("\"p_ja\":0.0,\"p_language\":0.75,");
    assert_eq!(both.p_language, LanguageProbability::Other(0.75));
    assert_eq!(both.in_language, Some(true));
    assert_eq!(body("\"p_ja\":0.5,").p_language, LanguageProbability::Japanese(0.5));
    assert!(serde_json::to_string(&both).unwrap().contains("\"p_language\":0.75"));
    let score = Score { fitness: 1.0, acc: 1.0, acc_in_language: 0.5, in_language: 0.25, n: 4 };
    let text = serde_json::to_string(&score).unwrap();
    assert!(text.contains("\"acc_ja\":0.5") && text.contains("\"japanese\":0.25"), "{text}");
    let renamed = text.replace("acc_ja", "acc_in_language").replace("japanese", "in_language");
    assert_eq!(serde_json::from_str::<Score>(&renamed).unwrap(), score);
}
