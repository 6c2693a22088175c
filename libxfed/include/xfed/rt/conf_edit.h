/*
 * Changes of a configuration file that somebody has written by hand: text in, text out. One change takes out or puts in one piece of the
 * text and leaves every other byte as it is: comments, order, quotes, line ends. It is read again before it counts: either the new text
 * says exactly what the old one said, apart from what was to change, or the change is refused with a sentence. What YAML can say in ways
 * that nobody can edit in one place (anchors, values in the style of | and >) is refused too.
 */
#ifndef XFED_RT_CONF_EDIT_H
#define XFED_RT_CONF_EDIT_H

#include "xfed/rt/conf.h"

enum rt_conf_edit_kind {
	RT_CONF_EDIT_SET,	  /* a value; the key comes behind the last one of its object where it is not there, its object too */
	RT_CONF_EDIT_UNSET,	  /* the key goes, with its line; an object that had no other goes too. NOT_FOUND: it is not there */
	RT_CONF_EDIT_ADD_ITEM,	  /* behind the last one of a list, which is made where it is not there */
	RT_CONF_EDIT_REMOVE_ITEM, /* not the last one of a list in lines of its own: that would leave no list */
};

struct rt_conf_edit {
	enum rt_conf_edit_kind kind;
	const char *key;	/* "tls", "limits.connections" */
	struct xfed_span value; /* SET, ADD_ITEM: one line of UTF-8 */
	size_t item;		/* REMOVE_ITEM: which, from 0 */
};

#define RT_CONF_EDIT_DEPTH 3 /* of keys */
#define RT_CONF_EDIT_ERROR 768

/*
 * Appends the new text to `out`. OK; INVALID or NOT_FOUND with one sentence in `error`; NOMEM; LIMIT, where it would be longer than
 * `out` may be. But for OK, `out` is as it was.
 */
int rt_conf_edit(const char *file, struct xfed_span text, const struct rt_conf_edit *edit, struct xfed_buf *out, char error[RT_CONF_EDIT_ERROR]);

/*
 * The same by a table: `value` is one value, for a row that is a list items between commas (in no order), and "" for the default, which
 * takes the key out of the file. Items that say the same as one that is there already are left as they stand. Whether the value is one
 * is for the one who loads the new text to say; INVALID where no row has that key, or it is none that one word can set.
 */
int rt_conf_set(const struct rt_conf_table *t, const char *file, struct xfed_span text, const char *key, const char *value, struct xfed_buf *out,
	char error[RT_CONF_EDIT_ERROR]);
/* Appends what the text has as the value of a key. NOT_FOUND: it is not there, or no single value. */
int rt_conf_value(const char *file, struct xfed_span text, const char *key, struct xfed_buf *out, char error[RT_CONF_EDIT_ERROR]);
/* How many items the text has in a list; 0: none, or no list. */
int rt_conf_count(const char *file, struct xfed_span text, const char *key, size_t *out, char error[RT_CONF_EDIT_ERROR]);
/* One item of a list in, or out of it; the last one takes the key along. NOT_FOUND: it is there, or not, already, and `out` is as it was. */
int rt_conf_add_item(const struct rt_conf_table *t, const char *file, struct xfed_span text, const char *key, const char *value, struct xfed_buf *out,
	char error[RT_CONF_EDIT_ERROR]);
int rt_conf_remove_item(const struct rt_conf_table *t, const char *file, struct xfed_span text, const char *key, const char *value,
	struct xfed_buf *out, char error[RT_CONF_EDIT_ERROR]);

/* The row of "limits.connections", NULL: none. */
const struct rt_conf_row *rt_conf_row_of(const struct rt_conf_table *t, const char *key);

#endif
