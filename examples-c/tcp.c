/* tcp.c: see tcp.h. */
#define _POSIX_C_SOURCE 200809L
#include "tcp.h"
#include "capture.h"
#include "common.h"
#include "frames.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FLOWS_MAX = 512,
    WAITING_MAX = 1024 * 1024,  /* bytes of one direction that wait for missing ones */
    WAITING_SEGMENTS_MAX = 1024,
    PROTOCOL_TCP = 6,
    FLAG_SYN = 0x02,
    FLAG_ACK = 0x10
};

struct endpoint {
    uint8_t address[16];
    uint16_t port;
};

/* A segment that came before one that is missing. */
struct segment {
    struct segment *next;
    uint32_t sequence;
    size_t len;
    uint8_t data[];
};

struct direction {
    struct flow *flow;
    bool started;
    bool has_syn;
    uint32_t first_sequence; /* of the byte behind the SYN */
    uint32_t next_sequence;
    struct segment *waiting; /* by sequence */
    size_t waiting_bytes, waiting_count;
    struct frames frames;
};

struct flow {
    struct tcp *tcp;
    bool is_v6;
    struct endpoint ends[2];         /* the first is the client, as far as that can be seen */
    struct direction directions[2];  /* from the first end, from the second */
    unsigned number;                 /* once something was printed; 0 before */
    uint64_t last_packet;
};

struct tcp {
    size_t shown;
    uint64_t packets;
    unsigned connections, printed;
    struct flow *flows[FLOWS_MAX];
};

/* What matters of a packet. */
struct packet {
    bool is_v6;
    struct endpoint from, to;
    uint32_t sequence;
    uint8_t flags;
    const uint8_t *data;
    size_t len;
};

/* ---- connections ---- */

static void print_endpoint(const struct flow *flow, int end)
{
    char text[INET6_ADDRSTRLEN];
    const struct endpoint *endpoint = &flow->ends[end];
    inet_ntop(flow->is_v6 ? AF_INET6 : AF_INET, endpoint->address, text, sizeof text);
    printf(flow->is_v6 ? "[%s]:%u" : "%s:%u", text, endpoint->port);
}

/* Begins a line of a direction; the first line of a connection is preceded by its ends. */
static void print_label(void *context, bool from_client)
{
    struct direction *direction = context;
    struct flow *flow = direction->flow;
    (void)from_client; /* the packets say it better */
    if (flow->number == 0) {
        flow->number = ++flow->tcp->printed;
        printf("#%u ", flow->number);
        print_endpoint(flow, 0);
        fputs(" - ", stdout);
        print_endpoint(flow, 1);
        putchar('\n');
    }
    printf("#%u %c ", flow->number, direction == &flow->directions[0] ? '>' : '<');
}

static struct flow *new_flow(struct tcp *tcp, const struct packet *packet, bool from_client)
{
    struct flow *flow = calloc(1, sizeof *flow);
    if (flow == NULL)
        die(1, "out of memory");
    flow->tcp = tcp;
    flow->is_v6 = packet->is_v6;
    flow->ends[0] = from_client ? packet->from : packet->to;
    flow->ends[1] = from_client ? packet->to : packet->from;
    for (int i = 0; i < 2; i++) {
        struct direction *direction = &flow->directions[i];
        direction->flow = flow;
        frames_init(&direction->frames, print_label, direction, tcp->shown);
        direction->frames.only_sure = true;
    }
    tcp->connections++;
    return flow;
}

static void deliver_waiting(struct direction *direction, bool give_up);

static void free_flow(struct flow *flow)
{
    for (int i = 0; i < 2; i++) {
        deliver_waiting(&flow->directions[i], true);
        frames_end(&flow->directions[i].frames);
    }
    free(flow);
}

static bool same_end(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && memcmp(a->address, b->address, sizeof a->address) == 0;
}

/* The connection that a packet belongs to, and from which of its ends it comes. */
static struct flow *find_flow(struct tcp *tcp, const struct packet *packet, int *end, struct flow ***place)
{
    struct flow **oldest = NULL;
    for (size_t i = 0; i < FLOWS_MAX; i++) {
        struct flow **slot = &tcp->flows[i], *flow = *slot;
        if (flow != NULL && flow->is_v6 == packet->is_v6) {
            for (*end = 0; *end < 2; ++*end)
                if (same_end(&flow->ends[*end], &packet->from) && same_end(&flow->ends[1 - *end], &packet->to)) {
                    *place = slot;
                    return flow;
                }
        }
        if (oldest == NULL || (*oldest != NULL && (flow == NULL || flow->last_packet < (*oldest)->last_packet)))
            oldest = slot;
    }
    *place = oldest;
    return NULL;
}

