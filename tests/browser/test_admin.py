"""The pages of the server itself in a real browser: search, users, the audit log, settings, backup."""

import json
import re
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

from browser.conftest import Open, RealServer
from browser.test_looks import axe
from browser.test_use import executor, wait_until_live
from playwright.sync_api import expect
from support.console_routes import carries_out
from support.showcase import APPLICATION, Showcase

from conductor_lite.operations.backups import verify_backup

#: Those with parts that unfold; every page as it opens is looked at elsewhere.
UNFOLDING = ("/users", "/settings")


def test_the_search_box_is_a_key_away_and_finds_an_executor(server: RealServer, open_page: Open) -> None:
    with executor(server, "shop", "exec-1"), executor(server, "billing", "exec-2"):
        page = open_page(server.url + "/settings")
        # No filter stands on this page, so both keys lead to the search.
        for key in ("s", "/"):
            page.keyboard.press(key)
            box = page.get_by_role("searchbox", name="Search for a workflow id")
            expect(box).to_be_focused()
            page.keyboard.press("Escape")
            expect(box).not_to_be_focused()
        page.keyboard.press("s")
        page.keyboard.type("exec")
        # Typing narrows nothing: each letter would be a question to every application.
        expect(page).to_have_url(server.url + "/settings")
        page.keyboard.press("Enter")
        expect(page).to_have_url(server.url + "/search?q=exec")
        expect(box).to_have_value("exec")
        expect(page.get_by_role("link", name="exec-1")).to_be_visible()
        page.keyboard.press("j")
        expect(page.get_by_role("link", name="exec-2")).to_be_focused()
        page.goto(server.url + "/search?q=bill")
        expect(page).to_have_url(server.url + "/apps/billing")


@carries_out(
    "POST /settings/backup",
    "POST /settings/organization",
)
def test_a_backup_is_downloaded_while_the_page_stays_and_tells_of_it(
    showcase: Showcase, open_page: Open, tmp_path: Path
) -> None:
    page = open_page(showcase.url + "/settings")
    wait_until_live(page)
    for number in range(2):
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Back up now").click()
        path = tmp_path / f"{number}.zip"
        waiting.value.save_as(path)
        assert re.fullmatch(r"conductor-backup-\d{8}T\d{6}Z\.zip", waiting.value.suggested_filename)
        assert verify_backup(path).files
        assert sorted(zipfile.ZipFile(path).namelist()) == ["conductor.db", "manifest.json"]
        expect(page.get_by_text("Last one here")).to_be_visible()
        # The button works again once it has been long enough for nobody to press it twice by mistake.
        expect(page.locator("form[data-download]")).not_to_have_attribute("data-sent", "yes")
    zipfile.ZipFile(path).extract("conductor.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "conductor.db")) as db:
        assert (APPLICATION,) in db.execute("SELECT name FROM applications").fetchall()
    page.get_by_label("Audit log").fill("30")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast", has_text="Saved the settings of the organisation.").last).to_be_visible()
    expect(page.get_by_label("Audit log")).to_have_value("30")
    assert showcase.conductor.get("")["auditLogRetentionDays"] == 30


@carries_out(
    "POST /users/roles",
    "GET /users/roles/delete",
    "POST /users/roles/delete",
    "GET /audit/download",
)
def test_roles_are_made_and_deleted_and_the_audit_log_tells_it(showcase: Showcase, open_page: Open) -> None:
    page = open_page(showcase.url + "/users")
    page.locator("summary", has_text="Create a role").click()
    page.get_by_label("Name", exact=True).fill("on_call")
    page.get_by_label("metric.read").check()
    page.get_by_role("button", name="Create role").click()
    expect(page.locator(".toast", has_text="Created the role on_call.").last).to_be_visible()
    made = {role["name"]: role["permissions"] for role in showcase.conductor.get("/roles")}
    assert made["on_call"] == ["metric.read"]
    page.get_by_role("link", name="Delete the role on_call").click()
    page.get_by_role("dialog", name="Delete the role on_call?").get_by_role("button", name="Delete").click()
    expect(page.locator(".toast").last).to_contain_text("Deleted the role on_call.")
    expect(page.get_by_role("link", name="Delete the role on_call")).to_have_count(0)
    assert "on_call" not in {role["name"] for role in showcase.conductor.get("/roles")}
    page.goto(showcase.url + "/audit")
    page.get_by_label("Operation").press_sequentially("role.delete")
    expect(page).to_have_url(re.compile(r"\?operation=role\.delete$"))
    expect(page.locator("tbody tr[id]")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.get_by_label("Operation")).to_have_value("role.delete")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_text("on_call", exact=True).last).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="JSON Lines").click()
    lines = waiting.value.path().read_text().splitlines()
    assert [json.loads(line)["operation"] for line in lines] == ["role.delete"]
    page.get_by_label("Outcome").select_option("failure")
    expect(page.get_by_text("No entry matches this filter.")).to_be_visible()
    page.get_by_label("From").fill("2026-01-01T00:00")
    expect(page).to_have_url(re.compile(r"start=2026-01-01T00%3A00&zone="))


