/* A broker that refuses credentials and repeats what it was sent, in every encoding that error messages have: neither a report, nor
 * health, a log line or the numbers hold the secret in any of them. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define PASSWORD "pen?il/s3cr\xc3\xa4t>"
/* Too short to be looked for in other words: only with what it was sent with. */
#define SHORT "pw"
#define TOKEN "eyJhbGciOiJub25lIn0.eyJzdWIiOiJqYW4ifQ.c2lnbmVkLWJ5LW5vYm9keQ"
#define TEXT_MAX 2048

/* ---- encodings ---- */

/* `before` is put in front of what is encoded, and a point behind it. */
static void base64(char *to, const char *before, const unsigned char *from, size_t size, bool is_url, bool is_whole) {
    const char *signs = is_url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                               : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char all[512];
    size_t length = strlen(before);
    REQUIRE(length + size + 1 <= sizeof all);
    memcpy(all, before, length);
    memcpy(all + length, from, size);
    length += size;
    if (!is_whole) all[length++] = '.';
    for (size_t i = 0; i < length; i += 3) {
        unsigned long three = (unsigned long)all[i] << 16;
        if (i + 1 < length) three |= (unsigned long)all[i + 1] << 8;
        if (i + 2 < length) three |= all[i + 2];
        *to++ = signs[three >> 18 & 63];
        *to++ = signs[three >> 12 & 63];
        if (i + 1 < length) *to++ = signs[three >> 6 & 63];
        if (i + 2 < length) *to++ = signs[three & 63];
        if (i + 2 >= length && !is_url) *to++ = '=';
        if (i + 1 >= length && !is_url) *to++ = '=';
    }
    *to = '\0';
}

/* Every byte behind a mark, or only those that are neither letters nor digits. */
static void escaped(char *to, const char *format, const unsigned char *from, size_t size, bool is_every) {
    for (size_t i = 0; i < size; i++) {
        bool is_letter = (from[i] | 32) >= 'a' && (from[i] | 32) <= 'z', is_digit = from[i] >= '0' && from[i] <= '9';
        bool is_plain = !is_every && (is_letter || is_digit);
        to += is_plain ? sprintf(to, "%c", from[i]) : sprintf(to, format, from[i]);
    }
}

static const char *const ways[] = {
    "as it is", "spaces for NULs", "nothing for NULs", "base64", "base64 for URLs", "base64 behind one sign more", "base64 behind two signs more",
    "base64 behind three signs more", "hexadecimal", "HEXADECIMAL", "percent", "PERCENT", "backslash x", "hexadecimal in pairs",
};
enum { WAYS = sizeof ways / sizeof *ways };

/* The message in this way; its length, since it may hold NULs. */
static size_t repeat(int way, char *to, const unsigned char *message, size_t size) {
    size_t length = 0;
    switch (way) {
    case 0: memcpy(to, message, size); return size;
    case 1:
    case 2:
        for (size_t i = 0; i < size; i++)
            if (message[i] > 1) to[length++] = (char)message[i];
            else if (way == 1) to[length++] = ' ';
        return length;
    case 3: base64(to, "", message, size, false, true); break;
    case 4: base64(to, "", message, size, true, true); break;
    case 5: base64(to, "[", message, size, false, false); break;
    case 6: base64(to, "[[", message, size, false, false); break;
    case 7: base64(to, "[[[", message, size, true, false); break;
    case 8: escaped(to, "%02x", message, size, true); break;
    case 9: escaped(to, "%02X", message, size, true); break;
    case 10: escaped(to, "%%%02x", message, size, false); break;
    case 11: escaped(to, "%%%02X", message, size, false); break;
    case 12: escaped(to, "\\x%02x", message, size, false); break;
    default: escaped(to, "%02x ", message, size, true); break;
    }
    return strlen(to);
}

/* Whether the text has any of it: what the secret is in each encoding, wherever in a message it stands. */
static bool tells(const char *text, const char *secret) {
    const unsigned char *bytes = (const unsigned char *)secret;
    size_t size = strlen(secret);
    char form[TEXT_MAX];
    if (strcmp(secret, SHORT) == 0) return contains(text, "jan " SHORT) || contains(text, "'AGphbgBwdw");
    if (contains(text, secret)) return true;
    for (size_t before = 0; before < 3; before++) {
        for (int is_url = 0; is_url < 2; is_url++) {
            base64(form, &"[["[2 - before], bytes, size, is_url, false);
            /* The signs that depend on nothing but the secret. */
            size_t from = (8 * before + 5) / 6, to = 8 * (before + size) / 6;
            form[to] = '\0';
            if (contains(text, form + from)) return true;
        }
    }
    for (int way = 8; way < WAYS; way++) {
        size_t length = repeat(way, form, bytes, size);
        form[length] = '\0';
        if (contains(text, form)) return true;
    }
    return false;
}

/* ---- the broker ---- */

struct broker {
    pthread_t thread;
    int listener;
    atomic_int way, refused;
    atomic_bool over;
};

static bool receive(int fd, void *to, size_t size) {
    return recv(fd, to, size, MSG_WAITALL) == (ssize_t)size;
}

static unsigned number(const unsigned char *from, int bytes) {
    unsigned value = 0;
    while (bytes-- > 0) value = value << 8 | *from++;
    return value;
}

static unsigned char *put(unsigned char *to, unsigned value, int bytes) {
    for (int i = 0; i < bytes; i++) to[i] = (unsigned char)(value >> 8 * (bytes - 1 - i));
    return to + bytes;
}