/* ---- putting together ---- */

static void deliver(struct direction *direction, const uint8_t *data, size_t len)
{
    direction->next_sequence += (uint32_t)len;
    frames_feed(&direction->frames, data, len);
}

/* Delivers what waits and has become the next; with `give_up`, what is still missing before it will not come. */
static void deliver_waiting(struct direction *direction, bool give_up)
{
    while (direction->waiting != NULL) {
        struct segment *segment = direction->waiting;
        int32_t ahead = (int32_t)(segment->sequence - direction->next_sequence);
        if (ahead > 0) {
            if (!give_up)
                return;
            frames_gap(&direction->frames, (uint64_t)ahead);
            direction->next_sequence = segment->sequence;
            ahead = 0;
        }
        size_t known = (size_t)-(int64_t)ahead;
        if (known < segment->len)
            deliver(direction, segment->data + known, segment->len - known);
        direction->waiting = segment->next;
        direction->waiting_bytes -= segment->len;
        direction->waiting_count--;
        free(segment);
    }
}

static void keep(struct direction *direction, const struct packet *packet, uint32_t sequence)
{
    struct segment **at = &direction->waiting;
    while (*at != NULL && (int32_t)((*at)->sequence - sequence) < 0)
        at = &(*at)->next;
    if (*at != NULL && (*at)->sequence == sequence && (*at)->len >= packet->len)
        return; /* sent again */
    struct segment *segment = malloc(sizeof *segment + packet->len);
    if (segment == NULL)
        die(1, "out of memory");
    segment->next = *at;
    segment->sequence = sequence;
    segment->len = packet->len;
    memcpy(segment->data, packet->data, packet->len);
    *at = segment;
    direction->waiting_bytes += packet->len;
    direction->waiting_count++;
    if (direction->waiting_bytes > WAITING_MAX || direction->waiting_count > WAITING_SEGMENTS_MAX)
        deliver_waiting(direction, true);
}

static void take_payload(struct direction *direction, const struct packet *packet)
{
    if (!direction->started) {
        direction->started = true;
        direction->next_sequence = packet->sequence;
    }
    if (direction->frames.state == FRAMES_OVER)
        return;
    int32_t ahead = (int32_t)(packet->sequence - direction->next_sequence);
    if (ahead > 0) {
        keep(direction, packet, packet->sequence);
        return;
    }
    size_t known = (size_t)-(int64_t)ahead;
    if (known < packet->len)
        deliver(direction, packet->data + known, packet->len - known);
    deliver_waiting(direction, false);
}

static void take_packet(struct tcp *tcp, struct packet *packet)
{
    bool syn = (packet->flags & FLAG_SYN) != 0, answers = syn && (packet->flags & FLAG_ACK) != 0;
    if (!syn && packet->len == 0)
        return;
    int end = 0;
    struct flow **place, *flow = find_flow(tcp, packet, &end, &place);
    if (syn)
        packet->sequence++; /* the SYN counts as a byte */
    struct direction *known = flow != NULL ? &flow->directions[end] : NULL;
    bool again = known != NULL && known->has_syn && known->first_sequence == packet->sequence;
    if (syn && known != NULL && known->started && !again)
        flow = NULL; /* the same ends, a new connection */
    if (flow == NULL) {
        bool is_answer = packet->len >= 5 && memcmp(packet->data, "HTTP/", 5) == 0;
        if (*place != NULL)
            free_flow(*place);
        flow = *place = new_flow(tcp, packet, !answers && !is_answer);
        end = same_end(&flow->ends[0], &packet->from) ? 0 : 1;
    }
    flow->last_packet = ++tcp->packets;
    struct direction *direction = &flow->directions[end];
    if (syn && !again) {
        direction->started = direction->has_syn = direction->frames.from_start = true;
        direction->first_sequence = direction->next_sequence = packet->sequence;
    }
    if (packet->len > 0)
        take_payload(direction, packet);
}

/* ---- layers ---- */

static unsigned be16(const uint8_t *bytes)
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

