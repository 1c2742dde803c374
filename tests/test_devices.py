"""The devices of one process: which, how much memory each has, and which of the members of a sweep it gets."""

import os
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from fcnet import devices
from fcnet.devices import Processes, cluster, cores, memory, rollcall
from fcnet.errors import InputError

GIB = 2**30


def in_a_process(program: str, **environment: str) -> str:
    """What a program prints in a process whose JAX has not begun."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


COUNT = "import jax; from fcnet import devices; devices.use_every_core(); print(len(jax.devices('cpu')))"
ON_ONE_CORE = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not bind processes to cores")
def test_each_core_that_may_be_used_is_a_device():
    assert in_a_process(COUNT) == str(len(os.sched_getaffinity(0)))
    assert in_a_process(ON_ONE_CORE + COUNT) == "1"


@pytest.mark.parametrize(
    "by_hand",
    [{"JAX_NUM_CPU_DEVICES": "3"}, {"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}],
    ids=["variable", "flag"],
)
def test_a_number_of_devices_set_by_hand_stays(by_hand):
    assert in_a_process(COUNT, **by_hand) == "3"


def test_once_jax_has_begun_its_devices_stay():
    before = jax.devices()
    devices.use_every_core()
    assert jax.devices() == before
    begun = "import jax; n = len(jax.devices()); "
    assert in_a_process(begun + COUNT + "; print(n)").split() == ["1", "1"]


def test_importing_the_command_line_begins_nothing():
    # else every core could no longer become a device
    program = (
        "import fcnet.cli, fcnet.commands.train, fcnet.commands.sweep, jax; "
        "jax.config.update('jax_num_cpu_devices', 4); print(len(jax.devices()))"
    )
    assert in_a_process(program) == "4"


def test_mesh_is_one_axis_of_all_devices():
    mesh = devices.mesh()
    assert mesh.axis_names == ("devices",)
    assert list(mesh.devices) == jax.devices()
    assert mesh.axis_types == (AxisType.Auto,)
    assert devices.mesh(jax.devices()[:1]).size == 1


def test_arrays_and_keys_come_back_from_a_mesh_as_they_were(key):
    tree = {"x": jnp.arange(6.0).reshape(2, 3), "key": key, "none": None}
    placed = devices.replicate(tree, devices.mesh())
    back = devices.local(placed)
    assert placed["x"].sharding.is_fully_replicated
    np.testing.assert_array_equal(back["x"], tree["x"])
    assert jax.random.key_data(back["key"]).tolist() == jax.random.key_data(key).tolist()
    assert devices.replicate(tree, None) is tree
    assert devices.spread(tree, None) is tree


@pytest.mark.parametrize(("members", "count"), [(10, 1), (10, 3), (2, 4), (0, 2)])
def test_every_member_is_one_processs_and_shares_are_alike(members, count):
    shares = [list(range(members))[devices.share(Processes(index, count))] for index in range(count)]
    assert sorted(member for share in shares for member in share) == list(range(members))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


# --- memory ---


def system(tmp_path, *, available_kib, groups, files):
    (tmp_path / "proc" / "self").mkdir(parents=True)
    meminfo = f"MemTotal:       99999999 kB\nMemFree:          1 kB\nMemAvailable:   {available_kib} kB\n"
    (tmp_path / "proc" / "meminfo").write_text(meminfo)
    if groups is not None:
        (tmp_path / "proc" / "self" / "cgroup").write_text(groups)
    for name, text in files.items():
        path = tmp_path / "sys" / "fs" / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


V1_UNLIMITED = "9223372036854771712\n"


@pytest.mark.parametrize(
    ("groups", "files", "gib"),
    [
        (None, {}, 8),
        ("0::/\n", {}, 8),
        ("0::/\n", {"memory.max": "max\n", "memory.current": f"{GIB}\n"}, 8),
        # a container: 4 GiB, of which 3 are used, of which 1 is files that can be dropped
        (
            "0::/\n",
            {
                "memory.max": f"{4 * GIB}\n",
                "memory.current": f"{3 * GIB}\n",
                "memory.stat": f"anon 5\ninactive_file {GIB}\n",
            },
            2,
        ),
        # a Slurm step within a job: the job's limit is the smaller one
        (
            "0::/slurm/job_7/step_0\n",
            {
                "slurm/job_7/memory.max": f"{3 * GIB}\n",
                "slurm/job_7/memory.current": "0\n",
                "slurm/job_7/step_0/memory.max": f"{6 * GIB}\n",
            },
            3,
        ),
        # version 1
        (
            "3:cpu,cpuacct:/a\n7:memory:/a\n0::/\n",
            {
                "memory/memory.limit_in_bytes": V1_UNLIMITED,
                "memory/a/memory.limit_in_bytes": f"{5 * GIB}\n",
                "memory/a/memory.usage_in_bytes": f"{GIB}\n",
            },
            4,
        ),
        # more is used than there may be
        ("0::/\n", {"memory.max": f"{GIB}\n", "memory.current": f"{2 * GIB}\n"}, 0),
    ],
    ids=["no groups", "no limit", "max", "container", "step in job", "version 1", "overdrawn"],
)
def test_memory_that_is_left_within_every_limit(tmp_path, groups, files, gib):
    root = system(tmp_path, available_kib=8 * GIB // 1024, groups=groups, files=files)
    assert memory.available_bytes(root) == gib * GIB


@pytest.mark.parametrize(
    ("groups", "files", "most"),
    [
        (None, {}, None),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {"cpu.max": "100000 100000\n"}, 1),
        ("0::/pod/c\n", {"pod/cpu.max": "50000 100000\n", "pod/c/cpu.max": "max 100000\n"}, 1),
        ("3:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "100000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, 1),
        ("3:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, None),
        ("0::/\n", {"cpu.max": "99900000 100000\n"}, None),
    ],
    ids=["no groups", "no limit", "one core", "half a core", "version 1", "version 1, no limit", "more than there are"],
)
def test_cores_within_every_limit(tmp_path, groups, files, most):
    bound = len(os.sched_getaffinity(0))
    root = system(tmp_path, available_kib=1, groups=groups, files=files)
    assert cores.available_cores(root) == (bound if most is None else most)


@pytest.mark.parametrize(("limit", "ceiling"), [("150000 100000\n", 2), ("250000 100000\n", 3)])
def test_parts_of_cores_count_whole(tmp_path, monkeypatch, limit, ceiling):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    root = system(tmp_path, available_kib=1, groups="0::/\n", files={"cpu.max": limit})
    assert cores.available_cores(root) == ceiling


def test_without_a_proc_half_of_what_there_is(tmp_path):
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert memory.available_bytes(tmp_path) == physical // 2


def test_cores_share_the_memory_of_the_host():
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < devices.device_bytes(jax.devices("cpu")[0]) <= physical // len(jax.local_devices(backend="cpu"))


def test_an_accelerator_says_how_much_it_gives_out():
    gpu = SimpleNamespace(platform="gpu", memory_stats=lambda: {"bytes_in_use": 5, "bytes_limit": 7 * GIB})
    assert devices.device_bytes(gpu) == 7 * GIB


# --- who else is there ---

CLUSTER_VARIABLES = (
    "SLURM_JOB_ID SLURM_STEP_NODELIST SLURM_NTASKS SLURM_PROCID SLURM_LOCALID SLURM_STEP_TASKS_PER_NODE "
    "SLURM_TASKS_PER_NODE OMPI_COMM_WORLD_SIZE OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_LOCAL_SIZE TPU_WORKER_HOSTNAMES "
    "KUBERNETES_SERVICE_HOST JOB_COMPLETION_INDEX JAX_COORDINATOR_PORT"
)


@pytest.fixture
def nowhere(monkeypatch):
    for name in CLUSTER_VARIABLES.split():
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def slurm(monkeypatch, *, tasks, process, nodes, per_node):
    step = {
        "SLURM_JOB_ID": "4711",
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_NTASKS": str(tasks),
        "SLURM_PROCID": str(process),
        "SLURM_LOCALID": "0",
        "SLURM_STEP_TASKS_PER_NODE": per_node,
        "JAX_COORDINATOR_PORT": "1234",
    }
    for name, value in step.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("nowhere")
def test_without_a_cluster_a_process_is_alone():
    assert not cluster.is_one_of_several()
    assert devices.join(None, None, None) == Processes(0, 1)
    assert devices.join(None, 1, None) == Processes(0, 1)
    assert devices.join("localhost:1234", 1, 0) == Processes(0, 1)
    devices.barrier("anything", seconds=0)


def test_a_slurm_step_of_one_task_is_alone(nowhere):
    slurm(nowhere, tasks=1, process=0, nodes="node[07-10]", per_node="1")
    assert devices.join(None, None, None) == Processes(0, 1)


def test_slurm_says_who_there_is(nowhere):
    slurm(nowhere, tasks=4, process=2, nodes="node[07-10]", per_node="1(x4)")
    assert cluster.is_one_of_several()
    # one task a node has all its devices
    assert cluster.ask(5) == ("node07:1234", 4, 2, [])
    slurm(nowhere, tasks=4, process=2, nodes="node07", per_node="4")
    # several share them: JAX's way, one each
    assert cluster.ask(5) == ("node07:1234", 4, 2, [0])


def test_several_processes_can_be_declined(nowhere):
    slurm(nowhere, tasks=4, process=2, nodes="node[07-10]", per_node="1(x4)")
    assert devices.join(None, 1, None) == Processes(0, 1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("localhost:1234", None, None), "give --processes and --process, too"),
        (("localhost:1234", 2, None), "give --process, too"),
        ((None, 2, 1), "give --coordinator, too"),
        ((None, None, 1), "give --coordinator and --processes, too"),
        ((None, 2, None), "give --coordinator and --process, too"),
        (("localhost", 2, 0), "--coordinator must be HOST:PORT"),
        (("localhost:", 2, 0), "--coordinator must be HOST:PORT"),
        ((":1234", 2, 0), "--coordinator must be HOST:PORT"),
        (("localhost:70000", 2, 0), "--coordinator must be HOST:PORT"),
        (("localhost:http", 2, 0), "--coordinator must be HOST:PORT"),
        (("localhost:1234", 0, 0), "--processes must be at least 1, got 0"),
        (("localhost:1234", 2, 2), "--process must be from 0 to 1, as there are 2 processes, got 2"),
        (("localhost:1234", 2, -1), "--process must be from 0 to 1"),
        (("auto", 2, None), "leave them out"),
        (("auto", None, None), "finds no Slurm, Open MPI, Kubernetes or TPU cluster"),
    ],
)
@pytest.mark.usefixtures("nowhere")
def test_what_cannot_be_joined_is_one_line(given, words):
    with pytest.raises(InputError, match=words) as wrong:
        devices.join(*given, seconds=1)
    assert "\n" not in str(wrong.value)


def test_addresses_of_version_6_keep_their_colons():
    assert rollcall.parse_address("[::1]:1234") == ("::1", 1234)
    assert rollcall.parse_address("node-7.cluster:80") == ("node-7.cluster", 80)
