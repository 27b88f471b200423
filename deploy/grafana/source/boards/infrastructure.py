"""Infrastructure: machines (node_exporter), containers (cAdvisor), workloads (kube-state-metrics): use, saturation and
errors.
"""

from blocks import variables
from blocks.alerts import matcher
from blocks.board import Board
from blocks.panels import Panels, graph, stat
from blocks.promql import grew, own, rate, share

EXPORTER = 'service="node-exporter"'
NODE = 'instance=~"$node"'
IDLE = 'mode="idle"'
REAL = 'device!~"lo|veth.*|docker.*|br-.*"'
DISK = matcher("HostDiskLow", "fstype")
NAMED = 'name!=""'
NO = 'condition="false"'


def board() -> Board:
    """The dashboard."""
    made = Board(
        "battlearena-infrastructure",
        "Infrastructure",
        "CPU, load, memory, disk and network of the machines, and what each container takes of them.",
        variables=[variables.chosen_from("node", "Machine", "label_values(node_uname_info, instance)")],
    )
    made.row("Now", *_now())
    made.row("CPU and memory", *_compute())
    made.row("Disk", *_disk())
    made.row("Network", *_network())
    made.row("Containers", *_containers())
    return made.row("Restarts and replicas", *_workloads())


def _cpu(*by: str) -> str:
    """Share of the processors' time that was not idle."""
    idle = f"avg by ({', '.join(by)})" if by else "avg"
    return f"1 - {idle} (rate({own('node_cpu_seconds_total', NODE, IDLE)}[$__rate_interval]))"


def _memory() -> str:
    available = own("node_memory_MemAvailable_bytes", NODE)
    return f"1 - {available} / {own('node_memory_MemTotal_bytes', NODE)}"


def _written(expression: str) -> str:
    """Of file systems, those that can fill up."""
    return f"{expression} and {own('node_filesystem_readonly', NODE)} == 0"


def _free() -> str:
    free = own("node_filesystem_avail_bytes", NODE, DISK)
    return _written(f"{free} / {own('node_filesystem_size_bytes', NODE, DISK)}")


def _now() -> Panels:
    processors = f"count by (instance) ({own('node_cpu_seconds_total', NODE, IDLE)})"
    return [
        stat("CPU", "Share of the processors' time that is not idle.", "percentunit", _cpu(), alert="HostCpuHigh"),
        stat(
            "Memory in use now",
            "Share that is in use.",
            "percentunit",
            f"max({_memory()})",
            alert=("HostMemoryHigh", "HostMemoryExhausted"),
        ),
        stat(
            "Least disk left",
            "Share of the fullest file system.",
            "percentunit",
            f"min({_free()})",
            alert=("HostDiskLow", "HostDiskFull"),
        ),
        stat(
            "Load for each processor",
            "Processes that run or wait, for each processor, over five minutes.",
            "short",
            f"max({own('node_load5', NODE)} / on (instance) {processors})",
        ),
        stat(
            "Machines answer",
            "1 when every machine does, 0 when one does not.",
            "none",
            f"min({own('up', EXPORTER, NODE)})",
            alert="NodeDown",
        ),
        stat(
            "Processes killed for memory",
            "Processes that the kernel ended in the chosen time, since there was no memory left.",
            "short",
            grew(own("node_vmstat_oom_kill", NODE)),
            instant=True,
            decimals=0,
        ),
    ]


def _compute() -> Panels:
    return [
        graph(
            "CPU by mode",
            "Processor seconds a second.",
            "short",
            (rate(own("node_cpu_seconds_total", NODE, 'mode!="idle"'), "mode"), "{{mode}}"),
            stacked=True,
            width=8,
        ),
        graph(
            "CPU by machine",
            "Share that is not idle.",
            "percentunit",
            (_cpu("instance"), "{{instance}}"),
            alert="HostCpuHigh",
            width=8,
        ),
        graph(
            "Load",
            "Processes that run or wait, over one, five and fifteen minutes.",
            "short",
            (own("node_load1", NODE), "{{instance}} 1 min"),
            (own("node_load5", NODE), "{{instance}} 5 min"),
            (own("node_load15", NODE), "{{instance}} 15 min"),
            width=8,
        ),
        graph(
            "Memory in use",
            "Share of what there is.",
            "percentunit",
            (_memory(), "{{instance}}"),
            alert=("HostMemoryHigh", "HostMemoryExhausted"),
            width=8,
        ),
        graph(
            "Memory",
            "What is taken, and what could be had.",
            "bytes",
            (
                f"sum({own('node_memory_MemTotal_bytes', NODE)}) - sum({own('node_memory_MemAvailable_bytes', NODE)})",
                "in use",
            ),
            (f"sum({own('node_memory_MemAvailable_bytes', NODE)})", "available"),
            stacked=True,
            width=8,
        ),
        graph(
            "Swap and page faults",
            "Pages a second that came from and went to the swap, and faults that needed the disk.",
            "ops",
            (rate(own("node_vmstat_pswpin", NODE)), "swapped in"),
            (rate(own("node_vmstat_pswpout", NODE)), "swapped out"),
            (rate(own("node_vmstat_pgmajfault", NODE)), "major faults"),
            width=8,
        ),
    ]


