/*
 * The bytes of a snapshot. Integers are big-endian; `string` is u32 length and bytes; `optional` is u8 0, or u8 1 and a string; lists are
 * u32 count and elements, strictly ascending by bytes, so that one policy has one encoding.
 *
 *   "XFEDPOL" u8 version (1)
 *   list of string                    local domains
 *   list of partner                   see below
 *   string current, string previous   hashes of the dialback secret
 *
 *   partner: string domain, optional description, list of string additional, u8 type, u8 tls,
 *       u8 sasl, u8 dialback, optional connect_host, u16 connect_port, u8 keepalive,
 *       u32 max_connections, u32 stanzas_per_second, u32 stanza_bytes, u8 kinds, u8 dane,
 *       optional trust_ca_pem, list of string pins; kinds 0: its names are refused (xfed_policy_refuse()), or
 *       with tls required, sasl optional and no dialback: it is disabled. Edges that do not know the latter refuse its names too
 *
 * Not JSON, because with length prefixes decoding needs no more memory than was sent, and nothing can be written in two ways. An edge
 * refuses a version it does not know as a whole, because a field it skipped might restrict something.
 */
#include "xfed/buf.h"
#include "xfed/policy.h"

#include "policy/policy_priv.h"

#define MAGIC	"XFEDPOL"
#define VERSION 1

/* ---- writing ---- */

static void put(struct xfed_buf *b, int *rc, struct xfed_span s)
{
	if (*rc == XFED_OK) {
		*rc = xfed_buf_append(b, s);
	}
}

static void put_uint(struct xfed_buf *b, int *rc, uint32_t v, size_t bytes)
{
	char octets[4];
	for (size_t i = 0; i < bytes; i++) {
		octets[i] = (char)(v >> (8 * (bytes - 1 - i)));
	}
	put(b, rc, xfed_span_make(octets, bytes));
}

static void put_string(struct xfed_buf *b, int *rc, struct xfed_span s)
{
	put_uint(b, rc, (uint32_t)s.len, 4);
	put(b, rc, s);
}

static void put_optional(struct xfed_buf *b, int *rc, const char *s)
{
	put_uint(b, rc, s ? 1 : 0, 1);
	if (s) {
		put_string(b, rc, xfed_span_str(s));
	}
}

static void put_list(struct xfed_buf *b, int *rc, const char *const *items, size_t count)
{
	put_uint(b, rc, (uint32_t)count, 4);
	for (size_t i = 0; i < count; i++) {
		put_string(b, rc, xfed_span_str(items[i]));
	}
}

static void put_partner(struct xfed_buf *b, int *rc, const struct xfed_partner *p)
{
	put_string(b, rc, xfed_span_str(p->domain));
	put_optional(b, rc, p->description);
	put_list(b, rc, p->additional, p->additional_count);
	put_uint(b, rc, p->type, 1);
	put_uint(b, rc, p->is_disabled ? XFED_REQUIRED : p->tls, 1);
	put_uint(b, rc, p->is_disabled ? XFED_OPTIONAL : p->sasl, 1);
	put_uint(b, rc, p->is_disabled ? false : p->dialback, 1);
	put_optional(b, rc, p->connect_host);
	put_uint(b, rc, p->connect_port, 2);
	put_uint(b, rc, p->keepalive, 1);
	put_uint(b, rc, p->max_connections, 4);
	put_uint(b, rc, p->stanzas_per_second, 4);
	put_uint(b, rc, p->stanza_bytes, 4);
	put_uint(b, rc, p->is_disabled ? 0 : p->kinds, 1);
	put_uint(b, rc, p->dane, 1);
	put_optional(b, rc, p->trust_ca_pem);
	put_list(b, rc, p->pins, p->pin_count);
}

