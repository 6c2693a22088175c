/* Changes of a file by its table: values that are lists, items that say the same in other letters. */
#include <stdio.h>

#include "conf_internal.h"
#include "xfed/rt/conf_edit.h"

/* ---- rows ---- */

const struct rt_conf_row *rt_conf_row_of(const struct rt_conf_table *t, const char *key)
{
	struct xfed_span rest = xfed_span_str(key);
	const struct rt_conf_row *row = NULL;
	while (t && rest.len > 0) {
		struct xfed_span name = xfed_span_cut(&rest, '.');
		row = NULL;
		for (size_t i = 0; i < t->row_count && !row; i++) {
			row = xfed_span_is(name, t->rows[i].name) ? &t->rows[i] : NULL;
		}
		t = row && row->type == RT_CONF_OBJECT ? row->table : NULL;
	}
	return rest.len == 0 ? row : NULL;
}

/* The row, if one word can set it; NULL with a sentence. */
static const struct rt_conf_row *settable(const struct rt_conf_table *t, const char *key, char error[RT_CONF_EDIT_ERROR])
{
	const struct rt_conf_row *row = rt_conf_row_of(t, key);
	char keys[RT_CONF_EDIT_ERROR - 96];
	if (!row) {
		conf_list_keys(t, ".KEY", keys, sizeof(keys));
		snprintf(error, RT_CONF_EDIT_ERROR, "there is no key \"%.40s\", accepted: %s", key, keys);
	} else if (row->type == RT_CONF_OBJECT) {
		conf_list_keys(row->table, ".KEY", keys, sizeof(keys));
		snprintf(error, RT_CONF_EDIT_ERROR, "%.40s has keys of its own, set one of them: %s", key, keys);
		row = NULL;
	} else if (row->type == RT_CONF_OBJECTS) {
		snprintf(error, RT_CONF_EDIT_ERROR, "%.40s is a list of objects; change the file by hand", key);
		row = NULL;
	}
	return row;
}

/* ---- items ---- */

/* What stands in the list says the same as `b` to a reader of the row. `*rc` becomes NOMEM where that cannot be told. */
static bool is_same_item(const struct rt_conf_row *row, const struct conf_node *n, struct xfed_span b, int *rc)
{
	struct xfed_span a = n->text;
	struct xfed_arena arena;
	struct xfed_span x, y;
	const char *accepted;
	if (n->kind != CONF_SCALAR) {
		return false;
	}
	if (xfed_span_eq(a, b) || !row->convert) {
		return xfed_span_eq(a, b);
	}
	xfed_arena_init(&arena, 65536);
	int one = row->convert(&arena, a, &x, &accepted), other = row->convert(&arena, b, &y, &accepted);
	bool is_same = one == XFED_OK && other == XFED_OK && xfed_span_eq(x, y);
	*rc = one == XFED_ERR_NOMEM || other == XFED_ERR_NOMEM ? XFED_ERR_NOMEM : *rc;
	xfed_arena_deinit(&arena);
	return is_same;
}

static bool has_item(const struct rt_conf_row *row, struct xfed_span items, const struct conf_node *n, int *rc)
{
	while (items.len > 0) {
		if (is_same_item(row, n, xfed_span_trim(xfed_span_cut(&items, ',')), rc)) {
			return true;
		}
	}
	return false;
}

/* ---- one edit after the other ---- */

struct setting {
	const struct rt_conf_row *row;
	const char *file, *key;
	char *error;
	struct xfed_buf text; /* as far as it has come */
};

static int start(struct setting *s, struct xfed_span text)
{
	xfed_buf_init(&s->text, RT_CONF_FILE_BYTES);
	snprintf(s->error, RT_CONF_EDIT_ERROR, "out of memory, or the file is larger than 1 MiB");
	return xfed_buf_append(&s->text, text);
}

static int finish(struct setting *s, int rc, struct xfed_buf *out)
{
	rc = rc == XFED_OK ? xfed_buf_append(out, xfed_buf_span(&s->text)) : rc;
	xfed_buf_deinit(&s->text);
	return rc;
}

