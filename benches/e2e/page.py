"""Writes docs/BENCHMARKS-E2E.md and its chart from what `make bench-e2e` measured (target/bench/e2e.json)."""

import json
import math
import pathlib
import sys
from html import escape

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "BENCHMARKS-E2E.md"
CHART = ROOT / "docs" / "images" / "benchmarks-e2e.svg"
RAW, OWN = "raw TCP", "wsengine"

# Less than this is noise between two servers.
TIE = 1.1

CHARTED = [(16, "binary", 100, 16), (512, "binary", 100, 16), (16384, "binary", 100, 1), (16384, "binary", 100, 16),
           (16384, "chinese", 100, 16), (1 << 20, "binary", 10, 1)]


def size_name(size):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"


def load_of(row):
    return row["size"], row["kind"], row["connections"], row["window"]


def load_name(load):
    size, kind, connections, window = load
    kind = {"ascii": "ASCII", "chinese": "Chinese"}.get(kind, kind)
    return f"{size_name(size)} {kind}, {connections:,} × {window}"


def by_load(results):
    """{load: {server: row}}, in the order in which they were measured."""
    loads = {}
    for row in results["rows"]:
        loads.setdefault(load_of(row), {})[row["subject"]] = row
    return loads


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def cost_table(loads, servers):
    rows = []
    for load, found in loads.items():
        best = min((row["ratio_to_raw"] for name, row in found.items() if name != RAW), default=0)
        cells = [load_name(load)]
        for name in servers:
            row = found.get(name)
            if row is None:
                cells.append("-")
            elif name == RAW:
                cells.append(number(row["cpu_us_per_message"]))
            else:
                text = f"{row['ratio_to_raw']:.2f}x"
                cells.append(f"**{text}**" if row["ratio_to_raw"] == best else text)
        rows.append(cells)
    return table(["load", f"{RAW}, µs"] + [name for name in servers if name != RAW], rows)


def speed_table(loads, servers):
    rows = []
    for load, found in loads.items():
        if load[2] != 1 and load[1] == "binary":
            rows.append([load_name(load)] + [
                f"{found[name]['messages_per_second']:,.0f}<br>{number(found[name]['p50_us'])} / {number(found[name]['p99_us'])}"
                if name in found else "-" for name in servers])
    return table(["load"] + servers, rows)


def memory_table(results):
    return table(["server", "fresh", "after 16 KiB"],
                 [[row["subject"], f"{row['fresh_bytes']:,.0f}", f"{row['after_16_kib_bytes']:,.0f}"] for row in results["memory"]])


def where_others_lead(loads):
    """What wsengine is to admit: the loads where another server costs less, beyond noise."""
    lines = []
    for load, found in loads.items():
        own = found.get(OWN)
        others = [row for name, row in found.items() if name not in (RAW, OWN)]
        if not own or not others:
            continue
        best = min(others, key=lambda row: row["ratio_to_raw"])
        if own["ratio_to_raw"] > TIE * best["ratio_to_raw"]:
            lines.append(f"- {load_name(load)}: {own['ratio_to_raw']:.2f}x, {best['subject']} {best['ratio_to_raw']:.2f}x")
    return "\n".join(lines) or f"At no load does another server cost less by more than {(TIE - 1) * 100:.0f}%."


def chart(loads, servers):
    """Bars of the ratio to the raw echo on a logarithmic scale from 1; on a ground of its own, for light and dark pages."""
    colours = {OWN: "#1f6feb", "uWebSockets": "#8a94a3", "fastwebsockets": "#a9b2be", "tokio-websockets": "#bfc6d0",
               "tokio-tungstenite": "#d3d8df"}
    peers = [name for name in servers if name != RAW]
    left, right, bar, gap, top, most = 190, 860, 15, 16, 58, 16.0
    shapes, y = [], top

    def length(ratio):
        return (right - left) * math.log(min(max(ratio, 1.0), most)) / math.log(most)

    for load in (load for load in CHARTED if load in loads):
        middle = y + bar * len(peers) / 2 + 4
        shapes.append(f'<text x="{left - 12}" y="{middle:.0f}" text-anchor="end">{escape(load_name(load))}</text>')
        for name in peers:
            row = loads[load].get(name)
            if row:
                width = max(2.0, length(row["ratio_to_raw"]))
                shapes.append(f'<rect x="{left}" y="{y}" width="{width:.1f}" height="{bar - 3}" fill="{colours.get(name, "#cccccc")}"/>')
                weight = ' font-weight="bold"' if name == OWN else ""
                shapes.append(f'<text x="{left + width + 6:.1f}" y="{y + bar - 5}" font-size="11"{weight}>'
                              f'{row["ratio_to_raw"]:.2f}x {escape(name)}</text>')
            y += bar
        y += gap
    ticks = "".join(f'<line x1="{left + length(tick):.1f}" y1="{top - 6}" x2="{left + length(tick):.1f}" y2="{y - gap}" '
                    f'stroke="#e3e7ec"/><text x="{left + length(tick):.1f}" y="{y - gap + 14}" fill="#59636e" '
                    f'text-anchor="middle" font-size="11">{tick}x</text>' for tick in (1, 2, 4, 8, 16))
    height = y + 10
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1020 {height}" width="1020" height="{height}" role="img" '
            'font-family="system-ui, sans-serif" font-size="13" fill="#1f2328">\n'
            "<title>CPU time of the server per message, as a multiple of a raw TCP echo of the same bytes</title>\n"
            f'<rect width="1020" height="{height}" rx="6" fill="#ffffff" stroke="#d0d7de"/>\n'
            '<text x="24" y="28" font-size="15" font-weight="bold">CPU time of the server per message, against a raw TCP echo of the same bytes</text>\n'
            f'<text x="24" y="46" fill="#59636e">shorter is better; payload, connections × messages in flight; logarithmic from 1x</text>\n{ticks}\n'
            + "\n".join(shapes) + "\n</svg>\n")


