/* workloads.c: see counts.h. What a host does with a connection in its event loop, without sockets. */

#include "counts.h"

#include <string.h>

#define READ 65536 /* what a host reads at once */
#define CROWD 256  /* connections that a broadcast goes to */
#define BATCH 64   /* events that are pulled at once */

/* How the bytes of a read get to the engine, and its events to the host. */
typedef enum {
    FEED,      /* ws_conn_feed(): copied */
    FEED_MUT,  /* ws_conn_feed_mut(): in place, in the host's memory */
    BATCHES,   /* the same, with ws_conn_next_events() */
    LENT,      /* ws_conn_recv_buffer(): received into the engine's memory */
} way;

struct workload {
    const char *name;
    unsigned messages; /* unless told */
    unsigned (*pass)(job *what);
    content what;
    size_t size;      /* bytes of payload */
    size_t read;      /* bytes of each read; 0 for one message a read */
    int echo;         /* 1: each message is sent back */
    int compressed;   /* 1: with permessage-deflate, 2: with context takeover */
    int client;       /* 1: the client's end is counted */
    way how;
    const char *head; /* of a handshake */
};

struct job {
    const workload *load;
    unsigned messages;
    ws_engine *engine;
    ws_conn *conn; /* what is counted */
    ws_engine *peer_engine;
    ws_conn *peer; /* its other end, for the handshake and for checks */
    int checking;  /* in the first pass: everything is looked at */
    unsigned sent; /* messages that the peer has sent or made so far */
    unsigned received;
    unsigned returned;
    uint8_t *payload;
    buffer input;   /* of one pass */
    uint8_t *place; /* where the host receives */
    ws_conn *crowd[CROWD];
    ws_stream *streams[CROWD];
    uint64_t now;
    ws_prepared *prepared;
};

/* ---- handshakes ---- */

static const char SHORT_HEAD[] = "GET /chat HTTP/1.1\r\n"
                                 "Host: server.example.com\r\n"
                                 "Upgrade: websocket\r\n"
                                 "Connection: Upgrade\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                 "Sec-WebSocket-Version: 13\r\n"
                                 "\r\n";

static const char BROWSER_HEAD[] =
    "GET /chat?room=1 HTTP/1.1\r\n"
    "Host: server.example.com\r\n"
    "Connection: Upgrade\r\n"
    "Pragma: no-cache\r\n"
    "Cache-Control: no-cache\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/138.0.0.0 Safari/537.36\r\n"
    "Upgrade: websocket\r\n"
    "Origin: http://server.example.com\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cookie: session=6f1c9a52b7d84e0f; theme=dark\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    "\r\n";

/* Takes all output, as writev() would. The checking pass gives it to the peer. */
static size_t take(job *what, ws_conn *conn, ws_conn *peer) {
    struct iovec slices[16];
    size_t all = 0;
    int count;
    while ((count = ws_conn_output(conn, slices, 16)) > 0) {
        size_t bytes = 0;
        for (int at = 0; at < count; at++) {
            bytes += slices[at].iov_len;
        }
        if (peer != NULL && (what == NULL || what->checking)) {
            ws_event event;
            for (int at = 0; at < count; at++) {
                CHECK(ws_conn_feed(peer, slices[at].iov_base, slices[at].iov_len) == WS_OK);
                while (ws_conn_next_event(peer, &event) == WS_OK) {
                    if (what == NULL) {
                        CHECK(event.type == WS_EVENT_OPEN);
                        continue;
                    }
                    make_payload(what->load->what, what->returned++, what->payload, what->load->size);
                    CHECK(event.len == what->load->size && memcmp(event.data, what->payload, event.len) == 0);
                }
            }
        }
        CHECK(ws_conn_output_consume(conn, bytes) == WS_OK);
        all += bytes;
    }
    return all;
}

static ws_engine *make_engine(const workload *load) {
    ws_config *config = ws_config_new();
    int takeover = load->compressed == 2;
    CHECK(config != NULL);
    CHECK(ws_config_set_compression(config, load->compressed > 0) == WS_OK);
    CHECK(ws_config_set_context_takeover(config, takeover, takeover) == WS_OK);
    CHECK(ws_config_set_max_control_rate(config, 65535) == WS_OK);
    ws_engine *engine = ws_engine_new(config);
    CHECK(engine != NULL);
    CHECK(ws_engine_advance(engine, 1000) == WS_OK);
    ws_config_free(config);
    return engine;
}

