#!/usr/bin/env python3
"""Writes docs/BENCHMARKS.md and its chart from target/bench/report.json, which `make bench` makes.

    benches/peers/report.py [REPORT]
"""

import html
import json
import math
import re
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs/BENCHMARKS.md"
CHART = ROOT / "docs/images/benchmarks.svg"

TIE = 0.05  # nearer than this to the best peer is no lead and no lag
SAME_SIZE = 1.05  # compressed sizes up to this apart are compared
SMALL_READS = ", 8 KiB reads"

# What benches/chat/page.py writes into the document; it is kept.
CHAT_BEGINS, CHAT_ENDS = "<!-- written by make bench-chat -->\n", "<!-- end of make bench-chat -->\n"


def main():
    report = json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/bench/report.json").read_text())
    cells = cells_of(report["rows"])
    summary = [line for line in map(summarize, cells) if line]
    CHART.parent.mkdir(parents=True, exist_ok=True)
    CHART.write_text(chart(summary))
    template = (Path(__file__).parent / "BENCHMARKS.template.md").read_text()
    for name, text in {**sections(report["machine"], cells, summary), "chat": chat_section()}.items():
        template = template.replace("{{" + name + "}}", text)
    assert "{{" not in template, "a section of the template is not filled"
    DOCUMENT.write_text(template)
    print(f"written: {DOCUMENT.relative_to(ROOT)}, {CHART.relative_to(ROOT)}")


def chat_section():
    document = DOCUMENT.read_text() if DOCUMENT.exists() else ""
    if CHAT_BEGINS not in document:
        return CHAT_BEGINS + "## Chats at once\n\nNot measured yet: `make bench-chat`.\n" + CHAT_ENDS
    return CHAT_BEGINS + document.split(CHAT_BEGINS)[1].split(CHAT_ENDS)[0] + CHAT_ENDS


# ---- the figures ----


def cells_of(rows):
    """The rows by workload and size, in the order in which they were measured."""
    cells = {}
    for row in rows:
        row["median"] = median(row["rounds"])
        row["best"] = min(row["rounds"])
        cells.setdefault((row["workload"], row["size"]), []).append(row)
    return list(cells.values())


def is_ours(row):
    return row["subject"].startswith("wsengine C ")


def is_peer(row):
    return not row["subject"].startswith(("wsengine", "limit"))


def base(subject):
    """The subject without how it reads: large messages are measured with small reads, too."""
    return subject.removesuffix(SMALL_READS)


def better_reads(rows):
    """Of each subject the row with those reads that are better for it."""
    best = {}
    for row in sorted(rows, key=lambda row: row["median"]):
        best.setdefault(base(row["subject"]), row)
    return list(best.values())


def summarize(rows):
    """Ours through the C ABI, the fastest way, beside the fastest peer; by medians and by best rounds."""
    ours = [row for row in rows if is_ours(row)]
    if not ours:
        return None
    ours_compressed = min(row.get("compressed", 0) for row in ours)
    peers = [row for row in rows if is_peer(row) and row.get("compressed", 0) <= ours_compressed * SAME_SIZE]
    best_peer = min(row["best"] for row in peers) if peers else 0
    peers = better_reads(peers)
    if not peers:
        return None
    our, peer = (min(group, key=lambda row: row["median"]) for group in (ours, peers))
    return {
        "workload": our["workload"],
        "size": our["size"],
        "unit": our["unit"],
        "ours": our,
        "peer": peer,
        "peers": peers,
        "ratio": peer["median"] / our["median"],
        "best_ratio": best_peer / min(row["best"] for row in ours),
    }


def number(value):
    if value < 100:
        return f"{value:.1f}"
    return f"{value:,.0f}"


# ---- the document ----


def sections(machine, cells, summary):
    behind = [line for line in summary if line["ratio"] < 1 - TIE]
    ties = [line for line in summary if abs(line["ratio"] - 1) <= TIE]
    shared = "; a virtual machine" if machine.get("virtual") == "yes" else ""
    return {
        "machine": f"{machine['cpu']}, {machine['cores']} cores, {machine['simd']}" + shared,
        "rounds": machine["rounds"],
        "versions": versions(machine),
        "lead": lead(summary, behind, ties),
        "behind": places(behind) or "Nowhere in this run.",
        "ties": places(ties) or "None in this run.",
        "summary": summary_table(summary),
        "tables": tables(cells),
    }


def lead(summary, behind, ties):
    ahead = len(summary) - len(behind) - len(ties)
    return (
        f"Of {len(summary)} comparisons with the best peer in each, wsengine leads in {ahead}, is within {TIE:.0%} in "
        f"{len(ties)}, and is behind in {len(behind)}."
    )


def places(lines):
    return "\n".join(
        f"- {line['workload']}, {line['size']}: {line['peer']['subject']} {number(line['peer']['median'])}, "
        f"wsengine {number(line['ours']['median'])} {line['unit']} (ratio {line['ratio']:.2f})"
        for line in lines
    )


def summary_table(summary):
    out = ["| workload | | wsengine | best peer | | ratio | of best rounds |", "|---|---|---:|---:|---|---:|---:|"]
    previous = None
    for line in summary:
        name = line["workload"] if line["workload"] != previous else ""
        previous = line["workload"]
        ratio = f"{line['ratio']:.2f}"
        out.append(
            f"| {name} | {line['size']} | {number(line['ours']['median'])} | {number(line['peer']['median'])} "
            f"| {line['peer']['subject']} | {'**' + ratio + '**' if line['ratio'] > 1 + TIE else ratio} "
            f"| {line['best_ratio']:.2f} |"
        )
    return "\n".join(out)