static void read_tcp(struct tcp *tcp, struct packet *packet, const uint8_t *data, size_t len)
{
    if (len < 20)
        return;
    size_t header = (size_t)(data[12] >> 4) * 4;
    if (header < 20 || header > len)
        return;
    packet->from.port = (uint16_t)be16(data);
    packet->to.port = (uint16_t)be16(data + 2);
    packet->sequence = (uint32_t)be16(data + 4) << 16 | be16(data + 6);
    packet->flags = data[13];
    packet->data = data + header;
    packet->len = len - header;
    take_packet(tcp, packet);
}

static void read_ipv4(struct tcp *tcp, const uint8_t *data, size_t len)
{
    if (len < 20)
        return;
    size_t header = (size_t)(data[0] & 0x0F) * 4, total = be16(data + 2);
    bool is_fragment = (be16(data + 6) & 0x3FFF) != 0;
    if (header < 20 || header > len || data[9] != PROTOCOL_TCP || is_fragment)
        return;
    if (total >= header && total < len) /* behind it is padding; 0 is a packet that the network card was to cut up */
        len = total;
    struct packet packet = {.is_v6 = false};
    memcpy(packet.from.address, data + 12, 4);
    memcpy(packet.to.address, data + 16, 4);
    read_tcp(tcp, &packet, data + header, len - header);
}

static void read_ipv6(struct tcp *tcp, const uint8_t *data, size_t len)
{
    if (len < 40)
        return;
    size_t payload = be16(data + 4);
    if (payload > 0 && payload + 40 < len)
        len = payload + 40;
    struct packet packet = {.is_v6 = true};
    memcpy(packet.from.address, data + 8, 16);
    memcpy(packet.to.address, data + 24, 16);
    unsigned next = data[6];
    size_t at = 40;
    while (next == 0 || next == 43 || next == 60) { /* hop-by-hop, routing, destination options */
        if (at + 8 > len)
            return;
        next = data[at];
        at += (size_t)(data[at + 1] + 1) * 8;
    }
    if (next == PROTOCOL_TCP && at <= len)
        read_tcp(tcp, &packet, data + at, len - at);
}

static void read_ip(struct tcp *tcp, const uint8_t *data, size_t len)
{
    if (len > 0 && data[0] >> 4 == 4)
        read_ipv4(tcp, data, len);
    else if (len > 0 && data[0] >> 4 == 6)
        read_ipv6(tcp, data, len);
}

/* Passes over the type at `at` and the VLAN tags behind it. */
static void read_ether_type(struct tcp *tcp, const uint8_t *data, size_t len, size_t at)
{
    while (at + 2 <= len && (be16(data + at) == 0x8100 || be16(data + at) == 0x88A8))
        at += 4;
    if (at + 2 <= len && (be16(data + at) == 0x0800 || be16(data + at) == 0x86DD))
        read_ip(tcp, data + at + 2, len - at - 2);
}

void tcp_packet(struct tcp *tcp, int link_type, const uint8_t *data, size_t len)
{
    switch (link_type) {
    case LINK_ETHERNET: read_ether_type(tcp, data, len, 12); break;
    case LINK_LINUX_SLL: read_ether_type(tcp, data, len, 14); break;
    case LINK_NULL:
    case LINK_LOOP:
        if (len > 4)
            read_ip(tcp, data + 4, len - 4); /* the version of IP says as much as the family */
        break;
    case LINK_RAW:
    case LINK_RAW_BSD:
    case LINK_RAW_OPENBSD:
    case LINK_IPV4:
    case LINK_IPV6: read_ip(tcp, data, len); break;
    case LINK_LINUX_SLL2:
        if (len > 20)
            read_ip(tcp, data + 20, len - 20);
        break;
    default: break;
    }
}

struct tcp *tcp_new(size_t shown_payload)
{
    struct tcp *tcp = calloc(1, sizeof *tcp);
    if (tcp == NULL)
        die(1, "out of memory");
    tcp->shown = shown_payload;
    return tcp;
}

void tcp_free(struct tcp *tcp)
{
    for (size_t i = 0; i < FLOWS_MAX; i++)
        if (tcp->flows[i] != NULL)
            free_flow(tcp->flows[i]);
    printf("%u TCP connection%s, %u with WebSocket\n", tcp->connections, tcp->connections == 1 ? "" : "s", tcp->printed);
    free(tcp);
}
