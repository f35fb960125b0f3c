"""Personal data: each kind is found in every way it is written, and what looks like it is not."""

import calendar
import string

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bertworks.serving.audit import personal
from bertworks.serving.audit.masking import masked, masked_all
from bertworks.serving.audit.personal import KINDS, find

DIGITS = "0123456789"


def digits(least, most=None):
    return st.text(DIGITS, min_size=least, max_size=most or least)


def with_luhn(number):
    """The number with its check digit."""
    total = 0
    for place, one in enumerate(reversed(number)):
        value = int(one) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return number + str(-total % 10)


@st.composite
def cards(draw):
    start, length = draw(
        st.sampled_from([("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("62", 19)])
    )
    body = start + draw(digits(length - len(start) - 1))
    number = with_luhn(body)
    gap = draw(st.sampled_from(["", " ", "-"]))
    return gap.join(number[place : place + 4] for place in range(0, length, 4))


@st.composite
def ibans(draw):
    country = draw(st.sampled_from(sorted(personal._IBAN_LENGTHS)))
    size = personal._IBAN_LENGTHS[country] - 4
    body = draw(st.text(DIGITS + string.ascii_uppercase, min_size=size, max_size=size))
    rest = int("".join(str(int(one, 36)) for one in f"{body}{country}00")) % 97
    iban = f"{country}{98 - rest:02d}{body}"
    if draw(st.booleans()):
        return " ".join(iban[place : place + 4] for place in range(0, len(iban), 4))
    return iban.lower() if draw(st.booleans()) else iban


@st.composite
def chinese_ids(draw):
    year, month = draw(st.integers(1900, 2030)), draw(st.integers(1, 12))
    day = draw(st.integers(1, calendar.monthrange(year, month)[1]))
    province = draw(st.sampled_from(sorted(personal._PROVINCES)))
    number = f"{province}{draw(digits(4))}{year}{month:02d}{day:02d}{draw(digits(3))}"
    # ISO 7064 MOD 11-2, by its recursion: another way than that of the code.
    rest = 0
    for one in number:
        rest = (rest + int(one)) * 2 % 11
    check = (12 - rest) % 11
    return number + ("X" if check == 10 else str(check))


@st.composite
def chinese_mobiles(draw):
    number = f"1{draw(st.sampled_from('3456789'))}{draw(digits(9))}"
    gap = draw(st.sampled_from(["", " ", "-"]))
    number = gap.join([number[:3], number[3:7], number[7:]])
    return draw(st.sampled_from(["", "+86", "+86 ", "86", "0086 "])) + number


@st.composite
def emails(draw):
    letters = string.ascii_letters + DIGITS
    local = draw(st.text(letters + "._+-", min_size=1, max_size=30))
    labels = draw(st.lists(st.text(letters, min_size=1, max_size=10), min_size=1, max_size=3))
    return f"{local}@{'.'.join(labels)}.{draw(st.sampled_from(['com', 'co.uk', 'museum', 'cn']))}"


@st.composite
def ssns(draw):
    area = draw(st.integers(1, 899).filter(lambda one: one != 666))
    gap = draw(st.sampled_from("- "))
    return f"{area:03d}{gap}{draw(st.integers(1, 99)):02d}{gap}{draw(st.integers(1, 9999)):04d}"


@st.composite
def phones(draw):
    country = draw(st.sampled_from(["+44", "+49", "+1", "+86", "+358", "0049"]))
    groups = draw(st.lists(digits(2, 4), min_size=3, max_size=4))
    size = len(country.lstrip("+0")) + sum(map(len, groups))
    assume(8 <= size <= 15)
    gap = draw(st.sampled_from([" ", "-", ".", ""]))
    return gap.join([country, *groups])


@st.composite
def american_phones(draw):
    area, exchange = (f"{draw(st.sampled_from('23456789'))}{draw(digits(2))}" for _ in range(2))
    form = draw(st.sampled_from(["({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "{} {}-{}", "1-{}-{}-{}"]))
    return form.format(area, exchange, draw(digits(4)))


ADDRESSES = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str).filter(
    lambda one: any(part.isdigit() for part in one)
)
WAYS = {
    "card": cards(), "iban": ibans(), "cn-id": chinese_ids(), "email": emails(), "us-ssn": ssns(),
    "phone": chinese_mobiles() | phones() | american_phones(), "ip": ADDRESSES,
}  # fmt: skip
BEFORE = st.sampled_from(["", "my number is ", "号码是", "（", "a\n", '"', "ID: "])
AFTER = st.sampled_from(["", " thanks", "，谢谢", "）", "\nb", '"', " please"])


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_masked_wherever_it_stands(kind):
    @given(WAYS[kind], BEFORE, AFTER)
    def holds(value, before, after):
        told = masked(f"{before}{value}{after}")
        # Some numbers are two things at once, as a card's digits may be a phone's: masked they are.
        assert told.startswith(before) and told.endswith(after), told
        middle = told[len(before) : len(told) - len(after)]
        assert middle in {f"[{one}]" for one in KINDS}, (value, told)

    holds()


FULL_WIDTH = {ord(one): chr(ord(one) + 0xFEE0) for one in DIGITS + "@.-+"}
ARABIC = {ord(one): chr(0x0660 + int(one)) for one in DIGITS}


@given(
    st.sampled_from(["card", "cn-id", "us-ssn", "phone"]).flatmap(lambda kind: WAYS[kind]),
    st.sampled_from([FULL_WIDTH, ARABIC, {}]), st.sampled_from(["", "\u200b", "\u00ad"]),
)  # fmt: skip
def test_other_scripts_and_hidden_characters_hide_nothing(value, script, hidden):
    written = hidden.join(value.translate(script))
    told = masked(f"来自 {written} 的")
    assert told.startswith("来自 [") and told.endswith("] 的"), told


PIECES = st.one_of(*WAYS.values(), st.text(max_size=12), st.text(DIGITS + " -.+@:", max_size=20))
TEXTS = st.lists(PIECES, max_size=6).map(" ".join)


@given(TEXTS)
@example("\u200b1.2.3.4\u200b")
@example("a@b.cc@d.ee")
def test_masking_twice_is_masking_once(text):
    assert masked(masked(text)) == masked(text)


@given(TEXTS)
def test_what_is_found_lies_apart_and_within(text):
    end = 0
    for found in find(text):
        assert end <= found.start < found.end <= len(text) and found.kind in KINDS
        end = found.end


@given(st.text(st.characters(exclude_categories=["Nd"], exclude_characters="@＠:"), max_size=200))
def test_words_alone_stay_as_they_are(text):
    assert masked(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112 is off by one", "1234567890123456", "0000 0000 0000 0000",
        "DE89 3704 1144 0532 0130 01", "11010519491231002Y", "110105194913310021", "990105194912310020",
        "000-12-3456", "666-12-3456", "987-65-4321", "123-00-4567", "123-45-0000", "1-800", "12 of 2019",
        "at 12:30:45", "std::vector a::b", "version 1.2.3", "256.1.1.1", "1.2.3.4.5", "10,000,000 of it",
        "pages 100-200", "2020-01-31", "31.12.2019 10:00", "3.14159265358979", "£1,234,567.89",
        "ISBN 978-3-16-148410-0", "a@b", "@home", "user@localhost", "1990-2000", "12800138000", "10/10",
        "the 1984 film", "5-4-3-2-1", "1 2 3 4 5 6 7 8 9 10 11 12 13", "1600000000000",
        "0.13800138000", "order 20240131123456", "+1", "+ 5 - 3", "1+1=2", "C++11", "UTC+08:00",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_stays(text):
    assert masked(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ssn: 078051120", "ssn: [us-ssn]"), ("My SSN is 078051120.", "My SSN is [us-ssn]."),
        ("Tel: 030 1234567", "Tel: [phone]"), ("电话：010-62345678", "电话：[phone]"),
        ("call me at 020 7946 0958", "call me at [phone]"), ("+49 (0)30 123456", "[phone]"),
        ("ann@example.org, bob@例子.中国", "[email], [email]"),
        ("mail: ann@example.org.", "mail: [email]."),
        ("IBAN GB82 WEST 1234 5698 7654 32 today", "IBAN [iban] today"), ("[::1]:80", "[[ip]]:80"),
        ("call 09061701461 or 020 7946 0958", "call [phone] or [phone]"), ("06 12 34 56 78", "[phone]"),
        ("http://10.0.0.1/x", "http://[ip]/x"), ("ＡＮＮ＠example．org", "[email]"),
    ],
)  # fmt: skip
def test_what_is_written_around_it(text, told):
    assert masked(text) == told


def test_whole_answers_are_masked_keys_too():
    value = {"a@b.org": ["1.2.3.4", 5, None, ("x",)]}
    assert masked_all(value) == {"[email]": ["[ip]", 5, None, ["x"]]}
