"""ai_chat as its operator sees it: health, metrics, logs, the file of options, TLS, and an end that loses no answer."""

import asyncio
import json
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from ai_chat_harness import (COMMAND, DONE, PATIENCE, ROOT, WWW, AiChat, Upstream, answers, asynchronous, delta, endless, finish,
                             head, run, wait_until)
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed, InvalidStatus

sys.path.append(str(ROOT / "examples-cpp" / "tests"))
import proxies  # noqa: E402
from tls_by_hand import Certificate  # noqa: E402

HELLO = answers(delta("Hello"), finish(), DONE)


async def fetch(url, method="GET", context=None):
    """(status, headers, body) of a request."""
    def get():
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=PATIENCE, context=context) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()
    return await asyncio.to_thread(get)


async def health(chat):
    status, _, body = await fetch(chat.url + "healthz")
    return status, json.loads(body)


async def until_done(browser):
    """All messages up to the end of an answer, and what it says."""
    messages = []
    while not messages or messages[-1].get("done") is not True:
        messages.append(await browser.receive())
    return messages, "".join(one.get("content", "") for one in messages if one["type"] == "stream")


def metrics_url(chat):
    return re.search(r"metrics at (\S+/metrics)", chat.banner).group(1)


def events(chat):
    """What was logged, of a server with --log-format json."""
    return [json.loads(line) for line in chat.stderr.decode().splitlines()]


def logged(chat, event):
    return [one for one in events(chat) if one["event"] == event]


# ---- pages ----


@asynchronous
async def test_health():
    async with Upstream(endless()) as upstream, AiChat(upstream.url, "--node", "one") as chat:
        status, headers, body = await fetch(chat.url + "healthz")
        assert status == 200 and headers["content-type"] == "application/json" and headers["cache-control"] == "no-store"
        assert json.loads(body) == {"status": "ok", "node": "one", "store": "memory", "degraded": False, "answers": 0}
        async with chat.browser() as browser:
            await browser.say("Count")
            while "content" not in await browser.receive():
                pass
            assert (await health(chat))[1]["answers"] == 1
            assert (await fetch(chat.url + "healthz", "HEAD"))[::2] == (200, "")
            assert (await fetch(chat.url + "healthz", "DELETE"))[0] == 405
            await browser.stop()
            await until_done(browser)
        assert (await health(chat))[1]["answers"] == 0


@asynchronous
async def test_nodes_without_a_name_have_different_ones():
    async with AiChat("http://127.0.0.1:9/v1") as one, AiChat("http://127.0.0.1:9/v1") as two:
        names = [(await health(chat))[1]["node"] for chat in (one, two)]
        assert names[0] != names[1] and all(names)


