# SPDX-License-Identifier: Apache-2.0
"""`gantry jobs`: what the gateway did, does and failed to do."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from ..config import load
from ..control import ask
from ..errors import NoSuchJob
from ..execute import load_report
from ..model import Job, JobStatus
from ..store import Journal
from .output import DEFAULT_CONFIG, ConfigOption, JsonOption, counted, local_time, print_json, say, table

app = typer.Typer(help="List, show, retry and cancel jobs.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(help="The job's number.", metavar="JOB")]


@app.command("list")
def list_jobs(
    config: ConfigOption = DEFAULT_CONFIG,
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs with this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10000)] = 50,
    json: JsonOption = False,
) -> None:
    """The newest jobs first."""
    with Journal(load(config).storage.path) as journal:
        jobs = journal.jobs(limit, status)
    if json:
        print_json([summary(job) for job in jobs])
        return
    columns = ("job", "status", "button", "app", "rev", "instances", "created", "what went wrong")
    table(counted(len(jobs), "job"), columns, map(_row, jobs))


def _row(job: Job) -> tuple[object, ...]:
    created, sealed = local_time(job.created_at), job.input_set
    button = sealed.key.called_ae_title
    tool = f"{job.app} {job.profile}".rstrip()
    return job.id, job.status, button, tool, sealed.revision, len(sealed.instances), created, job.error


def summary(job: Job) -> dict[str, Any]:
    """The job as plain values, without any patient attribute."""
    sealed = job.input_set
    return {
        "id": job.id,
        "status": job.status,
        "app": job.app,
        "profile": job.profile,
        "route": job.route,
        "source": sealed.key.source,
        "called_ae_title": sealed.key.called_ae_title,
        "study_instance_uid": sealed.key.study_instance_uid,
        "series_instance_uid": sealed.key.series_instance_uid,
        "revision": sealed.revision,
        "instances": len(sealed.instances),
        "input_hash": sealed.hash,
        "attempts": job.attempts,
        "created_at": job.created_at,
        "error": job.error,
        "hint": job.hint,
    }


@app.command()
def show(job: Number, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """One job: its events, its results and where they are proved to be."""
    with Journal(load(config).storage.path) as journal:
        found = journal.job(job)
        if found is None:
            raise NoSuchJob(f"Job {job}.")
        detail = details(journal, found)
    if json:
        print_json(detail)
    else:
        _show(detail)


def details(journal: Journal, job: Job) -> dict[str, Any]:
    """The job with its events, results, proofs and what the app measured."""
    results = journal.results(job.id)
    report = load_report(results[0].path.parent) if results else {}
    return summary(job) | {
        "events": [asdict(event) for event in journal.events(job.id)],
        "results": [asdict(result) for result in results],
        "proofs": [asdict(proof) for proof in journal.proofs(job.id)],
        "measurements": report.get("measurements", []),
        "findings": report.get("findings", []),
        "times": report.get("times", {}),
        "device": report.get("device", ""),
    }


def _show(detail: dict[str, Any]) -> None:
    profile = f", profile {detail['profile']}," if detail["profile"] else ""
    what = f"Job {detail['id']}: {detail['app']}{profile} is {detail['status']}."
    say(f"{what} {detail['error']} {detail['hint']}".strip())
    table("events", ("at", "event"), [(local_time(event["at"]), event["text"]) for event in detail["events"]])
    if detail["results"]:
        rows = [(each["kind"], each["sop_instance_uid"], each["path"]) for each in detail["results"]]
        table("results", ("kind", "SOPInstanceUID", "file"), rows)
    if detail["measurements"]:
        columns = ("name", "value", "unit", "site")
        measured = [[each.get(column, "") for column in columns] for each in detail["measurements"]]
        table("measurements", columns, measured)
    for finding in detail["findings"]:
        say(finding)


@app.command()
def retry(
    job: Number,
    config: ConfigOption = DEFAULT_CONFIG,
    rerun: Annotated[bool, typer.Option("--rerun", help="Run the app again, as a new revision.")] = False,
) -> None:
    """Go on at the step that failed, with the same bytes."""
    say(ask(load(config).storage.path, "retry", number=job, rerun=rerun))


@app.command()
def cancel(job: Number, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """End a job; what was sent already stays."""
    say(ask(load(config).storage.path, "cancel", number=job))
