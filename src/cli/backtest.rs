//! `reconciled backtest`

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::backtest_file::read;
use super::backtest_options::{BacktestArguments, WORKLOAD_NAMES};
use super::exit::{Ended, Exit, Failed};
use super::local::config_failed;
use super::screen::{Screen, Table, Tone};
use crate::backtest::{Measured, Quota, Rhythm, Workload, curve, goals, merge, run, span};
use crate::config::{self, Surroundings};
use crate::intake::BadFile;
use crate::text;

/// The maximum number of bad lines reported per file.
const BAD_LINES_TOLD: usize = 50;

/// Tries policies on a history.
pub(super) fn backtest(options: &BacktestArguments, config: &Path, screen: &mut Screen<'_>) -> Ended {
    if options.strict {
        return strict(options, screen);
    }
    let mut quota = Quota::LIVE;
    let mut quotas = std::collections::BTreeMap::new();
    let mut rhythms = Vec::new();
    if let Some(name) = &options.account {
        let config = config::load_without_secrets(config, &Surroundings::of_process())
            .map_err(|error| config_failed(&error))?;
        let account = config.accounts.iter().find(|account| account.name == *name).ok_or_else(|| {
            let known: Vec<&str> = config.accounts.iter().map(|account| account.name.as_str()).collect();
            Failed::new(
                Exit::NoInput,
                format!("the configuration has no account {name}"),
                format!("one of {}", known.join(", ")),
            )
        })?;
        quotas
            .extend(account.api.quotas().into_iter().map(|(operation, quota)| (operation.to_owned(), quota)));
        let about = format!("reconciled as account {name} is configured");
        let policies = account.policies.clone();
        let most = config.polling.max_in_flight_per_kind;
        rhythms.push(Rhythm::ours("configured", &about, Default::default(), policies, most));
    }
    if options.interval.is_some() || !options.early.is_empty() {
        let interval = options.interval.unwrap_or(Duration::from_secs(3600));
        let about = "reconciled with --interval and --early";
        rhythms.push(Rhythm::with_interval("yours", about, interval, options.early.clone()));
    }
    let is_wanted = |rhythm: &Rhythm| options.policy.is_empty() || options.policy.contains(&rhythm.name);
    rhythms.extend(Rhythm::all().into_iter().filter(is_wanted));
    rhythms.extend(Some(Rhythm::all_knowing()).filter(|rhythm| options.policy.contains(&rhythm.name)));
    if let Some(given) = options.quota {
        quota = given;
        quotas.clear();
    }
    let (mut workloads, exit) = if options.files.is_empty() {
        (made_up(options, quota), Exit::Ok)
    } else {
        let (workload, has_bad) = history(options, quota, screen)?;
        (vec![workload], if has_bad { Exit::Data } else { Exit::Ok })
    };
    for workload in &mut workloads {
        workload.quotas.clone_from(&quotas);
        let measured: Vec<Measured> = rhythms.iter().map(|rhythm| run(workload, rhythm)).collect();
        if options.json {
            measured.iter().try_for_each(|measured| screen.json_line(measured))?;
        } else {
            show(workload, &measured, screen)?;
        }
    }
    if !options.json {
        screen.line("The policies:")?;
        for rhythm in &rhythms {
            screen.line(&format!("  {:<13} {}", rhythm.name, rhythm.about))?;
        }
    }
    screen.note(&format!("seed {}; {}", options.seed, quota_words(quota, !quotas.is_empty())))?;
    Ok(exit)
}

fn quota_words(quota: Quota, is_configured: bool) -> String {
    if is_configured {
        return "the server has the quotas of the account".to_owned();
    }
    let grows = quota.per.as_secs_f64();
    format!(
        "for each operation the server accepts {} requests at once, then one every {grows} s",
        quota.burst
    )
}

fn made_up(options: &BacktestArguments, quota: Quota) -> Vec<Workload> {
    let steady = [WORKLOAD_NAMES[0].to_owned()];
    let all: Vec<String> = WORKLOAD_NAMES.iter().map(|name| (*name).to_owned()).collect();
    let names = match (options.all, options.workload.as_slice()) {
        (true, _) => all.as_slice(),
        (false, []) => &steady,
        (false, named) => named,
    };
    names.iter().filter_map(|name| Workload::named(name, quota, options.seed)).collect()
}

