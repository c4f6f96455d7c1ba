def test_endpoints_show_newest_window_and_live_alerts(api, write, make_alert, make_score):
    write("window_scores", make_score(0), make_score(7), make_score(2, endpoint="idle-1"))
    write(
        "alerts",
        make_alert(1, severity="CRITICAL", attack_prob=0.99),
        make_alert(2, severity="MEDIUM", attack_prob=0.7),
        make_alert(3, endpoint="unscored-1"),
    )
    for status in ("acknowledged", "investigating", "resolved"):
        api("PATCH", f"/alerts/{1:064x}", json={"actor": "ann", "status": status})
    nothing = {
        "tenant": "acme", "platform": "linux", "open_alerts": 0, "highest_severity": None, "n_alerts": 0, "threat": 0.0,
    }  # fmt: skip
    assert api.ok("/endpoints")["endpoints"] == [
        {**nothing, "endpoint": "idle-1", "last_window_end": "2026-03-01T12:05:00Z", "last_seen": "2026-03-01T12:05:00Z"},
        {**nothing, "endpoint": "unscored-1", "last_window_end": None, "last_seen": "2026-03-01T12:00:00Z",
         "open_alerts": 1, "highest_severity": "HIGH", "n_alerts": 1, "threat": 90.0},
        {**nothing, "endpoint": "web-1", "last_window_end": "2026-03-01T12:10:00Z", "last_seen": "2026-03-01T12:10:00Z",
         "open_alerts": 1, "highest_severity": "MEDIUM", "n_alerts": 2, "threat": 70.0},
    ]  # fmt: skip


def test_threat_is_the_chance_that_one_live_alert_is_real(api, patch, write, make_alert):
    write("alerts", *[make_alert(number, attack_prob=prob) for number, prob in enumerate((0.7, 0.8, 0.95, 1.0))])
    patch(3, status="false_positive")
    assert api.ok("/endpoints")["endpoints"][0]["threat"] == 99.7  # 1 - 0.3 * 0.2 * 0.05


def test_endpoints_come_in_pages_within_a_tenant(api, write, make_score):
    names = [f"host-{number:02}" for number in range(11)]
    write("window_scores", *[make_score(0, endpoint=name) for name in names], make_score(0, tenant="b"))
    seen, cursor = [], None
    while True:
        page = api.ok("/endpoints", tenant="acme", limit=4, **({"cursor": cursor} if cursor else {}))
        seen += [endpoint["endpoint"] for endpoint in page["endpoints"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == names


def test_newly_scored_window_shows_at_once(api, write, make_score):
    for minute in (0, 5):
        write("window_scores", make_score(minute))
        assert api.ok("/endpoints")["endpoints"][0]["last_window_end"] == f"2026-03-01T12:{minute + 3:02}:00Z"