/* Two ends in memory, each in an engine of its own, so that the pools of what is counted are its own. */
static void open_pair(job *what) {
    ws_client_request request = {.struct_size = sizeof request, .host = "server.example.com", .target = "/chat"};
    what->engine = make_engine(what->load);
    what->peer_engine = make_engine(what->load);
    ws_conn *server = ws_conn_new_server(what->load->client ? what->peer_engine : what->engine);
    ws_conn *client;
    CHECK(ws_conn_new_client(what->load->client ? what->engine : what->peer_engine, &request, &client) == WS_OK);
    take(NULL, client, server);
    take(NULL, server, client);
    CHECK(ws_conn_state(client) == WS_STATE_OPEN && ws_conn_state(server) == WS_STATE_OPEN);
    what->conn = what->load->client ? client : server;
    what->peer = what->load->client ? server : client;
}

/* All of it: make, feed, pull, take the answer, free. */
static unsigned handshake_pass(job *what) {
    const char *head = what->load->head;
    size_t len = strlen(head);
    ws_event event;
    for (unsigned at = 0; at < what->messages; at++) {
        ws_conn *conn = ws_conn_new_server(what->engine);
        CHECK(ws_conn_feed(conn, head, len) == WS_OK);
        CHECK(ws_conn_next_event(conn, &event) == WS_OK && event.type == WS_EVENT_OPEN);
        CHECK(ws_conn_next_event(conn, &event) == WS_AGAIN);
        CHECK(take(what, conn, NULL) > 100);
        ws_conn_free(conn);
    }
    return what->messages;
}

/* ---- messages from the peer ---- */

/* What the peer sends in one pass, as the host reads it. */
static void make_input(job *what) {
    const workload *load = what->load;
    what->input.len = 0;
    for (unsigned at = 0; at < what->messages; at++) {
        make_payload(load->what, what->sent, what->payload, load->size);
        if (load->compressed) {
            /* It has to be compressed by someone; with takeover it goes on where the last pass ended. */
            struct iovec slices[16];
            int count;
            CHECK(ws_conn_queue_text(what->peer, what->payload, load->size) == WS_OK);
            while ((count = ws_conn_output(what->peer, slices, 16)) > 0) {
                size_t bytes = 0;
                for (int slice = 0; slice < count; slice++) {
                    buffer_add(&what->input, slices[slice].iov_base, slices[slice].iov_len);
                    bytes += slices[slice].iov_len;
                }
                CHECK(ws_conn_output_consume(what->peer, bytes) == WS_OK);
            }
        } else {
            add_client_frame(&what->input, load->what, what->sent, what->payload, load->size);
        }
        what->sent++;
    }
}

static void handle(job *what, const ws_event *event) {
    const workload *load = what->load;
    CHECK(event->type == (load->what == PING     ? WS_EVENT_PING
                          : load->what == BINARY ? WS_EVENT_BINARY
                                                 : WS_EVENT_TEXT));
    CHECK(event->len == load->size);
    if (what->checking) {
        make_payload(load->what, what->received, what->payload, load->size);
        CHECK(memcmp(event->data, what->payload, load->size) == 0);
    }
    what->received++;
    if (load->echo) {
        CHECK(ws_conn_queue_text(what->conn, event->data, event->len) == WS_OK);
    }
}

static void pull(job *what) {
    ws_event event;
    while (ws_conn_next_event(what->conn, &event) == WS_OK) {
        handle(what, &event);
    }
}

static void pull_batches(job *what) {
    ws_event events[BATCH];
    size_t count;
    while (ws_conn_next_events(what->conn, events, BATCH, &count) == WS_OK) {
        for (size_t at = 0; at < count; at++) {
            handle(what, &events[at]);
        }
    }
}

/* One read: the bytes reach the engine, and all that they bring reaches the host. */
static void give(job *what, const uint8_t *bytes, size_t len) {
    switch (what->load->how) {
    case FEED:
        CHECK(ws_conn_feed(what->conn, bytes, len) == WS_OK);
        pull(what);
        break;
    case FEED_MUT:
    case BATCHES:
        copy_as_the_kernel(what->place, bytes, len);
        CHECK(ws_conn_feed_mut(what->conn, what->place, len) == WS_OK);
        (what->load->how == BATCHES ? pull_batches : pull)(what);
        break;
    case LENT:
        while (len > 0) {
            void *place;
            size_t room;
            CHECK(ws_conn_recv_buffer(what->conn, 0, &place, &room) == WS_OK);
            size_t now = len < room ? len : room;
            copy_as_the_kernel(place, bytes, now);
            CHECK(ws_conn_commit(what->conn, now) == WS_OK);
            pull(what);
            bytes += now;
            len -= now;
        }
        break;
    }
}

