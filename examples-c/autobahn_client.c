/* autobahn_client.c: drives the client role of wsengine through the cases of an Autobahn-style fuzzing server.
 *
 *     make && build/autobahn_client 127.0.0.1:9001              all cases
 *             build/autobahn_client 127.0.0.1:9001 17           case 17 alone
 *             build/autobahn_client 127.0.0.1:9001 17 30        cases 17 to 30
 *             build/autobahn_client --help                      the options
 *
 * The server says how many cases it has (/getCaseCount), misbehaves in another way on each /runCase?case=N, and writes its
 * report after /updateReports. The client echoes every message with the opcode that it came with; the verdict is the
 * server's. Exit code: 0 every case was driven to its end (whatever the verdict), 1 the server could not be reached, timed
 * out or answered nonsense.
 *
 * What it shows: the shortest complete loop of a client, and many connections, one after the other, from one engine.
 */
#define _GNU_SOURCE
#include "common.h"
#include "settings.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MAX_MESSAGE = 64 * 1024 * 1024,
    CONNECT_TIMEOUT_MS = 10 * 1000,
    SILENCE_TIMEOUT_MS = 120 * 1000, /* without a byte from the server */
    LINGER_TIMEOUT_MS = 2 * 1000 /* for its EOF, once the close frames are exchanged */
};

struct server {
    char host[256];
    const char *port;
    const char *authority; /* for the Host header */
    ws_engine *engine;
    struct input input;    /* its connections come one after the other, so they share it */
};

/* What a connection brought. */
struct visit {
    bool echo;        /* send messages back; otherwise the last one is kept in `answer` */
    bool was_open;
    char answer[32];
};

static void handle_message(ws_conn *conn, struct visit *visit, const ws_event *event)
{
    if (!visit->echo)
        snprintf(visit->answer, sizeof visit->answer, "%.*s", (int)(event->len < 31 ? event->len : 31), event->data);
    else if (event->type == WS_EVENT_TEXT)
        (void)ws_conn_queue_text(conn, event->data, event->len); /* fails behind a close frame: then no answer is due */
    else
        (void)ws_conn_queue_binary(conn, event->data, event->len);
}

static void handle_events(ws_conn *conn, struct input *input, struct visit *visit)
{
    ws_event event;
    ws_status status;
    while ((status = next_event(conn, input, &event)) == WS_OK) {
        if (event.type == WS_EVENT_OPEN)
            visit->was_open = true;
        else if (event.type == WS_EVENT_TEXT || event.type == WS_EVENT_BINARY)
            handle_message(conn, visit, &event);
        else if (event.type == WS_EVENT_CLOSE && !visit->was_open)
            die(1, "the handshake failed: %s (HTTP status %u)", event.detail, event.http_status);
    }
    if (status != WS_AGAIN)
        die(1, "engine: %s", ws_strerror(status));
}

static void drive(ws_conn *conn, int fd, struct input *input, struct visit *visit, const char *target)
{
    for (bool shut_down = false;;) {
        /* A server that breaks off is part of the game: what it sent before is still read, up to its EOF. */
        flush_result flushed = flush_output(conn, fd);
        if (ws_conn_wants_abort(conn))
            return;
        if (ws_conn_wants_shutdown(conn) && !shut_down) {
            shutdown(fd, SHUT_WR);
            shut_down = true;
        }

        bool over = ws_conn_state(conn) == WS_STATE_CLOSED; /* but for the server's EOF */
        struct pollfd socket = {.fd = fd, .events = POLLIN | (flushed == FLUSH_BLOCKED ? POLLOUT : 0)};
        int ready = poll(&socket, 1, over ? LINGER_TIMEOUT_MS : SILENCE_TIMEOUT_MS);
        if (ready == 0 && over)
            return;
        if (ready == 0)
            die(1, "%s: nothing from the server for %d seconds", target, SILENCE_TIMEOUT_MS / 1000);
        if (ready < 0 && errno != EINTR)
            die(1, "poll: %s", strerror(errno));
        if (ready <= 0 || !(socket.revents & (POLLIN | POLLHUP | POLLERR)))
            continue;

        receive_result received = receive_input(conn, fd, input);
        if (received == RECEIVE_FAILED)
            die(1, "%s: the engine refused input", target);
        if (received != RECEIVE_NOTHING)
            handle_events(conn, input, visit);
        if (received == RECEIVE_EOF)
            return;
    }
}

