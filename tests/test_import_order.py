"""A room imports only from rooms above it: reading the package in this order is reading the data's way."""

import ast
from pathlib import Path

import pytest

import fcnet

ROOMS = [
    "errors",
    "files",
    "devices",
    "catalogue",
    "arrays",
    "contracts",
    "data",
    "augmentation",
    "activations",
    "initializers",
    "layers",
    "spec",
    "noise",
    "models",
    "losses",
    "regularizers",
    "objective",
    "backprop",
    "gradcheck",
    "optimizers",
    "components",
    "metrics",
    "train",
    "streaming",
    "fitting",
    "checkpoint",
    "analysis",
    "plots",
    "config",
    "provenance",
    "runs",
    "sweeps",
    "predictor",
    "console",
    "commands",
    "cli",
]
PACKAGE = Path(fcnet.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.ImportFrom) and node.level), "relative imports hide the order"
        if isinstance(node, ast.ImportFrom) and node.module == "fcnet":
            rooms |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fcnet."):
            rooms.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("fcnet.")}
    return rooms - {"__version__"}


def test_every_room_has_its_place():
    assert {room_of(path) for path in FILES} == set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_only_from_above(path):
    above = ROOMS[: ROOMS.index(room_of(path)) + 1]
    assert imported_rooms(path) <= set(above)


# what differentiates, and Flax with what applies it
AUTODIFF = {
    "grad",
    "value_and_grad",
    "vjp",
    "jvp",
    "jacfwd",
    "jacrev",
    "linearize",
    "hessian",
    "autodiff",
    "flax",
    "apply",
}


def names_in(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = set()
    for node in nodes:
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {part for alias in node.names for part in alias.name.split(".")}
            names |= set((getattr(node, "module", None) or "").split("."))
    return names


@pytest.mark.parametrize("path", sorted((PACKAGE / "backprop").glob("*.py")), ids=lambda path: path.name)
def test_no_autodiff_in_hand_written_backprop(path):
    assert not names_in(path) & AUTODIFF


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("matplotlib", {"plots"}),
        ("orbax", {"checkpoint"}),
        ("rich", {"console", "commands"}),
        ("tensorflow_datasets", {"data"}),
    ],
)
def test_each_library_has_one_door(library, rooms):
    users = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(module.split(".")[0] == library for module in modules):
                users.add(room_of(path))
    assert users == rooms
