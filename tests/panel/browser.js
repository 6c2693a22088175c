/*
 * Chromium for tests/panel/browser.py: a request is a line of JSON on standard input, its answer a line on standard output.
 *
 *   {"on": "browser" | NUMBER of a context or page, "do": METHOD, "with": [ARGUMENTS]}  ->  {"is": RESULT} | {"failed": TEXT}
 *
 * METHOD is one of Playwright's, or one of `ours` below. A context or page that a method gives is answered by its number.
 */
"use strict";
const fs = require("fs");
const readline = require("readline");
const { chromium } = require("playwright-core");

const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE_MS = 30000; // a bound, not a time: the machine may be busy
const objects = new Map();
let objectCount = 0;

const keep = (object) => {
	objects.set(++objectCount, object);
	return objectCount;
};

/* Runs in every document before its own scripts: what a document is not to do is seen from the start. */
const watchDocument = () => {
	const seen = { violations: [], shift: 0 };
	document.addEventListener("securitypolicyviolation", (e) => seen.violations.push(`${e.effectiveDirective}: ${e.blockedURI} ${e.sample}`));
	new PerformanceObserver((list) => list.getEntries().forEach((e) => (seen.shift += e.hadRecentInput ? 0 : e.value))).observe({ type: "layout-shift", buffered: true });
	Object.defineProperty(window, "xfedSeen", { value: seen });
};

/* What a page does that no page of the panel may do, as sentences. `origin` is the panel's. */
const watch = (page, origin) => {
	page.told = [];
	page.on("console", (m) => {
		if (m.type() === "error" || m.type() === "warning") {
			page.told.push(`console ${m.type()}: ${m.text()} (${m.location().url})`);
		}
	});
	page.on("pageerror", (e) => page.told.push(`error in a script: ${e}`));
	page.on("dialog", (d) => {
		page.told.push(`dialog: ${d.message()}`);
		d.dismiss();
	});
	page.on("popup", (p) => page.told.push(`window: ${p.url()}`));
	page.on("request", (r) => {
		if (new URL(r.url()).origin !== origin) {
			page.told.push(`request to elsewhere: ${r.url()}`);
		}
	});
};

/* Looks that axe-core does not have. */
const look = () => {
	const bad = [];
	const root = document.documentElement;
	if (root.scrollWidth > root.clientWidth) {
		const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1);
		bad.push(`wider than its window: ${root.scrollWidth} of ${root.clientWidth} px: ${wide.slice(-3).map((e) => e.outerHTML.slice(0, 120)).join(" | ")}`);
	}
	if (document.querySelectorAll("h1").length !== 1) {
		bad.push(`${document.querySelectorAll("h1").length} h1`);
	}
	if (document.querySelector("[style], style, script:not([src])")) {
		bad.push("style or script inline");
	}
	const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
	const twice = ids.filter((id, i) => ids.indexOf(id) !== i);
	if (twice.length > 0) {
		bad.push(`ids that are there twice: ${twice.join(" ")}`);
	}
	if (window.xfedSeen.shift > 0) {
		bad.push(`layout shift ${window.xfedSeen.shift}`);
	}
	return bad.concat(window.xfedSeen.violations.map((v) => `violation of the policy: ${v}`));
};

const audit = async () => {
	const found = await window.axe.run(document, { resultTypes: ["violations", "incomplete"] });
	const tell = (kind) => found[kind].flatMap((rule) =>
		rule.nodes.map((n) => `axe, ${kind}: ${rule.id}: ${n.html.slice(0, 200)}: ${n.any.concat(n.all, n.none).map((c) => c.message).join("; ")}`));
	return tell("violations").concat(tell("incomplete"));
};

const focused = () => {
	const e = document.activeElement;
	if (!e || e === document.body) {
		return null;
	}
	const style = getComputedStyle(e);
	const box = e.getBoundingClientRect();
	return {
		tag: e.localName, name: (e.getAttribute("aria-label") || (e.labels && e.labels[0] && e.labels[0].textContent) || e.textContent || "").trim(),
		field: e.getAttribute("name"), href: e.getAttribute("href"), id: [...document.querySelectorAll("*")].indexOf(e),
		isMarked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
		isInView: box.width > 0 && box.height > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
	};
};

const ours = {
	context: async (browser, origin, options) => {
		const context = await browser.newContext(options);
		context.setDefaultTimeout(PATIENCE_MS);
		context.origin = origin;
		if (options.javaScriptEnabled !== false) {
			await context.addInitScript(watchDocument);
		}
		return context;
	},
	page: async (context) => {
		const page = await context.newPage();
		watch(page, context.origin);
		return page;
	},
	/* What is wrong with the page as it is, and with what it did since this was asked last. */
	complaints: async (page, withAxe) => {
		let bad = page.told.splice(0).concat(await page.evaluate(look));
		if (withAxe) {
			const devtools = await page.context().newCDPSession(page); // past the content security policy, which stays in force
			await devtools.send("Runtime.evaluate", { expression: AXE });
			await devtools.detach();
			bad = bad.concat(await page.evaluate(audit));
		}
		return bad;
	},
	told: (page) => page.told.splice(0),
	focused: (page) => page.evaluate(focused),
	/* Bytes of the document and all it has fetched, as they went over the line. */
	bytes: (page) => page.evaluate(() => performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"))
		.reduce((sum, e) => sum + e.transferSize, 0)),
	/* Presses a key or clicks, and waits for the document that comes of it. */
	leave: async (page, how, what) => {
		await Promise.all([page.waitForNavigation(), how === "press" ? page.keyboard.press(what) : page.click(what)]);
		return page.url();
	},
	press: (page, key) => page.keyboard.press(key),
	type: (page, text) => page.keyboard.type(text),
	frames: (page) => page.frames().map((f) => f.url()),
	status: (page, url) => page.goto(url).then((r) => ({ status: r.status(), headers: r.headers() })),
};

const plain = (result) => {
	if (result && typeof result === "object" && typeof result.newPage === "function" || result && typeof result.goto === "function") {
		return keep(result);
	}
	if (result && typeof result.status === "function") {
		return result.status();
	}
	return result === undefined || result instanceof Buffer ? null : result;
};

const main = async () => {
	const browser = await chromium.launch({
		executablePath: "/usr/bin/chromium",
		args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
			...process.argv.slice(2)],
	});
	objects.set("browser", browser);
	for await (const line of readline.createInterface({ input: process.stdin })) {
		const asked = JSON.parse(line);
		let answer;
		try {
			const object = objects.get(asked.on);
			const own = Object.hasOwn(ours, asked.do);
			answer = { is: plain(await (own ? ours[asked.do](object, ...asked.with) : object[asked.do](...asked.with))) };
			if (asked.do === "close") {
				objects.delete(asked.on);
			}
		} catch (e) {
			answer = { failed: String(e.message || e) };
		}
		process.stdout.write(JSON.stringify(answer) + "\n");
	}
	await browser.close();
};

main().catch((e) => {
	process.stderr.write(`${e.stack || e}\n`);
	process.exit(1);
});
