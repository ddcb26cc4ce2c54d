"""``gandlf-synth check`` and ``gandlf-synth preview``: look before training."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gandlf_synth.cli.options import (
    LOCAL_PATH,
    PATH,
    config_option,
    console,
    emit,
    json_option,
    set_option,
    split_options,
)
from gandlf_synth.errors import DataError

if TYPE_CHECKING:
    from gandlf_synth.training.checking import CheckReport


_SHOWN = 40
_LOG_WIDTH = 200
_training_data_option = click.option(
    "-dt",
    "--main-data-csv-path",
    "train_csv",
    type=PATH,
    help="CSV of the training images, or a store that prepare has made; absent: data_store.location.",
)


@click.command()
@config_option(required=True)
@_training_data_option
@set_option
@split_options
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="What training with this limit would be.")
@click.option("--init-from", "init_from", type=PATH, metavar="PATH", help="What training from this model would be.")
@click.option("--fast", is_flag=True, help="Leave out the search for duplicates and the trial steps.")
@click.option("--json", "json_file", type=LOCAL_PATH, help="Write the findings as JSON.")
@click.option("--quarantine", type=LOCAL_PATH, help="Write the rows that cannot be used, with the reason, as CSV.")
@click.option("--write-clean", type=LOCAL_PATH, help="Write the training CSV without the rows that cannot be used.")
def check(
    config: Path,
    train_csv: Path | None,
    overrides: tuple[str, ...],
    minutes: float | None,
    init_from: Path | None,
    fast: bool,
    json_file: Path | None,
    quarantine: Path | None,
    write_clean: Path | None,
    **splits: Any,
) -> None:
    """Say everything that can be known of a run before it is begun; exit code 3 when it would be refused."""
    from gandlf_synth import api
    from gandlf_synth.config import overridden, read_document
    from gandlf_synth.files import write_json
    from gandlf_synth.training.request import TrainingRequest
    from gandlf_synth.training.stored_data import chosen_data

    document = overridden(read_document(config), overrides)
    data = chosen_data(document, train_csv, "train_csv")
    seconds = minutes * 60 if minutes else None
    request = TrainingRequest(
        config=document, train_csv=data, model_dir=Path(), seconds=seconds, init_from=init_from, **splits
    )
    report = api.check(request, console(), fast=fast)
    _show(report)
    if json_file:
        findings = [asdict(finding) for finding in report.findings]
        write_json(json_file, {"stops_a_run": report.stops_a_run, "findings": findings, "facts": report.facts})
    if quarantine:
        _write_quarantine(quarantine, report)
    if write_clean:
        _write_clean(data, write_clean, report.bad_rows.get(str(data), set()))
    if report.stops_a_run:
        raise click.exceptions.Exit(DataError.exit_code)


def _show(report: "CheckReport") -> None:
    from rich.console import Console
    from rich.table import Table

    terminal = Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    facts = Table(show_header=False, box=None)
    for name, value in report.facts.items():
        facts.add_row(name, str(value))
    terminal.print(facts)
    if report.findings:
        table = Table("", "kind", "where", "what", title=f"{len(report.findings)} findings")
        for finding in report.findings[:_SHOWN]:
            colour = "red" if finding.severity == "error" else "yellow"
            table.add_row(f"[{colour}]{finding.severity}[/]", finding.kind, finding.where, finding.what)
        terminal.print(table)
        if len(report.findings) > _SHOWN:
            terminal.print(f"… and {len(report.findings) - _SHOWN} more; --json writes all of them")
    terminal.print("This would stop a run." if report.stops_a_run else "Ready to train.")


def _write_quarantine(path: Path, report: "CheckReport") -> None:
    from gandlf_synth.files import write_csv

    errors = [finding for finding in report.findings if finding.severity == "error" and finding.row is not None]
    rows = [[finding.csv, finding.row, finding.kind, finding.what] for finding in errors]
    write_csv(path, [["csv", "row", "kind", "what"], *rows])


def _write_clean(source: Path, target: Path, bad_rows: set[int]) -> None:
    from gandlf_synth.data.table.csv_rows import write_subset

    write_subset(source, target, bad_rows)
    click.echo(f"{target}: {len(bad_rows)} rows left out", err=True)


@click.command()
@config_option(required=True)
@_training_data_option
@set_option
@split_options
@click.option(
    "-o", "--output", type=LOCAL_PATH, default=Path("preview"), show_default=True, help="Folder to write into."
)
@click.option("-n", "--count", type=click.IntRange(min=1), default=6, show_default=True, help="Samples to show.")
@json_option
def preview(
    config: Path,
    train_csv: Path | None,
    overrides: tuple[str, ...],
    output: Path,
    count: int,
    as_json: bool,
    **splits: Any,
) -> None:
    """Write a picture of what the network will really see: each sample raw, prepared and augmented."""
    from gandlf_synth import api
    from gandlf_synth.config import overridden, read_document
    from gandlf_synth.training.request import TrainingRequest
    from gandlf_synth.training.stored_data import chosen_data

    document = overridden(read_document(config), overrides)
    data = chosen_data(document, train_csv, "train_csv")
    request = TrainingRequest(config=document, train_csv=data, model_dir=output, **splits)
    picture = api.preview(request, output, console(), count=count)
    emit({"picture": picture}, picture, as_json)
