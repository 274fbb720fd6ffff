/*
 * kproducer.h - the C interface of libkproducer, an Apache Kafka producer.
 *
 * CONVENTIONS, valid for every function below unless its own comment says otherwise
 *
 * Status      Calls return a producer_status_t. 0 is PRODUCER_OK. Positive values, and -1, are Kafka's own protocol
 *             error codes under Kafka's names; values from -100 down are this library's. New values may be added:
 *             treat one you do not know as a failure and ask producer_status_is_retriable(), _is_abortable() and
 *             _is_fatal() about it. After a failed call producer_last_error() has one sentence that names the
 *             property, topic or broker concerned; it belongs to the calling thread and is valid until that thread's
 *             next call into this library. An output parameter is not touched when the call fails.
 *
 * Arguments   The object first, then inputs, then outputs. Strings are UTF-8 and end with a NUL. Bytes are a pointer
 *             and a length. A NULL key is no key and a key of length zero is an empty key, which is not the same; a
 *             NULL value is a tombstone. A NULL handle, a NULL output, a NULL pointer with a length, text that is not
 *             UTF-8, or a number out of range gives PRODUCER_ERR_INVALID_ARGUMENT. Functions named _free accept NULL.
 *
 * Ownership   Each comment uses one of three words. "Copies": the library keeps nothing of yours after the call.
 *             "Borrows": the library reads yours until the named moment, usually the call's return. "Takes": yours no
 *             longer, whatever the call returns. producer_send copies. What the library hands out stays the library's
 *             and says how long it lives: topic names as long as the producer, a report and its text during the
 *             callback that receives it.
 *
 * Timeouts    An int32_t of milliseconds. 0 does not wait, -1 waits for ever, other negative values are refused.
 *             Every call keeps its own timeout, whatever the brokers do.
 *
 * Threads     A producer_t or a producer_config_t may be used by any number of threads at once, and so may a future or a
 *             flush; a producer_batch_t is for one thread at a time. No call needs another thread's call to make progress,
 *             with one exception that you choose: reports are dispatched by producer_poll, producer_poll_reports,
 *             producer_flush, producer_flush_topic and producer_flush_wait, producer_close and those functions of
 *             transactions that take a timeout, so somebody has to call one of them, or let a thread of the library do it
 *             (delivery.dispatch=thread).
 *
 * Callbacks   Those that tell you something run on the thread that polls, flushes, closes or is in a function of
 *             transactions, never on a thread of the library, unless you ask for that in the configuration. A future's
 *             also run in producer_future_await, and at once when it is complete already. Those that are asked about a
 *             record run elsewhere: serializers and on_send of interceptors on the thread that sends, a partitioner
 *             there too or, for records that waited for their topic's metadata, on a thread of the library
 *             (kp-partition). No longjmp may leave one. From inside those that tell you something you may send; a function
 *             that must not be called there says so in its comment and returns PRODUCER_ERR_IN_CALLBACK instead of a
 *             deadlock.
 *
 * Ending      A thread may end in any callback, by pthread_exit or pthread_cancel, and a C++ exception may leave one, on
 * threads     Linux with glibc, x86-64 and aarch64. The call in whose midst it happens cleans up first: the record counts as
 *             reported, the next dispatch goes on behind it, a sending function has not accepted its record, producer_close
 *             closes. Then the thread ends, or the exception reaches the program's handler above the call; without one the
 *             call returns PRODUCER_ERR_INTERNAL. On the library's own threads an exception is logged and dropped; a callback
 *             that ends such a thread is not called there again: producer_poll, producer_flush and the like run the
 *             callbacks of delivery.dispatch=thread from then on. No function is a cancellation point: a pending
 *             pthread_cancel takes effect after the call, or in a callback. On other systems callbacks must return.
 *
 * Outcomes    Every record that a sending function accepted (producer_send, _send_many, _send_flat, _send_future,
 *             _send_cancellable) gets exactly one outcome, and no record that it refused gets one. You hear of it once, in
 *             the way you chose: a report to your callback, one that producer_poll_reports copies, a future, or nothing; a
 *             batch of your own (producer_batch_send) has one report for all its records. It says whether the record is in
 *             the log: no, maybe, or yes.
 *
 * Exactly     With enable.idempotence, which is the default, no retry of the library writes a record twice or out of
 * once        order. With transactional.id records of several partitions, and a consumer's offsets, become visible together
 *             or not at all. Every failure of a function of transactions is one of three, which producer_status_is_retriable(),
 *             _is_abortable() and _is_fatal() tell apart: call the same function again; abort the transaction and go on;
 *             close the producer and make a new one. When none of the three is true the call itself was wrong, and
 *             nothing has changed. docs/TRANSACTIONS.md is the guide.
 *
 * Growth      A struct that you and the library share begins with its own size, struct_size: set it with the struct's
 *             _INIT macro. A library newer than your program then knows which fields you have; the fields you lack
 *             have their defaults. Five small structs have no size in them, because they are copied as values or lie in
 *             arrays, and never change: producer_header_t, producer_ticket_t, producer_percentiles_t,
 *             producer_view_partition_t and producer_view_broker_t. All other types are opaque. Within one major version
 *             a function's signature never changes and no function is removed.
 *
 * Handles     What a function gives out as a pointer to an opaque type is not to be looked at; most of them are no addresses. A
 *             handle of another kind, one that was freed, also long ago, and one that was freed twice give
 *             PRODUCER_ERR_INVALID_ARGUMENT, and the sentence names what was passed and what was wanted; a _free leaves
 *             the sentence only. Freeing what another thread is using is safe: its call ends as if it had come first. Only
 *             a producer_t and a producer_topic_t are read where they point: pass no other pointers of your own there.
 *
 * Late calls  Any call may race with producer_close on the same producer. One wins, the others return
 *             PRODUCER_ERR_CLOSED. A handle that was closed is an error to use, not a crash.
 *
 * Fork        In the child of a fork() every call on an inherited handle returns PRODUCER_ERR_FORKED. Make a new
 *             producer there; the parent's goes on as before.
 *
 * The library writes nothing to stdout or stderr, installs no signal handler, raises no SIGPIPE and never ends the
 * process.
 *
 * SPDX-License-Identifier: Apache-2.0
 * Generated from the sources in src/capi; do not edit.
 */

#ifndef KPRODUCER_H
#define KPRODUCER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** This header's version, major: changes when a program must be compiled again. */
#define PRODUCER_VERSION_MAJOR 0
/** This header's version, minor: changes when functions are added. */
#define PRODUCER_VERSION_MINOR 1
/** This header's version, patch: changes when only behaviour is mended. */
#define PRODUCER_VERSION_PATCH 0
/** This header's version as text; producer_version() says which library is running. */
#define PRODUCER_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* status ------------------------------------------------------------------------------------------ */

/**
 * The result of a call or of a record: 0 is success, positive numbers and -1 are Kafka's own error codes under Kafka's
 * names, numbers from -100 down are the library's.
 */
typedef int32_t producer_status_t;

/** Success. */
#define PRODUCER_OK 0

/** The library met a bug of its own; close the producer, make a new one and report it. */
#define PRODUCER_ERR_INTERNAL (-100)

/** An argument is not valid. */
#define PRODUCER_ERR_INVALID_ARGUMENT (-101)

/** The call's own timeout passed. */
#define PRODUCER_ERR_TIMED_OUT (-102)

/** buffer.memory, or the record's share of it, stayed full for max.block.ms; what is in it waits for brokers. */
#define PRODUCER_ERR_QUEUE_FULL (-103)

/** Too many finished reports wait to be taken; call poll. */
#define PRODUCER_ERR_REPORTS_NOT_TAKEN (-104)

/** The producer is closed. */
#define PRODUCER_ERR_CLOSED (-105)

/** The record was purged before it was acknowledged. */
#define PRODUCER_ERR_PURGED (-106)

/** This function may not be called from a callback. */
#define PRODUCER_ERR_IN_CALLBACK (-107)

/** The producer belongs to the parent process; make a new one after fork. */
#define PRODUCER_ERR_FORKED (-108)

/** A newer producer has taken this one's place. */
#define PRODUCER_ERR_FENCED (-109)

/** There is no property of this name. */
#define PRODUCER_ERR_UNKNOWN_PROPERTY (-110)

/** The property does not accept this value. */
#define PRODUCER_ERR_INVALID_PROPERTY (-111)

/** Properties contradict each other, or a required one is missing. */
#define PRODUCER_ERR_CONFIG_CONFLICT (-112)

/** The property or its value is known, but this version of the library does not implement it. */
#define PRODUCER_ERR_PROPERTY_NOT_SUPPORTED (-113)

/** The record is larger than max.request.size. */
#define PRODUCER_ERR_RECORD_TOO_LARGE (-114)

/** The topic has no partition of this number. */
#define PRODUCER_ERR_UNKNOWN_PARTITION (-115)

/** The record was not acknowledged within delivery.timeout.ms or its own deadline. */
#define PRODUCER_ERR_DELIVERY_TIMED_OUT (-116)

/** The connection broke while the record was in flight, and no retry was allowed. */
#define PRODUCER_ERR_DISCONNECTED (-117)

/** The broker is too old, too new, or not a Kafka broker. */
#define PRODUCER_ERR_UNSUPPORTED_BROKER (-118)

/** The file or thing named does not exist. */
#define PRODUCER_ERR_NOT_FOUND (-119)

/** A file could not be read. */
#define PRODUCER_ERR_IO (-120)

/** The operating system refused a thread, a socket or memory. */
#define PRODUCER_ERR_NO_RESOURCES (-121)

/** The call does not fit the state of the transaction. */
#define PRODUCER_ERR_STATE (-122)

/** The producer has no transactional.id, and makes no transactions. */
#define PRODUCER_ERR_NOT_TRANSACTIONAL (-123)

/** The producer met an error after which it cannot go on. */
#define PRODUCER_ERR_FATAL (-124)

/** The record's transaction was aborted before the record was sent. */
#define PRODUCER_ERR_TRANSACTION_ABORTED (-125)

/** An earlier record of the partition failed, and on.failure=stop-partition fails what is behind it. */
#define PRODUCER_ERR_EARLIER_FAILED (-126)

/** The record is on its way or finished; its report says what became of it. */
#define PRODUCER_ERR_TOO_LATE (-128)

/** The record was cancelled before it was sent. */
#define PRODUCER_ERR_CANCELLED (-129)

/** The record does not fit into the batch any more; send the batch and begin another. */
#define PRODUCER_ERR_BATCH_FULL (-130)

/** The broker refused another record of the batch, and the batch with it. */
#define PRODUCER_ERR_BATCH_REFUSED (-131)

/** A serializer of the application failed. */
#define PRODUCER_ERR_SERIALIZATION (-140)

/** TLS with the broker failed; the sentence says why. */
#define PRODUCER_ERR_TLS_FAILED (-150)

/** Credentials, a token or a library that authentication needs could not be had; the sentence says why. */
#define PRODUCER_ERR_CREDENTIALS (-151)

/** The broker met an error that it has no code for. */
#define PRODUCER_ERR_UNKNOWN_SERVER_ERROR (-1)

/** The offset lies outside the partition's log. */
#define PRODUCER_ERR_OFFSET_OUT_OF_RANGE 1

/** The broker found the batch damaged: wrong checksum, wrong size, or a record without a key for a compacted topic. */
#define PRODUCER_ERR_CORRUPT_MESSAGE 2

/** The broker does not know the topic or partition. */
#define PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION 3

/** The fetch size is not valid. */
#define PRODUCER_ERR_INVALID_FETCH_SIZE 4

/** The partition has no leader at the moment; one is being elected. */
#define PRODUCER_ERR_LEADER_NOT_AVAILABLE 5

/** The broker is no longer the leader of the partition. */
#define PRODUCER_ERR_NOT_LEADER_OR_FOLLOWER 6

/** The broker did not finish the request within its time limit. */
#define PRODUCER_ERR_REQUEST_TIMED_OUT 7

/** The broker is not available. */
#define PRODUCER_ERR_BROKER_NOT_AVAILABLE 8

/** The replica is not available on this broker. */
#define PRODUCER_ERR_REPLICA_NOT_AVAILABLE 9

/** The batch is larger than the broker's message.max.bytes or the topic's max.message.bytes allows. */
#define PRODUCER_ERR_MESSAGE_TOO_LARGE 10

/** The controller has moved to another broker. */
#define PRODUCER_ERR_STALE_CONTROLLER_EPOCH 11

/** The metadata text of a committed offset is too long. */
#define PRODUCER_ERR_OFFSET_METADATA_TOO_LARGE 12

/** The connection broke before the answer came. */
#define PRODUCER_ERR_NETWORK_EXCEPTION 13

/** The coordinator is still loading its state. */
#define PRODUCER_ERR_COORDINATOR_LOAD_IN_PROGRESS 14

/** The coordinator is not available. */
#define PRODUCER_ERR_COORDINATOR_NOT_AVAILABLE 15

/** The broker is not the coordinator any more. */
#define PRODUCER_ERR_NOT_COORDINATOR 16

/** The topic's name is illegal, or the topic may not be written to. */
#define PRODUCER_ERR_INVALID_TOPIC_EXCEPTION 17

/** The batch is larger than a segment of the topic's log. */
#define PRODUCER_ERR_RECORD_LIST_TOO_LARGE 18

/** Fewer replicas are in sync than min.insync.replicas asks for; nothing was written. */
#define PRODUCER_ERR_NOT_ENOUGH_REPLICAS 19

/** The batch was written, but fewer replicas are in sync than min.insync.replicas asks for. */
#define PRODUCER_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND 20

/** The broker does not accept this value of acks. */
#define PRODUCER_ERR_INVALID_REQUIRED_ACKS 21

/** The consumer group has moved on to another generation. */
#define PRODUCER_ERR_ILLEGAL_GENERATION 22

/** The member's protocol does not fit the group's. */
#define PRODUCER_ERR_INCONSISTENT_GROUP_PROTOCOL 23

/** The group id is not valid. */
#define PRODUCER_ERR_INVALID_GROUP_ID 24

/** The coordinator does not know this member of the group. */
#define PRODUCER_ERR_UNKNOWN_MEMBER_ID 25

/** The session timeout is outside what the broker allows. */
#define PRODUCER_ERR_INVALID_SESSION_TIMEOUT 26

/** The group is rebalancing. */
#define PRODUCER_ERR_REBALANCE_IN_PROGRESS 27

/** The committed offsets take too much room. */
#define PRODUCER_ERR_INVALID_COMMIT_OFFSET_SIZE 28

/** This client may not write to the topic; grant it WRITE. */
#define PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED 29

/** This client may not use the consumer group; grant it READ. */
#define PRODUCER_ERR_GROUP_AUTHORIZATION_FAILED 30

/** This client may not do this on the cluster; grant it the right it lacks. */
#define PRODUCER_ERR_CLUSTER_AUTHORIZATION_FAILED 31

/** A record's timestamp is further from the broker's time than the topic allows. */
#define PRODUCER_ERR_INVALID_TIMESTAMP 32

/** The broker does not offer this SASL mechanism. */
#define PRODUCER_ERR_UNSUPPORTED_SASL_MECHANISM 33

/** The request does not fit the state of the SASL exchange. */
#define PRODUCER_ERR_ILLEGAL_SASL_STATE 34

/** The broker does not support this version of the request. */
#define PRODUCER_ERR_UNSUPPORTED_VERSION 35

/** A topic of this name exists already. */
#define PRODUCER_ERR_TOPIC_ALREADY_EXISTS 36

/** The number of partitions is not valid. */
#define PRODUCER_ERR_INVALID_PARTITIONS 37

/** The replication factor is below 1 or above the number of brokers. */
#define PRODUCER_ERR_INVALID_REPLICATION_FACTOR 38

/** The assignment of replicas is not valid. */
#define PRODUCER_ERR_INVALID_REPLICA_ASSIGNMENT 39

/** The broker refuses a configuration value. */
#define PRODUCER_ERR_INVALID_CONFIG 40

/** The broker is not the controller. */
#define PRODUCER_ERR_NOT_CONTROLLER 41

/** The broker finds the request malformed or contradictory. */
#define PRODUCER_ERR_INVALID_REQUEST 42

/** The topic's message format on the broker is too old for this request. */
#define PRODUCER_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT 43

/** A policy of the broker forbids the request. */
#define PRODUCER_ERR_POLICY_VIOLATION 44

/** The batch's sequence number does not follow the last one the broker has. */
#define PRODUCER_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER 45

/** The broker has a batch of this sequence number already. */
#define PRODUCER_ERR_DUPLICATE_SEQUENCE_NUMBER 46

/** The producer's epoch is older than one the broker has seen. */
#define PRODUCER_ERR_INVALID_PRODUCER_EPOCH 47

/** The request does not fit the state of the transaction. */
#define PRODUCER_ERR_INVALID_TXN_STATE 48

/** The producer id does not belong to this transactional.id. */
#define PRODUCER_ERR_INVALID_PRODUCER_ID_MAPPING 49

/** The broker allows no transaction.timeout.ms above its transaction.max.timeout.ms: lower the one or raise the other. */
#define PRODUCER_ERR_INVALID_TRANSACTION_TIMEOUT 50

/** An earlier transaction of this transactional.id is still being completed. */
#define PRODUCER_ERR_CONCURRENT_TRANSACTIONS 51

/** The transaction coordinator was replaced by a newer one. */
#define PRODUCER_ERR_TRANSACTION_COORDINATOR_FENCED 52

/** This client may not use the transactional.id; grant it WRITE and DESCRIBE. */
#define PRODUCER_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED 53

/** Security features are turned off on the broker. */
#define PRODUCER_ERR_SECURITY_DISABLED 54

/** The broker did not try this, because another part of the request failed. */
#define PRODUCER_ERR_OPERATION_NOT_ATTEMPTED 55

/** The broker could not use its disk. */
#define PRODUCER_ERR_KAFKA_STORAGE_ERROR 56

/** The broker has no such log directory. */
#define PRODUCER_ERR_LOG_DIR_NOT_FOUND 57

/** The broker refused the credentials. */
#define PRODUCER_ERR_SASL_AUTHENTICATION_FAILED 58

/** The broker has no state for this producer id any more. */
#define PRODUCER_ERR_UNKNOWN_PRODUCER_ID 59

/** The partitions are being reassigned. */
#define PRODUCER_ERR_REASSIGNMENT_IN_PROGRESS 60

/** Delegation tokens are turned off on the broker. */
#define PRODUCER_ERR_DELEGATION_TOKEN_AUTH_DISABLED 61

/** The broker does not know the delegation token. */
#define PRODUCER_ERR_DELEGATION_TOKEN_NOT_FOUND 62

/** The delegation token belongs to somebody else. */
#define PRODUCER_ERR_DELEGATION_TOKEN_OWNER_MISMATCH 63

/** Delegation tokens may not be asked for over this connection. */
#define PRODUCER_ERR_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED 64

/** This client may not use the delegation token. */
#define PRODUCER_ERR_DELEGATION_TOKEN_AUTHORIZATION_FAILED 65

/** The delegation token has expired. */
#define PRODUCER_ERR_DELEGATION_TOKEN_EXPIRED 66

/** The broker does not support this type of principal. */
#define PRODUCER_ERR_INVALID_PRINCIPAL_TYPE 67

/** The group still has members. */
#define PRODUCER_ERR_NON_EMPTY_GROUP 68

/** There is no such group. */
#define PRODUCER_ERR_GROUP_ID_NOT_FOUND 69

/** The broker does not know the fetch session. */
#define PRODUCER_ERR_FETCH_SESSION_ID_NOT_FOUND 70

/** The epoch of the fetch session is not the expected one. */
#define PRODUCER_ERR_INVALID_FETCH_SESSION_EPOCH 71

/** The partition's leader has no listener of the name this client is connected to. */
#define PRODUCER_ERR_LISTENER_NOT_FOUND 72

/** The broker does not allow topics to be deleted. */
#define PRODUCER_ERR_TOPIC_DELETION_DISABLED 73

/** The leader epoch in the request is older than the broker's. */
#define PRODUCER_ERR_FENCED_LEADER_EPOCH 74

/** The leader epoch in the request is newer than the broker's. */
#define PRODUCER_ERR_UNKNOWN_LEADER_EPOCH 75

/** The broker does not support the compression of the batch. */
#define PRODUCER_ERR_UNSUPPORTED_COMPRESSION_TYPE 76

/** The broker's registration is outdated. */
#define PRODUCER_ERR_STALE_BROKER_EPOCH 77

/** The new leader does not know its high watermark yet. */
#define PRODUCER_ERR_OFFSET_NOT_AVAILABLE 78

/** The group member has to join again with the id it was given. */
#define PRODUCER_ERR_MEMBER_ID_REQUIRED 79

/** The preferred leader is not available. */
#define PRODUCER_ERR_PREFERRED_LEADER_NOT_AVAILABLE 80

/** The group is full. */
#define PRODUCER_ERR_GROUP_MAX_SIZE_REACHED 81

/** Another member has taken over this group.instance.id. */
#define PRODUCER_ERR_FENCED_INSTANCE_ID 82

/** No replica that may become leader is available. */
#define PRODUCER_ERR_ELIGIBLE_LEADERS_NOT_AVAILABLE 83

/** The partition needs no election of a leader. */
#define PRODUCER_ERR_ELECTION_NOT_NEEDED 84

/** No reassignment of the partition is under way. */
#define PRODUCER_ERR_NO_REASSIGNMENT_IN_PROGRESS 85

