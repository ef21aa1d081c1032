/* raw_echo.c: a TCP echo server that knows nothing of WebSocket, and so the limit for those that do: epoll, one recv() and
 * one send() per event, one large buffer for all connections, no epoll_ctl() but for a send() that came up short.
 *
 * It prints "listening on 127.0.0.1:PORT" and runs until it is killed. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 512 * 1024, EVENTS = 512 };

/* What a send() left over, by file descriptor. */
struct rest {
    char *bytes;
    size_t length;
};

/* In the middle of a page: many times slower are copies whose target lies a few bytes further into a page than their source,
 * and that is at the start of a page where a client begins to send. */
static _Alignas(4096) char pages[2048 + BUFFER];
static char *const buffer = pages + 2048;
static struct rest *rests;
static int rest_count;
static int epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(int operation, int fd, uint32_t events)
{
    struct epoll_event registration = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll_fd, operation, fd, &registration) != 0)
        die("epoll_ctl");
}

static void end(int fd)
{
    free(rests[fd].bytes);
    rests[fd] = (struct rest){0};
    close(fd);
}

static void begin(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fd >= rest_count) {
        int count = fd * 2;
        rests = realloc(rests, (size_t)count * sizeof *rests);
        if (!rests)
            die("realloc");
        memset(rests + rest_count, 0, (size_t)(count - rest_count) * sizeof *rests);
        rest_count = count;
    }
    watch(EPOLL_CTL_ADD, fd, EPOLLIN);
}

static void send_rest(int fd)
{
    struct rest *rest = &rests[fd];
    ssize_t sent = send(fd, rest->bytes, rest->length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        end(fd);
    } else if (sent >= 0 && (size_t)sent == rest->length) {
        free(rest->bytes);
        *rest = (struct rest){0};
        watch(EPOLL_CTL_MOD, fd, EPOLLIN);
    } else if (sent > 0) {
        rest->length -= (size_t)sent;
        memmove(rest->bytes, rest->bytes + sent, rest->length);
    }
}

static void echo(int fd)
{
    ssize_t received = recv(fd, buffer, BUFFER, 0);
    if (received <= 0) {
        if (received == 0 || errno != EAGAIN)
            end(fd);
        return;
    }
    ssize_t sent = send(fd, buffer, (size_t)received, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        sent = 0;
    if (sent < 0) {
        end(fd);
    } else if (sent < received) {
        struct rest *rest = &rests[fd];
        rest->length = (size_t)(received - sent);
        rest->bytes = malloc(rest->length);
        if (!rest->bytes)
            die("malloc");
        memcpy(rest->bytes, buffer + sent, rest->length);
        watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
    }
}

static int open_listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        die("listen");
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    epoll_fd = epoll_create1(0);
    int listener = open_listener();
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    for (;;) {
        static struct epoll_event ready[EVENTS];
        int count = epoll_wait(epoll_fd, ready, EVENTS, -1);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd != listener) {
                rests[fd].length > 0 ? send_rest(fd) : echo(fd);
            } else {
                while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
                    begin(fd);
            }
        }
    }
}