/* One request and its answer; false: the connection is over. */
static bool serve(struct broker *b, int fd) {
    static const unsigned apis[][3] = {{0, 3, 9}, {3, 4, 9}, {17, 0, 1}, {18, 0, 0}, {22, 0, 1}, {36, 0, 0}};
    unsigned char head[4], in[1024], out[TEXT_MAX + 64], *at = out + 4;
    if (!receive(fd, head, 4)) return false;
    size_t size = number(head, 4);
    if (size < 10 || size > sizeof in || !receive(fd, in, size)) return false;
    unsigned key = number(in, 2), version = number(in + 2, 2);
    const unsigned char *body = in + 10 + number(in + 8, 2);
    memcpy(at, in + 4, 4);
    at += 4;
    if (key == 18) {
        at = put(at, version > 0 ? 35 : 0, 2);
        at = put(at, sizeof apis / sizeof *apis, 4);
        for (size_t i = 0; i < sizeof apis / sizeof *apis; i++)
            for (int part = 0; part < 3; part++) at = put(at, apis[i][part], 2);
    } else if (key == 17) {
        size_t length = number(body, 2);
        at = put(at, 0, 2);
        at = put(at, 1, 4);
        memcpy(at, body, length + 2);
        at += length + 2;
    } else if (key == 36) {
        char text[TEXT_MAX];
        size_t length = repeat(atomic_load(&b->way), text, body + 4, number(body, 4));
        at = put(at, 58, 2);
        at = put(at, (unsigned)length + 6, 2);
        memcpy(at, "not '", 5);
        memcpy(at + 5, text, length);
        at[5 + length] = '\'';
        at = put(at + 6 + length, 0, 4);
        atomic_fetch_add(&b->refused, 1);
    } else {
        return false;
    }
    put(out, (unsigned)(at - out - 4), 4);
    return send(fd, out, (size_t)(at - out), MSG_NOSIGNAL) == at - out;
}

static void *broker_run(void *opaque) {
    struct broker *b = opaque;
    for (;;) {
        int fd = accept(b->listener, NULL, NULL);
        if (atomic_load(&b->over)) {
            if (fd >= 0) close(fd);
            return NULL;
        }
        if (fd < 0) continue;
        struct timeval patience = {.tv_sec = 5};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        while (serve(b, fd)) {}
        close(fd);
    }
}

static void broker_start(struct broker *b, char *servers, size_t size) {
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    memset(b, 0, sizeof *b);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    b->listener = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(b->listener >= 0);
    REQUIRE(bind(b->listener, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(b->listener, 16) == 0);
    REQUIRE(getsockname(b->listener, (struct sockaddr *)&address, &length) == 0);
    snprintf(servers, size, "127.0.0.1:%d", ntohs(address.sin_port));
    REQUIRE(pthread_create(&b->thread, NULL, broker_run, b) == 0);
}

static void broker_end(struct broker *b) {
    atomic_store(&b->over, true);
    shutdown(b->listener, SHUT_RDWR);
    REQUIRE(pthread_join(b->thread, NULL) == 0);
    close(b->listener);
}

/* ---- what is seen of it ---- */

static atomic_int lines, lines_with_stars;

static void on_log(int32_t level, const char *facility, const char *message, void *opaque) {
    (void)level, (void)facility;
    atomic_fetch_add(&lines, 1);
    atomic_fetch_add(&lines_with_stars, contains(message, "***"));
    CHECK(!tells(message, opaque));
}

static void refused(struct broker *b, const char *servers, const char *mechanism, const char *secret, int way) {
    char name[200];
    snprintf(name, sizeof name, "%s, repeated: %s", mechanism, ways[way]);
    check_case(name);
    bool is_token = strcmp(mechanism, "OAUTHBEARER") == 0;
    atomic_store(&b->way, way);
    producer_config_t *c = config_of(servers, "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", mechanism, "linger.ms", "1", NULL);
    if (!is_token) REQUIRE_OK(producer_config_set(c, "sasl.username", "jan"));
    if (!is_token) REQUIRE_OK(producer_config_set(c, "sasl.password", secret));
    char told[TEXT_MAX];
    snprintf(told, sizeof told, "%s", secret);
    REQUIRE_OK(producer_config_set_log_callback(c, on_log, told));
    producer_t *p = NULL;
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    if (is_token) REQUIRE_OK(producer_set_oauth_token(p, secret, wall_ms() + 60000, "jan", NULL, 0));
    struct outcome *o = outcomes_new(1);
    CHECK_OK(send_text(p, "t", 0, "refused", o));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_ERR_SASL_AUTHENTICATION_FAILED);
    CHECK_SAYS(o->error_text, "not '");
    CHECK_SAYS(o->error_text, "***");
    CHECK(!tells(o->error_text, secret));
    producer_health_t h = wait_for_health(p, PRODUCER_HEALTH_AUTHENTICATION_FAILED);
    CHECK_SAYS(h.text, "***");
    CHECK(!tells(h.text, secret));
    char *json = NULL, *prometheus = NULL;
    REQUIRE_OK(producer_stats_json(p, &json));
    REQUIRE_OK(producer_stats_prometheus(p, &prometheus));
    CHECK(!tells(json, secret) && !tells(prometheus, secret));
    producer_string_free(json);
    producer_string_free(prometheus);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
}

int main(void) {
    struct broker b;
    char servers[40];
    check_begin();
    broker_start(&b, servers, sizeof servers);
    for (int way = 0; way < WAYS; way++) {
        refused(&b, servers, "PLAIN", PASSWORD, way);
        refused(&b, servers, "OAUTHBEARER", TOKEN, way);
    }
    refused(&b, servers, "PLAIN", SHORT, 1);
    refused(&b, servers, "PLAIN", SHORT, 3);
    CHECK(atomic_load(&b.refused) >= 2 * WAYS);
    CHECK(atomic_load(&lines) > 0 && atomic_load(&lines_with_stars) > 0);
    broker_end(&b);
    return check_end();
}
