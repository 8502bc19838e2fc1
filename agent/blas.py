"""The linear algebra that numpy does (BLAS).

With a thread for each core OpenBLAS waits in a busy loop until the other threads have done their part. Where calls have
the cores, these get their turn late: a product of 12 x 512 by 512 x 768 numbers took 8 ms of CPU instead of 0.2 ms.
"""

from functools import cache

import threadpoolctl  # type: ignore[import-untyped]


@cache
def use_one_thread() -> None:
    """Let each product of this process be computed only by the thread that asks for it."""
    threadpoolctl.threadpool_limits(1, "blas")
