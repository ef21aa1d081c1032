/* common.c: see common.h. */
#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- the command line ---- */

static const char *program_name = "example";

void set_program_name(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');
    program_name = slash ? slash + 1 : argv0;
}

static void print_message(const char *format, va_list arguments)
{
    flockfile(stderr);
    fprintf(stderr, "%s: ", program_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
}

void warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_message(format, arguments);
    va_end(arguments);
}

void die(int exit_code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_message(format, arguments);
    va_end(arguments);
    exit(exit_code);
}

bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
    if (text[0] < '0' || text[0] > '9') /* strtoull would take " 1", "+1" and "-1" */
        return false;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < min || value > max)
        return false;
    *number = value;
    return true;
}

/* ---- time ---- */

uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- engine ---- */

static void must(ws_status status, const char *what)
{
    if (status != WS_OK)
        die(1, "%s: %s", what, ws_strerror(status));
}

ws_config *new_config(void)
{
    ws_config *config = ws_config_new();
    if (!config)
        die(1, "ws_config_new failed");
    return config;
}

ws_engine *new_engine(ws_config *config, uint64_t max_message, uint64_t max_backlog)
{
    size_t max_output = (size_t)(max_message + max_backlog);
    must(ws_config_set_max_frame_size(config, max_message), "max_frame_size");
    must(ws_config_set_max_message_size(config, max_message), "max_message_size");
    must(ws_config_set_max_queued_bytes(config, max_output), "max_queued_bytes");
    must(ws_config_set_max_connection_bytes(config, 2 * max_output), "max_connection_bytes"); /* and as much input */
    must(ws_config_set_origin_policy(config, WS_ORIGIN_ANY), "origin_policy");
    ws_engine *engine = ws_engine_new(config);
    if (!engine)
        die(1, "ws_engine_new failed");
    return engine;
}

/* ---- sockets ---- */

/* Waits for a connect() that is under way; 0 when it worked, else the errno. */
static int finish_connect(int fd, uint64_t deadline)
{
    for (;;) {
        uint64_t now = now_ms();
        struct pollfd waiting = {.fd = fd, .events = POLLOUT};
        int ready = poll(&waiting, 1, now < deadline ? (int)(deadline - now) : 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0)
            return errno;
        if (ready == 0)
            return ETIMEDOUT;
        int error = 0;
        socklen_t size = sizeof error;
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
    }
}

int connect_tcp(const char *host, const char *port, int timeout_ms, char *why, size_t why_size)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *addresses;
    int failure = getaddrinfo(host, port, &hints, &addresses);
    if (failure != 0) {
        snprintf(why, why_size, "%s", failure == EAI_SYSTEM ? strerror(errno) : gai_strerror(failure));
        return -1;
    }

    uint64_t deadline = now_ms() + (uint64_t)timeout_ms;
    int error = 0, connected = -1;
    for (struct addrinfo *address = addresses; address && connected < 0; address = address->ai_next) {
        int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);
        if (fd < 0) {
            error = errno;
            continue;
        }
        error = connect(fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
        if (error == EINPROGRESS || error == EINTR)
            error = finish_connect(fd, deadline);
        if (error == 0)
            connected = fd;
        else
            close(fd);
    }
    freeaddrinfo(addresses);

    if (connected < 0) {
        snprintf(why, why_size, "%s", strerror(error));
        return -1;
    }
    int on = 1;
    setsockopt(connected, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return connected;
}

flush_result flush_output(ws_conn *conn, int fd)
{
    for (;;) {
        struct iovec slices[64];
        int count = ws_conn_output(conn, slices, 64);
        if (count < 0)
            return FLUSH_FAILED;
        if (count == 0)
            return FLUSH_DONE;

        size_t offered = 0;
        for (int i = 0; i < count; i++)
            offered += slices[i].iov_len;

        /* write() and writev() with one difference: a peer that is gone gives EPIPE instead of a signal. */
        struct msghdr message = {.msg_iov = slices, .msg_iovlen = (size_t)count};
        ssize_t written = count == 1 ? send(fd, slices[0].iov_base, slices[0].iov_len, MSG_NOSIGNAL)
                                     : sendmsg(fd, &message, MSG_NOSIGNAL);
        if (written < 0) {
            if (errno == EINTR)
                continue;
            return errno == EAGAIN || errno == EWOULDBLOCK ? FLUSH_BLOCKED : FLUSH_FAILED;
        }
        if (ws_conn_output_consume(conn, (size_t)written) != WS_OK)
            return FLUSH_FAILED;
        if ((size_t)written < offered) /* asking again now would only earn an EAGAIN */
            return FLUSH_BLOCKED;
    }
}

