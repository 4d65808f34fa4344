"""What holds for every test and for the processes that tests start."""

import os

# One thread in this process and its children: sums of floats keep their order, so that tables can be compared by bytes,
# and tiny models run faster so. Set before anything imports torch or numpy.
os.environ["OMP_NUM_THREADS"] = "1"
