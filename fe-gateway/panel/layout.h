/* What all pages have: head, navigation, tables that become cards on a narrow screen, marks, forms; and how they read answers. */
#ifndef GATEWAY_PANEL_LAYOUT_H
#define GATEWAY_PANEL_LAYOUT_H

#include <jansson.h>

#include "panel/html.h"
#include "panel/page.h"

/* ---- answers: nothing of them is taken for granted ---- */

const char *answer_str(const json_t *object, const char *key); /* "" where there is none */
int64_t answer_int(const json_t *object, const char *key);     /* 0; a real is cut */
bool answer_is(const json_t *object, const char *key);	       /* true */
const json_t *answer_list(const json_t *object, const char *key);

/* Of the n-th command of the page: its result, or NULL; and its error's text, or NULL. */
const json_t *view_result(const struct panel_view *v, size_t n);
const char *view_error(const struct panel_view *v, size_t n);
bool view_may_change(const struct panel_view *v);

/* A field of the request; an empty span with data NULL where there is none. */
struct xfed_span field_get(const struct panel_request *r, const char *name);
bool field_is(const struct panel_request *r, const char *name, const char *value);
/* The same as a new JSON string, NULL where it is empty. */
json_t *field_json(const struct panel_request *r, const char *name);
/* The n-th part of the path, from 0, as it is decoded; empty where there is none. */
struct xfed_span path_part(const struct panel_request *r, size_t n);

int64_t field_number(const struct panel_request *r, const char *name); /* 0 where it is no number from 1 */
int64_t path_number(const struct panel_request *r, size_t n);

/* ---- the frame ---- */

enum layout_place {
	PLACE_NONE,
	PLACE_OVERVIEW,
	PLACE_PARTNERS,
	PLACE_ACCESS,
	PLACE_CONTACTS,
	PLACE_FAILURES,
	PLACE_CERTIFICATES,
	PLACE_EXPLAIN,
	PLACE_AUDIT,
	PLACE_SESSIONS
};

/* `subject` follows the title in the heading: the name of a partner; NULL: none. */
void layout_begin(
	struct html *h, const struct panel_view *v, struct xfed_buf *out, enum layout_place place, enum panel_word title, const char *subject);
int layout_end(struct html *h); /* OK, LIMIT, NOMEM */

/* The page is another one (303): `before` and `behind` as they are, `name` percent-encoded. OK; LIMIT where that is too long. */
int page_go(struct panel_page *page, const char *before, struct xfed_span name, const char *behind);
/* The answer to a form whose one command did something: to `path`, or why it did not. */
int page_did(const struct panel_view *v, struct panel_page *page, enum layout_place place, enum panel_word title, const char *path);

/* Why a command failed, as a box; false: it did not. */
bool layout_error(struct html *h, const struct panel_view *v, size_t n);
/* What the page before has done (?done=...), as a box. */
void layout_done(struct html *h, const struct panel_view *v);

/* ---- pieces ---- */

enum layout_mark { MARK_OK, MARK_WARNING, MARK_PROBLEM, MARK_PLAIN };
void layout_mark(struct html *h, enum layout_mark m, enum panel_word w); /* a word in its colour */

struct table {
	struct html *h;
	const enum panel_word *columns; /* ends with W_NONE */
	size_t at;
};
void table_begin(struct table *t, struct html *h, enum panel_word caption, const enum panel_word *columns);
void table_row(struct table *t);
void table_cell(struct table *t); /* its content is written behind this */
void table_end(struct table *t);
void table_row_end(struct table *t); /* for a row that begins in another way than by table_row() */

void facts_begin(struct html *h);
void fact_begin(struct html *h, enum panel_word name);
void fact_end(struct html *h);
void fact(struct html *h, enum panel_word name, const char *value); /* left out where it is empty */
void fact_time(struct html *h, enum panel_word name, int64_t seconds);
void facts_end(struct html *h);

/* The remedy of a reason, in the language of the page; nothing for one that is not known. */
void layout_remedy(struct html *h, const char *code);
void layout_reason(struct html *h, const char *code); /* the code, with a link to what it means */
void layout_side(struct html *h, const char *side);

void form_token(struct html *h, const struct panel_view *v); /* in each form that is posted */
void form_hidden(struct html *h, const char *name, struct xfed_span value);
/* A line of text with its label; `hint` W_NONE: none. */
void form_input(struct html *h, const char *name, enum panel_word label, struct xfed_span value, enum panel_word hint);
void form_button(struct html *h, enum panel_word button); /* and the end of the form */

#endif
