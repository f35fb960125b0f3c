"""Documents and vectors: found exactly and by a graph, kept, and refused where they do not fit."""

import json
from dataclasses import replace

import numpy as np
import pytest
from finding import DOCUMENTS, units

from bertworks.errors import ArtifactError, DataError
from bertworks.tasks.matching import searching
from bertworks.tasks.matching.documents import FILE, Document, Documents
from bertworks.tasks.matching.index import Index
from bertworks.tasks.matching.searching import best


def test_the_nearest_are_those_of_a_full_sort_whatever_is_asked_together(monkeypatch):
    queries, documents = units(7, 5), units(40, 5, seed=1)
    documents[30] = documents[3]  # a tie
    expected = np.argsort(-(queries @ documents.T), axis=1, kind="stable")[:, :6]
    places, scores = best(queries, documents, 6)
    assert places.tolist() == expected.tolist()
    assert np.allclose(scores, np.take_along_axis(queries @ documents.T, places, axis=1))
    monkeypatch.setattr(searching, "CELLS", 41)  # a query at a time
    assert best(queries, documents, 6)[0].tolist() == expected.tolist()
    assert best(queries, documents, 99)[0].shape == (7, 40)
    assert best(queries[:0], documents, 3)[0].shape == (0, 3)


def test_of_equal_documents_the_first_is_found_first():
    documents = np.repeat(units(1, 4), 9, axis=0)
    places, _ = best(documents[:1], documents, 3)
    assert places.tolist() == [[0, 1, 2]]


def test_documents_are_read_from_their_file_as_they_were_written(tmp_path):
    written = [Document("a", "één\nline\u2028two", 3), Document("b", ""), Document("c", "三")]
    Documents.of(written[:2]).write(tmp_path, written[2:])
    found = Documents.load(tmp_path)
    assert list(found) == written
    assert (found.was_seen("a"), found.was_seen("b"), found.was_seen("x")) == (True, False, False)
    assert (found.shown("c"), found.shown("unknown")) == ("三", "unknown")
    (tmp_path / FILE).write_text('{"id": "a"}\n')
    with pytest.raises(ArtifactError, match="line 1 is no document"):
        Documents.load(tmp_path)[0]


@pytest.mark.parametrize("kind", ["exact", "approximate"])
def test_an_index_finds_what_it_found_before_it_was_written(tmp_path, kind):
    vectors = units(4, 8)
    index = Index.of(Documents.of(DOCUMENTS), vectors, kind)
    index.save(tmp_path)
    again = Index.load(tmp_path)
    places, scores = again.nearest(vectors, 2)
    assert places[:, 0].tolist() == [0, 1, 2, 3] and np.allclose(scores[:, 0], 1.0, atol=1e-5)
    assert places.tolist() == index.nearest(vectors, 2)[0].tolist()
    more, new = [Document("new", "a film")], units(1, 8, seed=9)
    (tmp_path / "more").mkdir()
    record = again.write_with(tmp_path / "more", more, new)
    grown = Index.load(tmp_path / "more")
    assert (record.documents, record.added, grown.record) == (5, 1, record)
    assert grown.nearest(new, 1)[0].tolist() == [[4]] and grown.documents[4] == more[0]
    # What is there already goes on finding what it found.
    assert again.nearest(new, 5)[0].shape == (1, 4)


def test_the_kind_follows_from_how_many_documents_there_are(monkeypatch):
    monkeypatch.setattr("bertworks.tasks.matching.index.EXACT_UP_TO", 3)
    documents = Documents.of(DOCUMENTS)
    assert Index.of(documents, units(4, 8), "auto").record.kind == "approximate"
    assert Index.of(Documents.of(DOCUMENTS[:3]), units(3, 8), "auto").record.kind == "exact"


def test_an_approximate_index_searches_as_widely_as_the_recall_asks():
    vectors = units(3000, 64)
    documents = Documents.of(Document(str(place), "x") for place in range(3000))
    index = Index.of(documents, vectors, "approximate")
    queries = units(50, 64, seed=2)
    loose, strict = (index.searched(queries, vectors, least).record for least in (0.1, 0.99))
    assert loose.search < strict.search and loose.recall < strict.recall >= 0.99
    exact = {*map(tuple, best(queries, vectors, 10)[0])}
    assert len(exact) == 50 and strict.recall_queries == 50
    with pytest.raises(DataError, match="min_recall asks 1.1") as refused:
        index.searched(queries, vectors, 1.1)
    assert "task.matching.index: exact" in str(refused.value)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    index = Index.of(Documents.of(DOCUMENTS), units(4, 8))
    index.save(tmp_path)
    Documents.of(DOCUMENTS[:3]).write(tmp_path)
    with pytest.raises(ArtifactError, match="there are 3 documents"):
        Index.load(tmp_path)
    index.save(tmp_path)
    (tmp_path / "vectors.npy").write_bytes(b"no array")
    with pytest.raises(ArtifactError, match=r"vectors\.npy cannot be read"):
        Index.load(tmp_path)
    replace(index, record=replace(index.record, kind="approximate")).documents.write(tmp_path)
    record = json.loads((tmp_path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps({**record, "kind": "approximate"}))
    (tmp_path / "index.faiss").write_bytes(b"no graph")
    with pytest.raises(ArtifactError, match=r"index\.faiss cannot be read"):
        Index.load(tmp_path)


def test_the_threshold_tells_queries_from_the_same_without_their_documents():
    documents = np.eye(6, dtype=np.float32)
    # Each query is near its own document (0.9) and a little near the next one (0.4).
    queries = 0.9 * np.eye(6, dtype=np.float32) + 0.4 * np.roll(np.eye(6), 1, axis=1)
    index = Index.of(Documents.of(Document(str(n), "x") for n in range(6)), documents)
    own = [[place] for place in range(6)]
    found = index.with_threshold(queries.astype(np.float32), own, "auto").record.threshold
    assert 0.4 < found.value < 0.9 and (found.answered, found.refused) == (1.0, 1.0)
    fixed = index.with_threshold(queries.astype(np.float32), own, 0.3).record.threshold
    assert (fixed.value, fixed.answered, fixed.refused) == (0.3, 1.0, 0.0)
    never = index.with_threshold(queries.astype(np.float32), own, "none").record.threshold
    assert never.value is None and never.answered == 1.0


def test_an_index_that_grows_beyond_what_is_exact_becomes_a_graph(tmp_path, monkeypatch):
    from bertworks.spec import Matching

    monkeypatch.setattr("bertworks.tasks.matching.index.EXACT_UP_TO", 4)
    vectors, new = units(4, 8), units(1, 8, seed=9)
    index = Index.of(Documents.of(DOCUMENTS), vectors, "auto")
    assert index.record.kind == "exact"
    for wanted, kind in (("auto", "approximate"), ("exact", "exact")):
        folder = tmp_path / wanted
        folder.mkdir()
        more = [Document("new", "a film")]
        index.write_with(folder, more, new, Matching(index=wanted))
        grown = Index.load(folder)
        assert (grown.record.kind, grown.record.documents) == (kind, 5)
        assert grown.nearest(new, 1)[0].tolist() == [[4]]
        assert (grown.record.recall or 1.0) >= 0.95
