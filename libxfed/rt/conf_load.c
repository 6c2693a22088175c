#include "conf_internal.h"

#include <stdio.h>

#define ROWS_MAX   64
#define WORD_BYTES 65

struct load {
	struct rt_conf_doc *doc;
	struct rt_conf_mark *object; /* the struct being filled */
	char path[CONF_PATH_BYTES];  /* path of the key being loaded, from the root */
	size_t path_len, relative;   /* `relative`: where keys of `object` begin */
	size_t errors_before;
};

/* ---- paths and marks ---- */

/* Appends ".key" or "[3]"; returns the length to go back to with pop(). */
static size_t push(struct load *l, const char *key, size_t index)
{
	size_t before = l->path_len;
	size_t room = sizeof(l->path) - before;
	int n;
	if (key) {
		n = snprintf(l->path + before, room, "%s%.64s", before > 0 ? "." : "", key);
	} else {
		n = snprintf(l->path + before, room, "[%zu]", index);
	}
	l->path_len = n >= 0 && (size_t)n < room ? before + (size_t)n : sizeof(l->path) - 1;
	return before;
}

static void pop(struct load *l, size_t before)
{
	l->path_len = before;
	l->path[before] = '\0';
}

static struct rt_conf_mark *add_object(struct load *l, const void *object, unsigned line, unsigned column)
{
	struct rt_conf_mark *m = xfed_arena_alloc(&l->doc->arena, sizeof(*m));
	struct xfed_span path = xfed_arena_copy(&l->doc->arena, xfed_span_make(l->path, l->path_len));
	if (!m || !path.data) {
		return NULL;
	}
	m->object = object;
	m->path = path.data;
	m->line = line;
	m->column = column;
	HASH_ADD_PTR(l->doc->marks, object, m);
	return XFED_TABLE_ADDED(m) ? m : NULL;
}

static int add_key(struct load *l, const struct conf_node *n)
{
	size_t from = l->relative < l->path_len ? l->relative : l->path_len;
	if (l->path[from] == '.') {
		from++;
	}
	struct conf_key_mark *k = xfed_arena_alloc(&l->doc->arena, sizeof(*k));
	struct xfed_span key = xfed_arena_copy(&l->doc->arena, xfed_span_make(l->path + from, l->path_len - from));
	if (!k || !key.data) {
		return XFED_ERR_NOMEM;
	}
	*k = (struct conf_key_mark){ key.data, n->line, n->column, l->object->keys };
	l->object->keys = k;
	return XFED_OK;
}

/* ---- messages ---- */

#define COMPLAIN(l, reason, node, ...)                                                                                                               \
	rt_conf_errors_add(                                                                                                                          \
		(l)->doc->errors, false, (reason), (l)->doc->file, (node) ? (node)->line : 0, (node) ? (node)->column : 0, (l)->path, __VA_ARGS__)

static bool is_nothing(const struct conf_node *n)
{
	return n->kind == CONF_SCALAR && n->is_plain &&
	       (n->text.len == 0 || xfed_span_is(n->text, "~") || xfed_span_eq_nocase(n->text, XFED_SPAN("null")));
}

/* Quotes are shown where they are the mistake, as around a number. */
static const char *found(const struct rt_conf_row *row, const struct conf_node *n, char out[CONF_FOUND_BYTES + 16])
{
	char quoted[CONF_FOUND_BYTES];
	if (n->kind != CONF_SCALAR) {
		return n->kind == CONF_LIST ? "a list" : "an object";
	}
	if (is_nothing(n)) {
		return "nothing";
	}
	snprintf(out, CONF_FOUND_BYTES + 16, "%s%s", conf_quote(n->text, quoted), n->is_plain || !row || conf_is_text(row->type) ? "" : " in quotes");
	return out;
}

static void refuse(struct load *l, const struct rt_conf_row *row, const struct conf_node *n, const char *accepted)
{
	char what[CONF_FOUND_BYTES + 16];
	COMPLAIN(l, XFED_REASON_CONFIG_VALUE_INVALID, n, "found %s, accepted: %s", found(row, n, what), accepted);
}

static void refuse_value(struct load *l, const struct rt_conf_row *row, const struct conf_node *n)
{
	char accepted[CONF_ACCEPTED_BYTES];
	conf_accepted(row, accepted);
	refuse(l, row, n, accepted);
}

static void refuse_item(struct load *l, const struct rt_conf_row *row, const struct conf_node *n)
{
	char accepted[CONF_ACCEPTED_BYTES];
	conf_accepted_item(row, accepted);
	refuse(l, row, n, accepted);
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;
	return m < c ? m : c;
}

