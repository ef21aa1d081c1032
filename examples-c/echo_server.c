/* echo_server.c: a WebSocket echo server on epoll, and the way in which a fast host drives wsengine.
 *
 *     make && build/echo_server --port 9001              (--help lists the options)
 *
 * What it shows:
 *   - One engine per thread. Each worker has its own listener (SO_REUSEPORT), epoll set, engine and connections; nothing is
 *     shared and nothing is locked.
 *   - One recv() per event, into memory that the engine lends: one large buffer that all connections of the loop share, or the
 *     place where a large message is put together. An idle connection costs no buffer.
 *   - Everything that a read produced is pulled in batches, answered, and written at once, or in pieces of 128 KiB where that is
 *     much: pipelined messages cost one system call together, not one each. This is where most servers lose a factor of ten.
 *   - No epoll_ctl() in the steady state: EPOLLOUT is armed when a write came up short, and disarmed when the rest is out.
 *   - Back-pressure: a client that sends and never reads is not read from any more once its output is too long, and what was
 *     read stays in the engine unlooked at, so that it costs bounded memory, and TCP tells it to wait. That goes for compressed
 *     messages too, which grow a thousandfold: they are inflated one by one, as there is room.
 *   - The echo is queued straight from the event; the program holds no copy of a message, and 40 bytes for a connection. A large
 *     message is not even queued: it is written from where it lies, and only what the socket does not take is copied.
 *   - One timer for all connections: epoll_wait() returns for the engine's next deadline, and the engine says whose it was.
 *     Handshakes, pings, answers to close frames and writes that stall are all timed by it.
 *   - Closing without losing the last bytes: shutdown(), read until EOF, then close().
 */
#define _GNU_SOURCE
#include "common.h"
#include "echo_options.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    /* A connection with more output than HIGH_WATER waiting is not read from until it has no more than LOW_WATER. */
    HIGH_WATER = 1024 * 1024,
    LOW_WATER = 256 * 1024,
    WRITE_AT = 128 * 1024, /* so much is written at once, in one message or many: it is in the CPU's cache still */
    EVENTS_PER_WAIT = 512,
    EVENTS_PER_PULL = 32,
    ACCEPTS_PER_EVENT = 256, /* so that a flood of connections leaves time for those that are there */

    ACCEPT_PAUSE_MS = 1000,
    DRAIN_TIMEOUT_MS = 3 * 1000 /* for everybody, once the server was told to stop */
};

/* A list that links through its members, so that joining and leaving cost nothing and allocate nothing. */
struct link {
    struct link *previous, *next;
};

/* Input of a client that is not read from; only with --feed-size, otherwise the engine keeps it. */
struct rest {
    size_t length;
    char bytes[];
};

struct client {
    struct link in_all;     /* loop->clients */
    ws_conn *conn;
    struct rest *rest;      /* what was read and not fed before reading was paused, or NULL */
    int fd;
    uint8_t interest;       /* what epoll was last told to watch: EPOLLIN, EPOLLOUT, both or neither */
    bool reading_paused;    /* the output was too long: what the engine has goes on when it is short again, then reading */
    bool output_blocked : 1; /* the socket takes no more now */
    bool lingering : 1;     /* shutdown() was called; the peer's EOF is awaited */
    bool peer_finished : 1; /* EOF was read */
    bool compresses : 1;    /* permessage-deflate was agreed on */
};

struct loop {
    int epoll_fd;
    int listener;           /* -1 once the loop is stopping */
    int stop_fd;            /* becomes readable when the loop is to stop: a signalfd of the first loop, eventfds of others */
    bool accepting_paused;  /* out of file descriptors */
    bool stopping;
    uint64_t now;           /* read from the clock once per turn */
    uint64_t accept_again_at; /* while accepting is paused */
    uint64_t drain_deadline;
    ws_engine *engine;
    struct link clients;
    struct input input;
};

static struct loop loops[MAX_WORKERS];
static unsigned loop_count;

/* ---- intrusive lists ---- */

#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

static void list_init(struct link *list)
{
    list->previous = list->next = list;
}

static bool list_is_empty(const struct link *list)
{
    return list->next == list;
}

static void list_add(struct link *list, struct link *item)
{
    item->previous = list->previous;
    item->next = list;
    list->previous->next = item;
    list->previous = item;
}

