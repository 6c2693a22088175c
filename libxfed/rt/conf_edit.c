/* One piece of a text is replaced, and the result read again. */
#include "xfed/rt/conf_edit.h"

#include <stdio.h>

#include "conf_internal.h"

struct place {
	struct conf_node *map;			     /* that has the key, or would */
	struct conf_node *key;			     /* NULL: it is not there */
	struct conf_node *outer[RT_CONF_EDIT_DEPTH]; /* keys on the way to it */
	size_t depth;				     /* of `map` */
};

struct editing {
	struct xfed_span text;
	const struct rt_conf_edit *edit;
	struct xfed_span names[RT_CONF_EDIT_DEPTH]; /* the key in its parts */
	size_t count;
	struct conf_node *root;
	struct place place;
	size_t from, to; /* what goes */
	struct xfed_buf put;
	bool is_object_out; /* UNSET: the object goes too */
	char *error;
};

static int refuse(struct editing *e, const char *why)
{
	snprintf(e->error, RT_CONF_EDIT_ERROR, "%.100s: %s; change the file by hand", e->edit->key, why);
	return XFED_ERR_INVALID;
}

/* ---- where it stands ---- */

static int split_key(struct editing *e)
{
	struct xfed_span rest = xfed_span_str(e->edit->key);
	while (rest.len > 0) {
		if (e->count == RT_CONF_EDIT_DEPTH) {
			return refuse(e, "the key has too many parts");
		}
		e->names[e->count++] = xfed_span_cut(&rest, '.');
	}
	return e->count > 0 ? XFED_OK : refuse(e, "no key");
}

/* The key in a map: how often, and the last of them. */
static size_t find_in(struct conf_node *map, struct xfed_span name, struct conf_node **key)
{
	size_t found = 0;
	*key = NULL;
	for (struct conf_node *k = map->child; k; k = k->next->next) {
		if (k->kind == CONF_SCALAR && xfed_span_eq(k->text, name)) {
			*key = k;
			found++;
		}
	}
	return found;
}

/* OK: `place` is the map of the key's last part, or the deepest one of its objects that is there, with the key missing. */
static int find_place(struct editing *e)
{
	struct place *p = &e->place;
	p->map = e->root;
	for (p->depth = 0;; p->depth++) {
		if (p->map->kind != CONF_MAP) {
			return refuse(e, "found no keys where they should be");
		}
		if (find_in(p->map, e->names[p->depth], &p->key) > 1) {
			return refuse(e, "it stands there twice");
		}
		if (!p->key || p->depth + 1 == e->count) {
			return XFED_OK;
		}
		p->outer[p->depth] = p->key;
		p->map = p->key->next;
	}
}

static struct conf_node *last_of(struct conf_node *n)
{
	return n->last ? n->last : n;
}

/* Behind the last byte of a value. */
static size_t end_of(struct conf_node *n)
{
	while (n->kind != CONF_SCALAR && !n->is_flow && n->child) {
		n = last_of(n);
	}
	return n->end;
}

static size_t line_start(const struct editing *e, size_t at)
{
	while (at > 0 && e->text.data[at - 1] != '\n') {
		at--;
	}
	bool has_bom = at == 0 && e->text.len >= 3 && memcmp(e->text.data, "\xef\xbb\xbf", 3) == 0;
	return has_bom ? 3 : at;
}

/* Behind the line's end; the text's, where the last line has none. */
static size_t line_end(const struct editing *e, size_t at)
{
	const char *end = at < e->text.len ? memchr(e->text.data + at, '\n', e->text.len - at) : NULL;
	return end ? (size_t)(end - e->text.data) + 1 : e->text.len;
}

static bool are_all(const struct editing *e, size_t from, size_t to, const char *chars)
{
	while (from < to && strchr(chars, e->text.data[from])) {
		from++;
	}
	return from >= to;
}

/* Behind the value that ends there its line has nothing but a comment. */
static bool is_last_in_line(const struct editing *e, size_t end)
{
	size_t stop = line_end(e, end);
	while (end < stop && strchr(" \r\n", e->text.data[end])) {
		end++;
	}
	return end >= stop || e->text.data[end] == '#';
}

