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
