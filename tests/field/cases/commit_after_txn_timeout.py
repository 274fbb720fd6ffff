"""A transaction is open for longer than transaction.timeout.ms: its coordinator (transaction.version=2) has aborted it and
raised the epoch. Kafka 4 answers the commit with INVALID_TXN_STATE, not with INVALID_PRODUCER_EPOCH. Nothing was committed for
certain: the status is abortable, the abort succeeds, the producer goes on. With BROKERS set, a real cluster is asked."""

import ctypes as C
import os
import time

from kit import LIBRARY, Producer, status_name, verdict

END_TXN, INVALID_TXN_STATE = 26, 48

LIBRARY.producer_mock_cluster_new.argtypes = [C.c_int32, C.POINTER(C.c_void_p)]
LIBRARY.producer_mock_cluster_bootstrap_servers.restype = C.c_char_p
LIBRARY.producer_mock_cluster_bootstrap_servers.argtypes = [C.c_void_p]
LIBRARY.producer_mock_cluster_push_error.argtypes = [C.c_void_p, C.c_int16, C.c_int32, C.c_int32]

brokers, mock = os.environ.get("BROKERS"), C.c_void_p()
if not brokers:
    assert LIBRARY.producer_mock_cluster_new(1, C.byref(mock)) == 0
producer = Producer(
    bootstrap_servers=brokers or LIBRARY.producer_mock_cluster_bootstrap_servers(mock).decode(),
    transactional_id=f"t{os.getpid()}",
    linger_ms=0,
    transaction_timeout_ms=2000,
    request_timeout_ms=1000,
)
assert producer.init_transactions(10000) == 0 and producer.begin_transaction() == 0
producer.send("t")
producer.flush(3000)
time.sleep(5)
if not brokers:
    LIBRARY.producer_mock_cluster_push_error(mock, END_TXN, INVALID_TXN_STATE, 1)
commit = producer.commit_transaction(5000)
text = producer.error()
abortable = bool(LIBRARY.producer_status_is_abortable(commit))
abort = producer.abort_transaction(5000)
begin = producer.begin_transaction()
send = producer.send("t")
next_commit = producer.commit_transaction(5000)
verdict(
    abortable and abort == begin == send == next_commit == 0,
    f"commit {status_name(commit)} (abortable {abortable}): {text[:200]}; abort {status_name(abort)}, "
    f"begin {status_name(begin)}, send {status_name(send)}, next commit {status_name(next_commit)}",
)
