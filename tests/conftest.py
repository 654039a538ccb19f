"""What every test needs: one thread for each process, because several run at a time."""

import os

# Read when torch is first imported, also by the processes that tests start. Two processes with two threads each on two
# cores wait for each other most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
