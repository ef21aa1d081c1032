// ws_engine.hpp: ownership, views, and a conversation between its two ends.

#include "ws_engine.hpp"

#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

template <typename T>
constexpr bool move_only = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
                           !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;
static_assert(move_only<ws::Config> && move_only<ws::Engine> && move_only<ws::Connection> &&
              move_only<ws::TokenStream>);
static_assert(sizeof(ws::Event) == sizeof(ws_event) && sizeof(ws_event) == 64);

struct Seen {
    ws_event_type type;
    std::string data;
};

std::vector<Seen> pull(ws::Connection &conn) {
    std::vector<Seen> events;
    ws::Event event;
    while (conn.next_event(event) == WS_OK) {
        events.push_back({event.type, std::string(event.view())});
    }
    return events;
}

std::string take(ws::Connection &conn) {
    std::string all;
    iovec slices[4];
    for (int count; (count = conn.output(slices, 4)) > 0;) {
        std::size_t taken = 0;
        for (int i = 0; i < count; ++i) {
            all.append(static_cast<const char *>(slices[i].iov_base), slices[i].iov_len);
            taken += slices[i].iov_len;
        }
        EXPECT_EQ(conn.output_consume(taken), WS_OK);
    }
    return all;
}

std::vector<Seen> carry(ws::Connection &from, ws::Connection &to) {
    EXPECT_EQ(to.feed(take(from)), WS_OK);
    return pull(to);
}

TEST(Wrapper, AConversation) {
    ws::Config config;
    ASSERT_TRUE(config);
    EXPECT_EQ(config.add_subprotocol("chat.v1"), WS_OK);
    ws::Engine engine(config);
    ASSERT_TRUE(engine);

    ws::ClientRequest request{"localhost"};
    request.target = "/chat";
    request.subprotocols = {"chat.v1"};
    request.headers = {{"Cookie", "a=b"}};
    ws::Connection client = ws::Connection::client(engine, request);
    ws::Connection server = ws::Connection::server(engine);
    ASSERT_TRUE(client && server);

    auto events = carry(client, server);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].type, WS_EVENT_OPEN);
    EXPECT_EQ(events[0].data, "chat.v1");
    EXPECT_EQ(carry(server, client).size(), 1u);
    EXPECT_EQ(client.state(), WS_STATE_OPEN);

    EXPECT_EQ(client.queue_text("你好"), WS_OK);
    EXPECT_EQ(client.queue_binary(std::string_view("\0\1", 2)), WS_OK);
    EXPECT_EQ(client.queue_ping("p"), WS_OK);
    EXPECT_EQ(client.queue_text("\xff"), WS_ERR_INVALID_UTF8);
    events = carry(client, server);
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(events[0].data, "你好");
    EXPECT_EQ(events[1].data, std::string("\0\1", 2));
    EXPECT_EQ(carry(server, client)[0].type, WS_EVENT_PONG);

    EXPECT_EQ(server.queue_close(1001, "bye"), WS_OK);
    EXPECT_EQ(carry(server, client)[0].data, "bye");
    EXPECT_EQ(carry(client, server)[0].type, WS_EVENT_CLOSE);
    EXPECT_TRUE(server.wants_shutdown());
}

TEST(Wrapper, DecidingOnARequest) {
    ws::Config config;
    EXPECT_EQ(config.set_manual_accept(true), WS_OK);
    ws::Engine engine(config);
    ws::ClientRequest request{"localhost"};
    request.target = "/room?id=7";
    request.subprotocols = {"v1", "v2"};
    request.headers = {{"X-User", "ann"}};

    for (bool accepted : {true, false}) {
        ws::Connection client = ws::Connection::client(engine, request);
        ws::Connection server = ws::Connection::server(engine);
        EXPECT_EQ(carry(client, server)[0].type, WS_EVENT_REQUEST);
        EXPECT_EQ(server.request_target(), "/room?id=7");
        EXPECT_EQ(server.request_header("x-user"), "ann");
        EXPECT_EQ(server.request_header("absent").data(), nullptr);
        EXPECT_EQ(server.request_method(), "GET");
        EXPECT_EQ(server.request_path(), "/room");
        EXPECT_EQ(server.request_query(), "id=7");
        const std::vector<ws::Header> headers = server.request_headers();
        ASSERT_FALSE(headers.empty());
        EXPECT_EQ(headers.front().name, "Host");
        EXPECT_EQ(headers.back().value, "ann");
        if (accepted) {
            EXPECT_EQ(server.accept_subprotocol("v3"), WS_ERR_INVALID_ARGUMENT);
            EXPECT_EQ(server.accept_subprotocol("v2", {{"X-Room", "7"}}), WS_OK);
            EXPECT_EQ(pull(server)[0].data, "v2");
            EXPECT_EQ(client.feed(take(server)), WS_OK);
            ws::Event event;
            EXPECT_EQ(client.next_event(event), WS_OK);
            EXPECT_EQ(event.view(), "v2");
            EXPECT_EQ(client.response_status(), 101);
            EXPECT_EQ(client.response_header("x-room"), "7");
            EXPECT_EQ(client.response_headers().back().name, "X-Room");
            EXPECT_EQ(client.next_event(event), WS_AGAIN);
            EXPECT_EQ(client.response_status(), 0);
        } else {
            EXPECT_EQ(server.reject(403, {{"Content-Type", "text/plain"}}, "no"), WS_OK);
            EXPECT_EQ(pull(server)[0].type, WS_EVENT_CLOSE);
            EXPECT_EQ(carry(server, client)[0].type, WS_EVENT_CLOSE);
            EXPECT_TRUE(client.wants_abort());
        }
    }
}

