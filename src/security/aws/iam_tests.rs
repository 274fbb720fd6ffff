use super::*;
use crate::config::AwsRoleSettings;
use crate::security::aws::environment::Environment;
use crate::security::http::HttpSettings;

const NOW_MS: i64 = 1_440_938_160_000;
const HOST: &str = "b-1.demo.a1b2c3.c2.kafka.eu-west-1.amazonaws.com";

fn chain(more: &[(&str, &str)]) -> CredentialChain {
    let mut variables = vec![
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ];
    variables.extend(more);
    let http = HttpSettings {
        connect_timeout_ms: 0,
        read_timeout_ms: 0,
        ca_location: String::new(),
        ca_pem: String::new(),
        uses_proxy: false,
    };
    CredentialChain::new(Environment::of(&variables), "", "", &AwsRoleSettings::default(), http)
}

fn fields(message: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(message).expect("a JSON object")
}

#[test]
fn the_message_has_what_brokers_of_msk_want() {
    let mut mechanism = MskIam::new(chain(&[("AWS_SESSION_TOKEN", "session/token")]), "");
    assert_eq!(mechanism.name(), "AWS_MSK_IAM");
    let mut exchange = mechanism.exchange(HOST, NOW_MS);
    let message = exchange.start().expect("credentials of the environment");
    let secrets = exchange.secrets();
    assert_eq!(secrets[0].reveal(), "session/token", "kept out of what the broker says");
    let fields = fields(&message);
    assert_eq!(secrets[1].reveal(), fields["x-amz-signature"], "and so is the signature");
    let keys: Vec<&str> = fields.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "action",
            "host",
            "user-agent",
            "version",
            "x-amz-algorithm",
            "x-amz-credential",
            "x-amz-date",
            "x-amz-expires",
            "x-amz-security-token",
            "x-amz-signature",
            "x-amz-signedheaders"
        ]
    );
    for (name, value) in [
        ("action", "kafka-cluster:Connect"),
        ("host", HOST),
        ("version", "2020_10_22"),
        ("x-amz-credential", "AKIDEXAMPLE/20150830/eu-west-1/kafka-cluster/aws4_request"),
        ("x-amz-date", "20150830T123600Z"),
        ("x-amz-expires", "900"),
        ("x-amz-security-token", "session/token"),
        ("x-amz-signedheaders", "host"),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    assert_eq!(fields["x-amz-signature"].as_str().map(str::len), Some(64));
    let answer = br#"{"version":"2020_10_22","request-id":"83a53dcb-08ba-4c1e-9fd2-2b9b4f8a9d0e"}"#;
    assert_eq!(exchange.step(answer), Ok(Step::Done));
}

#[test]
fn an_answer_that_is_not_msks_is_refused() {
    for answer in [&b""[..], b"{}", b"null", br#"{"version":"1"}"#, &[0xff; 9]] {
        let mut exchange = MskIam::new(chain(&[]), "").exchange(HOST, NOW_MS);
        let refusal = exchange.step(answer).expect_err("a refusal");
        assert_eq!(refusal.status, Status::SASL_AUTHENTICATION_FAILED);
    }
}

#[test]
fn the_region_is_the_brokers() {
    for (host, region) in [
        (HOST, Some("eu-west-1")),
        ("boot-x.c1.kafka-serverless.us-east-2.amazonaws.com", Some("us-east-2")),
        ("b-1.demo.c2.kafka.cn-north-1.amazonaws.com.cn.", Some("cn-north-1")),
        ("b-1.scram.demo.kafka.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
        ("kafka.example.com", None),
        ("amazonaws.com", None),
        (".amazonaws.com", None),
        ("b-1.amazonaws.com", None),
        ("localhost", None),
    ] {
        assert_eq!(region_of_host(host), region, "{host}");
    }
    // Another region in the environment is not the broker's; where its name does not tell, it counts.
    let credential = |host: &str, property: &str, variables: &[(&str, &str)]| {
        let message = MskIam::new(chain(variables), property).exchange(host, NOW_MS).start();
        message.map(|message| fields(&message)["x-amz-credential"].as_str().expect("text").to_owned())
    };
    let variables = [("AWS_REGION", "ap-south-1")];
    assert!(credential(HOST, "", &variables).expect("a message").contains("/eu-west-1/"));
    assert!(credential("broker.internal", "", &variables).expect("a message").contains("/ap-south-1/"));
    assert!(credential(HOST, "sa-east-1", &variables).expect("a message").contains("/sa-east-1/"));
    let refusal = credential("broker.internal", "", &[]).expect_err("no region");
    assert!(refusal.text.contains("sasl.aws.region") && refusal.text.contains("broker.internal"), "{}", refusal.text);
}

#[test]
fn the_token_is_a_signed_url() {
    let token = IamTokens::new(chain(&[("AWS_REGION", "us-west-2")]), Vec::new()).get(NOW_MS).expect("a token");
    assert_eq!(token.expires_at_ms, NOW_MS + 900_000);
    let url = URL_SAFE_NO_PAD.decode(token.value.reveal()).expect("base64");
    let url = String::from_utf8(url).expect("text");
    let start = "https://kafka.us-west-2.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256&\
                 X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-west-2%2Fkafka-cluster%2Faws4_request&\
                 X-Amz-Date=20150830T123600Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=";
    assert!(url.starts_with(start), "{url}");
    assert!(url.contains("&User-Agent=libkproducer%2F"), "{url}");
    let refusal = IamTokens::new(chain(&[]), Vec::new()).get(NOW_MS).expect_err("no region");
    assert!(refusal.is_permanent && refusal.text.contains("AWS_REGION"), "{}", refusal.text);
}
