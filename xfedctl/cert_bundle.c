#include "cert_bundle.h"

#include <stdio.h>

#include "xfed/mem.h"

static bool is_word(struct xfed_span w)
{
	bool is_fine = w.len > 0 && w.len < 256;
	for (size_t i = 0; is_fine && i < w.len; i++) {
		is_fine = (unsigned char)w.data[i] > 0x20 && w.data[i] != 0x7f;
	}
	return is_fine;
}

int cert_member_parse(struct xfed_span line, bool has_kind, struct cert_member *out)
{
	*out = (struct cert_member){ .is_edge = false };
	if (has_kind) {
		struct xfed_span kind = xfed_span_cut(&line, ' ');
		out->is_edge = xfed_span_is(kind, "edge");
		if (!out->is_edge && !xfed_span_is(kind, "gateway")) {
			return XFED_ERR_INVALID;
		}
	}
	while (line.len > 0 && out->name_count < CERT_BUNDLE_NAMES) {
		struct xfed_span word = xfed_span_cut(&line, ' ');
		if (!is_word(word)) {
			return XFED_ERR_INVALID;
		}
		memcpy(out->names[out->name_count++], word.data, word.len);
	}
	return out->name_count > 0 && line.len == 0 ? XFED_OK : XFED_ERR_INVALID;
}

int cert_member_print(const struct cert_member *m, bool has_kind, struct xfed_buf *out)
{
	int rc = has_kind ? xfed_buf_append_str(out, m->is_edge ? "edge " : "gateway ") : XFED_OK;
	for (size_t i = 0; rc == XFED_OK && i < m->name_count; i++) {
		rc = xfed_buf_printf(out, "%s%s", i > 0 ? " " : "", m->names[i]);
	}
	return rc == XFED_OK ? xfed_buf_append_str(out, "\n") : rc;
}

/* ---- the lines ---- */

static int add_gateway(struct cert_bundle *b, struct xfed_span value)
{
	if (b->gateway_count == CERT_BUNDLE_WORDS) {
		return XFED_ERR_INVALID;
	}
	struct cert_member *more = xfed_realloc(b->gateways, (b->gateway_count + 1) * sizeof(*more));
	if (!more) {
		return XFED_ERR_NOMEM;
	}
	b->gateways = more;
	return cert_member_parse(value, false, &more[b->gateway_count++]);
}

static int add_domain(struct cert_bundle *b, struct xfed_span value)
{
	if (b->domain_count == CERT_BUNDLE_WORDS || !is_word(value)) {
		return XFED_ERR_INVALID;
	}
	char(*more)[256] = xfed_realloc(b->domains, (b->domain_count + 1) * sizeof(*more));
	if (!more) {
		return XFED_ERR_NOMEM;
	}
	b->domains = more;
	memset(more[b->domain_count], 0, sizeof(more[0]));
	memcpy(more[b->domain_count++], value.data, value.len);
	return XFED_OK;
}

/* Lines of a newer version that this one does not know are passed over. */
static int take_line(struct cert_bundle *b, struct xfed_span line)
{
	struct xfed_span key = xfed_span_cut(&line, ':');
	while (line.len > 0 && line.data[0] == ' ') {
		line = xfed_span_make(line.data + 1, line.len - 1);
	}
	if (xfed_span_is(key, "for")) {
		return cert_member_parse(line, true, &b->member);
	}
	if (xfed_span_is(key, "gateway")) {
		return add_gateway(b, line);
	}
	return xfed_span_is(key, "domain") ? add_domain(b, line) : XFED_OK;
}

bool cert_bundle_is(struct xfed_span text)
{
	return xfed_span_is(xfed_span_cut(&text, '\n'), CERT_BUNDLE_MARK);
}

static int take_lines(struct cert_bundle *b, struct xfed_span text)
{
	int rc = cert_bundle_is(text) ? XFED_OK : XFED_ERR_INVALID;
	(void)xfed_span_cut(&text, '\n');
	while (rc == XFED_OK && text.len > 0) {
		rc = take_line(b, xfed_span_cut(&text, '\n'));
	}
	return rc == XFED_OK && b->member.name_count == 0 ? XFED_ERR_INVALID : rc;
}

/* ---- the whole ---- */

static int find_leaf(struct cert_bundle *b)
{
	struct cert_id key, crt;
	if (b->pile.key_count != 1 || cert_id_of_key(b->pile.keys[0], &key) != XFED_OK) {
		return XFED_ERR_INVALID;
	}
	for (b->leaf = 0; b->leaf < b->pile.crt_count; b->leaf++) {
		if (cert_id_of(b->pile.crts[b->leaf], &crt) == XFED_OK && cert_id_eq(&crt, &key)) {
			return XFED_OK;
		}
	}
	return XFED_ERR_INVALID;
}

int cert_bundle_parse(struct xfed_span text, struct cert_bundle *out, char error[CERT_ERROR])
{
	*out = (struct cert_bundle){ .leaf = 0 };
	const char *pem = memmem(text.data, text.len, "-----BEGIN ", 11);
	struct xfed_span lines = xfed_span_make(text.data, pem ? (size_t)(pem - text.data) : 0);
	struct xfed_span rest = xfed_span_make(text.data + lines.len, text.len - lines.len);
	int rc = take_lines(out, lines);
	rc = rc == XFED_OK ? cert_pile_add(&out->pile, rest, NULL, error) : rc;
	rc = rc == XFED_OK ? find_leaf(out) : rc;
	if (rc != XFED_OK && rc != XFED_ERR_NOMEM) {
		snprintf(error, CERT_ERROR, "is no bundle of xfedctl cert channel-init, or was damaged on its way");
		rc = XFED_ERR_INVALID;
	}
	return rc;
}

void cert_bundle_close(struct cert_bundle *b)
{
	cert_pile_deinit(&b->pile);
	xfed_free(b->gateways);
	xfed_free(b->domains);
	*b = (struct cert_bundle){ .leaf = 0 };
}
