"""What the site and `docs/codes.md` make of data: the page of codes from their table, and the answer's place."""

from pathlib import Path
from typing import Any

from addcat.verbs.explain.codes import FAMILIES, Code, codes

ANSWER = Path(__file__).parent / "answer.md"
HEAD = """# Codes

Every refusal and every finding that addcat prints carries a code. `addcat explain AC104` prints what stands here, and
so does `print(addcat.explain("AC104"))` in Python.

<!-- made from src/addcat/verbs/explain/tables by: pytest --golden-refresh tests/test_site.py -->
"""


def on_config(config: Any) -> Any:
    """Put the answer behind the home page, if it is there."""
    if ANSWER.exists():
        config.nav.insert(1, {"The answer": ANSWER.name})
    return config


def codes_page() -> str:
    """Every code as Markdown: a table of all, then a section for each."""
    parts = [HEAD]
    for family, title in FAMILIES.items():
        found = [code for code in codes().values() if code.family == family]
        parts.append(f"\n## {title}\n\n| code | what it says |\n| --- | --- |\n")
        parts.extend(f"| [{code.code}](#{code.code.lower()}) | {code.title} |\n" for code in found)
        parts.extend(map(_section, found))
    return "".join(parts)


def _section(code: Code) -> str:
    return (
        f"\n### {code.code}\n\n*{code.title[0].upper()}{code.title[1:]}.* {code.meaning}\n\n**Why.** {code.why}\n\n"
        f"**What to do.** {code.remedy}\n\nAs it is printed:\n\n```text\n{code.example}\n```\n"
    )