/** The group is still subscribed to the topic. */
#define PRODUCER_ERR_GROUP_SUBSCRIBED_TO_TOPIC 86

/** The broker refuses a record of the batch. */
#define PRODUCER_ERR_INVALID_RECORD 87

/** A transaction that commits offsets is still open. */
#define PRODUCER_ERR_UNSTABLE_OFFSET_COMMIT 88

/** The quota is used up for the moment. */
#define PRODUCER_ERR_THROTTLING_QUOTA_EXCEEDED 89

/** A newer producer uses the same transactional.id; only one of them may live. */
#define PRODUCER_ERR_PRODUCER_FENCED 90

/** The broker does not know the resource. */
#define PRODUCER_ERR_RESOURCE_NOT_FOUND 91

/** The resource exists already or is named twice. */
#define PRODUCER_ERR_DUPLICATE_RESOURCE 92

/** The credential does not meet the broker's requirements. */
#define PRODUCER_ERR_UNACCEPTABLE_CREDENTIAL 93

/** The voters of the quorum are not the expected ones. */
#define PRODUCER_ERR_INCONSISTENT_VOTER_SET 94

/** The version of the feature update is not valid. */
#define PRODUCER_ERR_INVALID_UPDATE_VERSION 95

/** The finalized features could not be updated. */
#define PRODUCER_ERR_FEATURE_UPDATE_FAILED 96

/** A forwarded request carries a principal that cannot be read. */
#define PRODUCER_ERR_PRINCIPAL_DESERIALIZATION_FAILURE 97

/** There is no such snapshot. */
#define PRODUCER_ERR_SNAPSHOT_NOT_FOUND 98

/** The position lies outside the snapshot. */
#define PRODUCER_ERR_POSITION_OUT_OF_RANGE 99

/** The broker does not know the topic's id. */
#define PRODUCER_ERR_UNKNOWN_TOPIC_ID 100

/** A broker of this id is registered already. */
#define PRODUCER_ERR_DUPLICATE_BROKER_REGISTRATION 101

/** No broker of this id is registered. */
#define PRODUCER_ERR_BROKER_ID_NOT_REGISTERED 102

/** The topic was deleted and created anew: its id has changed. */
#define PRODUCER_ERR_INCONSISTENT_TOPIC_ID 103

/** The broker belongs to another cluster. */
#define PRODUCER_ERR_INCONSISTENT_CLUSTER_ID 104

/** The coordinator does not know the transactional.id. */
#define PRODUCER_ERR_TRANSACTIONAL_ID_NOT_FOUND 105

/** The fetch session mixes topics with and without ids. */
#define PRODUCER_ERR_FETCH_SESSION_TOPIC_ID_ERROR 106

/** The replica may not join the in-sync replicas. */
#define PRODUCER_ERR_INELIGIBLE_REPLICA 107

/** The change of the in-sync replicas has made another broker the leader. */
#define PRODUCER_ERR_NEW_LEADER_ELECTED 108

/** The offset has moved to tiered storage. */
#define PRODUCER_ERR_OFFSET_MOVED_TO_TIERED_STORAGE 109

/** The group member was fenced by its coordinator. */
#define PRODUCER_ERR_FENCED_MEMBER_EPOCH 110

/** Another member still holds this group.instance.id. */
#define PRODUCER_ERR_UNRELEASED_INSTANCE_ID 111

/** The group's assignor is not supported. */
#define PRODUCER_ERR_UNSUPPORTED_ASSIGNOR 112

/** The group member's epoch is outdated. */
#define PRODUCER_ERR_STALE_MEMBER_EPOCH 113

/** The request was sent to the wrong kind of endpoint. */
#define PRODUCER_ERR_MISMATCHED_ENDPOINT_TYPE 114

/** The broker does not support this kind of endpoint. */
#define PRODUCER_ERR_UNSUPPORTED_ENDPOINT_TYPE 115

/** The controller's id is not known. */
#define PRODUCER_ERR_UNKNOWN_CONTROLLER_ID 116

/** The client's telemetry subscription is outdated. */
#define PRODUCER_ERR_UNKNOWN_SUBSCRIPTION_ID 117

/** The client's telemetry is larger than the broker accepts. */
#define PRODUCER_ERR_TELEMETRY_TOO_LARGE 118

/** The controller finds the broker's registration not valid. */
#define PRODUCER_ERR_INVALID_REGISTRATION 119

/** The transaction cannot be completed; abort it and go on. */
#define PRODUCER_ERR_TRANSACTION_ABORTABLE 120

/** The record's acknowledgement does not fit its state. */
#define PRODUCER_ERR_INVALID_RECORD_STATE 121

/** The broker does not know the share session. */
#define PRODUCER_ERR_SHARE_SESSION_NOT_FOUND 122

/** The epoch of the share session is not the expected one. */
#define PRODUCER_ERR_INVALID_SHARE_SESSION_EPOCH 123

/** The epoch of the share group's state is outdated. */
#define PRODUCER_ERR_FENCED_STATE_EPOCH 124

/** The voter's key is not the replica's. */
#define PRODUCER_ERR_INVALID_VOTER_KEY 125

/** The voter is in the quorum already. */
#define PRODUCER_ERR_DUPLICATE_VOTER 126

/** The voter is not in the quorum. */
#define PRODUCER_ERR_VOTER_NOT_FOUND 127

/** The regular expression is not valid. */
#define PRODUCER_ERR_INVALID_REGULAR_EXPRESSION 128

/** The client's metadata is stale; it has to start again from bootstrap.servers. */
#define PRODUCER_ERR_REBOOTSTRAP_REQUIRED 129

/** The streams topology is not valid. */
#define PRODUCER_ERR_STREAMS_INVALID_TOPOLOGY 130

/** The epoch of the streams topology is not valid. */
#define PRODUCER_ERR_STREAMS_INVALID_TOPOLOGY_EPOCH 131

/** The epoch of the streams topology is outdated. */
#define PRODUCER_ERR_STREAMS_TOPOLOGY_FENCED 132

/** The broker has no room for another share session. */
#define PRODUCER_ERR_SHARE_SESSION_LIMIT_REACHED 133

/**
 * Names a status.
 *
 * status: any number.
 * Returns the constant's name without its prefix, such as NOT_LEADER_OR_FOLLOWER, OK for success, and
 * UNKNOWN_STATUS for a number this version does not know; never NULL. The text is static: do not free it.
 * May be called from any thread and from callbacks; does not block.
 */
const char *producer_status_name(producer_status_t status);

/**
 * Explains a status in one English sentence; producer_last_error says more about the call that failed.
 *
 * status: any number.
 * Returns the sentence; never NULL. The text is static: do not free it.
 * May be called from any thread and from callbacks; does not block.
 */
const char *producer_status_text(producer_status_t status);

/**
 * Tells whether the same call may succeed later.
 *
 * status: any number.
 * Returns true for Kafka's retriable codes and for the library's TIMED_OUT, QUEUE_FULL, REPORTS_NOT_TAKEN and
 * NO_RESOURCES. At most one of retriable, abortable and fatal is true.
 * May be called from any thread and from callbacks; does not block.
 */
bool producer_status_is_retriable(producer_status_t status);

/**
 * Tells whether, inside a transaction, the transaction has to be aborted, after which the producer can go on.
 *
 * status: any number.
 * Returns true for the failures that cost a transaction; without one they cost only the record concerned.
 * May be called from any thread and from callbacks; does not block.
 */
bool producer_status_is_abortable(producer_status_t status);

/**
 * Tells whether the producer cannot go on: close it and make a new one.
 *
 * status: any number.
 * Returns true for such failures, among them PRODUCER_FENCED, FENCED, FATAL, CLOSED, FORKED and INTERNAL.
 * May be called from any thread and from callbacks; does not block.
 */
bool producer_status_is_fatal(producer_status_t status);

/* version ----------------------------------------------------------------------------------------- */

/**
 * The library's version at run time, like "0.1.0": compare it with PRODUCER_VERSION, the header's.
 *
 * Returns a string that lives as long as the library. Never fails, never blocks, from any thread.
 */
const char *producer_version(void);

/**
 * What this build can do, as words separated by spaces: codecs, security protocols, SASL mechanisms and where
 * OAUTHBEARER's tokens come from, every value that partitioner may have, idempotence, transactions, telemetry, the mock cluster.
 *
 * Returns a string that lives as long as the library. Never fails, never blocks, from any thread.
 */
const char *producer_features(void);

/**
 * One sentence about the calling thread's last failed call: it names the property, topic or broker concerned.
 *
 * Returns UTF-8 text, empty when no call has failed on this thread. It lives until this thread's next call into the
 * library. Calls that succeed leave it alone. Never blocks.
 */
const char *producer_last_error(void);

/* config ------------------------------------------------------------------------------------------ */

/**
 * Settings for producers to be made: opaque, made by producer_config_new and freed by producer_config_free. It may
 * be used from any number of threads at once, and for any number of producers; a producer copies what it needs.
 */
typedef struct producer_config_t producer_config_t;

/**
 * Receives one line of the library's log.
 *
 * level: syslog's levels, 0 (emergency) to 7 (debug); lines above log_level are not sent.
 * facility: a word for the part of the library that speaks. message: one line without its end. Both are UTF-8 and
 * live until the callback returns. opaque: the pointer given along with the callback.
 * It is never called on the library's own I/O thread, but on the thread that calls poll, flush, close or a function of
 * transactions of the producer concerned; with delivery.dispatch=thread on the library's dispatching thread.
 */
typedef void (*producer_log_fn)(int32_t level,
                                const char *facility,
                                const char *message,
                                void *opaque);

/** What producer_property_at tells of a property. All texts are static UTF-8, never NULL: do not free them. */
typedef struct producer_property_t {
    /** Size of this struct in bytes, set by the caller. */
    size_t struct_size;
    /** The canonical name. */
    const char *name;
    /** Other names it is accepted under, separated by commas; may be empty. */
    const char *aliases;
    /** boolean, integer, float, choice, string, secret or list. */
    const char *type_name;
    /** The default, as text in the property's unit. */
    const char *default_value;
    /** What values are allowed, in words; empty when any text is. */
    const char *range;
    /** One line on its meaning. */
    const char *doc;
    /** Whether this version implements it, at least for some values. */
    bool is_built;
} producer_property_t;

/**
 * Makes a configuration in which every property has its default.
 *
 * out: receives the configuration; free it with producer_config_free.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when out is NULL.
 * May be called from any thread and from callbacks; does not block.
 */
producer_status_t producer_config_new(producer_config_t **out);

/**
 * Sets a property. The value is checked at once; on an error nothing changes.
 *
 * config: the configuration. name: the property's name, Java's or librdkafka's (docs/CONFIGURATION.md lists them).
 * value: its value as text, with durations and sizes in the unit of the property; white space around it does not
 * count. Both strings are copied.
 * Returns PRODUCER_OK; PRODUCER_ERR_UNKNOWN_PROPERTY when there is no such property (the detail proposes the nearest);
 * PRODUCER_ERR_INVALID_PROPERTY when the value is not allowed (the detail says what is);
 * PRODUCER_ERR_PROPERTY_NOT_SUPPORTED when this version does not implement the property or the value, or it is no
 * property of producers; PRODUCER_ERR_INVALID_ARGUMENT when an argument is NULL or not UTF-8. Properties that contradict
 * each other are found by producer_new.
 * May be called from any thread and from callbacks; does not block.
 */
producer_status_t producer_config_set(producer_config_t *config,
                                      const char *name,
                                      const char *value);

/**
 * Tells the value a property has now: the one set, or its default.
 *
 * config: the configuration. name: the property's name or an alias; the value is in the unit of that name.
 * out: receives the value as text, [hidden] for a secret that is set. It belongs to the configuration: do not free it.
 * It is valid until the next producer_config_get on this configuration by any thread, or until the configuration is freed.
 * Returns PRODUCER_OK; PRODUCER_ERR_UNKNOWN_PROPERTY when there is no such property;
 * PRODUCER_ERR_PROPERTY_NOT_SUPPORTED when it is no property of producers; PRODUCER_ERR_INVALID_ARGUMENT when an
 * argument is NULL or not UTF-8.
 * May be called from any thread and from callbacks; does not block.
 */
producer_status_t producer_config_get(const producer_config_t *config,
                                      const char *name,
                                      const char **out);

/**
 * Sets every property of a file in the syntax of Java's .properties files, in UTF-8. On an error nothing changes.
 *
 * config: the configuration. path: the file's path, at most 1 MiB of file.
 * Returns PRODUCER_OK; PRODUCER_ERR_NOT_FOUND when there is no such file; PRODUCER_ERR_IO when it cannot be read or is
 * not UTF-8; PRODUCER_ERR_UNKNOWN_PROPERTY, PRODUCER_ERR_INVALID_PROPERTY and PRODUCER_ERR_PROPERTY_NOT_SUPPORTED as
 * producer_config_set, with file, line and property in the detail; PRODUCER_ERR_INVALID_ARGUMENT when an argument is
 * NULL or not UTF-8.
 * May be called from any thread; blocks while the file is read.
 */
producer_status_t producer_config_load(producer_config_t *config,
                                       const char *path);

/**
 * Makes an independent copy of a configuration, with its callbacks.
 *
 * config: the configuration to copy. out: receives the copy; free it with producer_config_free.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when an argument is NULL.
 * May be called from any thread and from callbacks; does not block.
 */
producer_status_t producer_config_clone(const producer_config_t *config,
                                        producer_config_t **out);

/**
 * Frees a configuration. Producers made from it are not affected.
 *
 * config: the configuration, or NULL, which does nothing. No other thread may be using it.
 * May be called from any thread and from callbacks; does not block.
 */
void producer_config_free(producer_config_t *config);

/**
 * Sets the function that receives the log of producers made from this configuration; without one they are silent.
 *
 * config: the configuration. callback: the function, or NULL for none. opaque: a pointer passed to it, kept as it is;
 * both must stay usable until the last producer made from this configuration is closed.
 * The callback is never called on the library's I/O thread: lines wait in a bounded queue (the oldest are dropped, and
 * their number is logged) for the thread that calls poll, flush, close or a function of transactions of the producer, and
 * run there.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when config is NULL.
 * May be called from any thread and from callbacks; does not block.
 */
producer_status_t producer_config_set_log_callback(producer_config_t *config,
                                                   producer_log_fn callback,
                                                   void *opaque);

/**
 * Tells how many properties the library knows.
 *
 * Returns the count, above every index that producer_property_at accepts.
 * May be called from any thread and from callbacks; does not block.
 */
size_t producer_property_count(void);

/**
 * Describes a property, so that a program or a language binding can list and check them all.
 *
 * index: 0 to producer_property_count() - 1.
 * out: a struct whose struct_size the caller has set to its size; receives the description.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when the index is too large, out is NULL, or its struct_size is
 * smaller than this struct ever was.
 * May be called from any thread and from callbacks; does not block.
 */
producer_status_t producer_property_at(size_t index,
                                       producer_property_t *out);

/** The value a producer_property_t begins with: its size set, everything else empty. */
#define PRODUCER_PROPERTY_INIT                                                                                       \
    {                                                                                                                \
        sizeof(producer_property_t), NULL, NULL, NULL, NULL, NULL, NULL, false                                       \
    }

/* producer ---------------------------------------------------------------------------------------- */

/** A producer: opaque, made by producer_new, ended by producer_close. It may be used from any number of threads at once. */
typedef struct producer_t producer_t;

/**
 * Makes a producer from a configuration and starts it: one thread of its own that connects to the bootstrap servers.
 *
 * config: the settings; borrows until return, and may be changed, reused or freed afterwards. producer: receives the
 * handle, to be ended with producer_close.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument; PRODUCER_ERR_CONFIG_CONFLICT when settings
 * are missing or contradict each other: producer_last_error names all of them; PRODUCER_ERR_NOT_FOUND, PRODUCER_ERR_IO and
 * PRODUCER_ERR_INVALID_PROPERTY when a file of certificates or keys is not there, cannot be read or cannot be used, or when such a
 * text cannot: producer_last_error names property, file and remedy; PRODUCER_ERR_NO_RESOURCES when the operating system refuses a
 * thread or a descriptor.
 * Waits for no network: no broker has answered when it returns, and none needs to be there yet. With TLS it blocks for as long as
 * the files of certificates and keys take to be read. The environment is read here (SSL_CERT_FILE, SSL_CERT_DIR; for tokens also
 * the proxies' and AWS's variables), and not later.
 */
producer_status_t producer_new(const producer_config_t *config,
                               producer_t **producer);

/**
 * Ends a producer: refuses new records, sends what is buffered, waits, fails what is left, runs every callback that is
 * due, and frees everything. An open transaction is aborted; a commit or an abort that is pending is finished, if there is
 * time; otherwise, and with a timeout_ms of 0, the transaction is left to its coordinator, which aborts one that is open
 * after transaction.timeout.ms or when its transactional.id is initialized again.
 *
 * producer: takes; whatever is returned, except PRODUCER_ERR_INVALID_ARGUMENT and PRODUCER_ERR_IN_CALLBACK, the handle
 * is closed. timeout_ms: how long to wait for deliveries; 0 does not wait, -1 waits for ever (each record's delivery
 * time still ends).
 * Returns PRODUCER_OK when every accepted record had its outcome in time; PRODUCER_ERR_TIMED_OUT when the rest was failed
 * with PRODUCER_ERR_CLOSED, each with its report, a transaction was not ended in time, or a callback did not return; the status of its end, fatal ones
 * like PRODUCER_ERR_PRODUCER_FENCED and PRODUCER_ERR_FATAL too, when the producer had failed before; PRODUCER_ERR_CLOSED when
 * it was closed before, or is being closed by another thread; PRODUCER_ERR_IN_CALLBACK from one of this producer's own
 * callbacks; PRODUCER_ERR_FORKED; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_INTERNAL after a bug of the library.
 * Blocks for timeout_ms and little more, whatever the brokers do. Calls of other threads on the producer return
 * PRODUCER_ERR_CLOSED. No callback runs after it has returned, with one exception: when another thread is in a callback
 * that does not return within a second, PRODUCER_ERR_TIMED_OUT is answered and that thread runs those that are left; the token
 * callback and a partitioner that do not return within that second are not called again. Callbacks
 * of a future that another thread has awaited run on that thread, which is not waited for.
 */
producer_status_t producer_close(producer_t *producer,
                                 int32_t timeout_ms);

/* topic ------------------------------------------------------------------------------------------- */

/**
 * A topic of one producer: saves producer_send the look-up of its name. Opaque; it belongs to the producer, is valid as
 * long as that is, and is never freed by you. It may be used from any number of threads at once.
 */
typedef struct producer_topic_t producer_topic_t;

/**
 * Gives the handle of a topic, for producer_record_t's topic_handle.
 *
 * producer: the producer. name: the topic's name, 1 to 249 of [a-zA-Z0-9._-]; copied. topic: receives the handle,
 * valid as long as the producer; the same name gives the same handle.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument or a name that is not UTF-8;
 * PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a name that Kafka does not allow; PRODUCER_ERR_NO_RESOURCES for more than
 * 100000 topics; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED.
 * Does not block and does not ask a broker whether the topic exists. May be called from any thread and from callbacks.
 */
producer_status_t producer_topic(producer_t *producer,
                                 const char *name,
                                 const producer_topic_t **topic);

/**
 * Sets a property for one topic: what is sent there from now on goes by it instead of the producer's configuration.
 *
 * producer: the producer. topic: the topic's name, 1 to 249 of [a-zA-Z0-9._-]; it need not exist yet. name: one of
 * acks, linger.ms, batch.size, batch.num.messages, delivery.timeout.ms, request.timeout.ms, compression.type and its levels, or another
 * name of these. value: as producer_config_set takes it; for compression.type also
 * inherit, the producer's. All three are copied.
 * Returns PRODUCER_OK; PRODUCER_ERR_UNKNOWN_PROPERTY for a name that is no property; PRODUCER_ERR_PROPERTY_NOT_SUPPORTED
 * for a property that holds for the whole producer, or a value that this version has not built;
 * PRODUCER_ERR_INVALID_PROPERTY for a value that is not allowed; PRODUCER_ERR_CONFIG_CONFLICT when it contradicts the
 * topic's other settings or the producer's, such as acks other than all with enable.idempotence=true;
 * PRODUCER_ERR_INVALID_ARGUMENT for an argument that is NULL or not UTF-8; PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a
 * name that Kafka does not allow; PRODUCER_ERR_NO_RESOURCES for more than 100000 topics, or where no
 * thread to compress with is to be had; PRODUCER_ERR_CLOSED;
 * PRODUCER_ERR_FORKED. On an error nothing changes.
 * Batches that are open keep the acks, linger and delivery time that they were opened with; request.timeout.ms holds for
 * every request that is sent from then on. Batches of different acks or request.timeout.ms never share a request. A
 * delivery.timeout.ms that was never set is raised to linger.ms + request.timeout.ms. Does not block. May be called from
 * any thread, at any time, and from callbacks.
 */
producer_status_t producer_topic_set(producer_t *producer,
                                     const char *topic,
                                     const char *name,
                                     const char *value);

/* record ------------------------------------------------------------------------------------------ */

/** partition: the library chooses. */
#define PRODUCER_PARTITION_ANY (-1)

/** timestamp_ms: the time of the call. */
#define PRODUCER_TIMESTAMP_NOW (-1)

/** delivery_timeout_ms: what delivery.timeout.ms says. */
#define PRODUCER_TIMEOUT_DEFAULT 0

/** acks: what the topic's settings say, or else the producer's. */
#define PRODUCER_ACKS_DEFAULT 0

