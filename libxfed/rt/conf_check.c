/* Checks that rows of several tables share. */
#include "conf_internal.h"

#include <unistr.h>

#include "xfed/jid.h"

/* Both forms of a domain, so that one without an A-label form (for DNS, TLS and SIP) is refused here and not later. */
static int domain_forms(struct xfed_arena *a, struct xfed_span in, struct xfed_span *domain, struct xfed_span *ascii)
{
	int rc = xfed_jid_domain(a, in, domain);
	return rc == XFED_OK ? xfed_jid_domain_ascii(a, *domain, ascii) : rc;
}

static bool is_letter_digit_or_hyphen(ucs4_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

/* Tried alone and after a letter, because some characters are allowed in a label and not at its beginning. */
static bool may_stand_in_a_domain(struct xfed_arena *a, const char *text, size_t len)
{
	char behind[16] = "a";
	struct xfed_span out;
	memcpy(behind + 1, text, len);
	return xfed_jid_domain(a, xfed_span_make(text, len), &out) == XFED_OK || xfed_jid_domain(a, xfed_span_make(behind, 1 + len), &out) == XFED_OK;
}

/* The character that has to be changed in a name that is no domain; NULL: no single one is to blame. */
static const char *wrong_in_domain(struct xfed_arena *a, struct xfed_span in)
{
	ucs4_t c;
	for (size_t i = 0; i < in.len;) {
		int n = u8_mbtouc(&c, (const uint8_t *)in.data + i, in.len - i);
		if (n < 1 || (c < 0x80 ? c != '.' && !is_letter_digit_or_hyphen(c) : !may_stand_in_a_domain(a, in.data + i, (size_t)n))) {
			return c > ' ' && c < 0x7f
				       ? xfed_arena_printf(a, "the character \"%c\" is not allowed in one (RFC 1123)", (int)c).data
				       : xfed_arena_printf(a, "the character U+%04X is not allowed in one (IDNA2008, RFC 5892)", (unsigned)c).data;
		}
		i += (size_t)n;
	}
	return in.len > 0 && memmem(in.data, in.len, "xn--", 4) ? "what its xn-- stands for is not allowed in one (IDNA2008, RFC 5892)" : NULL;
}

/* Text for `*accepted`; without memory it does not say what is wrong. */
static const char *explain_domain(struct xfed_arena *a, struct xfed_span in, const char *accepted)
{
	const char *wrong = wrong_in_domain(a, in);
	const char *text = wrong ? xfed_arena_printf(a, "%s; %s", accepted, wrong).data : NULL;
	return text ? text : accepted;
}

int rt_conf_convert_domain(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted)
{
	struct xfed_span ascii;
	*accepted = "a domain such as example.com";
	int rc = domain_forms(a, in, out, &ascii);
	if (rc == XFED_OK) {
		/* Spans of a JID need not be NUL-terminated; the structs contain C strings. */
		*out = xfed_arena_copy(a, *out);
		rc = out->data ? XFED_OK : XFED_ERR_NOMEM;
	} else if (rc == XFED_ERR_INVALID) {
		*accepted = explain_domain(a, in, *accepted);
	}
	return rc;
}

int rt_conf_convert_host(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted)
{
	struct xfed_span domain;
	*accepted = "a host name such as gw1.int.example.com";
	int rc = domain_forms(a, in, &domain, out);
	if (rc == XFED_OK) {
		*out = xfed_arena_copy(a, *out);
		rc = out->data ? XFED_OK : XFED_ERR_NOMEM;
	} else if (rc == XFED_ERR_INVALID) {
		*accepted = explain_domain(a, in, *accepted);
	}
	return rc;
}

int rt_conf_convert_name(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted)
{
	*accepted = "a name of at most 64 of a-z 0-9 . _ -, beginning with a letter or digit";
	for (size_t i = 0; i < in.len; i++) {
		char c = in.data[i];
		bool is_first = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!is_first && (i == 0 || (c != '.' && c != '_' && c != '-'))) {
			return XFED_ERR_INVALID;
		}
	}
	*out = in;
	return in.len <= 64 ? XFED_OK : XFED_ERR_INVALID;
}

int rt_conf_convert_network(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted)
{
	struct rt_network n;
	*accepted = "an IP address or a network such as 10.2.0.0/24, no bits set behind the prefix";
	*out = in;
	return rt_network_parse(in, &n);
}

int rt_conf_convert_ip(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted)
{
	struct rt_addr addr;
	char text[RT_ADDR_TEXT];
	*accepted = "an IP address, without a port";
	if (rt_addr_parse_host(&addr, in, 0) != XFED_OK) {
		return XFED_ERR_INVALID;
	}
	*out = xfed_arena_copy(a, xfed_span_str(rt_addr_host_text(&addr, text)));
	return out->data ? XFED_OK : XFED_ERR_NOMEM;
}

int rt_conf_networks(struct rt_conf_doc *doc, const struct rt_conf_strings *texts, struct rt_network **out)
{
	*out = xfed_arena_alloc(&doc->arena, texts->count * sizeof(**out));
	if (!*out) {
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; i < texts->count; i++) {
		XFED_REQUIRE(rt_network_parse(xfed_span_str(texts->items[i]), &(*out)[i]) == XFED_OK);
	}
	return XFED_OK;
}
