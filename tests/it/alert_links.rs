//! The link of an alert: the real binary, a chat that gets the link, and a browser that follows it.

use amazon_pay_simulator::credentials::write_secret;

use crate::monitoring::free_port;
use crate::process::Host;

/// Lets alerts have links, and escalates declines from the chat to a pager. Returns the address of the port.
fn configure(host: &Host) -> String {
    let address = format!("127.0.0.1:{}", free_port());
    let (secret, pager) = (host.path("link-secret"), host.path("pager-url"));
    write_secret(&secret, "L1nkL1nkL1nkL1nkL1nkL1nkL1nkL1nk").unwrap();
    write_secret(&pager, &format!("{}/services/T0/B0/pager", host.base())).unwrap();
    host.rewrite_config(|text| {
        format!(
            "{text}\n[control.tcp]\nlisten = \"{address}\"\n\
             link_secret = \"file:{}\"\n\
             [[alert]]\nname = \"pager\"\nkind = \"slack\"\nurl = \"file:{}\"\n\
             [[route]]\nkinds = [\"declined\"]\ntargets = [\"chat\"]\nescalate_after_min = 15\nescalate_to = [\"pager\"]\n",
            secret.display(),
            pager.display()
        )
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn the_button_behind_the_link_of_an_alert_acknowledges_it_and_opening_the_link_does_not() {
    let host = Host::new().await;
    let address = configure(&host);
    let daemon = host.start().await;
    let planted = host.plant("shop", "authorization", "Declined", Some("HardDeclined"), 0);
    let words = ["enrol", "--account", "shop", "--kind", "charge", "--id", planted.id()];
    host.run(&words).await.expect(0, &[]);
    let start = format!("http://{address}/acknowledge/");
    let link = host
        .until("the chat has the link", async || {
            let messages = host.simulator.chat_messages();
            messages.iter().find_map(|message| {
                let rest = message.shown.split_once(&start)?.1;
                let path: String =
                    rest.chars().take_while(|letter| matches!(letter, '0'..='9' | 'a'..='f' | '/')).collect();
                Some(format!("{start}{path}"))
            })
        })
        .await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let acknowledged = async || {
        host.run(&["alerts", "list", "--json"]).await.out.contains("\"acknowledged\":{\"by\":\"link\"")
    };

    // Opened from a chat in a browser, and by a scanner.
    for site in ["cross-site", "none"] {
        let page = client.get(&link).header("sec-fetch-site", site).send().await.unwrap();
        assert_eq!(page.status(), 200);
        assert!(
            page.headers()["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'")
        );
        let page = page.text().await.unwrap();
        assert!(page.contains("Do you take care of this?") && page.contains("<button>"), "{page}");
    }
    let (known, tag) = link.rsplit_once('/').unwrap();
    for wrong in [format!("{known}/{}", "0".repeat(tag.len())), known.to_owned(), format!("{start}00/{tag}")]
    {
        assert_eq!(client.get(&wrong).send().await.unwrap().status(), 404, "{wrong}");
        assert_eq!(client.post(&wrong).send().await.unwrap().status(), 404, "{wrong}");
    }
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("host", "evil.example"),
        ("origin", "null"),
    ] {
        let lured = client.post(&link).header(name, value).send().await.unwrap();
        assert_eq!(lured.status(), 403, "{name}: {value}");
    }
    assert_eq!(client.delete(&link).send().await.unwrap().status(), 405);
    assert!(!acknowledged().await, "nobody has pressed the button");

    let origin = format!("http://{address}");
    for _ in 0..2 {
        let pressed = client.post(&link).header("origin", &origin).header("sec-fetch-site", "same-origin");
        let pressed = pressed.send().await.unwrap();
        assert_eq!(pressed.status(), 200);
        let page = pressed.text().await.unwrap();
        assert!(page.contains("by link") && !page.contains("<button>"), "{page}");
    }
    assert!(acknowledged().await);
    host.run(&["audit"]).await.expect(0, &["link", "alerts acknowledge", "done"]);
    assert_eq!(client.get(format!("http://{address}/v1/status")).send().await.unwrap().status(), 401);
    daemon.kill();
    let daemon = host.start().await;
    assert!(acknowledged().await, "a kill forgets nothing");
    daemon.stop(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_somebody_guesses_is_refused() {
    let host = Host::new().await;
    let short = host.path("short");
    write_secret(&short, "short").unwrap();
    host.rewrite_config(|text| {
        let secret = short.display();
        format!("{text}\n[control.tcp]\nlisten = \"127.0.0.1:8490\"\nlink_secret = \"file:{secret}\"\n")
    });
    host.run(&["check-config"]).await.expect(78, &["control.tcp.link_secret: it has fewer"]);
}
