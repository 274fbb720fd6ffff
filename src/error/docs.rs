//! docs/ERRORS.md, written from the status table.

use std::fmt::Write;

use super::{Class, STATUS_TABLE, Status};

const HEAD: &str = "# Errors: every status, its cause and the remedy

This file is generated from the status table in `src/error.rs`; do not edit it: run `BLESS=1 cargo test --lib error::docs`.

A call returns a status, a record's report has one. `producer_last_error` has one sentence about the calling thread's last failed call,
a report has its `error_text`: both name the property, topic or broker concerned. What to do is decided by four questions:

| question | function | then |
|---|---|---|
| may the same call succeed later? | `producer_status_is_retriable` | call again, with a pause |
| does it cost the transaction? | `producer_status_is_abortable` | `producer_abort_transaction`, then go on |
| does it cost the producer? | `producer_status_is_fatal` | `producer_close`, make a new one |
| is the failed record in the log? | `persisted` of its report | send it again only after `PRODUCER_PERSISTED_NO` |

The library itself retries what may pass until `delivery.timeout.ms`: a report is the last word, and its status is what the last attempt
met. \"Retried\" below means that a program sees the status only then. A status that is not listed here comes from a newer broker: treat it
as a failure and ask the three functions.
";

/// What a producer's program can meet: status, cause, remedy.
#[rustfmt::skip]
const MET: &[(Status, &str, &str)] = &[
    (Status::INTERNAL, "The library found a state that must not exist, or a panic was caught.", "Close the producer, make a new one, report it with the log at level 7."),
    (Status::INVALID_ARGUMENT, "A NULL where something is needed, text that is not UTF-8, a number out of range, a handle of the wrong kind.", "Correct the call; `producer_last_error` names the argument."),
    (Status::TIMED_OUT, "The call's own timeout passed. Nothing is lost: records go on, a flush or commit may be called again.", "Call again, or give it more time."),
    (Status::QUEUE_FULL, "Brokers take records more slowly than the program sends, or not at all.", "Wait and send again, or drop the record ([BACKPRESSURE.md](BACKPRESSURE.md)). The sentence names what holds the memory."),
    (Status::REPORTS_NOT_TAKEN, "Nothing polls, or callbacks are slower than deliveries.", "Call `producer_poll` or `producer_poll_reports`; `delivery.dispatch=thread` does it for you."),
    (Status::CLOSED, "The producer was closed, or is being closed by another thread. In a report: closing failed the record.", "In a report: `persisted` says whether the record may be in the log. Send again with a new producer."),
    (Status::PURGED, "`producer_purge` failed the record.", "None: you asked for it."),
    (Status::IN_CALLBACK, "A function that dispatches callbacks was called from a callback of the same producer.", "Call it after the callback has returned, for example from the thread that polls."),
    (Status::FORKED, "The handle was made in the parent process.", "Make a new producer in the child ([FORKING.md](FORKING.md))."),
    (Status::FENCED, "Another producer with the same transactional.id has been initialized.", "Close this one. If that is not meant, give each instance its own transactional.id."),
    (Status::UNKNOWN_PROPERTY, "A misspelled name, or a property of a newer version.", "The sentence proposes the nearest name ([CONFIGURATION.md](CONFIGURATION.md))."),
    (Status::INVALID_PROPERTY, "The value is out of range, or no value of this property.", "The sentence says what is allowed."),
    (Status::CONFIG_CONFLICT, "Two settings exclude each other, or bootstrap.servers is missing.", "The sentence lists every conflict with its remedy."),
    (Status::PROPERTY_NOT_SUPPORTED, "A property of consumers or brokers, of Java's classes, or one that this version lacks.", "The sentence says what to use instead."),
    (Status::RECORD_TOO_LARGE, "Key, value and headers exceed max.request.size.", "Make records smaller, or raise max.request.size and the topic's max.message.bytes."),
    (Status::UNKNOWN_PARTITION, "The record asked for a partition that the topic does not have.", "Ask `producer_metadata` how many there are, or let the library choose."),
    (Status::DELIVERY_TIMED_OUT, "No leader, no connection, or no acknowledgement until delivery.timeout.ms.", "The report's `error_text` names the last cause. Send again only if `persisted` is NO, or with a transaction."),
    (Status::DISCONNECTED, "The connection broke and `retries` allowed no further attempt.", "Leave `retries` at its default; look for the cause in the log."),
    (Status::UNSUPPORTED_BROKER, "A broker older than Kafka 2.1, one that lacks a request that the configuration needs, or a server that is not Kafka.", "The sentence names the request and versions. Check host and port."),
    (Status::NOT_FOUND, "A file that a property names, a topic, a broker of the mock cluster.", "The sentence names it."),
    (Status::IO, "A file of the configuration cannot be read.", "Check path and permissions; the sentence has the system's error."),
    (Status::NO_RESOURCES, "No memory, thread, descriptor, or more than 100,000 topics.", "Raise the limit that the sentence names; try again later."),
    (Status::STATE, "For example a commit without a begin, or a second call while one is pending.", "The sentence names the state and what fits it ([TRANSACTIONS.md](TRANSACTIONS.md))."),
    (Status::NOT_TRANSACTIONAL, "A function of transactions on a producer without transactional.id.", "Set transactional.id."),
    (Status::FATAL, "An error after which the order or the exactly-once promise could not be kept.", "Close the producer and make a new one. The sentence has the cause."),
    (Status::TRANSACTION_ABORTED, "The transaction ended by abort before this record was sent.", "Send it again in the next transaction."),
    (Status::EARLIER_FAILED, "on.failure=stop-partition: a record before it in its partition failed.", "Handle that record first, then send the others again in order."),
    (Status::TOO_LATE, "`producer_cancel`: the record is in flight or finished.", "Its report tells the outcome."),
    (Status::CANCELLED, "`producer_cancel` took the record back.", "None: you asked for it."),
    (Status::BATCH_FULL, "`producer_batch_append`: the record does not fit any more.", "Send the batch and begin another."),
    (Status::BATCH_REFUSED, "The broker refused a record of the same batch, and this one could not be sent again without it: an earlier attempt may be in the log, or the transaction has failed.", "Nothing is wrong with this record: send it again after `PRODUCER_PERSISTED_NO`, or in the next transaction."),
    (Status::SERIALIZATION, "A serializer of the program returned a failure.", "The sentence is the serializer's own."),
    (Status::TLS_FAILED, "The certificate is not trusted, names another host, has expired, or the versions differ.", "The sentence says which ([TLS.md](TLS.md))."),
    (Status::CREDENTIALS, "A token, ticket or password could not be obtained.", "The sentence says from where and why ([SASL.md](SASL.md))."),
    (Status::UNKNOWN_SERVER_ERROR, "A bug or an overload in the broker.", "Look into the broker's log. The library has retried nothing: Kafka does not call it retriable."),
    (Status::CORRUPT_MESSAGE, "The batch was damaged on the way; for a compacted topic, a record has no key.", "Retried. If it stays: give records keys, or look for a proxy that changes bytes."),
    (Status::UNKNOWN_TOPIC_OR_PARTITION, "The topic does not exist, or was deleted.", "Create it, or allow auto.create.topics.enable on the brokers. Retried for topic.metadata.propagation.max.ms."),
    (Status::LEADER_NOT_AVAILABLE, "An election is going on.", "Retried."),
    (Status::NOT_LEADER_OR_FOLLOWER, "The leader has moved.", "Retried at the new leader."),
    (Status::REQUEST_TIMED_OUT, "Replicas did not acknowledge within request.timeout.ms.", "Retried. If it stays, replicas are slow or down."),
    (Status::MESSAGE_TOO_LARGE, "The batch exceeds message.max.bytes or max.message.bytes.", "Batches are split and sent again; one record that is too large fails. Raise the topic's limit."),
    (Status::NETWORK_EXCEPTION, "The broker lost a connection on the way.", "Retried."),
    (Status::COORDINATOR_LOAD_IN_PROGRESS, "The coordinator has just moved.", "Retried."),
    (Status::COORDINATOR_NOT_AVAILABLE, "No coordinator yet; with few brokers, the transaction topic may lack replicas.", "Retried. On small clusters set transaction.state.log.replication.factor."),
    (Status::NOT_COORDINATOR, "The coordinator has moved.", "Retried at the new one."),
    (Status::INVALID_TOPIC_EXCEPTION, "An illegal name, or an internal topic.", "Use 1 to 249 of [a-zA-Z0-9._-]."),
    (Status::RECORD_LIST_TOO_LARGE, "The batch exceeds segment.bytes.", "Split and sent again; raise segment.bytes."),
    (Status::NOT_ENOUGH_REPLICAS, "Fewer replicas in sync than min.insync.replicas.", "Retried. Bring replicas back."),
    (Status::NOT_ENOUGH_REPLICAS_AFTER_APPEND, "The same, found after the append.", "Retried; with enable.idempotence nothing is written twice."),
    (Status::INVALID_REQUIRED_ACKS, "The broker does not accept this acks.", "Use all, 1 or 0."),
    (Status::ILLEGAL_GENERATION, "The consumer group has rebalanced since its offsets were read.", "Abort; go on with the group's new state."),
    (Status::UNKNOWN_MEMBER_ID, "The consumer has left its group.", "Abort; join again."),
    (Status::TOPIC_AUTHORIZATION_FAILED, "An ACL is missing.", "Grant WRITE (and CREATE for new topics)."),
    (Status::GROUP_AUTHORIZATION_FAILED, "An ACL is missing.", "Grant READ on the group."),
    (Status::CLUSTER_AUTHORIZATION_FAILED, "IDEMPOTENT_WRITE or another right on the cluster is missing (Kafka before 2.8).", "Grant it, or set enable.idempotence=false."),
    (Status::INVALID_TIMESTAMP, "Beyond message.timestamp.before.max.ms or message.timestamp.after.max.ms.", "Correct the timestamp, or the topic's setting."),
    (Status::UNSUPPORTED_SASL_MECHANISM, "The listener does not offer sasl.mechanism.", "The sentence lists what it offers."),
    (Status::ILLEGAL_SASL_STATE, "A proxy, or a listener of another protocol.", "Check security.protocol."),
    (Status::UNSUPPORTED_VERSION, "The broker is older than a feature in use.", "The sentence names the request."),
    (Status::INVALID_REQUEST, "The broker finds the request contradictory.", "Report it: a bug here or there."),
    (Status::UNSUPPORTED_FOR_MESSAGE_FORMAT, "message.format.version of the topic is before 0.11.", "Raise it: the library writes format 2 only."),
    (Status::POLICY_VIOLATION, "A policy class of the brokers' operator.", "Ask the operator."),
    (Status::OUT_OF_ORDER_SEQUENCE_NUMBER, "The broker has lost acknowledged records, or its producer state.", "on.sequence.gap decides; the data-loss callback has the details."),
    (Status::DUPLICATE_SEQUENCE_NUMBER, "The broker has the batch already.", "None: the records count as delivered."),
    (Status::INVALID_PRODUCER_EPOCH, "A newer epoch exists: the transaction timed out, or another producer took over.", "Abort and go on; if it is FENCED the next call says so."),
    (Status::INVALID_TXN_STATE, "The coordinator's state does not fit: it has aborted the transaction after transaction.timeout.ms.", "Abort and go on; raise transaction.timeout.ms."),
    (Status::INVALID_PRODUCER_ID_MAPPING, "The coordinator has forgotten the transactional.id (transactional.id.expiration.ms).", "Close the producer and make a new one."),
    (Status::INVALID_TRANSACTION_TIMEOUT, "transaction.timeout.ms exceeds the broker's transaction.max.timeout.ms.", "Lower the one or raise the other."),
    (Status::CONCURRENT_TRANSACTIONS, "The transaction before is still being completed.", "Retried."),
    (Status::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "An ACL is missing.", "Grant WRITE and DESCRIBE on the transactional.id."),
    (Status::OPERATION_NOT_ATTEMPTED, "Another partition of the same request failed.", "Abort; the sentence names the other one."),
    (Status::KAFKA_STORAGE_ERROR, "A disk of the broker failed.", "Retried: leaders move."),
    (Status::SASL_AUTHENTICATION_FAILED, "Wrong user, password or token.", "Correct the credentials; `producer_set_sasl_credentials` changes them at run time."),
    (Status::UNKNOWN_PRODUCER_ID, "The broker has removed the producer's state with the last of its records.", "Handled: a new epoch begins where that is safe."),
    (Status::LISTENER_NOT_FOUND, "A broker lacks the listener that the client is connected to.", "Retried. Make listeners equal on all brokers."),
    (Status::FENCED_LEADER_EPOCH, "Metadata is older than the broker's.", "Retried with new metadata."),
    (Status::UNKNOWN_LEADER_EPOCH, "Metadata is newer than the broker's.", "Retried."),
    (Status::UNSUPPORTED_COMPRESSION_TYPE, "The broker is too old for zstd, or forbids the codec.", "Use another compression.type."),
    (Status::FENCED_INSTANCE_ID, "Another consumer uses the group.instance.id.", "Abort; give each member its own."),
    (Status::INVALID_RECORD, "The broker's validation refused this record, or a null key in a compacted topic.", "Correct the record; the report has the broker's words."),
    (Status::UNSTABLE_OFFSET_COMMIT, "Offsets of an open transaction.", "Retried."),
    (Status::THROTTLING_QUOTA_EXCEEDED, "A quota.", "Retried after the time the broker asks for."),
    (Status::PRODUCER_FENCED, "Another producer with the same transactional.id has been initialized.", "As FENCED."),
    (Status::UNKNOWN_TOPIC_ID, "The topic was deleted, or made again.", "Retried with new metadata."),
    (Status::INCONSISTENT_TOPIC_ID, "The topic was made again.", "Retried with new metadata."),
    (Status::TRANSACTIONAL_ID_NOT_FOUND, "The coordinator does not know the transactional.id any more.", "Close the producer and make a new one."),
    (Status::TRANSACTION_ABORTABLE, "The coordinator asks for an abort (KIP-890).", "Abort and go on."),
    (Status::REBOOTSTRAP_REQUIRED, "The broker wants clients to start from bootstrap.servers again (KIP-1102).", "Handled."),
];

