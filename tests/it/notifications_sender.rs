//! The simulator's own notifications, which share no code with the verifier: genuine ones of all three APIs are verified
//! once each, forged ones never.

use std::collections::BTreeSet;
use std::time::Duration;

use amazon_pay_simulator::notifications::{Outcome, Signer};
use reconciled::clock::Clock;
use reconciled::control::messages::{ChannelView, TrustRequest};
use reconciled::notifications::Received;

use crate::world::World;

const START: &str = "2027-01-15T06:00:00Z";
/// How often the provider's post is delivered.
const POST_EVERY: Duration = Duration::from_secs(60);
const ACCOUNTS: [&str; 3] = ["shop", "old-shop", "order-shop"];

fn scenario() -> String {
    let population = |account: &str, kind: &str, state: &str| {
        format!(
            "[[population]]\naccount = \"{account}\"\nkind = \"{kind}\"\ncount = 12\nreference_prefix = \"ORDER-\"\n\
             currencies = [{{ code = \"USD\", amount = [\"14.00\", \"14.00\"] }}]\n\
             outcome = [{{ steps = [{{ after_s = [600, 10000], state = \"{state}\" }}] }}]\n"
        )
    };
    let notified = |account: &str| {
        format!(
            "[[notifications]]\naccount = \"{account}\"\nurl = \"http://127.0.0.1:1/notifications/{account}\"\n\
             delay_s = [0, 5]\nduplicate = 0.3\nreorder = 0.2\nforge = 1.0\n"
        )
    };
    format!(
        r#"
seed = 11
[[account]]
name = "shop"
api = "amazon-pay-v2"
merchant_id = "A1SHOP"
region = "eu"
environment = "sandbox"
public_key_id = "SANDBOX-ASHOPKEY"
[[account]]
name = "old-shop"
api = "amazon-pay-mws"
merchant_id = "A2OLDSHOP"
region = "eu"
environment = "sandbox"
access_key_id = "AKIAOLDSHOP000000000"
[[account]]
name = "order-shop"
api = "aps"
merchant_id = "CycHZxVj"
environment = "sandbox"
access_code = "zx0IPmPy5jp1vAz8Kpg7"
{}{}{}{}"#,
        population("shop", "refund", "Refunded"),
        population("old-shop", "refund", "Completed"),
        population("order-shop", "aps-order", "14"),
        ACCOUNTS.map(notified).concat(),
    )
}

fn channel(world: &World, account: &str) -> ChannelView {
    let channels = world.daemon().service().channels();
    channels.into_iter().find(|channel| channel.account.as_str() == account).unwrap()
}

#[tokio::test(start_paused = true)]
async fn genuine_messages_of_every_api_are_verified_once_and_forged_ones_never() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sns-ca.pem");
    std::fs::write(&path, Signer::shared().unwrap().authority().authority_pem()).unwrap();
    let sections = format!(
        "[notifications]\nlisten = \"127.0.0.1:0\"\nunverified_per_hour = 0\n[notifications.test]\nca_file = \"{}\"\n",
        path.display()
    );
    let mut world = World::new(START, &scenario(), &sections).await;
    for account in ACCOUNTS {
        world.enrol_all(account).await;
        if let Some(topic) = world.simulator.topic_arn(account) {
            let request = TrustRequest { account: account.parse().unwrap(), topic };
            world.daemon().service().trust(&request).await.unwrap();
        }
    }
    let (mut genuine, mut deliveries, mut forged) = (BTreeSet::new(), 0_u64, 0_u64);
    for _ in 0..200 {
        world.clock.sleep(POST_EVERY).await;
        for notification in world.simulator.notifications_until(world.clock.now()) {
            let header = |name: &str| {
                let found = notification.headers.iter().find(|(known, _)| known == name)?;
                Some(found.1.clone())
            };
            let received = Received { body: &notification.body, header: &header };
            let answer = world.daemon().notifications().receive(&notification.account, &received).await;
            world.simulator.notification_answered(&notification, Outcome::Status(answer.status()));
            if notification.forgery.is_some() {
                forged += 1;
            } else {
                assert_eq!(answer.status(), 200, "{notification:?}");
                genuine.insert((notification.account.clone(), notification.message_id.clone()));
                deliveries += 1;
            }
        }
    }
    let channels = ACCOUNTS.map(|account| channel(&world, account));
    let sum = |count: &dyn Fn(&ChannelView) -> u64| channels.iter().map(count).sum::<u64>();
    let verified = sum(&|channel| channel.counts.verified);
    let shown: Vec<_> = channels.iter().map(|channel| &channel.counts).collect();
    assert_eq!(usize::try_from(verified).unwrap(), genuine.len(), "{shown:#?}");
    assert!(channels.iter().all(|channel| channel.counts.verified >= 12), "{shown:#?}");
    assert_eq!(sum(&|channel| channel.counts.duplicates), deliveries - verified, "{shown:#?}");
    let refused = sum(&|channel| channel.counts.refused.values().sum::<u64>() + channel.counts.unverified);
    assert_eq!(refused, forged, "{shown:#?}");
    assert!(forged >= 30, "{forged} forged");
    for channel in &channels {
        for (kind, announced) in &channel.kinds {
            assert!(announced.announced >= 10, "{kind}: {announced:?}");
        }
    }
    world.stop().await;
}
