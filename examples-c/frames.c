/* frames.c: see frames.h. Shows ws_frame_describe(): it reads any header, right or wrong, and says how far to go. */
#define _POSIX_C_SOURCE 200809L
#include "frames.h"
#include "common.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    HEAD_MAX = 64 * 1024,
    MAX_WRONG = 3, /* wrong headers in a row after which the frames are lost */
    CONTROL_MAX = 125,
    OP_TEXT = 1,
    OP_BINARY = 2,
    OP_CLOSE = 8,
    OP_PING = 9
};

void frames_init(struct frames *frames, void (*print_label)(void *, bool), void *context, size_t shown)
{
    *frames = (struct frames){.print_label = print_label, .context = context, .shown = shown};
}

/* ---- printing ---- */

/* Bytes of the UTF-8 character at `data`, 0 if there is none (RFC 3629, 4). */
static size_t utf8_length(const uint8_t *data, size_t len)
{
    uint8_t first = data[0];
    size_t need = first >= 0xC2 && first <= 0xDF ? 2 : first >= 0xE0 && first <= 0xEF ? 3 : first >= 0xF0 && first <= 0xF4 ? 4 : 0;
    if (need == 0 || need > len)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((data[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (first == 0xE0 && data[1] < 0xA0) || (first == 0xF0 && data[1] < 0x90);
    bool outside = (first == 0xED && data[1] > 0x9F) || (first == 0xF4 && data[1] > 0x8F);
    bool control = first == 0xC2 && data[1] < 0xA0; /* C1: a terminal may obey them */
    return overlong || outside || control ? 0 : need;
}

/* Text with escapes, so that it stays on its line and no terminal obeys it. */
static void print_text(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint8_t c = data[i];
        size_t wide = utf8_length(data + i, len - i);
        if (wide > 0)
            fwrite(data + i, 1, wide, stdout);
        else if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c >= 0x20 && c < 0x7F)
            putchar(c);
        else if (c == '\n')
            fputs("\\n", stdout);
        else if (c == '\r')
            fputs("\\r", stdout);
        else if (c == '\t')
            fputs("\\t", stdout);
        else
            printf("\\x%02x", c);
        i += wide > 0 ? wide : 1;
    }
}

static void print_hex(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        printf("%s%02x", i > 0 ? " " : "", data[i]);
}

static void print_quoted(const uint8_t *data, size_t len)
{
    putchar('"');
    print_text(data, len);
    putchar('"');
}

/* Begins a line about the byte at `offset`. */
static void begin_line(struct frames *frames, uint64_t offset, bool from_client)
{
    frames->print_label(frames->context, from_client);
    printf("%08" PRIx64 " ", offset);
}

static void print_note(struct frames *frames, const char *note)
{
    if (frames->only_sure && !frames->printed_frame)
        return;
    begin_line(frames, frames->offset, false);
    printf("%s\n", note);
}

/* ---- the head ---- */

static bool head_has_upgrade(const char *head)
{
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "Upgrade:", 8) != 0)
            continue;
        const char *end = strstr(line + 2, "\r\n");
        for (const char *word = line + 10; word + 9 <= end; word++)
            if (strncasecmp(word, "websocket", 9) == 0)
                return true;
    }
    return false;
}

static void free_head(struct frames *frames)
{
    free(frames->head);
    frames->head = NULL;
    frames->head_len = 0;
}

/* The head is complete: prints its first line and decides whether frames follow. */
static void finish_head(struct frames *frames)
{
    frames->head[frames->head_len] = '\0';
    bool is_answer = strncmp(frames->head, "HTTP/", 5) == 0;
    const char *status = is_answer ? strchr(frames->head, ' ') : NULL;
    bool switched = status != NULL && strncmp(status + 1, "101", 3) == 0;
    bool interim = status != NULL && status[1] == '1' && !switched;
    bool frames_follow = is_answer ? switched : head_has_upgrade(frames->head);
    if (frames_follow || !frames->only_sure) {
        begin_line(frames, frames->frame_offset, !is_answer);
        print_text((const uint8_t *)frames->head, strcspn(frames->head, "\r\n"));
        printf("%s\n", frames_follow || interim ? "" : " (no WebSocket: no frames follow)");
        frames->printed_frame = true;
    }
    frames->state = frames_follow ? FRAMES_HEADER : interim ? FRAMES_START : FRAMES_OVER;
    frames->frame_offset = frames->offset;
    free_head(frames);
}

