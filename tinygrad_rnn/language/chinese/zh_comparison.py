"""The reports of `compare`, in Chinese."""

COMPARISON = {
    "all agree": "全部一致",
}
