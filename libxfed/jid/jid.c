#include "jid/internal.h"

/* An address cut into its parts, inside one copy in the arena. Absent parts have p NULL. */
struct part {
	char *p;
	size_t len;
};
struct parts {
	struct part local, domain, resource;
};

/* RFC 7622 section 3.2: the first "/" first, then the first "@" before it. */
static void cut(char *p, size_t len, struct parts *out)
{
	*out = (struct parts){ 0 };
	char *slash = memchr(p, '/', len);
	if (slash) {
		out->resource = (struct part){ slash + 1, len - (size_t)(slash + 1 - p) };
		len = (size_t)(slash - p);
	}
	char *at = memchr(p, '@', len);
	if (at) {
		out->local = (struct part){ p, (size_t)(at - p) };
		len -= out->local.len + 1;
		p = at + 1;
	}
	out->domain = (struct part){ p, len };
}

typedef int full_fn(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out);

/* Takes a part by the result `r` of its ASCII path: as it is, or by the full path. */
static int take(struct xfed_arena *a, enum jid_ascii_result r, const struct part *in, full_fn *full, struct xfed_span *out)
{
	struct xfed_span s = xfed_span_make(in->p, in->len);
	if (r != JID_ASCII_OK) {
		return r == JID_ASCII_NO ? full(a, s, out) : XFED_ERR_INVALID;
	}
	*out = s;
	return XFED_OK;
}

static int take_domain(struct xfed_arena *a, struct part *in, struct xfed_span *out)
{
	return take(a, jid_domain_fold_ascii(in->p, &in->len), in, jid_domain_full, out);
}

/* Limits before memory: no part may be longer before mapping than one that can become short enough. */
static int copy_and_cut(struct xfed_arena *a, struct xfed_span s, struct parts *out)
{
	if (s.len == 0 || s.len > 3 * JID_RAW_PART_BYTES + 2) {
		return XFED_ERR_INVALID;
	}
	struct xfed_span copy = xfed_arena_copy(a, s);
	if (!copy.data) {
		return XFED_ERR_NOMEM;
	}
	cut((char *)copy.data, copy.len, out);
	return XFED_OK;
}

int xfed_jid_parse(struct xfed_arena *a, struct xfed_span s, struct xfed_jid *out)
{
	struct parts parts;
	struct xfed_jid j = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
	int rc = copy_and_cut(a, s, &parts);
	if (rc == XFED_OK && parts.local.p) {
		rc = take(a, jid_local_fold_ascii(parts.local.p, parts.local.len), &parts.local, jid_local_full, &j.local);
	}
	if (rc == XFED_OK) {
		rc = take_domain(a, &parts.domain, &j.domain);
	}
	if (rc == XFED_OK && parts.resource.p) {
		rc = take(a, jid_resource_check_ascii(parts.resource.p, parts.resource.len), &parts.resource, jid_precis_opaque, &j.resource);
	}
	if (rc == XFED_OK) {
		*out = j;
	}
	return rc;
}

int xfed_jid_domain(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out)
{
	struct parts parts;
	int rc = copy_and_cut(a, s, &parts);
	if (rc == XFED_OK && (parts.local.p || parts.resource.p)) {
		rc = XFED_ERR_INVALID;
	}
	return rc == XFED_OK ? take_domain(a, &parts.domain, out) : rc;
}

int xfed_jid_domain_of(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out)
{
	const char *slash = s.len > 0 ? memchr(s.data, '/', s.len) : NULL;
	size_t end = slash ? (size_t)(slash - s.data) : s.len;
	const char *at = end > 0 ? memrchr(s.data, '@', end) : NULL;
	size_t start = at ? (size_t)(at - s.data) + 1 : 0;
	return xfed_jid_domain(a, xfed_span_make(s.data + start, end - start), out);
}

static struct xfed_span span_of(struct part p)
{
	return xfed_span_make(p.p, p.len);
}

struct xfed_jid xfed_jid_of_normalised(struct xfed_span jid)
{
	struct parts parts;
	cut((char *)(uintptr_t)jid.data, jid.len, &parts); /* which does not write there */
	return (struct xfed_jid){ span_of(parts.local), span_of(parts.domain), span_of(parts.resource) };
}

struct xfed_span xfed_jid_domain_part(struct xfed_span jid)
{
	return jid.len > 0 ? xfed_jid_of_normalised(jid).domain : jid;
}

static struct xfed_span join(struct xfed_arena *a, const struct xfed_jid *j, bool with_resource)
{
	bool has_resource = with_resource && j->resource.data;
	size_t len = (j->local.data ? j->local.len + 1 : 0) + j->domain.len + (has_resource ? j->resource.len + 1 : 0);
	char *p = xfed_arena_alloc(a, len + 1);
	if (!p) {
		return (struct xfed_span){ NULL, 0 };
	}
	char *to = p;
	if (j->local.data) {
		memcpy(to, j->local.data, j->local.len);
		to += j->local.len;
		*to++ = '@';
	}
	memcpy(to, j->domain.data, j->domain.len);
	to += j->domain.len;
	if (has_resource) {
		*to++ = '/';
		memcpy(to, j->resource.data, j->resource.len);
	}
	return xfed_span_make(p, len);
}

struct xfed_span xfed_jid_bare(struct xfed_arena *a, const struct xfed_jid *j)
{
	return join(a, j, false);
}

struct xfed_span xfed_jid_full(struct xfed_arena *a, const struct xfed_jid *j)
{
	return join(a, j, true);
}

static bool takes(struct xfed_span *text, struct xfed_span part)
{
	if (text->len < part.len || (part.len > 0 && memcmp(text->data, part.data, part.len) != 0)) {
		return false;
	}
	*text = xfed_span_make(text->data + part.len, text->len - part.len);
	return true;
}

bool xfed_jid_is_full(const struct xfed_jid *j, struct xfed_span full)
{
	return (!j->local.data || (takes(&full, j->local) && takes(&full, XFED_SPAN("@")))) && takes(&full, j->domain) &&
	       (!j->resource.data || (takes(&full, XFED_SPAN("/")) && takes(&full, j->resource))) && full.len == 0;
}

bool xfed_jid_equal_bare(const struct xfed_jid *x, const struct xfed_jid *y)
{
	/* An absent localpart compares like an empty one, which a parsed JID never has. */
	return xfed_span_eq(x->local, y->local) && xfed_span_eq(x->domain, y->domain);
}
