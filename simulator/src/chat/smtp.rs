//! The dialogue of a mail server (RFC 5321), line by line.
//!
//! Owns: the commands, their order, and what each is answered. Must never know: sockets; what is in a mail.
//!
//! It is strict where servers differ: lines end with CR LF, nothing is said before TLS where TLS is demanded, and no
//! password is taken without TLS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::mail::Mail;
use super::script::MailStage;

/// What a mail server demands.
#[derive(Debug, Clone, Default)]
pub struct MailOptions {
    /// When TLS begins.
    pub security: MailSecurity,
    /// The user and the password that are demanded; `None`: nobody is.
    pub credentials: Option<(String, String)>,
    /// The largest mail, bytes; `None`: 10 MB.
    pub most_bytes: Option<usize>,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MailSecurity {
    /// With the connection, as on port 465.
    #[default]
    Implicit,
    /// After `STARTTLS`, without which no mail is taken, as on port 587.
    StartTls,
    /// Never.
    None,
}

/// What the pretended world says to a step of the dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MailAnswer {
    /// Go on; at the end of a message: it is taken.
    Accept,
    /// A code and its words.
    Reply(u16, String),
    /// Say nothing more.
    Hang,
    /// End the connection without a word.
    Close,
}

/// What the carrier does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Say this and read on.
    Say(String),
    /// Read on.
    Listen,
    /// Say this, then begin TLS.
    BeginTls(String),
    /// Say this, if anything, and end the connection.
    End(String),
    /// Say nothing more.
    Hang,
}

/// What the session is waiting for.
#[derive(Debug, Default, PartialEq, Eq)]
enum Awaiting {
    #[default]
    Command,
    PlainResponse,
    User,
    Password(String),
    Content,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    options: MailOptions,
    is_encrypted: bool,
    is_greeted: bool,
    is_known: bool,
    awaiting: Awaiting,
    from: Option<String>,
    to: Vec<String>,
    is_utf8: bool,
    content: Vec<u8>,
    is_too_large: bool,
}

/// Asks the world about a step; the end of a message brings the mail along.
pub(crate) type World<'a> = &'a dyn Fn(MailStage, Option<Mail>) -> MailAnswer;

impl Session {
    pub(crate) fn new(options: MailOptions, is_encrypted: bool) -> Session {
        Session {
            options,
            is_encrypted,
            is_greeted: false,
            is_known: false,
            awaiting: Awaiting::Command,
            from: None,
            to: Vec::new(),
            is_utf8: false,
            content: Vec::new(),
            is_too_large: false,
        }
    }

    /// What is said first.
    pub(crate) fn greeting(&self, world: World<'_>) -> Step {
        step(world(MailStage::Connect, None), "220 simulator.example ESMTP")
    }

    /// Answers one line, without its end.
    pub(crate) fn line(&mut self, line: &[u8], world: World<'_>) -> Step {
        if self.awaiting == Awaiting::Content {
            return self.content(line, world);
        }
        let Ok(text) = std::str::from_utf8(line) else {
            return say("500 5.5.2 The command is no text");
        };
        match std::mem::take(&mut self.awaiting) {
            Awaiting::PlainResponse => self.plain(text),
            Awaiting::User => match decoded(text) {
                Some(user) => {
                    self.awaiting = Awaiting::Password(user);
                    say("334 UGFzc3dvcmQ6")
                }
                None => say("501 5.5.2 This is no base64"),
            },
            Awaiting::Password(user) => self.login(&user, &decoded(text).unwrap_or_default()),
            Awaiting::Command | Awaiting::Content => self.command(text, world),
        }
    }