static const char *line_break(const struct editing *e)
{
	const char *first = e->text.len > 0 ? memchr(e->text.data, '\n', e->text.len) : NULL;
	return first && first > e->text.data && first[-1] == '\r' ? "\r\n" : "\n";
}

/* ---- what is written ---- */

/* As it stands it is one value, whatever is around it. */
static bool is_plain_word(struct xfed_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = xfed_lower(s.data[i]);
		bool is_sign = strchr("_./@+-", c) != NULL && c != '\0';
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !(is_sign && (i > 0 || c == '/'))) {
			return false;
		}
	}
	return s.len > 0 && !xfed_span_eq_nocase(s, XFED_SPAN("null"));
}

/* What is written as JSON stays JSON. */
static bool is_json(const struct editing *e)
{
	const struct conf_node *map = e->place.map;
	return map->is_flow && map->child && e->text.data[map->child->start] == '"';
}

/* Which JSON has without quotes. */
static bool is_json_word(struct xfed_span s)
{
	size_t digits = 0;
	while (digits < s.len && s.data[digits] >= '0' && s.data[digits] <= '9') {
		digits++;
	}
	return (s.len > 0 && digits == s.len) || xfed_span_is(s, "true") || xfed_span_is(s, "false");
}

/* `like`: what stood there; NULL: nothing. In quotes where it needs them or had them, in its own where they do. */
static int put_scalar(struct editing *e, struct xfed_span s, const struct conf_node *like)
{
	char old = like && like->start < e->text.len ? e->text.data[like->start] : '\0';
	bool is_quoted = old == '"' || old == '\'';
	bool is_single = old == '\'' && !memchr(s.data, '\'', s.len);
	if (is_plain_word(s) && !is_quoted && (!is_json(e) || is_json_word(s))) {
		return xfed_buf_append(&e->put, s);
	}
	int rc = xfed_buf_append_str(&e->put, is_single ? "'" : "\"");
	for (size_t i = 0; i < s.len && rc == XFED_OK; i++) {
		if ((unsigned char)s.data[i] < 0x20 || s.data[i] == 0x7f) {
			return refuse(e, "the value has a control character in it");
		}
		bool is_escaped = !is_single && (s.data[i] == '"' || s.data[i] == '\\');
		rc = is_escaped ? xfed_buf_append_str(&e->put, "\\") : XFED_OK;
		rc = rc == XFED_OK ? xfed_buf_append(&e->put, xfed_span_make(s.data + i, 1)) : rc;
	}
	return rc == XFED_OK ? xfed_buf_append_str(&e->put, is_single ? "'" : "\"") : rc;
}

/* "connections: 20", "limits: {connections: 20}", "kinds: [message]": the parts of the key that are not there, and the value. */
static int put_pair(struct editing *e)
{
	bool is_item = e->edit->kind == RT_CONF_EDIT_ADD_ITEM;
	const char *quote = is_json(e) ? "\"" : "";
	int rc = XFED_OK;
	for (size_t i = e->place.depth; i < e->count && rc == XFED_OK; i++) {
		rc = xfed_buf_printf(&e->put, "%s%s%.*s%s: ", i > e->place.depth ? "{" : "", quote, (int)e->names[i].len, e->names[i].data, quote);
	}
	rc = rc == XFED_OK && is_item ? xfed_buf_append_str(&e->put, "[") : rc;
	rc = rc == XFED_OK ? put_scalar(e, e->edit->value, NULL) : rc;
	rc = rc == XFED_OK && is_item ? xfed_buf_append_str(&e->put, "]") : rc;
	for (size_t i = e->place.depth + 1; i < e->count && rc == XFED_OK; i++) {
		rc = xfed_buf_append_str(&e->put, "}");
	}
	return rc;
}

/* ---- comments inside of what goes ---- */

