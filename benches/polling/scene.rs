//! Merchants and objects, the server in its own process, and a configuration for our side.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use amazon_pay_simulator::scenario::{Api, Scenario};
use reconciled::config::{self, Config, Surroundings};
use reconciled::payments::object::ObjectRef;

use super::measured::Broken;
use super::server;

/// The size of the scene.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub accounts: usize,
    pub objects: usize,
}

/// Everything around a measurement.
pub struct Scene {
    pub api: Api,
    pub folder: tempfile::TempDir,
    pub authority: Vec<u8>,
    pub base: String,
    pub objects: Vec<ObjectRef>,
    pub accounts: usize,
    server: Child,
    _alive: ChildStdin,
}

pub const KEY: &str = "bench";

/// The poll interval. It is long enough that a round ends before the next is due, and short enough that six
/// rounds fit into the clock difference that providers accept.
pub const INTERVAL_S: u64 = 300;

impl Scene {
    /// Creates keys, writes both files and starts the server.
    pub async fn new(api: Api, size: Size) -> Result<Scene, Broken> {
        let folder = tempfile::tempdir()?;
        let text = scenario(api, size, None);
        let one = Size { accounts: 1, objects: 0 };
        Scenario::parse(&scenario(api, one, Some(KEY)), folder.path())?
            .generate_credentials(folder.path())?;
        std::fs::write(folder.path().join("scenario.toml"), text)?;
        let mut server = Command::new(std::env::current_exe()?)
            .args([server::WORD.as_ref(), folder.path().as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let alive = server.stdin.take().ok_or("the server has no input")?;
        let mut said = BufReader::new(server.stdout.take().ok_or("the server has no output")?);
        let mut base = String::new();
        said.read_line(&mut base)?;
        let base = base.trim().to_owned();
        if !base.starts_with("https://") {
            return Err(format!("the server did not start: {base}").into());
        }
        let authority = std::fs::read(folder.path().join("authority.pem"))?;
        let objects = std::fs::read_to_string(folder.path().join("planted"))?;
        let objects = objects.lines().map(str::parse).collect::<Result<Vec<ObjectRef>, _>>()?;
        if objects.len() != size.accounts * size.objects {
            return Err(format!("{} objects were planted", objects.len()).into());
        }
        let config = configuration(api, size, folder.path(), &base);
        std::fs::write(folder.path().join("config.toml"), config)?;
        let accounts = size.accounts;
        Ok(Scene { api, folder, authority, base, objects, accounts, server, _alive: alive })
    }

    pub fn config(&self) -> Result<Config, Broken> {
        let path: PathBuf = self.folder.path().join("config.toml");
        config::load(&path, &Surroundings::default())
            .map_err(|error| reconciled::daemon::problem_lines(error).join("\n").into())
    }

    /// The secret half of the key that all accounts share.
    pub fn secret(&self) -> Result<String, Broken> {
        let file = match self.api {
            Api::AmazonPayV2 => "bench.private-key.pem",
            _ => "bench.secret-key",
        };
        Ok(std::fs::read_to_string(self.folder.path().join(file))?.trim().to_owned())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

pub fn name(number: usize) -> String {
    format!("shop-{number:05}")
}

fn scenario(api: Api, size: Size, only: Option<&str>) -> String {
    let mut text = "seed = 7\n".to_owned();
    for number in 0..size.accounts {
        let name = only.map_or_else(|| name(number), str::to_owned);
        text.push_str(&format!(
            "[[account]]\nname = \"{name}\"\napi = \"{}\"\nmerchant_id = \"A{number:05}\"\nregion = \"eu\"\n\
             environment = \"live\"\nquota = [{{ operation = \"*\", capacity = 1000000, refill = 1000000, per_s = 1 }}]\n",
            api.name()
        ));
        let file = |file: &str| if only.is_some() { String::new() } else { format!("{file}\n") };
        text.push_str(&match api {
            Api::AmazonPayV2 => format!(
                "public_key_id = \"LIVE-ABENCHKEY{number:05}\"\n{}",
                file("public_key_file = \"bench.private-key.pem\"")
            ),
            _ => format!(
                "access_key_id = \"AKIABENCH{number:05}\"\n{}",
                file("secret_key_file = \"bench.secret-key\"")
            ),
        });
        if size.objects > 0 {
            text.push_str(&format!(
                "[[population]]\naccount = \"{name}\"\nkind = \"authorization\"\ncount = {}\nage_s = 86400\n\
                 currencies = [{{ code = \"EUR\", amount = [\"5.00\", \"250.00\"] }}]\noutcome = [{{ steps = [] }}]\n",
                size.objects
            ));
        }
    }
    text
}

fn configuration(api: Api, size: Size, folder: &Path, base: &str) -> String {
    let shown = folder.display();
    let mut text = format!(
        "[store]\nfolder = \"{shown}/store\"\n[control]\nsocket = \"{shown}/control.sock\"\n\
         [reports]\nfolder = \"{shown}/reports\"\nschedule = \"59 23 31 12 *\"\n\
         [poll]\ninterval = \"{INTERVAL_S}s\"\npatience = \"10000h\"\njitter_percent = 0\n"
    );
    for number in 0..size.accounts {
        let own = match api {
            Api::AmazonPayV2 => format!(
                "public_key_id = \"LIVE-ABENCHKEY{number:05}\"\nprivate_key = \"file:{shown}/bench.private-key.pem\"\n"
            ),
            _ => format!(
                "seller_id = \"A{number:05}\"\naccess_key_id = \"AKIABENCH{number:05}\"\n\
                 secret_key = \"file:{shown}/bench.secret-key\"\n"
            ),
        };
        text.push_str(&format!(
            "[[account]]\nname = \"{}\"\napi = \"{}\"\nregion = \"eu\"\nenvironment = \"live\"\n{own}\
             endpoint = \"{base}\"\nquota = {{ burst = 10000, per_second = 1000.0 }}\n",
            name(number),
            api.name()
        ));
    }
    text
}
