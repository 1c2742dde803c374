"""The end of a training run: judge every part, draw the figures, write and print the results."""

import numpy as np

from fcnet import metrics, plots
from fcnet.analysis import PartReport, report
from fcnet.console import Reporter, score_text
from fcnet.contracts import CLASSIFICATION
from fcnet.data import Dataset
from fcnet.files import write_json
from fcnet.fitting import DivergedError, Outcome
from fcnet.runs import RunFolder
from fcnet.train import History, RunSpec


def conclude(
    reporter: Reporter,
    folder: RunFolder,
    spec: RunSpec,
    dataset: Dataset,
    outcome: Outcome,
    history: History,
    train_seconds: float,
) -> None:
    """Leave results.json and the figures, print the table, and mark the run as finished.

    Args:
        history: of all epochs, those before a resume included; ``train_seconds`` likewise.

    Raises:
        DivergedError: the loss over the training rows is not finite.
    """
    score = metrics.score_name(spec.loss)
    reports = report(spec.objective, outcome.params, outcome.model_state, dataset.parts)
    if not np.isfinite(reports["train"].loss.value):  # without validation nothing else looks at the last update
        folder.update(status="diverged")
        raise DivergedError(f"the loss is not finite after epoch {outcome.best_epoch}: try a smaller --learning-rate")
    epochs = int(outcome.state.epoch)
    write_json(
        folder.path / "results.json",
        {
            "score": score,
            "parts": {name: part.summary() for name, part in reports.items()},
            "parameters": spec.model.parameter_count,
            "best_epoch": outcome.best_epoch,
            "epochs": epochs,
            "compile_seconds": round(outcome.compile_seconds, 3),
            "train_seconds": round(train_seconds, 3),
        },
    )
    _draw(folder, spec, dataset, reports, history, outcome.best_epoch)
    folder.update(status="finished")
    early = spec.patience and epochs < spec.epochs
    why = f"no better validation {metrics.SCORE_TITLES[score]} for {spec.patience} epochs" if early else "all done"
    kept = f"kept epoch {outcome.best_epoch} of {epochs} ({why})"
    reporter.fact(
        "trained",
        f"{kept}; {spec.model.parameter_count:,} parameters; {outcome.compile_seconds:.1f} s to compile, "
        f"{train_seconds:.1f} s to train",
    )
    if not reporter.quiet:
        reporter.result()
    reporter.reports(reports, score)
    if not reporter.quiet:
        reporter.result()
        reporter.fact("run", f"{folder.path} (curves.png, metrics.csv, results.json, …)")
        reporter.fact("next", f"fcnet evaluate {folder.path} · fcnet predict {folder.path} FILE")


def _draw(
    folder: RunFolder,
    spec: RunSpec,
    dataset: Dataset,
    reports: dict[str, PartReport],
    history: History,
    best_epoch: int,
) -> None:
    data, score = dataset.description, metrics.score_name(spec.loss)
    network = "-".join(map(str, spec.model.sizes))
    units = " (standardised target)" if data.target_scale != 1 else ""
    plots.curves(
        *history,
        score_name=score,
        loss_label=f"{spec.loss.replace('_', ' ')} per example{units}",
        best_epoch=best_epoch,
        title=f"{data.name}: {network}",
        path=folder.path / "curves.png",
    )
    # what was held back longest says most
    judged = list(reports)[-1]
    rows, outputs = dataset.parts[judged], reports[judged].outputs
    title = (
        f"{data.name}, {judged} part: {metrics.SCORE_TITLES[score]} {score_text(score, reports[judged].score.value)}"
    )
    if data.task == CLASSIFICATION:
        plots.confusion(outputs.argmax(axis=1), rows.y, data.classes, title=title, path=folder.path / "confusion.png")
        return
    plots.predicted_against_true(
        outputs[:, 0].astype(np.float64) * data.target_scale + data.target_shift,
        rows.y[:, 0] * data.target_scale + data.target_shift,
        target=data.target,
        title=title,
        path=folder.path / "predicted.png",
    )
