/* The options part of a manual page, from the table. */
#include "conf_internal.h"

#include <stdio.h>

struct page {
	struct xfed_buf *out;
	int rc;
	char path[CONF_PATH_BYTES];
};

static void put(struct page *p, const char *s)
{
	if (p->rc == XFED_OK) {
		p->rc = xfed_buf_append_str(p->out, s);
	}
}

/* Text as roff: backslashes, hyphens that are to be typed, and dots or quotes that would begin a request. */
static void put_text(struct page *p, const char *s)
{
	bool is_line_start = true;
	for (; *s; s++) {
		if (is_line_start && (*s == '.' || *s == '\'')) {
			put(p, "\\&");
		}
		is_line_start = *s == '\n';
		char c[2] = { *s, '\0' };
		put(p, *s == '\\' ? "\\e" : *s == '-' ? "\\-" : c);
	}
}

static void put_facts(struct page *p, const struct rt_conf_row *row)
{
	char accepted[CONF_ACCEPTED_BYTES], number[32];
	const char *fallback = conf_fallback(row, number);
	conf_accepted(row, accepted);
	put_text(p, accepted);
	put(p, "; ");
	if (row->flags & RT_CONF_REQUIRED) {
		put(p, "required");
	} else {
		put(p, fallback ? "default " : "no default");
		put_text(p, fallback ? fallback : "");
	}
	put(p, row->flags & RT_CONF_RELOADABLE ? "; changed by a reload" : "; changed by a restart");
	put(p, "\n.br\n");
}

static void put_words_not_built(struct page *p, const struct rt_conf_row *row)
{
	for (const struct rt_conf_word *w = row->words; w && w->word; w++) {
		if (w->not_built) {
			put(p, "\n.br\n");
			put_text(p, w->word);
			put(p, ": ");
			put_text(p, w->not_built);
			put(p, ".");
		}
	}
	if (row->not_built) {
		put(p, "\n.br\nAny other value: ");
		put_text(p, row->not_built);
		put(p, ".");
	}
}

static void put_table(struct page *p, const struct rt_conf_table *t)
{
	size_t before = strlen(p->path);
	for (size_t i = 0; i < t->row_count; i++) {
		const struct rt_conf_row *row = &t->rows[i];
		snprintf(p->path + before, sizeof(p->path) - before, "%s%s%s", before > 0 ? "." : "", row->name,
			row->type == RT_CONF_OBJECTS ? "[]" : "");
		put(p, ".TP\n.B ");
		put_text(p, p->path);
		put(p, "\n");
		if (row->type != RT_CONF_OBJECT) {
			put_facts(p, row);
		}
		put_text(p, row->help);
		put_words_not_built(p, row);
		put(p, "\n");
		if (row->table) {
			put_table(p, row->table);
		}
		p->path[before] = '\0';
	}
}

int rt_conf_man(const struct rt_conf_table *table, struct xfed_buf *out)
{
	struct page p = { .out = out, .rc = XFED_OK };
	put(&p, ".SH OPTIONS\n");
	put_text(&p, table->help);
	put(&p, "\n");
	put_table(&p, table);
	return p.rc;
}
