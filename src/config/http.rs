//! `[http]`: how to connect to providers and alert targets.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Surroundings;
use super::findings::Findings;
use crate::http::connections::Connections;
use crate::secret::{SecretLoader, SecretReference};

/// `[http]` as written. Not printed: somebody may have put a password in the wrong place.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpSection {
    /// `"none"`, `"env"`, a URL, or the place of a file that holds a URL with a password.
    proxy: String,
    /// A PEM file of certificates to trust besides the system's roots.
    ca_file: PathBuf,
}

impl Default for HttpSection {
    fn default() -> HttpSection {
        HttpSection { proxy: "none".to_owned(), ca_file: PathBuf::new() }
    }
}

/// `[http]`, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpConfig {
    /// The settings of the HTTP clients.
    pub connections: Connections,
    /// The certificates to trust besides the system's roots.
    pub ca_file: Option<PathBuf>,
    /// What a person should know about the proxy besides its address.
    remark: Option<&'static str>,
}

impl HttpConfig {
    /// How connections are made, in plain words, one line each.
    pub fn words(&self) -> Vec<String> {
        let way = match self.connections.proxy_address() {
            Some(proxy) => format!("connections go through the proxy {proxy}, except to this machine"),
            None => "connections are made directly, without a proxy".to_owned(),
        };
        let roots =
            self.ca_file.iter().map(|path| format!("certificates signed by {} are trusted", path.display()));
        std::iter::once(way).chain(roots).chain(self.remark.map(str::to_owned)).collect()
    }
}

impl HttpSection {
    /// Checks the section and reads the files that it names, unless `loader` is blind.
    pub(super) fn resolve(
        self,
        surroundings: &Surroundings,
        loader: &SecretLoader,
        findings: &mut Findings<'_>,
    ) -> HttpConfig {
        let (connections, remark) = self.proxied(surroundings, loader, findings);
        let ca_file = Some(self.ca_file).filter(|path| !path.as_os_str().is_empty());
        let connections = match &ca_file {
            Some(path) => trusting(connections, path, loader.is_blind(), findings),
            None => connections,
        };
        HttpConfig { connections, ca_file, remark }
    }

    fn proxied(
        &self,
        surroundings: &Surroundings,
        loader: &SecretLoader,
        findings: &mut Findings<'_>,
    ) -> (Connections, Option<&'static str>) {
        let direct = Connections::default();
        let exposed = |text: &Option<crate::secret::Secret<String>>| {
            text.as_ref().map(|text| text.expose().trim().to_owned()).filter(|text| !text.is_empty())
        };
        let (of_environment, except) = (exposed(&surroundings.https_proxy), exposed(&surroundings.no_proxy));
        let written = self.proxy.trim();
        let (address, except, remedy) = match written {
            "none" => {
                let remark = "HTTPS_PROXY is set here and ignored; [http] proxy = \"env\" would use it";
                return (direct, of_environment.map(|_| remark));
            }
            "env" => match of_environment {
                Some(address) => {
                    (address, except.unwrap_or_default(), "correct HTTPS_PROXY, or write the address here")
                }
                None => {
                    let remark = "[http] proxy = \"env\", but HTTPS_PROXY is not set here; the service may have another environment";
                    return (direct, Some(remark));
                }
            },
            reference if reference.starts_with("file:") || reference.starts_with("credential:") => {
                match loader.load_line(&SecretReference::from(reference)) {
                    Ok(_) if loader.is_blind() => {
                        return (direct, Some("the proxy's address was not read"));
                    }
                    Ok(address) => (
                        address.expose().clone(),
                        String::new(),
                        "write http://user:password@host:port into it",
                    ),
                    Err(problem) => {
                        findings.add("http.proxy", problem.what, problem.remedy);
                        return (direct, None);
                    }
                }
            }
            address if address.contains('@') => {
                let remedy = "put the whole address into a separate file and write \"file:/absolute/path\" or \"credential:name\"";
                findings.add(
                    "http.proxy",
                    "a user name and a password do not belong in the configuration itself",
                    remedy,
                );
                return (direct, None);
            }
            address => (address.to_owned(), String::new(), "write \"none\", \"env\" or \"http://host:port\""),
        };
        match direct.clone().through(&address, &except) {
            Ok(connections) => (connections, None),
            Err(what) => {
                findings.add("http.proxy", format!("the proxy's address cannot be used: {what}"), remedy);
                (direct, None)
            }
        }
    }
}

fn trusting(
    connections: Connections,
    path: &Path,
    is_blind: bool,
    findings: &mut Findings<'_>,
) -> Connections {
    if is_blind && path.is_absolute() {
        return connections;
    }
    let trusted = connections.clone().trusting_file(path);
    trusted.unwrap_or_else(|(what, remedy)| {
        findings.add("http.ca_file", what, remedy);
        connections
    })
}

#[cfg(test)]
mod tests {
    use super::super::lines::Lines;
    use super::*;
    use crate::secret::Secret;