def tables(cells):
    groups = {}
    for rows in cells:
        groups.setdefault(rows[0]["workload"], []).append(rows)
    return "\n\n".join(table(name, group) for name, group in groups.items())


def table(name, group):
    """Subjects down, sizes across, the fastest at the first size on top; limits last."""
    subjects = list(dict.fromkeys(row["subject"] for rows in group for row in rows))
    by_cell = [{row["subject"]: row for row in rows} for rows in group]

    def order(subject):
        values = [cell[base(subject)]["median"] for cell in by_cell if base(subject) in cell]
        return subject.startswith("limit"), values[0], subject

    sizes = " | ".join(rows[0]["size"] for rows in group)
    out = [f"### {name[0].upper()}{name[1:]} ({group[0][0]['unit']})", "", f"| | {sizes} |", "|---|" + "---:|" * len(group)]
    for subject in sorted(subjects, key=order):
        title = f"**{subject}**" if subject.startswith("wsengine") else subject
        out.append(f"| {title} | " + " | ".join(entry(cell.get(subject)) for cell in by_cell) + " |")
    return "\n".join(out)


def entry(row):
    if row is None:
        return "-"
    if row["unit"] == "bytes":
        return number(row["median"]).removesuffix(".0")
    text = f"{number(row['median'])} / {number(row['best'])}"
    return f"{text} ({row['compressed']:.0f} bytes)" if "compressed" in row else text


def versions(machine):
    lock = (Path(__file__).parent / "Cargo.lock").read_text()
    crates = dict(re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"', lock))
    names = ["tungstenite", "fastwebsockets", "tokio-websockets", "sockudo-ws", "yawc"]
    text = ", ".join(f"{name} {crates[name]}" for name in names)
    return (
        f"{text}; the uWebSockets that libuwebsockets-sys {crates['libuwebsockets-sys']} bundles; Boost.Beast of Boost "
        f"{machine['boost']}, websocketpp {machine['websocketpp']}, wslay {machine['wslay']}, with zlib {machine['zlib']} "
        f"for those in C++ that compress"
    )


# ---- the chart ----

WIDTH, LEFT, RIGHT, TOP, STEP = 1000, 250, 215, 92, 20
LOW, HIGH = 0.2, 100.0  # of our time
OURS, BEST, OTHERS, TEXT, FAINT = "#0b5fd0", "#d9480f", "#98a2ad", "#1f2328", "#d5dae0"


def chart(summary):
    """One line a comparison: the time of each peer as a multiple of ours, on a logarithmic scale."""
    height = TOP + STEP * len(summary) + 34 + 8 * len({line["workload"] for line in summary})
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="12" role="img" aria-labelledby="title">',
        "<title id=\"title\">Time (or memory) of each peer as a multiple of wsengine's, by workload</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff" stroke="{FAINT}"/>',
        text(20, 28, "Time or memory of each peer, as a multiple of wsengine's through its C ABI", size=16, weight=600),
        text(20, 48, "Medians of one interleaved run. Right of 1: the peer needs more. Logarithmic; what lies beyond is on the edge."),
    ]
    out += legend()
    bottom = height - 30
    for value in (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100):
        out.append(line_at(x_of(value), TOP - 8, bottom, OURS if value == 1 else FAINT, 2 if value == 1 else 1))
        out.append(text(x_of(value), bottom + 16, f"{value:g}x", anchor="middle"))
    y, previous = TOP + 8, None
    for item in summary:
        if previous not in (None, item["workload"]):
            y += 8
        previous = item["workload"]
        out += row_of(item, y)
        y += STEP
    return "\n".join(out) + "\n</svg>\n"


def row_of(item, y):
    out = [text(LEFT - 12, y + 4, f"{item['workload']}, {item['size']}", anchor="end")]
    ours = item["ours"]["median"]
    for peer in sorted(item["peers"], key=lambda row: row is item["peer"]):
        best = peer is item["peer"]
        tip = html.escape(f"{peer['subject']}: {number(peer['median'])} {peer['unit']}")
        out.append(
            f'<circle cx="{x_of(peer["median"] / ours):.1f}" cy="{y}" r="{6 if best else 4}" '
            f'fill="{BEST if best else OTHERS}"><title>{tip}</title></circle>'
        )
    out.append(f'<rect x="{x_of(1) - 4:.1f}" y="{y - 4}" width="8" height="8" fill="{OURS}" transform="rotate(45 {x_of(1):.1f} {y})"/>')
    weight = 600 if item["ratio"] > 1 + TIE else 400
    out.append(text(WIDTH - RIGHT + 14, y + 4, f"{item['ratio']:.2f}x  {base(item['peer']['subject'])}", weight=weight))
    return out


def legend():
    x, y = 20, 68
    items = ((OURS, "wsengine = 1"), (BEST, "the best peer (named at the right)"), (OTHERS, "the other peers"))
    out = []
    for color, label in items:
        out.append(f'<circle cx="{x + 5}" cy="{y - 4}" r="5" fill="{color}"/>')
        out.append(text(x + 16, y, label))
        x += 30 + 7 * len(label)
    return out


def x_of(value):
    value = min(max(value, LOW), HIGH)
    return LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / LOW) / math.log(HIGH / LOW)


def line_at(x, top, bottom, color, width):
    return f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="{color}" stroke-width="{width}"/>'


def text(x, y, content, anchor="start", size=12, weight=400):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="{TEXT}" xml:space="preserve">{html.escape(content)}</text>'
    )


if __name__ == "__main__":
    main()