static void list_remove(struct link *item)
{
    item->previous->next = item->next;
    item->next->previous = item->previous;
    item->previous = item->next = item;
}

/* ---- one client ---- */

static void drop_client(struct client *client)
{
    list_remove(&client->in_all);
    ws_conn_free(client->conn);
    free(client->rest);
    close(client->fd); /* leaves the epoll set by itself */
    free(client);
}

static void add_client(struct loop *loop, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);

    struct client *client = calloc(1, sizeof *client);
    ws_conn *conn = client ? ws_conn_new_server(loop->engine) : NULL;
    struct epoll_event registration = {.events = EPOLLIN, .data.ptr = client};
    if (!conn || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &registration) != 0) {
        warn("a connection was refused: out of memory");
        ws_conn_free(conn);
        free(client);
        close(fd);
        return;
    }
    client->conn = conn;
    client->fd = fd;
    client->interest = EPOLLIN;
    ws_conn_set_user_data(conn, client);
    list_add(&loop->clients, &client->in_all);
}

/* Stops reading from a client, for its output is too long. From here on the engine holds its messages back. */
static bool pause_reading(struct loop *loop, struct client *client)
{
    client->reading_paused = true;
    ws_conn_set_reading(client->conn, 0); /* a pong cannot come now either */

    size_t length = loop->input.rest_length;
    if (length == 0)
        return true;
    client->rest = malloc(sizeof *client->rest + length);
    if (!client->rest)
        return false;
    client->rest->length = length;
    memcpy(client->rest->bytes, loop->input.rest, length);
    loop->input.rest_length = 0;
    return true;
}

/* Echoes a part of a message, be it a chunk or a frame, as a frame. */
static ws_status echo_part(ws_conn *conn, const ws_event *event, bool first)
{
    ws_status status = first ? ws_conn_queue_begin(conn, event->opcode) : WS_OK;
    if (status != WS_OK)
        return status;
    return event->last ? ws_conn_queue_end(conn, event->data, event->len) : ws_conn_queue_part(conn, event->data, event->len);
}

static ws_status queue_answer(ws_conn *conn, const ws_event *event)
{
    switch (event->type) {
    case WS_EVENT_TEXT:
        return ws_conn_queue_text(conn, event->data, event->len);
    case WS_EVENT_BINARY:
        return ws_conn_queue_binary(conn, event->data, event->len);
    case WS_EVENT_CHUNK:
        return echo_part(conn, event, event->first);
    case WS_EVENT_FRAME:
        return echo_part(conn, event, event->opcode != 0); /* 0 continues a message */
    default:
        return WS_OK; /* the engine answers pings and close frames; the rest needs no answer */
    }
}

/* Notes what came of a write. False when the connection is broken. */
static bool went_out(struct client *client, flush_result flushed)
{
    client->output_blocked = flushed == FLUSH_BLOCKED;
    return flushed != FLUSH_FAILED;
}

/* Answers an event: a large message at once, anything else in the output. False when the connection has to be dropped. */
static bool answer(struct client *client, const ws_event *event)
{
    if (event->type == WS_EVENT_OPEN)
        client->compresses = event->compressed;

    bool is_text = event->type == WS_EVENT_TEXT, is_message = is_text || event->type == WS_EVENT_BINARY;
    if (is_message && event->len >= WRITE_AT && !client->compresses && !client->output_blocked) {
        ws_message_type type = is_text ? WS_MESSAGE_TEXT : WS_MESSAGE_BINARY;
        if (!went_out(client, flush_output(client->conn, client->fd)))
            return false;
        if (!client->output_blocked) /* and so nothing waits */
            return went_out(client, send_frame(client->conn, client->fd, type, event->data, event->len));
    }

    /* A message behind our own close frame cannot be answered any more. Nothing else fails: the queue has room for
     * HIGH_WATER and a message and what comes with one read, and there is never more in it. */
    ws_status status = queue_answer(client->conn, event);
    return status == WS_OK || status == WS_ERR_STATE;
}

/* Pulls the events that input or time has brought and queues the answers, until there are none or the output is too long.
 * False when the connection has to be dropped. */
