//! Named scenarios of who we are: sessions that are renewed under load, credentials that are wrong, missing, late or mended.

use super::Sim;
use super::hands::scenario;
use super::logins::LoginPlan;
use super::plan::Plan;
use crate::accumulator::{CallReply, Command, MetadataReply, Question, TransactionCall};
use crate::error::Status;
use crate::mock::api_key;
use crate::reports::Persisted;
use crate::stats::HealthState;
use crate::time::Time;
use std::sync::Arc;

fn demanding(login: LoginPlan, edit: impl FnOnce(&mut Plan)) -> Sim {
    scenario(|plan| {
        plan.logins = Some(login);
        edit(plan);
    })
}

fn wrong() -> LoginPlan {
    LoginPlan { wrong: 1_000, ..LoginPlan::default() }
}

impl Sim {
    fn mend_login(&mut self) {
        self.logins.as_mut().expect("brokers demand logins").plan = LoginPlan::default();
    }

    fn health(&self) -> (HealthState, String) {
        let health = self.accumulator.health.load();
        (health.state, health.text.to_string_lossy().into_owned())
    }

    /// Says a record every 3 ms to both partitions; answers which.
    fn say_for(&mut self, ms: u64) -> Vec<usize> {
        let mut said = Vec::new();
        for n in 0..ms / 3 {
            said.extend((0..2).map(|partition| self.say(0, partition, &n.to_be_bytes())));
            self.run_for(3);
        }
        said
    }
}

#[test]
fn sessions_are_renewed_under_load_and_nothing_is_lost_late_or_out_of_order() {
    for (lifetime_ms, delay_us, latency_us) in [(200, 1_000, 500), (400, 20_000, 5_000), (300, 0, 30_000)] {
        let login = LoginPlan { lifetime_ms, delay_us, ..LoginPlan::default() };
        let mut sim = demanding(login, |plan| plan.latency_us = latency_us);
        let said = sim.say_for(6_000);
        sim.run_for(1_000);
        assert!(said.iter().all(|index| sim.is_delivered(*index)));
        for partition in 0..2 {
            let values = sim.values(partition);
            assert!(values.len() == 2_000 && values.windows(2).all(|pair| pair[0] < pair[1]));
        }
        let cluster = &sim.cluster;
        assert!(cluster.reauthentications() > 2 * 6_000 / lifetime_ms, "{}", cluster.reauthentications());
        assert_eq!((cluster.expired_sessions(), cluster.denied_requests()), (0, 0));
        assert!(cluster.authentications() <= 3, "no connection was lost by it");
        sim.finish();
    }
}

#[test]
fn what_is_in_flight_stays_where_it_is_while_the_session_is_renewed() {
    let login = LoginPlan { lifetime_ms: 1_000, ..LoginPlan::default() };
    let mut sim = demanding(login, |plan| plan.brokers = 1);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    // The broker takes its time over a request that begins just before the renewal and ends after the session would.
    sim.cluster.broker_set_latency(1, 400);
    sim.run_for(680);
    let slow = sim.say(0, 0, b"slow");
    sim.run_for(250);
    let held = sim.say(0, 1, b"held");
    sim.run_for(3_000);
    assert!(sim.is_delivered(slow) && sim.is_delivered(held));
    assert_eq!(sim.report(slow).attempts, 1);
    assert_eq!((sim.cluster.authentications(), sim.cluster.expired_sessions()), (1, 0));
    sim.finish();
}

#[test]
fn a_login_that_is_late_with_a_renewal_holds_requests_back_from_a_broker_that_would_hang_up() {
    let login = LoginPlan { lifetime_ms: 400, ..LoginPlan::default() };
    let mut sim = demanding(login, |plan| plan.brokers = 1);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    sim.logins.as_mut().expect("they do").plan.delay_us = 600_000;
    let said = sim.say_for(3_000);
    sim.run_for(3_000);
    assert!(said.iter().all(|index| sim.is_delivered(*index)));
    assert_eq!((sim.cluster.authentications(), sim.cluster.expired_sessions()), (1, 0));
    sim.finish();
}

