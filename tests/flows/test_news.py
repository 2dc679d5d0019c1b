"""Something that happens once."""

from flows.news import News


def test_who_asks_before_is_told_when_it_happens_and_who_asks_after_at_once() -> None:
    news, heard = News(), []
    news.tell(lambda: heard.append("early"))
    assert heard == []
    news.spread()
    news.tell(lambda: heard.append("late"))
    assert heard == ["early", "late"]


def test_it_happens_once() -> None:
    news, heard = News(), []
    news.tell(lambda: heard.append(1))
    news.spread()
    news.spread()
    assert heard == [1]


def test_waiting_ends_with_the_news_or_with_the_time() -> None:
    news = News()
    assert not news.wait(0.0)
    news.spread()
    assert news.wait(0.0)