/* Lines with nothing but a comment that begin from `at` on and before `to`, which is outside of values; the new `at`. */
static size_t keep_lines(struct editing *e, size_t at, size_t to, int *rc)
{
	at = at > 0 && e->text.data[at - 1] != '\n' ? line_end(e, at) : at;
	while (at < to && *rc == XFED_OK) {
		size_t sign = at, end = line_end(e, at);
		while (sign < to && strchr(" \t", e->text.data[sign])) {
			sign++;
		}
		if (sign < to && e->text.data[sign] == '#') {
			bool is_behind_text = xfed_buf_len(&e->put) == 0 && e->from != line_start(e, e->from);
			*rc = is_behind_text ? xfed_buf_append_str(&e->put, line_break(e)) : XFED_OK;
			*rc = *rc == XFED_OK ? xfed_buf_append(&e->put, xfed_span_make(e->text.data + at, end - at)) : *rc;
		}
		at = end;
	}
	return at;
}

/* The same for the lines before and between the values of `n`. */
static size_t keep_inside(struct editing *e, const struct conf_node *n, size_t at, int *rc)
{
	if (n->kind == CONF_SCALAR) {
		(void)keep_lines(e, at, n->start, rc);
		return n->end > at ? n->end : at;
	}
	for (const struct conf_node *child = n->child; child; child = child->next) {
		at = keep_inside(e, child, at, rc);
	}
	return at;
}

/* They are nobody's but the writer's: all of them between e->from and the end of `last` stay. `first` and `last` go, and are one or neighbours. */
static int keep_comments(struct editing *e, const struct conf_node *first, struct conf_node *last)
{
	int rc = XFED_OK;
	size_t at = keep_inside(e, first, e->from, &rc);
	at = first != last ? keep_inside(e, last, at, &rc) : at;
	(void)keep_lines(e, at, end_of(last), &rc);
	return rc;
}

/* ---- lists and objects in brackets ---- */

/* Behind the last child, or in empty brackets. */
static int begin_in_flow(struct editing *e, struct conf_node *n)
{
	e->from = e->to = n->child ? end_of(last_of(n)) : n->start + 1;
	return n->child ? xfed_buf_append_str(&e->put, ", ") : XFED_OK;
}

/* `first` and `last`, and the comma that goes with them; `before`: where the one before ends, 0: there is none. Comments stay. */
static int cut_from_flow(struct editing *e, size_t before, const struct conf_node *first, struct conf_node *last)
{
	size_t start = first->start, end = end_of(last), comma = end;
	while (comma < e->text.len && strchr(" \r\n", e->text.data[comma])) {
		comma++;
	}
	e->from = start;
	e->to = end;
	if (comma < e->text.len && e->text.data[comma] == ',') {
		e->to = comma + 1;
		while (e->to < e->text.len && e->text.data[e->to] == ' ') {
			e->to++;
		}
	} else if (before > 0 && are_all(e, before, start, " ,")) {
		e->from = before;
	}
	int rc = keep_comments(e, first, last);
	bool is_glued =
		xfed_buf_len(&e->put) == 0 && e->to < e->text.len && e->text.data[e->to] == '#' && !strchr(" \t\n", e->text.data[e->from - 1]);
	return rc == XFED_OK && is_glued ? xfed_buf_append_str(&e->put, " ") : rc; /* YAML 1.2, section 6.6 */
}

/* ---- lists and objects in lines ---- */

/* A new line behind the one with the last byte of `last`, which begins as the line of `first` does. */
static int begin_line(struct editing *e, const struct conf_node *first, struct conf_node *last, const char *beginning)
{
	size_t start = line_start(e, first->start), end = end_of(last);
	if (!are_all(e, start, first->start, beginning) || !is_last_in_line(e, end)) {
		return refuse(e, "its lines are laid out in a way that is not known here");
	}
	e->from = e->to = line_end(e, end);
	bool is_open = e->from == 0 || e->text.data[e->from - 1] != '\n';
	int rc = is_open ? xfed_buf_append_str(&e->put, line_break(e)) : XFED_OK;
	return rc == XFED_OK ? xfed_buf_append(&e->put, xfed_span_make(e->text.data + start, first->start - start)) : rc;
}

