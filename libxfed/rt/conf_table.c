/* Compares two loads of a table, and checks the table itself. */
#include "conf_internal.h"

#include <stdio.h>

/* ---- differences between two loads ---- */

struct differ {
	void (*changed)(void *user, const char *key, bool is_reloadable);
	void *user;
	char path[CONF_PATH_BYTES];
};

static bool same_text(const void *a, const void *b)
{
	const char *x, *y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x == y || (x && y && strcmp(x, y) == 0);
}

static bool same_address(const struct rt_conf_address *a, const struct rt_conf_address *b)
{
	return same_text(&a->host, &b->host) && a->port == b->port && a->transport == b->transport;
}

static bool same_object(const struct rt_conf_table *t, const void *a, const void *b);
static bool same_field(const struct rt_conf_row *row, const void *a, const void *b);

static bool same_list(const struct rt_conf_row *row, const void *a, const void *b)
{
	struct conf_list x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	if (x.count != y.count) {
		return false;
	}
	size_t size = conf_item_size(row);
	for (size_t i = 0; i < x.count; i++) {
		const char *p = (const char *)x.items + i * size, *q = (const char *)y.items + i * size;
		bool is_same;
		if (row->type == RT_CONF_OBJECTS) {
			is_same = same_object(row->table, p, q);
		} else if (row->type == RT_CONF_LISTENS || row->type == RT_CONF_SIP_LISTENS) {
			is_same = same_address((const void *)p, (const void *)q);
		} else {
			is_same = same_text(p, q);
		}
		if (!is_same) {
			return false;
		}
	}
	return true;
}

static bool same_field(const struct rt_conf_row *row, const void *a, const void *b)
{
	switch (row->type) {
	case RT_CONF_STRING:
	case RT_CONF_PATH:
	case RT_CONF_IP:
		return same_text(a, b);
	case RT_CONF_BOOL:
	case RT_CONF_INT:
	case RT_CONF_DURATION:
	case RT_CONF_SIZE:
	case RT_CONF_ENUM:
	case RT_CONF_ENUM_SET:
		return memcmp(a, b, conf_item_size(row)) == 0;
	case RT_CONF_ADDRESS:
	case RT_CONF_LISTEN:
		return same_address(a, b);
	case RT_CONF_STRINGS:
	case RT_CONF_PATHS:
	case RT_CONF_LISTENS:
	case RT_CONF_SIP_LISTENS:
	case RT_CONF_OBJECTS:
		return same_list(row, a, b);
	case RT_CONF_OBJECT:
		return same_object(row->table, a, b);
	}
	return true;
}

static bool same_object(const struct rt_conf_table *t, const void *a, const void *b)
{
	for (size_t i = 0; i < t->row_count; i++) {
		if (!same_field(&t->rows[i], conf_field_const(&t->rows[i], a), conf_field_const(&t->rows[i], b))) {
			return false;
		}
	}
	return true;
}

static void diff_object(struct differ *d, const struct rt_conf_table *t, const void *a, const void *b)
{
	size_t before = strlen(d->path);
	for (size_t i = 0; i < t->row_count; i++) {
		const struct rt_conf_row *row = &t->rows[i];
		snprintf(d->path + before, sizeof(d->path) - before, "%s%s", before > 0 ? "." : "", row->name);
		const void *x = conf_field_const(row, a), *y = conf_field_const(row, b);
		if (row->type == RT_CONF_OBJECT) {
			diff_object(d, row->table, x, y);
		} else if (!same_field(row, x, y)) {
			d->changed(d->user, d->path, row->flags & RT_CONF_RELOADABLE);
		}
		d->path[before] = '\0';
	}
}

void rt_conf_diff(const struct rt_conf_table *table, const void *old_object, const void *new_object,
	void (*changed)(void *user, const char *key, bool is_reloadable), void *user)
{
	struct differ d = { .changed = changed, .user = user };
	diff_object(&d, table, old_object, new_object);
}

/* ---- values that a reload cannot change ---- */

