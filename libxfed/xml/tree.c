#include "xml/tree.h"

struct xfed_xml_node *xml_node_append(struct xfed_arena *a, struct xfed_xml_elem *parent)
{
	struct xfed_xml_node *n = xfed_arena_alloc(a, sizeof(*n));
	if (!n) {
		return NULL;
	}
	if (parent->last_child) {
		parent->last_child->next = n;
	} else {
		parent->children = n;
	}
	parent->last_child = n;
	return n;
}

struct xfed_xml_attr *xml_attr_append(struct xfed_arena *a, struct xfed_xml_elem *e)
{
	struct xfed_xml_attr *at = xfed_arena_alloc(a, sizeof(*at));
	if (!at) {
		return NULL;
	}
	if (e->last_attr) {
		e->last_attr->next = at;
	} else {
		e->attrs = at;
	}
	e->last_attr = at;
	return at;
}

/* ---- looking ---- */

bool xfed_xml_is(const struct xfed_xml_elem *e, const char *ns, const char *name)
{
	return e && (!name || xfed_span_is(e->name, name)) && (!ns || xfed_span_is(e->ns, ns));
}

static struct xfed_xml_attr *find_attr(const struct xfed_xml_elem *e, struct xfed_span ns, struct xfed_span name)
{
	for (struct xfed_xml_attr *at = e->attrs; at; at = at->next) {
		if (xfed_span_eq(at->name, name) && xfed_span_eq(at->ns, ns)) {
			return at;
		}
	}
	return NULL;
}

struct xfed_span xfed_xml_attr_get(const struct xfed_xml_elem *e, const char *name)
{
	return xfed_xml_attr_get_ns(e, "", name);
}

struct xfed_span xfed_xml_attr_get_ns(const struct xfed_xml_elem *e, const char *ns, const char *name)
{
	const struct xfed_xml_attr *at = find_attr(e, xfed_span_str(ns), xfed_span_str(name));
	return at ? at->value : (struct xfed_span){ NULL, 0 };
}

static struct xfed_xml_elem *first_match(const struct xfed_xml_node *n, const char *ns, const char *name)
{
	for (; n; n = n->next) {
		if (xfed_xml_is(n->elem, ns, name)) {
			return n->elem;
		}
	}
	return NULL;
}

struct xfed_xml_elem *xfed_xml_child(const struct xfed_xml_elem *e, const char *ns, const char *name)
{
	return first_match(e->children, ns, name);
}

struct xfed_xml_elem *xfed_xml_next(const struct xfed_xml_elem *e, const char *ns, const char *name)
{
	if (!e->parent) {
		return NULL;
	}
	const struct xfed_xml_node *n = e->parent->children;
	while (n && n->elem != e) {
		n = n->next;
	}
	return n ? first_match(n->next, ns, name) : NULL;
}

struct xfed_span xfed_xml_text(struct xfed_arena *a, const struct xfed_xml_elem *e)
{
	const struct xfed_xml_node *only = NULL;
	size_t len = 0, runs = 0;
	for (const struct xfed_xml_node *n = e->children; n; n = n->next) {
		if (!n->elem && n->text.len > 0) {
			only = n;
			len += n->text.len;
			runs++;
		}
	}
	if (runs == 0) {
		return XFED_SPAN("");
	}
	if (runs == 1) {
		return only->text;
	}
	char *p = xfed_arena_alloc(a, len);
	if (!p) {
		return (struct xfed_span){ NULL, 0 };
	}
	size_t at = 0;
	for (const struct xfed_xml_node *n = e->children; n; n = n->next) {
		if (!n->elem && n->text.len > 0) {
			memcpy(p + at, n->text.data, n->text.len);
			at += n->text.len;
		}
	}
	return xfed_span_make(p, len);
}

/* ---- building ---- */

struct xfed_xml_elem *xfed_xml_elem_new(struct xfed_arena *a, struct xfed_span ns, struct xfed_span name)
{
	struct xfed_xml_elem *e = xfed_arena_alloc(a, sizeof(*e));
	if (e) {
		e->ns = ns;
		e->name = name;
	}
	return e;
}

struct xfed_xml_elem *xfed_xml_add_elem(struct xfed_arena *a, struct xfed_xml_elem *parent, struct xfed_span ns, struct xfed_span name)
{
	struct xfed_xml_elem *e = xfed_xml_elem_new(a, ns, name);
	struct xfed_xml_node *n = e ? xml_node_append(a, parent) : NULL;
	if (!n) {
		return NULL;
	}
	n->elem = e;
	e->parent = parent;
	return e;
}

int xfed_xml_add_text(struct xfed_arena *a, struct xfed_xml_elem *parent, struct xfed_span text)
{
	if (text.len == 0) {
		return XFED_OK;
	}
	struct xfed_xml_node *last = parent->last_child;
	if (last && !last->elem) {
		char *p = xfed_arena_alloc(a, last->text.len + text.len);
		if (!p) {
			return XFED_ERR_NOMEM;
		}
		memcpy(p, last->text.data, last->text.len);
		memcpy(p + last->text.len, text.data, text.len);
		last->text = xfed_span_make(p, last->text.len + text.len);
		return XFED_OK;
	}
	struct xfed_xml_node *n = xml_node_append(a, parent);
	if (!n) {
		return XFED_ERR_NOMEM;
	}
	n->text = text;
	return XFED_OK;
}

int xfed_xml_set_attr(struct xfed_arena *a, struct xfed_xml_elem *e, struct xfed_span ns, struct xfed_span name, struct xfed_span value)
{
	struct xfed_xml_attr *at = find_attr(e, ns, name);
	if (!at) {
		at = xml_attr_append(a, e);
		if (!at) {
			return XFED_ERR_NOMEM;
		}
		at->ns = ns;
		at->name = name;
	}
	at->value = value.data ? value : XFED_SPAN("");
	return XFED_OK;
}
