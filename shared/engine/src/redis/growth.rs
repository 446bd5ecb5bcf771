//! News of a log's growth: what lets its owner read at once instead of asking again and again.
//!
//! Only a hint. It may be lost, so nobody waits for it longer than [`ASK_EVERY`]; and it may be of a log that is no
//! more, so each hint ends one wait only.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::super::Position;

/// A log is looked at so often, whatever is heard of it.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// Who has not asked for so long waits no more.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// What was heard of one log.
#[derive(Debug)]
pub(super) struct Growth {
    heard: Mutex<Heard>,
    news: Notify,
}

#[derive(Debug)]
struct Heard {
    head: u64,
    /// A wait after this position was ended by this head already.
    answered: Option<u64>,
    asked: Instant,
}

impl Growth {
    pub(super) fn new() -> Self {
        let heard = Heard { head: 0, answered: None, asked: Instant::now() };
        Self { heard: Mutex::new(heard), news: Notify::new() }
    }

    /// Takes the news that the log's newest entry is this one.
    pub(super) fn hear(&self, head: u64) {
        let mut heard = self.heard.lock().expect("nobody panics while listening");
        (heard.head, heard.answered) = (head, None);
        drop(heard);
        self.news.notify_waiters();
    }

    /// Ends all waits: something may not have been heard.
    pub(super) fn wake(&self) {
        self.news.notify_waiters();
    }

    pub(super) fn is_forgotten(&self) -> bool {
        self.heard.lock().expect("nobody panics while listening").asked.elapsed() > FORGOTTEN
    }

    /// Returns when there may be something after a position.
    pub(super) async fn wait(&self, after: Position, patience: Duration) {
        let news = self.news.notified();
        tokio::pin!(news);
        // From here on nothing is missed.
        news.as_mut().enable();
        {
            let mut heard = self.heard.lock().expect("nobody panics while listening");
            heard.asked = Instant::now();
            if heard.head > after.0 && heard.answered != Some(after.0) {
                heard.answered = Some(after.0);
                return;
            }
        }
        // Nothing heard is no reason to wait longer, and no error.
        let _ = tokio::time::timeout(patience.min(ASK_EVERY), news).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_hint_ends_one_wait_and_only_where_it_is_news() {
        let growth = Growth::new();
        let begin = Instant::now();
        for head in 1..=100 {
            growth.hear(head);
            growth.wait(Position(head - 1), LONG).await;
        }
        assert!(begin.elapsed() < ASK_EVERY * 50, "hints did not end the waits");
        // The log had nothing after 99 all the same: it was flushed. Asking again must not spin.
        for after in [99, 100] {
            let begin = Instant::now();
            growth.wait(Position(after), LONG).await;
            assert!(begin.elapsed() >= ASK_EVERY, "after {after}");
        }
    }

    #[tokio::test]
    async fn news_end_a_wait_that_has_begun() {
        let growth = Growth::new();
        let both = async {
            for head in 1..=100 {
                tokio::join!(growth.wait(Position(head - 1), LONG), async { growth.hear(head) });
            }
        };
        tokio::time::timeout(ASK_EVERY * 50, both).await.expect("waits end with the news");
    }
}
