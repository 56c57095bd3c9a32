"""Workflow ids that are easily taken for another id, another path or an order."""

AWKWARD_IDS = [
    "a/b", "a%2Fb", "a%252Fb", "a?b", "a#b", "a b", " ", "../x", "...", "%", "+", "a\nb", "\x00", "\u2028",
    "é", "e\u0301", "日本語", "🧑‍🚀", "<script>", "'; DROP TABLE workflows; --", "x" * 4096,
]  # fmt: skip
