"""What tests share is imported as a user's own module is: ``own_tasks``, ``by_hand``, ``pool_jobs``."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE / "training"), str(HERE / "workers")]
