//! A judged clock: the machine's, corrected by other hosts' dates and by monotonic time (`judge`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::judge::{Break, Judge, LONGEST_EXCHANGE, Trust};
use super::{Clock, SharedClock, Sleep};

/// What is known about the present time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The time in use.
    pub now: Timestamp,
    /// How far it is trusted.
    pub trust: Trust,
    /// How far the machine's clock is ahead of it (negative: behind), when it is wrong.
    pub machine_is_off_by: Option<SignedDuration>,
    /// When another host's clock last agreed.
    pub confirmed_at: Option<Timestamp>,
}

/// See the module.
#[derive(Debug)]
pub struct JudgedClock {
    machine: SharedClock,
    judge: Mutex<Judge>,
}

impl JudgedClock {
    /// Judges `machine`, from now on.
    pub fn over(machine: SharedClock) -> Arc<JudgedClock> {
        let judge = Judge::new(machine.now(), machine.monotonic());
        Arc::new(JudgedClock { machine, judge: Mutex::new(judge) })
    }

    /// `time` was confirmed before this process started.
    pub fn was_confirmed(&self, time: Timestamp) {
        self.judge().was_confirmed(time, self.machine.monotonic());
    }

    /// The clock of `host` showed `date` in an exchange that began at `began` (monotonic) and ends now.
    pub fn hear(&self, host: &str, date: Timestamp, began: Duration) {
        let mut judge = self.judge();
        let (wall, at) = (self.machine.now(), self.machine.monotonic());
        judge.now(wall, at);
        let took = at.saturating_sub(began);
        if took <= LONGEST_EXCHANGE {
            judge.hear(host, date, at.saturating_sub(took / 2));
        }
    }

    /// What is known about the present time.
    pub fn standing(&self) -> Standing {
        let mut judge = self.judge();
        let (wall, at) = (self.machine.now(), self.machine.monotonic());
        let now = judge.now(wall, at);
        let ago = judge.confirmed_at().map(|confirmed| at.saturating_sub(confirmed));
        Standing {
            now,
            trust: judge.trust(),
            machine_is_off_by: judge.wall_error(),
            confirmed_at: ago.and_then(|ago| now.checked_sub(ago).ok()),
        }
    }

    /// Jumps and corrections since the last call, oldest first. One that nobody has noticed yet is among them.
    pub fn take_breaks(&self) -> Vec<Break> {
        let mut judge = self.judge();
        judge.now(self.machine.now(), self.machine.monotonic());
        judge.take_events()
    }

    fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for JudgedClock {
    fn now(&self) -> Timestamp {
        let mut judge = self.judge();
        let wall = self.machine.now();
        judge.now(wall, self.machine.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.machine.sleep(duration)
    }
    fn block(&self, duration: Duration) {
        self.machine.block(duration);
    }

    fn is_sure(&self) -> bool {
        self.standing().trust != Trust::Unconfirmed
    }

    fn is_doubted(&self) -> bool {
        let at = self.machine.monotonic();
        self.judge().is_doubted(at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::VirtualClock;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_exchange_says_nothing() {
        let machine = VirtualClock::starting_at("2026-11-29T20:00:00Z".parse().unwrap());
        let clock = JudgedClock::over(machine.clone());
        assert!(!clock.is_sure());
        let began = clock.monotonic();
        let date = machine.now();
        machine.sleep(Duration::from_secs(11)).await;
        clock.hear("pay", date, began);
        assert!(!clock.is_sure());
        clock.hear("pay", date, clock.monotonic());
        assert!(clock.is_sure());
        machine.jump(SignedDuration::from_hours(9));
        assert_eq!(clock.now().duration_since(date).as_secs(), 11);
        assert_eq!(clock.standing().machine_is_off_by, Some(SignedDuration::from_hours(9)));
    }
}
