"""BPTT as an associative scan, and one recurrence computed in two ways."""