static bool handle_events(struct loop *loop, struct client *client)
{
    for (size_t unwritten = 0;;) {
        if (ws_conn_above_high_water(client->conn) && !client->reading_paused && !pause_reading(loop, client))
            return false;
        ws_event events[EVENTS_PER_PULL];
        size_t count;
        ws_status status = next_events(client->conn, &loop->input, events, EVENTS_PER_PULL, &count);
        if (status == WS_AGAIN)
            return true;
        if (status != WS_OK)
            return false;

        for (size_t i = 0; i < count; i++) {
            if (!answer(client, &events[i]))
                return false;
            unwritten += events[i].len;
            if (unwritten >= WRITE_AT && !client->output_blocked) {
                if (!went_out(client, flush_output(client->conn, client->fd)))
                    return false;
                unwritten = 0;
            }
        }
    }
}

/* Goes on where pause_reading() stopped. */
static bool resume_reading(struct loop *loop, struct client *client)
{
    struct rest *rest = client->rest;
    client->rest = NULL;
    client->reading_paused = false;
    ws_conn_set_reading(client->conn, 1);
    if (rest) {
        loop->input.rest = rest->bytes;
        loop->input.rest_length = rest->length;
    }
    bool good = handle_events(loop, client);
    loop->input.rest_length = 0; /* of a client that is dropped halfway */
    free(rest);
    return good;
}

static bool watch(struct loop *loop, struct client *client, uint32_t interest)
{
    if (interest == client->interest)
        return true;
    struct epoll_event registration = {.events = interest, .data.ptr = client};
    client->interest = (uint8_t)interest;
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, client->fd, &registration) == 0;
}

/* Goes on to the end of a connection that is over: reads until EOF, so that close() does not turn into a reset that could
 * destroy our last bytes on their way. What still comes is fed like anything else, and ignored by the engine. */
static bool linger(struct loop *loop, struct client *client)
{
    if (client->peer_finished)
        return false;
    if (client->lingering)
        return true;
    client->lingering = true;
    client->reading_paused = false;
    return shutdown(client->fd, SHUT_WR) == 0 && watch(loop, client, EPOLLIN);
}

/* Brings a client in order after its connection was given or asked something: writes what is to write, then decides what to
 * wait for. False when the connection is over. */
static bool settle(struct loop *loop, struct client *client)
{
    if (!went_out(client, flush_output(client->conn, client->fd)))
        return false;

    if (ws_conn_state(client->conn) == WS_STATE_CLOSED) {
        if (ws_conn_wants_abort(client->conn))
            return false;
        if (ws_conn_wants_shutdown(client->conn))
            return linger(loop, client);
    }
    if (client->peer_finished && !client->output_blocked)
        return false;

    /* A paused client whose output has fallen waits for EPOLLOUT, too, even if it can be written to: so it goes on in the
     * next turn, and the others have theirs in between. */
    uint32_t interest = client->output_blocked || client->reading_paused ? EPOLLOUT : 0;
    if (!client->reading_paused && !client->peer_finished)
        interest |= EPOLLIN;
    return watch(loop, client, interest);
}

/* What epoll reported for a client. False when the connection is over. */
static bool handle_client(struct loop *loop, struct client *client, uint32_t ready)
{
    if (ready & EPOLLERR)
        return false;

    if (client->reading_paused) {
        if (ready & EPOLLHUP) /* nobody is there to read what waits */
            return false;
        if (!ws_conn_above_high_water(client->conn) && !resume_reading(loop, client))
            return false;
        return settle(loop, client);
    }

    /* EPOLLHUP comes unasked: the read below finds out what it means. */
    if ((ready & (EPOLLIN | EPOLLHUP)) && !client->peer_finished) {
        switch (receive_input(client->conn, client->fd, &loop->input)) {
        case RECEIVE_DATA:
            break;
        case RECEIVE_EOF:
            client->peer_finished = true;
            break;
        case RECEIVE_NOTHING:
            return settle(loop, client);
        case RECEIVE_FAILED:
            return false;
        }
        bool good = handle_events(loop, client);
        loop->input.rest_length = 0; /* of a client that is dropped halfway */
        if (!good)
            return false;
    }
    return settle(loop, client);
}

/* ---- one loop ---- */

static bool pause_accepting(struct loop *loop, bool pause)
{
    struct epoll_event registration = {.events = pause ? 0 : EPOLLIN, .data.ptr = &loop->listener};
    loop->accepting_paused = pause;
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, loop->listener, &registration) == 0;
}