static int apply(struct setting *s, enum rt_conf_edit_kind kind, struct xfed_span value, size_t item)
{
	const struct rt_conf_edit edit = { .kind = kind, .key = s->key, .value = value, .item = item };
	struct xfed_buf next;
	xfed_buf_init(&next, RT_CONF_FILE_BYTES);
	int rc = rt_conf_edit(s->file, xfed_buf_span(&s->text), &edit, &next, s->error);
	struct xfed_buf *gone = rc == XFED_OK ? &s->text : &next;
	xfed_buf_deinit(gone);
	if (rc == XFED_OK) {
		s->text = next;
	}
	return rc;
}

/* Takes out the items that `keep`, items between commas, does not have, or, where it is NULL, those that say `item`. */
static int remove_items(struct setting *s, const struct xfed_span *keep, struct xfed_span item, size_t *removed)
{
	int rc = XFED_OK;
	for (size_t at = 0; rc == XFED_OK;) {
		struct xfed_arena a;
		struct conf_node *list, *n;
		xfed_arena_init(&a, RT_CONF_ARENA_BYTES);
		rc = conf_edit_find(&a, s->file, xfed_buf_span(&s->text), s->key, &list, s->error);
		n = rc == XFED_OK && list && list->kind == CONF_LIST ? list->child : NULL;
		for (size_t i = 0; i < at && n; i++) {
			n = n->next;
		}
		while (n && (keep ? has_item(s->row, *keep, n, &rc) : !is_same_item(s->row, n, item, &rc))) {
			n = n->next;
			at++;
		}
		if (rc == XFED_OK && n) {
			rc = apply(s, list->count > 1 ? RT_CONF_EDIT_REMOVE_ITEM : RT_CONF_EDIT_UNSET, XFED_SPAN(""), at);
			*removed += rc == XFED_OK;
		}
		xfed_arena_deinit(&a);
		if (!n) {
			break;
		}
	}
	return rc;
}

static int is_item_there(struct setting *s, struct xfed_span item, bool *out)
{
	struct xfed_arena a;
	struct conf_node *list;
	xfed_arena_init(&a, RT_CONF_ARENA_BYTES);
	int rc = conf_edit_find(&a, s->file, xfed_buf_span(&s->text), s->key, &list, s->error);
	struct conf_node *n = rc == XFED_OK && list && list->kind == CONF_LIST ? list->child : NULL;
	while (n && !is_same_item(s->row, n, item, &rc)) {
		n = n->next;
	}
	*out = n != NULL;
	xfed_arena_deinit(&a);
	return rc;
}

static int add_if_new(struct setting *s, struct xfed_span item, bool *was_there)
{
	int rc = is_item_there(s, item, was_there);
	return rc == XFED_OK && !*was_there ? apply(s, RT_CONF_EDIT_ADD_ITEM, item, 0) : rc;
}

/* New ones first, so that the list is never empty. */
static int set_list(struct setting *s, struct xfed_span items)
{
	struct xfed_span rest = items;
	size_t removed = 0;
	int rc = XFED_OK;
	while (rest.len > 0 && rc == XFED_OK) {
		struct xfed_span item = xfed_span_trim(xfed_span_cut(&rest, ','));
		bool was_there;
		if (item.len == 0) {
			snprintf(s->error, RT_CONF_EDIT_ERROR, "%.40s: found nothing between two commas", s->key);
			return XFED_ERR_INVALID;
		}
		rc = add_if_new(s, item, &was_there);
	}
	return rc == XFED_OK ? remove_items(s, &items, XFED_SPAN(""), &removed) : rc;
}