/* The last line of a text may have no end: then the new one has none either. */
static int finish_line(struct editing *e)
{
	return e->from == e->text.len && e->text.data[e->text.len - 1] != '\n' ? XFED_OK : xfed_buf_append_str(&e->put, line_break(e));
}

static int cut_lines(struct editing *e, const struct conf_node *first, struct conf_node *last, const char *beginning)
{
	size_t end = end_of(last);
	e->from = line_start(e, first->start);
	e->to = line_end(e, end);
	if (!are_all(e, e->from, first->start, beginning) || !is_last_in_line(e, end)) {
		return refuse(e, "its lines are laid out in a way that is not known here");
	}
	return keep_comments(e, first, last);
}

/* ---- the four edits ---- */

static int add_pair(struct editing *e)
{
	struct conf_node *map = e->place.map;
	int rc = map->is_flow ? begin_in_flow(e, map) : begin_line(e, map->child, last_of(map), " ");
	rc = rc == XFED_OK ? put_pair(e) : rc;
	return rc == XFED_OK && !map->is_flow ? finish_line(e) : rc;
}

static int set_value(struct editing *e)
{
	if (!e->place.key) {
		return add_pair(e);
	}
	const struct conf_node *value = e->place.key->next;
	if (value->kind != CONF_SCALAR) {
		return refuse(e, value->kind == CONF_LIST ? "found a list" : "found an object");
	}
	if (value->is_indented) {
		return refuse(e, "its value is a text in the style of | or >");
	}
	e->from = value->start;
	e->to = value->end;
	bool is_glued = e->from > 0 && e->text.data[e->from - 1] == ':';
	int rc = is_glued ? xfed_buf_append_str(&e->put, " ") : XFED_OK;
	return rc == XFED_OK ? put_scalar(e, e->edit->value, value) : rc;
}

/* The end of the pair before `key`, 0: it is the first. */
static size_t end_before(struct conf_node *map, const struct conf_node *key)
{
	size_t end = 0;
	for (struct conf_node *k = map->child; k != key; k = k->next->next) {
		end = end_of(k->next);
	}
	return end;
}

static int unset(struct editing *e)
{
	struct place *p = &e->place;
	if (!p->key || p->depth + 1 < e->count) {
		snprintf(e->error, RT_CONF_EDIT_ERROR, "%.100s is not in the file", e->edit->key);
		return XFED_ERR_NOT_FOUND;
	}
	struct conf_node *map = p->map, *key = p->key;
	if (map->count == 2 && p->depth > 0) {
		e->is_object_out = true;
		key = p->outer[p->depth - 1];
		map = p->depth > 1 ? p->outer[p->depth - 2]->next : e->root;
	}
	if (map->count == 2) {
		return refuse(e, "it is all there is");
	}
	if (key->next->is_indented || p->key->next->is_indented) {
		return refuse(e, "its value is a text in the style of | or >");
	}
	return map->is_flow ? cut_from_flow(e, end_before(map, key), key, key->next) : cut_lines(e, key, key->next, " ");
}

static int add_item(struct editing *e)
{
	if (!e->place.key) {
		return add_pair(e);
	}
	struct conf_node *list = e->place.key->next;
	if (list->kind != CONF_LIST) {
		return refuse(e, "found no list");
	}
	int rc = list->is_flow ? begin_in_flow(e, list) : begin_line(e, list->child, last_of(list), " -");
	rc = rc == XFED_OK ? put_scalar(e, e->edit->value, NULL) : rc;
	return rc == XFED_OK && !list->is_flow ? finish_line(e) : rc;
}

static int remove_item(struct editing *e)
{
	struct conf_node *list = e->place.key ? e->place.key->next : NULL;
	if (!list || list->kind != CONF_LIST || e->edit->item >= list->count) {
		return refuse(e, "found no such item");
	}
	struct conf_node *item = list->child;
	size_t before = 0;
	for (size_t i = 0; i < e->edit->item; i++, item = item->next) {
		before = end_of(item);
	}
	if (item->is_indented) {
		return refuse(e, "the item is a text in the style of | or >");
	}
	if (!list->is_flow && list->count == 1) {
		return refuse(e, "it is the last item");
	}
	return list->is_flow ? cut_from_flow(e, before, item, item) : cut_lines(e, item, item, " -");
}

