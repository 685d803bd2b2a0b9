#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""page_in_browser.py PAGE PICTURES [PORT]: opens it in headless Chromium, uses it, and prints as JSON what was seen.

Pictures to look at are put into PICTURES-light.png, -dark.png and -details.png. With a port that has a lane and a refusal
filters are tried too.

Speaks WebDriver to chromedriver, with nothing but the standard library.
"""
import base64
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--window-size=1300,900"]
KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "ArrowRight": "\ue014", "ArrowDown": "\ue015"}


class Browser:
    def __init__(self, driver, profile):
        line = next(line for line in driver.stdout if "successfully on port" in line)
        self.url = f"http://127.0.0.1:{re.search(r'on port ([0-9]+)', line)[1]}/session"
        made = self.ask("POST", "", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": FLAGS + [f"--user-data-dir={profile}"]},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
        self.url += "/" + made["sessionId"]

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=100) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path} {body}: {json.load(error)['value']['message']}") from None

    def run(self, script, *arguments):
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector):
        return next(iter(self.ask("POST", "/element", {"using": "css selector", "value": selector}).values()))

    # Into sight; lanes that come into it are drawn anew.
    def bring(self, selector):
        script = ("document.querySelector(arguments[0]).scrollIntoView({block: 'center'});"
                  "setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(arguments[1])), 50)")
        self.ask("POST", "/execute/async", {"script": script, "args": [selector]})

    def click(self, selector):
        self.bring(selector)
        self.ask("POST", f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self.ask("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def press(self, key):
        actions = [{"type": kind, "value": KEYS.get(key, key)} for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def wheel(self, selector, by):
        origin = {"element-6066-11e4-a52e-4f735466cecf": self.find(selector)}
        scroll = {"type": "scroll", "x": 0, "y": 0, "deltaX": 0, "deltaY": by, "origin": origin}
        self.ask("POST", "/actions", {"actions": [{"type": "wheel", "id": "wheel", "actions": [scroll]}]})

    def point_at(self, selector):
        self.bring(selector)
        origin = {"element-6066-11e4-a52e-4f735466cecf": self.find(selector)}
        move = {"type": "pointerMove", "x": 0, "y": 0, "origin": origin}
        self.ask("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": [move]}]})

    def colour_scheme(self, name):
        feature = {"name": "prefers-color-scheme", "value": name}
        self.ask("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {"features": [feature]}})
        self.wait(f"matchMedia('(prefers-color-scheme: {name})').matches")

    def wait(self, script):
        deadline = time.monotonic() + 30
        while not self.run(f"return Boolean({script})"):
            if time.monotonic() > deadline:
                raise TimeoutError(script)
            time.sleep(0.05)

    def picture(self, path):
        pathlib.Path(path).write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))

    def log(self, kind):
        return self.ask("POST", "/se/log", {"type": kind})


def lanes(browser):
    # All of them, in sight or not.
    browser.run("document.getElementById('lanes').scrollIntoView(); timeline.lanes.forEach((lane) => "
                "{ if (lane.element?.isConnected) drawLane(lane); })")
    return browser.run("""return [...document.querySelectorAll('.lane')].map((lane) => ({
        name: lane.querySelector('.name b').textContent,
        bars: [...lane.querySelectorAll('.bar')].map((bar) => bar.getAttribute('aria-label')),
        marks: [...lane.querySelectorAll('.mark')].map((mark) => mark.getAttribute('aria-label'))}))""")


def names(browser):
    return [lane["name"] for lane in lanes(browser)]


def filtered(browser, field, text):
    browser.click("#clear")
    browser.type(field, text)
    return {"lanes": names(browser), "cards": browser.run("return document.querySelectorAll('.card').length")}


def details(browser):
    return browser.run("const at = document.getElementById('details'); return at.hidden ? null : at.innerText")


def span(browser):
    return browser.run("return view.to - view.from")


def hint(browser, selector):
    browser.point_at(selector)
    browser.wait("!document.getElementById('hint').hidden")
    text = browser.run("return document.getElementById('hint').innerText")
    browser.point_at("#title")
    browser.wait("document.getElementById('hint').hidden")
    return text


# Its ground, and the least contrast (WCAG 2) of text that is in sight against what is behind it.
def appearance(browser, scheme):
    browser.colour_scheme(scheme)
    ground, texts = browser.run("""
        const behind = (at) => {
          const colour = at ? getComputedStyle(at).backgroundColor : 'rgb(255, 255, 255)';
          return colour === 'rgba(0, 0, 0, 0)' || colour === 'transparent' ? behind(at.parentElement) : colour;
        };
        const hasText = (at) => [...at.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
        const seen = [...document.body.querySelectorAll('*')].filter((at) => hasText(at) && at.checkVisibility());
        const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
        const rgb = (colour) => {
          canvas.fillStyle = colour;
          canvas.fillRect(0, 0, 1, 1);
          return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
        };
        return [rgb(behind(document.body)), seen.filter((at) => !['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(at.tagName))
          .map((at) => [`${at.tagName}.${at.className}: ${at.textContent.slice(0, 40)}`, rgb(getComputedStyle(at).color),
            rgb(behind(at))])]""")

    def luminance(colour):
        parts = [part / 255 for part in colour]
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    def contrast(text):
        low, high = sorted((luminance(text[1]), luminance(text[2])))
        return (high + 0.05) / (low + 0.05)

    worst = min(texts, key=contrast)
    return {"ground": luminance(ground), "contrast": contrast(worst), "where": worst, "texts": len(texts)}


def use_filters(browser, port, seen):
    seen["by_port"] = filtered(browser, "#port", port)
    seen["by_search"] = filtered(browser, "#search", "</script>")
    seen["by_cause"] = filtered(browser, "#cause", "ephemeral")
    seen["by_nothing_there"] = filtered(browser, "#unit", "no-such.service")


def use(browser, page, pictures, port):
    begin = time.monotonic()
    browser.ask("POST", "/url", {"url": page})
    browser.wait("document.querySelector('.lane')")
    browser.run("document.getElementById('lanes').scrollIntoView()")
    browser.wait("document.querySelector('.lane .track > *')")
    seen = {"shown_in_s": time.monotonic() - begin, "title": browser.run("return document.title"), "verdict": browser.run(
        "return document.getElementById('verdict').textContent"), "lanes": lanes(browser)}
    seen["hint"] = hint(browser, "#lanes .mark")
    for scheme in ("dark", "light"):
        seen[scheme] = appearance(browser, scheme)
        browser.run("scrollTo(0, 0)")
        browser.picture(f"{pictures}-{scheme}.png")
    browser.click("#lanes .mark")
    seen["details"] = details(browser)
    browser.picture(f"{pictures}-details.png")
    browser.press("Escape")
    seen["closed"] = details(browser) is None
    seen["focus_is_back"] = browser.run("return document.activeElement.className")
    browser.run("document.querySelector('.track').focus()")
    browser.press("ArrowRight")
    browser.press("Enter")
    seen["details_by_key"] = details(browser)
    browser.press("Escape")
    browser.press("ArrowDown")
    seen["lane_below"] = browser.run("return document.activeElement.className")
    spans = [span(browser)]
    browser.press("+")
    spans.append(span(browser))
    browser.wheel("#axis", -200)
    spans.append(span(browser))
    browser.press("0")
    spans.append(span(browser))
    seen["spans"] = spans
    if port is not None:
        use_filters(browser, port, seen)
    seen["others"] = browser.run("return document.getElementById('others').innerText")
    seen["scripts"] = browser.run("return document.scripts.length")
    seen["foreign_elements"] = browser.run("return document.querySelectorAll('i, img, iframe, object').length")
    seen["console"] = [entry["message"] for entry in browser.log("browser")]
    sent = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    sent = [one["params"] for one in sent if one["method"] == "Network.requestWillBeSent"]
    seen["requests"] = [one["request"]["url"] for one in sent if one["documentURL"].startswith(page)]
    return seen


def main():
    page = pathlib.Path(sys.argv[1]).resolve().as_uri()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  text=True)
        browser = None
        try:
            browser = Browser(driver, profile)
            print(json.dumps(use(browser, page, sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)))
        finally:
            if browser is not None:
                browser.ask("DELETE", "")
            driver.terminate()
            driver.wait()


main()
