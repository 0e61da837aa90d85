# SPDX-License-Identifier: Apache-2.0
"""What is read of GPUs and MIG slices, also while they come, go and fail."""

from pathlib import Path

import pynvml
import pytest
from fake_nvml import FakeCard, FakeNvml

from informatics_gateway.app_manifest import AppManifest, Needs
from informatics_gateway.cli.trial import with_gpu
from informatics_gateway.gpu.nvml import Device, Nvml
from informatics_gateway.runners import Limits, Program


@pytest.fixture
def driver():
    """A machine with two cards."""
    with FakeNvml(
        FakeCard("GPU-a", 24000, "NVIDIA A10"), FakeCard("GPU-b", 48000, "NVIDIA L40")
    ).installed() as fake:
        yield fake


def test_devices_memory_temperature_and_processes(driver):
    driver.cards[0].others_mb, driver.cards[0].processes = 300, {17: 1000, 18: None}
    first, second = Nvml().read().devices
    assert first == Device("GPU-a", "NVIDIA A10", 24000, 1300, 40, {17: 1000, 18: None})
    assert (second.uuid, second.used_mb, second.is_slice) == ("GPU-b", 0, False)


def test_of_a_card_with_mig_its_slices_are_the_devices(driver):
    slices = [FakeCard("MIG-1", 10000, "NVIDIA A100 MIG 1g.10gb"), FakeCard("MIG-2", 20000, "")]
    driver.cards = [FakeCard("GPU-c", 80000, "NVIDIA A100", temperature_c=71, slices=slices)]
    first, second = Nvml().read().devices
    assert (first.uuid, first.name, first.total_mb, first.is_slice) == (
        "MIG-1",
        "NVIDIA A100 MIG 1g.10gb",
        10000,
        True,
    )
    assert (second.name, second.temperature_c) == ("NVIDIA A100 MIG slice", 71)


def test_a_card_that_tells_no_temperature_is_no_error(driver):
    driver.cards[0].temperature_c = None
    assert Nvml().read().devices[0].temperature_c is None


def test_cards_appear_and_vanish(driver):
    nvml = Nvml()
    assert len(nvml.read().devices) == 2
    gone = driver.cards.pop()
    assert [each.uuid for each in nvml.read().devices] == ["GPU-a"]
    driver.cards.append(gone)
    assert len(nvml.read().devices) == 2


def test_a_lost_card_is_named_and_the_others_stay(driver):
    nvml = Nvml()
    driver.cards[0].error = pynvml.NVML_ERROR_GPU_IS_LOST
    reading = nvml.read()
    assert [each.uuid for each in reading.devices] == ["GPU-b"]
    assert reading.troubles == ("GPU 0: GPU is lost.",)
    driver.cards[0].error = None
    assert len(nvml.read().devices) == 2
    assert (driver.opened, driver.opens) == (1, 2), "it was opened anew, once"


def test_a_driver_that_goes_away_comes_back(driver):
    nvml = Nvml()
    nvml.read()
    driver.error = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    assert nvml.read().troubles == ("NVML: Driver Not Loaded.",)
    assert nvml.read().devices == ()
    driver.error, driver.opened = None, 0
    assert len(nvml.read().devices) == 2


def test_without_a_driver_there_are_no_devices_and_it_says_why():
    with FakeNvml(error=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND).installed():
        reading = Nvml().read()
    assert (reading.devices, reading.troubles) == ((), ("NVML: NVML Shared Library Not Found.",))


@pytest.mark.parametrize(
    ("use", "chosen", "given"),
    [("preferred", None, "GPU-b"), ("required", "GPU-a", "GPU-a"), ("preferred", "", ""), ("none", None, "")],
)
def test_who_runs_an_app_by_hand_gets_the_freest_or_the_chosen_gpu(driver, monkeypatch, use, chosen, given):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    needs = Needs(cpu=1, memory_mb=1, gpu_memory_mb=0, timeout_s=1, gpu=use)
    manifest = AppManifest.model_construct(needs=needs)
    program = Program("app", Path("app.py"), Path("models"), Limits(1, 1))
    assert with_gpu(program, manifest).gpu == given


def test_without_a_gpu_an_app_that_is_run_by_hand_gets_none(driver, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    driver.cards = []
    manifest = AppManifest.model_construct(
        needs=Needs(cpu=1, memory_mb=1, gpu_memory_mb=9, timeout_s=1, gpu="required")
    )
    assert with_gpu(Program("app", Path("app.py"), Path("models"), Limits(1, 1)), manifest).gpu == ""