/** A server and a client whose handshake is done. */
struct Pair {
    explicit Pair(const ws::Config &config)
        : engine(config), server(ws::Connection::server(engine)),
          client(ws::Connection::client(engine, ws::ClientRequest{"localhost"})) {
        carry(client, server);
        carry(server, client);
    }

    ws::Engine engine;
    ws::Connection server;
    ws::Connection client;
};

TEST(Wrapper, EachWayInAndEventsInBatches) {
    ws::Config config;
    EXPECT_EQ(config.set_receive_buffer_size(4095), WS_ERR_INVALID_ARGUMENT);
    ASSERT_EQ(config.set_receive_buffer_size(8192), WS_OK);
    Pair pair(config);
    for (int way = 0; way < 3; ++way) {
        for (const char *text : {"one", "two", "three"}) {
            ASSERT_EQ(pair.client.queue_text(text), WS_OK);
        }
        std::string bytes = take(pair.client);
        void *buffer = nullptr;
        std::size_t capacity = 0;
        if (way == 0) {
            ASSERT_EQ(pair.server.feed(bytes), WS_OK);
        } else if (way == 1) {
            ASSERT_EQ(pair.server.feed_mut(bytes.data(), bytes.size()), WS_OK);
        } else {
            ASSERT_EQ(pair.server.recv_buffer(0, buffer, capacity), WS_OK);
            ASSERT_EQ(capacity, 8192u);
            bytes.copy(static_cast<char *>(buffer), bytes.size());
            ASSERT_EQ(pair.server.commit(bytes.size()), WS_OK);
            EXPECT_EQ(pair.server.commit(0), WS_ERR_STATE);
            EXPECT_EQ(pair.server.recv_buffer(0, buffer, capacity), WS_ERR_INPUT_PENDING);
            EXPECT_EQ(buffer, nullptr);
        }
        ws::Event events[2];
        std::size_t count = 0;
        ASSERT_EQ(pair.server.next_events(events, 2, count), WS_OK);
        ASSERT_EQ(count, 2u);
        EXPECT_EQ(events[0].view(), "one");
        EXPECT_EQ(events[1].view(), "two");
        if (way == 1) {
            EXPECT_TRUE(events[0].data > bytes.data() && events[1].data < bytes.data() + bytes.size());
        }
        ASSERT_EQ(pair.server.next_events(events, 2, count), WS_OK);
        EXPECT_EQ(count, 1u);
        EXPECT_EQ(events[0].view(), "three");
        ASSERT_EQ(pair.server.next_events(events, 2, count), WS_AGAIN);
        EXPECT_EQ(count, 0u);
    }
    EXPECT_EQ(pair.server.feed_eof(), WS_OK);
    char late = 'x';
    EXPECT_EQ(pair.server.feed_mut(&late, 1), WS_ERR_STATE);
}

