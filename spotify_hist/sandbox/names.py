"""Owns the invented words the sandbox's artists, albums, songs and shows are named with.

Never names a real artist, and never decides who is called what; the catalogue does.
"""

from __future__ import annotations

ADJECTIVES = (
    "Velvet", "Neon", "Paper", "Silent", "Golden", "Broken", "Northern", "Electric", "Hollow",
    "Crimson", "Lunar", "Slow", "Wild", "Glass", "Distant", "Copper", "Winter", "Bitter",
    "Lonely", "Sudden", "Quiet", "Amber", "Salt", "Iron",
)  # fmt: skip
NOUNS = (
    "Harbour", "Otters", "Machines", "Rivers", "Satellites", "Gardens", "Foxes", "Ministry",
    "Avenue", "Choir", "Engines", "Letters", "Mountains", "Swimmers", "Theatre", "Parade",
    "Lanterns", "Orchard", "Telegraph", "Kingdom", "Pilots", "Mirrors", "Weather", "Carousel",
)  # fmt: skip
FIRST_NAMES = (
    "Ada", "Jonas", "Mira", "Tobias", "Ines", "Kofi", "Linnea", "Rafael", "Sunniva", "Yusuf",
    "Elsie", "Marek", "Noor", "Callum",
)  # fmt: skip
LAST_NAMES = (
    "Okafor", "Lindqvist", "Marsh", "Delacroix", "Petrov", "Hale", "Moreau", "Tanaka", "Brandt",
    "Silva", "Novak", "Whitlock",
)  # fmt: skip
TITLE_STARTS = (
    "Waiting for", "Before", "After", "Dancing with", "Letters to", "Running from", "Under",
    "Somewhere near", "Return to", "No more", "All about", "Goodbye to", "Return of", "Ode to",
)  # fmt: skip
TITLE_ENDS = (
    "the Morning", "You", "December", "the Sea", "Nobody", "the Lights", "My Ghost", "Tomorrow",
    "the Last Train", "Summer", "the Wolves", "Home", "the Static", "Your Shadow", "Midnight",
    "the Rain", "Paradise", "a Stranger", "the City", "Gold",
)  # fmt: skip

CITIES = ("Kyoto", "Leeds", "Lisbon", "Malmö", "Oaxaca", "Tartu")
GENRES = (
    "dream pop", "fado", "indie folk", "j-pop", "krautrock", "post-punk", "r&b", "slowcore",
    "tropicália",
)  # fmt: skip

# Names that have broken importers: scripts, marks, quoting, markup, formulas, look-alikes of null.
ODD_ARTISTS = (
    "Mötley Fjörd",
    "東京ラジオ",
    "Ночной Трамвай",
    "🦊 Foxtape 🦊",
    "!!?",
    "Zoe\u0308 Ångstro\u0308m",  # decomposed on purpose: looks like "Zoë Ångström"
    "Tom & the “Quotes”",
    'The "Doubles"',
    "AB\\CD",
    "null",
    "فرقة الميناء",
    "Łódź, Kaliska; Północ",
    "O'Hara's Band",
    "the velvet harbour",
)
ODD_TITLES = (
    "4\u203233\u2033 (Live)",
    "=SUM(A1:A9)",
    "<b>Bold</b> & <script>alert(1)</script>",
    "100% / 50\\50",
    "夜に駆ける風",
    "???",
    "I ❤️ U 👩‍👩‍👧",
    "Untitled",
    "Song, with; every\tseparator",
    "-",
    "Canción del Ñandú",
    'Don\'t "Stop"',
    (
        "A Title That Goes On and On until Nobody Remembers How It Began, in Seven Movements "
        "for Prepared Piano, Two Typewriters and a Very Patient Audience (Director's Cut)"
    ),
)
SHOWS = (
    ("The Slow Report", "Harbour Media"),
    ("Wissen für Zwischendurch", "Funkhaus Nord"),
    ("Two People Talking", "Two People"),
    ("深夜のラジオ", "東京ラジオ放送"),
    ("Crimes & Misprints", "Inkwell"),
)
EPISODES = (
    "The Bridge Nobody Wanted", "How Maps Lie", "A Short History of Queues", "Episode 0",
    "Live from the Kitchen", "The Man Who Collected Silence", "Was macht eigentlich der Mond?",
    "Corrections", "Part 2 of 2", "Mailbag 📬",
)  # fmt: skip
BOOKS = (
    ("The Lighthouse Ledger", "Elsie Whitlock"),
    ("Die Kunst des Wartens", "Tobias Brandt"),
    ("Nine Winters", "Yusuf Okafor"),
)
