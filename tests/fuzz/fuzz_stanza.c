/*
 * Views on stanzas and the errors built from them, over whatever the reader lets through. Properties:
 * - a stanza is accepted with normalised addresses only; of an address that is malformed nothing but a domain is accepted;
 * - an error is never answered with an error (RFC 6120 8.3.1), and echoes nothing but addresses and id;
 * - the error we build is a stanza we ourselves accept as an error, with the condition that was meant.
 */
#include <stdio.h>
#include <stdlib.h>

#include "xfed/limits.h"
#include "xfed/stanza.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "stanza: %s\n", what);
		abort();
	}
}

/* Normalised: parsing it again changes nothing. */
static void check_address(struct xfed_arena *a, const struct xfed_jid *j)
{
	struct xfed_jid again;
	struct xfed_span full = xfed_jid_full(a, j);
	require(full.data && xfed_jid_parse(a, full, &again) == XFED_OK, "an accepted address is none");
	struct xfed_span same = xfed_jid_full(a, &again);
	require(same.data && xfed_span_eq(full, same), "an accepted address is not normalised");
}

static void check_error(struct xfed_arena *a, const struct xfed_stanza *s)
{
	static const struct xfed_stanza_error err = { .condition = "policy-violation", .text = { "no", 2 }, .is_too_big = true };
	bool nomem;
	struct xfed_xml_elem *e = xfed_stanza_error_new(a, s, &err, &nomem);
	require(!nomem, "no memory");
	require((e != NULL) == xfed_stanza_may_error(s), "may_error and error_new disagree");
	if (!e) {
		return;
	}
	struct xfed_stanza answer;
	require(xfed_stanza_view(a, e, &answer) == (s->is_from_malformed ? XFED_STANZA_MALFORMED : XFED_STANZA_OK), "the error is no stanza");
	require(!answer.is_from_malformed, "we speak as an address that is none");
	require(answer.kind == s->kind && answer.type == XFED_TYPE_ERROR, "the error is none");
	require(!xfed_stanza_may_error(&answer), "an error could be answered");
	require(xfed_span_eq(answer.id, s->id), "another id");
	require(xfed_jid_equal_bare(&answer.from, &s->to) && xfed_jid_equal_bare(&answer.to, &s->from), "addresses not swapped");
	require(e->children && !e->children->next, "more than <error/>");
	struct xfed_span text, condition = xfed_stanza_error_condition(e, a, &text);
	require(xfed_span_is(condition, "policy-violation") && xfed_span_is(text, "no"), "another condition");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct xfed_xml_limits limits = { XFED_STANZA_BYTES_MAX, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };
	struct xfed_xml_reader *r;
	require(xfed_xml_global_init() == XFED_OK, "libxml2");
	require(xfed_xml_reader_new_fragment(&limits, &r) == XFED_OK, "no reader");
	if (xfed_xml_reader_fragment(r, xfed_span_make(data, size)) == XFED_XML_ELEMENT) {
		struct xfed_arena *a = xfed_xml_reader_arena(r);
		struct xfed_xml_elem *e = xfed_xml_reader_elem(r);
		struct xfed_span text, condition = xfed_stanza_error_condition(e, a, &text);
		require(condition.len > 0, "no condition");
		struct xfed_stanza s;
		enum xfed_stanza_result result = xfed_stanza_view(a, e, &s);
		require(result != XFED_STANZA_NO_MEMORY, "no memory");
		require((result == XFED_STANZA_MALFORMED) == (result != XFED_STANZA_IMPROPER && (s.is_from_malformed || s.is_to_malformed)),
			"malformed or not");
		if (result == XFED_STANZA_OK || result == XFED_STANZA_MALFORMED) {
			require(xfed_xml_is(e, XFED_NS_SERVER, NULL), "another namespace");
			check_address(a, &s.from);
			check_address(a, &s.to);
			require(!xfed_stanza_iq_is_sound(&s) || (s.kind == XFED_STANZA_IQ && s.id.len > 0), "sound, but no iq");
			check_error(a, &s);
		}
	}
	xfed_xml_reader_free(r);
	return 0;
}