/* Takes bytes of the head; returns how many. */
static size_t take_head(struct frames *frames, const uint8_t *data, size_t len)
{
    if (frames->head == NULL)
        frames->head = malloc(HEAD_MAX + 1);
    if (frames->head == NULL)
        die(1, "out of memory");
    size_t taken = 0;
    while (taken < len && frames->head_len < HEAD_MAX) {
        frames->head[frames->head_len++] = (char)data[taken++];
        frames->offset++;
        if (frames->head_len >= 4 && memcmp(frames->head + frames->head_len - 4, "\r\n\r\n", 4) == 0) {
            finish_head(frames);
            return taken;
        }
    }
    if (frames->head_len == HEAD_MAX) {
        print_note(frames, "an HTTP head without an end: the rest is skipped");
        free_head(frames);
        frames->state = FRAMES_OVER;
    }
    return taken;
}

/* ---- frames ---- */

static uint8_t opcode_of(const struct frames *frames)
{
    return frames->header[0] & 0x0F;
}

static void print_close(const uint8_t *data, size_t len)
{
    if (len < 2) {
        print_hex(data, len);
        return;
    }
    printf("code=%u", (unsigned)(data[0] << 8 | data[1]));
    if (len > 2) {
        fputs(" reason=", stdout);
        print_quoted(data + 2, len - 2);
    }
}

/* The whole line of a frame whose payload is there, as far as it is shown. */
static void print_frame(struct frames *frames)
{
    char line[WS_DESCRIBE_SIZE];
    ws_frame_header header = {.struct_size = sizeof header};
    ws_frame_describe(frames->header, frames->header_len, line, sizeof line, &header);
    uint8_t opcode = opcode_of(frames);
    if (opcode == OP_TEXT || opcode == OP_BINARY) {
        frames->message_opcode = opcode;
        frames->message_compressed = (header.reserved_bits & 4) != 0;
    }
    if (header.masked)
        for (size_t i = 0; i < frames->payload_kept; i++)
            frames->payload[i] ^= header.mask[i % 4];

    begin_line(frames, frames->frame_offset, header.masked);
    fputs(line, stdout);
    if (frames->payload_kept > 0) {
        bool control = opcode >= 8;
        bool text = control ? opcode != OP_CLOSE : frames->message_opcode == OP_TEXT && !frames->message_compressed;
        fputs(" | ", stdout);
        if (opcode == OP_CLOSE)
            print_close(frames->payload, frames->payload_kept);
        else if (text)
            print_quoted(frames->payload, frames->payload_kept);
        else
            print_hex(frames->payload, frames->payload_kept);
        if (!control && frames->message_compressed)
            fputs(" (compressed)", stdout);
        if (frames->payload_kept < frames->payload_seen)
            fputs(" ...", stdout);
    }
    if (frames->payload_missing > 0)
        printf(" (%" PRIu64 " of %" PRIu64 " bytes of payload are missing)", frames->payload_missing, frames->payload_len);
    putchar('\n');
    frames->printed_frame = true;
    if (header.fin && opcode < 8) {
        frames->message_opcode = 0;
        frames->message_compressed = false;
    }
}

static void finish_frame(struct frames *frames)
{
    print_frame(frames);
    frames->frame_offset = frames->offset;
    frames->header_len = 0;
    frames->state = FRAMES_HEADER;
    if (frames->wrong_in_a_row >= MAX_WRONG) {
        print_note(frames, "too many wrong headers in a row: these are no frames, the rest is skipped");
        frames->state = FRAMES_OVER;
    }
}

