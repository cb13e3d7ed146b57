"""Scenarios through `kahawai bench`: one process drives any broker, with every message accounted for.

A scenario is the generator's with its numbers. One run may give two figures (fill and drain).
"""
import json
import subprocess

# name: (options, [(figure, which side of the result)])
SCENARIOS = {
    "sync-1": (["--scenario", "sync-send", "--producers", "1"], [("sync-1", "sent")]),
    "sync-8": (["--scenario", "sync-send", "--producers", "8"], [("sync-8", "sent")]),
    "sync-32": (["--scenario", "sync-send", "--producers", "32"], [("sync-32", "sent")]),
    "transacted-100-1": (["--scenario", "transacted-send", "--producers", "1"], [("transacted-100-1", "sent")]),
    "transacted-100-4": (["--scenario", "transacted-send", "--producers", "4"], [("transacted-100-4", "sent")]),
    "end-to-end-1x1": (["--scenario", "end-to-end", "--producers", "1", "--consumers", "1", "--queues", "1"],
                       [("end-to-end-1x1", "received")]),
    "end-to-end-10x10": (["--scenario", "end-to-end"], [("end-to-end-10x10", "received")]),
    "fill-drain-4": (["--scenario", "fill-drain"], [("fill-4", "sent"), ("drain-4", "received")]),
    "durable-topic-1x4": (["--scenario", "durable-topic"], [("durable-topic-1x4", "received")]),
    "non-persistent-1x1": (["--scenario", "non-persistent", "--producers", "1"], [("non-persistent-1x1", "received")]),
    "non-persistent-4x4": (["--scenario", "non-persistent"], [("non-persistent-4x4", "received")]),
    # At half of what the better ActiveMQ did end to end 10 x 10 in the same round: latency is what is compared.
    "half-load-10x10": (["--scenario", "end-to-end"], [("half-load-10x10", "received")]),
}

HALF_LOAD = "half-load-10x10"
PEAK = "end-to-end-10x10"


def figures(scenarios):
    """The rows of the page that these scenarios give."""
    return [figure for scenario in scenarios for figure, _ in SCENARIOS[scenario][1]]


def load(program, port, scenario, options, rate=None):
    """Runs a scenario; returns {figure: entry}, where an entry has a rate and latencies, or an error."""
    arguments, sides = SCENARIOS[scenario]
    command = [program, "bench", "--json", "--url", f"tcp://127.0.0.1:{port}", "--size", str(options.size),
               "--duration", f"{options.seconds}s", "--warm-up", f"{options.warm_up}s", "--patience", "60s"] + arguments
    if rate:
        command += ["--rate", str(max(1, int(rate)))]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=options.seconds + options.warm_up + 600)
        result = json.loads(done.stdout.splitlines()[0])["results"][0]
    except subprocess.TimeoutExpired:
        return {figure: {"scenario": figure, "error": "the generator did not end"} for figure, _ in sides}
    except (IndexError, ValueError, KeyError):
        why = (done.stderr.strip().splitlines() or ["no result"])[-1]
        return {figure: {"scenario": figure, "error": why} for figure, _ in sides}
    entries = {}
    for figure, side in sides:
        measured = result[side]
        entry = {"scenario": figure, "rate": measured["rate"], "messages": measured["messages"],
                 "seconds": measured["seconds"], "generator_cores": round(result["generator_cores"], 2),
                 "balance": result["balance"]}
        latency = measured["latency"]
        if latency:
            entry.update({name: round(latency[name], 1) for name in ("p50_us", "p99_us", "p99_9_us", "max_us")})
        if done.returncode:
            entry["error"] = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
        entries[figure] = entry
    return entries
