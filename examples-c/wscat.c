/* wscat.c: a small WebSocket client for the command line, and how the client role of wsengine is driven.
 *
 *     make && build/wscat ws://127.0.0.1:9001/           (--help lists the options and exit codes)
 *
 * Lines from stdin are sent as text messages, messages that arrive are printed, the end of stdin closes the connection.
 *
 * What it shows:
 *   - ws_conn_new_client() queues the request; from then on a client is driven as a server is: feed, pull, take the output.
 *   - Two directions in one poll(): stdin is not read while the server is slow to take what was sent.
 *   - What a host does about closing: the close frame, the answer, shutdown(), EOF.
 *   - What a host does about time: it tells the engine, which has a deadline for everything, and waits no longer than that says.
 *   - What the CLOSE event says about how it ended.
 */
#define _GNU_SOURCE
#include "common.h"
#include "settings.h"
#include "url.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum exit_code {
    EXIT_CLEAN = 0,
    EXIT_USAGE = 1,   /* wrong arguments, or no connection */
    EXIT_REFUSED = 2, /* the handshake failed */
    EXIT_UNCLEAN = 3, /* no close handshake, or a protocol error */
    EXIT_OTHER_CODE = 4
};

enum {
    MAX_MESSAGE = 64 * 1024 * 1024,
    HIGH_WATER = 1024 * 1024, /* stdin waits while more than this waits to be sent */
    STDIN_CHUNK = 64 * 1024,
    MAX_HEADERS = 32,
    MAX_SUBPROTOCOLS = 16,
    CONNECT_TIMEOUT_MS = 10 * 1000
};

struct options {
    const char *url;
    const char *origin;
    const char *subprotocols[MAX_SUBPROTOCOLS];
    size_t subprotocol_count;
    ws_header headers[MAX_HEADERS];
    size_t header_count;
    uint64_t wait_ms; /* between the end of stdin and the close frame */
    ws_config *config;
};

