//! One test binary: whole-daemon stories, the official SDKs against the simulator, and the house rules.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "the modules of one test binary share helpers, which fail by panicking"
)]

mod access_process;
mod alert_answers;
mod alert_hygiene;
mod alert_links;
mod alert_rules;
mod alert_targets;
mod allocator;
mod alone;
mod api_docs;
mod aps_batch;
mod backtest;
mod batch_process;
mod batches;
mod binary;
mod call_process;
mod calls;
mod calls_random;
mod canary;
mod clocks;
mod dashboard;
mod demo;
mod docs;
mod enrol_lines;
mod events;
mod events_receivers;
mod feeds;
mod feeds_crash;
mod feeds_process;
mod feeds_tail;
mod fleets;
mod fleets_run;
mod fuzzing;
mod getting_started;
mod holds;
mod hostile;
mod killing;
mod killing_compaction;
mod layout;
mod layout_inside;
mod memory;
mod monitoring;
mod months;
mod months_run;
mod moved_forward;
mod mws_batch;
mod notifications;
mod notifications_health;
mod notifications_listener;
mod notifications_month;
mod notifications_sender;
mod openapi;
mod packages;
mod patroni;
mod patroni_cluster;
mod postgres_process;
#[allow(dead_code, reason = "the tests of the store use the rest")]
#[path = "../../src/store/tests/server.rs"]
mod postgres_server;
mod postgres_sql;
mod power;
mod process;
mod provider_reports;
mod provider_reports_crash;
mod provider_reports_process;
mod scenario;
mod sdk_node;
mod sdk_php;
mod sdk_python;
mod service_status;
mod sns;
mod sns_agreement;
mod sns_differences;
mod socket_activation;
mod spool;
mod start_process;
mod stories;
mod systemd;
mod tools;
mod world;