fn class_word(class: Class) -> &'static str {
    match class {
        Class::Ok => "success",
        Class::Retriable => "retriable",
        Class::Abortable => "abortable",
        Class::Fatal => "fatal",
        Class::Plain => "",
    }
}

fn table(out: &mut String, is_ours: bool) {
    out.push_str("\n| status | class | meaning | cause | remedy |\n|---|---|---|---|---|\n");
    for (status, cause, remedy) in MET.iter().filter(|(status, ..)| (status.code() <= -100) == is_ours) {
        let (name, class, text) = (status.name(), class_word(status.class()), status.text());
        let _ = writeln!(out, "| `{name}` ({}) | {class} | {text} | {cause} | {remedy} |", status.code());
    }
}

fn errors_md() -> String {
    let mut out = HEAD.to_owned();
    out.push_str("\n## The library's own\n");
    table(&mut out, true);
    out.push_str("\n## Kafka's\n");
    table(&mut out, false);
    out.push_str(
        "\n## Kafka's, for other kinds of clients\n\nBrokers do not send these to producers. They have names, so that a log line or a \
         report can say what an unusual broker answered.\n\n| status | class | meaning |\n|---|---|---|\n",
    );
    for row in STATUS_TABLE.iter().filter(|row| row.status != Status::OK) {
        if MET.iter().all(|(met, ..)| *met != row.status) {
            let (status, class) = (row.status, class_word(row.class));
            let _ = writeln!(out, "| `{}` ({}) | {class} | {} |", status.name(), status.code(), status.text());
        }
    }
    out
}

#[test]
fn errors_md_is_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ERRORS.md");
    let fresh = errors_md();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == fresh, "docs/ERRORS.md is out of date: run BLESS=1 cargo test --lib error::docs");
}

#[test]
fn each_status_of_the_library_has_a_cause_and_a_remedy_once() {
    for row in STATUS_TABLE.iter().filter(|row| row.status.code() <= -100) {
        let found = MET.iter().filter(|(status, ..)| *status == row.status).count();
        assert_eq!(found, 1, "{:?}", row.status);
    }
    for (status, cause, remedy) in MET {
        assert!(cause.ends_with(['.', ')']) && remedy.ends_with('.'), "{status:?}: {cause} {remedy}");
    }
}