TEST(Wrapper, AMessagePieceByPieceInChunks) {
    ws::Config config;
    ASSERT_EQ(config.set_delivery(WS_DELIVER_CHUNKS), WS_OK);
    Pair pair(config);
    ASSERT_EQ(pair.server.queue_begin(WS_MESSAGE_TEXT), WS_OK);
    EXPECT_EQ(pair.server.queue_text("no"), WS_ERR_STATE);
    ASSERT_EQ(pair.server.queue_part("ab"), WS_OK);
    ASSERT_EQ(pair.server.queue_end("c"), WS_OK);
    const std::vector<Seen> seen = carry(pair.server, pair.client);
    ASSERT_EQ(seen.size(), 2u);
    EXPECT_EQ(seen[0].type, WS_EVENT_CHUNK);
    EXPECT_EQ(seen[0].data, "ab");
    EXPECT_EQ(seen[1].data, "c");
    EXPECT_EQ(pair.client.set_delivery(WS_DELIVER_FRAMES), WS_OK);
}

TEST(Wrapper, AFrameThatTheHostWrites) {
    Pair pair(ws::Config{});
    ws::FrameHeader header;
    ASSERT_EQ(pair.server.begin_frame(WS_MESSAGE_BINARY, 5, header), WS_OK);
    EXPECT_EQ(std::string(reinterpret_cast<const char *>(header.bytes), header.len), "\x82\x05");
    EXPECT_EQ(pair.server.end_frame(), WS_OK);
    EXPECT_EQ(pair.server.end_frame(), WS_ERR_STATE);
    EXPECT_EQ(header.mask_key(), nullptr);

    ASSERT_EQ(pair.client.begin_frame(WS_MESSAGE_TEXT, 5, header), WS_OK);
    std::string payload = "hello";
    ASSERT_EQ(ws::mask(header.mask_key(), 0, &payload[0], 2), WS_OK);
    ASSERT_EQ(ws::mask(header.mask_key(), 2, &payload[2], 3), WS_OK);
    const std::string_view bytes(reinterpret_cast<const char *>(header.bytes), header.len);
    ASSERT_EQ(pair.server.feed(std::string(bytes) + payload), WS_OK);
    EXPECT_EQ(pull(pair.server)[0].data, "hello");
    EXPECT_EQ(ws::mask(nullptr, 0, &payload[0], 2), WS_ERR_INVALID_ARGUMENT);
}

TEST(Wrapper, TheRestOfAFrameThatTheHostWrites) {
    Pair pair(ws::Config{});
    ws::FrameHeader header;
    EXPECT_EQ(pair.server.queue_frame_rest("hello"), WS_ERR_STATE);
    ASSERT_EQ(pair.server.begin_frame(WS_MESSAGE_TEXT, 5, header), WS_OK);
    ASSERT_EQ(pair.server.queue_text("behind"), WS_OK);
    ASSERT_EQ(pair.server.queue_frame_rest("l"), WS_OK);
    ASSERT_EQ(pair.server.queue_frame_rest("lo"), WS_OK);
    ASSERT_EQ(pair.server.end_frame(), WS_OK);
    EXPECT_EQ(take(pair.server), std::string("llo\x81\x06") + "behind");
}

TEST(Wrapper, EverySetting) {
    ws::Config config;
    const ws_status statuses[] = {
        config.set_max_head_size(4096),
        config.set_max_headers(32),
        config.set_origin_policy(WS_ORIGIN_SAME_HOST),
        config.allow_origin("https://a.example.com"),
        config.add_subprotocol("v1"),
        config.set_manual_accept(false),
        config.set_max_held_bytes(0),
        config.set_delivery(WS_DELIVER_MESSAGES),
        config.set_auto_pong(false),
        config.set_max_frame_size(1000),
        config.set_max_message_size(2000),
        config.set_max_fragments(10),
        config.set_max_empty_fragments(1),
        config.set_max_control_rate(10),
        config.set_max_queued_bytes(100000),
        config.set_water_marks(10, 20),
        config.set_max_connection_bytes(100000),
        config.set_max_engine_bytes(100000),
        config.set_receive_buffer_size(8192),
        config.set_outgoing_utf8_check(true),
        config.set_compression(true),
        config.set_compression_level(1),
        config.set_compression_mem_level(1),
        config.set_compression_threshold(1),
        config.set_context_takeover(true, false),
        config.set_window_bits(9, 15),
        config.set_handshake_timeout(1000),
        config.set_ping_interval(1000),
        config.set_pong_timeout(1000),
        config.set_idle_timeout(1000),
        config.set_close_timeout(1000),
        config.set_write_stall_timeout(1000),
        config.set_max_lifetime(1000),
        config.set_stream_merge_time(0),
        config.set_stream_piece_size(16),
        config.set_stream_water_marks(10, 20),
    };
    for (const ws_status &status : statuses) {
        EXPECT_EQ(status, WS_OK) << "number " << &status - statuses;
    }
    EXPECT_EQ(config.set_compression_level(10), WS_ERR_INVALID_ARGUMENT);

    Pair pair(config); // a ping of the client's goes unanswered, and both ends compress
    EXPECT_EQ(pair.client.queue_ping(), WS_OK);
    EXPECT_EQ(pair.client.queue_text("hello, hello, hello, hello"), WS_OK);
    EXPECT_EQ(carry(pair.client, pair.server).size(), 2u);
    EXPECT_EQ(take(pair.server), "");
    EXPECT_EQ(pair.engine.metrics().compressed_messages_in, 1u);
    EXPECT_EQ(pair.server.queue_pong("unasked"), WS_OK);
    char buffer[64];
    std::size_t written = 0;
    EXPECT_EQ(pair.server.output_read(buffer, sizeof buffer, written), WS_OK);
    EXPECT_EQ(written, 9u);
    EXPECT_EQ(pair.client.feed(buffer, written), WS_OK);
    EXPECT_EQ(pull(pair.client)[0].data, "unasked");
    EXPECT_EQ(pair.client.feed_eof(), WS_OK);
    EXPECT_EQ(pull(pair.client)[0].type, WS_EVENT_CLOSE);
}

