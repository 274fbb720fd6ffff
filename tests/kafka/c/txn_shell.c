/*
 * txn_shell [--property NAME=VALUE]...
 *
 * Makes one call of the C interface per line of standard input, so that a test decides what happens when.
 *
 *   input    init MS | begin | commit MS | abort MS | flush MS | close MS
 *            keep MS | prepare MS | complete MS STATE                           of two-phase commit; `-` for no state
 *            send TOPIC PARTITION VALUE
 *            offsets MS GROUP GENERATION MEMBER INSTANCE TOPIC PARTITION OFFSET     `-` for no member, no instance
 *            credentials USER PASSWORD | reload
 *   output   answer CALL CLASS NAME TEXT          the call has returned; CLASS: ok, retriable, abortable, fatal, plain
 *            report VALUE PERSISTED NAME TEXT     before the answer of the call that dispatched it
 *            loss ...                                                         (fields separated by tabs)
 */
#include "tool.h"

static producer_t *producer;
/* What keep and prepare have answered; the text of their answer. */
static char state[PRODUCER_PREPARED_STATE_LEN];

static const char *word(char **rest) {
    char *field = strtok_r(NULL, " ", rest);
    if (!field) {
        fprintf(stderr, "a field is missing\n");
        exit(2);
    }
    return field;
}

static const char *optional_word(char **rest) {
    const char *field = word(rest);
    return strcmp(field, "-") == 0 ? NULL : field;
}

static int64_t number(char **rest) {
    return strtoll(word(rest), NULL, 10);
}

static void on_delivery(const producer_report_t *report, void *opaque) {
    printf("report\t%s\t%s\t%s\t", (const char *)opaque,
           report->persisted == PRODUCER_PERSISTED_YES  ? "yes"
           : report->persisted == PRODUCER_PERSISTED_NO ? "no"
                                                        : "maybe",
           producer_status_name(report->status));
    print_text(stdout, report->error_text);
    free(opaque);
}

static producer_status_t send_value(char **rest) {
    producer_record_t record = PRODUCER_RECORD_INIT;
    record.topic = word(rest);
    record.partition = (int32_t)number(rest);
    char *value = strdup(word(rest));
    record.value = value;
    record.value_len = strlen(value);
    producer_status_t status = producer_send(producer, &record, on_delivery, value);
    if (status != PRODUCER_OK) free(value);
    return status;
}

static producer_status_t send_offsets(char **rest) {
    producer_group_t group = PRODUCER_GROUP_INIT;
    producer_offset_t offset = PRODUCER_OFFSET_INIT;
    int32_t timeout_ms = (int32_t)number(rest);
    group.group_id = word(rest);
    group.generation_id = (int32_t)number(rest);
    group.member_id = optional_word(rest);
    group.group_instance_id = optional_word(rest);
    offset.topic = word(rest);
    offset.partition = (int32_t)number(rest);
    offset.offset = number(rest);
    return producer_send_offsets_to_transaction(producer, &offset, 1, &group, timeout_ms);
}

static producer_status_t call(const char *name, char **rest) {
    if (strcmp(name, "init") == 0) return producer_init_transactions(producer, (int32_t)number(rest));
    if (strcmp(name, "begin") == 0) return producer_begin_transaction(producer);
    if (strcmp(name, "commit") == 0) return producer_commit_transaction(producer, (int32_t)number(rest));
    if (strcmp(name, "abort") == 0) return producer_abort_transaction(producer, (int32_t)number(rest));
    if (strcmp(name, "keep") == 0 && producer_init_transactions_keep_prepared)
        return producer_init_transactions_keep_prepared(producer, (int32_t)number(rest), state);
    if (strcmp(name, "prepare") == 0 && producer_prepare_transaction)
        return producer_prepare_transaction(producer, (int32_t)number(rest), state);
    if (strcmp(name, "complete") == 0 && producer_complete_transaction) {
        int32_t timeout_ms = (int32_t)number(rest);
        const char *wanted = optional_word(rest);
        return producer_complete_transaction(producer, wanted ? wanted : "", timeout_ms);
    }
    if (strcmp(name, "flush") == 0) return producer_flush(producer, (int32_t)number(rest));
    if (strcmp(name, "close") == 0) return producer_close(producer, (int32_t)number(rest));
    if (strcmp(name, "send") == 0) return send_value(rest);
    if (strcmp(name, "offsets") == 0) return send_offsets(rest);
    if (strcmp(name, "credentials") == 0 && producer_set_sasl_credentials) {
        const char *username = word(rest);
        return producer_set_sasl_credentials(producer, username, word(rest));
    }
    if (strcmp(name, "reload") == 0 && producer_tls_reload) return producer_tls_reload(producer);
    fprintf(stderr, "no such call: %s\n", name);
    exit(2);
}

int main(int argc, char **argv) {
    producer_config_t *config = config_of(argc, argv);
    must(producer_new(config, &producer), "producer_new");
    producer_config_free(config);
    char *line = NULL, *rest;
    size_t room = 0;
    for (ssize_t length; (length = getline(&line, &room, stdin)) > 0;) {
        if (line[length - 1] == '\n') line[length - 1] = 0;
        const char *name = strtok_r(line, " ", &rest);
        if (!name) continue;
        state[0] = 0;
        producer_status_t status = call(name, &rest);
        printf("answer\t%s\t%s\t%s\t", name, class_of(status), producer_status_name(status));
        print_text(stdout, status == PRODUCER_OK ? state : producer_last_error());
        fflush(stdout);
    }
    /* At the end of input the program ends as one that was killed: without closing. */
    free(line);
    return 0;
}
