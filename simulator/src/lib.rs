//! A simulated Amazon Pay, written from the providers' manuals alone.
//!
//! Owns: how the providers behave. Must never know: any client of theirs. A client and a simulator that share code
//! for the wire are wrong together, so this crate depends on none.
//!
//! # The life of a request
//!
//! 1. [`serve`] reads it off a socket (or a test hands it in) as an [`exchange::Incoming`].
//! 2. A path of the pretended [`chat`] is answered there.
//! 3. The first [`provider::Provider`] that claims the path names the operation, unverified.
//! 4. The first [`fault::Fault`] of the scenario that strikes may answer in the provider's place. Such a
//!    request is not charged to the bucket that throttles, but to the one that counts
//!    [`OperationCounts::over_quota`].
//! 5. The [`bucket::Bucket`] of merchant, operation and environment lets it through, or the provider's
//!    throttled answer goes out.
//! 6. The provider verifies the signature, checks the parameters, acts, and answers.
//! 7. A fault may spoil a good answer, or its [`exchange::Carriage`].
//!
//! # Notifications
//!
//! What changes is announced to the merchants that the scenario names, by signed messages: see [`notifications`].
//!
//! # Time and chance
//!
//! An object's state is a pure function of its plan, its creation and the calls made on it: nothing runs
//! in the background. The seed decides every draw, and each matter draws from a generator of its own
//! (this population's n-th object, that account's n-th request of an operation), so that the traffic of
//! one account never moves the fate of another. Keys alone come from the system's randomness.
//!
//! # Scenarios
//!
//! A scenario says which merchants exist, what becomes of their objects, and what goes wrong; the
//! annotated [`scenario::EXAMPLE`] shows every key. Outcomes are weights with steps: the states, and
//! reasons where there are some, that an object goes through after its first state, each after a delay.
//! The first states are:
//!
//! | kind | amazon-pay-v2 | amazon-pay-mws |
//! |---|---|---|
//! | `charge` | `AuthorizationInitiated` | |
//! | `authorization` | `AuthorizationInitiated` | `Pending` |
//! | `capture` | `CaptureInitiated`, of a charge authorized 8 days before | `Pending` |
//! | `refund` | `RefundInitiated`, of a charge captured the day before | `Pending` |
//! | `charge-permission` | `Chargeable` | |
//! | `order-reference`, `billing-agreement` | | `Draft` or `Open` |
//!
//! An object that is `Authorized` (v2) and goes no further expires after 30 days, a charge permission
//! after 180. A population with `decides_created = true` also decides what becomes of objects that API
//! calls create.
//!
//! ```
//! use std::sync::Arc;
//!
//! use amazon_pay_simulator::clock::SystemClock;
//! use amazon_pay_simulator::{Scenario, Simulator, scenario};
//!
//! let folder = tempfile::tempdir()?;
//! let mut example = Scenario::parse(scenario::EXAMPLE, folder.path())?;
//! let keys = example.generate_credentials(folder.path())?;
//! let simulator = Arc::new(Simulator::new(example, SystemClock::new())?);
//! println!("seed {}, {} objects", simulator.seed(), simulator.planted().len());
//! assert!(keys.iter().all(|key| key.secret_file.exists()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod clock;
pub mod exchange;
pub mod fate;
pub mod plan;
pub mod provider;

pub mod bucket;
pub mod chat;
pub mod counts;
pub mod credentials;
pub mod fault;
pub mod hostile;
pub mod notifications;
pub mod scenario;

pub mod amazon_pay_mws;
pub mod amazon_pay_v2;
pub mod aps;

pub mod authority;
mod delivery;
mod mail_server;
mod server;
#[cfg(test)]
mod signing_for_tests;
mod world;

pub use authority::ThrowAwayAuthority;
pub use chat::ChatMessage;
pub use counts::{Counts, OperationCounts};
pub use credentials::GeneratedCredentials;
pub use mail_server::serve_mail;
pub use scenario::{Scenario, ScenarioError};
pub use server::{Serving, serve, serve_silence};
pub use world::{Planted, Simulator};
