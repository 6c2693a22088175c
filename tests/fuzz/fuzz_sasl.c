/*
 * Arbitrary elements into the server's side of EXTERNAL. Security sentence: success means that the
 * last initial response or response was empty, "=", or the base64 of a spelling of the peer's own
 * domain; a response only behind a challenge; and nothing behind a success.
 *
 * Input: lines. 'a' auth with EXTERNAL, 'm' auth with another mechanism, 'r' response, 'x' abort,
 * 'o' something else; the rest of the line is the text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xfed/jid.h"
#include "xfed/sasl.h"

#define PEER "partner.example"

static int digit(char c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c ? strchr(alphabet, c) : NULL;
	return p ? (int)(p - alphabet) : -1;
}

/*
 * The slowest possible base64, so that it shares nothing with the code under test; 0 where it is
 * wrong.
 */
static size_t slow_base64(struct xfed_span in, char *out)
{
	size_t bits = 0, n = 0, len = in.len;
	unsigned acc = 0;
	if (len == 0 || len % 4 != 0) {
		return 0;
	}
	for (int pad = 0; pad < 2 && in.data[len - 1] == '='; pad++) {
		len--;
	}
	for (size_t i = 0; i < len; i++) {
		int d = digit(in.data[i]);
		if (d < 0) {
			return 0;
		}
		acc = (acc << 6 | (unsigned)d) & 0xffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (char)(acc >> bits);
		}
	}
	return n;
}

static bool may_succeed(struct xfed_span text)
{
	if (text.len == 0 || xfed_span_is(text, "=")) {
		return true;
	}
	char *decoded = malloc(text.len);
	struct xfed_arena a;
	struct xfed_span domain;
	xfed_arena_init(&a, 1 << 20);
	size_t len = slow_base64(text, decoded);
	bool is_peer = len > 0 && xfed_jid_domain(&a, xfed_span_make(decoded, len), &domain) == XFED_OK && xfed_span_is(domain, PEER);
	xfed_arena_deinit(&a);
	free(decoded);
	return is_peer;
}

/* Of the exchange so far. */
static bool is_over, is_challenged;

static void feed_line(struct xfed_sasl_server *s, struct xfed_arena *a, char kind, struct xfed_span text)
{
	const char *name = kind == 'r' ? "response" : kind == 'x' ? "abort" : kind == 'o' ? "other" : "auth";
	struct xfed_xml_elem *e = xfed_xml_elem_new(a, XFED_SPAN(XFED_NS_SASL), xfed_span_str(name));
	if (!e) {
		return;
	}
	if (kind == 'a' || kind == 'm') {
		(void)xfed_xml_set_attr(a, e, XFED_SPAN(""), XFED_SPAN("mechanism"), kind == 'a' ? XFED_SPAN("EXTERNAL") : text);
	}
	if (text.len > 0 && xfed_xml_add_text(a, e, text) != XFED_OK) {
		return;
	}
	enum xfed_sasl_step step = xfed_sasl_server_feed(s, e);
	if (step == XFED_SASL_SUCCESS && (!(kind == 'a' || kind == 'r' || kind == 'm') || !may_succeed(text))) {
		abort();
	}
	if (step == XFED_SASL_SUCCESS && (is_over || (kind == 'r' && !is_challenged))) {
		abort();
	}
	if (step == XFED_SASL_CHALLENGE && (text.len > 0 || is_over)) {
		abort();
	}
	is_over |= step == XFED_SASL_SUCCESS;
	is_challenged = step == XFED_SASL_CHALLENGE;
	if (step == XFED_SASL_FAILURE && !xfed_sasl_server_condition(s)) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	if (!ready && xfed_sasl_global_init() != XFED_OK) {
		abort();
	}
	ready = true;
	struct xfed_sasl_server *s;
	struct xfed_arena a;
	if (xfed_sasl_server_new(XFED_SPAN(PEER), &s) != XFED_OK) {
		return 0;
	}
	xfed_arena_init(&a, 1 << 20);
	is_over = is_challenged = false;
	const char *p = (const char *)data, *end = p + size;
	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		const char *stop = eol ? eol : end;
		if (stop > p) {
			feed_line(s, &a, p[0], xfed_span_make(p + 1, (size_t)(stop - p - 1)));
		}
		p = stop + 1;
	}
	xfed_arena_deinit(&a);
	xfed_sasl_server_free(s);
	return 0;
}