/* Edit distance of two words, where swapping two neighbouring letters counts as one; SIZE_MAX: one is too long to be a key. */
static size_t distance(struct xfed_span a, struct xfed_span b)
{
	size_t rows[3][33];
	if (a.len > 32 || b.len > 32) {
		return SIZE_MAX;
	}
	for (size_t j = 0; j <= b.len; j++) {
		rows[0][j] = j;
	}
	for (size_t i = 1; i <= a.len; i++) {
		size_t *now = rows[i % 3];
		const size_t *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a.data[i - 1] == b.data[j - 1] ? 0 : 1));
			bool is_swap = i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1];
			if (is_swap && before[j - 2] + 1 < now[j]) {
				now[j] = before[j - 2] + 1;
			}
		}
	}
	return rows[a.len % 3][b.len];
}

static const char *nearest_key(const struct rt_conf_table *t, struct xfed_span key)
{
	const char *best = NULL;
	size_t best_distance = key.len < 5 ? 2 : 3;
	for (size_t i = 0; i < t->row_count; i++) {
		size_t d = distance(key, xfed_span_str(t->rows[i].name));
		if (d < best_distance) {
			best_distance = d;
			best = t->rows[i].name;
		}
	}
	return best;
}

/* Whether an unknown key can be shown in a path as it is. */
static bool is_word(struct xfed_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_' && c != '-') {
			return false;
		}
	}
	return s.len > 0 && s.len < WORD_BYTES;
}

static const char *key_word(struct xfed_span s, char out[WORD_BYTES])
{
	memcpy(out, s.data, s.len);
	out[s.len] = '\0';
	return out;
}

static void refuse_key(struct load *l, const struct rt_conf_table *t, const struct conf_node *key)
{
	char quoted[CONF_FOUND_BYTES], accepted[CONF_ACCEPTED_BYTES], word[WORD_BYTES];
	conf_list_keys(t, "", accepted, sizeof(accepted));
	if (key->kind != CONF_SCALAR) {
		COMPLAIN(l, XFED_REASON_CONFIG_SYNTAX, key, "found %s as a key, accepted: %s", key->kind == CONF_LIST ? "a list" : "an object",
			accepted);
		return;
	}
	if (xfed_span_is(key->text, "<<")) {
		COMPLAIN(l, XFED_REASON_CONFIG_SYNTAX, key, "found a merge key (<<), which is not taken here");
		return;
	}
	conf_quote(key->text, quoted);
	const char *nearest = nearest_key(t, key->text);
	size_t before = push(l, is_word(key->text) ? key_word(key->text, word) : "?", 0);
	if (nearest) {
		COMPLAIN(l, XFED_REASON_CONFIG_KEY_UNKNOWN, key, "found the unknown key %s; did you mean \"%s\"?", quoted, nearest);
	} else {
		COMPLAIN(l, XFED_REASON_CONFIG_KEY_UNKNOWN, key, "found the unknown key %s, accepted: %s", quoted, accepted);
	}
	pop(l, before);
}

/* ---- values ---- */

static int load_map(struct load *l, const struct rt_conf_table *t, const struct conf_node *map, const struct conf_node *near, void *out);

static bool is_default_text(const struct rt_conf_row *row, struct xfed_span text)
{
	char number[32];
	const char *fallback = conf_fallback(row, number);
	return fallback && xfed_span_is(text, fallback);
}

/* OK, also if the value was refused; NOMEM. */
static int load_scalar(struct load *l, const struct rt_conf_row *row, const struct conf_node *n, void *out, bool is_item)
{
	const char *accepted = NULL, *not_built = NULL;
	int rc = XFED_ERR_INVALID;
	if (n->kind == CONF_SCALAR && !is_nothing(n) && (n->is_plain || conf_is_text(row->type))) {
		rc = conf_store(&l->doc->arena, row, n->text, out, &accepted, &not_built);
	}
	if (rc == XFED_OK && row->not_built && !is_item && !is_default_text(row, n->text)) {
		not_built = row->not_built;
		rc = XFED_ERR_INVALID;
	}
	if (rc != XFED_ERR_INVALID) {
		return rc;
	}
	if (not_built) {
		char what[CONF_FOUND_BYTES + 16];
		COMPLAIN(l, XFED_REASON_CONFIG_VALUE_INVALID, n, "found %s: %s", found(row, n, what), not_built);
	} else if (accepted) {
		refuse(l, row, n, accepted);
	} else if (is_item) {
		refuse_item(l, row, n);
	} else {
		refuse_value(l, row, n);
	}
	return XFED_OK;
}

