"""From files to results: find, check, segment, gather."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.data import expand_each
from emgen.data.stack import suffixes_of
from emgen.errors import NoImagesError
from emgen.files import make_folder
from emgen.segmenting.bench import Done, Settings
from emgen.segmenting.jobs import Job, open_all, refuse_collisions
from emgen.segmenting.progress import Progress
from emgen.segmenting.result import Segmented, in_words, write_tables
from emgen.segmenting.teams import Begin
from emgen.writing import Writers
from emgen.writing.formats import gathering, open_writers
from emgen.writing.zarr_stacks import remove_stacks

if TYPE_CHECKING:
    from emgen.host import Host


def segment_files(
    begin: Begin,
    images: Sequence[str | Path],
    settings: Settings,
    host: Host,
    *,
    call: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Segmented:
    """Segment files, folders and globs; an unusable file is recorded and the others go on.

    Parameters
    ----------
    begin: who segments (``emgen.segmenting.teams``); called once the inputs are known to be all right.
    call: what makes two calls the same (``emgen.segmenting.progress``): where one was stopped, the next goes on.
        ``None`` begins anew, and so does what gathers all micrographs in one file.
    tell: called with a line of text after each micrograph, in the order of the inputs.

    Raises
    ------
    NoImagesError: nothing to segment. OutputError: two results of one name, a result in an input's place, a folder that
    cannot be written. What was finished before is kept and listed.
    """
    out, stacked = settings.out, settings.stacked
    result, writers = Segmented(out), open_writers(settings.formats, out, settings.labels_to)
    jobs = open_all(expand_each(images, suffixes_of(host), result.failed), host, result, stacked=stacked)
    if not jobs and not result.failed:
        raise NoImagesError("The files given hold no micrograph.")
    refuse_collisions(jobs, out, writers, stacked=stacked)
    make_folder(out)
    gathered = open_writers(filter(gathering, settings.formats), out)
    try:
        if jobs:
            progress = Progress(out, None if any(map(gathering, settings.formats)) else call, jobs)
            if stacked:
                begun = {job.stack.name for job in jobs if job.name in progress.known}
                remove_stacks(settings.labels_to or out, {job.stack.name for job in jobs} - begun)
            with gathered:
                _segment_all(begin, jobs, settings, result, gathered, progress, tell)
            if not result.failed:
                progress.forget()
    finally:
        result.written = [path.name for path in gathered.finished]
        write_tables(result)
    return result


def _segment_all(
    begin: Begin,
    jobs: Sequence[Job],
    settings: Settings,
    result: Segmented,
    gathered: Writers,
    progress: Progress,
    tell: Callable[[str], None],
) -> None:
    """In the order of the jobs; of each only its row in the summary and its particles' rows in the table are kept."""
    with begin(settings) as team:
        result.model |= {key: team.info.get(key) for key in ("task", "modality", "working_diameter", "simulated")}
        result.response = team.response
        if progress.known:
            tell(f"{len(progress.known)} of {len(jobs)} micrographs were done by a call that was stopped; it goes on")
        # Closed while the team is there: workers are told to leave what nobody waits for.
        with closing(team.segment([job for job in jobs if job.name not in progress.known])) as fresh:
            for job in jobs:
                if job.name in progress.known:
                    _take(progress.done(job), result, gathered)
                    continue
                done = next(fresh)
                _take(done, result, gathered)
                progress.add(done)
                tell(f"{done.job.name}: " + (in_words(done.record) if done.record else f"failed. {done.reason}"))


def _take(done: Done, result: Segmented, gathered: Writers) -> None:
    if done.record is None or done.table is None:
        result.fail(done.job.path, done.reason)
        return
    if done.labelled is not None:
        gathered.add(done.labelled)
    result.add(done.record, done.table)
