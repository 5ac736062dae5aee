"""What the processes of one training tell each other, with the others made up."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emgen.errors import TrainingError  # noqa: E402
from emgen_torchkit import parallel  # noqa: E402
from emgen_torchkit.loop import descend  # noqa: E402


class Twin(parallel.Peers):
    """One of two processes; the other one always sends ``other``."""

    def __init__(self, other: float, rank: int = 0) -> None:
        super().__init__(rank, 2)
        self.other = other

    def add_up(self, tensor):
        tensor += self.other

    def hear_first(self, tensor):
        if self.rank:
            tensor.fill_(self.other)

    def gather(self, tensor):
        parts = [torch.full_like(tensor, self.other)] * 2
        parts[self.rank] = tensor
        return parts


def one_step(clip=None, **peers):
    """Where a weight of 10 with gradient 1 ends, after a step of rate 1."""
    weight, left_out = torch.nn.Parameter(torch.tensor([10.0])), torch.nn.Parameter(torch.tensor([5.0]))
    optimizer = torch.optim.SGD([weight, left_out], lr=1.0)
    with parallel.together(Twin(**peers) if peers else parallel.Peers()):
        descend(optimizer, weight.sum(), clip)
    assert float(left_out.detach()) == 5.0
    return float(weight.detach())


def test_every_process_goes_down_the_mean_of_all_gradients():
    assert one_step() == 9.0
    assert one_step(other=3.0) == 8.0


def test_the_mean_is_clipped_and_not_its_parts():
    assert one_step(other=3.0, clip=0.5) == pytest.approx(9.5)


def test_shares_are_the_batch_in_order():
    batch = np.arange(6)
    for rank, share in enumerate(([0, 1, 2], [3, 4, 5])):
        with parallel.together(Twin(0.0, rank)):
            assert parallel.share(batch).tolist() == share
    assert parallel.share(batch) is not None
    assert parallel.world() == 1


def test_a_batch_that_cannot_be_shared_names_the_setting_and_the_number():
    with parallel.together(Twin(0.0)), pytest.raises(TrainingError, match=r"batch of 3.*`batch` to a multiple of 2"):
        parallel.share(np.arange(3))


def test_gathering_undoes_sharing():
    with parallel.together(Twin(7.0, rank=1)):
        assert parallel.gather(torch.tensor([1.0])).tolist() == [7.0, 1.0]


def test_each_process_has_random_numbers_of_its_own_and_the_first_those_of_one_alone():
    def drawn(rank):
        with parallel.together(Twin(0.0, rank)):
            return parallel.own(np.random.default_rng([1, 2])).random()

    assert drawn(0) == np.random.default_rng([1, 2]).random()
    assert drawn(1) == drawn(1) != drawn(0)


def test_running_statistics_are_averaged_and_counts_are_left_alone():
    norm = torch.nn.BatchNorm2d(1)
    with parallel.together(Twin(3.0)):
        parallel.average_buffers([norm, torch.zeros(1)])
    assert float(norm.running_mean) == 1.5
    assert float(norm.running_var) == 2.0
    assert int(norm.num_batches_tracked) == 0


def test_losses_are_those_of_the_whole_batch_and_one_that_is_no_number_is_so_everywhere():
    with parallel.together(Twin(3.0)):
        assert parallel.mean({"loss": 1.0}) == {"loss": 2.0}
    with parallel.together(Twin(float("nan"))):
        assert np.isnan(parallel.mean({"loss": 1.0})["loss"])


def test_the_first_process_decides():
    assert parallel.first(True, False) == [True, False]
    with parallel.together(Twin(1.0, rank=1)):
        assert parallel.first(False) == [True]


def test_processes_that_found_different_checkpoints_refuse_to_train():
    with parallel.together(Twin(20)), pytest.raises(TrainingError, match=r"steps 10, 20.*disk that all of them see"):
        parallel.require_same(10)