@asynchronous
async def test_metrics():
    async with Upstream(HELLO) as upstream, AiChat(upstream.url, "--metrics-port", 0) as chat:
        async with chat.browser() as browser:
            await browser.say("Hi")
            await until_done(browser)
        status, headers, text = await fetch(metrics_url(chat))
        assert status == 200 and headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert (await fetch(chat.url + "metrics"))[0] == 404, "the port of the chat is everybody's"
        assert (await fetch(metrics_url(chat), "POST"))[0] == 405
        other = metrics_url(chat).removesuffix("metrics")
        assert (await fetch(other))[0] == 404 and (await fetch(other + "healthz"))[0] == 200
        resident = int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{chat.process.pid}/status").read()).group(1)) * 1024

    check = subprocess.run([proxies.program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True)
    assert (check.returncode, check.stdout, check.stderr) == (0, "", "")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    value = {(sample.name, *sample.labels.values()): sample.value for family in families.values() for sample in family.samples}
    assert value["ai_chat_questions_total",] == 1 and value["ai_chat_answers_under_way",] == 0
    assert sum(sample.value for sample in families["ai_chat_answers"].samples) == 1
    assert value["ai_chat_answer_duration_seconds_count",] == 1
    assert value["ai_chat_draining",] == 0 and value["ai_chat_store_degraded",] == 0
    (info,) = families["ai_chat_build_info"].samples
    assert set(info.labels) == {"wsengine", "reactor", "curl", "openssl", "compiler"} and all(info.labels.values())
    assert abs(value["process_resident_memory_bytes",] - resident) < 8 * 1024 * 1024
    assert 5 < value["process_open_fds",] < value["process_max_fds",]
    assert value["process_start_time_seconds",] > 1.5e9 and value["process_threads",] == 1
    assert value["process_cpu_seconds_total",] < 60


# ---- logs ----


def test_logs_are_json_lines_without_secrets(tmp_path):
    key = "sk-very-secret-0123456789"
    (tmp_path / "key").write_text(f"{key}\n")
    (tmp_path / "key").chmod(0o644)
    refusal = json.dumps({"error": {"message": f"Incorrect API key provided: {key}. Question was: private words"}}).encode()

    async def test():
        async with Upstream(answers(delta("private answer"), finish(), DONE)) as upstream, AiChat(
                upstream.url, "--verbose", "--log-format", "json", "--api-key-file", tmp_path / "key") as chat:
            async with chat.browser() as browser:
                await browser.say("private words\n{\"level\":\"error\"}", session="private-session")
                messages, text = await until_done(browser)
                assert text == "private answer"
                upstream.script = answers(refusal, status="401 Unauthorized", content_type="application/json")
                await browser.say("private words", session="private-session")
                messages += (await until_done(browser))[0]
        return chat, messages

    chat, messages = run(test())
    log = chat.stderr.decode()
    assert key not in log + chat.banner and "private" not in log.replace(str(tmp_path), "")
    for one in events(chat):
        assert list(one)[:3] == ["time", "level", "event"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one["time"])
        assert one["level"] in ("debug", "info", "warn", "error")
    (warning,) = logged(chat, "options")
    assert warning["level"] == "warn" and "everybody on this machine may read" in warning["message"]
    assert "HTTP 401" in log
    # Whoever has the id of an answer finds it.
    ids = {message["requestId"] for message in messages if "requestId" in message}
    assert ids <= {one.get("requestId") for one in events(chat)}
    assert [one["event"] for one in events(chat)][-1] == "ended"


@asynchronous
async def test_logs_as_text_and_silence_when_all_is_well():
    async with Upstream(HELLO) as upstream, AiChat(upstream.url, "--verbose") as loud, AiChat(upstream.url) as quiet:
        await loud.ask()
        await quiet.ask()
        for chat in loud, quiet:
            for begun in b"", b"GET / HTTP/1.1\r\n":
                with socket.create_connection(("127.0.0.1", chat.port)) as client:
                    client.sendall(begun)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # hangs up with a reset
            assert (await health(chat))[0] == 200
    lines = loud.stderr.decode().splitlines()
    assert lines and all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARN) \w+( |$)", line) for line in lines), lines
    assert quiet.stderr == b""


# ---- the file of options ----


def start(*arguments, **environment):
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE,
                          env={"PATH": "/usr/bin", **environment})


@pytest.mark.parametrize("line, words", [
    ("thraeds = 2", "c.conf:4: there is no option thraeds"),
    ("threads = 65", 'c.conf:4: threads takes a number from 0 to 64, not "65"'),
    ("threads 2", 'c.conf:4: a line is "name = value", or a # comment'),
    ("port = 1", "c.conf:4: port is given twice"),
    ("tls-cert = x.pem", "--tls-cert and --tls-key go together"),
    ("api-key-file = /does/not/exist", "cannot read the API key in /does/not/exist"),
])
def test_errors_in_the_file_say_where(tmp_path, line, words):
    (tmp_path / "c.conf").write_text(f"# chat\nport = 0\nupstream = http://127.0.0.1:9/v1\n{line}\n")
    result = start("--config", tmp_path / "c.conf", "--check-config")
    assert result.returncode == 2 and result.stdout == "" and words in result.stderr
    assert len(result.stderr.splitlines()) == 2, "what is wrong is not buried"


def test_check_config(tmp_path):
    certificate = Certificate(tmp_path, "one")
    (tmp_path / "key").write_text("sk-secret")
    (tmp_path / "key").chmod(0o600)
    config = tmp_path / "c.conf"
    good = f"port = 0\nupstream = http://127.0.0.1:9/v1\nwww = {WWW}\napi-key-file = {tmp_path / 'key'}\n"
    config.write_text(good + f"tls-cert = {certificate.file}\ntls-key = {certificate.key}\n")
    result = start("--config", config, "--check-config", API_KEY="sk-other")
    assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", "")
    for more, words in [(f"tls-cert = {certificate.key}\ntls-key = {certificate.key}\n", str(certificate.key)),
                        ("tls-cert = /does/not/exist\ntls-key = /does/not/exist\n", "/does/not/exist")]:
        config.write_text(good + more)
        result = start("--config", config, "--check-config")
        assert result.returncode == 1 and result.stdout == "" and words in result.stderr
    config.write_text(good)
    result = start("--config", config, "--check-config", "--www", "/does/not/exist")
    assert result.returncode == 1 and "/does/not/exist: No such file or directory" in result.stderr, "the command line wins"
    result = start("--config", config, "--check-config", "--api-key-file", "/dev/null")
    assert result.returncode == 2 and "sk-" not in result.stderr


