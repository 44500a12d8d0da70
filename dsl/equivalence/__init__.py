"""When two programs are the same: canonical form, functional hash, fingerprint."""