/// Measures adaptive polling against its goals.
fn strict(options: &BacktestArguments, screen: &mut Screen<'_>) -> Ended {
    let mut table = Table::new(&[
        "goal",
        "requests>",
        "mean>",
        "median>",
        "p99>",
        "known>",
        "bound>",
        "worst 500>",
        "requests of 500>",
        "met",
    ]);
    let mut is_met = true;
    let ratio = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
    let limited = |got: Option<f64>, most: Option<f64>| match most {
        Some(most) => format!("{} <= {most:.2}", ratio(got)),
        None => ratio(got),
    };
    for reached in goals(options.seed) {
        is_met &= reached.is_met;
        if options.json {
            screen.json_line(&reached)?;
            continue;
        }
        let most = &reached.most;
        let mean = match most.mean_s {
            Some(most_s) => format!("{} s <= {most_s} s", ratio(reached.mean_s)),
            None => limited(reached.mean, most.mean),
        };
        let cells = vec![
            reached.goal.clone(),
            limited(Some(reached.requests), Some(most.requests)),
            mean,
            limited(reached.median, most.median),
            limited(reached.p99, most.p99),
            ratio(reached.mean_if_known),
            ratio(reached.bound),
            limited(Some(reached.block_mean), most.block_mean),
            limited(Some(reached.block_requests), most.block_requests),
            if reached.is_met { "yes" } else { "missed" }.to_owned(),
        ];
        table.row(cells, if reached.is_met { Tone::Plain } else { Tone::Bad });
    }
    let mut points = Table::new(&["policy", "requests/end>", "mean>", "bound>", "over quota>", ""]);
    for point in curve(options.seed) {
        is_met &= !point.is_below;
        if options.json {
            screen.json_line(&point)?;
            continue;
        }
        let minutes = |seconds: f64| format!("{:.1} min", seconds / 60.0);
        let cells = vec![
            point.policy.clone(),
            format!("{:.2}", point.requests),
            point.mean_s.map_or("never".to_owned(), minutes),
            point.bound_s.map_or("-".to_owned(), minutes),
            point.over_quota.to_string(),
            if point.is_below { "below the curve" } else { "" }.to_owned(),
        ];
        points.row(cells, if point.is_below { Tone::Bad } else { Tone::Plain });
    }
    if !options.json {
        screen.toned("Goals, as shares of what hourly polls have on the same past:", Tone::Strong)?;
        table.write(screen, true)?;
        screen.line("")?;
        screen.toned("Requests and mean delays, steady-10-days:", Tone::Strong)?;
        points.write(screen, true)?;
    }
    Ok(if is_met { Exit::Ok } else { Exit::Data })
}

/// The history in the files, and whether any line was bad.
fn history(
    options: &BacktestArguments,
    quota: Quota,
    screen: &mut Screen<'_>,
) -> Result<(Workload, bool), Failed> {
    let mut pasts = Vec::new();
    let mut bad_lines = 0;
    for path in &options.files {
        let told = read(open(path)?, options.format).map_err(|bad| unreadable(path, &bad))?;
        for bad in told.bad.iter().take(BAD_LINES_TOLD) {
            screen.note(&format!("{}:{}: {}", path.display(), bad.line, bad.reason))?;
        }
        if told.bad.len() > BAD_LINES_TOLD {
            screen.note(&format!("{}: and {} more", path.display(), told.bad.len() - BAD_LINES_TOLD))?;
        }
        bad_lines += told.bad.len();
        pasts.extend(told.pasts);
    }
    let (pasts, again) = merge(pasts);
    if bad_lines > 0 || again > 0 {
        screen.note(&format!(
            "{}; {} about the same objects, {} left out{}",
            text::count(pasts.len(), "object"),
            text::count(again, "more line"),
            text::count(bad_lines, "bad line"),
            if bad_lines > 0 {
                ": \"reconciled backtest --help\" shows what a line must contain"
            } else {
                ""
            }
        ))?;
    }
    if pasts.is_empty() {
        let remedy = "each line describes one object; \"reconciled backtest --help\" shows how";
        return Err(Failed::new(Exit::Data, "the history has no object", remedy));
    }
    let files: Vec<String> = options.files.iter().map(|path| path.display().to_string()).collect();
    let name = if let [file] = files.as_slice() { file.clone() } else { text::count(files.len(), "file") };
    let ended = pasts.iter().filter(|past| past.final_at.is_some()).count();
    let about = format!("{}, {ended} of them ended", text::count(pasts.len(), "object"));
    Ok((Workload::of(name, about, pasts, quota, options.seed), bad_lines > 0))
}

