//! `reconciled rhythm`

use jiff::SignedDuration;

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit};
use super::options::RhythmArguments;
use super::screen::{Screen, Table, Tone};
use crate::control::messages::{AccountRhythm, RhythmRequest};
use crate::payments::adaptive::Curve;
use crate::text::{count, span};

/// The width of the longest bar.
const BAR: f64 = 24.0;
/// The planned polls that are listed one by one.
const POLLS_SHOWN: usize = 12;

/// Shows what is learnt about the ages at which objects end, and what is planned.
pub(super) async fn rhythm(
    options: &RhythmArguments,
    connection: &Connection,
    screen: &mut Screen<'_>,
) -> Ended {
    let accounts = connection.ask(RhythmRequest { account: options.account.clone() }).await?;
    connection.say(Action::Read, screen)?;
    if options.json {
        accounts.iter().try_for_each(|account| screen.json_line(account))?;
        return Ok(Exit::Ok);
    }
    if accounts.is_empty() {
        screen.line("nothing is polled by learnt ages; see poll.rhythm in the configuration")?;
    }
    for (number, account) in accounts.iter().enumerate() {
        if number > 0 {
            screen.line("")?;
        }
        write(account, screen)?;
    }
    Ok(Exit::Ok)
}

fn write(account: &AccountRhythm, screen: &mut Screen<'_>) -> std::io::Result<()> {
    screen.toned(account.account.as_str(), Tone::Strong)?;
    let overview = &account.overview;
    let spent = overview.ledger.words().unwrap_or_else(|| "no end was found yet".to_owned());
    screen.pair_wrapped("requests", &spent)?;
    screen.pair_wrapped(
        "worth",
        &format!("a request is sent to know an end {} sooner", length(overview.price_s)),
    )?;
    for curve in &overview.curves {
        screen.line("")?;
        let ends = count(curve.ends, "end");
        screen.toned(&format!("{} in {}, learnt from {ends}", curve.kind, curve.state), Tone::Strong)?;
        plot(curve).write_fitting(screen)?;
        let listed: Vec<String> =
            curve.polls_at_s.iter().take(POLLS_SHOWN).map(|at_s| length(*at_s)).collect();
        let more = curve.polls_at_s.len().saturating_sub(POLLS_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        screen.pair_wrapped("planned polls", &format!("at {}{more}", listed.join(", ")))?;
    }
    Ok(())
}

fn plot(curve: &Curve) -> Table {
    let mut table = Table::new(&["age", "ends of 100>", "", "ends/h>", "polls>"]);
    let most = curve.ages.iter().map(|range| range.ends_percent).fold(0.1, f64::max);
    for range in &curve.ages {
        let wide = (range.ends_percent / most * BAR).round();
        let bar: String = (0..24).filter(|place| f64::from(*place) < wide).map(|_| '#').collect();
        let cells = vec![
            format!("{} to {}", span(range.from_s), span(range.to_s)),
            format!("{:.1}", range.ends_percent),
            bar,
            format!("{:.2}", range.hazard_per_h),
            range.polls.to_string(),
        ];
        table.row(cells, Tone::Plain);
    }
    table
}

/// `1m 12s`, `20h 3m`.
fn length(seconds: u64) -> String {
    let whole = if seconds < 3_600 { seconds } else { seconds / 60 * 60 };
    format!("{:#}", SignedDuration::from_secs(i64::try_from(whole).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::super::screen::tests::written;
    use super::*;
    use crate::payments::adaptive::{AgeRange, Ledger, Overview};
    use crate::payments::object::Kind;

    #[test]
    fn the_plot_has_a_bar_for_each_range_of_ages() {
        let range = |from_s, to_s, ends_percent, polls| AgeRange {
            from_s,
            to_s,
            ends_percent,
            hazard_per_h: 1.5,
            polls,
        };
        let curve = Curve {
            kind: Kind::new("charge").unwrap(),
            state: "Pending".to_owned(),
            ends: 690,
            interval_s: 3600,
            ages: vec![range(0, 60, 25.0, 0), range(60, 300, 50.0, 2), range(300, 1200, 0.04, 12)],
            polls_at_s: (1..=14).map(|number| number * 75).collect(),
        };
        let ledger = Ledger { ends: 690, requests: 6900, at_interval: 7245, balance: 12 };
        let overview = Overview { ledger, price_s: 200, curves: vec![curve] };
        let account = AccountRhythm { account: "shop".parse().unwrap(), overview };
        let (out, _) = written(|screen| write(&account, screen).unwrap());
        let expected = "\
shop
requests:        10.0 requests an end, 10.5 at the interval, balance +12
worth:           a request is sent to know an end 3m 20s sooner

charge in Pending, learnt from 690 ends
AGE              ENDS OF 100                            ENDS/H  POLLS
0 s to 1 min            25.0  ############                1.50      0
1 min to 5 min          50.0  ########################    1.50      2
5 min to 20 min          0.0                              1.50     12
planned polls:   at 1m 15s, 2m 30s, 3m 45s, 5m, 6m 15s, 7m 30s, 8m 45s, 10m, 11m
                 15s, 12m 30s, 13m 45s, 15m and 2 more
";
        assert_eq!(out, expected);
    }
}
