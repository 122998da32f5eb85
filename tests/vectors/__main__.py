"""``python -m tests.vectors`` writes the files of this folder anew."""

from tests.vectors import FILES, HERE, written

for name in FILES:
    (HERE / f"{name}.json").write_text(written(name), encoding="utf-8")
