"""Rooms, users and presence, on one loop and on several."""

import contextlib
import time

import pytest
from rawws import BINARY, TEXT, frame
from websockets.sync.client import connect


@pytest.fixture(params=[0, 4], ids=["one loop", "5 loops"])
def hub(start, request):
    return start("hub_server", "--threads", request.param)


class Member:
    def __init__(self, server, *commands, **options):
        self.socket = connect(server.url("/hub"), legacy=True, **options)
        for command in commands:
            self.say(command)

    def say(self, command):
        self.socket.send(command)
        return self

    def hear(self):
        return self.socket.recv(timeout=10)

    def settle(self):
        """Everything that was said before has been done."""
        self.say("users")
        while not self.hear().startswith("users "):
            pass
        return self

    def close(self):
        self.socket.close()


def members(server, count, *commands):
    return [Member(server, *commands).settle() for _ in range(count)]


def wait_for(member, command, answer):
    deadline = time.monotonic() + 10
    while (heard := member.say(command).hear()) != answer:
        assert time.monotonic() < deadline, heard
        time.sleep(0.02)


def test_a_broadcast_reaches_the_room_and_nobody_else(hub):
    inside = members(hub, 7, "join a")
    outside = members(hub, 3, "join b")
    outside[0].say("say a hello")
    assert [member.hear() for member in inside] == ["hello"] * 7
    inside[2].say("say-to-others a others")
    inside[2].say("say b bye")
    assert [member.hear() for member in inside[:2] + inside[3:]] == ["others"] * 6
    assert [member.hear() for member in outside] == ["bye"] * 3  # and no hello before it
    inside[2].say("users")
    assert inside[2].hear() == "users "  # what it said to others it did not hear
    inside[0].say("all everybody")
    assert [member.hear() for member in inside + outside] == ["everybody"] * 10


def test_leaving_and_going(hub):
    first, second, third = members(hub, 3, "join a", "join a")  # twice is once
    wait_for(first, "who a", "who  of 3")
    second.say("leave a").settle()
    third.close()
    wait_for(first, "who a", "who  of 1")
    first.say("say a alone")
    assert first.hear() == "alone"
    first.say("leave a").say("say a anybody")
    assert first.hear() == "nobody"
    second.say("leave never-there").say("say never-there anybody")
    assert second.hear() == "nobody"


def test_a_user_with_several_connections(hub):
    ann = members(hub, 3, "sign ann")
    (bob,) = members(hub, 1, "sign bob")
    bob.say("tell ann hi")
    assert [member.hear() for member in ann] == ["hi"] * 3
    wait_for(bob, "users", "users ann,bob")
    for member in ann[:2]:
        member.close()
    time.sleep(0.1)
    wait_for(bob, "users", "users ann,bob")
    bob.say("tell ann still there")
    assert ann[2].hear() == "still there"
    ann[2].close()
    wait_for(bob, "users", "users bob")
    bob.say("tell ann hello")
    assert bob.hear() == "not online"
    bob.say("sign robert")
    wait_for(bob, "users", "users robert")
    bob.say("tell bob hello").say("tell robert hello")
    assert [bob.hear(), bob.hear()] == ["not online", "hello"]


def test_presence(hub):
    (watcher,) = members(hub, 1)
    first = Member(hub, "sign ann", "join a").settle()
    second = Member(hub, "join a", "sign ann", "join b").settle()
    first.close()
    wait_for(watcher, "who a", "who ann of 1")
    second.say("leave a").settle()
    second.close()
    wait_for(watcher, "users", "users ")
    wait_for(watcher, "presence", "presence +ann@ +ann@a +ann@b -ann@a -ann@ -ann@b ")
    third = Member(hub, "sign bob", "join c", "sign eve").settle()
    wait_for(watcher, "who c", "who eve of 1")
    third.close()
    wait_for(watcher, "users", "users ")
    wait_for(watcher, "presence", "presence +ann@ +ann@a +ann@b -ann@a -ann@ -ann@b +bob@ +bob@c -bob@ +eve@ -bob@c +eve@c -eve@ -eve@c ")


@pytest.mark.parametrize("command", ["in-order", "worker-in-order"])
def test_sends_and_broadcasts_of_one_thread_keep_their_order(hub, command):
    everybody = members(hub, 4, "join a")
    everybody[1].say(f"{command} a 300")
    assert [int(everybody[1].hear()) for _ in range(900)] == list(range(900))
    for other in everybody[:1] + everybody[2:]:
        assert [int(other.hear()) for _ in range(300)] == list(range(1, 900, 3))


def test_who_joins_is_heard_at_once(hub):
    (member,) = members(hub, 1)
    for _ in range(20):
        member.say("worker-join a")
        assert [member.hear(), member.hear()] == ["joined", "done"]  # and not "left"


def test_members_who_come_and_go_during_broadcasts(hub):
    """Whoever stays hears everything, whoever goes leaves nothing behind."""
    stays = members(hub, 2, "join a")
    for number in range(40):
        goes = Member(hub, "join a", "sign guest")
        stays[0].say(f"say a {number}")
        if number % 2:
            goes.socket.socket.close()
        else:
            goes.say("say a bye").close()
    heard = []
    while len(heard) < 40:
        text = stays[1].hear()
        heard += [int(text)] if text.isdigit() else []
    assert heard == list(range(40))
    wait_for(stays[0].settle(), "who a", "who  of 2")
    wait_for(stays[0], "users", "users ")


@contextlib.contextmanager
def speaker_and_slow_member(hub):
    """Both are in room a; the second is a raw connection that does not read."""
    (speaker,) = members(hub, 1, "join a")
    with hub.connect("/hub", receive_buffer=4096) as slow:
        slow.send(frame(TEXT, b"join a"))
        wait_for(speaker, "who a", "who  of 2")
        yield speaker, slow


@pytest.mark.parametrize("policy", ["close", "skip"])
def test_a_member_who_does_not_read(start, policy):
    hub = start("hub_server", "--threads", 2, *(["--skip-slow"] if policy == "skip" else []))
    with speaker_and_slow_member(hub) as (speaker, slow):
        for _ in range(20):
            speaker.say("say-large a 1000000")
            assert len(speaker.hear()) == 1000000
            speaker.settle()
        received = 0
        while (message := slow.read_message())[0] == BINARY:
            received += 1
            if received >= 4 and policy == "skip":
                break
        assert 4 <= received < 20
        if policy == "close":
            assert message[1] == b"\x03\xf5you read too slowly"
        else:
            speaker.say("say a again")
            while message[0] == BINARY:
                message = slow.read_message()
            assert message == (TEXT, b"again")


def test_who_is_closed_as_slow_gets_no_more(start):
    """Its queue would never run dry, and its close frame never leave."""
    with speaker_and_slow_member(start("hub_server", "--threads", 2)) as (speaker, slow):
        for _ in range(12):
            speaker.say("say-large a 1000000")
            speaker.hear()
        for _ in range(100):
            speaker.say("say a small").hear()
        received = []
        while (message := slow.read_message())[0] in (BINARY, TEXT):
            received.append(message[1])
        assert message[1] == b"\x03\xf5you read too slowly" and b"small" not in received