static void accept_clients(struct loop *loop)
{
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        int fd = accept4(loop->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add_client(loop, fd);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* The connection stays in the kernel's queue and would wake us at once, again and again: look away. */
            warn("accept: %s; trying again in a second", strerror(errno));
            pause_accepting(loop, true);
            loop->accept_again_at = loop->now + ACCEPT_PAUSE_MS;
            return;
        }
        /* Anything else is the misfortune of this one connection: it was gone before we took it. */
    }
}

/* Looks after the clients to which time has done something: a ping is due, or somebody is late. */
static void handle_due(struct loop *loop)
{
    for (ws_conn *conn; (conn = ws_engine_next_due(loop->engine)) != NULL;) {
        struct client *client = ws_conn_user_data(conn);
        if (!handle_events(loop, client) || !settle(loop, client))
            drop_client(client);
    }
}

/* Passes the signal that the first loop got on to the others. Nobody may come in any more before anybody is sent away: a
 * worker that has not been woken yet would still accept who was told goodbye by another and tries again. */
static void stop_all(struct loop *first)
{
    struct signalfd_siginfo got;
    sigset_t all;
    if (read(first->stop_fd, &got, sizeof got) != (ssize_t)sizeof got)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_UNBLOCK, &all, NULL); /* a second signal ends the program at once */
    for (unsigned i = 0; i < loop_count; i++)
        shutdown(loops[i].listener, SHUT_RDWR);
    for (unsigned i = 1; i < loop_count; i++)
        (void)!write(loops[i].stop_fd, &(uint64_t){1}, sizeof(uint64_t));
}

/* Stops accepting and says goodbye to everybody. */
static void begin_stop(struct loop *loop)
{
    static const char reason[] = "server is going away";
    loop->stopping = true;
    loop->drain_deadline = loop->now + DRAIN_TIMEOUT_MS;
    loop->accepting_paused = false;
    close(loop->listener);
    loop->listener = -1;

    for (struct link *item = loop->clients.next, *next; item != &loop->clients; item = next) {
        next = item->next;
        struct client *client = CONTAINER_OF(item, struct client, in_all);
        if (ws_conn_state(client->conn) == WS_STATE_CONNECTING) {
            drop_client(client);
        } else if (ws_conn_state(client->conn) == WS_STATE_OPEN) {
            if (ws_conn_queue_close(client->conn, 1001, reason, sizeof reason - 1) != WS_OK || !settle(loop, client))
                drop_client(client);
        }
    }
}

static int wait_timeout(const struct loop *loop)
{
    uint64_t until = ws_engine_next_deadline(loop->engine); /* UINT64_MAX: none */
    if (loop->accepting_paused && loop->accept_again_at < until)
        until = loop->accept_again_at;
    if (loop->stopping && loop->drain_deadline < until)
        until = loop->drain_deadline;
    if (until == UINT64_MAX)
        return -1;
    return until > loop->now ? (int)(until - loop->now) : 0;
}

static void *run_loop(void *argument)
{
    struct loop *loop = argument;
    struct epoll_event ready[EVENTS_PER_WAIT];
    loop->now = now_ms();
    ws_engine_advance(loop->engine, loop->now);
    while (!loop->stopping || (!list_is_empty(&loop->clients) && loop->now < loop->drain_deadline)) {
        int count = epoll_wait(loop->epoll_fd, ready, EVENTS_PER_WAIT, wait_timeout(loop));
        if (count < 0 && errno != EINTR)
            die(1, "epoll_wait: %s", strerror(errno));

        loop->now = now_ms();
        ws_engine_advance(loop->engine, loop->now);
        bool stop = false;
        for (int i = 0; i < count; i++) {
            void *subject = ready[i].data.ptr;
            if (subject == &loop->listener)
                accept_clients(loop);
            else if (subject == &loop->stop_fd)
                stop = true;
            else if (!handle_client(loop, subject, ready[i].events))
                drop_client(subject);
        }

        /* These drop clients other than the one at hand, so they wait until no event of this turn is left. */
        handle_due(loop);
        if (stop && !loop->stopping) {
            if (loop == &loops[0])
                stop_all(loop);
            begin_stop(loop);
        }
        if (loop->accepting_paused && loop->now >= loop->accept_again_at)
            pause_accepting(loop, false);
    }
    while (!list_is_empty(&loop->clients))
        drop_client(CONTAINER_OF(loop->clients.next, struct client, in_all));
    return NULL;
}