/** acks: all in-sync replicas have the record before it is acknowledged. */
#define PRODUCER_ACKS_ALL (-1)

/** acks: its leader has it. */
#define PRODUCER_ACKS_LEADER 1

/**
 * acks: nobody answers; its report comes when the operating system has taken it, without an offset, and says
 * PRODUCER_PERSISTED_MAYBE.
 */
#define PRODUCER_ACKS_NONE (-2)

/** One header of a record. Kafka allows several of one name. */
typedef struct producer_header_t {
    /** The header's name: NUL-ended UTF-8, never NULL. */
    const char *name;
    /** The value's bytes, or NULL for a null value. */
    const void *value;
    /** Bytes of the value, 0 to 2147483647; 0 when value is NULL. */
    size_t value_len;
} producer_header_t;

/**
 * A record to be sent. Begin with PRODUCER_RECORD_INIT, then set what you need: a topic and a value in most programs.
 * The library copies everything before the call that is given the record returns.
 */
typedef struct producer_record_t {
    /** sizeof(producer_record_t), as PRODUCER_RECORD_INIT sets it: tells the library which fields your program knows. */
    size_t struct_size;
    /** The topic's name; not read when topic_handle is set. */
    const char *topic;
    /** The topic's handle from producer_topic, or NULL to go by topic. */
    const producer_topic_t *topic_handle;
    /** The partition from 0 on, or PRODUCER_PARTITION_ANY: by the key, or evenly without one. */
    int32_t partition;
    /** The key's bytes, or NULL for no key. A length of 0 with a pointer that is not NULL is an empty key. */
    const void *key;
    /** Bytes of the key; 0 when key is NULL. */
    size_t key_len;
    /** The value's bytes, or NULL for a null value (a tombstone). */
    const void *value;
    /** Bytes of the value; 0 when value is NULL. */
    size_t value_len;
    /** The headers, or NULL for none. */
    const producer_header_t *headers;
    /** How many headers there are. */
    size_t header_count;
    /** Milliseconds since 1970 from 0 on, or PRODUCER_TIMESTAMP_NOW. */
    int64_t timestamp_ms;
    /**
     * Milliseconds from now until the record fails if it is not delivered: 1 or more, -1 for never, or
     * PRODUCER_TIMEOUT_DEFAULT. It counts for the whole batch the record travels in: the shortest time wins.
     */
    int32_t delivery_timeout_ms;
    /**
     * Who must have the record before it is acknowledged: PRODUCER_ACKS_ALL, PRODUCER_ACKS_LEADER, PRODUCER_ACKS_NONE, or
     * PRODUCER_ACKS_DEFAULT. With enable.idempotence=true only the first and the last. Records of different acks never
     * share a batch or a request: one that asks for others than the record before it in its partition ends that one's
     * batch, which goes at once, and is sent when everything before it in the partition has its outcome, so that their
     * order stays. Changing acks from record to record makes batches of one record.
     */
    int32_t acks;
} producer_record_t;

/**
 * The value a producer_record_t begins with: its size set, no topic, no key, a null value, any partition, the time of the
 * call, the configured delivery time and acks.
 */
#define PRODUCER_RECORD_INIT                                                                                         \
    {                                                                                                                \
        sizeof(producer_record_t), NULL, NULL, PRODUCER_PARTITION_ANY, NULL, 0, NULL, 0, NULL, 0,                    \
            PRODUCER_TIMESTAMP_NOW, PRODUCER_TIMEOUT_DEFAULT, PRODUCER_ACKS_DEFAULT                                  \
    }

/* report ------------------------------------------------------------------------------------------ */

/** persisted: the record is not in the log: never written to a socket as a whole, or refused by every broker asked. */
#define PRODUCER_PERSISTED_NO 0

/** persisted: the record may be in the log: it was written, and no answer says what became of it. */
#define PRODUCER_PERSISTED_MAYBE 1

/** persisted: the record is in the log. */
#define PRODUCER_PERSISTED_YES 2

/** phase: the sending function refused the record; only interceptors hear of such records. */
#define PRODUCER_PHASE_REFUSED (-1)

/** phase: the topic's partitions were not known yet. */
#define PRODUCER_PHASE_METADATA 0

/** phase: the partition had no leader, or its leader was not connected. */
#define PRODUCER_PHASE_LEADER 1

/** phase: the record stood in the queue of a connected leader. */
#define PRODUCER_PHASE_QUEUED 2

/** phase: the record was written to a socket and its answer was awaited. */
#define PRODUCER_PHASE_IN_FLIGHT 3

/** phase: a broker had answered. */
#define PRODUCER_PHASE_ANSWERED 4

/** timestamp_type: the time that the producer gave. */
#define PRODUCER_TIMESTAMP_TYPE_CREATE 0

/** timestamp_type: the time at which the broker appended (the topic's message.timestamp.type=LogAppendTime). */
#define PRODUCER_TIMESTAMP_TYPE_LOG_APPEND 1

/**
 * What became of one record. It lives until the callback that receives it returns, and so do the strings it points to,
 * except topic, which lives as long as the producer.
 */
typedef struct producer_report_t {
    /** Bytes of this struct in the library: a later version has more fields at the end. */
    size_t struct_size;
    /** PRODUCER_OK when the record was delivered; otherwise why not. */
    producer_status_t status;
    /** The topic's name. */
    const char *topic;
    /** The partition; -1 when it was not chosen yet. */
    int32_t partition;
    /** The record's offset in its partition; -1 when it failed, with acks=0, or when the broker did not say. */
    int64_t offset;
    /** The record's timestamp in milliseconds since 1970, of the kind that timestamp_type says. */
    int64_t timestamp_ms;
    /** PRODUCER_TIMESTAMP_TYPE_CREATE or PRODUCER_TIMESTAMP_TYPE_LOG_APPEND. */
    int32_t timestamp_type;
    /** Bytes of the key; -1 for no key. */
    int64_t key_len;
    /** Bytes of the value; -1 for a null value. */
    int64_t value_len;
    /**
     * Whether the record is in the log: PRODUCER_PERSISTED_NO, _MAYBE or _YES. Sending a failed record again is free of
     * duplicates only after _NO.
     */
    int32_t persisted;
    /** How far the record had come when its outcome was decided: a PRODUCER_PHASE_ constant. */
    int32_t phase;
    /** The broker of the last attempt; -1 when there was none. */
    int32_t broker_id;
    /** How often the record was written to a connection. */
    int32_t attempts;
    /** Microseconds from the first record of the batch to the outcome: the record's own time is not longer. */
    int64_t latency_us;
    /** What was given to producer_send. */
    void *opaque;
    /** For a failure: the last cause in words, naming the broker. NULL for a success. */
    const char *error_text;
    /** How many records it is the report of: 1, or those that were appended to a batch of producer_batch_send. */
    int32_t record_count;
} producer_report_t;

/**
 * Receives the report of one record, exactly once for each record that was accepted with this callback.
 *
 * report: valid until the callback returns. opaque: what was given to producer_send.
 * It runs on the thread that polls, flushes, closes, or is in a function of transactions that takes a timeout; with
 * delivery.dispatch=thread on a thread of the library's own, and on no other. With delivery.report.only.error=true it runs
 * for records that failed only. Reports of one partition come in order, and never two at once for one producer.
 * It may send, and end the dispatch with producer_yield; producer_poll, producer_poll_reports, producer_flush,
 * producer_wait_capacity, producer_purge, producer_close and the functions of transactions of the same producer answer
 * PRODUCER_ERR_IN_CALLBACK.
 */
typedef void (*producer_delivery_fn)(const producer_report_t *report, void *opaque);

/**
 * As the callback of a record that wants a report and no call: the report waits until producer_poll_reports takes it, while
 * producer_poll, producer_flush and the others run the callbacks of other records. It counts towards
 * delivery.reports.max.count until then; what is left when the producer is closed is dropped, so flush and take it before.
 * Languages without this macro give the number 2 as the callback's address.
 */
#define PRODUCER_QUEUE_REPORT ((producer_delivery_fn)2)
/** The value that a producer_report_t begins with when the library is to fill it in: its size set, nothing else. */
#define PRODUCER_REPORT_INIT                                                                                         \
    {                                                                                                                \
        sizeof(producer_report_t), 0, NULL, -1, -1, 0, 0, -1, -1, 0, 0, -1, 0, 0, NULL, NULL, 0                      \
    }

/* data_loss --------------------------------------------------------------------------------------- */

/**
 * What is known of a loss. It lives until the callback that receives it returns, and so does text; topic lives as
 * long as the producer.
 */
typedef struct producer_data_loss_t {
    /** Bytes of this struct in the library: a later version has more fields at the end. */
    size_t struct_size;
    /** The topic's name. */
    const char *topic;
    /** The partition. */
    int32_t partition;
    /**
     * The offset of the last record that the partition's brokers had acknowledged to this producer; -1 when unknown. Which
     * records up to there are missing, only a reader of the partition can tell.
     */
    int64_t acked_offset;
    /** What the broker answered, in words. */
    const char *text;
} producer_data_loss_t;

/**
 * Receives the news that a broker has lost records which it had acknowledged: it finds a gap in the sequence numbers of
 * a partition before a record of which everything earlier had been acknowledged.
 *
 * loss: valid until the callback returns. opaque: the pointer given along with the callback.
 * Reports of the lost records, which said PRODUCER_OK, were made long ago: nothing takes them back. It runs on the thread
 * that polls, flushes, closes or is in a function of transactions, under the rules of delivery callbacks. Several losses of one
 * partition that nobody has polled for become one; none is dropped.
 */
typedef void (*producer_data_loss_fn)(const producer_data_loss_t *loss, void *opaque);

/**
 * Sets the function that is told when a broker has lost records which it had acknowledged; without one the log says it.
 *
 * config: the configuration. callback: the function, or NULL for none. opaque: a pointer passed to it, kept as it is;
 * both must stay usable until the last producer made from this configuration is closed.
 * With on.sequence.gap=bump, the default, the producer then goes on; a transaction that is open has to be aborted. With
 * fatal it fails for good. Losses are noticed by enable.idempotence only, and only when records follow the lost ones.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when config is NULL.
 * May be called from any thread and from callbacks; does not block.
 */
producer_status_t producer_config_set_data_loss_callback(producer_config_t *config,
                                                         producer_data_loss_fn callback,
                                                         void *opaque);

/* interceptor ------------------------------------------------------------------------------------- */

/**
 * Sees a record before it is serialized, given a partition and put into a batch, and may change it.
 *
 * record: a struct of the library's own, to be read and changed; valid until the function returns. It may be given
 * another topic or topic_handle, partition, key, value, headers, timestamp_ms and delivery_timeout_ms. What its pointers
 * point to at first is the sender's: do not write there. What you let them point to must stay as it is until this
 * interceptor's next on_send on the same thread, or until the producer is closed: memory of your own per thread.
 * opaque: the interceptor's.
 * Returns PRODUCER_OK to let the changed record go on. Anything else, and a record that producer_send would refuse, is
 * logged, for each interceptor once a second at most, and the record goes on as it was before this interceptor.
 * It runs on the thread that sends, on several threads at once. A thread that closes the producer waits for it. It may
 * call functions of the producer that may be called from callbacks, except those that send: they answer
 * PRODUCER_ERR_IN_CALLBACK.
 */
typedef producer_status_t (*producer_on_send_fn)(producer_record_t *record, void *opaque);

/**
 * Hears what became of a record that on_send was asked about, once for each, also for records sent without a callback.
 *
 * report: valid until the function returns. opaque: the interceptor's; the sender's is in the report.
 * It runs before the record's own callback hears of it, on the thread that dispatches; never two at once for reports that a
 * dispatch hands out. A record's future is complete before, and who awaits it may go on first. For a record that the sending function refused it runs before that function returns, on
 * the sending thread, with PRODUCER_PHASE_REFUSED, possibly on several threads at once and beside a dispatch; sending from
 * there answers PRODUCER_ERR_IN_CALLBACK. What holds for delivery callbacks holds here otherwise.
 */
typedef void (*producer_on_acknowledgement_fn)(const producer_report_t *report, void *opaque);

/**
 * Hears that the producer is closed: no function of this interceptor is called for it any more.
 *
 * opaque: the interceptor's.
 * It runs once for each producer, after its last report, on the thread that closes it, before producer_close returns. When
 * another thread is in a callback that does not return in time, so that reports may follow, it does not run.
 */
typedef void (*producer_on_close_fn)(void *opaque);

/** An interceptor: begin with PRODUCER_INTERCEPTOR_INIT, give it a name and at least one function. */
typedef struct producer_interceptor_t {
    /** sizeof(producer_interceptor_t), as PRODUCER_INTERCEPTOR_INIT sets it. */
    size_t struct_size;
    /** What the log calls it; not NULL, not empty. */
    const char *name;
    /** Passed to each of its functions as it is. */
    void *opaque;
    /** For each record, or NULL. */
    producer_on_send_fn on_send;
    /**
     * For each report, or NULL. With it every record is kept track of, so that reports have to be taken (producer_poll) even
     * when no record has a callback; otherwise sends end with PRODUCER_ERR_REPORTS_NOT_TAKEN.
     */
    producer_on_acknowledgement_fn on_acknowledgement;
    /** For the end, or NULL. */
    producer_on_close_fn on_close;
} producer_interceptor_t;

/**
 * Adds an interceptor to those of the producers made from this configuration from now on. They form a chain in the order in
 * which they were added: each sees the record as the one before left it.
 *
 * config: the configuration. interceptor: copied, its name too; its functions and its opaque must stay usable until
 * the last producer made from this configuration is closed.
 * Records that are sent in batches of the application's own (producer_batch_t) pass no interceptor.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument, a wrong struct_size, a name that is missing or not
 * UTF-8, no function at all, or more than 64 interceptors.
 * May be called from any thread and from callbacks; does not block.
 */
producer_status_t producer_config_add_interceptor(producer_config_t *config,
                                                  const producer_interceptor_t *interceptor);

/** The value a producer_interceptor_t begins with: its size set, no name, no functions. */
#define PRODUCER_INTERCEPTOR_INIT                                                                                    \
    {                                                                                                                \
        sizeof(producer_interceptor_t), NULL, NULL, NULL, NULL, NULL                                                 \
    }

/* serializer -------------------------------------------------------------------------------------- */

/**
 * What a serializer is given. It lives until the serializer returns, and so does what it points to, except topic, which
 * lives as long as the producer.
 */
typedef struct producer_serialization_t {
    /** Bytes of this struct in the library: a later version has more fields at the end. */
    size_t struct_size;
    /** Whether the key is to be serialized; otherwise the value. */
    bool is_key;
    /** The topic's name, however the record names it. */
    const char *topic;
    /**
     * The record, as the interceptors left it. Let key and key_len, or value and value_len, say the bytes; headers and
     * header_count may be replaced too, by more of them. Other changes do not count.
     */
    producer_record_t *record;
    /** Room for a sentence in UTF-8 that says why it fails; it becomes part of producer_last_error. */
    char *error_text;
    /** Bytes of that room, with the closing NUL. */
    size_t error_size;
} producer_serialization_t;

/**
 * Turns a record's key or value into bytes. What the sender lets key or value point to is between the two: an object of
 * any kind, with any length. It is not called for NULL: no key stays no key, and a tombstone a tombstone.
 *
 * what: the record and where to put the bytes. What its pointers are set to must stay as it is until this serializer is
 * called again on the same thread, or until the producer is closed. opaque: the pointer given along with the serializer.
 * Returns PRODUCER_OK, or any other status: the record is refused with PRODUCER_ERR_SERIALIZATION.
 * It runs on the thread that sends, on several threads at once, after the interceptors, so that it knows the topic, and before
 * the partition is chosen; the key goes first. What it waits for the sender waits for. A thread that closes the producer
 * waits for it. It may call functions of the producer that may be called from callbacks, except those that send: they answer
 * PRODUCER_ERR_IN_CALLBACK.
 */
typedef producer_status_t (*producer_serialize_fn)(producer_serialization_t *what,
                                                   void *opaque);

/**
 * Sets what serializes the keys of producers made from this configuration from now on; without it keys are bytes.
 *
 * config: the configuration. serializer: the function, or NULL for none. opaque: a pointer passed to it, kept as it
 * is; both must stay usable until the last producer made from this configuration is closed.
 * Records that are sent in batches of the application's own (producer_batch_t) pass no serializer.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when config is NULL.
 * May be called from any thread and from callbacks; does not block.
 */
producer_status_t producer_config_set_key_serializer(producer_config_t *config,
                                                     producer_serialize_fn serializer,
                                                     void *opaque);

/**
 * Sets what serializes the values of producers made from this configuration from now on; without it values are bytes.
 *
 * config: the configuration. serializer: the function, or NULL for none; it may be the key's. opaque: a pointer passed
 * to it, kept as it is; both must stay usable until the last producer made from this configuration is closed.
 * Records that are sent in batches of the application's own (producer_batch_t) pass no serializer.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when config is NULL.
 * May be called from any thread and from callbacks; does not block.
 */
producer_status_t producer_config_set_value_serializer(producer_config_t *config,
                                                       producer_serialize_fn serializer,
                                                       void *opaque);

/* send -------------------------------------------------------------------------------------------- */

/**
 * Sends a record: copies it into a batch of its partition and returns; the batch goes out by itself.
 *
 * producer: the producer. record: what to send; borrows until return. callback: receives the record's report on the
 * thread that polls, flushes, closes or ends a transaction; NULL for none, and then nothing is kept for the record. opaque:
 * given to the callback as it is.
 * Returns PRODUCER_OK: the record is accepted and gets exactly one report, if there is a callback. Otherwise it is not
 * accepted, and gets none: PRODUCER_ERR_INVALID_ARGUMENT for a wrong record, named in producer_last_error;
 * PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a topic name that Kafka does not allow; PRODUCER_ERR_RECORD_TOO_LARGE for a
 * record over max.request.size; PRODUCER_ERR_QUEUE_FULL when buffer.memory, or what
 * its broker or partition may have of it, stayed full for max.block.ms: producer_last_error names who holds it;
 * PRODUCER_ERR_REPORTS_NOT_TAKEN when too many reports wait for producer_poll; PRODUCER_ERR_NO_RESOURCES for too many
 * topics, and when the operating system gives no memory; PRODUCER_ERR_SERIALIZATION when a serializer of this producer fails; PRODUCER_ERR_IN_CALLBACK from one of its
 * interceptors or serializers; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the library. With
 * transactional.id also PRODUCER_ERR_STATE outside a transaction and while it is being committed or aborted, and the
 * abortable error that has made the transaction fail: abort it. A fatal status says what ended the producer.
 * Blocks only while buffer.memory is full, max.block.ms at most; never for metadata: records of a topic that is not
 * known yet wait in order. With transactional.id the record belongs to the open transaction. May be called from any thread and
 * from delivery callbacks.
 */
producer_status_t producer_send(producer_t *producer,
                                const producer_record_t *record,
                                producer_delivery_fn callback,
                                void *opaque);

/* bulk -------------------------------------------------------------------------------------------- */

/**
 * Records of one topic as flat arrays, for languages in which making a struct for each record costs more than sending it.
 * Begin with PRODUCER_FLAT_RECORDS_INIT. Everything is copied before producer_send_flat returns. Each array has count
 * members; record number i is made of the members number i.
 */
typedef struct producer_flat_records_t {
    /** sizeof(producer_flat_records_t), as PRODUCER_FLAT_RECORDS_INIT sets it. */
    size_t struct_size;
    /** The topic's name; not read when topic_handle is set. */
    const char *topic;
    /** The topic's handle from producer_topic, or NULL to go by topic. */
    const producer_topic_t *topic_handle;
    /** How many records, 0 to 2147483647. */
    size_t count;
    /** The values, one behind the other; may be NULL when values_len is 0. */
    const void *values;
    /** Bytes of all values together: what the lengths add up to. */
    size_t values_len;
    /** Bytes of each value; -1 for a null value. NULL: all values are null. */
    const int32_t *value_lens;
    /** The keys, one behind the other; may be NULL when keys_len is 0. */
    const void *keys;
    /** Bytes of all keys together: what the lengths add up to. */
    size_t keys_len;
    /** Bytes of each key; -1 for no key. NULL: no record has a key. */
    const int32_t *key_lens;
    /** The partition of each record from 0 on, or PRODUCER_PARTITION_ANY. NULL: any for all. */
    const int32_t *partitions;
    /** Milliseconds since 1970 of each record from 0 on, or PRODUCER_TIMESTAMP_NOW. NULL: the time of the call for all. */
    const int64_t *timestamps_ms;
    /**
     * Receives each record's report; PRODUCER_QUEUE_REPORT leaves them to producer_poll_reports. NULL: none, or, with
     * opaques, as PRODUCER_QUEUE_REPORT.
     */
    producer_delivery_fn callback;
    /** The opaque of each record. NULL: that of record number i is first_opaque + i. */
    void *const *opaques;
    /** The opaque of the first record when opaques is NULL: a number, that producer_report_t's opaque gives back. */
    size_t first_opaque;
} producer_flat_records_t;

