//! Values as lines of JSON, for sockets and the worker's pipes. A value that the other side could not read is refused:
//! JSON writes a number that is not finite as `null`, which the reader would reject, closing the connection. Clients,
//! engine and worker call it.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a value can't be sent.
#[derive(Debug, thiserror::Error)]
#[error("it holds a number that is not finite, which can't be sent ({0})")]
pub struct Unsayable(String);

/// Encodes a value as a line with its newline.
///
/// # Errors
/// The other side could not read the value.
pub fn encode<T: Serialize + DeserializeOwned>(value: &T) -> Result<Vec<u8>, Unsayable> {
    let mut line = serde_json::to_vec(value).map_err(|e| Unsayable(e.to_string()))?;
    // Only a line with a `null` can contain such a number.
    if line.windows(4).any(|w| w == b"null") {
        serde_json::from_slice::<T>(&line).map_err(|e| Unsayable(e.to_string()))?;
    }
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checkpoint::{Fit, ModelSummary};
    use crate::merge::{Distances, Pair};
    use crate::recipe::{Method, Param, Recipe, Source, Values};
    use crate::session::protocol::{
        Answer, Answers, Candidate, Command, Cost, Detail, Event, Gene, ImageRef, Live, Message, Off, Origin,
        Outcome, Record, Reply, Request, Score, SessionRow, Split, SplitScore, Status, Target, TaskScore,
        WatchedQuestion,
    };
    use crate::task::LanguageProbability;

    /// A list of numbers, taken in turn for the number fields of a message.
    struct Numbers(Vec<f64>, usize);

    impl Numbers {
        fn next(&mut self) -> f64 {
            self.1 += 1;
            self.0[self.1 % self.0.len()]
        }

        fn score(&mut self) -> Score {
            let n = self.1 as u64;
            Score {
                fitness: self.next(),
                acc: self.next(),
                acc_in_language: self.next(),
                in_language: self.next(),
                n,
            }
        }

        fn tasks(&mut self) -> Vec<TaskScore> {
            let metrics = [("rouge".to_owned(), self.next())].into();
            vec![TaskScore { task: "t".to_owned(), score: self.score(), metrics }]
        }

        fn recipe(&mut self) -> Box<Recipe> {
            let weights = Values::from_slice(&[self.next(), self.next(), self.next()]);
            let source = Source::new("zoo:ja").with(Param::Weight, weights);
            let mut recipe = Recipe::new(Method::TaskArithmetic, Some("zoo:base"));
            recipe.parameters.set(Param::Lambda, Values::All(self.next()));
            recipe.sources = vec![source];
            Box::new(recipe)
        }

        fn candidate(&mut self) -> Candidate {
            Candidate {
                id: 3,
                label: "g1 #1\u{1b}".to_owned(),
                origin: Origin::Search,
                genome: vec![self.next(), self.next()],
                target: Target::Recipe(self.recipe()),
            }
        }

        fn answers(&mut self) -> Answers {
            let answer = Answer {
                index: 0,
                id: "a".to_owned(),
                question: "質問\n".to_owned(),
                images: Vec::new(),
                gold: "4".to_owned(),
                text: "null".to_owned(),
                number: None,
                correct: false,
                language: "ja".to_owned(),
                p_language: LanguageProbability::Japanese(self.next()),
                tokens: 1,
                lenient_correct: None,
                in_language: None,
                detail: Detail::default(),
            };
            Answers { label: String::new(), score: self.score(), answers: vec![answer] }
        }

        fn replies(&mut self) -> Vec<Reply> {
            let model = ModelSummary {
                reference: "m".to_owned(),
                family: "llama".to_owned(),
                layers: 1,
                hidden: 1,
                heads: 1,
                kv_heads: 1,
                vocab: 1,
                parameters: 1,
                bytes: 1,
                dtype: "bf16".to_owned(),
                tied: false,
                chat_template: false,
                about: String::new(),
                vision: None,
                fit: Fit::Fits,
            };
            let distances = Distances {
                base: "b".to_owned(),
                sources: vec!["m".to_owned()],
                layers: 1,
                norms: vec![vec![self.next()]],
                cosines: vec![Pair { first: 0, second: 0, cosines: vec![self.next()] }],
                left_out: 0,
                not_finite: vec![1],
                base_not_finite: 0,
            };
            let row = SessionRow {
                name: "s".to_owned(),
                status: Status::Running,
                evaluations: 1,
                budget: 2,
                generation: 1,
                best_train: Some(self.next()),
                best_test: None,
                updated_ms: 1,
                interrupted: false,
                problem: None,
            };
            let image = ImageRef { path: "/p.png".to_owned(), width: 2, height: 1 };
            let (question, gold) = ("q".to_owned(), "g".to_owned());
            let question = WatchedQuestion { index: 0, question, gold, images: vec![image] };
            vec![
                Reply::Done,
                Reply::Hello { version: 1, pid: 1, device: "cpu".to_owned() },
                Reply::Models(vec![model]),
                Reply::Distances(distances),
                Reply::Questions(vec![question]),
                Reply::Sessions(vec![row]),
                Reply::Started { session: "s".to_owned() },
                Reply::Answers(self.answers()),
                Reply::Superseded,
                Reply::Error("why".to_owned()),
            ]
        }

        fn lives(&mut self) -> Vec<Live> {
            let text = || "null".to_owned();
            vec![
                Live::Token { candidate: 1, question: 2, text: text() },
                Live::Watching { questions: Vec::new() },
                Live::Progress { candidate: 1, done: 1, of: 2 },
                Live::TryToken { request: 1, question: 1, text: text() },
                Live::Rate {
                    candidates_per_hour: self.next(),
                    tokens_per_second: self.next(),
                    eta_s: Some(self.next()),
                    memory_bytes: 0,
                    device: text(),
                },
                Live::Runs { pid: 1 },
                Live::Halted { reason: text(), killed: true },
                Live::LetGo { reason: text() },
                Live::Log { level: text(), text: text(), at_ms: 1 },
            ]
        }

        fn events(&mut self) -> Vec<Event> {
            let gene = Gene { name: "g".to_owned(), low: self.next(), high: self.next() };
            let off = Off { candidates: 1, mean: self.next(), most: self.next() };
            let split = SplitScore { split: Split::Train, score: self.score(), tasks: self.tasks() };
            let candidate = self.candidate();
            vec![
                Event::Baseline {
                    candidate: candidate.clone(),
                    scores: vec![split],
                    failed: None,
                    values: vec![self.next()],
                },
                Event::GenerationStarted {
                    generation: 1,
                    sigma: self.next(),
                    mean: vec![self.next()],
                    candidates: vec![candidate.clone()],
                },
                Event::StageStarted {
                    stage: 2,
                    name: "two".to_owned(),
                    genes: vec![gene],
                    winner: None,
                    recipe: Some(self.recipe()),
                },
                Event::Evaluated {
                    id: 1,
                    generation: 1,
                    outcome: Outcome::Scored(self.score()),
                    tasks: self.tasks(),
                    stopped: false,
                },
                Event::Block { id: 1, score: self.score(), values: vec![self.next()] },
                Event::Estimated { generation: 1, estimates: vec![(1, self.next())], off: Some(off) },
                Event::Injected { candidate },
                Event::GenerationFinished {
                    generation: 1,
                    best: 1,
                    best_fitness: self.next(),
                    mean_fitness: self.next(),
                    std_fitness: self.next(),
                    evaluations: 1,
                    front: Vec::new(),
                },
                Event::HeldOut { id: 1, score: self.score(), tasks: self.tasks() },
                Event::Paused,
                Event::Finished {
                    reason: "done".to_owned(),
                    best: 1,
                    train: self.score(),
                    test: self.score(),
                    mean: None,
                    evaluations: 1,
                    recipe: self.recipe(),
                },
            ]
        }

        fn messages(&mut self) -> Vec<Message> {
            let session = "s".to_owned();
            let mut out: Vec<Message> =
                self.replies().into_iter().map(|reply| Message::Reply { id: 7, reply }).collect();
            for live in self.lives() {
                out.push(Message::Live { session: None, live: live.clone() });
                out.push(Message::Live { session: Some(session.clone()), live });
            }
            for event in self.events() {
                let seconds = self.next();
                let cost = Cost { merge_s: seconds, ..Cost::default() };
                let record = Record { seq: 1, at_ms: 2, cost: Some(cost), event };
                out.push(Message::Event { session: session.clone(), record });
            }
            out.push(Message::Boundary { session, next: 2 });
            out
        }

        fn requests(&mut self) -> Vec<Request> {
            let session = || "s".to_owned();
            let commands = [
                Command::Inject { session: session(), recipe: self.recipe() },
                Command::Try {
                    target: Target::Recipe(self.recipe()),
                    task: "zoo".to_owned(),
                    split: Split::Train,
                    questions: vec![0],
                },
                Command::Model { reference: "m".to_owned(), base: None, here: true },
                Command::Start { config: "null".to_owned(), name: None },
            ];
            commands.into_iter().zip(1..).map(|(command, id)| Request { id, command }).collect()
        }
    }

    /// Every value is either read back unchanged or refused, and refused only for a number that is not finite.
    fn survives<T>(values: Vec<T>, finite: bool)
    where
        T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        for value in values {
            match encode(&value) {
                Ok(line) => {
                    assert_eq!(line.split(|b| *b == b'\n').count(), 2, "{value:?}");
                    let read: T = serde_json::from_slice(&line).expect("what is sent can be read");
                    assert!(!finite || read == value, "{value:?} became {read:?}");
                }
                Err(why) => assert!(!finite, "{value:?}: {why}"),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_message_survives(numbers in prop::collection::vec(prop::num::f64::ANY, 1..40)) {
            let finite = numbers.iter().all(|n| n.is_finite());
            let mut numbers = Numbers(numbers, 0);
            survives(numbers.messages(), finite);
            survives(numbers.requests(), finite);
        }

        #[test]
        fn finite_numbers_survive_to_the_last_bit(
            numbers in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL, 1..40)
        ) {
            let mut numbers = Numbers(numbers, 0);
            survives(numbers.messages(), true);
            survives(numbers.requests(), true);
        }
    }

    #[test]
    fn what_is_not_finite_is_named() {
        let mut numbers = Numbers(vec![f64::NAN], 0);
        let message = Message::Reply { id: 1, reply: Reply::Answers(numbers.answers()) };
        let why = encode(&message).unwrap_err().to_string();
        assert!(why.contains("not finite"), "{why}");
    }
}