    fn resolve(text: &str, surroundings: &Surroundings) -> (HttpConfig, Vec<String>) {
        let lines = Lines::read(text);
        let mut findings = Findings::new(&lines);
        let mut table: toml::Table = toml::from_str(text).unwrap();
        let section: HttpSection = super::super::section_of(&mut table, "http", &mut findings);
        let loader = SecretLoader::new(None);
        let config = section.resolve(surroundings, &loader, &mut findings);
        (config, findings.into_problems().iter().map(ToString::to_string).collect())
    }

    fn with_proxy(url: &str) -> Surroundings {
        let secret = |text: &str| Some(Secret::new(text.to_owned()));
        Surroundings { https_proxy: secret(url), no_proxy: secret(".internal"), ..Surroundings::default() }
    }

    #[test]
    fn the_environments_proxy_is_used_only_when_configured() {
        let around = with_proxy("http://user:canary@proxy.shop:3128");
        let (config, problems) = resolve("", &around);
        assert_eq!((config.connections, problems), (Connections::default(), Vec::new()));
        let (config, _) = resolve("[http]\nproxy = \"none\"", &around);
        assert!(config.words()[1].contains("HTTPS_PROXY is set here and ignored"), "{:?}", config.words());
        let (config, problems) = resolve("[http]\nproxy = \"env\"", &around);
        assert_eq!(config.connections.proxy_address().as_deref(), Some("proxy.shop:3128"));
        assert_eq!(problems, Vec::<String>::new());
        assert!(!format!("{config:?} {around:?} {:?}", config.words()).contains("canary"));
        let (config, problems) = resolve("[http]\nproxy = \"env\"", &Surroundings::default());
        assert_eq!((config.connections.clone(), problems), (Connections::default(), Vec::new()));
        assert!(config.words()[1].contains("HTTPS_PROXY is not set here"), "{:?}", config.words());
        let (_, problems) = resolve("[http]\nproxy = \"env\"", &with_proxy("socks5://canary"));
        assert!(
            problems[0].starts_with("line 2: http.proxy: ") && !problems[0].contains("canary"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_proxys_address_is_in_the_file_and_its_password_elsewhere() {
        let none = Surroundings::default();
        let (config, problems) = resolve("[http]\nproxy = \"http://proxy.shop:3128\"", &none);
        assert_eq!(
            (config.connections.proxy_address().as_deref(), problems),
            (Some("proxy.shop:3128"), vec![])
        );
        for bad in ["http://user:canary@proxy:1", "socks5://proxy", "http://proxy/canary", "", "file:canary"]
        {
            let (_, problems) = resolve(&format!("[http]\nproxy = \"{bad}\""), &none);
            assert_eq!(problems.len(), 1, "{bad}");
            assert!(
                problems[0].starts_with("line 2: http.proxy: ") && problems[0].contains('→'),
                "{problems:?}"
            );
            assert!(!problems[0].contains("canary"), "{problems:?}");
        }
    }

    #[test]
    fn a_password_is_read_from_its_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy");
        std::fs::write(&path, "http://user:canary@proxy.shop:3128\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let text = format!("[http]\nproxy = \"file:{}\"", path.display());
        let (config, problems) = resolve(&text, &Surroundings::default());
        assert_eq!(
            (config.connections.proxy_address().as_deref(), problems),
            (Some("proxy.shop:3128"), vec![])
        );
    }

    #[test]
    fn a_private_ca_is_read_and_a_bad_file_is_a_problem_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let resolved = |contents: &[u8]| {
            let path = folder.path().join("ca.pem");
            std::fs::write(&path, contents).unwrap();
            resolve(&format!("[http]\n\nca_file = \"{}\"", path.display()), &Surroundings::default())
        };
        let ca = rcgen::generate_simple_self_signed(vec!["ca".to_owned()]).unwrap();
        let (config, problems) = resolved(ca.cert.pem().as_bytes());
        assert_eq!(problems, Vec::<String>::new());
        assert_ne!(config.connections, Connections::default());
        assert!(config.words()[1].contains("ca.pem"), "{:?}", config.words());
        let garbled = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        for (contents, part) in [
            (&b""[..], "holds no certificate"),
            (ca.signing_key.serialize_pem().as_bytes(), "holds no certificate"),
            (ca.cert.der(), "holds no certificate"),
            (garbled.as_bytes(), "holds a certificate that cannot be read"),
            (&vec![b'x'; 2 << 20][..], "longer than 1 MiB"),
        ] {
            let (_, problems) = resolved(contents);
            assert_eq!(problems.len(), 1, "{part}");
            assert!(problems[0].starts_with("line 3: http.ca_file: "), "{problems:?}");
            assert!(problems[0].contains(part) && problems[0].contains('→'), "{problems:?}");
        }
        for (path, part) in [
            ("ca.pem", "not an absolute path"),
            ("/no/such/ca.pem", "cannot be read: there is no such file"),
            ("/dev/null", "is not a file"),
        ] {
            let (_, problems) = resolve(&format!("[http]\nca_file = \"{path}\""), &Surroundings::default());
            assert!(problems.len() == 1 && problems[0].contains(part), "{problems:?}");
        }
    }
}