/**
 * Sends many records, one after the other, as producer_send does each: for languages in which a call costs more than a
 * record.
 *
 * producer: the producer. records: the records, each begun with PRODUCER_RECORD_INIT; borrows until return. count: how
 * many, 0 to 2147483647. callback: receives the report of each; NULL for none, or, with opaques, as
 * PRODUCER_QUEUE_REPORT. opaques: the opaque of each record; NULL gives NULL to all. accepted: receives how many records
 * were accepted, also when not all were.
 * Returns PRODUCER_OK when all were accepted; otherwise the status of the first that was not, one of producer_send's, with
 * its number in producer_last_error: a wrong record is left out and those after it are sent. What would be refused again and
 * again ends the run, and nothing after it is tried: PRODUCER_ERR_QUEUE_FULL (but with a max.block.ms of 0 not when only
 * the share of the record's own broker or partition is used up), PRODUCER_ERR_REPORTS_NOT_TAKEN,
 * PRODUCER_ERR_STATE, PRODUCER_ERR_CLOSED, an abortable or a fatal status. PRODUCER_ERR_INVALID_ARGUMENT with accepted
 * untouched for wrong arguments; PRODUCER_ERR_CLOSED and PRODUCER_ERR_FORKED as well when the producer was so before.
 * Which ones were refused is told by producer_send_many_status. Blocks while buffer.memory is full, max.block.ms at most
 * for each record; the first that waits in vain ends the run.
 * May be called from any thread and from delivery callbacks.
 */
producer_status_t producer_send_many(producer_t *producer,
                                     const producer_record_t *records,
                                     size_t count,
                                     producer_delivery_fn callback,
                                     void *const *opaques,
                                     size_t *accepted);

/**
 * As producer_send_many, with a status for each record.
 *
 * producer, records, count, callback, opaques, accepted: as in producer_send_many. statuses: receives the
 * status of each record; records that were not tried have that of the one that ended the run.
 * Returns what producer_send_many does; PRODUCER_ERR_INVALID_ARGUMENT also when statuses is NULL.
 * Blocks as producer_send_many does. May be called from any thread and from delivery callbacks.
 */
producer_status_t producer_send_many_status(producer_t *producer,
                                            const producer_record_t *records,
                                            size_t count,
                                            producer_delivery_fn callback,
                                            void *const *opaques,
                                            producer_status_t *statuses,
                                            size_t *accepted);

/**
 * Sends many records of one topic from flat arrays, one after the other: the fewest calls and the least copying on the way
 * from another language.
 *
 * producer: the producer. records: the arrays; borrows until return. statuses: receives the status of each record, or
 * NULL; records that were not tried have that of the one that ended the run. accepted: receives how many records were
 * accepted, also when not all were.
 * Returns what producer_send_many does. PRODUCER_ERR_INVALID_ARGUMENT, with both outputs untouched and nothing sent, when the
 * lengths do not add up to values_len and keys_len, or one is below -1.
 * Blocks while buffer.memory is full, max.block.ms at most for each record; the first that waits in vain ends the run. May
 * be called from any thread and from delivery callbacks.
 */
producer_status_t producer_send_flat(producer_t *producer,
                                     const producer_flat_records_t *records,
                                     producer_status_t *statuses,
                                     size_t *accepted);

/** The value a producer_flat_records_t begins with: its size set, no records, no keys, any partition, the time of the call. */
#define PRODUCER_FLAT_RECORDS_INIT                                                                                   \
    {                                                                                                                \
        sizeof(producer_flat_records_t), NULL, NULL, 0, NULL, 0, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, 0      \
    }

/* poll -------------------------------------------------------------------------------------------- */

/**
 * Runs the callbacks of finished records, and the log callback, on this thread.
 *
 * producer: the producer. timeout_ms: with nothing there, how long to wait for the first report; 0 does not wait, -1
 * waits for ever. Log lines that come meanwhile are served and do not end the wait.
 * Returns how many records were reported, 0 when the time passed; a negative status otherwise:
 * PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks;
 * PRODUCER_ERR_CLOSED, also when another thread closes the producer meanwhile; PRODUCER_ERR_FORKED;
 * PRODUCER_ERR_INTERNAL after a bug of the library, when everything has been reported.
 * Serves what is there when it is called, not what comes meanwhile. May be called from any thread; one thread at a time
 * dispatches, the others wait their turn within their time. With delivery.dispatch=thread it runs no callback: it waits for
 * its time and answers 0.
 */
int32_t producer_poll(producer_t *producer,
                      int32_t timeout_ms);

/**
 * Copies the reports of finished records into an array instead of running their callbacks: for languages in which a call
 * from C costs more than a record. Reports of records that were sent with PRODUCER_QUEUE_REPORT come first.
 *
 * producer: the producer. out: receives the reports, in each partition's order; set out[0].struct_size to
 * sizeof(producer_report_t) before the first call. max: how many fit, 1 or more; what does not fit stays, in order, for
 * the next call. timeout_ms: with nothing there, how long to wait for the first report; 0 does not wait, -1 waits for
 * ever.
 * Returns how many reports were copied, 0 when the time passed; a negative status otherwise:
 * PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks; PRODUCER_ERR_CLOSED,
 * also when another thread closes the producer meanwhile; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the
 * library, when everything has been taken.
 * The strings of the reports live until this thread's next producer_poll_reports on this producer, or its end. A copied
 * report's callback is never run; those of log lines, of losses and of futures are, on this thread. May be called from any
 * thread; one thread at a time takes reports, each report goes to one of them. With delivery.dispatch=thread only reports of
 * PRODUCER_QUEUE_REPORT are copied, when that thread is not in its callbacks: those that take long hold this call up.
 */
int32_t producer_poll_reports(producer_t *producer,
                              producer_report_t *out,
                              size_t max,
                              int32_t timeout_ms);

/**
 * Ends the dispatch under way: called from a callback, it lets no other callback of this producer follow on this thread; what
 * is left waits, in order, for the next dispatch.
 *
 * producer: the producer whose callback calls.
 * Returns PRODUCER_OK; PRODUCER_ERR_STATE when none of its callbacks runs on this thread; PRODUCER_ERR_INVALID_ARGUMENT;
 * PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED.
 * producer_poll returns after the callback. Calls that have promised more go on: producer_flush, producer_close, functions of
 * transactions and the thread of delivery.dispatch=thread only let other threads have a turn. Does not block.
 */
producer_status_t producer_yield(producer_t *producer);

/* event_loop -------------------------------------------------------------------------------------- */

/**
 * Gives a descriptor that is readable while reports, log lines or losses wait to be dispatched: for epoll, kqueue, libuv,
 * asyncio and others. When it is, call producer_poll or producer_poll_reports with a timeout of 0.
 *
 * producer: the producer.
 * Returns the descriptor, 0 or more, the same at each call; a negative status otherwise: PRODUCER_ERR_INVALID_ARGUMENT;
 * PRODUCER_ERR_NO_RESOURCES when the operating system gives none; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED.
 * It belongs to the producer, which closes it: take it out of the loop before producer_close. Only watch it, level-triggered:
 * never read, write or close it. It stays readable after a bug of the library has ended the producer: producer_poll says so.
 * With delivery.dispatch=thread it is readable while reports of PRODUCER_QUEUE_REPORT wait. A producer that nobody asks for it
 * has none. Does not block; may be called from any thread and from callbacks.
 */
int32_t producer_event_fd(producer_t *producer);

/**
 * Gives a descriptor that is readable while there is room for another record: for event loops that must not block in
 * producer_send. It stops being readable when a record is refused with PRODUCER_ERR_QUEUE_FULL or
 * PRODUCER_ERR_REPORTS_NOT_TAKEN, or has to wait for room; it is readable again when what was asked for, and an eighth of
 * buffer.memory at least, is free, or an eighth of delivery.reports.max.count is taken. After a refusal because one broker
 * or partition has its share of the memory, while there is room for others, it is readable when the next batch is done.
 *
 * producer: the producer; set max.block.ms to 0, so that its sends do not wait.
 * Returns the descriptor, 0 or more, the same at each call; a negative status otherwise: PRODUCER_ERR_INVALID_ARGUMENT;
 * PRODUCER_ERR_NO_RESOURCES when the operating system gives none; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED.
 * It belongs to the producer, which closes it: take it out of the loop before producer_close. Only watch it, level-triggered,
 * and only while there is something to send: never read, write or close it. Does not block; may be called from any thread and
 * from callbacks.
 */
int32_t producer_capacity_fd(producer_t *producer);

/**
 * Waits until so much of buffer.memory is free, and reserves nothing: other threads may take it first.
 *
 * producer: the producer. bytes: how much; a record takes its own size and up to 64 bytes, a new batch begins with 1 KiB.
 * timeout_ms: how long to wait; 0 only looks, -1 waits for ever.
 * Returns PRODUCER_OK; PRODUCER_ERR_TIMED_OUT when the time passed first, with the partition that holds most of the memory in
 * producer_last_error; PRODUCER_ERR_INVALID_ARGUMENT, also for more than buffer.memory in all; PRODUCER_ERR_IN_CALLBACK from
 * one of this producer's own callbacks; PRODUCER_ERR_CLOSED, also when another thread closes the producer meanwhile;
 * PRODUCER_ERR_FORKED; a fatal status when the producer has failed.
 * Waits in line with sends that wait for room, and dispatches nothing: it does not end REPORTS_NOT_TAKEN. While it waits,
 * batches do not linger. May be called from any thread.
 */
producer_status_t producer_wait_capacity(producer_t *producer,
                                         size_t bytes,
                                         int32_t timeout_ms);

/* flush ------------------------------------------------------------------------------------------- */

/** flags of producer_purge: records that no socket has taken yet, and those that wait to be sent again. */
#define PRODUCER_PURGE_QUEUED 1

/** flags of producer_purge: records that were written and whose answer is awaited. */
#define PRODUCER_PURGE_IN_FLIGHT 2

/**
 * A flush that was begun and can be waited for later: opaque, made by producer_flush_begin, ended by producer_flush_free.
 * Any number of threads may use it at once.
 */
typedef struct producer_flush_t producer_flush_t;

/**
 * Sends everything at once that was sent before this call, by any thread, and waits until all of it is reported (KIP-8).
 *
 * producer: the producer. timeout_ms: how long to wait; 0 only starts it, -1 waits for ever.
 * Returns PRODUCER_OK when every record accepted before the call has its outcome and its callback has run;
 * PRODUCER_ERR_TIMED_OUT when the time passed first: it all goes on, call again, and producer_last_error says what is wrong
 * with the cluster, if anything is; the status of its end when the producer has failed for good, before the call or during it
 * (PRODUCER_ERR_FATAL, PRODUCER_ERR_PRODUCER_FENCED or another for which producer_status_is_fatal is true, or
 * PRODUCER_ERR_INTERNAL after a bug of the library): the records that were left have failed then, and their callbacks have
 * run, also with a timeout_ms of 0;
 * PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks; PRODUCER_ERR_CLOSED;
 * PRODUCER_ERR_FORKED.
 * Callbacks of a future that another thread awaits run on that thread, and are not waited for.
 * Overrides linger.ms; runs callbacks on this thread; does not hold up sends of other threads and does not wait for
 * them. Several flushes may run at once.
 * Inside a transaction it commits nothing, and is not needed before a commit.
 */
producer_status_t producer_flush(producer_t *producer,
                                 int32_t timeout_ms);

/**
 * Sends everything at once that was sent to one topic before this call, by any thread, and waits until all of it is
 * reported. Records of other topics are not waited for, and go on lingering (linger.ms).
 *
 * producer: the producer. topic: the topic's name; one that nothing was sent to has nothing to wait for. timeout_ms:
 * how long to wait; 0 only starts it, -1 waits for ever.
 * Returns PRODUCER_OK when every record that the topic accepted before the call has its outcome and its callback has run;
 * PRODUCER_ERR_TIMED_OUT when the time passed first: it all goes on, call again; PRODUCER_ERR_INVALID_ARGUMENT;
 * PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a name that Kafka does not allow; PRODUCER_ERR_IN_CALLBACK from one of this
 * producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; the status of its end when the producer has failed for
 * good, as producer_flush says.
 * Runs callbacks on this thread, those of other topics that are due too; otherwise like producer_flush.
 */
producer_status_t producer_flush_topic(producer_t *producer,
                                       const char *topic,
                                       int32_t timeout_ms);

/**
 * Begins a flush: everything that was sent before this call, by any thread, is sent at once, whatever linger.ms says.
 *
 * producer: the producer. topic: the topic to flush, one that nothing was sent to has nothing to wait for; NULL for all
 * of them. flush: receives the flush, to be freed with producer_flush_free; untouched on error.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL producer or output;
 * PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a name that Kafka does not allow; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; the
 * status of its end when the producer has failed.
 * Does not block. May be called from any thread and from callbacks.
 */
producer_status_t producer_flush_begin(producer_t *producer,
                                       const char *topic,
                                       producer_flush_t **flush);

/**
 * Waits until everything that belongs to a flush is reported. What was sent after producer_flush_begin is not waited for.
 *
 * producer: the producer that it was begun on. flush: the flush; it stays yours, and may be waited for again.
 * timeout_ms: how long to wait; 0 does not wait, -1 waits for ever.
 * Returns PRODUCER_OK when every record has its outcome and its callback has run; PRODUCER_ERR_TIMED_OUT when the time
 * passed first: it all goes on, wait again; PRODUCER_ERR_INVALID_ARGUMENT, also for a flush of another producer;
 * PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED;
 * the status of its end when the producer has failed for good, as producer_flush says.
 * Runs callbacks on this thread, like producer_flush. Any number of threads may wait for one flush.
 */
producer_status_t producer_flush_wait(producer_t *producer,
                                      const producer_flush_t *flush,
                                      int32_t timeout_ms);

/**
 * Whether producer_flush_wait would not wait: everything has its outcome, and its callbacks have run. Somebody has to run
 * them: producer_poll, for one.
 *
 * flush: the flush; NULL is not complete, and neither is one that was begun before a fork. One whose producer was closed
 * is.
 * Returns true or false. Never blocks; may be called from any thread and from callbacks.
 */
bool producer_flush_is_complete(const producer_flush_t *flush);

/**
 * Forgets a flush. Its records go on.
 *
 * flush: takes; NULL does nothing. No other call may use it meanwhile or afterwards.
 * May be called from any thread, from callbacks, after the producer was closed, and in the child of a fork.
 */
void producer_flush_free(producer_flush_t *flush);

/**
 * Fails records that have no outcome yet, with PRODUCER_ERR_PURGED. Their reports come through producer_poll as always.
 *
 * producer: the producer. flags: PRODUCER_PURGE_QUEUED, PRODUCER_PURGE_IN_FLIGHT or both. Records in flight may be
 * written all the same: their reports say PRODUCER_PERSISTED_MAYBE. A transaction with a purged record has to be aborted.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for other flags; PRODUCER_ERR_IN_CALLBACK from one of this
 * producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the library.
 * Waits for no broker. Records that other threads send meanwhile may be among the purged ones.
 */
producer_status_t producer_purge(producer_t *producer,
                                 uint32_t flags);

/* future ------------------------------------------------------------------------------------------ */

/**
 * The outcome of one record, now or later: opaque, made by producer_send_future, ended by producer_future_free. Any number
 * of threads may use it at once, and it outlives its producer: producer_close completes it.
 */
typedef struct producer_future_t producer_future_t;

/**
 * Sends a record like producer_send, and gives a future for its outcome instead of calling back.
 *
 * producer: the producer. record: what to send; borrows until return. future: receives the future, to be freed with
 * producer_future_free; untouched when the record is not accepted.
 * Returns PRODUCER_OK: the record is accepted, and the future will be complete, by producer_close at the latest. Otherwise
 * the record is not accepted, for one of the reasons that producer_send has; PRODUCER_ERR_INVALID_ARGUMENT also when
 * future is NULL.
 * Blocks like producer_send, only while buffer.memory is full. May be called from any thread and from callbacks.
 */
producer_status_t producer_send_future(producer_t *producer,
                                       const producer_record_t *record,
                                       producer_future_t **future);

/**
 * Waits until the record has its outcome. Its batch is sent at once, whatever linger.ms says, and those before it in its
 * partition with it; other partitions are left alone. Nobody has to poll meanwhile.
 *
 * future: the future. timeout_ms: how long to wait; 0 only makes the batch go, -1 waits for ever, which the record's
 * delivery time bounds. report: begun with PRODUCER_REPORT_INIT, receives the record's report when it is complete,
 * whatever the outcome; its strings live until the future is freed, its opaque is NULL; or NULL.
 * Returns the record's status when it is complete: PRODUCER_OK when it was delivered, otherwise why not, with the cause in
 * producer_last_error (PRODUCER_ERR_CLOSED when its producer was closed first). Three statuses say that it is not complete,
 * and the report is untouched: PRODUCER_ERR_TIMED_OUT: the time passed first, the record goes on, await it again;
 * PRODUCER_ERR_IN_CALLBACK from a callback, interceptor, serializer or partitioner of its producer; PRODUCER_ERR_FORKED.
 * PRODUCER_ERR_INVALID_ARGUMENT for a NULL future, a wrong timeout_ms or a report that was not begun with
 * PRODUCER_REPORT_INIT.
 * Runs callbacks of this future that nobody has run yet, on this thread. Any number of threads may await one future, also
 * after its producer was closed.
 */
producer_status_t producer_future_await(producer_future_t *future,
                                        int32_t timeout_ms,
                                        producer_report_t *report);

/**
 * Whether the record has its outcome: producer_future_await would not wait.
 *
 * future: the future; NULL is not complete, and neither is one that was made before a fork.
 * Returns true or false. Never blocks; may be called from any thread and from callbacks.
 */
bool producer_future_is_complete(const producer_future_t *future);

/**
 * Has a function called with the record's report when it has its outcome: any number of functions, each called once.
 *
 * future: the future. callback: the function. opaque: given to it as it is, also as the report's opaque.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL future or callback, and for PRODUCER_QUEUE_REPORT;
 * PRODUCER_ERR_FORKED.
 * On which thread: one that was given before the outcome runs on a thread that dispatches reports, like a delivery callback
 * (producer_poll, producer_poll_reports, producer_flush, producer_close, and with delivery.dispatch=thread the library's), or
 * in a producer_future_await of this future, whichever comes first; one that is given later runs at once, on the calling
 * thread. It may run at the same time as other callbacks of the producer; when it runs in producer_future_await, producer_flush
 * and producer_close on other threads do not wait for it: keep what it uses until it has run.
 * Until it has run, the record counts among the reports that wait to be taken (delivery.reports.max.count).
 * Does not block. May be called from any thread, from callbacks, and after the producer was closed.
 */
producer_status_t producer_future_when_complete(producer_future_t *future,
                                                producer_delivery_fn callback,
                                                void *opaque);

/**
 * Ends a future. A record that is still under way goes on, and the callbacks that were given to it will run.
 *
 * future: takes; NULL does nothing. No other call may use it meanwhile or afterwards.
 * The strings of the reports that producer_future_await gave for it end with it. May be called from any thread, from
 * callbacks, from those of the future itself too, after the producer was closed, and in the child of a fork.
 */
void producer_future_free(producer_future_t *future);

/* batch ------------------------------------------------------------------------------------------- */

/**
 * A batch that you fill and send as one: opaque, made by producer_batch_new, ended by producer_batch_send or
 * producer_batch_free. One thread at a time may use it. Interceptors and serializers do not see its records.
 * docs/BATCHES.md is the guide.
 */
typedef struct producer_batch_t producer_batch_t;

/**
 * Makes an empty batch. It takes nothing of buffer.memory before its first record.
 *
 * producer: the producer that will send it. batch: receives the handle, to be ended with producer_batch_send or
 * producer_batch_free; it may outlive the producer, and then nothing but producer_batch_free is left to do.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; a fatal
 * status that says what ended the producer.
 * Does not block. May be called from any thread and from callbacks.
 */
producer_status_t producer_batch_new(producer_t *producer,
                                     producer_batch_t **batch);

/**
 * Puts a record at the end of a batch.
 *
 * batch: the batch. record: what to append; copies. Its topic and topic_handle are NULL, its partition is
 * PRODUCER_PARTITION_ANY, its delivery_timeout_ms PRODUCER_TIMEOUT_DEFAULT and its acks PRODUCER_ACKS_DEFAULT, because all
 * records of a batch share what producer_batch_send says; key, value, headers and timestamp are its own. index: receives the
 * record's place in the batch, from 0: its offset will be that of the report plus this; may be NULL.
 * Returns PRODUCER_OK; otherwise the batch is as it was: PRODUCER_ERR_BATCH_FULL when the record does not fit any more into
 * batch.size, or max.request.size where that is less (a single record may be larger than batch.size), when the batch has
 * batch.num.messages records (the producer's, not a topic's), and when it is closed: send it and begin another;
 * PRODUCER_ERR_RECORD_TOO_LARGE for a record over max.request.size;
 * PRODUCER_ERR_QUEUE_FULL when buffer.memory stayed full for max.block.ms: nothing of the record is sent, ever;
 * PRODUCER_ERR_NO_RESOURCES when the operating system gives no memory;
 * PRODUCER_ERR_INVALID_ARGUMENT for a wrong record, named in producer_last_error; PRODUCER_ERR_CLOSED when its producer is
 * closed; PRODUCER_ERR_FORKED; a fatal status that says what ended the producer.
 * Blocks only while buffer.memory is full, max.block.ms at most. May be called from callbacks.
 */
producer_status_t producer_batch_append(producer_batch_t *batch,
                                        const producer_record_t *record,
                                        int32_t *index);

/**
 * Tells how many records a batch has.
 *
 * batch: the batch.
 * Returns the number, 0 or more; otherwise a negative status: PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_FORKED.
 * Does not block. May be called from callbacks.
 */
int32_t producer_batch_count(const producer_batch_t *batch);

