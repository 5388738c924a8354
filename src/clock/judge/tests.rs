use super::*;
use proptest::prelude::*;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// A true time, some seconds after the start.
fn truth(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn mono(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap())
}

/// A machine whose clock is ahead of the truth by this much at its start.
struct Machine {
    judge: Judge,
    ahead_s: i64,
}

impl Machine {
    fn ahead_by(ahead_s: i64) -> Machine {
        Machine { judge: Judge::new(truth(ahead_s), mono(0)), ahead_s }
    }

    /// How far the time in use is ahead of the truth.
    fn error_at(&mut self, seconds: i64) -> i64 {
        let used = self.judge.now(truth(seconds + self.ahead_s), mono(seconds));
        used.duration_since(truth(seconds)).as_secs()
    }

    /// A host reports a time that is ahead of the truth by this much.
    fn hears(&mut self, host: &str, seconds: i64, ahead_s: i64) {
        self.error_at(seconds);
        self.judge.hear(host, truth(seconds + ahead_s), mono(seconds));
    }
}

#[test]
fn a_correct_clock_is_followed_at_once_and_confirmed_by_the_first_date() {
    let mut machine = Machine::ahead_by(0);
    assert_eq!((machine.error_at(1), machine.judge.trust()), (0, Trust::Unconfirmed));
    machine.hears("pay", 2, 1);
    assert_eq!((machine.error_at(3), machine.judge.trust()), (0, Trust::Confirmed));
    assert_eq!(machine.judge.wall_error(), None);
    assert_eq!(machine.judge.take_events(), []);
}

#[test]
fn a_confirmed_time_continues_when_the_machines_clock_jumps() {
    for by in [9 * HOUR, -9 * HOUR, 3 * DAY, 400 * DAY, -730 * DAY] {
        let mut machine = Machine::ahead_by(0);
        machine.hears("pay", 2, 0);
        machine.ahead_s = by;
        assert_eq!(machine.error_at(60), 0, "{by}");
        assert_eq!(machine.judge.wall_error(), Some(SignedDuration::from_secs(by)));
        assert_eq!(machine.judge.take_events(), [Break::Jumped { by: SignedDuration::from_secs(by) }]);
        machine.hears("pay", 70, 0);
        assert_eq!((machine.error_at(70), machine.judge.trust()), (0, Trust::Confirmed), "{by}");
        machine.ahead_s = 0;
        assert_eq!((machine.error_at(120), machine.judge.wall_error()), (0, None), "{by}");
    }
}

#[test]
fn a_jump_that_a_host_agrees_with_is_followed() {
    // The machine slept: monotonic time stood still, so the truth jumps as the machine's clock does.
    let mut machine = Machine::ahead_by(0);
    machine.hears("pay", 2, 0);
    machine.ahead_s = 5 * HOUR;
    assert_eq!(machine.error_at(10), 0);
    machine.hears("pay", 11, 5 * HOUR);
    assert_eq!((machine.error_at(12), machine.judge.trust()), (5 * HOUR, Trust::Confirmed));
    assert!(machine.judge.take_events().contains(&Break::Moved { by: SignedDuration::from_hours(5) }));
}

#[test]
fn one_absurd_date_moves_nothing() {
    for absurd in [-20 * 365 * DAY, -DAY, -HOUR, HOUR, DAY, 400 * DAY, 70 * 365 * DAY] {
        let mut fresh = Machine::ahead_by(0);
        fresh.hears("pay", 1, absurd);
        assert_eq!((fresh.error_at(2), fresh.judge.trust()), (0, Trust::Unconfirmed), "{absurd}");
        let mut confirmed = Machine::ahead_by(0);
        confirmed.hears("pay", 1, 0);
        // A single host may even insist.
        for second in 2..200 {
            confirmed.hears("pay", second, absurd);
        }
        assert_eq!((confirmed.error_at(200), confirmed.judge.trust()), (0, Trust::Confirmed), "{absurd}");
    }
}

#[test]
fn one_host_that_insists_outweighs_a_clock_that_nobody_confirmed() {
    for ahead in [9 * HOUR, 400 * DAY, -2 * 365 * DAY] {
        let mut machine = Machine::ahead_by(ahead);
        machine.hears("pay", 1, 0);
        assert!(machine.judge.is_doubted(mono(1)));
        machine.hears("pay", 2, 0);
        machine.hears("pay", 3, 0);
        assert_eq!(machine.error_at(3), ahead, "three at once may come from one broken cache");
        machine.hears("pay", 22, 0);
        assert_eq!((machine.error_at(23), machine.judge.trust()), (0, Trust::Confirmed));
        assert!(!machine.judge.is_doubted(mono(23)));
        assert_eq!(machine.judge.wall_error(), Some(SignedDuration::from_secs(ahead)));
    }
}

#[test]
fn a_host_whose_dates_stand_still_is_not_believed() {
    let mut machine = Machine::ahead_by(0);
    let cached = truth(-5 * HOUR);
    for second in (0..2 * HOUR).step_by(15) {
        machine.error_at(second);
        machine.judge.hear("cache", cached, mono(second));
    }
    assert_eq!(machine.error_at(2 * HOUR), 0);
    assert!(!machine.judge.is_doubted(mono(2 * HOUR)), "doubt does not last");
}

