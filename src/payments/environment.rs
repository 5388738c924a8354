//! Where money is real, and where it is not.

use serde::Deserialize;

/// Live or sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// Real money.
    Live,
    /// The provider's playground.
    Sandbox,
}

impl Environment {
    /// Reads `live` or `sandbox`, in any case.
    pub fn from_word(word: &str) -> Option<Environment> {
        match word.to_ascii_lowercase().as_str() {
            "live" => Some(Environment::Live),
            "sandbox" => Some(Environment::Sandbox),
            _ => None,
        }
    }

    /// `live` or `sandbox`.
    pub fn as_str(self) -> &'static str {
        match self {
            Environment::Live => "live",
            Environment::Sandbox => "sandbox",
        }
    }
}