/* Takes bytes of a header; returns how many. */
static size_t take_header(struct frames *frames, const uint8_t *data, size_t len)
{
    size_t kept = frames->header_len, added = sizeof frames->header - kept;
    if (added > len)
        added = len;
    memcpy(frames->header + kept, data, added);
    frames->header_len += added;
    ws_frame_header header = {.struct_size = sizeof header};
    if (ws_frame_describe(frames->header, frames->header_len, NULL, 0, &header) != WS_OK) {
        frames->offset += added;
        return added;
    }
    added = header.header_len - kept;
    frames->offset += added;
    frames->header_len = header.header_len;
    if (header.invalid && frames->only_sure && !frames->printed_frame) {
        frames->state = FRAMES_OVER; /* the first frame is wrong: it is something else */
        return added;
    }
    frames->wrong_in_a_row = header.invalid ? frames->wrong_in_a_row + 1 : 0;
    frames->payload_len = header.payload_len;
    frames->payload_seen = frames->payload_missing = 0;
    frames->payload_kept = 0;
    frames->state = FRAMES_PAYLOAD;
    if (frames->payload_len == 0)
        finish_frame(frames);
    return added;
}

/* Takes bytes of a payload; returns how many. */
static size_t take_payload(struct frames *frames, const uint8_t *data, size_t len)
{
    uint64_t left = frames->payload_len - frames->payload_seen;
    size_t taken = left < len ? (size_t)left : len;
    size_t wanted = opcode_of(frames) >= 8 && frames->shown < CONTROL_MAX ? CONTROL_MAX : frames->shown;
    size_t room = frames->payload_missing == 0 ? wanted - frames->payload_kept : 0; /* no bytes from behind a gap */
    size_t kept = taken < room ? taken : room;
    memcpy(frames->payload + frames->payload_kept, data, kept);
    frames->payload_kept += kept;
    frames->payload_seen += taken;
    frames->offset += taken;
    if (frames->payload_seen == frames->payload_len)
        finish_frame(frames);
    return taken;
}

/* The first byte tells an HTTP head from a frame: no frame that could be right begins with a capital from C on. */
static void start(struct frames *frames, uint8_t first)
{
    frames->frame_offset = frames->offset;
    bool is_head = first >= 'C' && first <= 'Z';
    bool is_other = !is_head && frames->only_sure && frames->from_start;
    frames->state = is_head ? FRAMES_HEAD : is_other ? FRAMES_OVER : FRAMES_HEADER;
}

void frames_feed(struct frames *frames, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t taken = 0;
        switch (frames->state) {
        case FRAMES_START: start(frames, data[0]); break;
        case FRAMES_HEAD: taken = take_head(frames, data, len); break;
        case FRAMES_HEADER: taken = take_header(frames, data, len); break;
        case FRAMES_PAYLOAD: taken = take_payload(frames, data, len); break;
        case FRAMES_OVER: return;
        }
        data += taken;
        len -= taken;
    }
}

void frames_gap(struct frames *frames, uint64_t len)
{
    if (frames->state == FRAMES_OVER)
        return;
    if (frames->state == FRAMES_PAYLOAD && len <= frames->payload_len - frames->payload_seen) {
        frames->payload_missing += len;
        frames->payload_seen += len;
        frames->offset += len;
        if (frames->payload_seen == frames->payload_len)
            finish_frame(frames);
        return;
    }
    frames_end(frames);
    print_note(frames, "bytes are missing here: the frames are lost, the rest is skipped");
    frames->state = FRAMES_OVER;
}

void frames_end(struct frames *frames)
{
    if (frames->state == FRAMES_PAYLOAD) {
        frames->payload_missing += frames->payload_len - frames->payload_seen;
        print_frame(frames);
    } else if (frames->state == FRAMES_HEADER && frames->header_len > 0 && !(frames->only_sure && !frames->printed_frame)) {
        frames->payload_kept = 0;
        frames->payload_missing = 0;
        print_frame(frames);
    } else if (frames->state == FRAMES_HEAD) {
        print_note(frames, "an HTTP head that is cut short");
    }
    free_head(frames);
    frames->state = FRAMES_OVER;
}
