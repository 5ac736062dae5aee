"""The training loop and its checkpoints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emgen.errors import Interrupted, TrainingError  # noqa: E402
from emgen.stages import Context  # noqa: E402
from emgen_torchkit import state  # noqa: E402
from emgen_torchkit.adversarial import ImagePool, WithDetail  # noqa: E402
from emgen_torchkit.images import flip, to_image, to_tensor  # noqa: E402
from emgen_torchkit.loop import train  # noqa: E402


class Line:
    """Fits y = 2 x with dropout, so that torch's own random numbers matter."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1))
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=0.01)
        self.seen = torch.zeros(())

    def state(self):
        return {"net": self.net, "optimizer": self.optimizer, "seen": self.seen}

    def step(self, index, rng):
        x = torch.from_numpy(rng.normal(size=(16, 4)).astype(np.float32))
        loss = ((self.net(x) - 2 * x[:, :1]) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.seen += 1
        return {"loss": float(loss.detach())}


def weights(trainee):
    return torch.cat([p.detach().ravel() for p in trainee.net.parameters()])


def test_a_stopped_training_resumes_to_the_very_same_weights(tmp_path):
    whole = Line()
    train(whole, 30, Context(seed=3))
    stopped, polls = Line(), iter(range(100))
    context = Context(seed=3, scratch=tmp_path, should_stop=lambda: next(polls) == 11)
    with pytest.raises(Interrupted, match="step 12 of 30"):
        train(stopped, 30, context)
    resumed = Line()
    train(resumed, 30, replace(context, should_stop=lambda: False))
    assert torch.equal(weights(whole), weights(resumed))
    assert int(resumed.seen) == 30


def snapshot_into(folder, stop_at=None):
    """A context that keeps the steps at which it was offered a snapshot, with the weights."""
    taken = []

    def keep(step, save):
        taken.append(step)
        save(folder / f"{step}.safetensors")
        return step == stop_at

    return taken, Context(seed=3, snapshots=3, snapshot=keep)


def saving(trainee):
    return lambda path: state.save(path, {"net": trainee.net})


def test_snapshots_are_evenly_spaced_states_of_the_same_training(tmp_path):
    whole, watched = Line(), Line()
    train(whole, 10, Context(seed=3))
    taken, context = snapshot_into(tmp_path)
    train(watched, 10, context, save=saving(watched))
    assert taken == [3, 7, 10]
    assert torch.equal(weights(whole), weights(watched))
    early, loaded = Line(), Line()
    train(early, 3, Context(seed=3))
    state.load(tmp_path / "3.safetensors", {"net": loaded.net})
    assert torch.equal(weights(early), weights(loaded))


def test_a_snapshot_may_end_the_training(tmp_path):
    trainee = Line()
    taken, context = snapshot_into(tmp_path, stop_at=7)
    train(trainee, 10, context, save=saving(trainee))
    assert taken == [3, 7]
    assert int(trainee.seen) == 7


def test_a_resumed_training_offers_only_the_snapshots_after_its_checkpoint(tmp_path):
    taken, context = snapshot_into(tmp_path)
    polls = iter(range(100))
    stopped = Line()
    context = replace(context, scratch=tmp_path, should_stop=lambda: next(polls) == 2)
    with pytest.raises(Interrupted, match="step 3 of 10"):
        train(stopped, 10, context, save=saving(stopped))
    resumed = Line()
    train(resumed, 10, replace(context, should_stop=lambda: False), save=saving(resumed))
    assert taken == [3, 7, 10]


def test_the_callers_random_state_is_left_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trainee_seed = torch.random.get_rng_state()
    train(_NoInit(), 2, Context(seed=1))
    torch.testing.assert_close(torch.random.get_rng_state(), trainee_seed)
    assert torch.equal(torch.rand(3), expected)


class _NoInit:
    def state(self):
        return {}

    def step(self, index, rng):
        torch.rand(4)
        return {"loss": 0.0}


def test_a_loss_that_is_no_number_stops_with_the_step_and_a_way_out():
    class Bad(_NoInit):
        def step(self, index, rng):
            return {"adversarial": float("nan") if index == 4 else 1.0}

    with pytest.raises(TrainingError, match=r"adversarial is not finite at step 5.*learning_rate"):
        train(Bad(), 10, Context())


def test_losses_are_logged_with_the_number_of_steps_planned():
    logged, planned = [], []
    train(_NoInit(), 25, Context(plan=planned.append, log=lambda step, values: logged.append(step)), log_every=10)
    assert planned == [25]
    assert logged == [1, 10, 20, 25]


def test_a_loss_that_comes_now_and_then_is_never_left_out_of_the_log():
    class Validated(_NoInit):
        def step(self, index, rng):
            return {"loss": 1.0} | ({"validation loss": 2.0} if (index + 1) % 8 == 0 else {})

    logged = {}
    train(Validated(), 25, Context(log=logged.__setitem__), log_every=10)
    assert sorted(logged) == [1, 8, 10, 16, 20, 24, 25]
    assert [step for step, losses in logged.items() if "validation loss" in losses] == [8, 16, 24]


def test_optimiser_state_survives_a_safetensors_file(tmp_path):
    line = Line()
    train(line, 5, Context())
    state.save(tmp_path / "a.safetensors", line.state(), step=5)
    other = Line()
    facts = state.load(tmp_path / "a.safetensors", other.state())
    assert facts == {"step": 5}
    torch.testing.assert_close(other.optimizer.state_dict()["state"], line.optimizer.state_dict()["state"])
    assert other.optimizer.param_groups[0]["weight_decay"] == line.optimizer.param_groups[0]["weight_decay"]


def test_weights_can_be_read_by_whom_any_new_file_can(tmp_path):
    (tmp_path / "plain").touch()
    state.save(tmp_path / "a.safetensors", Line().state())
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_image_pool_gives_back_older_images_about_half_of_the_time():
    pool, rng = ImagePool(4, (1, 2, 2), "cpu"), np.random.default_rng(0)
    shown = [float(pool.exchange(torch.full((1, 1, 2, 2), float(i)), rng)[0, 0, 0, 0]) for i in range(200)]
    older = sum(value != i for i, value in enumerate(shown))
    assert 70 < older < 130
    assert shown[:4] == [0, 1, 2, 3]


def test_the_four_flips_differ_and_leave_every_line_a_line():
    image = np.arange(6.0).reshape(2, 3)
    flipped = [flip(image, code) for code in range(4)]
    assert len({a.tobytes() for a in map(np.ascontiguousarray, flipped)}) == 4
    assert all({tuple(sorted(line)) for line in a} == {(0, 1, 2), (3, 4, 5)} for a in flipped)


def test_images_survive_the_way_to_a_tensor_and_back():
    image = np.random.default_rng(0).random((2, 5, 7), dtype=np.float32)
    np.testing.assert_allclose(to_image(to_tensor(image, "cpu")), image, atol=1e-6)


def test_a_discriminator_can_be_shown_the_fine_structure_of_the_image_it_judges():
    seen = []

    class Spy(torch.nn.Module):
        def forward(self, x):
            seen.append(x)
            return x

    ramp = torch.linspace(-1, 1, 32).expand(1, 1, 32, 32)
    spike = ramp.clone()
    spike[0, 0, 16, 16] += 0.1
    condition = torch.zeros(1, 2, 32, 32)
    WithDetail(Spy(), gain=4.0)(torch.cat([condition, spike], 1))
    assert seen[0].shape == (1, 4, 32, 32)
    detail = seen[0][0, 3]
    assert float(detail[16, 16]) == pytest.approx(4 * 0.1 * (1 - 1 / 81), abs=1e-5)  # the ramp is gone
    assert float(detail[4:12, 4:12].abs().max()) < 1e-5
