"""The text for Prometheus, as a parser that nobody here wrote reads it: of two engines, rendered by a C program."""

import subprocess

import pytest
from conftest import ROOT
from prometheus_client.parser import text_string_to_metric_families

PROGRAM = r"""
#include "ws_engine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Moves what `from` has to say to `to`, and pulls. */
static void carry(ws_conn *from, ws_conn *to)
{
    char buffer[65536];
    size_t len;
    ws_event event;
    while (ws_conn_output_read(from, buffer, sizeof buffer, &len) == WS_OK) {
        ws_conn_feed(to, buffer, len);
        while (ws_conn_next_event(to, &event) == WS_OK)
            ;
    }
}

static ws_metrics count(void)
{
    ws_engine *engine = ws_engine_new(NULL);
    ws_client_request request = {sizeof request};
    request.host = "localhost";
    ws_conn *server = ws_conn_new_server(engine), *client = NULL, *broken = ws_conn_new_server(engine);
    if (ws_conn_new_client(engine, &request, &client) != WS_OK)
        abort();
    carry(client, server);
    carry(server, client);
    char large[5000];
    memset(large, 'x', sizeof large);
    ws_conn_queue_text(client, "hello", 5);
    ws_conn_queue_binary(client, large, sizeof large);
    ws_conn_queue_ping(client, "p", 1);
    carry(client, server);
    carry(server, client);
    ws_event event;
    ws_conn_feed(broken, "nonsense\r\n\r\n", 12);
    while (ws_conn_next_event(broken, &event) == WS_OK)
        ;
    ws_metrics metrics = {sizeof metrics};
    if (ws_metrics_get(engine, &metrics) != WS_OK)
        abort();
    ws_conn_free(server);
    ws_conn_free(client);
    ws_conn_free(broken);
    ws_engine_free(engine);
    return metrics;
}

int main(void)
{
    ws_metrics one = count(), two = count();
    const ws_metrics *list[] = {&one, &two};
    size_t len = 0;
    if (ws_metrics_render(list, 2, NULL, 0, &len) != WS_ERR_BUFFER_TOO_SMALL)
        abort();
    char *text = malloc(len + 1);
    if (ws_metrics_render(list, 2, text, len + 1, &len) != WS_OK || strlen(text) != len)
        abort();
    fputs(text, stdout);
    free(text);
    return 0;
}
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    (folder / "metrics.c").write_text(PROGRAM)
    lib = ROOT / "target" / "release"
    subprocess.run(["gcc", "-std=c99", "-Wall", "-Werror", f"-I{ROOT / 'include'}", folder / "metrics.c", "-o",
                    folder / "metrics", f"-L{lib}", "-lwsengine", f"-Wl,-rpath,{lib}"], check=True)
    return subprocess.run([folder / "metrics"], capture_output=True, check=True).stdout.decode()


@pytest.fixture(scope="module")
def families(text):
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(family):
    return {(sample.name, *sample.labels.values()): sample.value for sample in family.samples}


def test_counters(families):
    assert values(families["wsengine_connections_open"]) == {("wsengine_connections_open",): 4}
    opened = families["wsengine_connections_opened"]
    assert opened.type == "counter"
    assert values(opened) == {("wsengine_connections_opened_total", role): 2 for role in ("server", "client")}
    assert values(families["wsengine_handshakes_refused"])["wsengine_handshakes_refused_total", "not_http"] == 2
    assert values(families["wsengine_frames_received"])["wsengine_frames_received_total", "pong"] == 2


def test_histograms(families):
    family = families["wsengine_message_received_size_bytes"]
    assert family.type == "histogram"
    buckets = [(float(sample.labels["le"]), sample.value) for sample in family.samples if sample.name.endswith("_bucket")]
    assert buckets[0] == (16, 2) and buckets[-1] == (float("inf"), 4)
    assert buckets == sorted(buckets) and [count for _, count in buckets] == sorted(count for _, count in buckets)
    seen = values(family)
    assert seen["wsengine_message_received_size_bytes_sum",] == 2 * 5005
    assert seen["wsengine_message_received_size_bytes_count",] == 4
    assert dict(buckets)[4096] == 2 and dict(buckets)[16384] == 4


def test_names_follow_the_conventions(families):
    """Counters end in _total, units are base units, everything is explained."""
    assert len(families) > 25
    for name, family in families.items():
        assert name.startswith("wsengine_")
        assert family.documentation.endswith(".")
        assert family.type in ("counter", "gauge", "histogram")
        for sample in family.samples:
            assert family.type != "counter" or sample.name.endswith("_total")
        assert not any(word in name for word in ("milliseconds", "_ms", "kilobytes"))