flush_result send_frame(ws_conn *conn, int fd, ws_message_type type, const void *data, size_t length)
{
    uint8_t header[WS_MAX_HEADER_LEN];
    size_t header_length;
    ws_status status = ws_conn_begin_frame(conn, type, length, header, &header_length);
    if (status != WS_OK)
        return status == WS_ERR_STATE ? FLUSH_DONE : FLUSH_FAILED;

    struct iovec slices[2] = {{header, header_length}, {(void *)(uintptr_t)data, length}};
    struct msghdr message = {.msg_iov = slices, .msg_iovlen = 2};
    ssize_t written;
    do
        written = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (written < 0 && errno == EINTR);
    if (written < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        return FLUSH_FAILED;

    size_t sent = written > 0 ? (size_t)written : 0;
    flush_result flushed = sent == header_length + length ? FLUSH_DONE : FLUSH_BLOCKED;
    for (int i = 0; i < 2; i++) {
        size_t skipped = sent < slices[i].iov_len ? sent : slices[i].iov_len;
        const char *rest = (const char *)slices[i].iov_base + skipped;
        sent -= skipped;
        if (ws_conn_queue_frame_rest(conn, rest, slices[i].iov_len - skipped) != WS_OK)
            return FLUSH_FAILED;
    }
    return ws_conn_end_frame(conn) == WS_OK ? flushed : FLUSH_FAILED;
}

static bool feed_rest(ws_conn *conn, struct input *input)
{
    size_t length = input->rest_length < input->feed_size ? input->rest_length : input->feed_size;
    if (ws_conn_feed(conn, input->rest, length) != WS_OK)
        return false;
    input->rest += length;
    input->rest_length -= length;
    return true;
}

/* Where the next bytes are received: memory that the engine lends, so that a large message arrives where it is assembled. */
static bool lend_room(ws_conn *conn, const struct input *input, void **room, size_t *capacity)
{
    *room = input->buffer;
    *capacity = RECEIVE_BUFFER;
    if (input->feed_size == 0 && ws_conn_recv_buffer(conn, 0, room, capacity) != WS_OK)
        return false;
    if (input->read_size > 0 && input->read_size < *capacity)
        *capacity = input->read_size;
    return true;
}

/* Hands over what was received; 0 bytes give the engine its memory back. */
static bool hand_over(ws_conn *conn, struct input *input, size_t length)
{
    if (input->feed_size == 0)
        return ws_conn_commit(conn, length) == WS_OK;
    input->rest = input->buffer;
    input->rest_length = length;
    return length == 0 || feed_rest(conn, input);
}

receive_result receive_input(ws_conn *conn, int fd, struct input *input)
{
    void *room;
    size_t capacity;
    if (!lend_room(conn, input, &room, &capacity))
        return RECEIVE_FAILED;

    ssize_t received;
    do
        received = recv(fd, room, capacity, 0);
    while (received < 0 && errno == EINTR);

    bool nothing = received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    if (!hand_over(conn, input, received > 0 ? (size_t)received : 0))
        return RECEIVE_FAILED;
    if (received > 0)
        return RECEIVE_DATA;
    if (nothing)
        return RECEIVE_NOTHING;
    return ws_conn_feed_eof(conn) == WS_OK ? RECEIVE_EOF : RECEIVE_FAILED;
}

ws_status next_events(ws_conn *conn, struct input *input, ws_event *events, size_t capacity, size_t *count)
{
    ws_status status;
    while ((status = ws_conn_next_events(conn, events, capacity, count)) == WS_AGAIN && input->rest_length > 0)
        if (!feed_rest(conn, input))
            return WS_ERR_INTERNAL;
    return status;
}

ws_status next_event(ws_conn *conn, struct input *input, ws_event *event)
{
    size_t count;
    return next_events(conn, input, event, 1, &count);
}