static void visit_server(struct server *server, const char *target, struct visit *visit)
{
    ws_client_request request = {.struct_size = sizeof request, .host = server->authority, .target = target};
    ws_conn *conn;
    ws_status status = ws_conn_new_client(server->engine, &request, &conn);
    if (status != WS_OK)
        die(1, "%s: %s", target, ws_strerror(status));
    char why[256];
    int fd = connect_tcp(server->host, server->port, CONNECT_TIMEOUT_MS, why, sizeof why);
    if (fd < 0)
        die(1, "cannot connect to %s: %s", server->authority, why);

    drive(conn, fd, &server->input, visit, target);
    if (!visit->was_open)
        die(1, "%s: the connection was lost before the handshake was complete", target);
    ws_conn_free(conn);
    close(fd);
}

static uint64_t case_count(struct server *server)
{
    struct visit visit = {.echo = false};
    uint64_t count;
    visit_server(server, "/getCaseCount", &visit);
    if (!parse_number(visit.answer, 1, 100000, &count))
        die(1, "/getCaseCount: expected a number, got '%s'", visit.answer);
    return count;
}

static void print_help(FILE *out)
{
    fprintf(out, "usage: autobahn_client [OPTION]... HOST:PORT [FIRST [LAST]]\n"
                 "\n"
                 "Drives the cases FIRST to LAST (all; FIRST alone) of the fuzzing server at HOST:PORT.\n"
                 "\n"
                 SETTING_HELP
                 "  --read-size BYTES    most bytes of one recv() (default: all the room there is)\n"
                 "  --feed-size BYTES    most bytes that the engine gets at a time (default: all that was read)\n");
}

static void parse_options(int argc, char **argv, ws_config *config, struct input *input)
{
    static const struct option known[] = {SETTING_ROWS,
                                          {"read-size", required_argument, NULL, 'r'},
                                          {"feed-size", required_argument, NULL, 'f'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    uint64_t number;
    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        switch (option) {
        case 'r':
        case 'f':
            if (!parse_number(optarg, 1, RECEIVE_BUFFER, &number))
                die(1, "%s: not a number of bytes from 1 to %d", optarg, RECEIVE_BUFFER);
            *(option == 'r' ? &input->read_size : &input->feed_size) = (size_t)number;
            break;
        case 'h':
            print_help(stdout);
            exit(0);
        default:
            if (take_setting(config, option, optarg, 1))
                break;
            print_help(stderr);
            exit(1);
        }
    }
    if (argc - optind < 1 || argc - optind > 3) {
        print_help(stderr);
        exit(1);
    }
}

static void parse_authority(struct server *server, const char *text)
{
    const char *colon = strrchr(text, ':');
    size_t host_length = colon ? (size_t)(colon - text) : 0;
    uint64_t number;
    if (host_length == 0 || host_length >= sizeof server->host || !parse_number(colon + 1, 1, 65535, &number))
        die(1, "%s: not of the form HOST:PORT", text);
    bool bracketed = text[0] == '[' && colon[-1] == ']'; /* [::1]:9001 */
    snprintf(server->host, sizeof server->host, "%.*s", (int)(host_length - 2 * bracketed), text + bracketed);
    server->port = colon + 1;
    server->authority = text;
}

int main(int argc, char **argv)
{
    static char buffer[RECEIVE_BUFFER];
    struct server server = {.input = {.buffer = buffer}};
    ws_config *config = new_config();
    set_program_name(argv[0]);
    parse_options(argc, argv, config, &server.input);
    const char *const *words = (const char *const *)argv + optind;
    parse_authority(&server, words[0]);
    server.engine = new_engine(config, MAX_MESSAGE, MAX_MESSAGE);
    ws_config_free(config);

    uint64_t count = case_count(&server), first = 1, last = count;
    if (words[1] && !parse_number(words[1], 1, count, &first))
        die(1, "%s: not a case from 1 to %llu", words[1], (unsigned long long)count);
    if (words[1])
        last = first;
    if (words[1] && words[2] && !parse_number(words[2], first, count, &last))
        die(1, "%s: not a case from %llu to %llu", words[2], (unsigned long long)first, (unsigned long long)count);

    for (uint64_t i = first; i <= last; i++) {
        char target[64];
        struct visit visit = {.echo = true};
        snprintf(target, sizeof target, "/runCase?case=%llu&agent=wsengine", (unsigned long long)i);
        printf("case %llu of %llu\n", (unsigned long long)i, (unsigned long long)count);
        fflush(stdout);
        visit_server(&server, target, &visit);
    }

    struct visit visit = {.echo = false};
    visit_server(&server, "/updateReports?agent=wsengine", &visit);
    ws_engine_free(server.engine);
    return 0;
}
