"""``own_tasks`` beside this file is imported as a user's own module is."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
