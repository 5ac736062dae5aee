"""FID and Inception score through torch-fidelity's network, from a weights file of random values."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_fidelity
from torch_fidelity import feature_extractor_inceptionv3 as published

from emgen.engine.features import FeatureMemo
from emgen.errors import PreflightError
from emgen.stages import MetricContext
from emgen_metrics import inception, preflight
from emgen_metrics.config import INCEPTION_SHA256, FeaturesConfig, InceptionConfig, InceptionScoreConfig, MmdConfig
from emgen_metrics.fid import Fid
from emgen_metrics.frechet import frechet_distance
from emgen_metrics.inception import Inception
from emgen_metrics.inception_score import InceptionScore
from emgen_metrics.kid import Kid
from emgen_metrics.mmd import Mmd

CONTEXT = MetricContext()


class Pictures(torch.utils.data.Dataset):
    """What torch-fidelity's own command line makes of a folder of grey pictures."""

    def __init__(self, image_NHW: np.ndarray) -> None:
        self.pictures = inception.as_rgb(image_NHW)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.pictures[index]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> InceptionConfig:
    """Random weights in the published layout, loaded back through the real path."""
    file = tmp_path_factory.mktemp("weights") / "random.pth"
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr(published, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(published.FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        network = published.FeatureExtractorInceptionV3("random", ["2048"])
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):  # keeps the signal alive through the depth of the network
            torch.nn.init.kaiming_normal_(module.weight)
    torch.save(network.state_dict(), file)
    return InceptionConfig(weights=file, sha256=hashlib.sha256(file.read_bytes()).hexdigest())


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((6, 40, 40), dtype=np.float32) * 0.6, rng.random((5, 40, 40), dtype=np.float32)


def reference(weights: InceptionConfig, a: np.ndarray, b: np.ndarray, **metrics: object) -> dict[str, float]:
    return torch_fidelity.calculate_metrics(
        input1=Pictures(a),
        input2=Pictures(b),
        cuda=False,
        cache=False,
        verbose=False,
        batch_size=4,
        samples_find_deep=False,
        save_cpu_ram=True,
        feature_extractor_weights_path=str(weights.weights),
        **metrics,
    )


def test_distances_of_a_layer_are_those_of_torch_fidelity(weights, images):
    """Layer 192: the reference's eigenvalues of 2048² matrices would take a minute."""
    expected = reference(weights, *images, fid=True, feature_layer_fid="192")["frechet_inception_distance"]
    extractor = Inception(weights, "192")
    assert frechet_distance(*(extractor.extract(x, "cpu") for x in images)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.slow
def test_fid_is_that_of_torch_fidelity(weights, images):
    expected = reference(weights, *images, fid=True)["frechet_inception_distance"]
    assert Fid(weights).compute(*images, CONTEXT)["fid"] == pytest.approx(expected, rel=1e-3)


def test_inception_score_is_that_of_torch_fidelity(weights, images):
    expected = reference(weights, *images, isc=True, isc_splits=3)
    config = InceptionScoreConfig(weights=weights.weights, sha256=weights.sha256, splits=3)
    result = InceptionScore(config).compute(*images, CONTEXT)
    assert result["inception_score"] == pytest.approx(expected["inception_score_mean"], rel=1e-5)
    assert result["inception_score_sd"] == pytest.approx(expected["inception_score_std"], rel=1e-3, abs=1e-6)


def test_fid_says_which_weights_it_rests_on(weights, images):
    result = Fid(weights).compute(*images, CONTEXT)
    assert result["fid"] > 0
    assert result["features"] == f"inception-v3-compat 2048 {weights.sha256[:12]}"
    assert Fid(weights).compute(images[0], images[0], CONTEXT)["fid"] == pytest.approx(0, abs=1e-3)


def test_fid_and_inception_score_share_one_pass_through_the_network(weights, images, monkeypatch):
    batches = []
    forward = published.FeatureExtractorInceptionV3.forward
    monkeypatch.setattr(
        published.FeatureExtractorInceptionV3, "forward", lambda self, x: batches.append(len(x)) or forward(self, x)
    )
    config = {"weights": weights.weights, "sha256": weights.sha256}
    metrics = [
        Fid(weights),
        InceptionScore(InceptionScoreConfig(**config)),
        Kid(FeaturesConfig(features="inception", **config)),
    ]
    memo = FeatureMemo("cpu")
    shared = [metric.compute(*images, MetricContext(features=memo.of(metric))) for metric in metrics]
    assert sum(batches) == sum(len(stack) for stack in images)
    assert shared[0] == pytest.approx(metrics[0].compute(*images, CONTEXT))


def test_kid_is_that_of_torch_fidelity(weights, images):
    a, b = images[0][:5], images[1]
    expected = reference(weights, a, b, kid=True, kid_subsets=1, kid_subset_size=5)
    config = FeaturesConfig(features="inception", weights=weights.weights, sha256=weights.sha256)
    assert Kid(config).compute(a, b, CONTEXT)["kid"] == pytest.approx(
        expected["kernel_inception_distance_mean"], rel=1e-3
    )


def test_mmd_takes_inception_features_when_asked(weights, images):
    config = MmdConfig(features="inception", weights=weights.weights, sha256=weights.sha256)
    assert "inception" in str(Mmd(config).compute(*images, CONTEXT)["features"])


def test_the_default_hash_is_that_of_the_published_file():
    assert published.URL_INCEPTION_V3.endswith(f"{INCEPTION_SHA256[:8]}.pth")


def test_weights_of_another_hash_are_refused(weights):
    with pytest.raises(PreflightError, match=r"SHA-256 .* not 6726825d.*`sha256`"):
        preflight.inception(InceptionConfig(weights=weights.weights), "cpu")


def test_a_missing_weights_file_is_named_with_the_way_out(tmp_path):
    with pytest.raises(PreflightError, match=r"nowhere\.pth.*Download https.*fid-encoder"):
        preflight.inception(InceptionConfig(weights=tmp_path / "nowhere.pth"), "cpu")


def test_without_network_and_file_preflight_fails_and_names_the_fix(tmp_path, monkeypatch):
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(PreflightError, match=r"no route to host.*set the metric's `weights`"):
        preflight.inception(InceptionConfig(), "cpu")


def test_a_download_of_before_is_taken_and_fetched_only_once(tmp_path, monkeypatch):
    fetched = []

    def fetch(url: str, target: str, **_: object) -> None:
        fetched.append(url)
        Path(target).write_bytes(b"weights")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    config = InceptionConfig(sha256=hashlib.sha256(b"weights").hexdigest())
    for _ in range(2):
        preflight.inception(config, "cpu")
    assert fetched == [published.URL_INCEPTION_V3]


def test_a_file_that_would_run_code_is_not_loaded(tmp_path, images):
    class Harmful:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "harm",))

    file = tmp_path / "harmful.pth"
    torch.save({"fc.weight": Harmful()}, file)
    config = InceptionConfig(weights=file, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    with pytest.raises(PreflightError, match="not Inception weights"):
        Fid(config).compute(*images, CONTEXT)
    assert not (tmp_path / "harm").exists()
