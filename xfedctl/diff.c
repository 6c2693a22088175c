/* The difference of two texts, for people: lines that went and lines that came, with their numbers. */
#include <stdlib.h>

#include "ctl.h"
#include "xfed/mem.h"

#define CELLS_MAX 4000000 /* of the table: above, what lies between is shown as a whole */

struct lines {
	struct xfed_span *items;
	size_t count;
};

static bool split(struct xfed_span text, struct lines *out)
{
	size_t size = 1;
	for (size_t i = 0; i < text.len; i++) {
		size += text.data[i] == '\n';
	}
	*out = (struct lines){ .items = calloc(size, sizeof(out->items[0])) };
	while (out->items && text.len > 0) {
		struct xfed_span line = xfed_span_cut(&text, '\n');
		line.len -= line.len > 0 && line.data[line.len - 1] == '\r';
		out->items[out->count++] = line;
	}
	return out->items != NULL;
}

static int put(struct xfed_buf *out, char sign, struct xfed_span line)
{
	int rc = xfed_buf_append(out, xfed_span_make(&sign, 1));
	rc = rc == XFED_OK ? xfed_buf_append(out, line) : rc;
	return rc == XFED_OK ? xfed_buf_append_str(out, "\n") : rc;
}

struct walk {
	const struct lines *a, *b;
	size_t from, a_to, b_to; /* what is not the same at both ends */
	unsigned *longest;	 /* [i][j]: lines in common behind these; NULL: not looked for */
	struct xfed_buf *out;
};

static unsigned *cell(const struct walk *w, size_t i, size_t j)
{
	return &w->longest[(i - w->from) * (w->b_to - w->from + 1) + (j - w->from)];
}

static void fill(struct walk *w)
{
	size_t cells = (w->a_to - w->from + 1) * (w->b_to - w->from + 1);
	w->longest = cells <= CELLS_MAX ? calloc(cells, sizeof(w->longest[0])) : NULL;
	for (size_t i = w->a_to; w->longest && i-- > w->from;) {
		for (size_t j = w->b_to; j-- > w->from;) {
			unsigned down = *cell(w, i + 1, j), right = *cell(w, i, j + 1);
			bool is_same = xfed_span_eq(w->a->items[i], w->b->items[j]);
			*cell(w, i, j) = is_same ? *cell(w, i + 1, j + 1) + 1 : down > right ? down : right;
		}
	}
}

/* A header for each place, with the line's number in the new text. */
static int print(const struct walk *w)
{
	int rc = XFED_OK;
	bool is_open = false;
	for (size_t i = w->from, j = w->from; rc == XFED_OK && (i < w->a_to || j < w->b_to);) {
		bool is_same = w->longest && i < w->a_to && j < w->b_to && xfed_span_eq(w->a->items[i], w->b->items[j]);
		if (is_same) {
			is_open = false;
			i++;
			j++;
			continue;
		}
		if (!is_open) {
			rc = xfed_buf_printf(w->out, "@@ line %zu\n", j + 1);
			is_open = true;
		}
		bool goes = i < w->a_to && (j == w->b_to || !w->longest || *cell(w, i + 1, j) >= *cell(w, i, j + 1));
		if (rc == XFED_OK) {
			rc = goes ? put(w->out, '-', w->a->items[i]) : put(w->out, '+', w->b->items[j]);
		}
		i += goes;
		j += !goes;
	}
	return rc;
}

bool ctl_diff(struct xfed_span was, struct xfed_span is, struct xfed_buf *out)
{
	struct lines a = { 0 }, b = { 0 };
	bool is_done = false;
	if (split(was, &a) && split(is, &b)) {
		struct walk w = { .a = &a, .b = &b, .a_to = a.count, .b_to = b.count, .out = out };
		while (w.from < a.count && w.from < b.count && xfed_span_eq(a.items[w.from], b.items[w.from])) {
			w.from++;
		}
		while (w.a_to > w.from && w.b_to > w.from && xfed_span_eq(a.items[w.a_to - 1], b.items[w.b_to - 1])) {
			w.a_to--;
			w.b_to--;
		}
		fill(&w);
		is_done = print(&w) == XFED_OK;
		free(w.longest);
	}
	free(a.items);
	free(b.items);
	return is_done;
}

void ctl_print_diff(const json_t *changed)
{
	struct xfed_span rest = xfed_span_str(ctl_str(changed, "diff"));
	ctl_text(stdout, ctl_str(changed, "file"));
	printf("\n");
	while (rest.len > 0) {
		char *line = xfed_strndup(xfed_span_cut(&rest, '\n'));
		ctl_text(stdout, line ? line : "(out of memory)");
		printf("\n");
		xfed_free(line);
	}
}