static int copy_text(struct xfed_arena *a, void *to, const void *from)
{
	const char *s;
	memcpy(&s, from, sizeof(s));
	struct xfed_span copy = s ? xfed_arena_copy(a, xfed_span_str(s)) : (struct xfed_span){ NULL, 0 };
	memcpy(to, &copy.data, sizeof(copy.data));
	return s && !copy.data ? XFED_ERR_NOMEM : XFED_OK;
}

static int copy_address(struct xfed_arena *a, struct rt_conf_address *to, const struct rt_conf_address *from)
{
	*to = *from;
	return copy_text(a, &to->host, &from->host);
}

static int copy_object(struct xfed_arena *a, const struct rt_conf_table *t, void *to, const void *from);

static int copy_list(struct xfed_arena *a, const struct rt_conf_row *row, void *to, const void *from)
{
	struct conf_list old, list;
	memcpy(&old, from, sizeof(old));
	size_t size = conf_item_size(row);
	list = (struct conf_list){ old.count > 0 ? xfed_arena_alloc(a, old.count * size) : NULL, old.count };
	int rc = list.items || old.count == 0 ? XFED_OK : XFED_ERR_NOMEM;
	for (size_t i = 0; i < old.count && rc == XFED_OK; i++) {
		char *p = (char *)list.items + i * size;
		const char *q = (const char *)old.items + i * size;
		if (row->type == RT_CONF_OBJECTS) {
			rc = copy_object(a, row->table, p, q);
		} else if (row->type == RT_CONF_LISTENS || row->type == RT_CONF_SIP_LISTENS) {
			rc = copy_address(a, (void *)p, (const void *)q);
		} else {
			rc = copy_text(a, p, q);
		}
	}
	memcpy(to, &list, sizeof(list));
	return rc;
}

static int copy_field(struct xfed_arena *a, const struct rt_conf_row *row, void *to, const void *from)
{
	switch (row->type) {
	case RT_CONF_STRING:
	case RT_CONF_PATH:
	case RT_CONF_IP:
		return copy_text(a, to, from);
	case RT_CONF_BOOL:
	case RT_CONF_INT:
	case RT_CONF_DURATION:
	case RT_CONF_SIZE:
	case RT_CONF_ENUM:
	case RT_CONF_ENUM_SET:
		memcpy(to, from, conf_item_size(row));
		return XFED_OK;
	case RT_CONF_ADDRESS:
	case RT_CONF_LISTEN:
		return copy_address(a, to, from);
	case RT_CONF_STRINGS:
	case RT_CONF_PATHS:
	case RT_CONF_LISTENS:
	case RT_CONF_SIP_LISTENS:
	case RT_CONF_OBJECTS:
		return copy_list(a, row, to, from);
	case RT_CONF_OBJECT:
		return copy_object(a, row->table, to, from);
	}
	return XFED_OK;
}

static int copy_object(struct xfed_arena *a, const struct rt_conf_table *t, void *to, const void *from)
{
	int rc = XFED_OK;
	for (size_t i = 0; i < t->row_count && rc == XFED_OK; i++) {
		rc = copy_field(a, &t->rows[i], conf_field(&t->rows[i], to), conf_field_const(&t->rows[i], from));
	}
	return rc;
}

static int add_waiting(struct rt_conf_doc *doc, const char *path)
{
	struct rt_conf_strings *w = &doc->needs_restart;
	struct xfed_span key = xfed_arena_copy(&doc->arena, xfed_span_str(path));
	const char **items = xfed_arena_alloc(&doc->arena, (w->count + 1) * sizeof(*items));
	if (!key.data || !items) {
		return XFED_ERR_NOMEM;
	}
	if (w->count > 0) {
		memcpy(items, w->items, w->count * sizeof(*items));
	}
	items[w->count] = key.data;
	*w = (struct rt_conf_strings){ items, w->count + 1 };
	return XFED_OK;
}

