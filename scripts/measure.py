"""What the benchmarks share: a platform of their own, CPU time by process, and wrk."""

import json
import os
import random
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / (os.environ.get("CARGO_TARGET_DIR") or "target") / "release"
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    """Below the ports that the kernel gives to outgoing connections, so that none of those takes it meanwhile."""
    while True:
        port = random.randrange(10_000, 32_768)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Processes:
    """CPU time of the platform's processes, by name."""

    def __init__(self, root, database):
        self.root = root
        self.database = database
        # Which service a backend of PostgreSQL works for.
        self.backends = {}

    def cpu(self):
        seconds, parents, names = {}, {}, {}
        ask = "select pid, replace(application_name, 'arena-', '') from pg_stat_activity where application_name like 'arena-%'"
        done = subprocess.run(["psql", "-qAt", "-F", " ", "-d", self.database, "-c", ask], capture_output=True, text=True)
        self.backends |= {int(pid): f"postgresql for {name}" for pid, name in map(str.split, done.stdout.splitlines())}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
                command = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            fields = stat[stat.rindex(")") + 2 :].split()
            parents[int(entry)] = int(fields[1])
            # Own time and that of children that have ended.
            seconds[int(entry)] = sum(int(field) for field in fields[11:15]) / TICK
            names[int(entry)] = command
        totals = {}
        for pid, command in names.items():
            line = [pid]
            while line[-1] in parents and line[-1] != self.root:
                line.append(parents[line[-1]])
            if line[-1] != self.root or len(line) < 2:
                continue
            head = names.get(line[-2], [b""])
            name = self.backends.get(pid, "postgresql itself") if b"postgres" in head[0] else (head[1].decode() if len(head) > 1 else "?")
            totals[name] = totals.get(name, 0) + seconds[pid]
        return totals


def machine():
    """The machine and the day, for the head of a report."""
    model = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    return f"{os.cpu_count()} cores of {model}; {time.strftime('%Y-%m-%d')}"


