"""The job files for clusters: what they would call is called, with a scheduler that only notes it."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from fcnet.cli import run
from fcnet.commands import sweep, train

JOBS = Path(__file__).parents[1] / "experiments" / "cluster"

# srun drops its own flags and starts the rest; fcnet writes down what it was given
SRUN = '#!/bin/bash\nwhile [[ $1 == -* ]]; do shift; done\nexec "$@"\n'
NOTE = '#!/bin/bash\nprintf "%s\\n" "$@" > "$NOTES"\n'


@pytest.fixture
def called(tmp_path):
    """Run a script where ``srun`` and ``fcnet`` are stand-ins; the words that fcnet was called with."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("srun", SRUN), ("fcnet", NOTE)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)

    def call(words: list[str], **environment: str) -> list[str]:
        notes = tmp_path / "notes"
        inherited = {"PATH": f"{programs}:{os.environ['PATH']}", "NOTES": str(notes)}
        done = subprocess.run(
            words, env=inherited | environment, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        return notes.read_text().splitlines()

    return call


@pytest.fixture
def understood(monkeypatch):
    """The words, after the command line has taken every flag and value among them and would have begun."""
    begun = []
    for command in (train, sweep):
        monkeypatch.setattr(command, command.__name__.rsplit(".", 1)[1], lambda *_, **given: begun.append(given))
        monkeypatch.setattr(command, "resume", lambda *_, **given: begun.append(given))

    def check(words: list[str]) -> list[str]:
        begun.clear()
        assert run(words) == 0
        assert len(begun) == 1
        return words

    return check


@pytest.mark.parametrize(("kind", "file"), [("train", "run.json"), ("sweep", "sweep.json")])
def test_slurm_scripts_start_and_go_on(called, understood, tmp_path, kind, file):
    script = JOBS / f"{kind}.slurm"
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=30)
    step = {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "16"}
    begun = understood(called(["bash", str(script)], **step))
    assert begun[:3] == [kind, "--join-seconds", "600"]
    assert begun[-2:] == ["--out", f"runs/{kind}-7"]
    assert ("--data-parallel" in begun) == (kind == "train")
    folder = tmp_path / "runs" / f"{kind}-7"
    folder.mkdir(parents=True)
    (folder / file).touch()
    goes_on = [kind, "--join-seconds", "600", "--resume", f"runs/{kind}-7"]
    assert understood(called(["bash", str(script)], **step)) == goes_on
    # a requeued job keeps its number; another one is told the folder
    again = called(["bash", str(script)], **step | {"SLURM_JOB_ID": "8"}, RUN=f"runs/{kind}-7")
    assert again == goes_on


@pytest.mark.parametrize("kind", ["train", "sweep"])
def test_slurm_asks_for_one_process_a_node(kind):
    lines = (JOBS / f"{kind}.slurm").read_text(encoding="utf-8").splitlines()
    asked = [
        shlex.split(line, comments=True)[0]
        for line in (text.removeprefix("#SBATCH ") for text in lines if text.startswith("#SBATCH "))
    ]
    options = dict(option.split("=", 1) if "=" in option else (option, "") for option in asked)
    assert options["--ntasks-per-node"] == "1"
    assert int(options["--nodes"]) > 1
    assert options["--signal"].startswith("TERM@")
    assert "--requeue" in options


@pytest.fixture
def manifest():
    yaml = pytest.importorskip("yaml")
    text = (JOBS / "sweep-job.yaml").read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def test_kubernetes_pods_find_each_other_and_the_folder(manifest):
    service, claim, job = (manifest[kind] for kind in ("Service", "PersistentVolumeClaim", "Job"))
    pod = job["spec"]["template"]["spec"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert pod["subdomain"] == service["metadata"]["name"]
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["completions"] == job["spec"]["parallelism"]
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_kubernetes_pods_start_the_sweep_with_their_number(manifest, called, understood):
    job = manifest["Job"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert environment["PROCESSES"] == str(job["spec"]["completions"])
    words = understood(called([*container["command"], *container["args"]], JOB_COMPLETION_INDEX="2", **environment))
    assert words[0] == "sweep"
    name, service = job["metadata"]["name"], manifest["Service"]["metadata"]["name"]
    assert words[-6:] == ["--coordinator", f"{name}-0.{service}:1234", "--processes", "4", "--process", "2"]
    folder = container["volumeMounts"][0]["mountPath"]
    assert words[words.index("--out") + 1].startswith(f"{folder}/")
