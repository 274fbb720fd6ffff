//! The harness judged by itself: with librdkafka as the producer it must find nothing wrong, and with a tampered log it must
//! find what is wrong.

use std::net::TcpStream;

use kproducer_kafka_tests::cluster::{KafkaCluster, Release};
use kproducer_kafka_tests::driver::{Driver, Outcome};
use kproducer_kafka_tests::env;
use kproducer_kafka_tests::load::numbered;
use kproducer_kafka_tests::log::read_topic;
use kproducer_kafka_tests::record::{LogRecord, Record};
use kproducer_kafka_tests::security::certificates::STORE_PASSWORD;
use kproducer_kafka_tests::security::{CLIENT_ID, CLIENT_SECRET, PASSWORD, Secured, USER};
use kproducer_kafka_tests::tools;
use kproducer_kafka_tests::verify::{Promise, Violation, check};

fn send_with_librdkafka(cluster: &KafkaCluster, records: &[Record]) -> Outcome {
    let properties = [("acks", "all"), ("enable.idempotence", "true")];
    let mut driver = Driver::start_program(&env::peer_program("driver"), &cluster.bootstrap(), &properties);
    driver.send(records);
    driver.finish()
}

/// A good log passes; each kind of damage is found.
fn judge(cluster: &KafkaCluster, topic: &str) {
    cluster.create_topic(topic, 2, 1, &[]);
    let records: Vec<Record> = (0..1000).map(|number| numbered(topic, number, 100)).collect();
    let outcome = send_with_librdkafka(cluster, &records);
    outcome.assert_all_acknowledged();
    let log = read_topic(cluster, topic);
    assert_eq!(check(&outcome, &log, Promise::HEALTHY), []);

    let damages: [fn(&mut Vec<LogRecord>); 3] = [
        |log| drop(log.remove(500)),
        |log| log[500].content.value.as_mut().expect("a value")[50] ^= 1,
        |log| log[500].timestamp_ms += 1,
    ];
    for damage in damages {
        let mut damaged = log.clone();
        damage(&mut damaged);
        assert_ne!(check(&outcome, &damaged, Promise::FAULTS), []);
    }

    // The same records once more are duplicates, for a broker as for us.
    send_with_librdkafka(cluster, &records[..1]);
    let twice = read_topic(cluster, topic);
    assert_eq!(check(&outcome, &twice, Promise::HEALTHY), [Violation::Duplicate(0)]);
    assert_eq!(check(&outcome, &twice, Promise::FAULTS_IN_ORDER), []);
}

#[test]
fn the_verifier_accepts_librdkafka_and_finds_damage_and_a_dropped_cluster_is_gone() {
    let mut cluster = KafkaCluster::start(1, Release::Kafka4_3);
    judge(&cluster, "judged");
    let address = cluster.bootstrap();
    assert!(TcpStream::connect(&address).is_ok(), "the broker listens");

    cluster.kill(1);
    assert!(TcpStream::connect(&address).is_err(), "a killed broker does not listen");
    cluster.restart(1);
    assert_eq!(read_topic(&cluster, "judged").len(), 1001, "a restarted broker has its log");

    drop(cluster);
    assert!(TcpStream::connect(&address).is_err(), "a dropped cluster does not listen");
}

/// Kafka's own client is let in by every listener with the right credentials, and by none with wrong ones: what fails elsewhere
/// is not the brokers' fault.
#[test]
fn every_secured_listener_lets_kafkas_own_client_in() {
    let secured = Secured::start(1);
    let Secured { cluster, certificates, issuer, realm, .. } = &secured;
    let module = "org.apache.kafka.common.security";
    let trust = format!(
        "ssl.truststore.type=PKCS12\nssl.truststore.location={}\nssl.truststore.password={STORE_PASSWORD}\n",
        certificates.authority_store.display()
    );
    let client = format!(
        "ssl.keystore.type=PKCS12\nssl.keystore.location={}\nssl.keystore.password={STORE_PASSWORD}\n",
        certificates.client.store_file.display()
    );
    let password = |class: &str, password: &str| {
        format!("sasl.jaas.config={module}.{class} required username=\"{USER}\" password=\"{password}\";\n")
    };
    let oauth = format!(
        "sasl.mechanism=OAUTHBEARER\nsasl.jaas.config={module}.oauthbearer.OAuthBearerLoginModule required;\n\
         sasl.login.callback.handler.class={module}.oauthbearer.OAuthBearerLoginCallbackHandler\n\
         sasl.oauthbearer.token.endpoint.url={}\nsasl.oauthbearer.client.credentials.client.id={CLIENT_ID}\n\
         sasl.oauthbearer.client.credentials.client.secret={CLIENT_SECRET}\n",
        issuer.token_url()
    );
    let kerberos = format!(
        "sasl.mechanism=GSSAPI\nsasl.kerberos.service.name=kafka\nsasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule \
         required useKeyTab=true keyTab=\"{}\" principal=\"{}\";\n",
        realm.client_keytab.display(),
        realm.client()
    );
    let (plain, scram) = ("plain.PlainLoginModule", "scram.ScramLoginModule");
    let scram = |mechanism: &str, text: &str| format!("sasl.mechanism={mechanism}\n{}", password(scram, text));
    let mut cases = vec![
        ("ONEWAY", "SSL", trust.clone(), true),
        ("ONEWAY", "SSL", String::new(), false),
        ("MUTUAL", "SSL", format!("{trust}{client}"), true),
        ("MUTUAL", "SSL", trust.clone(), false),
    ];
    for (listener, protocol) in
        [("SASL", "SASL_PLAINTEXT"), ("SASLTLS", "SASL_SSL"), ("SHORT", "SASL_PLAINTEXT"), ("SHORTTLS", "SASL_SSL")]
    {
        for (login, is_right) in [
            (format!("sasl.mechanism=PLAIN\n{}", password(plain, PASSWORD)), true),
            (format!("sasl.mechanism=PLAIN\n{}", password(plain, "wrong")), false),
            (scram("SCRAM-SHA-256", PASSWORD), true),
            (scram("SCRAM-SHA-512", PASSWORD), true),
            (scram("SCRAM-SHA-512", "wrong"), false),
            (oauth.clone(), true),
            (kerberos.clone(), true),
        ] {
            cases.push((listener, protocol, format!("{trust}{login}"), is_right));
        }
    }
    let directory = env::work_directory();
    let options = [issuer.java_option(), realm.java_option()];
    let mut command = tools::java_with(&options, Release::Kafka4_3, "AskBrokers", 128);
    for (number, (listener, protocol, text, _)) in cases.iter().enumerate() {
        let file = directory.join(format!("client-{number}.properties"));
        let bootstrap = cluster.bootstrap_of(listener);
        std::fs::write(&file, format!("bootstrap.servers={bootstrap}\nsecurity.protocol={protocol}\n{text}"))
            .expect("the properties can be written");
        command.arg(file);
    }
    let answers = tools::output(command, "");
    assert_eq!(answers.lines().count(), cases.len(), "{answers}");
    for ((listener, _, text, is_right), answer) in cases.iter().zip(answers.lines()) {
        assert_eq!(answer == "let in", *is_right, "{listener}: {answer}\n{text}");
    }
}
