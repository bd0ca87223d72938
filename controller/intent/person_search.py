"""Find people by the beginnings of words: of names, of the e-mail address, of one's own id.

A hundred thousand people are searched in milliseconds, because a beginning of a word is a range of
an index; what stands in the middle of a word is not found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlalchemy import Select, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.compiler.chunks import chunks
from controller.store.tables import Base, Person, PersonWord

_INSERT = insert(Base.metadata.tables[PersonWord.__tablename__])

# Greater than every character that may follow the beginning of a word.
_LAST = "\U0010ffff"


def words_of(*texts: str | None) -> set[str]:
    """Return the words by which somebody with these names, address and id is found."""
    folded = " ".join(text.casefold() for text in texts if text is not None)
    return {*folded.split(), *re.split(r"[^\w]+", folded)} - {""}


def containing(query: Select[Person], asked: str) -> Select[Person]:
    """Return `query` for those people only in whom every word of `asked` begins some word."""
    for word in asked.casefold().split():
        found = select(PersonWord.person_id).where(
            PersonWord.word >= word, PersonWord.word < word + _LAST
        )
        query = query.where(Person.id.in_(found))
    return query


async def index_people(session: AsyncSession, words: Mapping[int, set[str]]) -> None:
    """Make people (by number) be found by these words, and by no others."""
    for part in chunks(words):
        await session.execute(delete(PersonWord).where(PersonWord.person_id.in_(part)))
    rows = (
        {"word": word, "person_id": person}
        for person, found in words.items()
        for word in sorted(found)
    )
    connection = await session.connection()
    for many in chunks(rows, 5_000):
        await connection.execute(_INSERT, many)