/**
 * Tells how many bytes a batch takes in a request, before compression.
 *
 * batch: the batch.
 * Returns the bytes, those that Kafka puts before the first record included; 0 before the first record. Otherwise a negative
 * status: PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_FORKED.
 * Does not block. May be called from callbacks.
 */
int64_t producer_batch_size(const producer_batch_t *batch);

/**
 * Closes a batch: nothing is appended any more, neither by you nor, when it has been sent, by producer_send; and it does not
 * linger when it is sent. Closing it again changes nothing.
 *
 * batch: the batch.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_CLOSED when its producer is closed; PRODUCER_ERR_FORKED; a
 * fatal status that says what ended the producer.
 * Does not block. May be called from callbacks.
 */
producer_status_t producer_batch_close(producer_batch_t *batch);

/**
 * Sends a batch: behind everything that was sent to its partition before. A batch that was not closed becomes the
 * partition's current one: it lingers, and producer_send may fill it further; a closed one goes at once.
 *
 * producer: the producer that the batch was made for. batch: takes when PRODUCER_OK is returned: do not use it any more;
 * otherwise it stays yours as it is. topic: the topic's name; copies. partition: the partition, 0 or more, or
 * PRODUCER_PARTITION_ANY for the one that records without a key go to at present; keys are not looked at. callback:
 * receives one report for all records of the batch that you appended: the offset and timestamp of the first, their number
 * in record_count, -1 for key_len and value_len; NULL for none. opaque: given to the callback as it is.
 * Returns PRODUCER_OK: the batch is accepted. Otherwise nothing of it is sent, ever: PRODUCER_ERR_INVALID_ARGUMENT for a
 * NULL argument, an empty batch, another producer's batch, a wrong partition; PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a
 * topic name that Kafka does not allow; PRODUCER_ERR_QUEUE_FULL when the topic is not known yet and buffer.memory stayed
 * full for max.block.ms; PRODUCER_ERR_REPORTS_NOT_TAKEN when too many reports wait for producer_poll;
 * PRODUCER_ERR_NO_RESOURCES for too many topics; PRODUCER_ERR_IN_CALLBACK from an interceptor or a serializer of the same
 * producer; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; with transactional.id
 * PRODUCER_ERR_STATE outside a transaction, and the abortable error that has made the transaction fail; a fatal status
 * that says what ended the producer.
 * A batch that a broker finds too large is sent in parts, between which records of others may lie; its report then has the
 * offset of the first part, and when parts ended differently it is a failure with PRODUCER_PERSISTED_MAYBE.
 * Blocks at most as producer_send does. May be called from any thread and from delivery callbacks.
 */
producer_status_t producer_batch_send(producer_t *producer,
                                      producer_batch_t *batch,
                                      const char *topic,
                                      int32_t partition,
                                      producer_delivery_fn callback,
                                      void *opaque);

/**
 * Throws a batch away that was not sent, and gives its memory back.
 *
 * batch: takes; NULL is nothing to do. It may outlive its producer. In the child of a fork nothing is freed.
 * Does not block. May be called from any thread and from callbacks.
 */
void producer_batch_free(producer_batch_t *batch);

/* cancel ------------------------------------------------------------------------------------------ */

/**
 * What names a record that was sent with producer_send_cancellable. A plain value: copy it as you like; nothing is to be
 * freed. Its fields are the library's.
 */
typedef struct producer_ticket_t {
    /** The producer; 0: the ticket names no record. */
    uint64_t producer;
    /** The record. */
    uint64_t id;
    /** Where it was put. */
    uint64_t batch;
    /** Who hears of it. */
    uint64_t key;
    /** Its topic. */
    uint32_t topic;
    /** Its partition, where that was known; otherwise -1. */
    int32_t partition;
} producer_ticket_t;

/**
 * Sends a record like producer_send, and gives a ticket with which producer_cancel takes it back as long as it waits.
 *
 * producer, record, callback, opaque: as for producer_send. ticket: receives the ticket; not NULL.
 * Returns what producer_send returns; PRODUCER_ERR_INVALID_ARGUMENT also for a NULL ticket, before anything is sent.
 * Blocks as producer_send does. May be called from any thread and from delivery callbacks. It costs a little more than
 * producer_send; other records pay nothing for it.
 */
producer_status_t producer_send_cancellable(producer_t *producer,
                                            const producer_record_t *record,
                                            producer_delivery_fn callback,
                                            void *opaque,
                                            producer_ticket_t *ticket);

/**
 * Takes a record back that was sent with producer_send_cancellable and is not on its way yet.
 *
 * producer: the producer that the record was sent with. ticket: the record's ticket; borrows until return.
 * Returns PRODUCER_OK: it was not sent, and never will be; its one report, if it has a callback, comes with
 * PRODUCER_ERR_CANCELLED and PRODUCER_PERSISTED_NO. PRODUCER_ERR_TOO_LATE: a broker has it or may have it, or it is finished,
 * or was cancelled before: its own report says what became of it. PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument or a
 * ticket that is not this producer's; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED.
 * The records around it are sent as if it had never been there. In a transaction it is no part of it, and costs nothing. Its
 * report does not wait for those of the records before it. A delivery_timeout_ms of its own that was shorter than theirs still
 * ends its batch.
 * Does not block. May be called from any thread and from callbacks.
 */
producer_status_t producer_cancel(producer_t *producer,
                                  const producer_ticket_t *ticket);

/** The value a producer_ticket_t begins with: it names no record. */
#define PRODUCER_TICKET_INIT {0, 0, 0, 0, 0, 0}

/* close_with -------------------------------------------------------------------------------------- */

/**
 * A record that was not delivered when its producer was closed. It and everything it points to live until the callback
 * that receives it returns.
 */
typedef struct producer_undelivered_t {
    /** Bytes of this struct in the library: a later version has more fields at the end. */
    size_t struct_size;
    /**
     * The record with topic, partition, key, value, headers and timestamp: it can be given to producer_send of another
     * producer as it is. Its partition is the one it was sent to; PRODUCER_PARTITION_ANY when none was chosen yet.
     */
    const producer_record_t *record;
    /** Why it was not delivered: the status that its report has. */
    producer_status_t status;
    /** PRODUCER_PERSISTED_NO, or PRODUCER_PERSISTED_MAYBE: then sending it again may write it twice. */
    int32_t persisted;
    /** What was given with the record for its report; NULL for one without a callback. */
    void *opaque;
    /** The last cause in words. */
    const char *error_text;
} producer_undelivered_t;

/**
 * Receives a record that was not delivered, from producer_close_with.
 *
 * record: valid until the callback returns; copy what you keep. opaque: what was given to producer_close_with.
 * It runs where delivery callbacks run, most often on the thread that closes, and never two at once. It may send to another
 * producer; functions of the one that is being closed answer PRODUCER_ERR_CLOSED or PRODUCER_ERR_IN_CALLBACK.
 */
typedef void (*producer_undelivered_fn)(const producer_undelivered_t *record, void *opaque);

/**
 * Ends a producer like producer_close, and hands back every record that is not delivered: those that fail from the moment of
 * this call on, also those without a callback. Records that were acknowledged, and those that had failed before, are not
 * among them. docs/CANCELLING.md is the guide.
 *
 * producer: takes, as producer_close does. timeout_ms: as for producer_close. callback: receives each of the records
 * once; not NULL. opaque: given to it as it is.
 * Returns what producer_close returns, and PRODUCER_ERR_INVALID_ARGUMENT for a NULL callback: the producer is not closed then.
 * Order: records come when they fail; those of a batch in the order in which they were sent, all of them before the first
 * report of that batch. Each record with a callback gets its report all the same. Records stay inside buffer.memory until
 * they are handed back.
 * Blocks for timeout_ms and little more beside the time that the callbacks take.
 */
producer_status_t producer_close_with(producer_t *producer,
                                      int32_t timeout_ms,
                                      producer_undelivered_fn callback,
                                      void *opaque);

/* partitioner ------------------------------------------------------------------------------------- */

/** A partition as a partitioner sees it. */
typedef struct producer_view_partition_t {
    /** The partition's number; also its place in the array. */
    int32_t id;
    /** The id of the broker that leads it; -1 when it has no leader. */
    int32_t leader;
    /** Bytes of records that wait to be sent. */
    uint64_t queued_bytes;
    /** Batches that were taken for sending and have no outcome yet. */
    uint32_t in_flight;
    /** It has a leader, and that does not keep batches waiting for longer than partitioner.availability.timeout.ms. */
    bool is_available;
} producer_view_partition_t;

/** A broker as a partitioner sees it. */
typedef struct producer_view_broker_t {
    /** The broker's id, 0 or more. */
    int32_t id;
    /** Its host name or address, as the cluster tells it to clients. */
    const char *host;
    /** Its port, 1 to 65535. */
    int32_t port;
    /** Its rack (broker.rack); NULL when it has none. */
    const char *rack;
} producer_view_broker_t;

/**
 * What a partitioner decides by. Key and value are the record's; the rest is a picture of topic and cluster that is some
 * milliseconds old (10, and more with thousands of partitions). All of it lives until the partitioner returns.
 */
typedef struct producer_partition_view_t {
    /** Bytes of this struct in the library: a later version has more fields at the end. */
    size_t struct_size;
    /** The topic's name. */
    const char *topic;
    /** The key's bytes, NULL for no key. */
    const void *key;
    /** Bytes of the key; 0 when key is NULL. */
    size_t key_len;
    /** The value's bytes, NULL for a null value. */
    const void *value;
    /** Bytes of the value; 0 when value is NULL. */
    size_t value_len;
    /** Every partition of the topic, from 0 on. */
    const producer_view_partition_t *partitions;
    /** How many partitions there are, 1 or more. */
    size_t partition_count;
    /** The brokers that are in the cluster, in the order of their ids. */
    const producer_view_broker_t *brokers;
    /** How many brokers there are. */
    size_t broker_count;
} producer_partition_view_t;

/**
 * Chooses the partition of a record that names none.
 *
 * view: what to decide by. opaque: the pointer given along with the function.
 * Returns the partition, 0 to partition_count - 1; or PRODUCER_PARTITION_ANY, which leaves the choice to the property
 * partitioner. Any other number is logged, and leaves it too.
 * It is called by the thread that sends, before producer_send returns; several threads call it at once. For records that
 * were sent before their topic's partitions were known it is called, in their order, on a thread of the library's own. It
 * is called again for a record that had to wait for buffer.memory.
 * It must be quick, and may not use its producer: every function answers PRODUCER_ERR_IN_CALLBACK, producer_send too.
 */
typedef int32_t (*producer_partitioner_fn)(const producer_partition_view_t *view,
                                           void *opaque);

/**
 * Sets the function that chooses partitions for producers made from this configuration; without one the property
 * partitioner does.
 *
 * config: the configuration. partitioner: the function, or NULL for none. opaque: a pointer passed to it, kept as it
 * is; both must stay usable until producer_close has returned for the last producer made from this configuration, and
 * longer when that answers PRODUCER_ERR_TIMED_OUT because the function has not returned.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when config is NULL.
 * May be called from any thread and from callbacks; does not block.
 */
producer_status_t producer_config_set_partitioner(producer_config_t *config,
                                                  producer_partitioner_fn partitioner,
                                                  void *opaque);

/* transaction ------------------------------------------------------------------------------------- */

/**
 * How far a consumer group has come in one partition. Begin with PRODUCER_OFFSET_INIT; the library copies everything
 * before the call that is given it returns.
 */
typedef struct producer_offset_t {
    /** sizeof(producer_offset_t), as PRODUCER_OFFSET_INIT sets it; the same in every element of an array. */
    size_t struct_size;
    /** The name of the topic that was read; not NULL, not empty. */
    const char *topic;
    /** The partition that was read, 0 or more. */
    int32_t partition;
    /** The offset of the next record to read, 0 or more: one more than that of the last record processed. */
    int64_t offset;
    /** The leader epoch of the last record processed, 0 or more; -1 when unknown. */
    int32_t leader_epoch;
    /** A text kept with the offset, at most 32767 bytes of UTF-8 (brokers allow 4096 by default), or NULL for none. */
    const char *metadata;
} producer_offset_t;

/**
 * Whose offsets they are: a consumer's place in its group, as the consumer tells it. Begin with PRODUCER_GROUP_INIT; the
 * library copies everything before the call that is given it returns.
 */
typedef struct producer_group_t {
    /** sizeof(producer_group_t), as PRODUCER_GROUP_INIT sets it. */
    size_t struct_size;
    /** The consumer's group.id; not NULL, not empty. */
    const char *group_id;
    /** The group's generation (the member epoch of Kafka 4's consumer protocol), 0 or more; -1 without a member. */
    int32_t generation_id;
    /** The consumer's id in the group; NULL or empty without a member. */
    const char *member_id;
    /** The consumer's group.instance.id, or NULL for none. */
    const char *group_instance_id;
} producer_group_t;

/**
 * Makes the producer ready for transactions: gets its producer id, shuts out an older producer of the same
 * transactional.id, and ends what that one left open: an open transaction is aborted, one whose commit had begun is
 * committed. Call it once, before the first producer_begin_transaction.
 *
 * producer: the producer; transactional.id is set. timeout_ms: how long to wait; 0 only starts it, -1 waits for ever.
 * Returns PRODUCER_OK when transactions may begin.
 * Call again: PRODUCER_ERR_TIMED_OUT when the time passed first: it goes on, and the same call resumes it.
 * Make a new producer: PRODUCER_ERR_PRODUCER_FENCED when a newer producer of this transactional.id
 * was faster; PRODUCER_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED or PRODUCER_ERR_CLUSTER_AUTHORIZATION_FAILED when this
 * client lacks the right: after it was granted the same call may be made again, too;
 * PRODUCER_ERR_INVALID_TRANSACTION_TIMEOUT when transaction.timeout.ms is above the broker's limit;
 * PRODUCER_ERR_UNSUPPORTED_VERSION or PRODUCER_ERR_FATAL when a broker is too old, and PRODUCER_ERR_FATAL for other answers
 * that end it.
 * The call was wrong, and nothing changed: PRODUCER_ERR_STATE when it has succeeded before;
 * PRODUCER_ERR_NOT_TRANSACTIONAL without transactional.id; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one
 * of this producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the
 * library.
 * Blocks for timeout_ms at most and runs callbacks on this thread meanwhile. Until it has returned PRODUCER_OK every
 * other function of transactions, and producer_send, answers PRODUCER_ERR_STATE.
 */
producer_status_t producer_init_transactions(producer_t *producer,
                                             int32_t timeout_ms);

/**
 * Begins a transaction: records sent from now on, by any thread, belong to it.
 *
 * producer: the producer.
 * Returns PRODUCER_OK.
 * Call again: PRODUCER_ERR_TIMED_OUT after max.block.ms, when the coordinator is down in the case told below: nothing was
 * begun.
 * Make a new producer: the status of the error that ended it, such as PRODUCER_ERR_PRODUCER_FENCED or PRODUCER_ERR_FATAL.
 * The call was wrong, and nothing changed: PRODUCER_ERR_STATE when producer_init_transactions has not succeeded, when a
 * transaction is open, or when a commit or an abort has not been finished; PRODUCER_ERR_NOT_TRANSACTIONAL without
 * transactional.id; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks;
 * PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the library.
 * Waits for no broker, with one exception: when the transaction before left a request whose outcome is not known, or a gap
 * in the sequence of its records, the coordinator is asked for a new epoch first. Runs no callbacks. The broker's
 * transaction.timeout.ms begins with the first record or offset that it hears of.
 */
producer_status_t producer_begin_transaction(producer_t *producer);

/**
 * Makes a consumer group's offsets part of the open transaction: they count when it is committed, and only then. With it a
 * program that reads, processes and sends does each step exactly once.
 *
 * producer: the producer. offsets: an array of count elements, each naming another partition, all with the
 * struct_size of the first, which is also their distance; borrows until return. count: 0 to 1048576; 0 does nothing.
 * group: whose offsets they are; borrows until return. With a generation, member or instance in it the group's coordinator
 * refuses offsets of a consumer that has lost its partitions to another (KIP-447): give what the consumer tells.
 * timeout_ms: how long to wait; 0 only starts it, -1 waits for ever.
 * Returns PRODUCER_OK when the coordinator holds the offsets.
 * Call again, with the same arguments: PRODUCER_ERR_TIMED_OUT when the time passed first. Until that has returned
 * PRODUCER_OK the transaction cannot be committed, but it can be aborted.
 * Abort and go on: PRODUCER_ERR_ILLEGAL_GENERATION, PRODUCER_ERR_UNKNOWN_MEMBER_ID or PRODUCER_ERR_FENCED_INSTANCE_ID when
 * the consumer has lost its place in the group: after the abort, let it join again and go back to what is committed;
 * PRODUCER_ERR_GROUP_AUTHORIZATION_FAILED when this client may not use the group; PRODUCER_ERR_TRANSACTION_ABORTABLE when
 * the coordinator says so; and whatever abortable error the transaction had met before.
 * Make a new producer: PRODUCER_ERR_PRODUCER_FENCED when a newer producer of this transactional.id
 * has taken over; PRODUCER_ERR_FATAL and others for which producer_status_is_fatal is true.
 * The call was wrong, and nothing changed: PRODUCER_ERR_STATE when no transaction is open or another call is pending;
 * PRODUCER_ERR_NOT_TRANSACTIONAL without transactional.id; PRODUCER_ERR_INVALID_ARGUMENT for a NULL, an empty group or
 * topic, a number out of range, a wrong struct_size, or a partition named twice; PRODUCER_ERR_UNSUPPORTED_BROKER when
 * group names a member and the broker is too old to check it (before Kafka 2.5): give its group_id alone, or abort;
 * PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED;
 * PRODUCER_ERR_INTERNAL after a bug of the library.
 * Blocks for timeout_ms at most and runs callbacks on this thread meanwhile. The consumer itself must not commit
 * (enable.auto.commit=false).
 */
producer_status_t producer_send_offsets_to_transaction(producer_t *producer,
                                                       const producer_offset_t *offsets,
                                                       size_t count,
                                                       const producer_group_t *group,
                                                       int32_t timeout_ms);

/**
 * Commits the open transaction: sends everything that is buffered at once, waits until all of its records have their
 * outcome, and then lets them and the offsets become visible together.
 *
 * producer: the producer. timeout_ms: how long to wait; 0 only starts it, -1 waits for ever (each record's delivery
 * time still ends).
 * Returns PRODUCER_OK when it is committed; every callback of its records has run then, each with a success.
 * Call again: PRODUCER_ERR_TIMED_OUT when the time passed first: it goes on, whether it will be committed is not known yet,
 * and the same call resumes it.
 * Abort and go on: whatever made the transaction fail: the status of its first record that failed, such as
 * PRODUCER_ERR_DELIVERY_TIMED_OUT; PRODUCER_ERR_INVALID_PRODUCER_EPOCH when it was open for longer than
 * transaction.timeout.ms; PRODUCER_ERR_TRANSACTION_ABORTABLE when the coordinator says so. It is certain then that nothing
 * of it becomes visible.
 * Make a new producer: PRODUCER_ERR_PRODUCER_FENCED when a newer producer of this transactional.id
 * has taken over, or when the broker had aborted the transaction after transaction.timeout.ms and, with transactions of
 * version 1, an earlier attempt to end it has had no answer; PRODUCER_ERR_FATAL and others for which
 * producer_status_is_fatal is true. Whether the transaction is committed is not known then, unless
 * producer_last_error says so: read from the topics, or from the offsets, how far it came.
 * The call was wrong, and nothing changed: PRODUCER_ERR_STATE when no transaction is open, when an abort is pending, or
 * when producer_send_offsets_to_transaction has timed out and was not called again; PRODUCER_ERR_NOT_TRANSACTIONAL without
 * transactional.id; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks;
 * PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the library.
 * Blocks for timeout_ms at most and runs callbacks on this thread. While it is pending producer_send and every other
 * function of transactions answer PRODUCER_ERR_STATE. A commit without a record and without offsets asks no broker.
 */
producer_status_t producer_commit_transaction(producer_t *producer,
                                              int32_t timeout_ms);

/**
 * Aborts the open transaction: none of its records and offsets ever becomes visible to consumers that read with
 * isolation.level=read_committed. It is also the way out of every abortable error.
 *
 * producer: the producer. timeout_ms: how long to wait; 0 only starts it, -1 waits for ever.
 * Returns PRODUCER_OK when the next transaction may begin; every callback of its records has run then. Records that no
 * broker had been sent report PRODUCER_ERR_TRANSACTION_ABORTED; what a report said before stands, and means nothing more.
 * Call again: PRODUCER_ERR_TIMED_OUT when the time passed first, for example because the coordinator is down: it goes on,
 * and the same call resumes it.
 * Make a new producer: PRODUCER_ERR_PRODUCER_FENCED when a newer producer of this transactional.id
 * has taken over, or when the broker had aborted the transaction after transaction.timeout.ms and, with transactions of
 * version 1, an earlier attempt to end it has had no answer; PRODUCER_ERR_FATAL and others for which
 * producer_status_is_fatal is true. The transaction is not committed, unless
 * a commit failed with a sentence that leaves it open: the next producer of this transactional.id, or the broker after
 * transaction.timeout.ms, aborts it.
 * The call was wrong, and nothing changed: PRODUCER_ERR_STATE when no transaction is open or a commit is pending;
 * PRODUCER_ERR_NOT_TRANSACTIONAL without transactional.id; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one
 * of this producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the
 * library.
 * Blocks for timeout_ms at most and runs callbacks on this thread. While it is pending producer_send and every other
 * function of transactions answer PRODUCER_ERR_STATE.
 */