int rt_conf_set(const struct rt_conf_table *t, const char *file, struct xfed_span text, const char *key, const char *value, struct xfed_buf *out,
	char error[RT_CONF_EDIT_ERROR])
{
	struct setting s = { .row = settable(t, key, error), .file = file, .key = key, .error = error };
	if (!s.row) {
		return XFED_ERR_INVALID;
	}
	int rc = start(&s, text);
	if (rc == XFED_OK && value[0] == '\0') {
		rc = apply(&s, RT_CONF_EDIT_UNSET, XFED_SPAN(""), 0);
		rc = rc == XFED_ERR_NOT_FOUND ? XFED_OK : rc; /* it has the default already */
	} else if (rc == XFED_OK) {
		rc = conf_is_scalar_list(s.row->type) ? set_list(&s, xfed_span_str(value)) : apply(&s, RT_CONF_EDIT_SET, xfed_span_str(value), 0);
	}
	return finish(&s, rc, out);
}

int rt_conf_value(const char *file, struct xfed_span text, const char *key, struct xfed_buf *out, char error[RT_CONF_EDIT_ERROR])
{
	struct xfed_arena a;
	struct conf_node *n;
	xfed_arena_init(&a, RT_CONF_ARENA_BYTES);
	int rc = conf_edit_find(&a, file, text, key, &n, error);
	if (rc == XFED_OK && (!n || n->kind != CONF_SCALAR)) {
		snprintf(error, RT_CONF_EDIT_ERROR, "%.100s is not in the file", key);
		rc = XFED_ERR_NOT_FOUND;
	}
	rc = rc == XFED_OK ? xfed_buf_append(out, n->text) : rc;
	xfed_arena_deinit(&a);
	return rc;
}

int rt_conf_count(const char *file, struct xfed_span text, const char *key, size_t *out, char error[RT_CONF_EDIT_ERROR])
{
	struct xfed_arena a;
	struct conf_node *n;
	xfed_arena_init(&a, RT_CONF_ARENA_BYTES);
	int rc = conf_edit_find(&a, file, text, key, &n, error);
	*out = rc == XFED_OK && n && n->kind == CONF_LIST ? n->count : 0;
	xfed_arena_deinit(&a);
	return rc;
}

static const struct rt_conf_row *settable_list(const struct rt_conf_table *t, const char *key, char error[RT_CONF_EDIT_ERROR])
{
	const struct rt_conf_row *row = settable(t, key, error);
	if (row && !conf_is_scalar_list(row->type)) {
		snprintf(error, RT_CONF_EDIT_ERROR, "%.40s is no list", key);
		row = NULL;
	}
	return row;
}

int rt_conf_add_item(const struct rt_conf_table *t, const char *file, struct xfed_span text, const char *key, const char *value, struct xfed_buf *out,
	char error[RT_CONF_EDIT_ERROR])
{
	struct setting s = { .row = settable_list(t, key, error), .file = file, .key = key, .error = error };
	bool was_there = false;
	if (!s.row) {
		return XFED_ERR_INVALID;
	}
	int rc = start(&s, text);
	rc = rc == XFED_OK ? add_if_new(&s, xfed_span_str(value), &was_there) : rc;
	if (rc == XFED_OK && was_there) {
		snprintf(error, RT_CONF_EDIT_ERROR, "%.120s is in %.40s already", value, key);
		rc = XFED_ERR_NOT_FOUND;
	}
	return finish(&s, rc, out);
}

int rt_conf_remove_item(const struct rt_conf_table *t, const char *file, struct xfed_span text, const char *key, const char *value,
	struct xfed_buf *out, char error[RT_CONF_EDIT_ERROR])
{
	struct setting s = { .row = settable_list(t, key, error), .file = file, .key = key, .error = error };
	size_t removed = 0;
	if (!s.row) {
		return XFED_ERR_INVALID;
	}
	int rc = start(&s, text);
	rc = rc == XFED_OK ? remove_items(&s, NULL, xfed_span_str(value), &removed) : rc;
	if (rc == XFED_OK && removed == 0) {
		snprintf(error, RT_CONF_EDIT_ERROR, "%.120s is not in %.40s", value, key);
		rc = XFED_ERR_NOT_FOUND;
	}
	return finish(&s, rc, out);
}
