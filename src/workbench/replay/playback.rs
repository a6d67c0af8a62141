//! Plays a session's records. Recorded time runs at a chosen speed, and each record is sent at its time as an engine
//! would send it. Requests are answered from the records. `replay/mod.rs` starts it on its thread.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::PlaybackState;
use super::source::ReplaySource;
use crate::session::protocol::{
    CandidateId, Command, Event, Live, Message, Record, Reply, Request, Split, Target, WatchedQuestion,
};
use crate::workbench::action::ReplayAction;
use crate::workbench::event::AppEvent;
use crate::workbench::messages;

/// Longest pause that is played, in seconds. Longer pauses in the record are shortened to it.
const LONGEST_GAP: f64 = 5.0;
/// Number of pieces in which a recorded answer is streamed.
const PIECES: usize = 4;
/// The greatest number of beats sent before requests are read again.
const BURST: usize = 512;
/// Number of evaluations over which rates are averaged.
const RATE_OVER: usize = 16;
const SLOWEST: f64 = 1.0 / 16.0;
const FASTEST: f64 = 65_536.0;

/// A message to the playback.
pub enum Input {
    Request(Request),
    Control(ReplayAction),
}

/// Something to send at a recorded time.
struct Beat {
    /// Seconds since the first event.
    at: f64,
    what: What,
}

enum What {
    /// The record at this index.
    Event(usize),
    /// A piece of a candidate's answers to the watched questions.
    Piece { candidate: CandidateId, number: usize },
}

/// A replay in progress.
pub struct Playback {
    source: ReplaySource,
    beats: Vec<Beat>,
    /// Index of the beat that is sent next.
    next: usize,
    /// Recorded seconds played so far.
    now: f64,
    speed: f64,
    paused: bool,
    /// The workbench has subscribed. No time passes before that.
    watched: bool,
    /// Sequence number of the last event sent.
    seq: u64,
    /// Number of evaluations sent.
    evaluated: u64,
    /// The answers that are being written.
    writing: Option<(CandidateId, Vec<(usize, String)>)>,
    events: Sender<AppEvent>,
}

impl Playback {
    pub fn new(source: ReplaySource, speed: f64, events: Sender<AppEvent>) -> Self {
        let beats = beats(&source.records);
        Self {
            source,
            beats,
            next: 0,
            now: 0.0,
            speed: speed.clamp(SLOWEST, FASTEST),
            paused: false,
            watched: false,
            seq: 0,
            evaluated: 0,
            writing: None,
            events,
        }
    }

