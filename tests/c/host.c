/* What a host does beside echoing: compression, messages in chunks and in parts, a broadcast, a frame that it writes
 * itself, time, back-pressure and metrics. Two connections joined in memory, or on one side a caller of another age. */

#include "ws_engine.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIG 100000
#define LARGE 1000000

/* A client and a server whose handshake is done, with their engine. */
typedef struct {
    ws_engine *engine;
    ws_conn *client;
    ws_conn *server;
    uint64_t now;
} host;

/* What a connection got: the bytes of its messages, one behind the other, and its other events. */
typedef struct {
    char *bytes;
    size_t len;
    int messages;
    int chunks;
    int pings;
    int writables;
    int compressed;
    int64_t rtt_ms;
    uint16_t close_code;
} seen;

static void keep(seen *what, const ws_event *event) {
    CHECK(what->len + event->len <= 4 * BIG);
    if (event->len > 0) {
        memcpy(what->bytes + what->len, event->data, event->len);
    }
    what->len += event->len;
}

static void note(seen *what, const ws_event *event) {
    switch (event->type) {
    case WS_EVENT_OPEN:
        what->compressed = event->compressed;
        break;
    case WS_EVENT_TEXT:
    case WS_EVENT_BINARY:
        keep(what, event);
        what->messages++;
        break;
    case WS_EVENT_CHUNK:
        CHECK(event->first == (event->offset == 0 && event->len > 0));
        keep(what, event);
        what->chunks++;
        what->messages += event->last;
        break;
    case WS_EVENT_PING:
        what->pings++;
        break;
    case WS_EVENT_PONG:
        what->rtt_ms = event->rtt_ms;
        break;
    case WS_EVENT_WRITABLE:
        what->writables++;
        break;
    case WS_EVENT_CLOSE:
        what->close_code = event->close_code;
        break;
    default:
        break;
    }
}

static void pull(ws_conn *conn, seen *what) {
    ws_event events[3];
    size_t i, count;
    while (ws_conn_next_events(conn, events, 3, &count) == WS_OK) {
        CHECK(count >= 1 && count <= 3);
        for (i = 0; i < count; i++) {
            note(what, &events[i]);
        }
    }
    CHECK(count == 0);
    CHECK(ws_conn_next_event(conn, events) == WS_AGAIN && events[0].type == WS_EVENT_NONE);
}

/* Moves all output of one connection to the other, in reads of up to 16 KiB, as from a socket: copied, lent, and straight
 * into memory of the engine's, in turn. */
static void carry(ws_conn *from, ws_conn *to, seen *what) {
    static unsigned turn;
    char buffer[16384];
    size_t len, capacity;
    void *lent;
    for (;;) {
        switch (turn++ % 3) {
        case 0:
            if (ws_conn_output_read(from, buffer, sizeof buffer, &len) != WS_OK) {
                return;
            }
            CHECK(ws_conn_feed(to, buffer, len) == WS_OK);
            memset(buffer, '#', sizeof buffer);
            pull(to, what);
            break;
        case 1:
            if (ws_conn_output_read(from, buffer, sizeof buffer, &len) != WS_OK) {
                return;
            }
            CHECK(ws_conn_feed_mut(to, buffer, len) == WS_OK);
            pull(to, what);
            memset(buffer, '#', sizeof buffer);
            break;
        default:
            CHECK(ws_conn_recv_buffer(to, 0, &lent, &capacity) == WS_OK && capacity > 0);
            if (ws_conn_output_read(from, lent, capacity < 16384 ? capacity : 16384, &len) != WS_OK) {
                CHECK(ws_conn_commit(to, 0) == WS_OK);
                return;
            }
            CHECK(ws_conn_commit(to, len) == WS_OK);
            pull(to, what);
            break;
        }
    }
}

static seen nothing(void) {
    seen what;
    memset(&what, 0, sizeof what);
    what.bytes = malloc(4 * BIG);
    what.rtt_ms = -2;
    CHECK(what.bytes != NULL);
    return what;
}

