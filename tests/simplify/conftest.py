"""Makes what only tests and scripts use importable: the fakes of this folder, disguises and replays."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "scripts")]