#[test]
fn two_hosts_outweigh_everything() {
    let mut machine = Machine::ahead_by(0);
    machine.hears("pay", 1, 0);
    // A paused machine: both of its clocks stood still.
    machine.hears("pay", 2, 3 * HOUR);
    assert_eq!(machine.error_at(3), 0);
    machine.hears("chat", 4, 3 * HOUR);
    assert_eq!(machine.error_at(5), 3 * HOUR);
    assert_eq!(machine.judge.wall_error(), Some(SignedDuration::from_hours(-3)));
    let mut apart = Machine::ahead_by(9 * HOUR);
    apart.hears("pay", 1, 0);
    apart.hears("chat", 2, 5 * HOUR);
    assert_eq!(apart.error_at(3), 9 * HOUR, "two hosts that do not agree");
}

#[test]
fn without_any_dates_a_clock_that_runs_for_hours_is_settled() {
    let mut machine = Machine::ahead_by(0);
    machine.error_at(3 * HOUR - 1);
    assert_eq!(machine.judge.trust(), Trust::Unconfirmed);
    machine.error_at(3 * HOUR);
    assert_eq!(machine.judge.trust(), Trust::Settled);
    // A jump restarts the wait, and is followed.
    machine.ahead_s = -9 * HOUR;
    assert_eq!((machine.error_at(4 * HOUR), machine.judge.trust()), (-9 * HOUR, Trust::Unconfirmed));
    machine.error_at(7 * HOUR);
    assert_eq!(machine.judge.trust(), Trust::Settled);
}

#[test]
fn a_clock_set_by_hand_on_a_machine_without_a_network_is_trusted_after_hours() {
    let mut machine = Machine::ahead_by(0);
    machine.hears("pay", 1, 0);
    machine.ahead_s = 2 * HOUR;
    assert_eq!(machine.error_at(HOUR), 0);
    assert_eq!((machine.error_at(5 * HOUR), machine.judge.trust()), (2 * HOUR, Trust::Settled));
}

#[test]
fn a_host_with_useless_dates_does_not_keep_days_open_permanently() {
    let mut machine = Machine::ahead_by(0);
    for minute in 0..24 * 60 {
        machine.hears("broken", minute * 60, (minute % 7) * DAY + HOUR);
    }
    assert_eq!(machine.judge.trust(), Trust::Unconfirmed);
    assert_eq!((machine.error_at(DAY), machine.judge.trust()), (0, Trust::Settled));
}

#[test]
fn a_clock_without_battery_is_not_followed_behind_the_time_confirmed_before() {
    let mut machine = Machine::ahead_by(-20 * 365 * DAY);
    machine.judge.was_confirmed(truth(-600), mono(0));
    assert_eq!(machine.error_at(10), -600);
    machine.hears("pay", 11, 0);
    machine.hears("chat", 12, 0);
    assert_eq!(machine.error_at(13), 0);
}

#[test]
fn a_wrong_confirmation_before_the_start_yields_to_the_first_date_that_agrees_with_the_clock() {
    let mut machine = Machine::ahead_by(0);
    machine.judge.was_confirmed(truth(400 * DAY), mono(0));
    assert_eq!(machine.error_at(1), 400 * DAY);
    machine.hears("pay", 2, 0);
    assert_eq!((machine.error_at(3), machine.judge.wall_error()), (0, None));
}

#[test]
fn small_corrections_are_followed_silently() {
    let mut machine = Machine::ahead_by(0);
    machine.hears("pay", 1, 0);
    for (second, ahead) in [(10, 30), (20, 90), (30, 20), (40, -60)] {
        machine.ahead_s = ahead;
        assert_eq!(machine.error_at(second), ahead);
    }
    assert_eq!(machine.judge.take_events(), []);
}

proptest! {
    #[test]
    fn correct_dates_keep_a_confirmed_time_right_whatever_the_machines_clock_does(
        jumps in proptest::collection::vec((1i64..7200, -800 * DAY..800 * DAY), 0..20),
    ) {
        let mut machine = Machine::ahead_by(0);
        machine.hears("pay", 1, 0);
        let mut second = 1;
        for (after, ahead) in jumps {
            second += after;
            machine.ahead_s = ahead;
            prop_assert!(machine.error_at(second).abs() <= 120);
            machine.hears("pay", second + 1, 0);
            prop_assert!(machine.error_at(second + 1).abs() <= 120);
            second += 1;
        }
    }

    #[test]
    fn nothing_panics_at_the_ends_of_time(
        wall in any::<i64>(), dates in proptest::collection::vec((any::<i64>(), any::<u32>()), 0..9),
    ) {
        let moment = |second: i64| Timestamp::from_second(second % 200_000_000_000).unwrap_or(Timestamp::MAX);
        let mut judge = Judge::new(moment(wall), Duration::ZERO);
        for (date, at) in dates {
            let at = Duration::from_secs(at.into());
            judge.now(moment(date), at);
            judge.hear("host", moment(date.rotate_left(7)), at);
        }
    }
}