int xfed_policy_encode(const struct xfed_policy *p, struct xfed_buf *out)
{
	size_t before = xfed_buf_len(out);
	int rc = XFED_OK;
	put(out, &rc, XFED_SPAN(MAGIC));
	put_uint(out, &rc, VERSION, 1);
	put_uint(out, &rc, (uint32_t)xfed_policy_local_count(p), 4);
	for (size_t i = 0; i < xfed_policy_local_count(p); i++) {
		put_string(out, &rc, xfed_span_str(xfed_policy_local_at(p, i)));
	}
	put_uint(out, &rc, (uint32_t)xfed_policy_partner_count(p), 4);
	for (size_t i = 0; rc == XFED_OK && i < xfed_policy_partner_count(p); i++) {
		put_partner(out, &rc, xfed_policy_partner_at(p, i));
	}
	put_string(out, &rc, xfed_policy_dialback_current(p));
	put_string(out, &rc, xfed_policy_dialback_previous(p));
	if (rc != XFED_OK) {
		out->end = out->start + before; /* nothing is written after an error */
	}
	return rc;
}

/* ---- reading ---- */

struct input {
	const char *p, *end;
	int rc;
	struct xfed_arena arena; /* for the strings of one partner */
};

static void bad(struct input *in)
{
	if (in->rc == XFED_OK) {
		in->rc = XFED_ERR_INVALID;
	}
}

static uint32_t get_uint(struct input *in, size_t bytes)
{
	uint32_t v = 0;
	if ((size_t)(in->end - in->p) < bytes) {
		bad(in);
	}
	for (size_t i = 0; in->rc == XFED_OK && i < bytes; i++) {
		v = v << 8 | (unsigned char)*in->p++;
	}
	return v;
}

static bool get_bool(struct input *in)
{
	uint32_t v = get_uint(in, 1);
	if (v > 1) {
		bad(in);
	}
	return v == 1;
}

static struct xfed_span get_span(struct input *in, size_t max)
{
	size_t len = get_uint(in, 4);
	if (in->rc != XFED_OK || len > max || len > (size_t)(in->end - in->p) || memchr(in->p, '\0', len)) {
		bad(in);
		return XFED_SPAN("");
	}
	struct xfed_span s = xfed_span_make(in->p, len);
	in->p += len;
	return s;
}

static const char *get_string(struct input *in, size_t max)
{
	struct xfed_span s = get_span(in, max);
	const char *copy = xfed_arena_copy(&in->arena, s).data;
	if (!copy && in->rc == XFED_OK) {
		in->rc = XFED_ERR_NOMEM;
	}
	return copy;
}

static const char *get_optional(struct input *in, size_t max)
{
	return get_bool(in) ? get_string(in, max) : NULL;
}

/* An element has at least four bytes, so a count that cannot be true is refused before anything is allocated. */
static size_t get_count(struct input *in, size_t max)
{
	size_t count = get_uint(in, 4);
	if (count > max || count > (size_t)(in->end - in->p) / 4) {
		bad(in);
	}
	return in->rc == XFED_OK ? count : 0;
}

static const char *const *get_list(struct input *in, size_t max_count, size_t *count)
{
	*count = get_count(in, max_count);
	const char **items = xfed_arena_alloc(&in->arena, *count * sizeof(*items));
	if (!items) {
		in->rc = in->rc == XFED_OK ? XFED_ERR_NOMEM : in->rc;
		return NULL;
	}
	for (size_t i = 0; in->rc == XFED_OK && i < *count; i++) {
		items[i] = get_string(in, XFED_JID_PART_BYTES + 2);
		if (in->rc == XFED_OK && i > 0 && strcmp(items[i - 1], items[i]) >= 0) {
			bad(in);
		}
	}
	return items;
}

