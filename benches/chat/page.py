#!/usr/bin/env python3
"""Writes the section of docs/BENCHMARKS.md that `make bench-chat` measured (target/bench/chat.json).

    benches/chat/page.py [RESULTS]
"""

import json
import pathlib
import re
import sys
from statistics import mean

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/BENCHMARKS.md"
# The rest of the page is benches/peers/report.py's, which keeps what is between these.
SECTION = re.compile(r"<!-- written by make bench-chat -->\n.*?<!-- end of make bench-chat -->\n", re.S)

TEXT = """## Chats at once

One `ai_chat`, on {reactor}, and {chats} browsers, each of which has asked a question and gets its answer token by token; the
model is a stand-in that speaks as OpenAI-compatible servers do. An answer has {tokens} tokens, the first {first:.0f} ms
behind the question and then {rate} a second for {seconds} s; the browsers ask within {spread:.0f} s. Each token says its
number and when it left the model, so that the browser knows how long it took; every answer is compared, byte by byte, with what the
model said, and one that differs, fails or is late by 20 s ends the run. Written by `make bench-chat`.

Machine: {machine}. **The chat, the stand-in, the {chats} browsers and the kernel between them share these cores.** The first line is the
same browsers asking the stand-in itself, over HTTP: what the machine and the driver take without any chat between.{others}

{table}

- *token*: from the model's send() to the end of the browser's recv(): median / 99th percentile / longest, while all chats
  get tokens.
- *first token*: what the time from the question to the first token has above the model's own {first:.0f} ms; in the first line
  over a connection that is open already. The chat opens one to the model for each question.
- *messages a token*: below 1 where tokens are merged. By default what comes within 40 ms of the last message is one
  message; a model with {rate} tokens a second is at the edge of that, *fast model* ({fast_chats} chats, {fast_rate} tokens a second each) is beyond, so there a token waits
  for others on purpose.
- *CPU*: of ai_chat, user and kernel, for a token, and as a share of one core at {per_second:,.0f} tokens a second in all. *driver*: the stand-in and the browsers.
- *one more, two more*: `--threads 1` and `--threads 2`. With threads the connections live in those, and the first loop
  only accepts. *Redis*: `--redis`, with an append-only file, on the same cores too; every message of an answer is written there.

Memory of ai_chat, as VmRSS:

{memory}

*Empty*: after one chat that is gone. *Idle*: {chats} connections that have asked nothing. *Streaming*: just before the first answer is over;
its connection to the model, what libcurl keeps for it, and the answer so far, which is kept for those who come back, are in it.
The kernel's memory for sockets is in none of them.

```
make bench-chat                                  # all, in about four minutes; writes this section
make bench-chat CHAT_FILTER='Redis,fast' ROUNDS=1   # some lines; prints, writes nothing here
make bench-chat CHATS=200                        # fewer chats; the same
```

Means of {rounds} rounds in which the lines take turns, and the longest of all. `target/bench/chat.json` has every round.
"""


def main():
    results = json.loads(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/bench/chat.json").read_text())
    page = PAGE.read_text()
    assert len(SECTION.findall(page)) == 1, f"{PAGE.name} has no place for the section: run benches/peers/report.py"
    text = f"<!-- written by make bench-chat -->\n{section(results)}<!-- end of make bench-chat -->\n"
    PAGE.write_text(SECTION.sub(lambda _: text, page))
    print(f"written: {PAGE.relative_to(ROOT)}")


def section(results):
    rows, load, machine = results["rows"], results["load"], results["machine"]
    fast = next(row for row in rows if row["load"]["rate"] != load["rate"])["load"]
    virtual = "; a virtual machine" if machine["virtual"] else ""
    return TEXT.format(
        chats=f"{load['chats']:,}",
        reactor=next(sample["reactor"] for row in rows if is_chat(row) for sample in row["rounds"]),
        tokens=load["seconds"] * load["rate"],
        rate=load["rate"],
        seconds=load["seconds"],
        first=results["first_token_ms"],
        spread=results["spread_seconds"],
        machine=f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}{virtual}",
        others=others(rows),
        table=table(rows),
        memory=memory(rows),
        fast_chats=fast["chats"],
        fast_rate=fast["rate"],
        per_second=load["chats"] * load["rate"],
        rounds=len(rows[0]["rounds"]),
    )


def others(rows):
    """What else ran, where that is worth a word."""
    most = max(of(row, "others_percent") for row in rows)
    if most < 10:
        return ""
    return f" Other programs took up to {most:.0f}% of a core meanwhile: times are longer than they were without those."


def of(row, name):
    return mean(sample[name] for sample in row["rounds"])


def is_chat(row):
    return of(row, "memory_empty") > 0


def table(rows):
    head = ["", "token, ms", "first token, ms", "messages a token", "CPU, µs a token", "chat", "Redis", "driver"]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for row in rows:
        longest = max(sample["token_max_us"] for sample in row["rounds"])
        token = [of(row, "token_p50_us"), of(row, "token_p99_us"), longest]
        cells = [
            title(row),
            " / ".join(milliseconds(value / 1000) for value in token),
            " / ".join("+" + milliseconds(of(row, f"first_extra_{part}_ms")) for part in ("p50", "p99")),
            f"{of(row, 'messages_per_token'):.2f}",
            f"{of(row, 'cpu_us_per_token'):.1f}" if is_chat(row) else "-",
            f"{of(row, 'chat_percent'):.0f}%" if is_chat(row) else "-",
            f"{of(row, 'redis_percent'):.0f}%" if of(row, "redis_percent") else "-",
            f"{of(row, 'driver_percent'):.0f}%",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def title(row):
    return f"{row['name']}, `{row['arguments']}`" if row["arguments"] else row["name"]


def milliseconds(value):
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def memory(rows):
    lines = ["| | empty, MiB | idle, KiB a chat | streaming, KiB a chat |", "|---|---:|---:|---:|"]
    for row in filter(is_chat, rows):
        empty = of(row, "memory_empty")
        each = [(of(row, name) - empty) / 1024 / row["load"]["chats"] for name in ("memory_idle", "memory_streaming")]
        lines.append(f"| {title(row)} | {empty / (1 << 20):.1f} | {each[0]:.1f} | {each[1]:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
