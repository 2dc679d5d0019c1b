"""A header name that is not UTF-8 costs no record: neither its own nor those behind it in the batch."""

from hypothesis import given
from hypothesis import strategies as st
from kafka.record import MemoryRecords, MemoryRecordsBuilder

from flows.broker.header_names import read_leniently
from tests.flows.broker.header_made import RawName

GZIP, NONE = 1, 0
CONTENTS = st.none() | st.binary(max_size=40)
RECORDS = st.lists(
    st.tuples(
        CONTENTS,
        CONTENTS,
        st.lists(st.tuples(st.binary(max_size=20), CONTENTS), max_size=3),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=8,
)


@given(records=RECORDS, codec=st.sampled_from([NONE, GZIP]))
def test_records_are_read_as_they_were_written(
    records: list[tuple[bytes | None, bytes | None, list[tuple[bytes, bytes | None]], int]],
    codec: int,
) -> None:
    read_leniently()
    builder = MemoryRecordsBuilder(magic=2, compression_type=codec, batch_size=1 << 20)
    for key, value, headers, delay in records:
        named = [(RawName(name), content) for name, content in headers]
        builder.append(timestamp=1_500_000_000_000 + delay, key=key, value=value, headers=named)  # type: ignore[no-untyped-call]
    builder.close()

    (batch,) = MemoryRecords(builder.buffer())  # type: ignore[no-untyped-call]
    found = list(batch)

    assert [(each.key, each.value, each.headers) for each in found] == [
        (key, value, [(name.decode(errors="backslashreplace"), content) for name, content in headers])
        for key, value, headers, _ in records
    ]
    assert [each.offset for each in found] == list(range(len(records)))
    assert [each.timestamp for each in found] == [1_500_000_000_000 + delay for *_, delay in records]