class Platform:
    """`arena up` in open mode on free ports, with its data in `folder` and `environment` on top of ours."""

    def __init__(self, folder, environment=None):
        self.arena = RELEASE / "arena"
        names = ["gateway-http", "match-http", "match-grpc", "analytics-http", "analytics-grpc"]
        names += ["socket-gateway-http", "socket-gateway-grpc"] if self.has("socket-gateway") else []
        self.ports = {name: free_port() for name in names}
        flags = [f"--{name}=127.0.0.1:{port}" for name, port in self.ports.items()]
        self.process = subprocess.Popen(
            [self.arena, "up", "--auth", "open", "--data", folder / "data", *flags],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
        )
        report = ""
        for line in self.process.stdout:
            report += line
            if "  postgresql  " in line:
                break
        else:
            raise SystemExit("the platform did not come up")
        self.database = re.search(r"psql '(.*)'", report).group(1)
        self.processes = Processes(self.process.pid, self.database)

    def has(self, role):
        return role in subprocess.run([self.arena, "--help"], capture_output=True, text=True).stdout

    def url(self, path, name="gateway-http"):
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def sql(self, text):
        done = subprocess.run(["psql", "-qAt", "-d", self.database, "-c", text], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def post(self, path, body):
        request = urllib.request.Request(self.url(path), json.dumps(body).encode(), {"content-type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=10))

    def metrics(self, name="gateway-http"):
        """The scrape of one service; empty where metrics are off."""
        try:
            return urllib.request.urlopen(self.url("/metrics", name)).read().decode()
        except urllib.error.HTTPError:
            return ""

    def settle(self):
        """Waits until the log has everything, so that the work of one run is not counted in the next."""
        before = None
        while True:
            depth = sum(float(line.rsplit(" ", 1)[1]) for line in self.metrics().splitlines() if line.startswith("queue_depth{"))
            head = self.sql("select last_offset - (select log_offset from analytics.consumers) from analytics.log_head")
            state = (depth, head, self.sql("select last_offset from analytics.log_head"))
            if depth == 0 and head == "0" and state == before:
                return
            before = state
            time.sleep(2)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


# The body of each request is made by Lua; ids are drawn so that no two requests hit the same row more than by chance.
LUA = {
    "log-in": """
      request = function()
        return wrk.format("POST", "/api/players/login", {["content-type"]="application/json"},
          '{"player_id":' .. math.random(PLAYERS) .. '}')
      end""",
    "register": """
      local thread = 0
      function setup(t) t:set("id", thread); thread = thread + 1 end
      local count = 0
      request = function()
        count = count + 1
        local name = RUN .. "-" .. id .. "-" .. count
        return wrk.format("POST", "/api/players/register", {["content-type"]="application/json"},
          '{"username":"' .. name .. '","email":"' .. name .. '@example.com"}')
      end""",
    "get player": """
      request = function() return wrk.format("GET", "/api/players/" .. math.random(PLAYERS)) end""",
    "leaderboard": """
      request = function() return wrk.format("GET", "/api/leaderboard?limit=10") end""",
    "rank": """
      request = function() return wrk.format("GET", "/api/players/" .. math.random(PLAYERS) .. "/rank") end""",
    "start match": """
      request = function()
        local a = math.random(PLAYERS - 1)
        return wrk.format("POST", "/api/matches/start", {["content-type"]="application/json"},
          '{"match_type":"solo","player_ids":[' .. a .. ',' .. (a + 1) .. '],"server_region":"eu-west"}')
      end""",
    "complete match": """
      local thread = 0
      function setup(t) t:set("id", thread); thread = thread + 1 end
      local count = 0
      request = function()
        local match = FIRST_MATCH + 2 * count + id
        count = count + 1
        return wrk.format("POST", "/api/matches/complete", {["content-type"]="application/json"},
          '{"match_id":' .. match .. ',"winner_id":1,"duration_seconds":20,"participant_stats":[' ..
          '{"player_id":1,"score":1200,"kills":3,"deaths":1}]}')
      end""",
}

DONE = """
done = function(summary, latency)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("RESULT %d %d %f %f %f %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), bad))
end
"""


def wrk(url, seconds, connections, script, folder):
    path = folder / "request.lua"
    path.write_text(f"{script}\n{DONE}")
    command = ["wrk", "-t", "2", "-c", str(connections), "-d", f"{seconds}s", "-s", path, url]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    requests, micros, p50, p95, p99, bad = re.search(r"RESULT (.*)", out).group(1).split()
    return {
        "requests": int(requests),
        "rate": int(requests) / (int(micros) / 1e6),
        "p50": float(p50) / 1e3,
        "p95": float(p95) / 1e3,
        "p99": float(p99) / 1e3,
        "bad": int(bad),
    }


def row(name, figures, cpu):
    parts = "  ".join(f"{process} {micros:.0f}" for process, micros in sorted(cpu.items()) if micros >= 0.5)
    bad = f"  {figures['bad']} refused" if figures["bad"] else ""
    print(
        f"{name:16} {figures['rate']:9.0f}/s   p50 {figures['p50']:6.2f}  p95 {figures['p95']:6.2f}  p99 {figures['p99']:6.2f} ms"
        f"   CPU µs: {sum(cpu.values()):.0f} ({parts}){bad}",
        flush=True,
    )


def measure(platform, name, seconds, connections, script, folder, path="/"):
    platform.settle()
    before = platform.processes.cpu()
    figures = wrk(platform.url(path), seconds, connections, script, folder)
    # The relay and analytics may lag: their work belongs to these requests too.
    platform.settle()
    after = platform.processes.cpu()
    cpu = {process: 1e6 * (after[process] - before.get(process, 0)) / max(figures["requests"], 1) for process in after}
    row(name, figures, cpu)
    return figures


def seed(platform, players):
    """Players by SQL, with their events, as the gateway writes them."""
    platform.sql(
        f"""with p as (insert into gateway.players (username, email, level, tier, region)
              select 'seed-' || n, 'seed-' || n || '@example.com', 1, 'free', '' from generate_series(1, {players}) n
              returning id, username, level, tier, region)
            insert into gateway.outbox (kind, payload)
            select 'player_registered', json_build_object('player_id', id, 'username', username, 'level', level,
                   'tier', tier, 'region', region) from p"""
    )
    platform.sql("vacuum analyze gateway.players")
    platform.settle()