static host open_host(void) {
    host it;
    seen what = nothing();
    ws_client_request request;
    ws_config *config = ws_config_new();
    CHECK(ws_config_set_compression(config, 1) == WS_OK);
    CHECK(ws_config_set_context_takeover(config, 1, 1) == WS_OK);
    CHECK(ws_config_set_compression_level(config, 9) == WS_OK);
    CHECK(ws_config_set_water_marks(config, 1000, 2000) == WS_OK);
    CHECK(ws_config_set_ping_interval(config, 20000) == WS_OK);
    CHECK(ws_config_set_pong_timeout(config, 5000) == WS_OK);
    it.engine = ws_engine_new(config);
    ws_config_free(config);
    it.now = 1000000;
    CHECK(ws_engine_next_deadline(it.engine) == UINT64_MAX);
    CHECK(ws_engine_advance(it.engine, it.now) == WS_OK);

    memset(&request, 0, sizeof request);
    request.struct_size = sizeof request;
    request.host = "localhost";
    CHECK(ws_conn_new_client(it.engine, &request, &it.client) == WS_OK);
    it.server = ws_conn_new_server(it.engine);
    carry(it.client, it.server, &what);
    CHECK(what.compressed == 1);
    what.compressed = 0;
    carry(it.server, it.client, &what);
    CHECK(what.compressed == 1);
    free(what.bytes);
    return it;
}

static ws_metrics metrics_of(ws_engine *engine) {
    ws_metrics metrics;
    metrics.struct_size = sizeof metrics;
    CHECK(ws_metrics_get(engine, &metrics) == WS_OK);
    return metrics;
}

static void fill(char *text, size_t len) {
    size_t i;
    for (i = 0; i < len; i++) {
        text[i] = (char)('a' + i % 23);
    }
}

/* A large message that the other side takes in chunks, and one that is made in parts. */
static void chunks_and_parts(host *it, const char *text) {
    seen what = nothing();
    size_t half = BIG / 2;
    CHECK(ws_conn_set_delivery(it->client, WS_DELIVER_CHUNKS) == WS_OK);
    CHECK(ws_conn_queue_text(it->server, text, BIG) == WS_OK);
    carry(it->server, it->client, &what);
    CHECK(what.messages == 1 && what.chunks > 1 && what.len == BIG && memcmp(what.bytes, text, BIG) == 0);

    what.len = 0;
    CHECK(ws_conn_queue_begin(it->server, WS_MESSAGE_TEXT) == WS_OK);
    CHECK(ws_conn_queue_part(it->server, text, half) == WS_OK);
    CHECK(ws_conn_queue_binary(it->server, text, 1) == WS_ERR_STATE);
    carry(it->server, it->client, &what); /* a part reaches the peer before the next one is there */
    CHECK(what.messages == 1 && what.len == half);
    CHECK(ws_conn_queue_end(it->server, text + half, BIG - half) == WS_OK);
    carry(it->server, it->client, &what);
    CHECK(what.messages == 2 && what.len == BIG && memcmp(what.bytes, text, BIG) == 0);
    CHECK(ws_conn_set_delivery(it->client, WS_DELIVER_MESSAGES) == WS_OK);
    free(what.bytes);
}

/* One message for both ends, which is freed while it still waits in their queues. */
static void broadcast(host *it, const char *text) {
    seen client = nothing(), server = nothing();
    ws_prepared *prepared;
    CHECK(ws_prepared_new(WS_MESSAGE_BINARY, text, BIG, &prepared) == WS_OK);
    CHECK(ws_prepared_retain(prepared) == prepared);
    CHECK(ws_conn_queue_prepared(it->client, prepared) == WS_OK);
    ws_prepared_free(prepared);
    ws_recipient to[] = {{.conn = it->server}};
    CHECK(ws_conns_queue_prepared(to, 1, prepared) == WS_OK);
    ws_prepared_free(prepared);
    CHECK(to[0].status == WS_OK && to[0].slice.iov_len > 0 && to[0].written == 0 && !to[0].more);
    CHECK(ws_conns_output_consume(to, 1) == WS_OK && ws_conn_queued_bytes(it->server) == to[0].slice.iov_len);
    carry(it->server, it->client, &client);
    carry(it->client, it->server, &server);
    CHECK(client.len == BIG && memcmp(client.bytes, text, BIG) == 0);
    CHECK(server.len == BIG && memcmp(server.bytes, text, BIG) == 0);
    free(client.bytes);
    free(server.bytes);
}

/* A client's frame of which the host writes the payload, masked in two pieces. */
static void frame_of_the_host(host *it, const char *text) {
    seen what = nothing();
    uint8_t header[WS_MAX_HEADER_LEN];
    size_t header_len;
    char *payload = malloc(BIG);
    CHECK(payload != NULL);
    memcpy(payload, text, BIG);
    CHECK(ws_conn_begin_frame(it->client, WS_MESSAGE_TEXT, BIG, header, &header_len) == WS_OK);
    CHECK(ws_mask(header + header_len - 4, 0, payload, 777) == WS_OK);
    CHECK(ws_mask(header + header_len - 4, 777, payload + 777, BIG - 777) == WS_OK);
    CHECK(ws_conn_queue_text(it->client, "behind", 6) == WS_OK);
    CHECK(ws_conn_feed(it->server, header, header_len) == WS_OK);
    pull(it->server, &what);
    CHECK(ws_conn_feed(it->server, payload, BIG) == WS_OK);
    pull(it->server, &what);
    CHECK(ws_conn_end_frame(it->client) == WS_OK);
    carry(it->client, it->server, &what);
    CHECK(what.messages == 2 && what.len == BIG + 6 && memcmp(what.bytes + BIG, "behind", 6) == 0);
    free(payload);
    free(what.bytes);
}

