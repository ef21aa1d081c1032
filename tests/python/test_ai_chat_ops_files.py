"""The files in examples-cpp/ai_chat/ops, by the programs they are for: nginx, haproxy, promtool, systemd, and ai_chat itself."""

import asyncio
import contextlib
import json
import re
import shlex
import shutil
import signal
import ssl
import subprocess
import sys

import pytest
from ai_chat_harness import COMMAND, PATIENCE, ROOT, SLOWNESS, WWW, AiChat, Browser, Upstream, asynchronous
from test_ai_chat_ops import fetch, health, held_back, metrics_url, until_done
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

sys.path.append(str(ROOT / "examples-cpp" / "tests"))
import proxies  # noqa: E402

OPS = ROOT / "examples-cpp" / "ai_chat" / "ops"
PROXIES = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg"}


def tool(name, *arguments, **options):
    result = subprocess.run([proxies.program(name), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, timeout=60 * SLOWNESS, **options)
    return result.returncode, result.stdout


# ---- proxies ----


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return proxies.certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def start_proxy(tmp_path, certificate):
    """start_proxy(kind, nodes...), configured as the file says."""
    started = []

    def start(kind, *nodes):
        backends = [node.port for node in nodes]
        started.append(proxies.Proxy(kind, tmp_path / "proxy", backends, *certificate, {},
                                     configuration=lambda of: (OPS / PROXIES[of]).read_text()))
        return started[-1]

    yield start
    for proxy in started:
        proxy.stop()


@contextlib.asynccontextmanager
async def browser_at(proxy, scheme="ws", **options):
    async with connect(proxy.url(scheme), proxy=None, max_size=None, **options) as websocket:
        yield Browser(websocket)


async def names(proxy, count=8):
    """The nodes that answer at the moment."""
    return {json.loads((await fetch(proxy.url("http", "/healthz")))[2])["node"] for _ in range(count)}


@pytest.mark.parametrize("kind", PROXIES)
@asynchronous
async def test_a_proxy_before_two_nodes(kind, start_proxy, certificate):
    """Both are used; one that is told to end finishes its answer, and whoever comes meanwhile is with the other."""
    release = asyncio.Event()
    tls = ssl.create_default_context(cafile=certificate[0])
    async with Upstream(held_back(release)) as upstream, AiChat(upstream.url, "--node", "one") as one, AiChat(
            upstream.url, "--node", "two") as two:
        proxy = await asyncio.to_thread(start_proxy, kind, one, two)
        assert await names(proxy) == {"one", "two"}
        status, headers, body = await fetch(proxy.url("https", "/"), context=tls)
        assert status == 200 and "default-src 'none'" in headers["content-security-policy"] and "<html" in body
        assert (await fetch(proxy.url("http", "/metrics")))[0] == 404

        page = proxy.url("https", "")  # Origin is compared with Host, so Host has to arrive
        async with browser_at(proxy, "wss", ssl=tls, origin=page) as first, browser_at(proxy) as second:
            for browser, session in (first, "s-1"), (second, "s-2"):
                await browser.say("Count", session=session)
                while "content" not in await browser.receive():
                    pass
            assert [(await health(node))[1]["answers"] for node in (one, two)] == [1, 1], "the fewest connections"
            one.process.send_signal(signal.SIGTERM)
            while (await health(one))[0] == 200:
                await asyncio.sleep(0.02)
            others = [asyncio.create_task(ask(proxy, f"s-3{number}")) for number in range(3)]
            while (await health(two))[1]["answers"] < 4:
                await asyncio.sleep(0.02)
            assert (await health(one))[1]["answers"] == 1
            release.set()
            assert [text for _, text in await asyncio.gather(until_done(first), until_done(second))] == ["two", "two"]
            assert await asyncio.gather(*others) == ["one two"] * 3
            receiving = [asyncio.create_task(browser.websocket.recv()) for browser in (first, second)]
            (ended,), (stays,) = await asyncio.wait(receiving, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            assert isinstance(ended.exception(), ConnectionClosed) and ended.exception().rcvd.code == 1001
            stays.cancel()
        assert await asyncio.wait_for(one.process.wait(), PATIENCE) == 0
        assert await names(proxy) == {"two"}
        assert await ask(proxy, "s-4") == "one two"


async def ask(proxy, session):
    async with browser_at(proxy) as browser:
        await browser.say("Count", session=session)
        return (await until_done(browser))[1]


@pytest.mark.parametrize("kind", PROXIES)
@asynchronous
async def test_a_foreign_page_is_refused_behind_the_proxy(kind, start_proxy):
    async with AiChat("http://127.0.0.1:9/v1") as one, AiChat("http://127.0.0.1:9/v1") as two:
        proxy = await asyncio.to_thread(start_proxy, kind, one, two)
        with pytest.raises(InvalidStatus) as refused:
            async with browser_at(proxy, origin="https://evil.example"):
                pass
        assert refused.value.response.status_code == 403


# ---- options, units ----


def test_the_example_of_a_configuration(tmp_path):
    """As it is, and with all that is commented out."""
    text = (OPS / "ai_chat.conf").read_text()
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    secret.chmod(0o600)
    everything = re.sub(r"^#([a-z-]+ =)", r"\1", text, flags=re.MULTILINE)
    assert everything.count("\n#") < text.count("\n#") - 3
    everything = everything.replace("/etc/ai_chat/api-key", str(secret)).replace("/etc/ai_chat/redis-password", str(secret))
    for content in text, everything:
        (tmp_path / "ai_chat.conf").write_text(content)
        command = [*COMMAND, "--config", tmp_path / "ai_chat.conf", "--www", WWW, "--check-config"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", "")


@pytest.mark.parametrize("file, unit", [("ai_chat.service", "ai_chat.service"), ("ai_chat@.service", "ai_chat@2.service")])
def test_units(tmp_path, file, unit):
    text = (OPS / file).read_text()
    (command,) = re.findall(r"^ExecStart=((?:.*\\\n)*.*)", text, re.MULTILINE)
    (tmp_path / "api-key").write_text("sk-123")
    (tmp_path / "api-key").chmod(0o600)
    for mark, value in {"%d": str(tmp_path), "%i": "2", "%H": "host", "/etc/ai_chat/ai_chat.conf": str(OPS / "ai_chat.conf")}.items():
        command = command.replace(mark, value)
    words = shlex.split(command.replace("\\\n", " "))
    assert words[0] == "/usr/local/bin/ai_chat"
    result = subprocess.run([*COMMAND, *words[1:], "--www", WWW, "--check-config"], capture_output=True, text=True, timeout=PATIENCE)
    assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", "")

    drain = float(re.search(r"^drain = (\d+)", (OPS / "ai_chat.conf").read_text(), re.MULTILINE).group(1))
    assert float(re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE).group(1)) >= drain + 10

    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is missing: tests/setup.sh test installs it")
    program = tmp_path / "ai_chat"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / unit).write_text(text.replace("/usr/local/bin/ai_chat", str(program)))
    assert tool("systemd-analyze", "verify", "--man=no", tmp_path / unit) == (0, "")
    # From 0, everything is forbidden, to 10; 5 would be called "medium".
    status, said = tool("systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager", tmp_path / unit)
    assert status == 0, said


# ---- Prometheus ----


def test_rules():
    status, said = tool("promtool", "check", "rules", OPS / "ai_chat.rules.yml")
    assert status == 0 and "SUCCESS: 9 rules found" in said, said
    status, said = tool("promtool", "test", "rules", OPS / "ai_chat.rules.test.yml")
    assert status == 0 and "SUCCESS" in said, said
    alerts = set(re.findall(r"alert: (\w+)", (OPS / "ai_chat.rules.yml").read_text()))
    tested = re.findall(r"alertname: (\w+)\n +exp_alerts:\n", (OPS / "ai_chat.rules.test.yml").read_text())
    assert alerts == set(tested), "each is seen to fire"
    assert alerts == set(re.findall(r"^\| (AiChat\w+)", (OPS / "README.md").read_text(), re.MULTILINE)), "each is explained"


def dashboard_expressions():
    panels = json.loads((OPS / "dashboard.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_expressions_of_the_dashboard(tmp_path):
    rules = [{"record": f"panel:number:{number}", "expr": expression.replace("$__rate_interval", "5m")}
             for number, expression in enumerate(dashboard_expressions())]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # JSON is YAML
    status, said = tool("promtool", "check", "rules", tmp_path / "rules.yml")
    assert status == 0 and f"{len(rules)} rules found" in said, said
    words = (OPS / "dashboard.json").read_text() + (OPS / "README.md").read_text()
    assert words.count("ot tried in Grafana") == 2


@asynchronous
async def test_all_metrics_that_are_asked_for_exist():
    async with AiChat("http://127.0.0.1:9/v1", "--metrics-port", 0) as chat:
        _, _, text = await fetch(metrics_url(chat))
    there = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE)}
    engine = (ROOT / "src" / "engine" / "metrics" / "render.rs").read_text()
    asked = " ".join([*dashboard_expressions(), (OPS / "ai_chat.rules.yml").read_text(), (OPS / "README.md").read_text()])
    names = {re.sub(r"_bucket$", "", name) for name in re.findall(r"\b(?:ai_chat|process|wsengine)_[a-z_]+", asked)}
    assert len(names) > 20
    for name in names - there:
        assert name.startswith("wsengine_") and f'"{name.removeprefix("wsengine_")}"' in engine, name
