/*
 * What a page does besides being read and sent: the theme, live figures, the row of the matrix that is chosen. Everything works without it.
 * Nothing is written as markup: text and attributes only (the policy has trusted-types 'none').
 */
"use strict";
(() => {
	const root = document.documentElement;
	const kept = (() => {
		try {
			return localStorage.getItem("theme") || "";
		} catch (e) {
			return ""; // a browser that keeps nothing: as it is set itself
		}
	})();
	const wear = (theme) => {
		if (theme === "light" || theme === "dark") {
			root.dataset.theme = theme;
		} else {
			delete root.dataset.theme;
		}
	};
	wear(kept);

	const themes = () => {
		const box = document.getElementById("theme");
		const buttons = box.querySelectorAll("button");
		const show = (theme) => buttons.forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.theme === theme)));
		buttons.forEach((b) => b.addEventListener("click", () => {
			try {
				localStorage.setItem("theme", b.dataset.theme);
			} catch (e) {
				// it holds for this page
			}
			wear(b.dataset.theme);
			show(b.dataset.theme);
		}));
		show(kept);
		box.hidden = false;
	};

	/* Figures: [data-live=NAME] has a text, [data-line=NAME] the points of a line. */
	const refresh = async (state) => {
		const answer = await fetch("/live", { headers: { Accept: "application/json" }, redirect: "error" });
		if (!answer.ok) {
			throw new Error("no answer");
		}
		const live = await answer.json();
		for (const node of document.querySelectorAll("[data-live]")) {
			const text = live.figures[node.dataset.live];
			if (typeof text === "string" && node.textContent !== text) {
				node.textContent = text;
			}
		}
		for (const line of document.querySelectorAll("[data-line]")) {
			const points = live.lines[line.dataset.line];
			if (typeof points === "string") {
				line.setAttribute("points", points);
			}
		}
		state.textContent = state.dataset.on;
	};
	const live = () => {
		const state = document.getElementById("live");
		if (!state) {
			return;
		}
		const again = async () => {
			if (!document.hidden) {
				try {
					await refresh(state);
				} catch (e) {
					state.textContent = state.dataset.off; // signed out, or no connection: the figures stand still
				}
			}
			setTimeout(again, 10000);
		};
		setTimeout(again, 10000);
	};

	const matrix = () => {
		const table = document.getElementById("matrix");
		const form = table && table.closest("form");
		if (!form) {
			return;
		}
		const says = document.getElementById("matrix-says");
		const value = (name) => {
			const chosen = form.querySelector(`input[name="${name}"]:checked`);
			return chosen ? chosen.value : "";
		};
		const mark = () => {
			for (const row of table.querySelectorAll("tr[data-row]")) {
				const here = row.dataset.row === `${value("tls")}/${value("sasl")}/${value("dialback")}`;
				row.classList.toggle("here", here);
				if (here) {
					row.setAttribute("aria-current", "true");
					says.textContent = row.dataset.says;
				} else {
					row.removeAttribute("aria-current");
				}
			}
		};
		form.addEventListener("change", mark);
		mark();
	};

	document.addEventListener("DOMContentLoaded", () => {
		themes();
		live();
		matrix();
	});
})();