def test_unfolded_the_pages_fit_every_width_and_axe_finds_nothing_serious(
    server: RealServer, open_page: Open
) -> None:
    page = open_page(server.url + "/", color_scheme="dark")
    for path in UNFOLDING:
        page.goto(server.url + path)
        for details in page.locator("main details").all():
            details.evaluate("element => element.open = true")
        for width in (2560, 1440, 768, 360):
            page.set_viewport_size({"width": width, "height": 900})
            widest = page.evaluate("document.documentElement.scrollWidth")
            assert widest <= page.evaluate("document.documentElement.clientWidth"), f"{path} at {width} px"
        assert axe(page) == []


def test_everything_works_without_scripts(server: RealServer, open_page: Open, tmp_path: Path) -> None:
    with executor(server, "shop", "exec-1"):
        page = open_page(server.url + "/", java_script_enabled=False, width=360, height=740)
        page.get_by_role("searchbox", name="Search for a workflow id").fill("shop")
        page.keyboard.press("Enter")
        expect(page).to_have_url(server.url + "/apps/shop")
    page.goto(server.url + "/settings")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Back up now").click()
    waiting.value.save_as(tmp_path / "backup.zip")
    assert verify_backup(tmp_path / "backup.zip").files
    page.goto(server.url + "/audit")
    page.get_by_label("Operation").fill("backup.create")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr[id]")).to_have_count(1)


@carries_out("POST /preferences")
def test_the_time_zone_is_chosen_in_place_and_every_time_is_told_in_it(
    showcase: Showcase, open_page: Open
) -> None:
    page = open_page(showcase.url + "/settings", timezone_id="Asia/Tokyo", locale="en-GB")
    zone = page.locator("#zone-name")
    expect(zone).to_have_text("Asia/Tokyo")
    for name, word in (("America/New_York", "GMT-|EST|EDT"), ("UTC", "UTC")):
        zone.click()
        dialog = page.get_by_role("dialog", name="Time zone")
        if name == "UTC":
            dialog.get_by_role("button", name="UTC").click()
        else:
            dialog.get_by_label("Another zone").fill("Nowhere/Town")
            dialog.get_by_role("button", name="Save").click()
            expect(dialog.get_by_role("alert")).to_contain_text("There is no time zone")
            dialog.get_by_label("Another zone").fill(name)
            dialog.get_by_role("button", name="Save").click()
        expect(zone).to_have_text(name)
        expect(page.locator("main time").first).to_have_attribute("title", re.compile(word))
    zone.click()
    page.get_by_role("button", name="As this browser is set").click()
    expect(zone).to_have_text("Asia/Tokyo")
