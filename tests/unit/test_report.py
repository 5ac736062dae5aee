"""The report of a run made of instant fakes: complete, self-contained, and readable when pieces are missing."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import emgen_metrics.plugin
from emgen.artifacts import open_stack, write_stack
from emgen.cli import main
from emgen.engine.launch import run_spec
from emgen.errors import OutputError
from emgen.host import Host, use_host
from emgen.report import write_demo_table, write_report
from emgen.report.gallery import generations
from emgen.report.pictures import coloured, grey
from emgen.report.run import RunFolder
from emgen.report.text import number
from emgen.testing import fakes


def particles(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:160, :192]
    image = rng.normal(0.2, 0.03, y.shape)
    for cy, cx in rng.uniform((10, 10), (150, 182), (14, 2)):
        image[(y - cy) ** 2 + (x - cx) ** 2 < 36] += 0.5
    return np.clip(image, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "raw").mkdir()
    for seed in range(5):
        np.save(folder / "raw" / f"m{seed}.npy", particles(seed))
    spec = {
        "name": "Pt <b>on</b> carbon",
        "images": [str(folder / "raw")],
        "modality": "fake-modality",
        "data": {"crop": 64, "crops_per_micrograph": 6, "pixel_size_nm": 0.25},
        "virtual": {"images": 8},
        "metrics": ["mmd", "ssim", "psnr", "fake-metric"],
        "checkpoints": {"candidates": 2, "probes": 8, "by": ["mmd"]},
    }
    host = Host.from_modules([fakes, emgen_metrics.plugin])
    with use_host(host):
        run_spec(spec, folder / "run", host=host, progress=False)
    return folder / "run"


@pytest.fixture(scope="module")
def html(finished: Path) -> str:
    """The page of the undamaged run."""
    return page(finished)


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def page(run: Path) -> str:
    return write_report(run).read_text("utf-8")


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<style>.*?</style>", "", html)).split())


class Checker(HTMLParser):
    """Notes every reference, every id, and tags that are left open."""

    VOID = frozenset({"meta", "img", "path", "use", "rect", "br", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_report_needs_nothing_beside_it(html):
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    assert all(reference.startswith(("data:image/png;base64,", "#")) for reference in checker.references)
    assert len(checker.ids) == len(set(checker.ids))
    assert {reference[1:] for reference in checker.references if reference.startswith("#")} <= set(checker.ids)
    assert "<script" not in html
    assert not re.search(r"url\((?!#)|@import", html)


def test_names_from_the_spec_are_text_not_markup(html):
    assert "Pt &lt;b&gt;on&lt;/b&gt; carbon" in html
    assert "<b>on</b>" not in html


def test_every_part_of_a_finished_run_is_there(html):
    assert "Missing" not in words(html)
    for title in ("Generated beside real", "Scores", "Rough masks on micrographs", "Particle sizes", "Losses"):
        assert title in html
    for title in ("Data and preprocessing", "Settings", "Provenance", "Steps and times"):
        assert title in html
    assert html.count('<svg class="chart"') >= 3
    assert html.count("data:image/png;base64,") >= 5 * 6


def test_scores_stand_beside_their_meaning_in_plain_words(finished, html):
    text = words(html)
    assert "1st generation 2nd generation Better What it says" in text
    assert "SSIM" in text
    assert "Likeness in structure" in text
    assert "classical texture statistics (no weights)" in text
    assert "ssim_sd" not in text
    scores = json.loads((finished / "metrics.json").read_text())
    assert f"{scores['second_generation']['mmd']['mmd2']:#.3g}" in text


def test_a_column_shows_one_image_though_the_gate_left_some_out(run):
    folders = {step["label"]: run / step["folder"] for step in json.loads((run / "manifest.json").read_text())["steps"]}
    kept, shades = [0, 3, 4, 5, 6, 7], np.linspace(0.1, 0.8, 8, dtype=np.float32)
    images = shades[:, None, None] * np.ones((8, 64, 64), np.float32)
    replaced = {
        "first_generation/image": images,
        "gate first_generation/image": images[kept],
        "second_generation/image": images[kept],
    }
    for place, stack in replaced.items():
        label, name = place.split("/")
        shutil.rmtree(folders[label] / name, ignore_errors=True)
        write_stack(folders[label] / name, stack, np.float32)
    lines = [json.dumps({"image": index, "kept": index in kept}) for index in range(8)]
    (folders["gate first_generation"] / "fidelity.jsonl").write_text("\n".join(lines))
    _, masks, first, second, _ = generations(RunFolder(run))
    assert second.pictures == tuple(grey(images[index]) for index in kept)
    assert first.pictures == second.pictures
    labels = open_stack(folders["masks"] / "label")
    assert masks.pictures == tuple(coloured(labels[index]) for index in kept)


def test_the_states_of_both_gans_stand_in_a_table_with_the_one_that_was_kept(finished, html):
    section = html[html.index('id="checkpoints"') : html.index('id="data"')]
    for slot in ("morphology_gan", "contrast_gan"):
        table = json.loads(next((finished / "stages").glob(f"{slot}-*/checkpoints.json")).read_text())
        assert f"Step {table['chosen']} was kept: {table['why']}." in section
        for state in table["candidates"]:
            assert f'<th scope="row" class="number">{state["step"]}</th>' in section
    assert section.count('class="best">kept') == 2
    assert "MMD²" in section
    assert "Particles as labelled" in section
    assert 'alt="The labels, example 1"' in section


def test_a_score_stands_with_its_interval_noise_floor_and_verdict(finished, html):
    """Crops of five micrographs, too few to know what micrographs differ by: no difference is asserted."""
    found = json.loads((finished / "metrics.json").read_text())["second_generation"]["mmd"]
    assert found["mmd2_low"] <= found["mmd2"] <= found["mmd2_high"]
    assert found["verdict"] == "not distinguishable" or "takes 8 to tell" in found["verdict"]
    assert f"noise floor {number(found['mmd2_floor'])}" in words(html)
    assert f"({number(found['mmd2_low'])} … {number(found['mmd2_high'])})" in words(html)
    assert "mmd2 low" not in words(html)


def test_every_crop_of_a_run_knows_its_micrograph(finished):
    split = json.loads(next((finished / "stages").glob("split-*/split.json")).read_text())
    for subset, sources in split["sources"].items():
        assert len(sources) == split["crops"][subset]
        assert set(sources) <= set(range(5))
    assert sources == sorted(sources)


def test_data_are_told_as_in_table_s1(finished, html):
    text = words(html)
    split = json.loads(next((finished / "stages").glob("split-*/split.json")).read_text())
    assert "Micrographs 5" in text
    assert "Size, px 192 × 160" in text
    assert "Pixel size 0.25" in text
    assert "Crop, px 64 × 64" in text
    assert f"{split['crops']['subset1']} crops" in text
    assert "Resize factor" in text
    assert "Held out" in text


def test_provenance_names_seeds_versions_and_simulated_weights(finished, html):
    text = words(html)
    assert "Weights from simulated images none had a part in this run" in text
    assert "emgen run" in text
    assert "numpy: " in text
    manifest = json.loads((finished / "manifest.json").read_text())
    assert all(step["key"][:12] in text for step in manifest["steps"])


def test_simulated_weights_are_said_at_the_top(run):
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["simulated"] = True
    next(step for step in manifest["steps"] if step["label"] == "rough_segmenter")["simulated"] = True
    (run / "manifest.json").write_text(json.dumps(manifest))
    text = words(page(run))
    assert "Weights that were trained on simulated micrographs had a part in this run" in text
    assert "yes, they had a part in: rough segmenter" in text


def test_a_comparison_is_shown_at_the_top(run):
    rows = [{"name": "rough masks", "MIoU": 0.601}, {"name": "2nd generation", "MIoU": "0.71 ± 0.01", "Dice": 0.8}]
    write_demo_table(run, "Unseen phantoms", ["MIoU", "Dice"], rows, ["three seeds"])
    html = page(run)
    assert html.index("Unseen phantoms") < html.index("Generated beside real")
    assert "rough masks 0.601 – 2nd generation 0.71 ± 0.01 0.800 three seeds" in words(html)


def test_a_comparison_row_needs_a_name(run):
    with pytest.raises(ValueError, match="needs a name"):
        write_demo_table(run, "t", ["a"], [{"a": 1}])


@pytest.mark.parametrize(
    "pattern",
    ["stages/masks-*", "stages/second_generation-*", "stages/split-*", "metrics.json", "spec.yaml", "stages"],
)
def test_a_missing_piece_is_shown_as_missing(run, pattern):
    for path in run.glob(pattern):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert "issing" in words(page(run))


@pytest.mark.parametrize("name", ["metrics.json", "spec.yaml", "comparison.json"])
def test_a_damaged_file_is_no_exception(run, name):
    (run / name).write_text("{[: half a fi")
    assert "Pt" in page(run)


def test_a_damaged_array_leaves_the_rest_of_the_report(run):
    for chunk in run.glob("stages/first_generation-*/image/c/**/*"):
        if chunk.is_file():
            chunk.write_bytes(b"torn")
    text = words(page(run))
    assert "cannot be read" in text
    assert "Likeness in structure" in text


def test_a_run_that_failed_early_says_why(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"status": "failed", "error": "no particle found", "steps": []}))
    text = words(page(tmp_path))
    assert "failed" in text
    assert "no particle found" in text
    assert "Missing: the micrographs have not been read yet" in text


def test_the_command_writes_the_report_and_prints_its_path(run):
    (run / "report.html").unlink()
    result = CliRunner().invoke(main, ["report", str(run)])
    assert result.exit_code == 0
    assert result.output.strip() == str(run / "report.html")
    assert (run / "report.html").is_file()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(OutputError, match="no run there"):
        write_report(tmp_path)
    assert CliRunner().invoke(main, ["report", str(tmp_path)]).exit_code == 2
