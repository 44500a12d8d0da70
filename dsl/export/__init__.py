"""Programs as code and formulas of other systems."""