fn unreadable(path: &Path, bad: &BadFile) -> Failed {
    let (exit, remedy) = match bad {
        BadFile::Unreadable(_) => (Exit::Disk, ""),
        BadFile::Senseless { .. } => (Exit::Data, "\"reconciled backtest --help\" shows the expected header"),
    };
    Failed::new(exit, format!("{}: {bad}", path.display()), remedy)
}

fn open(path: &PathBuf) -> Result<Box<dyn BufRead>, Failed> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let file = File::open(path).map_err(|error| {
        Failed::new(Exit::NoInput, format!("{}: {error}", path.display()), "name a file that can be read")
    })?;
    Ok(Box::new(BufReader::new(file)))
}

fn show(workload: &Workload, measured: &[Measured], screen: &mut Screen<'_>) -> io::Result<()> {
    screen.toned(&format!("{}: {}", workload.name, workload.about), Tone::Strong)?;
    let headings = [
        "policy",
        "mean>",
        "p50>",
        "p95>",
        "p99>",
        "declines p50>",
        "requests/end>",
        "missed>",
        "after end>",
        "over quota>",
    ];
    let mut table = Table::new(&headings);
    let length = |seconds: Option<u64>| seconds.map_or("never".to_owned(), span);
    for row in measured {
        let declines = if row.declined == 0 { "-".to_owned() } else { length(row.decline_detection.p50_s) };
        let cells = vec![
            row.policy.clone(),
            row.detection.mean_s.map_or("never".to_owned(), |mean_s| {
                span(Duration::try_from_secs_f64(mean_s).unwrap_or_default().as_secs())
            }),
            length(row.detection.p50_s),
            length(row.detection.p95_s),
            length(row.detection.p99_s),
            declines,
            row.polls_per_resolution.map_or("-".to_owned(), |polls| format!("{polls:.1}")),
            row.missed.to_string(),
            row.polls_after_final.to_string(),
            row.over_quota.to_string(),
        ];
        let tone = match (row.missed, row.over_quota) {
            (0, 0) => Tone::Plain,
            (0, _) => Tone::Warning,
            _ => Tone::Bad,
        };
        table.row(cells, tone);
    }
    table.write(screen, true)?;
    if let Some(first) = measured.first() {
        screen.line(&first.sentence())?;
    }
    screen.line("")
}

#[cfg(test)]
mod tests {
    use super::super::backtest_options::{POLICY_NAMES, read_quota};
    use super::*;

    #[test]
    fn the_words_of_the_options_are_the_policies_that_there_are() {
        let all = Rhythm::all().into_iter().chain([Rhythm::all_knowing()]);
        let names: Vec<String> = all.map(|rhythm| rhythm.name).collect();
        assert_eq!(names, POLICY_NAMES);
        assert_eq!(WORKLOAD_NAMES[5], "late-refunds");
    }

    #[test]
    fn quotas_are_read_or_refused() {
        let check = |text: &str, expected: Option<(u32, u64)>| {
            let read = read_quota(text)
                .ok()
                .map(|quota| (quota.burst, u64::try_from(quota.per.as_millis()).unwrap()));
            assert_eq!(read, expected, "{text}");
        };
        check("10,1", Some((10, 1000)));
        check("2, 0.5", Some((2, 2000)));
        check("20,2.0", Some((20, 500)));
        for bad in ["", "10", "0,1", "10,0", "10,-1", "10,NaN", "10,1e9", "x,1", "10,1,1"] {
            check(bad, None);
        }
    }
}