TEST(Wrapper, AcceptingWithTheSettings) {
    ws::Config config;
    ASSERT_EQ(config.set_manual_accept(true), WS_OK);
    ws::Engine engine(config);
    ws::Connection server = ws::Connection::server(engine);
    ws::Connection client = ws::Connection::client(engine, ws::ClientRequest{"localhost"});
    carry(client, server);
    EXPECT_EQ(server.accept({{"Set-Cookie", "a=b"}}), WS_OK);
    EXPECT_EQ(pull(server)[0].type, WS_EVENT_OPEN);
    EXPECT_NE(take(server).find("\r\nSet-Cookie: a=b\r\n"), std::string::npos);
}

TEST(Wrapper, APreparedMessageIsShared) {
    Pair pair(ws::Config{});
    const ws::Prepared prepared = ws::Prepared::text("to all");
    ASSERT_TRUE(prepared);
    EXPECT_FALSE(ws::Prepared::text("\xff"));
    {
        const ws::Prepared copy = prepared;
        ws::Prepared other;
        EXPECT_FALSE(other);
        EXPECT_EQ(pair.server.queue_prepared(other), WS_ERR_INVALID_ARGUMENT);
        other = copy;
        EXPECT_EQ(other.get(), prepared.get());
        EXPECT_EQ(pair.server.queue_prepared(other), WS_OK);
    }
    EXPECT_EQ(carry(pair.server, pair.client)[0].data, "to all");
}