producer_status_t producer_abort_transaction(producer_t *producer,
                                             int32_t timeout_ms);

/** The value a producer_offset_t begins with: its size set, no topic, partition or offset, an unknown leader epoch. */
#define PRODUCER_OFFSET_INIT                                                                                         \
    {                                                                                                                \
        sizeof(producer_offset_t), NULL, -1, -1, -1, NULL                                                            \
    }
/** The value a producer_group_t begins with: its size set, no group, no member. */
#define PRODUCER_GROUP_INIT                                                                                          \
    {                                                                                                                \
        sizeof(producer_group_t), NULL, -1, NULL, NULL                                                               \
    }

/* prepared ---------------------------------------------------------------------------------------- */

/** The bytes that the name of a prepared transaction needs, its NUL included. */
#define PRODUCER_PREPARED_STATE_LEN 26

/**
 * Makes the producer ready for transactions as producer_init_transactions does, but leaves a transaction open that an earlier
 * producer of the same transactional.id has prepared (KIP-939): producer_complete_transaction then ends it. The earlier
 * producer is shut out. No broker of Kafka up to 4.3 can: see PRODUCER_ERR_UNSUPPORTED_BROKER.
 *
 * producer: the producer; transaction.two.phase.commit.enable is true. timeout_ms: how long to wait; 0 only starts it, -1
 * waits for ever. state: PRODUCER_PREPARED_STATE_LEN bytes; receives the name of the transaction that is open, or an empty
 * text when none was, and then a transaction may be begun.
 * Returns PRODUCER_OK.
 * Call again: PRODUCER_ERR_TIMED_OUT when the time passed first: it goes on, and the same call resumes it.
 * PRODUCER_ERR_UNSUPPORTED_BROKER when the brokers do not know two-phase commit, or cannot keep a transaction: nothing has
 * changed. producer_complete_transaction may be called all the same, and producer_init_transactions, which aborts what is open.
 * Make a new producer, and the call was wrong: as for producer_init_transactions;
 * PRODUCER_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED also when the right TWO_PHASE_COMMIT is missing or the brokers' own
 * transaction.two.phase.commit.enable is not true; PRODUCER_ERR_STATE also without this producer's
 * transaction.two.phase.commit.enable. With any of them state is left alone.
 * Blocks for timeout_ms at most and runs callbacks on this thread meanwhile. Until it has returned PRODUCER_OK every
 * other function of transactions but these two, and producer_send, answers PRODUCER_ERR_STATE.
 */
producer_status_t producer_init_transactions_keep_prepared(producer_t *producer,
                                                           int32_t timeout_ms,
                                                           char *state);

/**
 * Prepares the open transaction for two-phase commit (KIP-939): sends everything that is buffered at once, waits until all of
 * its records have their outcome, and leaves the transaction open. From then on only its end may be asked for. The brokers
 * never abort it by themselves. Write the state down together with what has to happen if and only if the transaction is
 * committed; then end it, with this producer or, should this process die, with another one.
 *
 * producer: the producer; transaction.two.phase.commit.enable is true. timeout_ms: how long to wait; 0 only starts it, -1
 * waits for ever (each record's delivery time still ends). state: PRODUCER_PREPARED_STATE_LEN bytes; receives the name of the
 * transaction, "producer id:epoch", as Kafka's own client writes it.
 * Returns PRODUCER_OK when it is prepared; every callback of its records has run then, each with a success.
 * Call again: PRODUCER_ERR_TIMED_OUT when the time passed first: it goes on, and the same call resumes it.
 * Abort and go on: whatever made the transaction fail: the status of its first record that failed, such as
 * PRODUCER_ERR_DELIVERY_TIMED_OUT; PRODUCER_ERR_TRANSACTION_ABORTABLE when the coordinator says so.
 * Make a new producer: PRODUCER_ERR_PRODUCER_FENCED when a newer producer of this transactional.id has taken over;
 * PRODUCER_ERR_FATAL and others for which producer_status_is_fatal is true.
 * The call was wrong, and nothing changed: PRODUCER_ERR_STATE without transaction.two.phase.commit.enable, when no transaction
 * is open or it is prepared already, when another call is pending, or when producer_send_offsets_to_transaction has timed out
 * and was not called again; PRODUCER_ERR_NOT_TRANSACTIONAL without transactional.id; PRODUCER_ERR_INVALID_ARGUMENT;
 * PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED;
 * PRODUCER_ERR_INTERNAL after a bug of the library. With any of them state is left alone.
 * Blocks for timeout_ms at most and runs callbacks on this thread. producer_commit_transaction,
 * producer_abort_transaction and producer_complete_transaction end what it has prepared; every other function of transactions,
 * and producer_send, answers PRODUCER_ERR_STATE. Closing the producer leaves a prepared transaction open, until it is ended
 * by another one. Consumers that read committed records wait behind it meanwhile.
 */
producer_status_t producer_prepare_transaction(producer_t *producer,
                                               int32_t timeout_ms,
                                               char *state);

/**
 * Ends a prepared transaction as the other system has decided (KIP-939): commits it when it is the one that state names, and
 * aborts it when state names another or none.
 *
 * Before the producer is initialized it commits the transaction that state names, under the identity of the producer that
 * prepared it. No broker has to be able to keep transactions for that. The commit may be repeated; afterwards
 * producer_init_transactions comes as usual, which also aborts whatever else is open.
 *
 * producer: the producer; transaction.two.phase.commit.enable is true. state: what producer_prepare_transaction gave, or an
 * empty text for no transaction; borrows until return. timeout_ms: how long to wait; 0 only starts it, -1 waits for ever.
 * Returns PRODUCER_OK when it is committed, or aborted.
 * Call again, with the same state: PRODUCER_ERR_TIMED_OUT when the time passed first: it goes on, and the same call resumes it.
 * Abort and go on: PRODUCER_ERR_TRANSACTION_ABORTABLE when the coordinator says so.
 * Make a new producer: PRODUCER_ERR_PRODUCER_FENCED when a newer producer of this transactional.id has taken over: it has
 * ended the transaction, or will; PRODUCER_ERR_FATAL and others for which producer_status_is_fatal is true.
 * The call was wrong, and nothing changed: PRODUCER_ERR_STATE without transaction.two.phase.commit.enable, when nothing is
 * prepared, when another call is pending, or for an empty state before the producer is initialized;
 * PRODUCER_ERR_NOT_TRANSACTIONAL without transactional.id; PRODUCER_ERR_INVALID_ARGUMENT also for a state that no
 * producer gives; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks; PRODUCER_ERR_CLOSED;
 * PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the library.
 * Blocks for timeout_ms at most and runs callbacks on this thread meanwhile.
 */
producer_status_t producer_complete_transaction(producer_t *producer,
                                                const char *state,
                                                int32_t timeout_ms);

/* metadata ---------------------------------------------------------------------------------------- */

/**
 * Metadata of a cluster at one moment: opaque, made by producer_metadata and freed by producer_metadata_free. It never changes,
 * does not need its producer any more, and may be read by any number of threads at once.
 */
typedef struct producer_metadata_t producer_metadata_t;

/** A broker. The strings live as long as the metadata. */
typedef struct producer_metadata_broker_t {
    /** Bytes of this struct, set by PRODUCER_METADATA_BROKER_INIT. */
    size_t struct_size;
    /** The broker's id. */
    int32_t id;
    /** The name or address that it advertises. */
    const char *host;
    /** The port that it advertises. */
    int32_t port;
    /** Its rack; NULL when it has none. */
    const char *rack;
    /** Whether this producer had a connection to it that requests could be sent over. A connection is made when it is needed. */
    bool connected;
} producer_metadata_broker_t;

/** A topic. The name lives as long as the metadata. */
typedef struct producer_metadata_topic_t {
    /** Bytes of this struct, set by PRODUCER_METADATA_TOPIC_INIT. */
    size_t struct_size;
    /** The topic's name. */
    const char *name;
    /**
     * PRODUCER_OK; otherwise what the broker says is wrong with it, such as PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION or
     * PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED.
     */
    producer_status_t status;
    /** How many partitions producer_metadata_partition_at knows; 0 when status says that something is wrong. */
    size_t partition_count;
} producer_metadata_topic_t;

/**
 * A partition. The arrays of broker ids live as long as the metadata; they are empty in metadata that was not asked of a
 * broker (timeout_ms 0).
 */
typedef struct producer_metadata_partition_t {
    /** Bytes of this struct, set by PRODUCER_METADATA_PARTITION_INIT. */
    size_t struct_size;
    /** The partition's number. */
    int32_t partition;
    /** PRODUCER_OK; otherwise what the broker says is wrong with it, such as PRODUCER_ERR_LEADER_NOT_AVAILABLE. */
    producer_status_t status;
    /** The leader's broker id; -1 when there is none. */
    int32_t leader;
    /** How often the leader has changed, as the brokers count; -1 when unknown. */
    int32_t leader_epoch;
    /** The brokers that have a copy. */
    const int32_t *replicas;
    /** How many they are. */
    size_t replica_count;
    /** Those of them that are in sync with the leader. */
    const int32_t *in_sync_replicas;
    /** How many they are. */
    size_t in_sync_replica_count;
    /** Those of them that are down. */
    const int32_t *offline_replicas;
    /** How many they are. */
    size_t offline_replica_count;
} producer_metadata_partition_t;

/**
 * Asks the cluster for its metadata: brokers, and topics with their partitions, leaders and replicas.
 *
 * producer: the producer. topic: the topic to ask for, in use or not; NULL for all topics that this producer has sent to.
 * With allow.auto.create.topics, asking for a topic that does not exist creates it, where the brokers allow it. timeout_ms:
 * how long to wait for a broker, and for a topic that is being created; -1 waits for ever; 0 asks nobody and tells what is
 * known now: leaders without replicas, and only of topics in use. metadata: receives the metadata, to be freed with
 * producer_metadata_free.
 * Returns PRODUCER_OK when a broker has answered: what it says of the topic, a topic that does not exist included, is in
 * producer_metadata_topic_at; PRODUCER_ERR_TIMED_OUT when none answered in time; PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a
 * name that Kafka does not allow; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own
 * callbacks, unless timeout_ms is 0; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the
 * library.
 * Blocks up to timeout_ms, with 0 no longer than the I/O thread takes to hear of it, which waits for no broker; runs no callbacks, and changes nothing of what is being sent. May be called from any thread.
 */
producer_status_t producer_metadata(producer_t *producer,
                                    const char *topic,
                                    int32_t timeout_ms,
                                    producer_metadata_t **metadata);

/**
 * Frees metadata, and with it every string and array it has given out.
 *
 * metadata: the metadata, or NULL, which does nothing. No other thread may be using it.
 * May be called from any thread and from callbacks, also after the producer was closed; does not block.
 */
void producer_metadata_free(producer_metadata_t *metadata);

/**
 * Tells the cluster's id.
 *
 * metadata: the metadata. Returns a string that lives as long as the metadata; NULL when the brokers told none, or
 * metadata is NULL. May be called from any thread; does not block.
 */
const char *producer_metadata_cluster_id(const producer_metadata_t *metadata);

/**
 * Tells the broker id of the cluster's controller, or of the broker that stands for it.
 *
 * metadata: the metadata. Returns the id; -1 when it is unknown, or metadata is NULL. May be called from any thread;
 * does not block.
 */
int32_t producer_metadata_controller_id(const producer_metadata_t *metadata);

/**
 * Tells how many brokers there are.
 *
 * metadata: the metadata. Returns the count; 0 when metadata is NULL. May be called from any thread; does not block.
 */
size_t producer_metadata_broker_count(const producer_metadata_t *metadata);

/**
 * Describes a broker.
 *
 * metadata: the metadata. index: 0 to producer_metadata_broker_count - 1, in the order of their ids. broker: a struct
 * begun with PRODUCER_METADATA_BROKER_INIT; receives the description.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument, an index too large or a struct_size too small.
 * May be called from any thread; does not block.
 */
producer_status_t producer_metadata_broker_at(const producer_metadata_t *metadata,
                                              size_t index,
                                              producer_metadata_broker_t *broker);

/**
 * Tells how many topics there are.
 *
 * metadata: the metadata. Returns the count; 0 when metadata is NULL. May be called from any thread; does not block.
 */
size_t producer_metadata_topic_count(const producer_metadata_t *metadata);

/**
 * Describes a topic.
 *
 * metadata: the metadata. index: 0 to producer_metadata_topic_count - 1, in the order of their names. topic: a struct
 * begun with PRODUCER_METADATA_TOPIC_INIT; receives the description.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument, an index too large or a struct_size too small.
 * May be called from any thread; does not block.
 */
producer_status_t producer_metadata_topic_at(const producer_metadata_t *metadata,
                                             size_t index,
                                             producer_metadata_topic_t *topic);

/**
 * Describes a partition of a topic.
 *
 * metadata: the metadata. topic_index: as for producer_metadata_topic_at. index: 0 to the topic's partition_count - 1, in
 * the order of their numbers. partition: a struct begun with PRODUCER_METADATA_PARTITION_INIT; receives the description.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument, an index too large or a struct_size too small.
 * May be called from any thread; does not block.
 */
producer_status_t producer_metadata_partition_at(const producer_metadata_t *metadata,
                                                 size_t topic_index,
                                                 size_t index,
                                                 producer_metadata_partition_t *partition);

/**
 * Tells the id of the cluster that the producer is connected to.
 *
 * producer: the producer. timeout_ms: how long to wait for a broker when none has told yet; 0 does not wait, -1 waits for
 * ever. cluster_id: receives the id, to be freed with producer_string_free.
 * Returns PRODUCER_OK; PRODUCER_ERR_NOT_FOUND when it is not known, and timeout_ms is 0 or the brokers tell none;
 * PRODUCER_ERR_TIMED_OUT when no broker answered in time; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of
 * this producer's own callbacks when it would have to wait; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL
 * after a bug of the library.
 * Blocks up to timeout_ms, not at all once a broker has told, and runs no callbacks. May be called from any thread.
 */
producer_status_t producer_cluster_id(producer_t *producer,
                                      int32_t timeout_ms,
                                      char **cluster_id);

/**
 * Makes the first record to a topic as fast as any other: gets the topic's metadata and connects to the leaders of all of its
 * partitions; with enable.idempotence also the producer id.
 *
 * producer: the producer. topic: the topic's name. timeout_ms: how long to wait; 0 only starts it, -1 waits for ever.
 * Returns PRODUCER_OK when every leader is connected, or with 0 at once; PRODUCER_ERR_TIMED_OUT when the time passed first:
 * it goes on, and producer_last_error says what is missing; what a broker says of the topic, when that does not go away by
 * itself, such as PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED; PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a name that Kafka does not
 * allow; PRODUCER_ERR_NO_RESOURCES for too many topics; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of
 * this producer's own callbacks, unless timeout_ms is 0; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL
 * after a bug of the library; the fatal status when the producer has failed for good.
 * Blocks up to timeout_ms and runs no callbacks. The connections are closed again after connections.max.idle.ms without use.
 * May be called from any thread.
 */
producer_status_t producer_warm_up(producer_t *producer,
                                   const char *topic,
                                   int32_t timeout_ms);

/**
 * Frees a string that a function of this library has given to the caller to be freed.
 *
 * string: the string, or NULL, which does nothing.
 * May be called from any thread and from callbacks, also after the producer was closed; does not block.
 */
void producer_string_free(char *string);

/** The value a producer_metadata_broker_t begins with: its size set, everything else empty. */
#define PRODUCER_METADATA_BROKER_INIT                                                                                \
    {                                                                                                                \
        sizeof(producer_metadata_broker_t), -1, NULL, -1, NULL, false                                                \
    }

/** The value a producer_metadata_topic_t begins with: its size set, everything else empty. */
#define PRODUCER_METADATA_TOPIC_INIT                                                                                 \
    {                                                                                                                \
        sizeof(producer_metadata_topic_t), NULL, PRODUCER_OK, 0                                                      \
    }

/** The value a producer_metadata_partition_t begins with: its size set, everything else empty. */
#define PRODUCER_METADATA_PARTITION_INIT                                                                             \
    {                                                                                                                \
        sizeof(producer_metadata_partition_t), -1, PRODUCER_OK, -1, -1, NULL, 0, NULL, 0, NULL, 0                    \
    }

/* sasl -------------------------------------------------------------------------------------------- */

/**
 * Changes user and password of a producer with sasl.mechanism PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. The client id and secret of a
 * token endpoint do not change this way: tokens of a producer that runs can be set with producer_set_oauth_token.
 *
 * producer: the producer. username, password: not empty, at most 65536 bytes each; both are copied.
 * New connections and re-authentications use them; connections that are authenticated stay as they are until the broker wants
 * a re-authentication, or until they end. Brokers that have refused the credentials before are asked again at once.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when an argument is NULL, not UTF-8, empty or too long;
 * PRODUCER_ERR_CONFIG_CONFLICT when the producer does not authenticate by user and password; PRODUCER_ERR_CLOSED;
 * PRODUCER_ERR_FORKED; the status of its end when the producer has failed for good. On an error nothing changes.
 * May be called from any thread and from callbacks; does not block.
 */
producer_status_t producer_set_sasl_credentials(producer_t *producer,
                                                const char *username,
                                                const char *password);

/* oauth ------------------------------------------------------------------------------------------- */

/** A producer's wish for a token: opaque, valid until the callback that it was given to returns, on the thread of that callback. */
typedef struct producer_token_request_t producer_token_request_t;

/**
 * Gets a token for a producer.
 *
 * request: answered before the function returns, by producer_token_request_set or producer_token_request_fail. opaque: the
 * pointer given along with the function.
 * It runs on a thread of the library's own, one per producer, which does nothing else: neither on one of the application's
 * threads nor where records are sent. So it may block, for the time of a call to a token endpoint. It is called when the
 * producer is made, maybe before producer_new has returned, and then ahead of each token's end; nobody has to poll for that.
 * It is called again, after sasl.login.retry.backoff.ms and growing times, when it fails or when a broker refuses the token.
 * Meanwhile the current token is used as
 * long as it is good.
 * Functions that wait or dispatch answer PRODUCER_ERR_IN_CALLBACK in it when they are called for the same producer.
 */
typedef void (*producer_oauth_token_fn)(producer_token_request_t *request, void *opaque);

/** A SASL extension that goes with a token (KIP-342). */
typedef struct producer_oauth_extension_t {
    /** Letters alone; not auth. */
    const char *name;
    /** ASCII, not empty. */
    const char *value;
} producer_oauth_extension_t;

/**
 * Sets the function that gets tokens for producers made from this configuration with sasl.mechanism=OAUTHBEARER.
 *
 * config: the configuration. callback: the function, or NULL for none. opaque: a pointer passed to it, kept as it is; both
 * must stay usable until producer_close has returned for the last producer made from this configuration, and longer when that
 * answers PRODUCER_ERR_TIMED_OUT because the function has not returned.
 * Producers with another mechanism never call it. Where properties say, too, where tokens come from, producer_new answers
 * PRODUCER_ERR_CONFIG_CONFLICT. With neither, the application sets each token with producer_set_oauth_token.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when config is NULL.
 * May be called from any thread and from callbacks; does not block.
 */
producer_status_t producer_config_set_oauth_token_callback(producer_config_t *config,
                                                           producer_oauth_token_fn callback,
                                                           void *opaque);

/**
 * Answers a request with a token. Called again, the last answer counts.
 *
 * request: the request. token: as it is sent to the broker, at most 500000 bytes; for a JWT its three parts with their
 * points. expires_at_ms: until when it is good, milliseconds since 1970; INT64_MAX when nobody knows, and then it is
 * renewed only when a broker refuses it. principal: whom it stands for, for messages; NULL when that does not matter. extensions: an array of
 * extension_count SASL extensions, 0 to 100; NULL when that is 0. Everything is copied.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when request or token is NULL or not UTF-8, the token is empty, not
 * ASCII or already expired, or an extension is not allowed. On an error the request stays as it was.
 * Only in the callback that was given the request; does not block.
 */
producer_status_t producer_token_request_set(producer_token_request_t *request,
                                             const char *token,
                                             int64_t expires_at_ms,
                                             const char *principal,
                                             const producer_oauth_extension_t *extensions,
                                             size_t extension_count);

/**
 * Answers a request by saying why there is no token.
 *
 * request: the request. text: a sentence without secrets: it goes into the log, into the health's text and into reports; cut
 * after 1000 characters. It is copied.
 * The function is called again later; connections that need a token until then fail with PRODUCER_ERR_CREDENTIALS and the text.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when an argument is NULL, or the text not UTF-8.
 * Only in the callback that was given the request; does not block.
 */
producer_status_t producer_token_request_fail(producer_token_request_t *request,
                                              const char *text);

/**
 * Gives a producer with sasl.mechanism=OAUTHBEARER a token: for applications that get tokens by themselves and on their own
 * time.
 *
 * producer: the producer. token, expires_at_ms, principal, extensions, extension_count: as for
 * producer_token_request_set. Everything is copied.
 * It takes the place of the current one at once, for new connections and re-authentications. Where a callback or an endpoint is
 * configured, too, that is asked again ahead of this token's end. A producer without them, which has no token that is good, has
 * its connections wait a moment for this call, and tries again until it comes.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when producer or token is NULL or not UTF-8, the token is empty, not
 * ASCII or already expired, or an extension is not allowed; PRODUCER_ERR_CONFIG_CONFLICT when the producer's mechanism is not
 * OAUTHBEARER; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; the status of its end when the producer has failed for good. On an
 * error nothing changes.
 * May be called from any thread and from callbacks; does not block.
 */
