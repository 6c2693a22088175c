#include "deliver/asserted.h"

#include "interwork/address.h"
#include "sip/addr.h"
#include "sip/lex.h"

/* RFC 3323 section 4.2: priv-value *(";" priv-value); commas from servers that join header fields. */
static bool is_private(const struct sip_message *m)
{
	const struct sip_header *h = NULL;
	while ((h = sip_message_header_named(m, "Privacy", h))) {
		for (size_t at = 0; at < h->value.len;) {
			size_t end = at;
			while (end < h->value.len && h->value.data[end] != ';' && h->value.data[end] != ',') {
				end++;
			}
			if (xfed_span_eq_nocase(sip_trim(xfed_span_make(h->value.data + at, end - at)), XFED_SPAN("id"))) {
				return true;
			}
			at = end + 1;
		}
	}
	return false;
}

int asserted_identity(struct xfed_arena *a, const struct sip_message *m, struct xfed_jid *out)
{
	const struct sip_header *h = NULL;
	if (is_private(m)) {
		return XFED_ERR_NOT_FOUND;
	}
	while ((h = sip_message_header_named(m, "P-Asserted-Identity", h))) {
		struct xfed_span rest = h->value, element;
		struct sip_addr addr;
		enum xfed_reason why;
		bool bad = false;
		while (sip_list_next(&rest, &element, &bad) && !bad) {
			int rc = sip_addr_parse(element, &addr) == XFED_OK ? iw_sip_to_jid(a, addr.uri, out, &why) : XFED_ERR_INVALID;
			if (rc != XFED_ERR_INVALID) {
				return rc;
			}
		}
	}
	return XFED_ERR_NOT_FOUND;
}