static bool is_list_allowed(struct load *l, const struct rt_conf_row *row, const struct conf_node *n)
{
	if (n->kind != CONF_LIST) {
		refuse_value(l, row, n);
		return false;
	}
	size_t max = row->max > 0 ? row->max : RT_CONF_LIST_MAX;
	if (n->count < row->min || n->count > max) {
		COMPLAIN(l, XFED_REASON_CONFIG_VALUE_INVALID, n, "found %zu items, accepted: %zu to %zu", n->count, (size_t)row->min, max);
		return false;
	}
	if (row->not_built && n->count > 0) {
		COMPLAIN(l, XFED_REASON_CONFIG_VALUE_INVALID, n, "found %zu items: %s", n->count, row->not_built);
		return false;
	}
	return true;
}

static int load_object_item(struct load *l, const struct rt_conf_row *row, const struct conf_node *n, void *out)
{
	if (n->kind != CONF_MAP) {
		refuse_item(l, row, n);
		return XFED_OK;
	}
	struct rt_conf_mark *outer = l->object;
	size_t outer_relative = l->relative;
	l->object = add_object(l, out, n->line, n->column);
	l->relative = l->path_len;
	int rc = l->object ? load_map(l, row->table, n, n, out) : XFED_ERR_NOMEM;
	l->object = outer;
	l->relative = outer_relative;
	return rc;
}

static int load_list(struct load *l, const struct rt_conf_row *row, const struct conf_node *n, void *out)
{
	if (!is_list_allowed(l, row, n)) {
		return XFED_OK;
	}
	bool is_set = row->type == RT_CONF_ENUM_SET;
	struct conf_list list = { NULL, n->count };
	size_t item_size = conf_item_size(row);
	if (!is_set) {
		list.items = xfed_arena_alloc(&l->doc->arena, n->count * item_size);
		if (!list.items) {
			return XFED_ERR_NOMEM;
		}
	}
	size_t i = 0;
	int rc = XFED_OK;
	for (const struct conf_node *item = n->child; item && rc == XFED_OK; item = item->next, i++) {
		void *to = is_set ? out : (char *)list.items + i * item_size;
		size_t before = push(l, NULL, i);
		rc = add_key(l, item);
		if (rc == XFED_OK) {
			rc = row->type == RT_CONF_OBJECTS ? load_object_item(l, row, item, to) : load_scalar(l, row, item, to, true);
		}
		pop(l, before);
	}
	if (!is_set) {
		memcpy(out, &list, sizeof(list));
	}
	return rc;
}

static int load_row(struct load *l, const struct rt_conf_row *row, const struct conf_node *n, void *object)
{
	void *out = conf_field(row, object);
	if (row->type == RT_CONF_OBJECTS || conf_is_scalar_list(row->type)) {
		return load_list(l, row, n, out);
	}
	if (row->type != RT_CONF_OBJECT) {
		return load_scalar(l, row, n, out, false);
	}
	if (n->kind != CONF_MAP) {
		refuse_value(l, row, n);
		return XFED_OK;
	}
	return load_map(l, row->table, n, n, out);
}

/* A default that does not parse is an error in the table, which the tests of the tables find. */
static int load_default(struct load *l, const struct rt_conf_row *row, void *object)
{
	const char *accepted, *not_built;
	char number[32];
	void *out = conf_field(row, object);
	if (!conf_is_scalar_list(row->type)) {
		return conf_store(&l->doc->arena, row, xfed_span_str(conf_fallback(row, number)), out, &accepted, &not_built);
	}
	struct xfed_span rest = xfed_span_str(row->fallback), word;
	struct conf_list list = { NULL, 0 };
	while (conf_next_word(&rest, &word)) {
		list.count++;
	}
	bool is_set = row->type == RT_CONF_ENUM_SET;
	size_t item_size = conf_item_size(row);
	list.items = is_set ? out : xfed_arena_alloc(&l->doc->arena, list.count * item_size);
	if (!list.items) {
		return XFED_ERR_NOMEM;
	}
	rest = xfed_span_str(row->fallback);
	int rc = XFED_OK;
	for (size_t i = 0; rc == XFED_OK && conf_next_word(&rest, &word); i++) {
		rc = conf_store(&l->doc->arena, row, word, is_set ? out : (char *)list.items + i * item_size, &accepted, &not_built);
	}
	if (!is_set) {
		memcpy(out, &list, sizeof(list));
	}
	return rc;
}