struct session {
    ws_engine *engine;
    ws_conn *conn;
    int fd;
    struct input input;
    uint64_t wait_ms;     /* options.wait_ms */
    bool stdin_open;
    char *line;           /* what was read of stdin and not sent yet */
    size_t line_length, line_capacity;
    uint64_t line_number;
    uint64_t close_at;    /* when to send the close frame; 0 = not while stdin is open */
    bool was_open;        /* the handshake succeeded */
    bool ended;           /* the CLOSE event came */
    bool peer_finished;   /* EOF was read */
    bool write_failed;    /* the server takes nothing more; what it sent may still be there to read */
    bool shut_down;
    int exit_code;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

/* ---- printing ---- */

/* Bytes of a server must not drive a terminal: there, control characters (C0, DEL and C1) are shown as \xNN. */
static void print_text(FILE *out, const char *data, size_t length)
{
    static int is_terminal[3] = {-1, -1, -1};
    int fd = fileno(out);
    if (is_terminal[fd] < 0)
        is_terminal[fd] = isatty(fd);
    if (!is_terminal[fd]) {
        fwrite(data, 1, length, out);
        return;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)data[i];
        bool c1 = byte == 0xc2 && i + 1 < length && (unsigned char)data[i + 1] < 0xa0;
        if (c1)
            fprintf(out, "\\x%02x", (unsigned char)data[++i]);
        else if ((byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7f)
            fprintf(out, "\\x%02x", byte);
        else
            putc(byte, out);
    }
}

static void print_binary(const char *data, size_t length)
{
    printf("<binary, %zu bytes>", length);
    for (size_t i = 0; i < length && i < 64; i++)
        printf(" %02x", (unsigned char)data[i]);
    puts(length > 64 ? " ..." : "");
}

/* "* ping: payload", on stderr so that stdout holds messages alone. */
static void note(const char *what, const char *data, size_t length)
{
    fprintf(stderr, "* %s", what);
    if (length > 0) {
        fputs(": ", stderr);
        print_text(stderr, data, length);
    }
    fputc('\n', stderr);
}

/* ---- what comes from the server ---- */

static void handle_close(struct session *session, const ws_event *event)
{
    session->ended = true;
    if (!session->was_open) {
        session->exit_code = EXIT_REFUSED;
        if (event->http_status != 0 && event->http_status != 101)
            fprintf(stderr, "* handshake refused: HTTP status %u\n", event->http_status);
        else
            fprintf(stderr, "* handshake failed: %s\n", event->detail[0] ? event->detail : "the connection was lost");
        return;
    }

    uint16_t code = event->close_code;
    if (!event->clean)
        session->exit_code = EXIT_UNCLEAN;
    else
        session->exit_code = code == 1000 || code == 1001 || code == 1005 ? EXIT_CLEAN : EXIT_OTHER_CODE;

    const char *who = event->initiator == WS_CLOSED_BY_PEER ? "closed by the server"
                      : event->initiator == WS_CLOSED_BY_US ? "closed by us"
                                                            : "the connection was lost";
    char what[256];
    snprintf(what, sizeof what, "%s, code %u%s%s%s", who, code, event->clean ? "" : ", not cleanly",
             event->detail[0] ? ", " : "", event->detail);
    note(what, event->data, event->len);
}

static void handle_events(struct session *session)
{
    ws_event event;
    ws_status status;
    while ((status = next_event(session->conn, &session->input, &event)) == WS_OK) {
        switch (event.type) {
        case WS_EVENT_OPEN:
            session->was_open = true;
            note(event.len > 0 ? "connected, subprotocol" : "connected", event.data, event.len);
            break;
        case WS_EVENT_TEXT:
            print_text(stdout, event.data, event.len);
            putchar('\n');
            break;
        case WS_EVENT_BINARY:
            print_binary(event.data, event.len);
            break;
        case WS_EVENT_PING: /* the engine has answered it */
            note("ping", event.data, event.len);
            break;
        case WS_EVENT_PONG:
            if (event.rtt_ms < 0) /* not the answer to a ping of the engine's own */
                note("pong", event.data, event.len);
            break;
        case WS_EVENT_CLOSE:
            handle_close(session, &event);
            break;
        default:
            break;
        }
    }
    fflush(stdout);
    if (status != WS_AGAIN)
        die(EXIT_UNCLEAN, "engine: %s", ws_strerror(status));
}

static void read_socket(struct session *session)
{
    switch (receive_input(session->conn, session->fd, &session->input)) {
    case RECEIVE_NOTHING:
        return;
    case RECEIVE_FAILED:
        die(EXIT_UNCLEAN, "the engine refused input");
    case RECEIVE_EOF:
        session->peer_finished = true;
        break;
    case RECEIVE_DATA:
        break;
    }
    handle_events(session);
}

/* ---- what goes to the server ---- */

static void send_line(struct session *session, const char *line, size_t length)
{
    session->line_number++;
    if (length > 0 && line[length - 1] == '\r')
        length--;
    ws_status status = ws_conn_queue_text(session->conn, line, length);
    if (status != WS_OK) /* invalid UTF-8, for example; the connection is as it was */
        warn("line %llu was not sent: %s", (unsigned long long)session->line_number, ws_strerror(status));
}

static void end_of_stdin(struct session *session)
{
    session->stdin_open = false;
    session->close_at = now_ms() + session->wait_ms;
}

static void read_stdin(struct session *session)
{
    if (session->line_capacity - session->line_length < STDIN_CHUNK) {
        size_t capacity = 2 * session->line_capacity + STDIN_CHUNK;
        char *larger = realloc(session->line, capacity);
        if (!larger)
            die(EXIT_USAGE, "out of memory");
        session->line = larger;
        session->line_capacity = capacity;
    }

    ssize_t received = read(STDIN_FILENO, session->line + session->line_length, STDIN_CHUNK);
    if (received < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (received <= 0) {
        if (session->line_length > 0)
            send_line(session, session->line, session->line_length);
        end_of_stdin(session);
        return;
    }

    char *start = session->line, *unseen = session->line + session->line_length, *end = unseen + received, *newline;
    while ((newline = memchr(unseen, '\n', (size_t)(end - unseen))) != NULL) {
        send_line(session, start, (size_t)(newline - start));
        start = unseen = newline + 1;
    }
    session->line_length = (size_t)(end - start);
    memmove(session->line, start, session->line_length);
    if (session->line_length > MAX_MESSAGE)
        die(EXIT_USAGE, "line %llu is longer than %d bytes", (unsigned long long)session->line_number + 1, MAX_MESSAGE);
}

static void begin_close(struct session *session)
{
    session->stdin_open = false;
    session->close_at = 0;
    if (ws_conn_state(session->conn) == WS_STATE_OPEN)
        (void)ws_conn_queue_close(session->conn, 1000, NULL, 0); /* the engine waits for the answer, but not for ever */
}

/* ---- the session ---- */

/* Does what needs no waiting. True when the session is over. */
static bool settle(struct session *session, bool *output_blocked)
{
    if (interrupted) {
        interrupted = 0;
        if (!session->was_open)
            return true;
        session->close_at = now_ms();
    }
    if (session->close_at != 0 && now_ms() >= session->close_at)
        begin_close(session);

    flush_result flushed = session->write_failed ? FLUSH_FAILED : flush_output(session->conn, session->fd);
    session->write_failed = flushed == FLUSH_FAILED;
    *output_blocked = flushed == FLUSH_BLOCKED;

    if (session->peer_finished || (session->ended && (session->write_failed || ws_conn_wants_abort(session->conn))))
        return true;
    if (ws_conn_wants_shutdown(session->conn) && !session->shut_down) {
        session->shut_down = true;
        shutdown(session->fd, SHUT_WR);
    }
    return false;
}

static int wait_timeout(const struct session *session)
{
    uint64_t now = now_ms(), until = ws_engine_next_deadline(session->engine); /* UINT64_MAX: none */
    if (session->close_at != 0 && session->close_at < until)
        until = session->close_at;
    if (until == UINT64_MAX)
        return -1;
    return until <= now ? 0 : until - now < 1000 * 1000 ? (int)(until - now) : 1000 * 1000;
}

static int run_session(struct session *session)
{
    sigset_t no_signals;
    sigemptyset(&no_signals);
    ws_engine_advance(session->engine, now_ms()); /* from here on its deadlines count */
    session->exit_code = EXIT_UNCLEAN; /* unless the CLOSE event says something else */

    for (bool output_blocked = false; !settle(session, &output_blocked);) {
        bool take_lines = session->stdin_open && ws_conn_state(session->conn) == WS_STATE_OPEN &&
                          ws_conn_queued_bytes(session->conn) < HIGH_WATER;
        struct pollfd watched[2] = {{.fd = session->fd, .events = POLLIN | (output_blocked ? POLLOUT : 0)},
                                    {.fd = take_lines ? STDIN_FILENO : -1, .events = POLLIN}};
        int timeout = wait_timeout(session);
        struct timespec duration = {.tv_sec = timeout / 1000, .tv_nsec = timeout % 1000 * 1000000L};
        if (ppoll(watched, 2, timeout < 0 ? NULL : &duration, &no_signals) < 0) {
            if (errno == EINTR)
                continue;
            die(EXIT_USAGE, "poll: %s", strerror(errno));
        }
        ws_engine_advance(session->engine, now_ms());
        if (watched[0].revents & (POLLIN | POLLHUP | POLLERR))
            read_socket(session);
        if (watched[1].revents && ws_conn_state(session->conn) == WS_STATE_OPEN)
            read_stdin(session);
        if (ws_engine_next_due(session->engine) == session->conn) /* there is no other */
            handle_events(session);
    }
    return session->was_open || session->ended ? session->exit_code : EXIT_REFUSED;
}

/* ---- main ---- */

static void print_help(FILE *out)
{
    fprintf(out, "usage: wscat URL [OPTION]...\n"
                 "\n"
                 "Sends each line of stdin as a text message, without its line end, and prints each message that comes,\n"
                 "with one; binary ones in hex. Pings, pongs and the close are shown on stderr. At the end of stdin\n"
                 "it sends a close frame (1000) and waits for the answer. Ctrl-C closes at once.\n"
                 "\n"
                 "  URL             ws://host[:port][/path][?query]; an IPv6 address in brackets; wss:// is not supported\n"
                 "  -H, --header    a header for the request; may be repeated\n"
                 "  -s, --subprotocol  a subprotocol to offer; may be repeated, the first is liked best\n"
                 "  -o, --origin    the Origin header, as a browser would send it\n"
                 "  -w, --wait      stay for so many seconds after the end of stdin (default 0)\n"
                 SETTING_HELP
                 "\n"
                 "Exit code:\n"
                 "  0  closed cleanly with code 1000, 1001 or none (1005)\n"
                 "  1  wrong arguments, or no TCP connection\n"
                 "  2  the handshake failed: refused with an HTTP status, a wrong answer, or none\n"
                 "  3  not closed cleanly: connection lost, protocol error, no answer to our close frame\n"
                 "  4  closed cleanly with another code\n");
}

static ws_header parse_header(char *text)
{
    char *colon = strchr(text, ':');
    if (!colon || colon == text)
        die(EXIT_USAGE, "-H '%s': not of the form 'Name: value'", text);
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t length = strlen(value);
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
        length--;
    return (ws_header){.name = text, .name_len = (size_t)(colon - text), .value = value, .value_len = length};
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option known[] = {{"header", required_argument, NULL, 'H'},
                                          {"subprotocol", required_argument, NULL, 's'},
                                          {"origin", required_argument, NULL, 'o'},
                                          {"wait", required_argument, NULL, 'w'},
                                          SETTING_ROWS,
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct options options = {.config = new_config()};
    uint64_t seconds;
    for (int option; (option = getopt_long(argc, argv, "H:s:o:w:h", known, NULL)) != -1;) {
        switch (option) {
        case 'H':
            if (options.header_count == MAX_HEADERS)
                die(EXIT_USAGE, "more than %d headers", MAX_HEADERS);
            options.headers[options.header_count++] = parse_header(optarg);
            break;
        case 's':
            if (options.subprotocol_count == MAX_SUBPROTOCOLS)
                die(EXIT_USAGE, "more than %d subprotocols", MAX_SUBPROTOCOLS);
            options.subprotocols[options.subprotocol_count++] = optarg;
            break;
        case 'o':
            options.origin = optarg;
            break;
        case 'w':
            if (!parse_number(optarg, 0, 1000 * 1000, &seconds))
                die(EXIT_USAGE, "-w %s: not a number of seconds from 0 to 1000000", optarg);
            options.wait_ms = seconds * 1000;
            break;
        case 'h':
            print_help(stdout);
            exit(0);
        default:
            if (take_setting(options.config, option, optarg, EXIT_USAGE))
                break;
            print_help(stderr);
            exit(EXIT_USAGE);
        }
    }
    if (argc - optind != 1) {
        print_help(stderr);
        exit(EXIT_USAGE);
    }
    options.url = argv[optind];
    return options;
}

/* SIGINT is let through only while poll() waits, so that none falls between a look at the flag and the wait. */
static void catch_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND}; /* a second one kills */
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, NULL);
    sigaction(SIGINT, &action, NULL);
}