/* One statement per field, in the order of put_partner(): initialisers have no defined order. */
static struct xfed_partner get_partner(struct input *in)
{
	struct xfed_partner p = { .domain = get_string(in, XFED_JID_PART_BYTES) };
	p.description = get_optional(in, POLICY_DESCRIPTION_MAX);
	p.additional = get_list(in, POLICY_ADDITIONAL_MAX, &p.additional_count);
	p.type = (enum xfed_partner_type)get_uint(in, 1);
	p.tls = (enum xfed_level)get_uint(in, 1);
	p.sasl = (enum xfed_level)get_uint(in, 1);
	p.dialback = get_bool(in);
	p.connect_host = get_optional(in, 255);
	p.connect_port = (uint16_t)get_uint(in, 2);
	p.keepalive = get_bool(in);
	p.max_connections = get_uint(in, 4);
	p.stanzas_per_second = get_uint(in, 4);
	p.stanza_bytes = get_uint(in, 4);
	p.kinds = get_uint(in, 1);
	/* Exactly as it is written: nothing has two forms, and the hash of what was received is that of what is written again. */
	p.is_disabled = p.kinds == 0 && p.tls == XFED_REQUIRED && p.sasl == XFED_OPTIONAL && !p.dialback;
	p.dane = (enum xfed_dane)get_uint(in, 1);
	p.trust_ca_pem = get_optional(in, POLICY_CA_PEM_MAX);
	p.pins = get_list(in, POLICY_PINS_MAX, &p.pin_count);
	return p;
}

static void read_locals(struct input *in, struct xfed_policy *p, struct xfed_policy_error *err)
{
	size_t count = get_count(in, POLICY_LOCALS_MAX);
	for (size_t i = 0; in->rc == XFED_OK && i < count; i++) {
		struct xfed_span domain = get_span(in, XFED_JID_PART_BYTES);
		if (in->rc == XFED_OK) {
			in->rc = xfed_policy_add_local(p, domain, err);
		}
		/* Domains are sorted and unique, so the new one has to be the last. */
		if (in->rc == XFED_OK && !xfed_span_is(domain, xfed_policy_local_at(p, i))) {
			bad(in);
		}
	}
}

static void read_partners(struct input *in, struct xfed_policy *p, struct xfed_policy_error *err)
{
	size_t count = get_count(in, POLICY_PARTNERS_MAX);
	for (size_t i = 0; in->rc == XFED_OK && i < count; i++) {
		xfed_arena_reset(&in->arena);
		struct xfed_partner partner = get_partner(in);
		if (in->rc == XFED_OK) {
			in->rc = xfed_policy_add_partner(p, &partner, err);
		}
		if (in->rc == XFED_OK && strcmp(partner.domain, xfed_policy_partner_at(p, i)->domain) != 0) {
			bad(in);
		}
	}
}

static void read_all(struct input *in, struct xfed_policy *p, struct xfed_policy_error *err)
{
	read_locals(in, p, err);
	read_partners(in, p, err);
	struct xfed_span current = get_span(in, POLICY_HASH_HEX);
	struct xfed_span previous = get_span(in, POLICY_HASH_HEX);
	if (in->rc == XFED_OK) {
		in->rc = xfed_policy_set_dialback(p, current, previous);
	}
	if (in->p != in->end) {
		bad(in);
	}
}

int xfed_policy_decode(struct xfed_span bytes, struct xfed_policy **out, struct xfed_policy_error *err)
{
	*out = NULL;
	const size_t header = sizeof(MAGIC); /* the magic and the version's octet */
	if (bytes.len < header || bytes.len > XFED_POLICY_BYTES_MAX || memcmp(bytes.data, MAGIC, header - 1) != 0) {
		return policy_refuse(err, XFED_REASON_CHANNEL_FRAME_BAD, "the bytes are not a policy");
	}
	int version = (unsigned char)bytes.data[header - 1];
	if (version != VERSION) {
		return policy_refuse(err, XFED_REASON_CHANNEL_FRAME_BAD, "policy format %d, this version knows %d", version, VERSION);
	}
	struct xfed_policy *p;
	if (xfed_policy_new(&p) != XFED_OK) {
		return XFED_ERR_NOMEM;
	}
	(void)policy_refuse(err, XFED_REASON_CHANNEL_FRAME_BAD, "the policy is damaged");
	struct input in = { .p = bytes.data + header, .end = bytes.data + bytes.len, .rc = XFED_OK };
	/* Room for the largest partner: names, descriptions, a CA, and their pointers. */
	xfed_arena_init(&in.arena, 2 * bytes.len + (1024 * 1024));
	read_all(&in, p, err);
	xfed_arena_deinit(&in.arena);
	if (in.rc != XFED_OK) {
		xfed_policy_free(p);
		return in.rc;
	}
	*out = p;
	return XFED_OK;
}
