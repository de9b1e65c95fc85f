"""Reads texts from the warehouse in batches, so that memory stays bounded however long they are."""

from collections.abc import Iterator

from psycopg2.extensions import connection as Connection

FETCH_ROWS = 200


def read_batches(
    connection: Connection, query: str, parameters: dict, most_rows: int, most_characters: int
) -> Iterator[list[tuple]]:
    """The rows of a query that ends in title and body, in batches bounded by rows and by characters."""
    # Held beyond its transaction, so that no lock of the reader stands in the way of a new month's partition.
    with connection.cursor(name="texts", withhold=True) as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(query, parameters)
        connection.commit()
        batch, characters = [], 0
        for row in cursor:
            batch.append(row)
            characters += len(row[-2] or "") + len(row[-1])
            if len(batch) >= most_rows or characters >= most_characters:
                yield batch
                batch, characters = [], 0
        if batch:
            yield batch