TEST(Wrapper, AMessageGoesToManyAtOnce) {
    Pair one(ws::Config{});
    Pair two(ws::Config{});
    ws_recipient to[] = {ws::recipient(one.server), ws_recipient{}, ws::recipient(two.server)};
    EXPECT_EQ(ws::queue_prepared(to, 3, ws::Prepared::text("to all")), WS_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(to[1].status, WS_ERR_INVALID_ARGUMENT);
    for (int i : {0, 2}) {
        EXPECT_EQ(to[i].status, WS_OK);
        EXPECT_EQ(std::string(static_cast<char *>(to[i].slice.iov_base), to[i].slice.iov_len), "\x81\x06to all");
    }
    to[0].written = to[0].slice.iov_len;
    EXPECT_EQ(ws::output_consume(to, 1), WS_OK);
    EXPECT_EQ(one.server.queued_bytes(), 0u);
    EXPECT_EQ(carry(two.server, two.client)[0].data, "to all");
}

TEST(Wrapper, WritableComesWhenTheQueueFell) {
    ws::Config config;
    ASSERT_EQ(config.set_water_marks(100, 200), WS_OK);
    Pair pair(config);
    ASSERT_EQ(pair.server.queue_text(std::string(300, 'x')), WS_OK);
    EXPECT_TRUE(pair.server.above_high_water());
    EXPECT_FALSE(pair.server.has_events());
    carry(pair.server, pair.client);
    EXPECT_TRUE(pair.server.has_events());
    EXPECT_EQ(pull(pair.server)[0].type, WS_EVENT_WRITABLE);
}

TEST(Wrapper, ARequestThatTheHostParsed) {
    ws::Engine engine;
    ws::ParsedRequest request{"GET", "/chat"};
    request.headers = {{"Host", "a"},
                       {"Upgrade", "websocket"},
                       {"Connection", "Upgrade"},
                       {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                       {"Sec-WebSocket-Version", "13"}};
    ws::Connection plain = ws::Connection::server(engine, request);
    EXPECT_EQ(pull(plain)[0].type, WS_EVENT_OPEN);
    EXPECT_EQ(take(plain).rfind("HTTP/1.1 101 ", 0), 0u);

    ws::ParsedRequest connect{"CONNECT", "/chat"};
    connect.headers = {{"sec-websocket-version", "13"}};
    connect.protocol = "websocket";
    connect.authority = "a";
    ws::Connection stream = ws::Connection::server(engine, connect);
    EXPECT_EQ(stream.response_status(), 200);
    EXPECT_TRUE(stream.response_headers().empty());
    EXPECT_EQ(take(stream), "");
    connect.authority = {};
    EXPECT_EQ(ws::Connection::server(engine, connect).response_status(), 400);
}

TEST(Wrapper, WhatIsNotThereIsSafe) {
    ws::Connection none;
    ws::Event event;
    EXPECT_FALSE(none);
    EXPECT_EQ(none.feed("x"), WS_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(none.next_event(event), WS_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(none.queued_bytes(), 0u);
    EXPECT_EQ(none.state(), WS_STATE_CLOSED);

    ws::Engine engine;
    ws_status status = WS_OK;
    EXPECT_FALSE(ws::Connection::client(engine, ws::ClientRequest{"bad host"}, &status));
    EXPECT_EQ(status, WS_ERR_INVALID_ARGUMENT);
    EXPECT_STRNE(ws::to_string(status), "");
    EXPECT_EQ(ws::version(), ws_version());
}

TEST(Wrapper, Time) {
    ws::Engine engine;
    EXPECT_EQ(engine.next_deadline(), UINT64_MAX);
    EXPECT_EQ(engine.advance(1000), WS_OK);
    ws::Connection server = ws::Connection::server(engine);
    EXPECT_EQ(server.set_reading(true), WS_OK);
    EXPECT_LE(engine.next_deadline(), 11000u);
    EXPECT_EQ(engine.next_due(), nullptr);
    EXPECT_EQ(engine.advance(11000), WS_OK);
    EXPECT_EQ(engine.next_due(), server.get());
    EXPECT_EQ(engine.next_due(), nullptr);
    EXPECT_EQ(pull(server)[0].type, WS_EVENT_CLOSE);
    EXPECT_GT(server.queued_bytes(), 0u) << "408";
}

std::vector<std::string> messages(ws::TokenStream &stream) {
    std::vector<std::string> all;
    ws::StreamMessage message;
    while (stream.next(message) == WS_OK) {
        all.emplace_back(message.view());
    }
    return all;
}

TEST(Wrapper, ATokenStream) {
    using Messages = std::vector<std::string>;
    ws::Engine engine;
    EXPECT_EQ(engine.advance(1000), WS_OK);
    ws::TokenStream stream(engine, "r-1");
    ASSERT_TRUE(stream);
    int mark = 0;
    stream.set_user_data(&mark);
    EXPECT_EQ(stream.user_data(), &mark);
    EXPECT_EQ(stream.set_first_seq(8), WS_OK);

    EXPECT_EQ(stream.write("caf\xc3"), WS_OK);
    EXPECT_EQ(stream.pending_bytes(), 4u);
    EXPECT_TRUE(stream.wants_more());
    EXPECT_EQ(messages(stream), Messages({R"({"type":"stream","requestId":"r-1","seq":8,"content":"caf","done":false})"}));
    EXPECT_EQ(stream.write("\xa9"), WS_OK);
    EXPECT_EQ(messages(stream), Messages());
    EXPECT_EQ(engine.next_deadline(), 1040u);
    EXPECT_EQ(engine.next_due_stream(), nullptr);
    EXPECT_EQ(engine.advance(1040), WS_OK);
    EXPECT_EQ(engine.next_due_stream(), stream.get());
    EXPECT_EQ(messages(stream).size(), 1u);
    EXPECT_EQ(stream.next_seq(), 10u);
    const ws::Usage usage(1, 2, 3);
    EXPECT_EQ(stream.finish("length", &usage), WS_OK);
    EXPECT_FALSE(stream.is_finished());
    EXPECT_EQ(messages(stream),
              Messages({R"({"type":"stream","requestId":"r-1","seq":10,"content":"","done":true,"finish_reason":"length",)"
                        R"("usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}})"}));
    EXPECT_TRUE(stream.is_finished());
    EXPECT_EQ(stream.write("x"), WS_ERR_STATE);
    EXPECT_EQ(engine.metrics().streams_open, 1u);
}

TEST(Wrapper, TokenStreamsOnAConnection) {
    ws::Engine engine;
    ws::Connection server = ws::Connection::server(engine);
    ws::Connection client = ws::Connection::client(engine, ws::ClientRequest{"localhost"});
    carry(client, server);
    carry(server, client);
    ws::TokenStream failed(engine), cancelled(engine, "");
    EXPECT_EQ(failed.fail("overloaded", "later", true), WS_OK);
    EXPECT_EQ(cancelled.cancel(), WS_OK);
    EXPECT_EQ(failed.send(server), WS_OK);
    EXPECT_EQ(cancelled.send(server), WS_OK);
    const std::vector<Seen> seen = carry(server, client);
    ASSERT_EQ(seen.size(), 3u);
    EXPECT_EQ(seen[0].data, R"({"type":"error","seq":1,"code":"overloaded","message":"later","retryable":true})");
    EXPECT_EQ(seen[1].data, R"({"type":"stream","seq":2,"content":"","done":true,"finish_reason":"error"})");
    EXPECT_EQ(seen[2].data,
              R"({"type":"stream","requestId":"","seq":1,"content":"","done":true,"finish_reason":"cancelled"})");

    ws_status status = WS_OK;
    EXPECT_FALSE(ws::TokenStream(engine, "\xff", &status));
    EXPECT_EQ(status, WS_ERR_INVALID_UTF8);
    ws::TokenStream none;
    EXPECT_FALSE(none);
    EXPECT_EQ(none.write("x"), WS_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(none.send(server), WS_ERR_INVALID_ARGUMENT);
    EXPECT_FALSE(none.wants_more());
    EXPECT_TRUE(none.is_finished());
}

TEST(Wrapper, ObjectsMove) {
    ws::Connection conn;
    {
        ws::Engine engine;
        ws::Connection made = ws::Connection::server(engine);
        int mark = 0;
        made.set_user_data(&mark);
        conn = std::move(made);
        EXPECT_EQ(conn.user_data(), &mark);
        EXPECT_FALSE(made); // NOLINT: what a moved-from object is, is the point
    }
    EXPECT_EQ(conn.feed("not HTTP at all: \x01"), WS_OK) << "the engine may go first";
}

TEST(Wrapper, Sniffing) {
    const std::string request = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
    const ws::Sniffed part = ws::sniff(request.substr(0, 30));
    EXPECT_EQ(part.result, WS_SNIFF_NEED_MORE);
    const ws::Sniffed whole = ws::sniff(request, 8192, part.head_len);
    EXPECT_EQ(whole.result, WS_SNIFF_UPGRADE);
    EXPECT_EQ(whole.head_len, request.size());
}

TEST(Wrapper, MetricsAndDescriptions) {
    std::vector<ws::Metrics> list;
    for (int i = 0; i < 2; ++i) {
        ws::Engine engine;
        ws::Connection client = ws::Connection::client(engine, ws::ClientRequest{"localhost"});
        ws::Connection server = ws::Connection::server(engine);
        carry(client, server);
        carry(server, client);
        EXPECT_EQ(client.queue_text("hello"), WS_OK);
        carry(client, server);
        list.push_back(engine.metrics());
    }
    EXPECT_EQ(list[0].connections_open, 2u);
    EXPECT_EQ(list[0].messages_in[0], 1u);
    const std::string text = ws::render(list);
    EXPECT_NE(text.find("\nwsengine_connections_open 4\n"), std::string::npos) << text;
    EXPECT_EQ(text.find('\0'), std::string::npos);
    EXPECT_NE(ws::render({}).find("\nwsengine_connections_open 0\n"), std::string::npos);
    EXPECT_EQ(ws::Engine().metrics().wire_bytes_in, 0u);

    EXPECT_EQ(ws::refusal_name(0), "not_http");
    EXPECT_EQ(ws::violation_name(0), "reserved_bits");
    EXPECT_TRUE(ws::refusal_name(1000).empty() && ws::violation_name(1000).empty());

    ws_frame_header header = {};
    header.struct_size = sizeof header;
    EXPECT_EQ(ws::describe("\x81\x05Hello", &header), "FIN TEXT len=5 header=2");
    EXPECT_EQ(header.payload_len, 5u);
}

} // namespace
