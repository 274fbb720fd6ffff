/*
 * What a consumer group has committed in one partition, asked of Kafka directly: FindCoordinator v0 and OffsetFetch v2 over
 * a plain socket. With a consumer client this is one call of it (librdkafka: rd_kafka_committed); it stands here so that
 * the example needs nothing but this library.
 */
#ifndef COMMITTED_OFFSET_H
#define COMMITTED_OFFSET_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define ASK_BYTES_MAX 4096

struct ask_buffer {
    unsigned char bytes[ASK_BYTES_MAX];
    size_t length, at;
    bool bad; /* something did not fit, or was not there */
};

static inline void ask_put(struct ask_buffer *b, int64_t number, int size) {
    for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) {
        if (b->length == sizeof b->bytes) b->bad = true;
        else b->bytes[b->length++] = (unsigned char)((uint64_t)number >> shift);
    }
}

static inline void ask_put_text(struct ask_buffer *b, const char *text) {
    ask_put(b, (int64_t)strlen(text), 2);
    for (; *text != '\0'; text++) ask_put(b, *text, 1);
}

static inline int64_t ask_take(struct ask_buffer *b, int size) {
    uint64_t number = 0;
    if (b->length - b->at < (size_t)size) {
        b->bad = true;
        return 0;
    }
    number = (b->bytes[b->at] & 0x80) ? UINT64_MAX : 0; /* the sign */
    while (size-- > 0) number = number << 8 | b->bytes[b->at++];
    return (int64_t)number;
}

/* A length and so many bytes; NULL (-1) is an empty text. */
static inline void ask_take_text(struct ask_buffer *b, char *out, size_t out_size) {
    int64_t length = ask_take(b, 2);
    if (length < 0) length = 0;
    if (b->bad || (size_t)length > b->length - b->at || (out != NULL && (size_t)length >= out_size)) {
        b->bad = true;
        return;
    }
    if (out != NULL) {
        memcpy(out, b->bytes + b->at, (size_t)length);
        out[length] = '\0';
    }
    b->at += (size_t)length;
}

static inline struct ask_buffer ask_request(int api_key, int version) {
    struct ask_buffer b = {.length = 0};
    ask_put(&b, 0, 4); /* the size: known at the end */
    ask_put(&b, api_key, 2);
    ask_put(&b, version, 2);
    ask_put(&b, 1, 4); /* correlation id */
    ask_put_text(&b, "transactions-example");
    return b;
}

static inline bool ask_read(int fd, unsigned char *bytes, size_t length) {
    while (length > 0) {
        ssize_t got = recv(fd, bytes, length, 0);
        if (got <= 0) return false;
        bytes += got, length -= (size_t)got;
    }
    return true;
}

/* Sends the request to host:port and puts the response's body in its place. */
static inline bool ask(struct ask_buffer *b, const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    struct timeval patience = {5, 0};
    if (b->bad || getaddrinfo(host, port, &hints, &found) != 0) return false;
    int fd = -1;
    for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd < 0) return false;
    size_t size = b->length - 4;
    for (int i = 0; i < 4; i++) b->bytes[i] = (unsigned char)(size >> (24 - 8 * i));
    bool ok = send(fd, b->bytes, b->length, MSG_NOSIGNAL) == (ssize_t)b->length && ask_read(fd, b->bytes, 4);
    if (ok) {
        b->length = 4, b->at = 0;
        int64_t answer = ask_take(b, 4);
        ok = answer >= 4 && (size_t)answer <= sizeof b->bytes && ask_read(fd, b->bytes, (size_t)answer);
        b->length = ok ? (size_t)answer : 0, b->at = 4; /* past the correlation id */
    }
    close(fd);
    return ok;
}

/* Asks one broker. True when it could be found out; -1 when the group has committed nothing there. */
static inline bool ask_committed(const char *host, const char *port, const char *group, const char *topic, int32_t partition,
                                 int64_t *offset) {
    char coordinator[256], coordinator_port[16];
    struct ask_buffer b = ask_request(10, 0); /* FindCoordinator */
    ask_put_text(&b, group);
    if (!ask(&b, host, port) || ask_take(&b, 2) != 0) return false;
    ask_take(&b, 4); /* its id */
    ask_take_text(&b, coordinator, sizeof coordinator);
    snprintf(coordinator_port, sizeof coordinator_port, "%d", (int)ask_take(&b, 4));
    if (b.bad) return false;

    b = ask_request(9, 2); /* OffsetFetch */
    ask_put_text(&b, group);
    ask_put(&b, 1, 4); /* one topic */
    ask_put_text(&b, topic);
    ask_put(&b, 1, 4); /* one partition */
    ask_put(&b, partition, 4);
    if (!ask(&b, coordinator, coordinator_port) || ask_take(&b, 4) != 1) return false;
    ask_take_text(&b, NULL, 0); /* the topic */
    if (ask_take(&b, 4) != 1 || ask_take(&b, 4) != partition) return false;
    *offset = ask_take(&b, 8);
    ask_take_text(&b, NULL, 0); /* metadata */
    bool ok = ask_take(&b, 2) == 0; /* the partition's error */
    return ask_take(&b, 2) == 0 && ok && !b.bad;
}

/*
 * The offset that the group has committed, from the first of the brokers ("host:port,host:port") that can tell; -1 when it
 * has committed none. False when none of them could tell for half a minute.
 */
static inline bool committed_offset(const char *brokers, const char *group, const char *topic, int32_t partition, int64_t *offset) {
    struct timespec pause = {0, 100000000};
    for (int tries = 0; tries < 300; tries++) {
        char list[1024], *rest = list;
        snprintf(list, sizeof list, "%s", brokers);
        for (char *broker; (broker = strtok_r(rest, ",", &rest)) != NULL;) {
            char *colon = strrchr(broker, ':');
            if (colon != NULL) *colon = '\0';
            if (ask_committed(broker, colon != NULL ? colon + 1 : "9092", group, topic, partition, offset)) return true;
        }
        nanosleep(&pause, NULL); /* the coordinator may be moving */
    }
    return false;
}

#endif
