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
static_assert(move_only<ws::Config> && move_only<ws::Engine> && move_only<ws::Connection>);
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
        if (accepted) {
            EXPECT_EQ(server.accept_subprotocol("v3"), WS_ERR_INVALID_ARGUMENT);
            EXPECT_EQ(server.accept_subprotocol("v2", {{"X-Room", "7"}}), WS_OK);
            EXPECT_EQ(pull(server)[0].data, "v2");
            EXPECT_EQ(carry(server, client)[0].data, "v2");
        } else {
            EXPECT_EQ(server.reject(403, {{"Content-Type", "text/plain"}}, "no"), WS_OK);
            EXPECT_EQ(pull(server)[0].type, WS_EVENT_CLOSE);
            EXPECT_EQ(carry(server, client)[0].type, WS_EVENT_CLOSE);
            EXPECT_TRUE(client.wants_abort());
        }
    }
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

} // namespace