static int keep_object(struct rt_conf_doc *doc, const struct rt_conf_table *t, void *fresh, const void *in_force, char path[CONF_PATH_BYTES])
{
	int rc = XFED_OK;
	size_t before = strlen(path);
	for (size_t i = 0; i < t->row_count && rc == XFED_OK; i++) {
		const struct rt_conf_row *row = &t->rows[i];
		void *x = conf_field(row, fresh);
		const void *y = conf_field_const(row, in_force);
		snprintf(path + before, CONF_PATH_BYTES - before, "%s%s", before > 0 ? "." : "", row->name);
		if (row->type == RT_CONF_OBJECT) {
			rc = keep_object(doc, row->table, x, y, path);
		} else if (!(row->flags & RT_CONF_RELOADABLE) && !same_field(row, x, y)) {
			rc = add_waiting(doc, path);
			rc = rc == XFED_OK ? copy_field(&doc->arena, row, x, y) : rc;
		}
		path[before] = '\0';
	}
	return rc;
}

int rt_conf_keep(struct rt_conf_doc *fresh, const void *in_force)
{
	char path[CONF_PATH_BYTES] = "";
	return keep_object(fresh, fresh->table, fresh->object, in_force, path);
}

/* ---- the table itself ---- */

static size_t field_size(const struct rt_conf_row *row)
{
	bool is_list = row->type == RT_CONF_OBJECTS || (conf_is_scalar_list(row->type) && row->type != RT_CONF_ENUM_SET);
	return is_list ? sizeof(struct conf_list) : conf_item_size(row);
}

static bool default_parses(const struct rt_conf_row *row)
{
	struct xfed_arena a;
	union {
		struct rt_conf_address address;
		uint64_t number;
		const char *text;
	} value;
	bool is_list = conf_is_scalar_list(row->type);
	bool is_fine = true;
	xfed_arena_init(&a, 65536);
	char number[32];
	struct xfed_span rest = xfed_span_str(conf_fallback(row, number)), word = rest;
	while (is_fine && (!is_list || conf_next_word(&rest, &word))) {
		const char *accepted = NULL, *not_built = NULL;
		memset(&value, 0, sizeof(value));
		is_fine = conf_store(&a, row, word, &value, &accepted, &not_built) == XFED_OK;
		if (!is_list) {
			break;
		}
	}
	xfed_arena_deinit(&a);
	return is_fine;
}

static const char *check_row(const struct rt_conf_table *t, size_t i)
{
	const struct rt_conf_row *row = &t->rows[i];
	bool is_object = row->type == RT_CONF_OBJECT || row->type == RT_CONF_OBJECTS;
	bool is_words = row->type == RT_CONF_ENUM || row->type == RT_CONF_ENUM_SET;
	if (!row->name || !row->help || is_object != (row->table != NULL) || is_words != (row->words != NULL)) {
		return "a row lacks its name, help, table or words, or has some it cannot use";
	}
	size_t end = row->offset + field_size(row);
	if (end > t->struct_size) {
		return "a field reaches beyond its struct";
	}
	for (size_t j = 0; j < t->row_count; j++) {
		const struct rt_conf_row *other = &t->rows[j];
		if (j != i && strcmp(other->name, row->name) == 0) {
			return "a name stands twice";
		}
		if (j != i && other->offset < end && row->offset < other->offset + field_size(other)) {
			return "two fields overlap";
		}
	}
	bool is_number = row->type == RT_CONF_INT || row->type == RT_CONF_DURATION || row->type == RT_CONF_SIZE;
	if (row->standard > 0 && (row->fallback || !is_number)) {
		return "a limit is the default of what is no number, or has another one";
	}
	if ((row->fallback || row->standard > 0) && (is_object || !default_parses(row))) {
		return "a default does not parse";
	}
	return is_object ? rt_conf_table_check(row->table) : NULL;
}

const char *rt_conf_table_check(const struct rt_conf_table *table)
{
	const char *problem = NULL;
	for (size_t i = 0; i < table->row_count && !problem; i++) {
		problem = check_row(table, i);
	}
	return problem;
}