int main(int argc, char **argv)
{
    set_program_name(argv[0]);
    struct options options = parse_options(argc, argv);

    static struct url url;
    char why[256];
    if (!parse_url(options.url, &url, why, sizeof why))
        die(EXIT_USAGE, "%s: %s", options.url, why);

    /* The request is made first: a header that the engine refuses should not cost a connection. */
    ws_engine *engine = new_engine(options.config, MAX_MESSAGE, 2 * HIGH_WATER);
    ws_config_free(options.config);
    ws_client_request request = {.struct_size = sizeof request,
                                 .host = url.host_header,
                                 .target = url.target,
                                 .origin = options.origin,
                                 .subprotocols = options.subprotocols,
                                 .subprotocol_count = options.subprotocol_count,
                                 .headers = options.headers,
                                 .header_count = options.header_count};
    struct session session = {.engine = engine, .stdin_open = true, .wait_ms = options.wait_ms};
    ws_status status = ws_conn_new_client(engine, &request, &session.conn);
    if (status != WS_OK)
        die(EXIT_USAGE, "the request was refused before it was sent: %s", ws_strerror(status));

    session.fd = connect_tcp(url.host, url.port, CONNECT_TIMEOUT_MS, why, sizeof why);
    if (session.fd < 0)
        die(EXIT_USAGE, "cannot connect to %s port %s: %s", url.host, url.port, why);

    catch_interrupt();
    int exit_code = run_session(&session);

    ws_conn_free(session.conn);
    ws_engine_free(engine);
    close(session.fd);
    free(session.line);
    return exit_code;
}