    fn command(&mut self, text: &str, world: World<'_>) -> Step {
        if text.len() > 510 {
            return say("500 5.5.2 The line is too long");
        }
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" if rest.trim().is_empty() => say("501 5.5.4 A name is missing"),
            "EHLO" => self.extensions(),
            "HELO" => {
                self.is_greeted = true;
                self.forget();
                say("250 simulator.example")
            }
            "STARTTLS" => self.begin_tls(),
            "AUTH" => self.authenticate(rest),
            "MAIL" => self.mail(rest, world),
            "RCPT" => self.recipient(rest, world),
            "DATA" => self.data(world),
            "RSET" => {
                self.forget();
                say("250 2.0.0 Forgotten")
            }
            "NOOP" => say("250 2.0.0 Here"),
            "VRFY" => say("252 2.0.0 Perhaps"),
            "QUIT" => Step::End("221 2.0.0 Bye\r\n".to_owned()),
            _ => say("500 5.5.1 The command is unknown"),
        }
    }

    fn extensions(&mut self) -> Step {
        self.is_greeted = true;
        self.forget();
        let size = format!("SIZE {}", self.most_bytes());
        let mut words =
            vec!["simulator.example", "PIPELINING", &size, "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"];
        if self.options.security == MailSecurity::StartTls && !self.is_encrypted {
            words.push("STARTTLS");
        }
        if self.may_authenticate() {
            words.push("AUTH PLAIN LOGIN");
        }
        let last = words.len() - 1;
        let lines = words.iter().enumerate();
        Step::Say(
            lines.map(|(at, word)| format!("250{}{word}\r\n", if at == last { ' ' } else { '-' })).collect(),
        )
    }

    fn begin_tls(&mut self) -> Step {
        if self.is_encrypted || self.options.security != MailSecurity::StartTls {
            return say("503 5.5.1 TLS cannot begin now");
        }
        *self = Session::new(self.options.clone(), true);
        Step::BeginTls("220 2.0.0 Begin TLS\r\n".to_owned())
    }

    fn may_authenticate(&self) -> bool {
        self.is_encrypted || self.options.security == MailSecurity::None
    }

    fn authenticate(&mut self, rest: &str) -> Step {
        if !self.is_greeted || self.is_known {
            return say("503 5.5.1 AUTH is out of order");
        }
        if !self.may_authenticate() {
            return say("538 5.7.11 Encryption is required");
        }
        let (kind, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        match (kind.to_ascii_uppercase().as_str(), initial) {
            ("PLAIN", "") => {
                self.awaiting = Awaiting::PlainResponse;
                say("334 ")
            }
            ("PLAIN", initial) => self.plain(initial),
            ("LOGIN", "") => {
                self.awaiting = Awaiting::User;
                say("334 VXNlcm5hbWU6")
            }
            ("LOGIN", initial) => match decoded(initial) {
                Some(user) => {
                    self.awaiting = Awaiting::Password(user);
                    say("334 UGFzc3dvcmQ6")
                }
                None => say("501 5.5.2 This is no base64"),
            },
            _ => say("504 5.5.4 The mechanism is unknown"),
        }
    }

    fn plain(&mut self, response: &str) -> Step {
        let response = decoded(response).unwrap_or_default();
        let mut parts = response.split('\0').skip(1);
        match (parts.next(), parts.next()) {
            (Some(user), Some(password)) => self.login(user, password),
            _ => say("501 5.5.2 The response is malformed"),
        }
    }

    fn login(&mut self, user: &str, password: &str) -> Step {
        let demanded = self.options.credentials.as_ref();
        if demanded.is_some_and(|(known, secret)| known != user || secret != password) {
            return say("535 5.7.8 The credentials are invalid");
        }
        self.is_known = true;
        say("235 2.7.0 Welcome")
    }

    fn mail(&mut self, rest: &str, world: World<'_>) -> Step {
        if !self.is_greeted || self.from.is_some() {
            return say("503 5.5.1 MAIL is out of order");
        }
        if self.options.security == MailSecurity::StartTls && !self.is_encrypted {
            return say("530 5.7.0 STARTTLS must come first");
        }
        if self.options.credentials.is_some() && !self.is_known {
            return say("530 5.7.0 Authentication is required");
        }
        let Some((address, parameters)) = address(rest, "FROM:") else {
            return say("501 5.1.7 The sender is malformed");
        };
        let mut is_utf8 = false;
        for parameter in parameters.split_ascii_whitespace() {
            match parameter.to_ascii_uppercase().as_str() {
                "SMTPUTF8" => is_utf8 = true,
                "BODY=8BITMIME" | "BODY=7BIT" => {}
                size => match size.strip_prefix("SIZE=").and_then(|size| size.parse::<usize>().ok()) {
                    Some(size) if size <= self.most_bytes() => {}
                    Some(_) => return say("552 5.3.4 The message is too large"),
                    None => return say("555 5.5.4 A parameter is unknown"),
                },
            }
        }
        if !address.is_ascii() && !is_utf8 {
            return say("553 5.6.7 The address needs SMTPUTF8");
        }
        let step = step(world(MailStage::Mail, None), "250 2.1.0 Ok");
        if step == say("250 2.1.0 Ok") {
            self.from = Some(address.to_owned());
            self.is_utf8 = is_utf8;
        }
        step
    }

    fn recipient(&mut self, rest: &str, world: World<'_>) -> Step {
        if self.from.is_none() {
            return say("503 5.5.1 RCPT is out of order");
        }
        let address =
            address(rest, "TO:").filter(|(address, parameters)| !address.is_empty() && parameters.is_empty());
        let Some((address, _)) = address else {
            return say("501 5.1.3 The recipient is malformed");
        };
        if self.to.len() >= 100 {
            return say("452 4.5.3 There are too many recipients");
        }
        let step = step(world(MailStage::Rcpt, None), "250 2.1.5 Ok");
        if step == say("250 2.1.5 Ok") {
            self.to.push(address.to_owned());
        }
        step
    }

    fn data(&mut self, world: World<'_>) -> Step {
        if self.to.is_empty() {
            return say("503 5.5.1 DATA is out of order");
        }
        let step = step(world(MailStage::Data, None), "354 End with a dot on its own line");
        if step == say("354 End with a dot on its own line") {
            self.awaiting = Awaiting::Content;
        }
        step
    }

    fn content(&mut self, line: &[u8], world: World<'_>) -> Step {
        if line != b"." {
            let line = line.strip_prefix(b".").unwrap_or(line);
            self.is_too_large |= self.content.len() + line.len() > self.most_bytes();
            if !self.is_too_large {
                self.content.extend_from_slice(line);
                self.content.extend_from_slice(b"\r\n");
            }
            return Step::Listen;
        }
        self.awaiting = Awaiting::Command;
        let mail = Mail {
            from: self.from.clone().unwrap_or_default(),
            to: self.to.clone(),
            content: std::mem::take(&mut self.content),
            is_utf8: self.is_utf8,
        };
        let is_too_large = self.is_too_large;
        self.forget();
        if is_too_large {
            return say("552 5.3.4 The message is too large");
        }
        step(world(MailStage::Message, Some(mail)), "250 2.0.0 Taken")
    }

    fn forget(&mut self) {
        self.from = None;
        self.to.clear();
        self.content.clear();
        self.is_too_large = false;
    }

    fn most_bytes(&self) -> usize {
        self.options.most_bytes.unwrap_or(10_000_000)
    }
}

fn say(line: &str) -> Step {
    Step::Say(format!("{line}\r\n"))
}

/// What the world's answer becomes; 421 ends the connection.
fn step(answer: MailAnswer, accepted: &str) -> Step {
    match answer {
        MailAnswer::Accept => say(accepted),
        MailAnswer::Reply(421, words) => Step::End(format!("421 {words}\r\n")),
        MailAnswer::Reply(code, words) => say(&format!("{code} {words}")),
        MailAnswer::Hang => Step::Hang,
        MailAnswer::Close => Step::End(String::new()),
    }
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

/// The address behind `FROM:` or `TO:`, empty for `<>`, and the parameters behind it.
fn address<'a>(rest: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let start = rest.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word))?;
    let (address, parameters) = rest[start.len()..].strip_prefix('<')?.split_once('>')?;
    let is_address = match address.rsplit_once('@') {
        Some((name, host)) => !name.is_empty() && !host.is_empty() && !address.contains([' ', '<', ',']),
        None => address.is_empty(),
    };
    (is_address && (parameters.is_empty() || parameters.starts_with(' ')))
        .then_some((address, parameters.trim()))
}

#[cfg(test)]
#[path = "smtp_tests.rs"]
mod tests;