static void init_loop(struct loop *loop, int listener, int stop_fd, const struct options *options)
{
    list_init(&loop->clients);
    loop->listener = listener;
    loop->stop_fd = stop_fd;
    loop->engine = new_engine(options->config, options->max_message, HIGH_WATER + 2 * RECEIVE_BUFFER);
    loop->input = (struct input){.read_size = (size_t)options->read_size, .feed_size = (size_t)options->feed_size};
    if (options->feed_size > 0 && !(loop->input.buffer = malloc(RECEIVE_BUFFER)))
        die(1, "out of memory");
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event accepting = {.events = EPOLLIN, .data.ptr = &loop->listener};
    struct epoll_event stopping = {.events = EPOLLIN | EPOLLET, .data.ptr = &loop->stop_fd}; /* reported once, never read */
    if (loop->epoll_fd < 0 || loop->stop_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, listener, &accepting) != 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->stop_fd, &stopping) != 0)
        die(1, "cannot set up an event loop: %s", strerror(errno));
}

static void free_loop(struct loop *loop)
{
    ws_engine_free(loop->engine);
    free(loop->input.buffer);
    close(loop->epoll_fd);
    close(loop->stop_fd);
    if (loop->listener >= 0)
        close(loop->listener);
}

/* ---- the listeners ---- */

static int open_listener(const struct options *options, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV}, *address;
    int failure = getaddrinfo(options->bind_address, port, &hints, &address);
    if (failure != 0)
        die(1, "--bind %s: %s; give a numeric address such as 127.0.0.1 or ::1", options->bind_address, gai_strerror(failure));

    int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        /* Only where it is needed: otherwise a second server on the same port would go unnoticed. */
        (options->workers > 1 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) ||
        bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0)
        die(1, "cannot listen on %s port %s: %s", options->bind_address, port, strerror(errno));
    freeaddrinfo(address);
    return fd;
}

/* The port that a listener got, as text: the workers that follow bind the same one, also when port 0 was asked for. */
static void read_port(int listener, char *port, size_t size)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(listener, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, NULL, 0, port, (socklen_t)size, NI_NUMERICSERV) != 0)
        die(1, "cannot read the listener's port");
}

/* ---- main ---- */

/* Every connection is a descriptor: take as many as we are allowed to. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            warn("cannot raise the limit of open files: %s", strerror(errno));
    }
}

int main(int argc, char **argv)
{
    set_program_name(argv[0]);
    struct options options = parse_options(argc, argv);
    ws_config_set_water_marks(options.config, LOW_WATER, HIGH_WATER);
    ws_config_set_outgoing_utf8_check(options.config, 0); /* what goes out as text came in as text, which was checked */
    raise_descriptor_limit();

    /* The workers inherit the mask, so the signals wait for the first loop to read them. */
    sigset_t stop_signals;
    sigemptyset(&stop_signals);
    sigaddset(&stop_signals, SIGTERM);
    sigaddset(&stop_signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop_signals, NULL);

    char port[NI_MAXSERV];
    int listener = open_listener(&options, options.port);
    read_port(listener, port, sizeof port);
    loop_count = options.workers;
    init_loop(&loops[0], listener, signalfd(-1, &stop_signals, SFD_CLOEXEC | SFD_NONBLOCK), &options);
    for (unsigned i = 1; i < loop_count; i++)
        init_loop(&loops[i], open_listener(&options, port), eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), &options);
    ws_config_free(options.config); /* each engine has its copy */
    static pthread_t threads[MAX_WORKERS];
    for (unsigned i = 1; i < loop_count; i++) {
        int failure = pthread_create(&threads[i], NULL, run_loop, &loops[i]);
        if (failure != 0)
            die(1, "cannot start a worker: %s", strerror(failure));
    }

    bool ipv6 = strchr(options.bind_address, ':') != NULL;
    printf("listening on %s%s%s:%s\n", ipv6 ? "[" : "", options.bind_address, ipv6 ? "]" : "", port);
    fflush(stdout);

    /* The first loop runs right here: with one worker the process has one thread, of which the kernel makes less fuss. */
    run_loop(&loops[0]);
    for (unsigned i = 0; i < loop_count; i++) {
        if (i > 0)
            pthread_join(threads[i], NULL);
        free_loop(&loops[i]);
    }
    return 0;
}
