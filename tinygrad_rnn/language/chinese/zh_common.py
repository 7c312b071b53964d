"""What several rooms say, in Chinese."""

COMMON = {
    ", ": "、",
    " and ": " 和 ",
}