producer_status_t producer_set_oauth_token(producer_t *producer,
                                           const char *token,
                                           int64_t expires_at_ms,
                                           const char *principal,
                                           const producer_oauth_extension_t *extensions,
                                           size_t extension_count);

/* health ------------------------------------------------------------------------------------------ */

/** state: the producer is new, no broker has answered yet, and not every bootstrap server has failed either. */
#define PRODUCER_HEALTH_CONNECTING 0

/**
 * state: all is well. Single brokers may come and go: as long as every partition has a leader and no records wait for a broker that
 * is away, nothing is wrong.
 */
#define PRODUCER_HEALTH_OK 1

/**
 * state: brokers answer, but records wait. Partitions of the topics in use have no leader, says the cluster; or a broker that leads
 * some cannot be reached, its name not be resolved, or it does not answer; or it throttles this producer by a quota; or a topic is not
 * there; or a partition's records are sent again and again. text names the broker, partition or topic, and the last error. What may
 * pass by itself counts when it has lasted a second, and slow answers after three.
 */
#define PRODUCER_HEALTH_DEGRADED 2

/** state: every known broker failed when it was last connected to or asked; the producer goes on trying. */
#define PRODUCER_HEALTH_UNREACHABLE 3

/**
 * state: every known broker failed when it was last connected to, and those that could be reached refuse this producer: the
 * broker its credentials, or one of the two the other's certificate. Before any broker has let the producer in, what waits fails
 * with that reason at once; afterwards it waits as in any outage, because credentials may be put right while it runs.
 */
#define PRODUCER_HEALTH_AUTHENTICATION_FAILED 4

/** state: the producer has failed for good; close it and make a new one. */
#define PRODUCER_HEALTH_FATAL 5

/** Bytes of text in producer_health_t, its NUL included. */
#define PRODUCER_HEALTH_TEXT_BYTES 256

/** How a producer is. A plain copy: nothing in it has to be freed. */
typedef struct producer_health_t {
    /** Bytes of this struct, set by PRODUCER_HEALTH_INIT. */
    size_t struct_size;
    /** A PRODUCER_HEALTH_ constant. */
    int32_t state;
    /** Milliseconds since this state began. */
    int64_t since_ms;
    /** Partitions of the topics in use. */
    int64_t partitions;
    /** Those of them without a leader. */
    int64_t partitions_leaderless;
    /** What is wrong, in words that name brokers, partitions or topics, cut to fit; empty when nothing is. */
    char text[PRODUCER_HEALTH_TEXT_BYTES];
} producer_health_t;

/**
 * Receives the news that a producer's state of health is another.
 *
 * health: how it is now; valid until the callback returns. opaque: the pointer given along with the callback.
 * It runs on the thread that polls, flushes, closes or is in a function of transactions, with delivery.dispatch=thread on the
 * library's dispatching thread, under the rules of delivery callbacks.
 * Changes that nobody has polled for become one, the latest, which is never lost; back at the state that was told last,
 * nothing is told.
 */
typedef void (*producer_health_fn)(const producer_health_t *health, void *opaque);

/**
 * Tells how the producer is.
 *
 * producer: the producer. health: a struct begun with PRODUCER_HEALTH_INIT; receives the state.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument or a struct_size smaller than the struct ever was;
 * PRODUCER_ERR_CLOSED, or PRODUCER_ERR_IN_CALLBACK in a callback that producer_close runs; PRODUCER_ERR_FORKED. A producer
 * that has failed for good answers PRODUCER_OK and PRODUCER_HEALTH_FATAL.
 * Does not block and asks no broker: an idle producer notices a dead cluster when it next has something to send. May be
 * called from any thread and from callbacks.
 */
producer_status_t producer_health(producer_t *producer,
                                  producer_health_t *health);

/**
 * Sets the function that is told when the state of health of producers made from this configuration changes.
 *
 * config: the configuration. callback: the function, or NULL for none. opaque: a pointer passed to it, kept as it is;
 * both must stay usable until the last producer made from this configuration is closed.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when config is NULL.
 * The first change told is the one from PRODUCER_HEALTH_CONNECTING. May be called from any thread and from callbacks; does
 * not block.
 */
producer_status_t producer_config_set_health_callback(producer_config_t *config,
                                                      producer_health_fn callback,
                                                      void *opaque);

/** The value a producer_health_t begins with: its size set, everything else empty. */
#define PRODUCER_HEALTH_INIT                                                                                         \
    {                                                                                                                \
        sizeof(producer_health_t), PRODUCER_HEALTH_CONNECTING, 0, 0, 0, ""                                           \
    }

/* stats ------------------------------------------------------------------------------------------- */

/**
 * How long something took, in microseconds, over the last 30 to 60 seconds. A value is at most a sixteenth above the exact
 * one, and never below it. All are 0 when nothing was measured in that time.
 */
typedef struct producer_percentiles_t {
    /** How many were measured. */
    int64_t count;
    /** Half of them took no longer. */
    int64_t p50_us;
    /** 95 of 100 took no longer. */
    int64_t p95_us;
    /** 99 of 100 took no longer. */
    int64_t p99_us;
    /** 999 of 1000 took no longer. */
    int64_t p999_us;
    /** The longest. */
    int64_t max_us;
} producer_percentiles_t;

/**
 * A producer's numbers at one moment. A plain copy: nothing in it has to be freed. The numbers are read one after the other
 * while the producer works, so that two of them may be of slightly different moments.
 */
typedef struct producer_stats_t {
    /** Bytes of this struct, set by PRODUCER_STATS_INIT. */
    size_t struct_size;
    /**
     * Accepted records that were handed to a connection, or failed before that. Records in batches that are still open or
     * queued are not counted yet: after a flush it is every accepted record.
     */
    int64_t records_sent;
    /** Records acknowledged by a broker; with acks=0, written. */
    int64_t records_delivered;
    /** Records that failed for whatever reason, with a callback or without. */
    int64_t records_failed;
    /** Those of the failed records that may be in the log: PRODUCER_PERSISTED_MAYBE. */
    int64_t records_in_doubt;
    /** Those of the failed records whose delivery time was over. */
    int64_t records_expired;
    /** Those of the failed records that producer_cancel took back. */
    int64_t records_cancelled;
    /** Bytes of batches, with their headers, handed to a connection for the first time. */
    int64_t bytes_sent;
    /** Bytes of batches that were delivered. */
    int64_t bytes_delivered;
    /**
     * Batches handed to a connection for the first time; one that a broker finds too large and that is cut counts for each
     * part.
     */
    int64_t batches_sent;
    /** Batches that were delivered. */
    int64_t batches_delivered;
    /** Batches that failed; a record that failed before its topic was known counts as one. */
    int64_t batches_failed;
    /** Batches handed to a connection again. */
    int64_t batch_retries;
    /** Batches cut because a broker found them too large, or because compression left more of them than was expected. */
    int64_t batch_splits;
    /** Records of the batches in batches_sent. */
    int64_t batch_records;
    /** Requests handed to connections, of every kind. */
    int64_t requests;
    /** Produce requests handed to connections. */
    int64_t produce_requests;
    /** Bytes that sockets took. */
    int64_t bytes_written;
    /** Bytes that came from sockets. */
    int64_t bytes_received;
    /** Connections over which a broker could be used. */
    int64_t connects;
    /** Of them, the second and later ones to the same broker. */
    int64_t reconnects;
    /** Attempts to connect that failed, and connections that ended as a failure. */
    int64_t connection_failures;
    /** Milliseconds of silence that brokers asked for (quotas), summed over brokers. */
    int64_t throttle_ms;
    /** Answers with metadata that were taken over. */
    int64_t metadata_refreshes;
    /** How often the producer went on under a new epoch or producer id, as idempotence and transactions need it. */
    int64_t epoch_bumps;
    /** Transactions committed. */
    int64_t transactions_committed;
    /** Transactions aborted. */
    int64_t transactions_aborted;
    /** Requests whose answer is awaited. */
    int64_t requests_in_flight;
    /** Connections that can be used now. */
    int64_t connections;
    /** Bytes of buffer.memory in use. */
    int64_t buffer_used_bytes;
    /** buffer.memory. */
    int64_t buffer_limit_bytes;
    /** Threads that wait for room in buffer.memory. */
    int64_t senders_waiting;
    /** Records whose reports wait to be taken. */
    int64_t reports_waiting;
    /** Topics in use. */
    int64_t topics;
    /** Partitions of the topics in use. */
    int64_t partitions;
    /** Partitions of the topics in use that have no leader. */
    int64_t partitions_leaderless;
    /** batch_records for each of batches_sent: how well batches are filled. */
    double batch_records_avg;
    /** bytes_sent for each of batches_sent; compare it with batch.size. */
    double batch_bytes_avg;
    /** From the first record of a batch to its first request, counted for each of the batch's records. */
    producer_percentiles_t queue_time;
    /** From a produce request to its answer. */
    producer_percentiles_t round_trip;
    /** From the first record of a batch to its outcome, counted for each of the batch's records. */
    producer_percentiles_t delivery;
    /** Bytes of batches before compression. Those that compression.type=none sends are not counted. */
    int64_t compress_bytes_in;
    /** Bytes of the same batches after compression; one that did not get smaller is sent as it is and counts so. */
    int64_t compress_bytes_out;
    /** Microseconds that compressing took, summed over the threads that do it. */
    int64_t compress_time_us;
    /** compress_bytes_out for each of compress_bytes_in: 0.25 when a quarter is left; 1 when nothing was compressed. */
    double compress_ratio;
} producer_stats_t;

/**
 * Receives the producer's numbers as JSON, every statistics.interval.ms.
 *
 * json: as producer_stats_json gives it, NUL-ended; valid until the callback returns. len: its bytes, without the NUL.
 * opaque: the pointer given along with the callback.
 * It runs on the thread that polls, flushes, closes or is in a function of transactions, with delivery.dispatch=thread on the
 * library's dispatching thread, under the rules of delivery callbacks; the text is made there at that moment. When nobody
 * polls, nothing piles up: the next poll tells once.
 */
typedef void (*producer_stats_fn)(const char *json, size_t len, void *opaque);

/**
 * Tells the producer's numbers.
 *
 * producer: the producer. stats: a struct begun with PRODUCER_STATS_INIT; receives the numbers.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument or a struct_size smaller than the struct ever was;
 * PRODUCER_ERR_CLOSED, or PRODUCER_ERR_IN_CALLBACK in a callback that producer_close runs; PRODUCER_ERR_FORKED.
 * Does not block, takes no lock that sending needs, and costs the same whatever the number of partitions. May be called from
 * any thread and from callbacks.
 */
producer_status_t producer_stats(producer_t *producer,
                                 producer_stats_t *stats);

/**
 * Gives the producer's numbers as JSON: those of producer_stats under the same names, with lists of brokers and topics and of
 * the 100 partitions that hold most bytes.
 *
 * producer: the producer. json: receives the text, one object in UTF-8, to be freed with producer_string_free.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument; PRODUCER_ERR_CLOSED, or
 * PRODUCER_ERR_IN_CALLBACK in a callback that producer_close runs; PRODUCER_ERR_FORKED.
 * Waits for no broker. It looks at each partition under its lock for a moment: with very many partitions prefer producer_stats.
 * May be called from any thread and from callbacks.
 */
producer_status_t producer_stats_json(producer_t *producer,
                                      char **json);

/**
 * Gives the producer's numbers in Prometheus' text format, version 0.0.4, ready to be served to a scraper.
 *
 * producer: the producer. text: receives the text, to be freed with producer_string_free. Each series begins with
 * kproducer_ and has the label client_id; those of brokers and topics have a label broker or topic. Times are in seconds; the
 * histograms count from the start of the producer.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument; PRODUCER_ERR_CLOSED, or
 * PRODUCER_ERR_IN_CALLBACK in a callback that producer_close runs; PRODUCER_ERR_FORKED.
 * Waits for no broker and looks at no partition. May be called from any thread and from callbacks.
 */
producer_status_t producer_stats_prometheus(producer_t *producer,
                                            char **text);

/**
 * Sets the function that receives the numbers of producers made from this configuration, every statistics.interval.ms.
 *
 * config: the configuration. callback: the function, or NULL for none. opaque: a pointer passed to it, kept as it is;
 * both must stay usable until the last producer made from this configuration is closed.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when config is NULL.
 * With statistics.interval.ms at 0, the default, it is never called. May be called from any thread and from callbacks;
 * does not block.
 */
producer_status_t producer_config_set_stats_callback(producer_config_t *config,
                                                     producer_stats_fn callback,
                                                     void *opaque);

/** The value a producer_stats_t begins with: its size set, every number 0. */
#define PRODUCER_STATS_INIT                                                                                          \
    {                                                                                                                \
        sizeof(producer_stats_t),                                                                                    \
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                \
            0, 0, 0, 0, 0, 0, 0,                                                                                     \
            {0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0},                                              \
            0, 0, 0, 0                                                                                               \
    }

/* telemetry --------------------------------------------------------------------------------------- */

/** Bytes of a client instance id as text, its NUL included. */
#define PRODUCER_CLIENT_INSTANCE_ID_LEN 37

/**
 * Tells the id under which the brokers know the metrics that this producer pushes to them (KIP-714), to be logged beside
 * the application's own names. It stays the same for the producer's life.
 *
 * producer: the producer. timeout_ms: how long to wait for the broker that gives the id; 0 does not wait, -1 waits for
 * ever. out: receives the id, a UUID in lower case, as PRODUCER_CLIENT_INSTANCE_ID_LEN bytes with the NUL.
 * Returns PRODUCER_OK; PRODUCER_ERR_TIMED_OUT when no broker has given one in that time: producer_last_error says whether any
 * offers telemetry at all, which Kafka does from 3.7 on where its operator has set up a receiver;
 * PRODUCER_ERR_CONFIG_CONFLICT when enable.metrics.push is false; the broker's status when one refused it for good;
 * PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks unless timeout_ms is 0;
 * PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the library. With any of them out is
 * left alone.
 * Blocks for timeout_ms at most; runs no callbacks.
 */
producer_status_t producer_client_instance_id(producer_t *producer,
                                              int32_t timeout_ms,
                                              char *out);

/* tls --------------------------------------------------------------------------------------------- */

/**
 * Reads the files of certificates and keys again, as ssl.reload.interval.ms does by itself. Certificates and keys that properties
 * hold as text stay: for others a new producer is needed.
 *
 * producer: from producer_new, with security.protocol SSL or SASL_SSL.
 * New connections use what is new; those that are there go on as they are, because brokers look at certificates only when a
 * connection is made. Nothing is lost or sent twice for it.
 * Returns PRODUCER_OK, also when nothing has changed; PRODUCER_ERR_NOT_FOUND, PRODUCER_ERR_IO, PRODUCER_ERR_INVALID_PROPERTY
 * or PRODUCER_ERR_CONFIG_CONFLICT when a file cannot be used: producer_last_error names property, file and remedy, and what was
 * read before stays in use; PRODUCER_ERR_CONFIG_CONFLICT without TLS as well; the status of its end when the producer has
 * failed; PRODUCER_ERR_INVALID_ARGUMENT for NULL; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED.
 * Blocks for as long as the files take to be read. Any thread may call it, callbacks too.
 */
producer_status_t producer_tls_reload(producer_t *producer);

/* mock -------------------------------------------------------------------------------------------- */

/**
 * A running mock cluster: Kafka brokers on free ports of 127.0.0.1, in this process, with ids from 1 up. Opaque; made by
 * producer_mock_cluster_new, freed by producer_mock_cluster_free. Any number of threads may use it at once, and each of
 * its functions may be called from a callback. It keeps the newest 256 MiB of each partition.
 */
typedef struct producer_mock_cluster_t producer_mock_cluster_t;

/** One record of a mock cluster's log. Everything it points to lives until the callback returns. */
typedef struct producer_mock_record_t {
    /** Bytes of this struct as the library knows it. */
    size_t struct_size;
    /** The record's place in its partition. */
    int64_t offset;
    /** Milliseconds since 1970. */
    int64_t timestamp_ms;
    /** The key's bytes; NULL: the record has no key. */
    const void *key;
    /** Bytes of the key; -1 for no key. */
    int64_t key_len;
    /** The value's bytes; NULL: the record has no value, it is a tombstone. */
    const void *value;
    /** Bytes of the value; -1 for no value. */
    int64_t value_len;
    /** The headers in the order they were sent; NULL if there is none. */
    const producer_header_t *headers;
    /** How many headers there are. */
    size_t header_count;
} producer_mock_record_t;

/**
 * Receives one record of a mock cluster's log.
 *
 * record: lives, with all it points to, until the callback returns. opaque: the pointer given along with the callback.
 * Returns 0 to go on to the next record, anything else to stop. It may call every function of the library except
 * producer_mock_cluster_free of this cluster.
 */
typedef int (*producer_mock_record_fn)(const producer_mock_record_t *record, void *opaque);

/**
 * Starts a mock cluster.
 *
 * brokers: 1 to 1000; their ids are 1, 2, 3 and so on. out: receives the handle.
 * Topics that a producer asks for come into being with one partition and up to three replicas.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if the number is out of range or out is NULL;
 * PRODUCER_ERR_NO_RESOURCES if the system refuses a socket or the cluster's one thread.
 * The handle is the caller's, to be freed with producer_mock_cluster_free. Does not block.
 */
producer_status_t producer_mock_cluster_new(int32_t brokers,
                                            producer_mock_cluster_t **out);

/**
 * Stops a mock cluster and frees it; its connections close.
 *
 * mock: NULL does nothing. Takes the handle: nobody may be using it. Waits for the cluster's thread, a moment.
 */
void producer_mock_cluster_free(producer_mock_cluster_t *mock);

/**
 * The cluster's addresses, as bootstrap.servers takes them.
 *
 * Returns host:port of every broker, separated by commas; NULL if mock is NULL. The string belongs to the cluster and
 * lives until producer_mock_cluster_free. Does not block.
 */
const char *producer_mock_cluster_bootstrap_servers(const producer_mock_cluster_t *mock);

/**
 * Creates a topic.
 *
 * topic: 1 to 249 letters, digits, ., _ or -. partitions: 1 to 100000. replicas: 1 to the number of brokers.
 * Returns PRODUCER_OK; Kafka's PRODUCER_ERR_TOPIC_ALREADY_EXISTS, PRODUCER_ERR_INVALID_TOPIC_EXCEPTION,
 * PRODUCER_ERR_INVALID_PARTITIONS or PRODUCER_ERR_INVALID_REPLICATION_FACTOR; PRODUCER_ERR_INVALID_ARGUMENT if a pointer
 * is NULL or topic is not UTF-8. Copies the name. Does not block.
 */
producer_status_t producer_mock_cluster_topic_create(producer_mock_cluster_t *mock,
                                                     const char *topic,
                                                     int32_t partitions,
                                                     int32_t replicas);

/**
 * Deletes a topic with all its records. One that is created under the same name afterwards is another topic, with an id of its own.
 *
 * topic: an existing one.
 * Returns PRODUCER_OK; PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION; PRODUCER_ERR_INVALID_ARGUMENT if a pointer is NULL or
 * topic is not UTF-8. Does not block.
 */
producer_status_t producer_mock_cluster_topic_delete(producer_mock_cluster_t *mock,
                                                     const char *topic);

/**
 * Makes a topic stamp records with the time of appending, as message.timestamp.type=LogAppendTime does.
 *
 * topic: an existing one. log_append_time: false brings the records' own timestamps back.
 * Returns PRODUCER_OK; PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION; PRODUCER_ERR_INVALID_ARGUMENT if a pointer is NULL or
 * topic is not UTF-8. Does not block.
 */
producer_status_t producer_mock_cluster_topic_set_log_append_time(producer_mock_cluster_t *mock,
                                                                  const char *topic,
                                                                  bool log_append_time);

/**
 * Sets a configuration of a topic, by which brokers judge records: a batch with one that breaks it is refused, and the answer
 * names every such record (KIP-467).
 *
 * topic: an existing one. name: cleanup.policy, message.timestamp.before.max.ms or message.timestamp.after.max.ms.
 * value: for the first compact, which demands a key of every record, delete, or both with a comma between them; for the
 * others milliseconds, 0 or more.
 * Returns PRODUCER_OK; PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION; PRODUCER_ERR_INVALID_ARGUMENT if a pointer is NULL or
 * not UTF-8, or for another name or value. Does not block.
 */
producer_status_t producer_mock_cluster_topic_set(producer_mock_cluster_t *mock,
                                                  const char *topic,
                                                  const char *name,
                                                  const char *value);

/**
 * Makes a broker ask its clients, in every answer, to send nothing for a while (KIP-219).
 *
 * broker_id: 1 to the number of brokers. throttle_ms: milliseconds, 0 for none.
 * Returns PRODUCER_OK; PRODUCER_ERR_NOT_FOUND if there is no such broker; PRODUCER_ERR_INVALID_ARGUMENT if mock is
 * NULL or throttle_ms is negative. Does not block.
 */
producer_status_t producer_mock_cluster_broker_set_throttle(producer_mock_cluster_t *mock,
                                                            int32_t broker_id,
                                                            int32_t throttle_ms);