def page(results):
    loads = by_load(results)
    servers = list(dict.fromkeys(row["subject"] for row in results["rows"]))
    machine = results["machine"]
    return f"""# Loopback echo of whole servers

What a message costs a server in CPU time, from socket to socket, beside a TCP echo of the same bytes. Written by `make bench-e2e`; the cost
of the protocol alone, without sockets, is another page's: `make bench`.

![CPU time per message](images/{CHART.name})

## CPU time of the server per message

As a multiple of the raw echo, in the same round; the least is bold, and a difference of less than {(TIE - 1) * 100:.0f}% is noise. The raw echo knows nothing
of WebSocket: one `recv()` and one `send()` per event, with one large buffer. It echoes part of a message while the rest is still on its way, so that with large
messages its memory stays in the CPU's cache, which a server that delivers whole messages cannot have.
A load is payload, connections × messages in flight on each.

{cost_table(loads, servers)}

### Where wsengine does not lead

{where_others_lead(loads)}

## Messages per second, and latency

Binary; below it p50 / p99 in µs, from the `send()` of a message to its last byte back. The driver has a core of its own, but on small messages it is as busy as the
server, and with many in flight latency is the length of the queue: compare servers, not loads.

{speed_table(loads, servers)}

## User memory per idle connection

Bytes of anonymous memory of the server process, at {results["memory"][0]["connections"] if results["memory"] else 0:,} connections: right after the opening, and after each has echoed 16 KiB. What the server
needs once, such as its receive buffer, is not counted, nor is the kernel's memory for sockets.

{memory_table(results)}

## How it is measured

- {machine["cores"]} cores of {machine["cpu"]}, Linux {machine["kernel"]}, a virtual machine with noisy neighbours: believe ratios, not absolute figures.
- Server and driver are processes of one thread, each pinned to a core. A fresh server process for every measurement of {results["measurement_ms"]} ms, after a warm-up;
  {results["rounds"]} rounds, in each of which all servers take their turn at a load; the median of the rounds' ratios.
- CPU time is the process's clock: user and kernel, all threads. On loopback the kernel charges a sender with part of the receiver's work; that is the
  same for all.
- The driver is a client on epoll. Its frames are made once by tungstenite's encoder, with a different payload and mask each, and so is what has to come back: every
  byte is compared. It replaces at once what came back, in one `send()`.
- wsengine: `examples-c/echo_server` through the C ABI, with deadlines and pings on. uWebSockets: its own echo example, the sources in the crate
  libuwebsockets-sys with the optimizations of their makefile (`-O3 -march=native -flto`); the others are not compiled for this one CPU.
- fastwebsockets: its own example, with writev. tokio-websockets and tokio-tungstenite: what has been read is answered together and
  flushed once, which they leave to the program, and which makes small messages cost a sixth. All are on a tokio runtime of the
  current thread, with TCP_NODELAY.
- None compresses. Chinese text is three bytes a character.
"""


def main():
    results = json.loads(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/bench/e2e.json").read_text())
    CHART.parent.mkdir(parents=True, exist_ok=True)
    CHART.write_text(chart(by_load(results), list(dict.fromkeys(row["subject"] for row in results["rows"]))))
    PAGE.write_text(page(results))
    print(f"written: {PAGE.relative_to(ROOT)}, {CHART.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