def _disk() -> Panels:
    free = own("node_filesystem_avail_bytes", NODE, DISK)
    busy = f"rate({own('node_disk_io_time_seconds_total', NODE)}[$__rate_interval])"
    return [
        graph(
            "Disk left",
            "Share of the file system.",
            "percentunit",
            (_free(), "{{instance}} {{mountpoint}}"),
            alert=("HostDiskLow", "HostDiskFull"),
            width=8,
        ),
        graph(
            "Disk left in seven days",
            "If it fills as in the last six hours; below zero it is full by then.",
            "bytes",
            (_written(f"predict_linear({free}[6h], 7 * 86400)"), "{{instance}} {{mountpoint}}"),
            minimum=None,
            width=8,
        ),
        graph(
            "Disk busy",
            "Share of the time in which the disk had work.",
            "percentunit",
            (busy, "{{instance}} {{device}}"),
            width=8,
        ),
        graph(
            "Disk traffic",
            "Read and written.",
            "Bps",
            (rate(own("node_disk_read_bytes_total", NODE), "instance"), "{{instance}} read"),
            (rate(own("node_disk_written_bytes_total", NODE), "instance"), "{{instance}} written"),
        ),
        graph(
            "Open files",
            "Of all processes, of what the kernel allows.",
            "percentunit",
            (f"{own('node_filefd_allocated', NODE)} / {own('node_filefd_maximum', NODE)}", "{{instance}}"),
        ),
    ]


def _network() -> Panels:
    return [
        graph(
            "Network traffic",
            "Received and sent, without the loopback.",
            "Bps",
            (rate(own("node_network_receive_bytes_total", NODE, REAL), "instance"), "{{instance}} received"),
            (rate(own("node_network_transmit_bytes_total", NODE, REAL), "instance"), "{{instance}} sent"),
            width=8,
        ),
        graph(
            "Network errors",
            "Packets a second that were broken or dropped.",
            "cps",
            (rate(own("node_network_receive_errs_total", NODE, REAL), "instance"), "{{instance}} received broken"),
            (rate(own("node_network_transmit_errs_total", NODE, REAL), "instance"), "{{instance}} sent broken"),
            (rate(own("node_network_receive_drop_total", NODE, REAL), "instance"), "{{instance}} dropped"),
            width=8,
        ),
        graph(
            "TCP",
            "Connections that are established, and segments a second that were sent again.",
            "short",
            (own("node_netstat_Tcp_CurrEstab", NODE), "{{instance}} established"),
            (rate(own("node_netstat_Tcp_RetransSegs", NODE), "instance"), "{{instance}} sent again"),
            width=8,
        ),
    ]


def _containers() -> Panels:
    limit = f"sum by (name) ({own('container_spec_memory_limit_bytes', NAMED)} > 0)"
    used = f"sum by (name) ({own('container_memory_working_set_bytes', NAMED)})"
    return [
        graph(
            "CPU by container",
            "Processor seconds a second.",
            "short",
            (rate(own("container_cpu_usage_seconds_total", NAMED), "name"), "{{name}}"),
            width=8,
        ),
        graph("Memory by container", "Working set.", "bytes", (used, "{{name}}"), stacked=True, width=8),
        graph(
            "Memory of the limit",
            "Share of what the container may have.",
            "percentunit",
            (f"{used} / {limit}", "{{name}}"),
            width=8,
        ),
        graph(
            "Held back",
            "Share of the periods in which the container had used up its processor time.",
            "percentunit",
            (
                share(
                    rate(own("container_cpu_cfs_throttled_periods_total", NAMED), "name"),
                    rate(own("container_cpu_cfs_periods_total", NAMED), "name"),
                ),
                "{{name}}",
            ),
            width=8,
        ),
        graph(
            "Network by container",
            "Received and sent.",
            "Bps",
            (rate(own("container_network_receive_bytes_total", NAMED), "name"), "{{name}} received"),
            (rate(own("container_network_transmit_bytes_total", NAMED), "name"), "{{name}} sent"),
            width=8,
        ),
        stat(
            "Containers killed for memory",
            "Times that a container hit its limit, in the chosen time.",
            "short",
            grew(own("container_oom_events_total", NAMED)),
            alert="ContainerOomKilled",
            instant=True,
            decimals=0,
        ),
        stat("Containers", "That run.", "short", f"count({own('container_last_seen', NAMED)})"),
    ]


def _workloads() -> Panels:
    alone = own("process_start_time_seconds", 'job="battlearena"', 'pod=""')
    pod, deployment = "namespace, pod", "namespace, deployment"
    waiting = own("kube_pod_status_phase", 'phase=~"Pending|Unknown|Failed"')
    running = own("kube_pod_status_phase", 'phase="Running"')
    unready = f"{own('kube_pod_status_ready', NO)} and on ({pod}) {running} == 1"
    return [
        graph(
            "Restarts",
            "Of each process in 15 minutes, as it says itself; under Kubernetes, of each container.",
            "short",
            (f"sum by (service, instance) (changes({alone}[15m]))", "{{service}} {{instance}}"),
            (
                grew(own("kube_pod_container_status_restarts_total"), "namespace", "pod", "container", window="15m"),
                "{{pod}} {{container}}",
            ),
            alert="ContainerCrashLooping",
            width=8,
        ),
        graph(
            "Pods that are not ready",
            "Under Kubernetes: those that wait or have failed, and those that run and say no.",
            "short",
            (f"sum by ({pod}) ({waiting}) > 0 or sum by ({pod}) ({unready})", "{{namespace}} {{pod}}"),
            alert="PodNotReady",
            width=8,
        ),
        graph(
            "Replicas that are missing",
            "Under Kubernetes: what a deployment should have and has not.",
            "short",
            (
                f"max by ({deployment}) ({own('kube_deployment_spec_replicas')})"
                f" - max by ({deployment}) ({own('kube_deployment_status_replicas_available')})",
                "{{namespace}} {{deployment}}",
            ),
            alert="ReplicasMismatch",
            width=8,
        ),
    ]