/**
 * Lets the next requests of one kind fail.
 *
 * api_key: Kafka's number of the request, 0 for Produce, 3 for Metadata, 10 for FindCoordinator, 18 for ApiVersions, 22 for
 * InitProducerId, 24 for AddPartitionsToTxn, 25 for AddOffsetsToTxn, 26 for EndTxn, 28 for TxnOffsetCommit,
 * 71 for GetTelemetrySubscriptions, 72 for PushTelemetry. status: the Kafka error that
 * is answered; PRODUCER_OK lets requests through before the next order; PRODUCER_ERR_DISCONNECTED closes the connection
 * instead of answering. count: how many requests, from 0 up.
 * A failed Produce appends nothing, except with PRODUCER_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND and
 * PRODUCER_ERR_REQUEST_TIMED_OUT, where a real broker has appended as well. Orders of one kind are carried out in their
 * order.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL, count is negative or status is another of the
 * library's own. Does not block.
 */
producer_status_t producer_mock_cluster_push_error(producer_mock_cluster_t *mock,
                                                   int16_t api_key,
                                                   producer_status_t status,
                                                   int32_t count);

/**
 * Lets the next requests of one kind lose their connection instead of getting an answer.
 *
 * api_key: as in producer_mock_cluster_push_error. after_append: not 0 lets the broker do what the request says first, so
 * that only the acknowledgement is lost. count: how many requests, from 0 up.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL or count is negative. Does not block.
 */
producer_status_t producer_mock_cluster_push_disconnect(producer_mock_cluster_t *mock,
                                                        int16_t api_key,
                                                        int32_t after_append,
                                                        int32_t count);

/**
 * Takes a broker away: its connections close, new ones are refused when this returns, and its partitions go to another of
 * their replicas, or have no leader.
 *
 * broker_id: from 1 to the number of brokers. A broker that is down already stays so.
 * Returns PRODUCER_OK; PRODUCER_ERR_NOT_FOUND if there is no such broker; PRODUCER_ERR_INVALID_ARGUMENT if mock is
 * NULL. Waits for the cluster's thread, a moment.
 */
producer_status_t producer_mock_cluster_broker_down(producer_mock_cluster_t *mock,
                                                    int32_t broker_id);

/**
 * Brings a broker back, on the same port and with its logs; partitions of its without a leader get one.
 *
 * broker_id: from 1 to the number of brokers. A broker that is up already stays so.
 * Returns PRODUCER_OK; PRODUCER_ERR_NOT_FOUND if there is no such broker; PRODUCER_ERR_NO_RESOURCES if the system
 * refuses the socket; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL. Waits for the cluster's thread, a moment.
 */
producer_status_t producer_mock_cluster_broker_up(producer_mock_cluster_t *mock,
                                                  int32_t broker_id);

/**
 * Makes a broker hang: it reads, answers and accepts nothing, while its connections stay open.
 *
 * broker_id: from 1 to the number of brokers.
 * Returns PRODUCER_OK; PRODUCER_ERR_NOT_FOUND if there is no such broker; PRODUCER_ERR_INVALID_ARGUMENT if mock is
 * NULL. Waits for the cluster's thread, a moment.
 */
producer_status_t producer_mock_cluster_broker_freeze(producer_mock_cluster_t *mock,
                                                      int32_t broker_id);

/**
 * Ends producer_mock_cluster_broker_freeze: the broker goes on with what has come meanwhile.
 *
 * broker_id: from 1 to the number of brokers.
 * Returns PRODUCER_OK; PRODUCER_ERR_NOT_FOUND if there is no such broker; PRODUCER_ERR_INVALID_ARGUMENT if mock is
 * NULL. Waits for the cluster's thread, a moment.
 */
producer_status_t producer_mock_cluster_broker_thaw(producer_mock_cluster_t *mock,
                                                    int32_t broker_id);

/**
 * Delays every answer of a broker.
 *
 * broker_id: from 1 to the number of brokers. latency_ms: milliseconds from 0 up, from a request's arrival to its answer.
 * Returns PRODUCER_OK; PRODUCER_ERR_NOT_FOUND if there is no such broker; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL
 * or latency_ms is negative. Does not block.
 */
producer_status_t producer_mock_cluster_broker_set_latency(producer_mock_cluster_t *mock,
                                                           int32_t broker_id,
                                                           int32_t latency_ms);

/**
 * Sets the rack that metadata tells of a broker.
 *
 * broker_id: from 1 to the number of brokers. rack: its rack, copied; NULL for none, as it begins. Clients hear of it with
 * their next metadata.
 * Returns PRODUCER_OK; PRODUCER_ERR_NOT_FOUND if there is no such broker; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL
 * or rack is not UTF-8. Does not block.
 */
producer_status_t producer_mock_cluster_broker_set_rack(producer_mock_cluster_t *mock,
                                                        int32_t broker_id,
                                                        const char *rack);

/**
 * Sets where clients find a broker according to metadata, as a broker's advertised.listeners does: to send them to a proxy, or to
 * try what an address does that leads nowhere. The broker itself stays where it is.
 *
 * broker_id: from 1 to the number of brokers. host: a name or an address, copied; NULL brings back the broker's own address, and
 * then port is not looked at. port: 1 to 65535. Clients hear of it with their next metadata.
 * Returns PRODUCER_OK; PRODUCER_ERR_NOT_FOUND if there is no such broker; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL,
 * host is empty or not UTF-8, or port out of its range. Does not block.
 */
producer_status_t producer_mock_cluster_broker_set_address(producer_mock_cluster_t *mock,
                                                           int32_t broker_id,
                                                           const char *host,
                                                           int32_t port);

/**
 * Moves a partition's leader to another broker, under a new leader epoch.
 *
 * topic, partition: an existing partition. broker_id: from 1 to the number of brokers; -1 leaves the partition without a
 * leader until this function gives it one.
 * Returns PRODUCER_OK; PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION; PRODUCER_ERR_NOT_FOUND if there is no such broker;
 * PRODUCER_ERR_INVALID_ARGUMENT if a pointer is NULL or topic is not UTF-8. Does not block.
 */
producer_status_t producer_mock_cluster_partition_set_leader(producer_mock_cluster_t *mock,
                                                             const char *topic,
                                                             int32_t partition,
                                                             int32_t broker_id);

/**
 * Sets the greatest record batch that the brokers accept, like Kafka's message.max.bytes; 1048588 at first.
 *
 * bytes: a batch's bytes, its header included; from 1 up.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL or bytes is 0. Does not block.
 */
producer_status_t producer_mock_cluster_set_message_max_bytes(producer_mock_cluster_t *mock,
                                                              size_t bytes);

/**
 * Tells the offset that a partition's next record will get: the number of records that ever came, and of the marks that ends
 * of transactions leave.
 *
 * topic, partition: an existing partition. out: receives the offset.
 * Returns PRODUCER_OK; PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION; PRODUCER_ERR_INVALID_ARGUMENT if a pointer is NULL or
 * topic is not UTF-8. Does not block.
 */
producer_status_t producer_mock_cluster_end_offset(const producer_mock_cluster_t *mock,
                                                   const char *topic,
                                                   int32_t partition,
                                                   int64_t *out);

/**
 * Reads records back from a partition's log, in order, as they are at the moment of the call, whatever became of their
 * transactions.
 *
 * topic, partition: an existing partition. first_offset: the first record wanted, from 0 up; beyond the end there is
 * none. callback: called on this thread for each record until it returns something other than 0. opaque: passed to it.
 * Returns PRODUCER_OK, also when the callback stopped; PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION;
 * PRODUCER_ERR_INVALID_ARGUMENT if mock, topic or callback is NULL, topic is not UTF-8 or first_offset is negative.
 * The records belong to the cluster and live until their callback returns. The brokers go on answering meanwhile.
 */
producer_status_t producer_mock_cluster_records(const producer_mock_cluster_t *mock,
                                                const char *topic,
                                                int32_t partition,
                                                int64_t first_offset,
                                                producer_mock_record_fn callback,
                                                void *opaque);

/* mock_transaction -------------------------------------------------------------------------------- */

/** The coordinator of a consumer group. */
#define PRODUCER_MOCK_COORDINATOR_GROUP 0

/** The coordinator of a transactional id. */
#define PRODUCER_MOCK_COORDINATOR_TRANSACTION 1

/** Brokers know nothing of two-phase commit. */
#define PRODUCER_MOCK_TWO_PHASE_OFF 0

/** Transactions never expire, but none is kept for another producer: Kafka 4.3. */
#define PRODUCER_MOCK_TWO_PHASE_NEVER_EXPIRES 1

/** All of KIP-939. */
#define PRODUCER_MOCK_TWO_PHASE_WHOLE 2

/**
 * Reads back what a consumer with isolation.level=read_committed gets: no record of an open or aborted transaction, and none
 * behind the first open one.
 *
 * topic, partition: an existing partition. first_offset: the first record wanted, from 0 up; beyond the end there is
 * none. callback: called on this thread for each record until it returns something other than 0. opaque: passed to it.
 * Returns PRODUCER_OK, also when the callback stopped; PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION;
 * PRODUCER_ERR_INVALID_ARGUMENT if mock, topic or callback is NULL, topic is not UTF-8 or first_offset is negative.
 * The records belong to the cluster and live until their callback returns. The brokers go on answering meanwhile.
 */
producer_status_t producer_mock_cluster_committed_records(const producer_mock_cluster_t *mock,
                                                          const char *topic,
                                                          int32_t partition,
                                                          int64_t first_offset,
                                                          producer_mock_record_fn callback,
                                                          void *opaque);

/**
 * Tells the offset that a consumer group has committed for a partition; offsets of transactions count once these commit.
 *
 * group: the group's id. topic, partition: an existing partition. out: receives the offset, -1 if the group has none.
 * Returns PRODUCER_OK; PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION; PRODUCER_ERR_INVALID_ARGUMENT if a pointer is NULL or
 * a text is not UTF-8. Does not block.
 */
producer_status_t producer_mock_cluster_committed_offset(const producer_mock_cluster_t *mock,
                                                         const char *group,
                                                         const char *topic,
                                                         int32_t partition,
                                                         int64_t *out);

/**
 * Chooses the protocol of transactions, as the cluster's feature transaction.version does.
 *
 * version: 2, the first setting, for that of Kafka 4 (KIP-890), 1 or 0 for the one before. Producers that are there notice
 * when they connect next.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL or the version another. Does not block.
 */
producer_status_t producer_mock_cluster_set_transaction_version(producer_mock_cluster_t *mock,
                                                                int32_t version);

/**
 * Chooses what the brokers know of two-phase commit (KIP-939). Producers that are there notice when they connect next.
 *
 * level: one of PRODUCER_MOCK_TWO_PHASE_OFF, the first setting, PRODUCER_MOCK_TWO_PHASE_NEVER_EXPIRES and
 * PRODUCER_MOCK_TWO_PHASE_WHOLE.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL or the level another. Does not block.
 */
producer_status_t producer_mock_cluster_set_two_phase_commit(producer_mock_cluster_t *mock,
                                                             int32_t level);

/**
 * Sets how long the end of a transaction takes to reach its partitions and groups; until then the next transaction of the
 * same producer has to wait (PRODUCER_ERR_CONCURRENT_TRANSACTIONS), and consumers see nothing of the one that ended.
 *
 * delay_ms: milliseconds from 0, the first setting, up.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL or delay_ms is negative. Does not block.
 */
producer_status_t producer_mock_cluster_set_marker_delay(producer_mock_cluster_t *mock,
                                                         int32_t delay_ms);

/**
 * Makes another broker the coordinator of a transactional id or a consumer group.
 *
 * kind: PRODUCER_MOCK_COORDINATOR_TRANSACTION or PRODUCER_MOCK_COORDINATOR_GROUP. key: the transactional id or the
 * group's id. broker_id: from 1 to the number of brokers; -1 leaves the key without a coordinator until this function gives
 * it one.
 * Returns PRODUCER_OK; PRODUCER_ERR_NOT_FOUND if there is no such broker; PRODUCER_ERR_INVALID_ARGUMENT if a pointer is
 * NULL, key is not UTF-8 or kind is another number. Does not block.
 */
producer_status_t producer_mock_cluster_coordinator_move(producer_mock_cluster_t *mock,
                                                         int32_t kind,
                                                         const char *key,
                                                         int32_t broker_id);

/**
 * Fences a transactional producer as another instance of its program would: an open transaction is aborted, and whatever the
 * producer does next in a transaction is refused.
 *
 * transactional_id: one that a producer has initialised.
 * Returns PRODUCER_OK; PRODUCER_ERR_NOT_FOUND if no producer has initialised it; PRODUCER_ERR_CONCURRENT_TRANSACTIONS if
 * the abort waits for a partition without a leader; PRODUCER_ERR_INVALID_ARGUMENT if a pointer is NULL or the id is not
 * UTF-8. Does not block.
 */
producer_status_t producer_mock_cluster_fence(producer_mock_cluster_t *mock,
                                              const char *transactional_id);

/**
 * Makes every partition forget the producers that have no transaction open there, as brokers do with idle ones after a day.
 *
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL. Does not block.
 */
producer_status_t producer_mock_cluster_expire_producer_ids(producer_mock_cluster_t *mock);

/**
 * Loses the records of a partition from an offset on, though they were acknowledged, as an unclean leader election does.
 *
 * topic, partition: an existing partition. offset: from 0 up. Whole batches go, so the log may end a little lower.
 * Returns PRODUCER_OK; PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION; PRODUCER_ERR_INVALID_ARGUMENT if a pointer is NULL,
 * topic is not UTF-8 or offset is negative. Does not block.
 */
producer_status_t producer_mock_cluster_truncate(producer_mock_cluster_t *mock,
                                                 const char *topic,
                                                 int32_t partition,
                                                 int64_t offset);

/**
 * Makes a consumer the one member of its group: from then on only it may commit offsets, in this generation.
 *
 * group: the group's id. generation_id: from 0 up. member_id: the consumer's id in the group; NULL leaves the group
 * without members, and anybody may commit. group_instance_id: the consumer's group.instance.id, or NULL for none.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if mock or group is NULL, a text is not UTF-8 or generation_id
 * is negative. Copies the texts. Does not block.
 */
producer_status_t producer_mock_cluster_group_set_member(producer_mock_cluster_t *mock,
                                                         const char *group,
                                                         int32_t generation_id,
                                                         const char *member_id,
                                                         const char *group_instance_id);

/* mock_telemetry ---------------------------------------------------------------------------------- */

/** One push of metrics that a mock cluster has accepted. Everything it points to lives until the callback returns. */
typedef struct producer_mock_push_t {
    /** Bytes of this struct as the library knows it. */
    size_t struct_size;
    /** The client's id, as producer_client_instance_id tells it. */
    const char *client_instance_id;
    /** The broker that got it. */
    int32_t broker_id;
    /** The subscription that it answers: each producer_mock_cluster_telemetry_subscribe has its own. */
    int32_t subscription_id;
    /** Whether the client says that it is its last. */
    bool terminating;
    /** OpenTelemetry's MetricsData v1 as protobuf, uncompressed. */
    const void *metrics;
    /** Bytes of it. */
    size_t metrics_len;
} producer_mock_push_t;

/**
 * Receives one push of metrics.
 *
 * push: lives, with all it points to, until the callback returns. opaque: the pointer given along with the callback.
 * Returns 0 to go on to the next push, anything else to stop. It may call every function of the library except
 * producer_mock_cluster_free of this cluster.
 */
typedef int (*producer_mock_push_fn)(const producer_mock_push_t *push, void *opaque);

/**
 * Makes the brokers ask their clients for metrics, as Kafka does with a client-metrics resource (KIP-714). Before the first
 * call they do not offer it: clients see that when they connect.
 *
 * metrics: prefixes of names separated by commas; * for every metric, an empty text for none; NULL: the brokers do not
 * offer it any more. push_interval_ms: how often clients are to push; answered as it is, however absurd.
 * max_bytes: the greatest push that is accepted, from 1 up; 0 for Kafka's default, 1048576.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL, metrics is not UTF-8 or max_bytes is negative.
 * Copies the names. Does not block.
 */
producer_status_t producer_mock_cluster_telemetry_subscribe(producer_mock_cluster_t *mock,
                                                            const char *metrics,
                                                            int32_t push_interval_ms,
                                                            int32_t max_bytes);

/**
 * Tells how many pushes of metrics the cluster has accepted.
 *
 * out: receives the number.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if a pointer is NULL. Does not block.
 */
producer_status_t producer_mock_cluster_telemetry_push_count(const producer_mock_cluster_t *mock,
                                                             int64_t *out);

/**
 * Reads the pushes of metrics back that the cluster has accepted, the last thousand, oldest first.
 *
 * callback: called on this thread for each push until it returns something other than 0. opaque: passed to it.
 * Returns PRODUCER_OK, also when the callback stopped; PRODUCER_ERR_INVALID_ARGUMENT if mock or callback is NULL.
 * The pushes belong to the cluster and live until their callback returns. The brokers go on answering meanwhile.
 */
producer_status_t producer_mock_cluster_telemetry_pushes(const producer_mock_cluster_t *mock,
                                                         producer_mock_push_fn callback,
                                                         void *opaque);

/**
 * Tells the value of a metric in the newest push that has it.
 *
 * name: the metric's whole name, org.apache.kafka.producer.record.send.total for one. out: receives the value; where the
 * metric has one for each broker, their sum.
 * Returns PRODUCER_OK; PRODUCER_ERR_NOT_FOUND if none of the last thousand pushes has it; PRODUCER_ERR_INVALID_ARGUMENT
 * if a pointer is NULL or name is not UTF-8. Does not block.
 */
producer_status_t producer_mock_cluster_telemetry_value(const producer_mock_cluster_t *mock,
                                                        const char *name,
                                                        double *out);

/* mock_tls ---------------------------------------------------------------------------------------- */

/**
 * Makes the brokers speak TLS, as listeners with security.protocol=SSL do, or go back to plain text. Only new connections
 * are concerned: those that are there stay as they are, so that certificates can be renewed while records flow.
 *
 * certificate_chain_pem: the brokers' certificate and those between it and its authority, PEM text; it has to name
 * 127.0.0.1, where the brokers are. NULL, with key_pem NULL as well: plain text. key_pem: the certificate's private key,
 * PEM text, not encrypted. client_ca_pem: certificates of the authorities that sign clients' certificates, PEM text:
 * clients have to show one; NULL: they need none.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL, only one of certificate and key is given, or a text
 * is not what it has to be: producer_last_error says which. Copies the texts. Does not block.
 */
producer_status_t producer_mock_cluster_set_tls(producer_mock_cluster_t *mock,
                                                const char *certificate_chain_pem,
                                                const char *key_pem,
                                                const char *client_ca_pem);

/* mock_sasl --------------------------------------------------------------------------------------- */

/**
 * Makes the brokers demand that clients authenticate by SASL. Every new connection has to; what is connected and authenticated
 * stays so until its session ends. With producer_mock_cluster_set_tls it is SASL_SSL.
 *
 * mechanism: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER; NULL: nobody has to authenticate any more, and the
 * other arguments are not looked at. username: who is let in; a connection that authenticates again has to stay who it was;
 * NULL with OAUTHBEARER. password: the user's; with OAUTHBEARER the token that is accepted, to the letter.
 * session_lifetime_ms: after so long a connection has to have authenticated again (KIP-368), or its next request ends it;
 * 0: it never has to; at most 86400000.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if mock, or a text that is needed, is NULL or not UTF-8, the
 * mechanism is another, or the lifetime out of its range. Copies the texts. Does not block.
 */
producer_status_t producer_mock_cluster_set_sasl(producer_mock_cluster_t *mock,
                                                 const char *mechanism,
                                                 const char *username,
                                                 const char *password,
                                                 int64_t session_lifetime_ms);

/**
 * Tells how many connections have authenticated since the cluster was made; their renewals are not counted here.
 *
 * out: receives the number.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if a pointer is NULL. Does not block.
 */
producer_status_t producer_mock_cluster_authentication_count(const producer_mock_cluster_t *mock,
                                                             int64_t *out);

/**
 * Tells how often sessions were renewed on their connections since the cluster was made.
 *
 * out: receives the number.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if a pointer is NULL. Does not block.
 */
producer_status_t producer_mock_cluster_reauthentication_count(const producer_mock_cluster_t *mock,
                                                               int64_t *out);

/**
 * Tells how many connections the brokers have closed because a request came after their session's end.
 *
 * out: receives the number.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if a pointer is NULL. Does not block.
 */
producer_status_t producer_mock_cluster_expired_session_count(const producer_mock_cluster_t *mock,
                                                              int64_t *out);

/* mock_limits ------------------------------------------------------------------------------------- */

/**
 * Makes the brokers speak no newer version of one request than this, as older brokers do; connections that are open keep the
 * versions that they agreed on, and lose their connection with a newer one. A newer ApiVersions is answered with error 35
 * (UNSUPPORTED_VERSION) and the versions that there are.
 *
 * api_key: Kafka's number of the request, as in producer_mock_cluster_push_error. max_version: the newest version; -1
 * takes the request away, and a broker without ApiVersions ends the connection that asks for it.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL, api_key negative or max_version below -1. Does not
 * block.
 */
producer_status_t producer_mock_cluster_set_api_version(producer_mock_cluster_t *mock,
                                                        int16_t api_key,
                                                        int16_t max_version);

/**
 * Sets the largest request that the brokers read, like Kafka's socket.request.max.bytes; 104857600 at first. On a larger one they
 * end the connection without an answer, and nothing of it is carried out.
 *
 * bytes: the whole request without the four bytes of its length; from 1 up.
 * Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT if mock is NULL or bytes is 0. Does not block.
 */
producer_status_t producer_mock_cluster_set_request_max_bytes(producer_mock_cluster_t *mock,
                                                              size_t bytes);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* KPRODUCER_H */
