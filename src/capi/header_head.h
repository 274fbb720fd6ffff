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