static unsigned receive_pass(job *what) {
    const workload *load = what->load;
    size_t len = load->read > 0 ? load->read : what->input.len / what->messages;
    unsigned before = what->received;
    for (size_t at = 0; at < what->input.len; at += len) {
        size_t left = what->input.len - at;
        give(what, what->input.bytes + at, left < len ? left : len);
        if (load->echo || load->what == PING) {
            CHECK(take(what, what->conn, what->peer) > 0 || load->read > 0);
        }
    }
    CHECK(what->received - before == what->messages);
    return what->messages;
}

/* ---- messages to the peer ---- */

static unsigned send_pass(job *what) {
    for (unsigned at = 0; at < what->messages; at++) {
        CHECK(ws_conn_queue_binary(what->conn, what->payload, what->load->size) == WS_OK);
        CHECK(take(what, what->conn, what->peer) > what->load->size);
    }
    return what->messages;
}

/* A prepared message, once to each; its preparation is not in it. */
static unsigned broadcast_pass(job *what) {
    for (unsigned at = 0; at < what->messages; at++) {
        ws_conn *conn = what->crowd[at % CROWD];
        CHECK(ws_conn_queue_prepared(conn, what->prepared) == WS_OK);
        CHECK(take(what, conn, NULL) > what->load->size);
    }
    return what->messages;
}

/* The same, to many at once. */
static unsigned broadcast_many_pass(job *what) {
    ws_recipient to[64];
    for (unsigned at = 0; at < what->messages; at += 64) {
        for (unsigned i = 0; i < 64; i++) {
            to[i].conn = what->crowd[(at + i) % CROWD];
        }
        CHECK(ws_conns_queue_prepared(to, 64, what->prepared) == WS_OK);
        for (unsigned i = 0; i < 64; i++) {
            CHECK(!to[i].more && to[i].slice.iov_len > what->load->size);
            to[i].written = to[i].slice.iov_len;
        }
        CHECK(ws_conns_output_consume(to, 64) == WS_OK);
    }
    return what->messages;
}

static void make_crowd(job *what) {
    for (int at = 0; at < CROWD; at++) {
        ws_event event;
        what->crowd[at] = ws_conn_new_server(what->engine);
        CHECK(ws_conn_feed(what->crowd[at], SHORT_HEAD, strlen(SHORT_HEAD)) == WS_OK);
        while (ws_conn_next_event(what->crowd[at], &event) == WS_OK) {
            CHECK(event.type == WS_EVENT_OPEN);
        }
        take(what, what->crowd[at], NULL);
    }
    CHECK(ws_prepared_new(WS_MESSAGE_TEXT, what->payload, what->load->size, &what->prepared) == WS_OK);
}

/* ---- token streams ---- */

/* A token every 7 ms for each of many streams, merged for 40 ms and sent on a connection of its own. */
static unsigned token_pass(job *what) {
    for (unsigned at = 0; at < what->messages; at++) {
        unsigned who = at % CROWD;
        if (who == 0) {
            CHECK(ws_engine_advance(what->engine, what->now += 7) == WS_OK);
            ws_stream *due;
            while ((due = ws_engine_next_due_stream(what->engine)) != NULL) {
                ws_conn *conn = ws_stream_user_data(due);
                CHECK(ws_stream_send(due, conn) == WS_OK);
                CHECK(take(what, conn, NULL) > what->load->size);
            }
        }
        CHECK(ws_stream_write(what->streams[who], what->payload, what->load->size) == WS_OK);
        CHECK(ws_stream_send(what->streams[who], what->crowd[who]) == WS_OK);
        take(what, what->crowd[who], NULL);
    }
    return what->messages;
}

static void make_streams(job *what) {
    for (int at = 0; at < CROWD; at++) {
        CHECK(ws_stream_new(what->engine, "request-1", 9, &what->streams[at]) == WS_OK);
        ws_stream_set_user_data(what->streams[at], what->crowd[at]);
    }
}

/* ---- the workloads ---- */

/* A row for each way. */
#define EACH_WAY(stem, ...)                                                          \
    {.name = stem, .pass = receive_pass, .how = FEED, __VA_ARGS__},                  \
        {.name = stem "-mut", .pass = receive_pass, .how = FEED_MUT, __VA_ARGS__},   \
        {.name = stem "-batch", .pass = receive_pass, .how = BATCHES, __VA_ARGS__},  \
        {.name = stem "-lent", .pass = receive_pass, .how = LENT, __VA_ARGS__}

