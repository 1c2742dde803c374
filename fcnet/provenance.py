"""Where a result came from: versions, device, commit, and fingerprints of spec and data."""

import hashlib
import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fcnet.data import Dataset, mapped

PACKAGES = ("fcnet", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scikit-learn")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """The processor's name as the system gives it, or its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def device() -> dict[str, Any]:
    """What JAX computes on."""
    devices = jax.devices()
    kind = processor() if devices[0].platform == "cpu" else devices[0].device_kind
    count, processes = len(devices), jax.process_count()
    return {"platform": devices[0].platform, "kind": kind, "count": count, "processes": processes}


def commit() -> dict[str, Any] | None:
    """The git commit that this package's source belongs to and whether it was changed since; None if installed."""
    source = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(source), *words], check=True, capture_output=True, text=True, timeout=10
        ).stdout.strip()

    try:
        # an installed copy may lie inside some other repository that ignores it
        git("ls-files", "--error-unmatch", str(Path(__file__)))
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", "--", str(source)))}
    except (OSError, subprocess.SubprocessError):
        return None


def collect() -> dict[str, Any]:
    """All of it, as plain values for JSON."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {package: _version(package) for package in PACKAGES} | {"python": platform.python_version()},
        "system": platform.platform(),
        "device": device(),
        "prng": str(jax.random.key_impl(jax.random.key(0))),
        "source": commit(),
    }


def fingerprint(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def data_fingerprint(dataset: Dataset) -> str:
    """SHA-256 over every part's arrays: the same rows in the same split, bit for bit."""
    digest = hashlib.sha256()
    for name, rows in dataset.parts.items():
        digest.update(name.encode())
        for array in rows:
            if array is None:
                continue
            digest.update(f"{array.dtype}{array.shape}".encode())
            for _, piece in mapped.pieces(array):
                digest.update(np.ascontiguousarray(piece).data)
    return digest.hexdigest()