/* A server's frame that its host writes in part: it hands over the rest, and what was queued meanwhile follows. */
static void rest_of_a_frame(host *it, const char *text) {
    seen what = nothing(), server = nothing();
    uint8_t header[WS_MAX_HEADER_LEN];
    size_t header_len;
    CHECK(ws_conn_queue_frame_rest(it->server, text, 1) == WS_ERR_STATE);
    CHECK(ws_conn_begin_frame(it->server, WS_MESSAGE_TEXT, BIG, header, &header_len) == WS_OK);
    CHECK(ws_conn_feed(it->client, header, 1) == WS_OK);
    pull(it->client, &what);
    CHECK(ws_conn_queue_text(it->server, "behind", 6) == WS_OK);
    CHECK(ws_conn_queue_frame_rest(it->server, header + 1, header_len - 1) == WS_OK);
    CHECK(ws_conn_queue_frame_rest(it->server, text, BIG) == WS_OK);
    CHECK(ws_conn_queued_bytes(it->server) == header_len - 1 + BIG + 2 + 6);
    CHECK(ws_conn_end_frame(it->server) == WS_OK);
    carry(it->server, it->client, &what);
    CHECK(what.messages == 2 && what.len == BIG + 6 && memcmp(what.bytes, text, BIG) == 0);
    CHECK(memcmp(what.bytes + BIG, "behind", 6) == 0);
    pull(it->server, &server);
    CHECK(server.writables == 1);
    free(what.bytes);
    free(server.bytes);
}

/* What recv() brings of a large message lies where the whole message is reported. */
static void large_message(ws_engine *engine) {
    ws_conn *server = ws_conn_new_server(engine);
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    static const unsigned char header[14] = {0x82, 0xff, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 0, 0, 0, 0};
    char *message = malloc(sizeof header + LARGE);
    size_t at = 0, count, capacity;
    ws_event events[2];
    void *lent = NULL;
    CHECK(message != NULL);
    memcpy(message, header, sizeof header);
    fill(message + sizeof header, LARGE);
    CHECK(ws_conn_feed(server, request, sizeof request - 1) == WS_OK);
    CHECK(ws_conn_next_events(server, events, 2, &count) == WS_OK && count == 1 && events[0].type == WS_EVENT_OPEN);
    CHECK(ws_conn_next_events(server, events, 2, &count) == WS_AGAIN && count == 0);
    for (;;) {
        size_t left = sizeof header + LARGE - at;
        CHECK(ws_conn_recv_buffer(server, 0, &lent, &capacity) == WS_OK);
        capacity = capacity < left ? capacity : left;
        memcpy(lent, message + at, capacity);
        CHECK(ws_conn_commit(server, capacity) == WS_OK);
        at += capacity;
        if (capacity == left) {
            break;
        }
        CHECK(ws_conn_next_events(server, events, 2, &count) == WS_AGAIN);
    }
    CHECK(ws_conn_next_events(server, events, 2, &count) == WS_OK && count == 1);
    CHECK(events[0].type == WS_EVENT_BINARY && events[0].len == LARGE);
    CHECK(memcmp(events[0].data, message + sizeof header, LARGE) == 0);
    CHECK(events[0].data + LARGE == (char *)lent + capacity);
    CHECK(ws_conn_next_events(server, events, 2, &count) == WS_AGAIN);
    ws_conn_free(server);
    free(message);
}

static void back_pressure(host *it) {
    seen client = nothing(), server = nothing();
    char noise[3000];
    unsigned state = 1;
    size_t i;
    for (i = 0; i < sizeof noise; i++) {
        state = state * 1103515245u + 12345u;
        noise[i] = (char)(state >> 16);
    }
    CHECK(ws_conn_queue_binary(it->server, noise, sizeof noise) == WS_OK);
    CHECK(ws_conn_above_high_water(it->server) == 1 && ws_conn_has_events(it->server) == 0);
    carry(it->server, it->client, &client);
    CHECK(ws_conn_above_high_water(it->server) == 0 && ws_conn_has_events(it->server) == 1);
    pull(it->server, &server);
    CHECK(server.writables == 1 && client.messages == 1);
    free(client.bytes);
    free(server.bytes);
}

