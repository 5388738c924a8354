//! Serves a scenario over HTTP until it is interrupted: `cargo run --example serve [-- world.toml]`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use amazon_pay_simulator::chat::{MailOptions, MailSecurity};
use amazon_pay_simulator::clock::SystemClock;
use amazon_pay_simulator::notifications::send_notifications;
use amazon_pay_simulator::{Scenario, Simulator, scenario, serve, serve_mail};
use tokio_util::sync::CancellationToken;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1);
    let text = match &file {
        Some(file) => std::fs::read_to_string(file)?,
        None => scenario::EXAMPLE.to_owned(),
    };
    let folder = file.as_deref().and_then(|file| Path::new(file).parent()).unwrap_or(Path::new(""));
    let mut world = Scenario::parse(&text, folder)?;
    let keys = std::env::temp_dir().join("amazon-pay-simulator");
    std::fs::create_dir_all(&keys)?;
    for key in world.generate_credentials(&keys)? {
        println!("account {}: {}", key.account, key.secret_file.display());
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let simulator = Arc::new(Simulator::new(world, SystemClock::new())?);
        let shutdown = CancellationToken::new();
        send_notifications(Arc::clone(&simulator), shutdown.clone());
        let mail = MailOptions { security: MailSecurity::None, ..MailOptions::default() };
        let mail = serve_mail(simulator.clone(), ([127, 0, 0, 1], 8025).into(), mail, None, shutdown.clone())
            .await?;
        let serving = serve(simulator, ([127, 0, 0, 1], 8080).into(), None, shutdown).await?;
        println!("http://{}, mail to {}", serving.address, mail.address);
        serving.stopped().await;
        Ok(())
    })
}
