/* The C API from C99: a client and a server, joined in memory, with the library linked. Exit code 0 if all is well. */

#include "ws_engine.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Gives a portion by one of the ways in. What is lent stays untouched until there is nothing more to pull. */
static void give(ws_conn *to, char *portion, size_t len, size_t way) {
    void *buffer;
    size_t capacity;
    switch (way % 3) {
    case 0:
        CHECK(ws_conn_feed(to, portion, len) == WS_OK);
        memset(portion, '#', len);
        break;
    case 1:
        CHECK(ws_conn_feed_mut(to, portion, len) == WS_OK);
        break;
    default:
        CHECK(ws_conn_recv_buffer(to, len, &buffer, &capacity) == WS_OK && capacity >= len);
        memcpy(buffer, portion, len);
        CHECK(ws_conn_commit(to, len) == WS_OK);
        break;
    }
}

/* Moves all output of one connection to the other, in portions of `portion` bytes, and echoes what the server gets. */
static void carry(ws_conn *from, ws_conn *to, size_t portion, int echo, char *seen, size_t seen_size) {
    struct iovec slices[8];
    char bytes[512];
    ws_event event;
    seen[0] = '\0';
    while (ws_conn_output(from, slices, 8) > 0) {
        size_t len = slices[0].iov_len < portion ? slices[0].iov_len : portion;
        CHECK(len <= sizeof bytes);
        memcpy(bytes, slices[0].iov_base, len);
        CHECK(ws_conn_output_consume(from, len) == WS_OK);
        give(to, bytes, len, portion);
        while (ws_conn_next_event(to, &event) == WS_OK) {
            size_t used = strlen(seen);
            snprintf(seen + used, seen_size - used, "%d:%.*s;", (int)event.type, (int)event.len, event.data);
            if (echo && event.type == WS_EVENT_TEXT) {
                CHECK(ws_conn_queue_text(to, event.data, event.len) == WS_OK);
            }
        }
        CHECK(event.type == WS_EVENT_NONE);
        memset(bytes, '#', sizeof bytes);
    }
}

static void conversation(size_t portion) {
    char seen[512];
    const char *subprotocol = "chat.v1";
    ws_client_request request;
    ws_conn *client = NULL;
    ws_conn *server;
    ws_engine *engine;
    ws_config *config = ws_config_new();
    CHECK(ws_config_add_subprotocol(config, subprotocol) == WS_OK);
    engine = ws_engine_new(config);
    ws_config_free(config);
    server = ws_conn_new_server(engine);

    memset(&request, 0, sizeof request);
    request.struct_size = sizeof request;
    request.host = "localhost";
    request.target = "/chat";
    request.subprotocols = &subprotocol;
    request.subprotocol_count = 1;
    CHECK(ws_conn_new_client(engine, &request, &client) == WS_OK);

    carry(client, server, portion, 0, seen, sizeof seen);
    CHECK(strcmp(seen, "2:chat.v1;") == 0);
    carry(server, client, portion, 0, seen, sizeof seen);
    CHECK(strcmp(seen, "2:chat.v1;") == 0);

    CHECK(ws_conn_queue_text(client, "hello", 5) == WS_OK);
    CHECK(ws_conn_queue_ping(client, "?", 1) == WS_OK);
    CHECK(ws_conn_queue_close(client, 1000, "bye", 3) == WS_OK);
    CHECK(ws_conn_queue_text(client, "too late", 8) == WS_ERR_STATE);
    carry(client, server, portion, 1, seen, sizeof seen);
    CHECK(strcmp(seen, "3:hello;5:?;7:bye;") == 0);
    carry(server, client, portion, 0, seen, sizeof seen);
    CHECK(strcmp(seen, "3:hello;6:?;7:;") == 0);

    CHECK(ws_conn_wants_shutdown(server) == 1);
    CHECK(ws_conn_feed_eof(client) == WS_OK);
    CHECK(ws_conn_wants_abort(client) == 1);

    ws_engine_free(engine); /* before its connections: the order does not matter */
    ws_conn_free(client);
    ws_conn_free(server);
}

int main(void) {
    size_t portion;
    for (portion = 1; portion < 300; portion++) {
        conversation(portion);
    }
    printf("ok, libwsengine %s\n", ws_version());
    return 0;
}