static const workload WORKLOADS[] = {
    EACH_WAY("receive-16", .messages = 6000, .what = ASCII, .size = 16, .read = READ),
    EACH_WAY("receive-128", .messages = 2000, .what = ASCII, .size = 128, .read = READ),
    EACH_WAY("receive-1k", .messages = 512, .what = ASCII, .size = 1024, .read = READ),
    EACH_WAY("receive-16k", .messages = 64, .what = ASCII, .size = 16384, .read = READ),
    EACH_WAY("receive-1k-chinese", .messages = 512, .what = CHINESE, .size = 1024, .read = READ),
    EACH_WAY("receive-1m-binary", .messages = 4, .what = BINARY, .size = 1 << 20, .read = READ),
    EACH_WAY("receive-128-by-7", .messages = 256, .what = ASCII, .size = 128, .read = 7),
    EACH_WAY("receive-16k-by-8k", .messages = 64, .what = ASCII, .size = 16384, .read = 8192),
    EACH_WAY("receive-16-alone", .messages = 1000, .what = ASCII, .size = 16),

    EACH_WAY("echo-16", .messages = 6000, .what = ASCII, .size = 16, .read = READ, .echo = 1),
    EACH_WAY("echo-128", .messages = 2000, .what = ASCII, .size = 128, .read = READ, .echo = 1),
    EACH_WAY("echo-1k", .messages = 512, .what = ASCII, .size = 1024, .read = READ, .echo = 1),
    EACH_WAY("echo-16k", .messages = 64, .what = ASCII, .size = 16384, .read = READ, .echo = 1),
    EACH_WAY("echo-16-alone", .messages = 1000, .what = ASCII, .size = 16, .echo = 1),
    {.name = "echo-1k-deflate", .messages = 64, .pass = receive_pass, .what = JSON, .size = 1024, .read = READ,
     .echo = 1, .compressed = 1},
    {.name = "echo-1k-takeover", .messages = 64, .pass = receive_pass, .what = JSON, .size = 1024, .read = READ,
     .echo = 1, .compressed = 2},
    {.name = "ping-pong", .messages = 1000, .pass = receive_pass, .what = PING, .size = 16},

    {.name = "send-1k-client", .messages = 512, .pass = send_pass, .what = BINARY, .size = 1024, .client = 1},
    {.name = "broadcast-128", .messages = 4 * CROWD, .pass = broadcast_pass, .what = ASCII, .size = 128},
    {.name = "broadcast-16k", .messages = 4 * CROWD, .pass = broadcast_pass, .what = ASCII, .size = 16384},
    {.name = "broadcast-128-many", .messages = 4 * CROWD, .pass = broadcast_many_pass, .what = ASCII, .size = 128},
    {.name = "broadcast-16k-many", .messages = 4 * CROWD, .pass = broadcast_many_pass, .what = ASCII, .size = 16384},

    {.name = "token-8", .messages = 24 * CROWD, .pass = token_pass, .what = CHINESE, .size = 8},

    {.name = "handshake", .messages = 256, .pass = handshake_pass, .head = SHORT_HEAD},
    {.name = "handshake-browser", .messages = 256, .pass = handshake_pass, .head = BROWSER_HEAD},
};

#define COUNT (sizeof WORKLOADS / sizeof WORKLOADS[0])

const workload *find_workload(const char *name) {
    for (size_t at = 0; at < COUNT; at++) {
        if (strcmp(WORKLOADS[at].name, name) == 0) {
            return &WORKLOADS[at];
        }
    }
    return NULL;
}

void list_workloads(void) {
    for (size_t at = 0; at < COUNT; at++) {
        puts(WORKLOADS[at].name);
    }
}

job *prepare(const workload *load, unsigned messages) {
    job *what = calloc(1, sizeof *what);
    CHECK(what != NULL);
    what->load = load;
    what->messages = messages > 0 ? messages : load->messages;
    what->payload = calloc(1, load->size + 1);
    what->place = calloc(1, READ);
    CHECK(what->payload != NULL && what->place != NULL);
    make_payload(load->what, 0, what->payload, load->size);
    open_pair(what);
    if (load->pass == broadcast_pass || load->pass == broadcast_many_pass || load->pass == token_pass) {
        make_crowd(what);
    }
    if (load->pass == token_pass) {
        make_streams(what);
    }
    what->checking = 1;
    if (load->pass == receive_pass) {
        make_input(what);
    }
    load->pass(what);
    CHECK(what->returned == (load->echo || load->what == PING || load->pass == send_pass ? what->messages : 0));
    what->checking = 0;
    if (load->compressed) {
        make_input(what);
    }
    return what;
}

unsigned run(job *what) {
    return what->load->pass(what);
}

void end(job *what) {
    for (int at = 0; at < CROWD; at++) {
        ws_stream_free(what->streams[at]);
        ws_conn_free(what->crowd[at]);
    }
    ws_prepared_free(what->prepared);
    ws_conn_free(what->conn);
    ws_conn_free(what->peer);
    ws_engine_free(what->engine);
    ws_engine_free(what->peer_engine);
    buffer_free(&what->input);
    free(what->payload);
    free(what->place);
    free(what);
}
