/* What the files of the option tables share; see xfed/rt/conf.h. */
#ifndef XFED_RT_CONF_INTERNAL_H
#define XFED_RT_CONF_INTERNAL_H

#include "util/table.h"
#include "xfed/rt/conf.h"

#define CONF_NODES_MAX	    100000
#define CONF_PATH_BYTES	    512
#define CONF_FOUND_BYTES    96 /* limit of a quoted value in a message */
#define CONF_ACCEPTED_BYTES 768

/* ---- the file as a tree ---- */

enum conf_node_kind { CONF_SCALAR, CONF_LIST, CONF_MAP };
struct conf_node {
	enum conf_node_kind kind;
	unsigned line, column; /* from 1 */
	size_t start, end;     /* bytes of the file; `end` of what has brackets, or is a scalar */
	bool is_plain;	       /* a scalar without quotes */
	bool is_flow;	       /* a list or map in brackets */
	bool is_indented;      /* a scalar in the style of | or > */
	struct xfed_span text;
	struct conf_node *child, *last, *next; /* of a map: key, value, key, value ... */
	size_t count;			       /* children */
};

/* OK, INVALID (errors added) or NOMEM. The tree lives in `a`. */
int conf_yaml_parse(struct xfed_arena *a, const char *file, struct xfed_span text, struct rt_conf_errors *errors, struct conf_node **root);

/* Both say the same, wherever it stands. */
bool conf_is_same(const struct conf_node *a, const struct conf_node *b);
/* Children of `more` are those of `less` with `count` more at `at`. */
bool conf_has_more(const struct conf_node *less, const struct conf_node *more, size_t at, size_t count);

/*
 * What `key` ("kinds", "limits.connections") has in a text that parses: the node of its value in `*out`, NULL where it is not there, in a
 * tree in `a`. OK; INVALID with one sentence in `error` (RT_CONF_EDIT_ERROR bytes), or NOMEM.
 */
int conf_edit_find(struct xfed_arena *a, const char *file, struct xfed_span text, const char *key, struct conf_node **out, char *error);

/* ---- values ---- */

/* What a row accepts, as a phrase: "true | false", "a duration from 1s to 10m, such as 30s". */
void conf_accepted(const struct rt_conf_row *row, char out[CONF_ACCEPTED_BYTES]);
/* The same for one item of a row that is a list of scalars. */
void conf_accepted_item(const struct rt_conf_row *row, char out[CONF_ACCEPTED_BYTES]);
/* The keys of a table, "tls | limits.KEY", with "..." for those there is no room for; `inside`: what objects have behind their name. */
void conf_list_keys(const struct rt_conf_table *t, const char *inside, char *out, size_t size);
/* "\"flase\"", shortened, control characters escaped. */
const char *conf_quote(struct xfed_span s, char out[CONF_FOUND_BYTES]);

/*
 * Stores one scalar of a row's type, or one item of a list of scalars, at `out`. OK, NOMEM, or INVALID: with a phrase in `*accepted` if the
 * row's own check knows better than conf_accepted(), and with a sentence in `*not_built` if it is valid but not built.
 */
int conf_store(struct xfed_arena *a, const struct rt_conf_row *row, struct xfed_span text, void *out, const char **accepted, const char **not_built);
bool conf_is_scalar_list(enum rt_conf_type type);
bool conf_is_text(enum rt_conf_type type);	      /* a quoted scalar is accepted too */
size_t conf_item_size(const struct rt_conf_row *row); /* size of an item of a list, or of the whole member for other types */
/* A number, duration or size as written in the file: "10s", "15KiB". */
const char *conf_number_text(enum rt_conf_type type, uint64_t n, char out[32]);
/* The default of a row as it would stand in the file, or NULL. */
const char *conf_fallback(const struct rt_conf_row *row, char out[32]);
/* The next word of a list default; false at the end. */
bool conf_next_word(struct xfed_span *rest, struct xfed_span *word);

/* ---- loading ---- */

/* The places of the keys of one object: the struct itself, or an item of a list of objects. */
struct conf_key_mark {
	const char *key; /* relative to the object: "sip.listen[1]" */
	unsigned line, column;
	struct conf_key_mark *next;
};
struct rt_conf_mark {
	const void *object;
	const char *path; /* "", "domains[1]" */
	unsigned line, column;
	struct conf_key_mark *keys;
	UT_hash_handle hh;
};

/* The items of any list field. */
struct conf_list {
	void *items;
	size_t count;
};

/*
 * Calls `value` for every value of a loaded struct that is no object, until it returns true, and returns that; `key` counts from `object`,
 * which is the struct itself or an item of a list of objects.
 */
struct conf_visitor {
	bool (*value)(void *user, const struct rt_conf_row *row, const void *field, const void *object, const char *key);
	void *user;
};
bool conf_each(const struct rt_conf_table *t, const void *object, const struct conf_visitor *v);
/* The paths of files in a value: how many, and where they stand. */
size_t conf_paths(const struct rt_conf_row *row, const void *field, const char *const **out);

/* The member of a row. */
static inline void *conf_field(const struct rt_conf_row *row, void *object)
{
	return (char *)object + row->offset;
}
static inline const void *conf_field_const(const struct rt_conf_row *row, const void *object)
{
	return (const char *)object + row->offset;
}

#endif
