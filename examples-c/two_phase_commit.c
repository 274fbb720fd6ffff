/*
 * two_phase_commit [BROKERS TOPIC]: records that become visible if and only if another system has committed its part.
 *
 * The other system is a text here; in yours it is a database, and the state of the transaction a column of the row that it
 * commits. Every other round this program "dies" between the two commits, and the next producer finishes its work. Without
 * arguments it runs against a mock cluster inside the process. Brokers: docs/TRANSACTIONS.md, "Two-phase commit".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <kproducer.h>

static producer_mock_cluster_t *mock;
static const char *brokers, *topic = "orders";

/* What the other system has committed: the name of the transaction that belongs to it. */
static char decided[PRODUCER_PREPARED_STATE_LEN];

static void must(producer_status_t status, const char *call) {
    if (status == PRODUCER_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, producer_status_name(status), producer_last_error());
    exit(1);
}

/* A producer that has finished what an earlier one left prepared. */
static producer_t *start(void) {
    producer_config_t *config;
    producer_t *producer;
    char open[PRODUCER_PREPARED_STATE_LEN];
    must(producer_config_new(&config), "producer_config_new");
    must(producer_config_set(config, "bootstrap.servers", brokers), "bootstrap.servers");
    must(producer_config_set(config, "transactional.id", "orders-1"), "transactional.id");
    must(producer_config_set(config, "transaction.two.phase.commit.enable", "true"), "transaction.two.phase.commit.enable");
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);
    producer_status_t status = producer_init_transactions_keep_prepared(producer, 30000, open);
    if (status == PRODUCER_OK) {
        if (open[0]) {
            /* Commits it if it is the one that the other system has decided for, and aborts it otherwise. */
            must(producer_complete_transaction(producer, decided, 30000), "producer_complete_transaction");
            printf("%s was open: %s\n", open, strcmp(open, decided) == 0 ? "committed" : "aborted");
        }
    } else if (status == PRODUCER_ERR_UNSUPPORTED_BROKER) {
        /* Kafka 4.3 keeps nothing: what is decided is committed first, and init aborts what is not. */
        if (decided[0]) must(producer_complete_transaction(producer, decided, 30000), "producer_complete_transaction");
        must(producer_init_transactions(producer, 30000), "producer_init_transactions");
    } else {
        must(status, "producer_init_transactions_keep_prepared");
    }
    decided[0] = 0; /* both systems agree */
    return producer;
}

int main(int argc, char **argv) {
    if (argc > 2 && argv[1][0]) {
        brokers = argv[1], topic = argv[2];
    } else {
        must(producer_mock_cluster_new(3, &mock), "producer_mock_cluster_new");
        must(producer_mock_cluster_topic_create(mock, topic, 1, 3), "producer_mock_cluster_topic_create");
        must(producer_mock_cluster_set_two_phase_commit(mock, PRODUCER_MOCK_TWO_PHASE_WHOLE), "set_two_phase_commit");
        brokers = producer_mock_cluster_bootstrap_servers(mock);
    }
    producer_t *producer = start();
    for (int number = 0; number < 6; number++) {
        char value[40], state[PRODUCER_PREPARED_STATE_LEN];
        producer_record_t record = PRODUCER_RECORD_INIT;
        record.topic = topic;
        record.value = value;
        record.value_len = (size_t)snprintf(value, sizeof value, "order %d", number);
        must(producer_begin_transaction(producer), "producer_begin_transaction");
        must(producer_send(producer, &record, NULL, NULL), "producer_send");
        must(producer_prepare_transaction(producer, 30000, state), "producer_prepare_transaction");
        /* Whatever happens from here on, the record is in the log, and only its commit is missing. */
        if (number % 3 != 1) strcpy(decided, state); /* BEGIN; ... UPDATE decided SET state = ...; COMMIT */
        if (number % 3 == 0) {
            must(producer_complete_transaction(producer, decided, 30000), "producer_complete_transaction");
            decided[0] = 0;
            continue;
        }
        producer_close(producer, 0); /* it dies: once undecided, once decided */
        producer = start();
    }
    must(producer_close(producer, 30000), "producer_close");
    producer_mock_cluster_free(mock);
    printf("done\n");
    return 0;
}