#[test]
fn an_idle_connection_stays_authenticated_and_is_still_closed_as_an_idle_one() {
    let login = LoginPlan { lifetime_ms: 300, ..LoginPlan::default() };
    let mut sim = demanding(login, |plan| {
        plan.brokers = 1;
        plan.config.connections_max_idle_ms = Some(5_000);
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(4_000);
    assert!(sim.cluster.reauthentications() > 10);
    let after = sim.say(0, 0, b"after");
    sim.run_for(100);
    assert!(sim.is_delivered(after) && sim.cluster.authentications() == 1);
    sim.run_for(7_000);
    assert_eq!(sim.open_links().len(), 0);
    sim.finish();
}

#[test]
fn a_login_that_cannot_renew_yet_costs_nothing_while_the_session_lasts() {
    let login = LoginPlan { lifetime_ms: 10_000, ..LoginPlan::default() };
    let mut sim = demanding(login, |plan| {
        plan.brokers = 1;
        (plan.config.reconnect_backoff_ms, plan.config.reconnect_backoff_max_ms) = (20, 100);
    });
    let mut said = sim.say_for(8_400);
    sim.logins.as_mut().expect("they do").plan.fails = 1_000;
    said.extend(sim.say_for(1_200));
    assert_eq!((sim.cluster.reauthentications(), sim.health().0), (0, HealthState::Ok));
    sim.mend_login();
    said.extend(sim.say_for(1_000));
    sim.run_for(100);
    assert!(said.iter().all(|index| sim.is_delivered(*index) && sim.report(*index).attempts == 1));
    assert_eq!((sim.cluster.authentications(), sim.cluster.reauthentications()), (1, 1));
    assert_eq!((sim.cluster.expired_sessions(), sim.accumulator.numbers.connection_failures.get()), (0, 0));
    sim.finish();
}

#[test]
fn a_session_that_cannot_be_renewed_is_left_at_its_end_with_everything_answered() {
    for plan in [LoginPlan { fails: 1_000, ..LoginPlan::default() }, LoginPlan { hangs: 1_000, ..LoginPlan::default() }]
    {
        let login = LoginPlan { lifetime_ms: 5_000, ..LoginPlan::default() };
        let mut sim = demanding(login, |plan| {
            plan.brokers = 1;
            plan.config.request_timeout_ms = 1_000;
        });
        let mut said = sim.say_for(4_000);
        sim.logins.as_mut().expect("they do").plan = plan;
        said.extend(sim.say_for(3_000));
        let (state, text) = sim.health();
        assert_eq!(state, HealthState::AuthenticationFailed, "{text}");
        assert_eq!((sim.cluster.expired_sessions(), sim.cluster.denied_requests()), (0, 0));
        sim.mend_login();
        said.extend(sim.say_for(1_000));
        sim.run_for(5_000);
        assert!(said.iter().all(|index| sim.is_delivered(*index) && sim.report(*index).attempts <= 1));
        assert_eq!(sim.health().0, HealthState::Ok);
        sim.finish();
    }
}

#[test]
fn a_failure_before_a_good_connection_broke_says_nothing_of_the_time_after() {
    let mut sim = scenario(|plan| plan.brokers = 2);
    sim.say(0, 0, b"opens the connections");
    sim.say(0, 1, b"opens the connections");
    sim.run_for(100);
    // One broker is restarted; its partition has another leader then, so that nobody needs it.
    let restarted = sim.leader(1);
    sim.cluster.broker_down(restarted);
    sim.cut_off(restarted);
    sim.say(0, 1, b"moves");
    sim.run_for(2_000);
    assert_eq!(sim.health().0, HealthState::Ok, "{:?}", sim.health());
    sim.cluster.broker_up(restarted);
    sim.run_for(2_000);
    let since = sim.accumulator.health.load().since;
    sim.cut_off(3 - restarted);
    sim.say(0, 0, b"needs a connection");
    sim.run_for(2_000);
    assert_eq!(sim.health().0, HealthState::Ok, "{:?}", sim.health());
    assert_eq!(sim.accumulator.health.load().since, since, "nor was it otherwise in between");
    // Whereas all of them are down now.
    for broker in [1, 2] {
        sim.cluster.broker_down(broker);
        sim.cut_off(broker);
    }
    sim.say(0, 0, b"waits");
    sim.run_for(2_000);
    assert_eq!(sim.health().0, HealthState::Unreachable);
    sim.finish();
}

#[test]
fn a_renewal_that_is_refused_costs_the_connection_and_no_record() {
    let login = LoginPlan { lifetime_ms: 500, ..LoginPlan::default() };
    let mut sim = demanding(login, |_| ());
    let mut said = sim.say_for(300);
    sim.logins.as_mut().expect("they do").plan.wrong = 1_000;
    said.extend(sim.say_for(1_000));
    assert_eq!(sim.health().0, HealthState::AuthenticationFailed, "{:?}", sim.health());
    sim.mend_login();
    said.extend(sim.say_for(1_000));
    sim.run_for(10_000);
    assert!(said.iter().all(|index| sim.is_delivered(*index)), "it was let in before: everything waits");
    assert_eq!(sim.health().0, HealthState::Ok);
    sim.finish();
}

#[test]
fn wrong_credentials_fail_what_waits_in_no_time_and_mended_ones_are_found() {
    let mut sim = demanding(wrong(), |plan| plan.brokers = 3);
    let first = sim.say(0, 0, b"refused");
    let flushed = sim.flush();
    sim.run_for(1_500);
    let report = sim.report(first);
    assert_eq!((report.status, report.persisted), (Status::SASL_AUTHENTICATION_FAILED, Persisted::No));
    assert!(report.cause.contains("bootstrap server") && report.cause.contains("invalid_token"), "{}", report.cause);
    assert!(flushed.is_complete());
    let (state, text) = sim.health();
    assert!(state == HealthState::AuthenticationFailed && text.contains("refused the credentials"), "{state:?} {text}");
    // However long nothing was asked of it: what comes later has an attempt of its own, and soon.
    sim.run_for(60_000);
    let later = sim.say(0, 1, b"refused, too");
    sim.run_for(1_500);
    assert_eq!(sim.report(later).status, Status::SASL_AUTHENTICATION_FAILED);
    sim.mend_login();
    let mended = sim.say(0, 1, b"delivered");
    sim.run_for(1_500);
    assert!(sim.is_delivered(mended));
    assert_eq!(sim.health().0, HealthState::Ok);
    sim.finish();
}

#[test]
fn who_refuses_credentials_is_not_hammered() {
    let mut sim = demanding(wrong(), |plan| {
        plan.brokers = 1;
        plan.config.reconnect_backoff_ms = 10;
        plan.config.reconnect_backoff_max_ms = 50;
    });
    sim.run_for(120_000);
    let idle = sim.requests(api_key::SASL_HANDSHAKE);
    assert!((10..=35).contains(&idle), "{idle} attempts in two minutes without work");
    for _ in 0..1_000 {
        sim.say(0, 0, b"refused");
        sim.run_for(30);
    }
    let busy = sim.requests(api_key::SASL_HANDSHAKE) - idle;
    assert!((15..=40).contains(&busy), "{busy} attempts in half a minute with records");
    sim.finish();
}

#[test]
fn everybody_who_waits_hears_of_the_refusal() {
    let mut sim = demanding(wrong(), |plan| plan.brokers = 1);
    let question = Question { topic: None, fresh: true };
    let (asked, warm) = (Arc::new(MetadataReply::default()), Arc::new(CallReply::default()));
    sim.accumulator.inbox.command(Command::Metadata { question, reply: asked.clone() });
    let topic = sim.app.topics[0].id;
    sim.accumulator.inbox.command(Command::WarmUp { topic, reply: warm.clone() });
    sim.after_application();
    sim.run_for(2_000);
    assert!(asked.done.is_complete() && warm.done.is_complete());
    let error = asked.take().expect("an answer").expect_err("a refusal");
    assert_eq!(error.status, Status::SASL_AUTHENTICATION_FAILED);
    sim.finish();

    let mut sim = demanding(wrong(), |plan| {
        plan.brokers = 1;
        plan.config.enable_idempotence = true;
        plan.config.transactional_id = Some("simulated".into());
    });
    for _ in 0..2 {
        let reply = Arc::new(CallReply::default());
        let call = TransactionCall::Init;
        sim.accumulator.inbox.command(Command::Transaction { call, reply: reply.clone() });
        sim.after_application();
        sim.run_for(2_000);
        assert!(reply.done.is_complete(), "it can be called again, and hears it again");
    }
}

#[test]
fn one_server_that_cannot_be_connected_to_is_not_waited_for_where_the_other_refuses() {
    let mut sim = demanding(wrong(), |plan| plan.brokers = 2);
    sim.cluster.broker_down(2);
    let fails = sim.say(0, 0, b"fails");
    sim.run_for(5_000);
    assert_eq!(sim.report(fails).status, Status::SASL_AUTHENTICATION_FAILED);
    assert_eq!(sim.health().0, HealthState::AuthenticationFailed, "whoever can be reached refuses us");
    sim.cluster.broker_up(2);
    sim.mend_login();
    let delivered = sim.say(0, 0, b"delivered");
    sim.run_for(3_000);
    assert!(sim.is_delivered(delivered));
    sim.finish();

    // Without anybody who refuses, it is an outage as any other.
    let mut sim = demanding(wrong(), |plan| plan.brokers = 2);
    sim.cluster.broker_down(1);
    sim.cluster.broker_down(2);
    let waits = sim.say(0, 0, b"waits");
    sim.run_for(20_000);
    assert!(sim.report_of(waits).is_none() && sim.health().0 == HealthState::Unreachable);
    sim.finish();
}

#[test]
fn new_credentials_are_tried_at_once() {
    let mut sim = demanding(wrong(), |plan| plan.brokers = 1);
    sim.run_for(30_000);
    let before = sim.requests(api_key::SASL_HANDSHAKE);
    sim.mend_login();
    sim.accumulator.inbox.command(Command::CredentialsChanged);
    sim.after_application();
    sim.run_for(20);
    assert_eq!(sim.requests(api_key::SASL_HANDSHAKE), before + 1);
    assert_eq!(sim.cluster.authentications(), 1);
    sim.finish();
}

#[test]
fn credentials_that_are_not_there_fail_fast_only_when_they_will_not_come() {
    let lacks = LoginPlan { lacks: 1_000, ..LoginPlan::default() };
    let mut sim = demanding(lacks, |_| ());
    let fails = sim.say(0, 0, b"fails");
    sim.run_for(2_000);
    assert_eq!(sim.report(fails).status, Status::CREDENTIALS);
    sim.finish();

    let late = LoginPlan { fails: 1_000, ..LoginPlan::default() };
    let mut sim = demanding(late, |_| ());
    let waits = sim.say(0, 0, b"waits");
    sim.run_for(20_000);
    assert!(sim.report_of(waits).is_none());
    let (state, text) = sim.health();
    assert!(state == HealthState::AuthenticationFailed && text.contains("the run wants it"), "{state:?} {text}");
    let expires = sim.say_within(0, 0, b"expires", Some(5_000));
    sim.run_for(6_000);
    assert_eq!(sim.report(expires).status, Status::DELIVERY_TIMED_OUT);
    assert!(sim.report(expires).cause.contains("the run wants it"), "{}", sim.report(expires).cause);
    sim.mend_login();
    sim.run_for(3_000);
    assert!(sim.is_delivered(waits));
    sim.finish();
}

#[test]
fn a_login_or_a_broker_that_says_nothing_is_given_up_and_named() {
    let hangs = LoginPlan { hangs: 1_000, ..LoginPlan::default() };
    let mut sim = demanding(hangs, |plan| {
        plan.brokers = 1;
        plan.config.request_timeout_ms = 1_000;
    });
    sim.run_for(1_500);
    assert!(sim.health().1.contains("no credentials for OAUTHBEARER in time"), "{}", sim.health().1);
    sim.mend_login();
    sim.faults.silent.push((1, api_key::SASL_AUTHENTICATE));
    sim.run_for(4_000);
    assert!(sim.health().1.contains("no answer to SaslAuthenticate (OAUTHBEARER) in time"), "{}", sim.health().1);
    sim.faults.silent = vec![(1, api_key::SASL_HANDSHAKE)];
    sim.run_for(6_000);
    assert!(sim.health().1.contains("no answer to SaslHandshake in time"), "{}", sim.health().1);
    sim.faults.silent.clear();
    let delivered = sim.say(0, 0, b"delivered");
    sim.run_for(6_000);
    assert!(sim.is_delivered(delivered));
    sim.finish();
}

#[test]
fn a_listener_of_another_kind_is_named_with_the_remedy() {
    let mut sim = demanding(LoginPlan::default(), |plan| plan.brokers = 1);
    sim.cluster.set_sasl(None, "", "", 0).expect("it can be switched off");
    let refused = sim.say(0, 0, b"refused");
    sim.run_for(1_500);
    assert_eq!(sim.report(refused).status, Status::ILLEGAL_SASL_STATE);
    assert!(sim.report(refused).cause.contains("set security.protocol=PLAINTEXT"), "{}", sim.report(refused).cause);
    sim.cluster.set_sasl(Some("PLAIN"), "user", "password", 0).expect("it knows it");
    let refused = sim.say(0, 0, b"refused");
    sim.run_for(1_500);
    assert_eq!(sim.report(refused).status, Status::UNSUPPORTED_SASL_MECHANISM);
    assert!(sim.report(refused).cause.contains("it offers PLAIN"), "{}", sim.report(refused).cause);
    sim.finish();

    // And the other way round: a client without SASL is hung up on.
    let mut sim = scenario(|plan| plan.brokers = 1);
    sim.cluster.set_sasl(Some("PLAIN"), "user", "password", 0).expect("it knows it");
    sim.run_for(1_000);
    let (state, text) = sim.health();
    assert!(state == HealthState::Unreachable && text.contains("security.protocol=SASL_PLAINTEXT"), "{text}");
    sim.finish();
}

#[test]
fn the_sender_gives_telemetrys_connection_a_login_of_its_own() {
    let login = LoginPlan { lifetime_ms: 700, delay_us: 500, ..LoginPlan::default() };
    let mut sim = demanding(login, |plan| {
        plan.brokers = 1;
        plan.telemetry_ms = Some(300);
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(6_000);
    assert!(sim.requests(api_key::PUSH_TELEMETRY) >= 10, "{}", sim.requests(api_key::PUSH_TELEMETRY));
    assert!(sim.cluster.authentications() > 4, "a link whose session ends is left for another");
    assert_eq!((sim.cluster.expired_sessions(), sim.cluster.denied_requests()), (0, 0));
    sim.finish();
}

#[test]
fn certificates_that_do_not_fit_fail_fast_too() {
    let mut sim = scenario(|plan| plan.brokers = 1);
    sim.net.tls_refuses = true;
    let refused = sim.say(0, 0, b"refused");
    sim.run_for(1_500);
    assert_eq!((sim.report(refused).status, sim.report(refused).persisted), (Status::TLS_FAILED, Persisted::No));
    assert_eq!(sim.health().0, HealthState::AuthenticationFailed);
    sim.net.tls_refuses = false;
    let delivered = sim.say(0, 0, b"delivered");
    sim.run_for(2_000);
    assert!(sim.is_delivered(delivered) && sim.now < Time::from_ms(10_000));
    sim.finish();
}
