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


# One machine stands for all players here, and each of them is there again and again.
LIMITS = {
    "ARENA_LIMIT_ACCOUNT": "1000000",
    "ARENA_GATEWAY_LOGINS_PER_KNOWN": "1000000",
    "ARENA_GATEWAY_LOGINS_PER_ACCOUNT": "1000000",
}


class Platform:
    """`arena up` on free ports, with its data in `folder` and `environment` on top of ours."""

    def __init__(self, folder, environment=None, auth="required"):
        self.arena = RELEASE / "arena"
        names = ["gateway-http", "match-http", "match-grpc", "analytics-http", "analytics-grpc"]
        names += ["socket-gateway-http", "socket-gateway-grpc"] if self.has("socket-gateway") else []
        self.ports = {name: free_port() for name in names}
        flags = [f"--{name}=127.0.0.1:{port}" for name, port in self.ports.items()]
        self.process = subprocess.Popen(
            [self.arena, "up", "--auth", auth, "--data", folder / "data", *flags],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | LIMITS | (environment or {}),
        )
        self.key = folder / "data/secrets/game-server.key"
        self.service_key = folder / "data/secrets/service.key"
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

    def post(self, path, body, bearer=None):
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {bearer}"} if bearer else {})
        request = urllib.request.Request(self.url(path), json.dumps(body).encode(), headers)
        return json.load(urllib.request.urlopen(request, timeout=10))

    def token(self):
        """An access token of the game server, good for five minutes."""
        return self.post("/api/keys/token", {}, self.key.read_text().strip())["access_token"]

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


# What a device of the benchmark shows; its number follows. Not random, and known to nobody but the benchmark.
DEVICE = "device-of-the-benchmark-0123456789-"

# The body of each request is made by Lua; ids are drawn so that no two requests hit the same row more than by chance.
LUA = {
    "log-in": f"""
      request = function()
        return wrk.format("POST", "/api/players/login", HEADERS, '{{"device_id":"{DEVICE}' .. math.random(PLAYERS) .. '"}}')
      end""",
    "register": f"""
      local thread = 0
      function setup(t) t:set("id", thread); thread = thread + 1 end
      local count = 0
      request = function()
        count = count + 1
        local name = RUN .. "-" .. id .. "-" .. count
        return wrk.format("POST", "/api/players/register", HEADERS,
          '{{"username":"' .. name .. '","email":"' .. name .. '@example.com","device_id":"{DEVICE}' .. name .. '"}}')
      end""",
    "get player": """
      request = function() return wrk.format("GET", "/api/players/" .. math.random(PLAYERS), HEADERS) end""",
    "leaderboard": """
      request = function() return wrk.format("GET", "/api/leaderboard?limit=10", HEADERS) end""",
    "rank": """
      request = function() return wrk.format("GET", "/api/players/" .. math.random(PLAYERS) .. "/rank", HEADERS) end""",
    "start match": """
      request = function()
        local a = math.random(PLAYERS - 1)
        return wrk.format("POST", "/api/matches/start", HEADERS,
          '{"match_type":"solo","player_ids":[' .. a .. ',' .. (a + 1) .. '],"server_region":"eu-west"}')
      end""",
    "complete match": """
      local thread = 0
      function setup(t) t:set("id", thread); thread = thread + 1 end
      local count = 0
      request = function()
        local match = FIRST_MATCH + 2 * count + id
        count = count + 1
        return wrk.format("POST", "/api/matches/complete", HEADERS,
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


def wrk(url, seconds, connections, script, folder, token=""):
    """Runs wrk; a script of ours finds its HEADERS, with an access token in them, if any."""
    path = folder / "request.lua"
    bearer = f', ["authorization"]="Bearer {token}"' if token else ""
    path.write_text(f'HEADERS = {{["content-type"]="application/json"{bearer}}}\n{script}\n{DONE}')
    path.chmod(0o600)
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
    figures = wrk(platform.url(path), seconds, connections, script, folder, platform.token())
    # The relay and analytics may lag: their work belongs to these requests too.
    platform.settle()
    after = platform.processes.cpu()
    cpu = {process: 1e6 * (after[process] - before.get(process, 0)) / max(figures["requests"], 1) for process in after}
    row(name, figures, cpu)
    return figures


def seed(platform, players):
    """Players with a device each by SQL, with their events, as the gateway writes them."""
    platform.sql(
        f"""with p as (insert into gateway.players (username, email, level, tier, region)
              select 'seed-' || n, 'seed-' || n || '@example.com', 1, 'free', '' from generate_series(1, {players}) n
              returning id, username, level, tier, region)
            insert into gateway.outbox (kind, payload)
            select 'player_registered', json_build_object('player_id', id, 'username', username, 'level', level,
                   'tier', tier, 'region', region) from p"""
    )
    platform.sql(
        f"""insert into gateway.devices (device_hash, player_id)
            select sha256(convert_to('{DEVICE}' || id, 'UTF8')), id from gateway.players where id <= {players}"""
    )
    platform.sql("vacuum analyze gateway.players, gateway.devices")
    platform.settle()