/* ---- the result is what was meant ---- */

static size_t index_of(const struct conf_node *parent, const struct conf_node *child)
{
	size_t i = 0;
	for (const struct conf_node *n = parent->child; n && n != child; n = n->next) {
		i++;
	}
	return i;
}

/* What put_pair() wrote. */
static bool is_new_pair(const struct editing *e, const struct conf_node *map)
{
	const struct conf_node *key = map->child;
	for (size_t i = 0; i + 2 < map->count; i++) {
		key = key->next;
	}
	for (size_t depth = e->place.depth; depth + 1 < e->count; depth++) {
		if (!xfed_span_eq(key->text, e->names[depth]) || key->next->kind != CONF_MAP || key->next->count != 2) {
			return false;
		}
		key = key->next->child;
	}
	const struct conf_node *value = key->next;
	if (e->edit->kind == RT_CONF_EDIT_ADD_ITEM && value->kind == CONF_LIST && value->count == 1) {
		value = value->child;
	}
	return xfed_span_eq(key->text, e->names[e->count - 1]) && value->kind == CONF_SCALAR && xfed_span_eq(value->text, e->edit->value);
}

/* Of the map that has changed, or the list in it. */
static bool is_changed_so(const struct editing *e, const struct conf_node *old, const struct conf_node *new)
{
	const struct conf_node *key = e->place.key;
	size_t at = key ? index_of(old, key) : old->count;
	const struct conf_node *was = key ? key->next : NULL, *is = new->child;
	for (size_t i = 0; i <= at && is; i++) {
		is = is->next; /* becomes the value of the key */
	}
	switch (e->edit->kind) {
	case RT_CONF_EDIT_UNSET:
		return conf_has_more(new, old, at, 2);
	case RT_CONF_EDIT_SET:
		if (!key) {
			break;
		}
		return is && is->kind == CONF_SCALAR && xfed_span_eq(is->text, e->edit->value);
	case RT_CONF_EDIT_ADD_ITEM:
		if (!key) {
			break;
		}
		return is && conf_has_more(was, is, was->count, 1) && xfed_span_eq(is->last->text, e->edit->value);
	case RT_CONF_EDIT_REMOVE_ITEM:
		return is && conf_has_more(is, was, e->edit->item, 1);
	}
	return conf_has_more(old, new, old->count, 2) && is_new_pair(e, new);
}

/* All that is not on the way to the change is the same; on it, what is there is judged. */
static bool is_as_meant(const struct editing *e, const struct conf_node *old, const struct conf_node *new, size_t depth)
{
	size_t last = e->is_object_out ? e->place.depth - 1 : e->place.depth;
	if (old->kind != CONF_MAP || new->kind != CONF_MAP) {
		return false;
	}
	const struct conf_node *out = e->is_object_out && depth == last ? e->place.outer[last] : NULL;
	if (out) {
		return conf_has_more(new, old, index_of(old, out), 2);
	}
	bool is_here = depth == last;
	if (is_here && !is_changed_so(e, old, new)) {
		return false;
	}
	bool has_same_keys = old->count == new->count;
	if (is_here && !has_same_keys) {
		return true; /* conf_has_more() has looked at all of them */
	}
	const struct conf_node *way = is_here ? e->place.key : e->place.outer[depth], *y = new->child;
	if (!has_same_keys) {
		return false;
	}
	for (const struct conf_node *x = old->child; x; x = x->next->next, y = y->next->next) {
		bool is_fine =
			conf_is_same(x, y) && (x == way ? is_here || is_as_meant(e, x->next, y->next, depth + 1) : conf_is_same(x->next, y->next));
		if (!is_fine) {
			return false;
		}
	}
	return true;
}

static int check(struct editing *e, const char *file, struct xfed_span result, struct rt_conf_errors *errors)
{
	struct xfed_arena a;
	struct conf_node *root;
	xfed_arena_init(&a, RT_CONF_ARENA_BYTES);
	int rc = conf_yaml_parse(&a, file, result, errors, &root);
	if (rc == XFED_ERR_INVALID || (rc == XFED_OK && !is_as_meant(e, e->root, root, 0))) {
		rc = refuse(e, "the way the file is laid out leaves no place for it");
	}
	xfed_arena_deinit(&a);
	return rc;
}

