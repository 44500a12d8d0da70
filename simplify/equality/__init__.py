"""Equal programs by rewrite rules: equality saturation."""