    /// Plays until the receiver of events or the sender of requests is dropped.
    pub fn run(mut self, inbox: &Receiver<Input>) {
        let mut clock = Instant::now();
        if !self.tell_standing() {
            return;
        }
        loop {
            let going = self.watched && !self.paused;
            let input = match self.beats.get(self.next).filter(|_| going) {
                Some(beat) => {
                    let wait = ((beat.at - self.now) / self.speed).clamp(0.0, 3600.0);
                    match inbox.recv_timeout(Duration::from_secs_f64(wait)) {
                        Ok(input) => Some(input),
                        Err(RecvTimeoutError::Timeout) => None,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
                None => match inbox.recv() {
                    Ok(input) => Some(input),
                    Err(_) => return,
                },
            };
            if going {
                self.now += clock.elapsed().as_secs_f64() * self.speed;
            }
            clock = Instant::now();
            if going && !self.play() {
                return;
            }
            let alive = match input {
                Some(Input::Request(request)) => self.answer(request),
                Some(Input::Control(control)) => self.control(control),
                None => true,
            };
            if !alive {
                return;
            }
        }
    }

    /// Sends the beats that are due. Returns false if the event loop has ended.
    fn play(&mut self) -> bool {
        for _ in 0..BURST {
            match self.beats.get(self.next) {
                Some(beat) if beat.at <= self.now => {
                    if !self.beat() {
                        return false;
                    }
                }
                _ => return true,
            }
        }
        true
    }

    /// Sends the next beat. Returns false if the event loop has ended.
    fn beat(&mut self) -> bool {
        let Some(beat) = self.beats.get(self.next) else { return true };
        self.next += 1;
        match beat.what {
            What::Event(index) => {
                let record = self.source.records[index].clone();
                let evaluated = matches!(record.event, Event::Evaluated { .. });
                self.evaluated += u64::from(evaluated);
                let rate = if evaluated { self.rate(index) } else { None };
                self.seq = record.seq;
                let session = self.source.name().to_owned();
                self.send(Message::Event { session, record }) && rate.is_none_or(|rate| self.live(rate))
            }
            What::Piece { candidate, number } => self.piece(candidate, number),
        }
    }

    fn send(&self, message: Message) -> bool {
        self.events.send(AppEvent::Engine(Box::new(message))).is_ok()
    }

    fn live(&self, live: Live) -> bool {
        self.send(Message::Live { session: Some(self.source.name().to_owned()), live })
    }

    fn tell_standing(&self) -> bool {
        let of = self.source.records.last().map_or(0, |r| r.seq);
        self.events
            .send(AppEvent::Replay(PlaybackState { speed: self.speed, paused: self.paused, of }))
            .is_ok()
    }

    fn control(&mut self, control: ReplayAction) -> bool {
        match control {
            ReplayAction::Pause => self.paused = !self.paused,
            ReplayAction::Faster => self.speed = (self.speed * 2.0).min(FASTEST),
            ReplayAction::Slower => self.speed = (self.speed / 2.0).max(SLOWEST),
            ReplayAction::Step => {
                self.paused = true;
                while let Some(beat) = self.beats.get(self.next) {
                    let event = matches!(beat.what, What::Event(_));
                    self.now = self.now.max(beat.at);
                    if !self.beat() {
                        return false;
                    }
                    if event {
                        break;
                    }
                }
            }
        }
        self.tell_standing()
    }

    /// Answers a request from the records. Requests that would change something are refused.
    fn answer(&mut self, Request { id, command }: Request) -> bool {
        let reply = match command {
            Command::Models { .. } => Reply::Models(self.source.models()),
            Command::Sessions => Reply::Sessions(vec![self.source.state.row()]),
            Command::Subscribe { since, .. } => return self.subscribe(id, since),
            Command::Answers { candidate, split, .. } => {
                self.source.answers(candidate, split).map_or_else(Reply::Error, Reply::Answers)
            }
            Command::Try { target: Target::Recipe(recipe), split: Split::Train, questions, .. } => {
                match self.source.tried(&recipe, &questions) {
                    Some(answers) => Reply::Answers(answers),
                    None => Reply::Error(messages::replay_untried().to_owned()),
                }
            }
            Command::Unsubscribe { .. } | Command::Hello { .. } => Reply::Done,
            _ => Reply::Error(messages::replay_only().to_owned()),
        };
        self.send(Message::Reply { id, reply })
    }

    /// Sends the events played so far and the boundary, and starts the replay's clock.
    fn subscribe(&mut self, id: u64, since: u64) -> bool {
        let session = self.source.name().to_owned();
        if self.next == 0 && !self.beat() {
            return false;
        }
        let past: Vec<Record> =
            self.source.records.iter().filter(|r| r.seq >= since && r.seq <= self.seq).cloned().collect();
        for record in past {
            if !self.send(Message::Event { session: session.clone(), record }) {
                return false;
            }
        }
        let questions = self.source.watched().into_iter().filter_map(|index| {
            let answer = self.source.question(index)?;
            let (question, gold, images) = (answer.question, answer.gold, answer.images);
            Some(WatchedQuestion { index, question, gold, images })
        });
        let questions = questions.collect();
        self.watched = true;
        self.send(Message::Reply { id, reply: Reply::Done })
            && self.send(Message::Boundary { session, next: self.seq + 1 })
            && self.live(Live::Watching { questions })
    }

    /// Sends a piece of each watched answer of a candidate.
    fn piece(&mut self, candidate: CandidateId, number: usize) -> bool {
        if self.writing.as_ref().is_none_or(|(id, _)| *id != candidate) {
            let watched = self.source.watched();
            let answers = self.source.answers(candidate, Split::Train).map(|a| a.answers).unwrap_or_default();
            let texts = answers.into_iter().filter(|a| watched.contains(&a.index));
            self.writing = Some((candidate, texts.map(|a| (a.index, a.text)).collect()));
        }
        let Some((_, texts)) = &self.writing else { return true };
        texts.iter().all(|(question, text)| {
            let letters = text.chars().count();
            let (from, to) = (letters * number / PIECES, letters * (number + 1) / PIECES);
            let text = text.chars().skip(from).take(to - from).collect();
            self.live(Live::Token { candidate, question: *question, text })
        })
    }

    /// Rates averaged over the last evaluations up to the record at `index`.
    fn rate(&self, index: usize) -> Option<Live> {
        let before = self.source.records[..=index].iter().rev();
        let last: Vec<&Record> =
            before.filter(|r| matches!(r.event, Event::Evaluated { .. })).take(RATE_OVER).collect();
        let (newest, oldest) = (last.first()?, last.last()?);
        let seconds = newest.at_ms.saturating_sub(oldest.at_ms) as f64 / 1000.0;
        if last.len() < 2 || seconds <= 0.0 {
            return None;
        }
        let per_second = (last.len() - 1) as f64 / seconds;
        let tokens: u64 = last[..last.len() - 1].iter().filter_map(|r| r.cost).map(|c| c.tokens).sum();
        // The replay ends with the record, whatever the session's budget was.
        let left = self.source.state.evaluations.saturating_sub(self.evaluated) as f64;
        Some(Live::Rate {
            candidates_per_hour: per_second * 3600.0,
            tokens_per_second: tokens as f64 / seconds,
            eta_s: Some(left / per_second),
            memory_bytes: 0,
            device: self.source.device(),
        })
    }
}

/// All beats of a replay, in order.
fn beats(records: &[Record]) -> Vec<Beat> {
    let mut out = Vec::with_capacity(records.len());
    let mut at = 0.0;
    let mut before = records.first().map_or(0, |r| r.at_ms);
    for (index, record) in records.iter().enumerate() {
        let gap = (record.at_ms.saturating_sub(before) as f64 / 1000.0).min(LONGEST_GAP);
        if let Event::Evaluated { id, .. } = record.event {
            let piece = |number| Beat {
                at: at + gap * number as f64 / PIECES as f64,
                what: What::Piece { candidate: id, number },
            };
            out.extend((0..PIECES).map(piece));
        }
        at += gap;
        before = record.at_ms;
        out.push(Beat { at, what: What::Event(index) });
    }
    out
}
