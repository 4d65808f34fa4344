"""What holds for every test and for the processes that tests start."""

import os

# One thread in this process and its children: sums of floats keep their order, so that tables can be compared by bytes,
# and tiny models run faster so. Set before anything imports torch or numpy.
os.environ["OMP_NUM_THREADS"] = "1"

# Tests are of the CPU, whose sums they pin. Those of tests/accelerator run where PIVOTS_TEST_ACCELERATOR is set.
if not os.environ.get("PIVOTS_TEST_ACCELERATOR"):
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ["HIP_VISIBLE_DEVICES"] = ""


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: a name made of compressed bytes changes with the clock, and two processes of
    one run then collect different tests."""
    return argname if isinstance(val, bytes) else None