static int load_missing(struct load *l, const struct rt_conf_row *row, const struct conf_node *near, void *object)
{
	if (row->type == RT_CONF_OBJECT) {
		return load_map(l, row->table, NULL, near, conf_field(row, object));
	}
	if (row->flags & RT_CONF_REQUIRED) {
		char accepted[CONF_ACCEPTED_BYTES];
		conf_accepted(row, accepted);
		COMPLAIN(l, XFED_REASON_CONFIG_VALUE_INVALID, near, "missing, accepted: %s", accepted);
		return XFED_OK;
	}
	return row->fallback || row->standard > 0 ? load_default(l, row, object) : XFED_OK;
}

/* The row of a key; NULL: unknown, which has been reported. */
static const struct rt_conf_row *row_of(struct load *l, const struct rt_conf_table *t, const struct conf_node *key)
{
	for (size_t i = 0; key->kind == CONF_SCALAR && i < t->row_count; i++) {
		if (xfed_span_is(key->text, t->rows[i].name)) {
			return &t->rows[i];
		}
	}
	refuse_key(l, t, key);
	return NULL;
}

static int load_pairs(struct load *l, const struct rt_conf_table *t, const struct conf_node *map, void *out, bool seen[ROWS_MAX])
{
	unsigned line_of[ROWS_MAX] = { 0 };
	int rc = XFED_OK;
	for (const struct conf_node *key = map->child; key && rc == XFED_OK; key = key->next->next) {
		const struct rt_conf_row *row = row_of(l, t, key);
		if (!row) {
			continue;
		}
		size_t i = (size_t)(row - t->rows);
		size_t before = push(l, row->name, 0);
		if (seen[i]) {
			COMPLAIN(l, XFED_REASON_CONFIG_SYNTAX, key, "found a second time, the first is in line %u", line_of[i]);
		} else {
			seen[i] = true;
			line_of[i] = key->line;
			rc = add_key(l, key->next);
			if (rc == XFED_OK) {
				rc = load_row(l, row, key->next, out);
			}
		}
		pop(l, before);
	}
	return rc;
}

/* `map` NULL: the file does not have the object; missing keys are then reported at `near`. */
static int load_map(struct load *l, const struct rt_conf_table *t, const struct conf_node *map, const struct conf_node *near, void *out)
{
	bool seen[ROWS_MAX] = { false };
	XFED_REQUIRE(t->row_count <= ROWS_MAX);
	int rc = map ? load_pairs(l, t, map, out, seen) : XFED_OK;
	for (size_t i = 0; i < t->row_count && rc == XFED_OK; i++) {
		if (!seen[i]) {
			size_t before = push(l, t->rows[i].name, 0);
			rc = load_missing(l, &t->rows[i], near, out);
			pop(l, before);
		}
	}
	return rc;
}

static int load_tree(struct load *l, const struct rt_conf_table *t, const struct conf_node *root)
{
	if (root->kind != CONF_MAP) {
		refuse(l, NULL, root, "keys and values, key: value");
		return XFED_ERR_INVALID;
	}
	l->object = add_object(l, l->doc->object, root->line, root->column);
	if (!l->object) {
		return XFED_ERR_NOMEM;
	}
	int rc = load_map(l, t, root, root, l->doc->object);
	return rc == XFED_OK && l->doc->errors->error_count > l->errors_before ? XFED_ERR_INVALID : rc;
}

int rt_conf_load(struct rt_conf_doc *doc, const struct rt_conf_table *table, const char *file, struct xfed_span text, struct rt_conf_errors *errors)
{
	*doc = (struct rt_conf_doc){ .table = table, .errors = errors };
	xfed_arena_init(&doc->arena, RT_CONF_ARENA_BYTES);
	struct xfed_arena tree;
	xfed_arena_init(&tree, RT_CONF_ARENA_BYTES);
	struct load l = { .doc = doc, .errors_before = errors->error_count };
	struct conf_node *root = NULL;
	doc->file = xfed_arena_copy(&doc->arena, xfed_span_str(file)).data;
	doc->object = xfed_arena_alloc(&doc->arena, table->struct_size);
	int rc = doc->file && doc->object ? conf_yaml_parse(&tree, file, text, errors, &root) : XFED_ERR_NOMEM;
	if (rc == XFED_OK) {
		rc = load_tree(&l, table, root);
	}
	if (rc == XFED_ERR_NOMEM) {
		rt_conf_errors_add(errors, false, XFED_REASON_CONFIG_VALUE_INVALID, file, 0, 0, NULL, "out of memory");
	}
	xfed_arena_deinit(&tree);
	return rc;
}