def test_the_server_runs_with_a_file(tmp_path):
    async def test():
        async with Upstream(HELLO) as upstream:
            (tmp_path / "c.conf").write_text(f"port = 1\nupstream = {upstream.url}  # the model\nmodel = from the file\nnode = f-1\n")
            async with AiChat(upstream.url, "--config", tmp_path / "c.conf") as chat:  # with --port 0
                assert (await health(chat))[1]["node"] == "f-1"
                async with chat.browser() as browser:
                    await browser.say("Hi")
                    assert (await until_done(browser))[1] == "Hello"
            assert upstream.calls[0].body["model"] == "from the file"

    run(test())


# ---- TLS ----


def test_tls_and_a_new_certificate(tmp_path):
    first, second = Certificate(tmp_path, "first"), Certificate(tmp_path, "second")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def use(certificate):
        cert.write_bytes(certificate.file.read_bytes())
        key.write_bytes(certificate.key.read_bytes())

    async def talk(chat, certificate):
        async with chat.browser(ssl=certificate.client()) as browser:
            await browser.say("Hi")
            return (await until_done(browser))[1]

    async def test():
        use(first)
        async with Upstream(HELLO) as upstream, AiChat(upstream.url, "--tls-cert", cert, "--tls-key", key, "--log-format",
                                                       "json", "--verbose") as chat:
            assert chat.url.startswith("https://")
            status, _, body = await fetch(chat.url + "healthz", context=first.client())
            assert status == 200 and json.loads(body)["status"] == "ok"
            async with chat.browser(ssl=first.client()) as old:
                use(second)
                chat.process.send_signal(signal.SIGHUP)
                await wait_until(lambda: logged(chat, "certificate_reloaded"))
                assert await talk(chat, second) == "Hello"
                with pytest.raises(ssl.SSLCertVerificationError):
                    await talk(chat, first)
                await old.say("Hi")
                assert (await until_done(old))[1] == "Hello", "a connection keeps what it has"
            cert.write_text("no certificate")
            chat.process.send_signal(signal.SIGHUP)
            await wait_until(lambda: logged(chat, "certificate_kept"))
            assert str(cert) in logged(chat, "certificate_kept")[0]["why"]
            assert await talk(chat, second) == "Hello"

    run(test())


@asynchronous
async def test_a_hang_up_is_harmless_without_tls():
    async with Upstream(HELLO) as upstream, AiChat(upstream.url, "--log-format", "json", "--verbose") as chat:
        chat.process.send_signal(signal.SIGHUP)
        await wait_until(lambda: logged(chat, "nothing_to_reload"))
        assert (await health(chat))[0] == 200


# ---- the end ----


def held_back(release):
    """A model that says "one", waits for `release`, then says "two"."""
    async def script(call):
        await call.send(head() + delta("one "))
        await release.wait()
        await call.send(delta("two") + finish() + DONE)
    return script


@pytest.mark.parametrize("threads", [0, 2])
@asynchronous
async def test_the_end_waits_for_answers(threads):
    release = asyncio.Event()
    async with Upstream(held_back(release)) as upstream, AiChat(upstream.url, "--threads", threads) as chat:
        async with chat.browser() as busy, chat.browser() as other:
            await busy.say("Count")
            while "content" not in (message := await busy.receive()):
                pass
            assert message["content"] == "one "
            chat.process.send_signal(signal.SIGTERM)

            async def draining():
                while (answer := await health(chat))[0] == 200:
                    await asyncio.sleep(0.02)
                return answer

            status, body = await asyncio.wait_for(draining(), PATIENCE)
            assert status == 503 and body["status"] == "draining" and body["answers"] == 1
            await other.say("Me too", session="session-2")
            messages, text = await until_done(other)
            assert text == "" and "shutting_down" in [one.get("code") for one in messages]
            with pytest.raises(InvalidStatus) as refused:
                async with chat.browser():
                    pass
            assert refused.value.response.status_code == 503, "a proxy asks the next node"

            release.set()
            assert (await until_done(busy))[1] == "two"
            for browser in busy, other:
                with pytest.raises(ConnectionClosed) as closed:
                    await browser.receive()
                assert closed.value.rcvd.code == 1001
        assert await asyncio.wait_for(chat.process.wait(), PATIENCE) == 0


@asynchronous
async def test_the_second_signal_ends_it_at_once():
    async with Upstream(endless()) as upstream:
        process = await asyncio.create_subprocess_exec(*COMMAND, "--port", "0", "--upstream", upstream.url, "--www", str(WWW),
                                                       stdout=asyncio.subprocess.PIPE)
        chat = AiChat(upstream.url)
        chat.url = re.match(r"ai_chat: (\S+)", (await process.stdout.readline()).decode()).group(1)
        async with chat.browser() as browser:
            await browser.say("Count")
            while "content" not in await browser.receive():
                pass
            process.send_signal(signal.SIGTERM)
            while (await health(chat))[0] == 200:
                await asyncio.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), PATIENCE) == -signal.SIGTERM
