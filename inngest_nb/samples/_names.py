"""The names, goods and errors that sample workflows are made of."""

TIMEOUT = "timeout after 30 s"
ERRORS = {
    "reserve_stock": ("HTTP 503 from supplier '{supplier}': Service Unavailable", TIMEOUT),
    "charge_card": (
        "card declined: insufficient funds (charge ch_{hex})",
        "card declined: expired card (charge ch_{hex})",
        TIMEOUT,
    ),
    "book_expense": ("HTTP 503 from supplier '{supplier}': Service Unavailable",),
    "download_file": (TIMEOUT, "connection reset after {row} bytes"),
    "validate_rows": ("validation: row {row}, column '{column}': '{value}' is not a number",),
    "call_model": ("HTTP 429 from the model: try again in {seconds} s", TIMEOUT),
    "search_documents": ("index shard-{seconds} is not ready",),
    "query_sales": (TIMEOUT, "deadlock detected: process {row} waits for transaction {hex}"),
    "send_mail": ("mailbox full: <user{row}@example.com>",),
}
PERMANENT = ("card declined", "validation", "mailbox full")

PEOPLE = (
    "Ada Okafor", "Zoë Müller", "Nguyễn Thị Hoa", "山田 太郎", "Łukasz Żak", "Siobhán O'Neill",
    "محمد علي", "Priya Raman", "Søren 🚲 Krogh", "Renée d'Arc", "Tom Baker", "Ana María Núñez",
)  # fmt: skip
GOODS = (
    ("TEA-SENCHA-100", 1250), ("TEA-ASSAM-250", 990), ("CUP-STONE", 2400), ("POT-IRON-08", 6800),
    ("FILTER-80", 450), ("GIFT-BOX-GRÜN", 350),
)  # fmt: skip
QUESTIONS = (
    "Which customers have not paid since March?", "Warum ist die Marge in Zürich gesunken?",
    "Summarise the incident of last night", "What changed in the returns policy?",
)  # fmt: skip