/* ---- all of it ---- */

static int find_splice(struct editing *e)
{
	int rc = split_key(e);
	rc = rc == XFED_OK ? find_place(e) : rc;
	if (rc != XFED_OK) {
		return rc;
	}
	switch (e->edit->kind) {
	case RT_CONF_EDIT_SET:
		return set_value(e);
	case RT_CONF_EDIT_UNSET:
		return unset(e);
	case RT_CONF_EDIT_ADD_ITEM:
		return add_item(e);
	case RT_CONF_EDIT_REMOVE_ITEM:
		return remove_item(e);
	}
	return XFED_ERR_INVALID;
}

static int splice(struct editing *e, const char *file, struct xfed_buf *out, struct rt_conf_errors *errors)
{
	struct xfed_buf result;
	xfed_buf_init(&result, RT_CONF_FILE_BYTES);
	int rc = xfed_buf_append(&result, xfed_span_make(e->text.data, e->from));
	rc = rc == XFED_OK ? xfed_buf_append(&result, xfed_buf_span(&e->put)) : rc;
	rc = rc == XFED_OK ? xfed_buf_append(&result, xfed_span_make(e->text.data + e->to, e->text.len - e->to)) : rc;
	if (rc == XFED_ERR_LIMIT) {
		rc = refuse(e, "the file would be larger than 1 MiB");
	}
	rc = rc == XFED_OK ? check(e, file, xfed_buf_span(&result), errors) : rc;
	rc = rc == XFED_OK ? xfed_buf_append(out, xfed_buf_span(&result)) : rc;
	xfed_buf_deinit(&result);
	return rc;
}

static int parse(struct editing *e, struct xfed_arena *a, const char *file, struct rt_conf_errors *errors)
{
	snprintf(e->error, RT_CONF_EDIT_ERROR, "out of memory");
	int rc = conf_yaml_parse(a, file, e->text, errors, &e->root);
	if (rc == XFED_ERR_INVALID && errors->count > 0) {
		const struct rt_conf_problem *p = &errors->items[0];
		snprintf(e->error, RT_CONF_EDIT_ERROR, "%.150s:%u:%u: %.120s", p->file, p->line, p->column, p->text);
	}
	return rc;
}

int rt_conf_edit(const char *file, struct xfed_span text, const struct rt_conf_edit *edit, struct xfed_buf *out, char error[RT_CONF_EDIT_ERROR])
{
	struct editing e = { .text = text, .edit = edit, .error = error };
	struct xfed_arena a;
	struct rt_conf_errors errors;
	xfed_arena_init(&a, RT_CONF_ARENA_BYTES);
	rt_conf_errors_init(&errors);
	xfed_buf_init(&e.put, RT_CONF_FILE_BYTES);
	int rc = parse(&e, &a, file, &errors);
	rc = rc == XFED_OK ? find_splice(&e) : rc;
	rc = rc == XFED_OK ? splice(&e, file, out, &errors) : rc;
	xfed_buf_deinit(&e.put);
	rt_conf_errors_deinit(&errors);
	xfed_arena_deinit(&a);
	return rc;
}

int conf_edit_find(struct xfed_arena *a, const char *file, struct xfed_span text, const char *key, struct conf_node **out, char *error)
{
	const struct rt_conf_edit edit = { .key = key };
	struct editing e = { .text = text, .edit = &edit, .error = error };
	struct rt_conf_errors errors;
	rt_conf_errors_init(&errors);
	int rc = parse(&e, a, file, &errors);
	rc = rc == XFED_OK ? split_key(&e) : rc;
	rc = rc == XFED_OK ? find_place(&e) : rc;
	bool is_there = rc == XFED_OK && e.place.key && e.place.depth + 1 == e.count;
	*out = is_there ? e.place.key->next : NULL;
	rt_conf_errors_deinit(&errors);
	return rc;
}
