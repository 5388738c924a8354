//! One decline for every kind of target, against one target: composing the messages, and storing alert and deliveries.

#![expect(clippy::disallowed_methods, reason = "a bench needs the machine's own time")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use reconciled::alerts::config::Channel;
use reconciled::alerts::message;
use reconciled::alerts::target::Attempt;
use reconciled::clock::{SharedClock, VirtualClock};
use reconciled::config::{self, Surroundings};
use reconciled::store::{Options, Store};

use crate::measured::{Broken, Goal, Row, Table, each_us};

/// Declines that are composed and stored, one after another.
const DECLINES: usize = 500;

/// The alert and all its deliveries are one commit, so fourteen targets must cost far less than fourteen times as much.
const GOAL: f64 = 4.0;

/// A section for each kind of target: the kind, and its own keys. `SECRET` is a file with an address or a key.
const SECTIONS: &[(&str, &str)] = &[
    ("slack", "url = \"SECRET\""),
    ("teams", "url = \"SECRET\""),
    ("discord", "url = \"SECRET\""),
    ("google-chat", "url = \"SECRET\""),
    ("mattermost", "url = \"SECRET\""),
    ("rocket-chat", "url = \"SECRET\""),
    ("telegram", "token = \"SECRET\"\nchat_id = -1001234567890"),
    ("ntfy", "topic = \"SECRET\""),
    ("pagerduty", "routing_key = \"SECRET\""),
    ("opsgenie", "api_key = \"SECRET\""),
    ("alertmanager", "base_url = \"https://alerts.example\""),
    ("email", "server = \"mail.example\"\nfrom = \"alerts@shop.example\"\nto = [\"ops@shop.example\"]"),
    ("exec", "command = [\"/bin/true\"]"),
    ("webhook", "url = \"SECRET\""),
];

fn secret(kind: &str) -> String {
    match kind {
        "teams" => {
            "https://alerts.example/workflows/w/triggers/manual/paths/invoke?api-version=1&sp=s&sv=1&sig=s"
                .to_owned()
        }
        "discord" => "https://alerts.example/api/webhooks/1234567890/token".to_owned(),
        "google-chat" => "https://alerts.example/v1/spaces/SPACE/messages?key=k&token=t".to_owned(),
        "telegram" => "123456789:AAEexampleexampleexampleexampleexam".to_owned(),
        "ntfy" => "payments-7f3a".to_owned(),
        "pagerduty" => "0123456789abcdef0123456789abcdef".to_owned(),
        "opsgenie" => "eb243592-faa2-4ba2-a551-1afdf565c889".to_owned(),
        kind => format!("https://alerts.example/{kind}"),
    }
}

/// All targets, as a configuration makes them.
fn channels(folder: &std::path::Path) -> Result<Vec<Channel>, Broken> {
    let shown = folder.display();
    let private =
        |name: &str, text: &str| amazon_pay_simulator::credentials::write_secret(&folder.join(name), text);
    private("secret-key", "0123456789012345678901234567890123456789")?;
    let mut text = format!(
        "[store]\nfolder = \"{shown}/store\"\n[reports]\nfolder = \"{shown}/reports\"\n[[account]]\nname = \"shop\"\n\
         api = \"amazon-pay-mws\"\nregion = \"na\"\nenvironment = \"live\"\nseller_id = \"A2SHOP\"\n\
         access_key_id = \"AKIASHOP000000000000\"\nsecret_key = \"file:{shown}/secret-key\"\n"
    );
    for (kind, keys) in SECTIONS {
        private(kind, &secret(kind))?;
        let keys = keys.replace("SECRET", &format!("file:{shown}/{kind}"));
        text.push_str(&format!("[[alert]]\nname = \"{kind}\"\nkind = \"{kind}\"\n{keys}\n"));
    }
    let path = folder.join("config.toml");
    std::fs::write(&path, text)?;
    Ok(config::load(&path, &Surroundings::default())?.alerts.channels)
}

/// Composing and storing for these targets.
async fn both(
    store: &Store,
    clock: &SharedClock,
    channels: &[Channel],
    first: usize,
) -> Result<(Duration, Duration), Broken> {
    let names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
    let zone = jiff::tz::TimeZone::UTC;
    let (mut composing, mut storing) = (Duration::ZERO, Duration::ZERO);
    for number in 0..DECLINES {
        let owed = super::decline(first + number, &names, clock)?;
        let began = Instant::now();
        let attempt = Attempt { at: clock.now(), timeout: Duration::from_secs(10) };
        for channel in channels {
            let message = message::single(&owed.alert, false, &zone);
            black_box(channel.target.compose(&message, &attempt));
        }
        composing += began.elapsed();
        let began = Instant::now();
        store.raise(vec![owed]).await?;
        storing += began.elapsed();
    }
    Ok((composing, storing))
}

pub async fn measure(table: &mut Table) -> Result<(), Broken> {
    let folder = tempfile::tempdir()?;
    let clock: SharedClock = VirtualClock::starting_at("2027-01-15T06:00:00Z".parse()?);
    let all = channels(folder.path())?;
    let options = Options { folder: folder.path().join("store"), ..Options::default() };
    let (store, _) = Store::open(options, clock.now()).await?;
    // Once before, so that nothing is done for the first time.
    both(&store, &clock, &all, 0).await?;
    let (mut one, mut every) = ((Duration::ZERO, Duration::ZERO), (Duration::ZERO, Duration::ZERO));
    // In turns, so that both meet the same machine.
    for round in 1..=4 {
        let single = both(&store, &clock, &all[..1], 10_000 * round).await?;
        let whole = both(&store, &clock, &all, 10_000 * round + 5_000).await?;
        one = (one.0 + single.0, one.1 + single.1);
        every = (every.0 + whole.0, every.1 + whole.1);
    }
    let shown = |(composing, storing): (Duration, Duration)| {
        let each = |time| each_us(time, 4 * DECLINES);
        format!("{:.0} us (composing {:.0})", each(composing + storing), each(composing))
    };
    table.add(Row {
        what: format!("composing and storing a decline for {} targets, against one", all.len()),
        measured: shown(every),
        baseline: shown(one),
        judged: (every.0 + every.1).as_secs_f64() / (one.0 + one.1).as_secs_f64(),
        goal: Goal::AtMost(GOAL),
    });
    Ok(())
}