/* A ping of the server's that is answered, one that is not, and the end. */
static void time_passes(host *it) {
    seen client = nothing(), server = nothing();
    ws_conn *due;
    int rounds;
    for (rounds = 0; rounds < 10 && client.pings == 0; rounds++) {
        it->now = ws_engine_next_deadline(it->engine);
        CHECK(ws_engine_advance(it->engine, it->now) == WS_OK);
        while ((due = ws_engine_next_due(it->engine)) != NULL) {
            pull(due, due == it->server ? &server : &client);
        }
        it->now += 7;
        CHECK(ws_engine_advance(it->engine, it->now) == WS_OK);
        carry(it->client, it->server, &server); /* either may have pinged first */
        carry(it->server, it->client, &client);
        carry(it->client, it->server, &server);
    }
    CHECK(client.pings == 1 && server.rtt_ms == 7);

    for (rounds = 0; rounds < 10 && server.close_code == 0; rounds++) { /* the client's host has gone */
        it->now = ws_engine_next_deadline(it->engine);
        CHECK(ws_engine_advance(it->engine, it->now) == WS_OK);
        while ((due = ws_engine_next_due(it->engine)) != NULL) {
            char buffer[256];
            size_t len;
            if (due == it->server) {
                pull(due, &server);
                CHECK(ws_conn_output_read(due, buffer, sizeof buffer, &len) >= WS_OK);
            }
        }
    }
    CHECK(server.close_code == 1001);
    CHECK(ws_conn_wants_shutdown(it->server) == 1);
    free(client.bytes);
    free(server.bytes);
}

static void count(host *it) {
    ws_metrics metrics = metrics_of(it->engine);
    const ws_metrics *list[2];
    char *text;
    size_t len = 0;
    CHECK(metrics.connections_opened[0] == 1 && metrics.connections_opened[1] == 1);
    CHECK(metrics.messages_in[0] == 6 && metrics.messages_in[1] == 3);
    CHECK(metrics.compressed_messages_in == 5 && metrics.compressed_plain_bytes_in == 4 * BIG + 3000);
    CHECK(metrics.compressed_wire_bytes_in < metrics.compressed_plain_bytes_in / 10);
    CHECK(metrics.queued_bytes == ws_conn_queued_bytes(it->client) + ws_conn_queued_bytes(it->server));
    CHECK(metrics.expiries[1] == 1 && metrics.closes[1] == 1); /* heartbeat, 1001 */

    list[0] = list[1] = &metrics;
    CHECK(ws_metrics_render(list, 2, NULL, 0, &len) == WS_ERR_BUFFER_TOO_SMALL);
    text = malloc(len + 1);
    CHECK(text != NULL && ws_metrics_render(list, 2, text, len + 1, &len) == WS_OK);
    CHECK(strlen(text) == len && strstr(text, "\nwsengine_messages_received_total{type=\"text\"} 12\n") != NULL);
    free(text);
}

/* A caller with an older idea of a struct is refused, and nothing behind its size is looked at. */
static void smaller_structs(ws_engine *engine) {
    size_t *size = malloc(sizeof *size);
    ws_conn *conn = NULL;
    CHECK(size != NULL);
    *size = sizeof *size;
    CHECK(ws_metrics_get(engine, (ws_metrics *)size) == WS_ERR_INVALID_ARGUMENT);
    CHECK(ws_conn_new_client(engine, (const ws_client_request *)size, &conn) == WS_ERR_INVALID_ARGUMENT);
    CHECK(ws_conn_new_server_from_request(engine, (const ws_parsed_request *)size, &conn) == WS_ERR_INVALID_ARGUMENT);
    CHECK(ws_frame_describe("\x81", 1, NULL, 0, (ws_frame_header *)size) == WS_ERR_INVALID_ARGUMENT);
    CHECK(conn == NULL && *size == sizeof *size);
    free(size);
}

int main(void) {
    char *text = malloc(BIG);
    host it = open_host();
    CHECK(text != NULL);
    fill(text, BIG);
    chunks_and_parts(&it, text);
    broadcast(&it, text);
    frame_of_the_host(&it, text);
    rest_of_a_frame(&it, text);
    back_pressure(&it);
    time_passes(&it);
    count(&it);
    smaller_structs(it.engine);
    large_message(it.engine);
    ws_conn_free(it.client);
    ws_conn_free(it.server);
    ws_engine_free(it.engine);
    free(text);
    printf("ok, libwsengine %s\n", ws_version());
    return 0;
}
